"""What may be told of a reply: names of fields, types and counts, and no value."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_NAMES = 60
"""Names of fields that are told of one object."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,49}")
_LIKE_AN_ID = re.compile(r"\d{5}|[0-9a-fA-F-]{24}")

_TYPES = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


def is_name(key: object) -> bool:
    """Whether a key looks like the name of a field, and not like an id or somebody's address."""
    return (
        isinstance(key, str)
        and _NAME.fullmatch(key) is not None
        and _LIKE_AN_ID.search(key) is None
    )


def names(keys: Iterable[object]) -> list[str]:
    """Those of the keys that look like names, in order."""
    return sorted(str(key) for key in keys if is_name(key))[:MOST_NAMES]


def type_of(value: object) -> str:
    """The JSON type of a value."""
    return _TYPES.get(type(value), "other")


def shape(body: object) -> dict[str, str]:
    """Name of each field → its type, of lists with their length."""
    if not isinstance(body, dict):
        return {}
    return {name: _described(body[name]) for name in names(body)}


def fields_of(records: Iterable[Mapping[str, t.Any]]) -> dict[str, list[str]]:
    """Name of each field of records → the types that it has in them."""
    found: dict[str, set[str]] = {}
    for record in records:
        for name in names(record):
            found.setdefault(name, set()).add(type_of(record[name]))
    return {name: sorted(found[name]) for name in sorted(found)[:MOST_NAMES]}


def listed(words: Iterable[str]) -> str:
    """Names as people read them."""
    return ", ".join(words)


def _described(value: object) -> str:
    length = f" of {len(value)}" if isinstance(value, list) else ""
    return f"{type_of(value)}{length}"
