"""Where each of the Attendee Store's fields is found in a stream, by its schema."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Mapping

JSONSchema: t.TypeAlias = "Mapping[str, t.Any]"
Path: t.TypeAlias = tuple[str, ...]
Columns: t.TypeAlias = dict[str, Path]
"""Attendee Store field → path of the value in a record."""

EMAIL = "email"
COUNTRY = "countryid"
STATE = "state"

GROUP = "attendee"
"""The object that tap-rainfocus, and RainFocus' own pushes, keep a person's fields in."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    EMAIL: ("mail", "emailaddress", "workemail"),
    "firstname": ("givenname", "fname"),
    "lastname": ("surname", "familyname", "lname"),
    "companyname": ("company", "organization", "organisation", "employer", "accountname"),
    "jobtitle": ("title", "position"),
    "phone": ("phonenumber", "telephone", "mobile"),
    "address1": ("addressline1", "address", "streetaddress", "street"),
    "address2": ("addressline2",),
    "city": ("town", "locality"),
    STATE: ("statecode", "stateid", "province", "region"),
    "zip": ("zipcode", "postalcode", "postcode"),
    COUNTRY: ("countrycode", "country", "countryname"),
}
"""The 12 fields (AEP destination page) and what else they are called, best name first.

Names are compared folded: lower case, without `_`, `-` and spaces.
"""


def find_columns(schema: JSONSchema) -> Columns:
    """Find the fields that a stream holds.

    A field's own name is better than a synonym, and the top level better than the `attendee`
    object.
    """
    top = _by_folded_name(schema)
    flattened = {
        name.removeprefix(GROUP): column for name, column in top.items() if name.startswith(GROUP)
    }
    places: list[tuple[Path, dict[str, str]]] = [((), top), ((), flattened)]
    if GROUP in top:
        group = _properties(schema)[top[GROUP]]
        places.append(((top[GROUP],), _by_folded_name(group)))
    columns: Columns = {}
    for field, synonyms in SYNONYMS.items():
        path = _first((field,), places) or _first(synonyms, places)
        if path:
            columns[field] = path
    return columns


def _first(names: tuple[str, ...], places: list[tuple[Path, dict[str, str]]]) -> Path | None:
    for parent, properties in places:
        for name in names:
            if name in properties:
                return (*parent, properties[name])
    return None


def _by_folded_name(schema: JSONSchema) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, column in _properties(schema).items():
        folded = re.sub(r"[_\-\s]", "", name).lower()
        if folded == GROUP or _holds_a_value(column):
            found.setdefault(folded, name)
    return found


def _properties(schema: object) -> JSONSchema:
    """The properties that a schema declares, also in one of its alternatives."""
    if not isinstance(schema, dict):
        return {}
    found: dict[str, t.Any] = dict(schema.get("properties") or {})
    for keyword in ("anyOf", "oneOf", "allOf"):
        for alternative in schema.get(keyword) or []:
            found |= _properties(alternative)
    return found


def _holds_a_value(column: object) -> bool:
    """Whether a column can hold text or a number, not only an object or an array."""
    if not isinstance(column, dict):
        return column is True
    kinds = column.get("type") or ()
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    return not kinds or bool(kinds - {"object", "array", "null"})
