"""What cannot be read stays, as it came, in a text column of the record."""

from __future__ import annotations

import json
import typing as t
from functools import reduce
from itertools import chain

import orjson

if t.TYPE_CHECKING:
    from collections.abc import Mapping

FIELD = "_unread"

TOO_DEEP = "nested too deep"
"""Stands for a value that nothing here can walk through."""

LEVELS_AROUND = 8
"""Levels that a value must leave to those who put it into records and messages."""

MOST_LEVELS = 240
"""Levels of a value that is not nested too deep; orjson writes 254 in all."""


def as_text(unread: Mapping[str, object]) -> str | None:
    """Unread values as JSON, dotted field → value, by field; None where there are none."""
    if not unread:
        return None
    unread = dict(sorted(unread.items()))
    try:
        return orjson.dumps(unread).decode()
    except TypeError:  # nested deeper than orjson goes
        return json.dumps({field: _shallow(value) for field, value in unread.items()})


def storable(record: dict[str, t.Any]) -> dict[str, t.Any]:
    """A record that cannot be written, without what is nested too deep: that becomes unread."""
    unread = orjson.loads(record.get(FIELD) or "{}")
    for name, value in record.items():
        for field, inner in value.items() if isinstance(value, dict) else ():
            if _is_deep(inner):
                unread[f"{name}.{field}"] = inner
                value[field] = None
        if _is_deep(value):
            unread[name] = value
            record[name] = None
    if FIELD in record:
        record[FIELD] = as_text(unread)
    return record


def is_writable(value: object) -> bool:
    """Whether every writer of JSON can write a value, also within a record and a message."""
    try:
        orjson.dumps(reduce(lambda inner, _: [inner], range(LEVELS_AROUND), value))
    except TypeError:
        return False
    return True


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(MOST_LEVELS):
        inside = (
            v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list)
        )
        level = [*chain.from_iterable(inside)]
    return bool(level)


def _shallow(value: object) -> object:
    try:
        json.dumps(value)
    except RecursionError:
        return TOO_DEEP
    return value
