"""The server's clock, in the unit and the text that RainFocus uses."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Return the time as milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def moment(epoch_ms: int) -> datetime:
    """Return the UTC moment of `epoch_ms`."""
    return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)


def iso(epoch_ms: int) -> str:
    """Return `epoch_ms` as `2025-03-18T09:00:00.000Z`.

    Assumption: the format of `createDate` and `modifiedDate` is not public; ISO 8601 is what the
    push `timestamp` uses (docs/rainfocus-api.md §4.0).
    """
    return moment(epoch_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
