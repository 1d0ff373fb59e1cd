"""Whether a record says that it was deleted where it comes from."""

from __future__ import annotations

import re
import typing as t

from target_rainfocus_attendees.mapping.texts import to_text

if t.TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

MARKS = (
    "_sdc_deleted_at",
    "_ab_cdc_deleted_at",
    "_fivetran_deleted",
    "__deleted",
    "IsDeleted",
    "isDeleted",
    "is_deleted",
    "deleted",
    "deleted_at",
    "deletedAt",
    "archived",
    "archivedAt",
)
"""What Singer, Airbyte, Fivetran, Debezium, Salesforce, web frameworks and HubSpot call it.

A date, or whether it is so.
"""

_NOT_SET = frozenset({"", "false", "f", "0", "no", "n", "off", "null", "none", "nat"})

_NEVER = ("0000-00-00", "9999-", "infinity", "-infinity")
"""What databases write for a date that is not, or is never to come."""

_POINT_ZERO = re.compile(r"(?<=\d)\.0+$")

_SPELLINGS = frozenset(spell(mark) for mark in MARKS for spell in (str, str.lower, str.upper))
"""Warehouses write all names in upper case, or all in lower case."""


def is_deleted(record: Mapping[str, t.Any], null_values: AbstractSet[str]) -> bool:
    """Whether a record, as it was read, is of something that is gone.

    Args:
        record: As it was read.
        null_values: Words for nothing.
    """
    if _SPELLINGS.isdisjoint(record):
        return False
    return any(_is_set(value, null_values) for name, value in record.items() if name in _SPELLINGS)


def _is_set(value: object, null_values: AbstractSet[str]) -> bool:
    if isinstance(value, bool | list | dict):
        return bool(value)
    text = to_text(value, null_values) if value is not None else ""
    if text is None:
        return True
    text = _POINT_ZERO.sub("", text.casefold())
    return text not in _NOT_SET and not text.startswith(_NEVER)
