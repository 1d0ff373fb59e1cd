"""When a record was taken from its source: by that a newer one is told from an older one."""

from __future__ import annotations

import time
import typing as t
from contextlib import suppress
from datetime import UTC, datetime

from target_rainfocus_attendees.models import REJECTED_AT

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_rainfocus_attendees.models import Message

COLUMN = "_sdc_extracted_at"
"""What loaders add to a record; warehouses may write it in upper case."""


def extracted_at(message: Message) -> float | None:
    """Seconds since 1970, by this machine's clock not later than now; None if nothing says it.

    The column `_sdc_extracted_at` goes first, then the message's `time_extracted`, then, of a
    record that was rejected, the time of that. A time without an offset is in UTC.

    Args:
        message: A RECORD as it was read.
    """
    moment = next(_moments(message), None)
    return None if moment is None else min(moment, time.time())


def _moments(message: Message) -> Iterator[float]:
    record = message["record"]
    for value in (
        record.get(COLUMN) or record.get(COLUMN.upper()),
        message.get("time_extracted"),
        record.get(REJECTED_AT),
    ):
        if isinstance(value, str):
            with suppress(ValueError, OverflowError):
                moment = datetime.fromisoformat(value.strip())
                yield (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
