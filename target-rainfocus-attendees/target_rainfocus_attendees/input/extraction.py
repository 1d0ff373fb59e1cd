"""When a record was taken from its source: by that a newer one is told from an older one."""

from __future__ import annotations

import re
import time
import typing as t
from datetime import UTC, datetime
from decimal import Decimal

from target_rainfocus_attendees.models import REJECTED_AT, Extraction

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_rainfocus_attendees.models import Message, Source

COLUMN = "_sdc_extracted_at"
"""What loaders add to a record; warehouses may write it in upper case."""

_OFFSET = re.compile(r"\s*(?:UTC|z)$|\s+(?=[+-]\d\d:?\d\d$)")
"""What Snowflake, BigQuery and others write before an offset, or instead of one."""

_NUMBER = re.compile(r"\d{9,16}(?:\.\d+)?")
_LARGEST = 1e11
"""Seconds since 1970 up to which a number is taken for seconds: the year 5138."""


def extraction_of(source: Source) -> Extraction:
    """When a record was taken, by this machine's clock not later than now.

    The column `_sdc_extracted_at` goes first, then the message's `time_extracted`, then, of a
    record that was rejected, the time of that. A time without an offset is in UTC; one that nothing
    tells is now.
    """
    now, unread = time.time(), False
    is_replay = REJECTED_AT in source.record["record"]
    for value in _told(source.record):
        moment = _moment(value)
        if moment is not None:
            return Extraction(source.stream, min(moment, now), is_dated=True, is_replay=is_replay)
        unread = True
    return Extraction(source.stream, now, is_dated=False, is_replay=is_replay, is_unread=unread)


def _told(message: Message) -> Iterator[object]:
    record = message["record"]
    told = (
        record.get(COLUMN) or record.get(COLUMN.upper()),
        message.get("time_extracted"),
        record.get(REJECTED_AT),
    )
    return (value for value in told if value not in (None, ""))


def _moment(value: object) -> float | None:
    """Seconds since 1970; numbers may be milliseconds or microseconds, too."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    text = str(value).strip()
    try:
        if _NUMBER.fullmatch(text):
            seconds = float(text)
            while seconds > _LARGEST:
                seconds /= 1000
            return seconds
        moment = datetime.fromisoformat(_OFFSET.sub("", text))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
