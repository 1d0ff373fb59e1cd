"""Whether a record says that it was deleted where it comes from."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Mapping

MARKS = (
    "_sdc_deleted_at",
    "_ab_cdc_deleted_at",
    "_fivetran_deleted",
    "__deleted",
    "IsDeleted",
    "is_deleted",
    "deleted_at",
    "deletedAt",
    "archived",
    "archivedAt",
)
"""What Singer, Airbyte, Fivetran, Debezium, Salesforce, web frameworks and HubSpot call it.

A date, or whether it is so.
"""

NOT_SET = frozenset({"", "false", "f", "0", "no", "n", "null", "none"})

_SPELLINGS = frozenset(spell(mark) for mark in MARKS for spell in (str, str.lower, str.upper))
"""Warehouses write all names in upper case, or all in lower case."""


def is_deleted(record: Mapping[str, t.Any]) -> bool:
    """Whether a record, as it was read, is of something that is gone."""
    if _SPELLINGS.isdisjoint(record):
        return False
    return any(_is_set(value) for name, value in record.items() if name in _SPELLINGS)


def _is_set(value: object) -> bool:
    return value is not None and str(value).strip().casefold() not in NOT_SET
