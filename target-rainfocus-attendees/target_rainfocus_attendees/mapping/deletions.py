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
)
"""What Singer, Airbyte, Fivetran, Debezium and Salesforce call it: a date, or whether it is so."""

NOT_SET = frozenset({"", "false", "f", "0", "no", "n", "null", "none"})


def is_deleted(record: Mapping[str, t.Any]) -> bool:
    """Whether a record, as it was read, is of something that is gone."""
    return any(_is_set(record[mark]) for mark in MARKS if mark in record)


def _is_set(value: object) -> bool:
    return value is not None and str(value).strip().casefold() not in NOT_SET
