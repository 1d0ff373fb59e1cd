"""What the rooms hand one another: a record with its source, and what became of it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from target_rainfocus_attendees.mapping.profiles import Profile

Message: t.TypeAlias = dict[str, t.Any]
"""A Singer message."""


class Source(t.NamedTuple):
    """A record as it was read, and the SCHEMA message it came under; before any stream map."""

    schema: Message
    record: Message


@dataclass(slots=True)
class Exchange:
    """What it took to send one profile.

    Attributes:
        attempts: Requests made.
        status: HTTP status of the last answer, None where there was none.
        code: Its responseCode.
        seconds: From the first request to the last answer, waits included.
    """

    attempts: int = 0
    status: int | None = None
    code: str | None = None
    seconds: float = 0.0


class Item(t.NamedTuple):
    """A profile, the number of the record it was read from, and that record."""

    number: int
    profile: Profile
    source: Source


class Outcome(t.NamedTuple):
    """What became of the items that were sent as one profile.

    Attributes:
        word: `stored`, `unchanged` or `rejected`; without items `split`, when a refused profile is
            sent again record by record, or `unfinished`.
        identity: Whose profile it was.
        items: In the order they were read.
        exchange: What it took; None if nothing was sent.
        reason: Why it was rejected.
    """

    word: str
    identity: str
    items: list[Item]
    exchange: Exchange | None = None
    reason: str = ""
