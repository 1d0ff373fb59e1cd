"""Where each of the Attendee Store's fields is found in a stream, by its schema."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

JSONSchema: t.TypeAlias = "Mapping[str, t.Any]"
Path: t.TypeAlias = tuple[str, ...]
Columns: t.TypeAlias = dict[str, Path]
"""Attendee Store field → path of the value in a record."""

EMAIL = "email"
COUNTRY = "countryid"
STATE = "state"

NOT_COLUMNS = ("_sdc_", "_reject")
"""How the names begin of what Singer, and our own rejects, add to a record."""

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


HASH_SYNONYMS = ("emaillcsha256", "emailsha256", "emailhash", "hashedemail")
"""What a column with hashed addresses is called, beside the names of one with plain ones."""


def find_columns(
    schema: JSONSchema, field_map: Mapping[str, str | None], *, hashed: bool = False
) -> Columns:
    """Find the fields that a stream holds.

    A field's own name is better than a synonym, and the top level better than the `attendee`
    object.

    Args:
        schema: The stream's schema.
        field_map: Field → dotted path, which goes before any name; None leaves the field out.
        hashed: Whether the e-mail address may be in a column of hashes.
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
    for field, names in SYNONYMS.items():
        synonyms = names + HASH_SYNONYMS if hashed and field == EMAIL else names
        path = (
            find_path(schema, field_map[field])
            if field in field_map
            else _first((field,), places) or _first(synonyms, places)
        )
        if path:
            columns[field] = path
    return columns


def find_path(schema: JSONSchema, dotted: str | None) -> Path | None:
    """The path that a user's dotted one means in a stream; None if its schema has no such column.

    Within a column anything may be named: custom attributes are not in the schema.
    """
    if not dotted:
        return None
    properties = _properties(schema)
    if dotted in properties:
        return (dotted,)
    path = tuple(dotted.split("."))
    return path if path[0] in properties else None


def unmatched(schema: JSONSchema, used: Iterable[Path]) -> list[str]:
    """The columns that hold values and that no path leads to, dotted."""
    matched = {path[:depth] for path in used for depth in (1, 2)}
    found = []
    for name, column in _properties(schema).items():
        inside = _properties(column) if _spelling(name) == GROUP else {}
        if inside:
            found += [f"{name}.{inner}" for inner in inside if (name, inner) not in matched]
        elif (name,) not in matched and not name.startswith(NOT_COLUMNS):
            found.append(name)
    return found


def value_at(record: Mapping[str, t.Any], path: Path) -> object:
    """The value at a path; in a list of custom attributes a step is an attribute's code.

    An attribute with several values, an entry each, is a list of them.
    """
    value: t.Any = record
    for key in path:
        if isinstance(value, list):
            found = [one.get("value") for one in value if _is_attribute(one, key)]
            value = found if len(found) > 1 else next(iter(found), None)
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


def _is_attribute(entry: object, code: str) -> bool:
    return isinstance(entry, dict) and entry.get("code") == code


def _first(names: tuple[str, ...], places: list[tuple[Path, dict[str, str]]]) -> Path | None:
    for parent, properties in places:
        for name in names:
            if name in properties:
                return (*parent, properties[name])
    return None


def _by_folded_name(schema: JSONSchema) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, column in _properties(schema).items():
        folded = _spelling(name)
        if folded == GROUP or _holds_a_value(column):
            found.setdefault(folded, name)
    return found


def _spelling(name: str) -> str:
    return re.sub(r"[_\-\s]", "", name).lower()


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
