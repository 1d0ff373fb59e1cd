"""What the inbox takes, and what it gives back."""

from __future__ import annotations

import enum
import typing as t

if t.TYPE_CHECKING:
    from datetime import datetime


class Message(t.NamedTuple):
    """What is to be kept.

    `key` makes two of them the same, and `fingerprint` tells whether they also say the same. What
    is not `readable` is kept and counted, and never read.
    """

    key: str
    payload: str
    flow_id: str | None
    transmission_id: str | None
    readable: bool
    fingerprint: str


class InboxRow(t.NamedTuple):
    """What was kept, with its place in the order and the time it was received (UTC)."""

    sequence: int
    received_at: datetime
    flow_id: str | None
    transmission_id: str | None
    payload: str


class Kept(enum.IntEnum):
    """What became of a message; it is true where the message was not there before."""

    DUPLICATE = 0
    NEW = 1
    CONFLICT = 2
    """Kept as unreadable: its key was there already, with other content."""
