"""Where each of the Attendee Store's fields is found in a stream, by its schema."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

JSONSchema: t.TypeAlias = "Mapping[str, t.Any]"
Path: t.TypeAlias = tuple[str, ...]
Columns: t.TypeAlias = dict[str, tuple[Path, ...]]
"""Attendee Store field → paths of its value in a record, the best first."""

Place: t.TypeAlias = tuple[Path, dict[str, dict[str, object]]]
"""Path of an object in a record, and its columns: spelling → names → schema."""

EMAIL = "email"
HASHED_EMAIL = "email_lc_sha256"
"""The identity that Adobe's destination lists beside the address (docs/rainfocus-api.md §7); that
a request carries it under this name is assumed."""

COUNTRY = "countryid"
STATE = "state"
PHONE = "phone"
ZIP = "zip"

NOT_COLUMNS = ("_sdc_", "_reject")
"""How the names begin of what Singer, and our own rejects, add to a record."""

TAP_COLUMNS = frozenset({"event_code", "_unread"})
"""What tap-rainfocus adds to the fields of RainFocus: they are no profile's."""

GROUP = "attendee"
"""The object that tap-rainfocus, and RainFocus' own pushes, keep a person's fields in."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    EMAIL: ("mail", "emailaddress", "workemail"),
    "firstname": ("givenname", "fname"),
    "lastname": ("surname", "familyname", "lname"),
    "companyname": ("company", "organization", "organisation", "employer", "accountname"),
    "jobtitle": (),
    PHONE: ("phonenumber", "telephone", "mobile"),
    "address1": ("addressline1", "address", "streetaddress", "street"),
    "address2": ("addressline2",),
    "city": ("town", "locality"),
    STATE: ("statecode", "province"),
    ZIP: ("zipcode", "postalcode", "postcode"),
    COUNTRY: ("countrycode", "country", "countryname"),
}
"""The 12 fields (AEP destination page) and what else they are called, best name first.

Names are compared folded: lower case, without `_`, `-` and spaces.
"""

AMBIGUOUS: dict[str, tuple[str, ...]] = {
    "jobtitle": ("title", "position"),
    STATE: ("region", "stateid"),
}
"""Names that mean the field, or another thing: a salutation, a sales region, a key."""


IDENTITIES: dict[str, tuple[str, ...]] = {
    EMAIL: SYNONYMS[EMAIL],
    HASHED_EMAIL: (
        *SYNONYMS[EMAIL],
        *("emaillcsha256", "emailsha256", "emailhash", "hashedemail"),
    ),
    "externalId": (),
    "attendeeId": (),
}
"""What can say who somebody is, and what else its column is called.

The ids are fields of an attendee (docs/rainfocus-api.md §7); that they are matched is assumed.
"""


def identity_field(identity: str) -> str:
    """The field whose column holds an identity: the address, for its hash as well."""
    return EMAIL if identity == HASHED_EMAIL else identity


def find_columns(
    schema: JSONSchema,
    field_map: Mapping[str, str | None],
    identity: str = EMAIL,
    *,
    by_name: bool = True,
) -> Columns:
    """Find the fields that a stream holds.

    A field's own name is better than a synonym, and the top level better than the `attendee`
    object. All columns that mean a field are found, but one alone for e-mail addresses and ids.

    Args:
        schema: The stream's schema.
        field_map: Field → dotted path, which goes before any name; None leaves the field out.
        identity: Which of `IDENTITIES` says who somebody is.
        by_name: Whether fields that `field_map` does not decide on are found.
    """
    places = _places(schema)
    columns: Columns = {}
    key = identity_field(identity)
    for field, synonyms in (SYNONYMS | {key: IDENTITIES[identity]}).items():
        if field in field_map:
            dotted = field_map[field]
            path = find_path(schema, dotted) if dotted is not None else None
            paths = [path] if path else []
        else:
            paths = _alike(field, synonyms, places) if by_name else []
        if paths:
            columns[field] = tuple(paths[:1] if field in {EMAIL, key} else dict.fromkeys(paths))
    return columns


def left_aside(schema: JSONSchema, columns: Columns) -> dict[str, Path]:
    """The fields that are found in no column but could be in one: field → its path.

    Its name means another thing as well, or it holds an object.

    Args:
        schema: The stream's schema.
        columns: From `find_columns`, and the fields that `field_map` decides on.
    """
    places = _places(schema)
    found: dict[str, Path] = {}
    for field in (field for field in SYNONYMS if field not in columns):
        names = (*AMBIGUOUS.get(field, ()), field, *SYNONYMS[field])
        for path in _named(names, places, lambda _: True):
            column = _at(schema, path)
            inside = [] if _may_hold_a_value(column) else [*column_names(column), "column"][:1]
            found.setdefault(field, (*path, *inside))
    return found


def find_path(schema: JSONSchema, dotted: str) -> Path | None:
    """The path that a user's dotted one means in a stream; None if its schema has no such column.

    A dot may be part of a name. Within lists, such as custom attributes, and within objects that
    declare no properties, or others beside them, anything may be named.
    """
    properties = _properties(schema)
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        name = ".".join(parts[:count])
        if name not in properties:
            continue
        if count == len(parts):
            return (name,)
        rest = ".".join(parts[count:])
        inside = find_path(properties[name], rest)
        if inside is None and _is_open(properties[name]):
            inside = tuple(parts[count:])
        if inside:
            return (name, *inside)
    return None


def undeclared(schema: JSONSchema, paths: Iterable[Path]) -> list[Path]:
    """Those of the paths that a stream's schema does not have to their ends."""
    return [path for path in paths if not _is_declared(schema, path)]


