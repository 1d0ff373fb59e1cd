"""What the inbox takes, and what it gives back."""

from __future__ import annotations

import enum
import typing as t

if t.TYPE_CHECKING:
    from datetime import datetime


class Unreadable(enum.StrEnum):
    """Why a message is not read as an event."""

    NO_EVENT = "no-event"
    NOT_JSON = "not-json"
    NOT_UTF8 = "not-utf-8"
    TOO_DEEP = "too-deep"
    CUT_OFF = "cut-off"
    TOO_LARGE = "too-large"

    def key(self, digest: str) -> str:
        """The key of a message, by a hash of what it says."""
        return f"unreadable:{self}:{digest}"


EVENT = "event"
CONFLICT = "conflict"
"""An event sent again with something else beside its content."""


FORGOTTEN = "forgotten"
"""What is left of a row that was about a person who is to be forgotten."""


class Message(t.NamedTuple):
    """What is to be kept.

    Attributes:
        key: Makes two of them the same.
        payload: What is kept of it.
        flow_id: The dataflow it was sent to.
        transmission_id: Of an event that has one.
        readable: Whether it is an event; what is none is kept and counted, and never read.
        fingerprint: Tells whether two that are the same also say the same.
        event_type: The push type of an event that has one.
        is_placed: Whether two with one key are the same however far apart they are received;
            otherwise only within `RETRY_WINDOW`.
        fault: Why it is no event.
    """

    key: str
    payload: str
    flow_id: str | None
    transmission_id: str | None
    readable: bool
    fingerprint: str
    event_type: str | None = None
    is_placed: bool = True
    fault: Unreadable | None = None


class InboxRow(t.NamedTuple):
    """What was kept, with its place in the order and the time it was received (UTC)."""

    sequence: int
    received_at: datetime
    flow_id: str | None
    transmission_id: str | None
    payload: str


class KeptRow(t.NamedTuple):
    """What the keeper of an inbox sees of a row.

    Attributes:
        sequence: Its place in the order.
        received_at: When it was received, UTC.
        flow_id: The dataflow it was sent to.
        payload: What is kept of it; of what is no text see `payloads.as_bytes`.
        kind: `event`, `conflict`, or why it is no event.
    """

    sequence: int
    received_at: datetime
    flow_id: str | None
    payload: str
    kind: str

    @property
    def readable(self) -> bool:
        """Whether it is an event."""
        return self.kind == EVENT


class Unread(t.NamedTuple):
    """What a tap has yet to read: how many events, and of the first its place and its receipt."""

    events: int
    sequence: int | None
    received_at: datetime | None


class Judged(enum.Enum):
    """What a message that was not read comes to now."""

    NEW = enum.auto()
    """It has an event that was not there."""
    KNOWN = enum.auto()
    """All events in it are there already."""
    UNREAD = enum.auto()
    """It is not an event, or was removed meanwhile."""


class Kept(enum.IntEnum):
    """What became of a message; it is true where the message was not there before."""

    DUPLICATE = 0
    NEW = 1
    CONFLICT = 2
    """The same event, with something else beside its content: kept beside it, and not read."""
