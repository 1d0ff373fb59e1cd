"""What the rooms hand one another: a record with its source, and what became of it."""

from __future__ import annotations

import typing as t
from enum import StrEnum

from rainfocus_client.troubles import with_code

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from rainfocus_client.troubles import Trouble

    from target_rainfocus_attendees.mapping.profiles import Profile

Message: t.TypeAlias = dict[str, t.Any]
"""A Singer message."""


REJECTED_AT = "_rejected_at"
"""The column of a reject that says when it was rejected."""


class Source(t.NamedTuple):
    """A record as it was read, and the SCHEMA message it came under; before any stream map."""

    schema: Message
    record: Message

    @property
    def stream(self) -> str:
        """The stream it is of."""
        stream: str = self.record["stream"]
        return stream


class Outcome(StrEnum):
    """What becomes of a record; every one that is read ends as one of the first six."""

    STORED = "stored"
    UNCHANGED = "unchanged"
    MERGED = "merged"
    FILTERED = "filtered"
    INVALID = "invalid"
    REJECTED = "rejected"
    SPLIT = "split"
    """A refused profile of several records, which are sent again one by one."""
    UNFINISHED = "unfinished"


class Reason(t.NamedTuple):
    """Why a record is not sent, or not stored; the text holds no value of it."""

    text: str
    trouble: Trouble

    def __str__(self) -> str:
        """The text with its code."""
        return with_code(self.text.rstrip("."), self.trouble)


class Receipt(t.NamedTuple):
    """What sending one profile came to.

    Attributes:
        outcome: `STORED`, `UNCHANGED`, `REJECTED`, `FILTERED` or `UNFINISHED`.
        reason: Why it was rejected, or filtered.
        failure: Why it is unfinished.
        attempts: Requests made.
        status: HTTP status of the last answer, None where there was none.
        code: Its responseCode.
        attendee_id: The attendee that it names, if any.
        seconds: From the first request to the last answer, waits included.
        asked_at: When the last request began, in `time.monotonic()` seconds.
        failed_at: When the first attempt failed, None where none did.
    """

    outcome: Outcome
    reason: Reason | None = None
    failure: Exception | None = None
    attempts: int = 0
    status: int | None = None
    code: str | None = None
    attendee_id: str | None = None
    seconds: float = 0.0
    asked_at: float = 0.0
    failed_at: float | None = None


class Item(t.NamedTuple):
    """A profile, and the record it was read from.

    Attributes:
        number: Of the record, in the input.
        profile: What is to be sent.
        source: The record.
        at: When it was taken from its source, in seconds since 1970; None where nobody asks for
            it, or knows.
    """

    number: int
    profile: Profile
    source: Source
    at: float | None = None

    @property
    def is_replay(self) -> bool:
        """Whether the record was rejected before."""
        return REJECTED_AT in self.source.record["record"]


class Withdrawal(t.NamedTuple):
    """Somebody who is not to be sent any more, of whom profiles may wait, and why."""

    identity: str
    reason: Reason


class Underway(t.NamedTuple):
    """What sending is at now.

    Attributes:
        in_flight: Requests without an answer yet.
        pause: Seconds until the next may be made, where RainFocus has none made before; else 0.
    """

    in_flight: int = 0
    pause: float = 0.0


class Activation(t.NamedTuple):
    """What became of one record.

    Attributes:
        record: Its number in the input.
        stream: Its stream, before any stream map.
        outcome: One of those that a record ends as.
        identity: Whose it is, where that is known.
        reason: Why it was not sent, or not stored.
        field: The field to blame for that.
        receipt: What sending came to, if it was sent by itself or as the last of those merged.
    """

    record: int
    stream: str
    outcome: Outcome
    identity: str | None = None
    reason: Reason | None = None
    field: str | None = None
    receipt: Receipt | None = None


class Delivered(t.NamedTuple):
    """What became of the items that were sent as one profile.

    Attributes:
        outcome: That of the items; or `SPLIT` or `UNFINISHED`, without items.
        identity: Whose profile it was.
        items: In the order they were read.
        receipt: What sending came to.
        dropped: Fields that were left out of it when the items were merged.
    """

    outcome: Outcome
    identity: str
    items: list[Item]
    receipt: Receipt
    dropped: Sequence[str] = ()