def spelling(name: str) -> str:
    """A name as it is compared: lower case, without `_`, `-` and blanks."""
    return re.sub(r"[_\-\s]", "", name).lower()


def column_names(schema: object) -> list[str]:
    """The columns of a stream, dotted where the schema declares what is inside of them."""
    found = []
    for name, column in _properties(schema).items():
        inside = column_names(column)
        found += [f"{name}.{inner}" for inner in inside] or [name]
    return found


def likely_column(schema: JSONSchema, field: str) -> str:
    """The column that most likely holds the field of an identity, dotted; empty if none does."""
    looks_like = re.compile("mail" if field == EMAIL else "id$")
    names = column_names(schema)
    likely = (name for name in names if looks_like.search(spelling(name.rpartition(".")[2])))
    return min(likely, key=len, default="")


def unmatched(schema: JSONSchema, used: Iterable[Path]) -> list[str]:
    """The columns that hold values and that no path leads to, dotted."""
    matched = {path[:depth] for path in used for depth in (1, 2)} | {
        (ours,) for ours in TAP_COLUMNS
    }
    found = []
    for name, column in _properties(schema).items():
        inside = _properties(column) if spelling(name) == GROUP else {}
        if inside:
            found += [f"{name}.{inner}" for inner in inside if (name, inner) not in matched]
        elif (name,) not in matched and not name.startswith(NOT_COLUMNS):
            found.append(name)
    return found


def value_at(record: Mapping[str, t.Any], path: Path) -> object:
    """The value at a path; in a list of custom attributes a step is an attribute's code.

    What no schema declares may have dots in its name: where there is no step, the rest of the
    path is tried as one. An attribute with several values, an entry each, is a list of them.
    """
    value: t.Any = record
    for depth, key in enumerate(path):
        inside = _step(value, key)
        if inside is None and depth + 1 < len(path):
            return _step(value, ".".join(path[depth:]))
        value = inside
    return value


def _is_declared(schema: JSONSchema, path: Path) -> bool:
    return _at(schema, path) is not None


def _at(schema: JSONSchema, path: Path) -> t.Any:  # noqa: ANN401
    """The schema at the end of a path; None where there is none."""
    column: t.Any = schema
    for key in path:
        column = _properties(column).get(key)
    return column


def _is_open(column: object) -> bool:
    """Whether a column may hold more than its schema declares."""
    if not isinstance(column, dict):
        return column is True
    alternatives = _alternatives(column)
    if alternatives:
        return any(map(_is_open, alternatives))
    kinds = _kinds(column)
    if "object" in kinds or not kinds:
        return not column.get("properties") or bool(column.get("additionalProperties"))
    return "array" in kinds


def _step(value: object, key: str) -> t.Any:  # noqa: ANN401
    if isinstance(value, dict):
        return value.get(key)
    if not isinstance(value, list):
        return None
    found = [one.get("value") for one in value if _is_attribute(one, key)]
    return found if len(found) > 1 else next(iter(found), None)


def _alike(field: str, synonyms: tuple[str, ...], places: list[Place]) -> list[Path]:
    """The columns that mean a field, all in the place where the best of them is."""
    found: list[tuple[Path, list[Path], list[Path]]] = [
        (
            place[0],
            list(_named((spelling(field),), [place], _may_hold_a_value)),
            list(_named(synonyms, [place], _holds_values_only)),
        )
        for place in places
    ]
    best = next((one for one in found if one[1]), None) or next(
        (one for one in found if one[2]), None
    )
    return [*best[1], *best[2]] if best else []


def _is_attribute(entry: object, code: str) -> bool:
    return isinstance(entry, dict) and entry.get("code") == code


def _places(schema: JSONSchema) -> list[Place]:
    top = _by_spelling(schema)
    flattened = {
        name.removeprefix(GROUP): column for name, column in top.items() if name.startswith(GROUP)
    }
    places: list[Place] = [((), top), ((), flattened)]
    if GROUP in top:
        places += [((name,), _by_spelling(group)) for name, group in top[GROUP].items()]
    return places


def _by_spelling(schema: object) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for name, column in _properties(schema).items():
        found.setdefault(spelling(name), {})[name] = column
    return found


def _named(
    names: Iterable[str], places: list[Place], is_wanted: Callable[[object], bool]
) -> Iterator[Path]:
    for parent, columns in places:
        for name in names:
            for column, schema in columns.get(name, {}).items():
                if is_wanted(schema):
                    yield (*parent, column)


def _properties(schema: object) -> JSONSchema:
    """The properties that a schema declares, also in one of its alternatives."""
    if not isinstance(schema, dict):
        return {}
    found: dict[str, t.Any] = dict(schema.get("properties") or {})
    for alternative in _alternatives(schema):
        found |= _properties(alternative)
    return found


def _alternatives(schema: JSONSchema) -> list[t.Any]:
    keywords = ("anyOf", "oneOf", "allOf")
    return [one for keyword in keywords for one in schema.get(keyword) or []]


def _kinds(column: JSONSchema) -> set[str]:
    kinds = column.get("type") or ()
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _kinds_of(column: object) -> set[str]:
    """The types that a column may have, in any alternative; none means any."""
    if not isinstance(column, dict):
        return set() if column is True else {"null"}
    return _kinds(column).union(*map(_kinds_of, _alternatives(column)))


def _may_hold_a_value(column: object) -> bool:
    """Whether a column can hold text or a number, not only an object or an array."""
    kinds = _kinds_of(column)
    return not kinds or bool(kinds - {"object", "array", "null"})


def _holds_values_only(column: object) -> bool:
    """Whether a column holds nothing but texts and numbers."""
    return _may_hold_a_value(column) and not _kinds_of(column) & {"object", "array"}
