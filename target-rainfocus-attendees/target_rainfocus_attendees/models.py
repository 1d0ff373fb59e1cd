"""What the rooms hand one another: a record with its source, and what became of it."""

from __future__ import annotations

import typing as t
from enum import StrEnum

from rainfocus_client.troubles import Trouble, with_code

if t.TYPE_CHECKING:
    from collections.abc import Sequence

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

    @property
    def key(self) -> tuple[object, ...] | None:
        """What tells its row from others of the stream; None where the stream has no key."""
        names = self.schema.get("key_properties") or ()
        return tuple(self.record["record"].get(name) for name in names) or None


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


class Extraction(t.NamedTuple):
    """When a record was taken from its source.

    Attributes:
        stream: What it is of; times of two streams tell nothing of which is newer.
        at: Seconds since 1970.
        is_dated: Whether the record says so; else it is when it was read.
        is_replay: Whether the record was rejected before.
        is_unread: Whether it says something that is no time.
    """

    stream: str
    at: float
    is_dated: bool
    is_replay: bool = False
    is_unread: bool = False


STALE = Receipt(
    Outcome.UNCHANGED, Reason("stale, a newer record of the person came before", Trouble.STALE)
)


class Item(t.NamedTuple):
    """A profile, and the record it was read from.

    Attributes:
        number: Of the record, in the input.
        profile: What is to be sent.
        source: The record.
        extraction: When it was taken from its source; None where nobody asks for it.
    """

    number: int
    profile: Profile
    source: Source
    extraction: Extraction | None = None

    @property
    def identity(self) -> str:
        """Whose profile it is."""
        return self.profile.identity


class Withdrawal(t.NamedTuple):
    """A record that says that somebody is not to be sent, of whom profiles may wait.

    Attributes:
        number: Of the record, in the input.
        identity: Who is not to be sent.
        source: The record.
        reason: Why.
        extraction: When it was taken from its source; None where nobody asks for it.
    """

    number: int
    identity: str
    source: Source
    reason: Reason
    extraction: Extraction | None = None

    def holds_back(self, item: Item) -> bool:
        """Whether a profile of the person that waits is not to be sent either.

        A deletion is that of a row: of the same stream and, where rows have keys, with its key. No
        consent is that of a person. Neither concerns what was taken from its source later.
        """
        if self.extraction and item.extraction and item.extraction.at > self.extraction.at:
            return False
        if self.reason.trouble is not Trouble.DELETED:
            return True
        key = self.source.key
        return key is None or (item.source.stream, item.source.key) == (self.source.stream, key)


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
    items: Sequence[Item | Withdrawal]
    receipt: Receipt
    dropped: Sequence[str] = ()
