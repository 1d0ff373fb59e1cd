"""What the keeper's commands have in common."""

from __future__ import annotations

import typing as t
from contextlib import closing

from rainfocus_client.errors import UsageError
from rainfocus_client.troubles import Trouble

from tap_rainfocus.inbox.keeping import KeptInbox
from tap_rainfocus.receiver.keeper.tap_state import read_progress
from tap_rainfocus.receiver.settings import Settings

if t.TYPE_CHECKING:
    from tap_rainfocus.inbox.store import Inbox


UNTYPED = "without a type"
"""Stands for the push type of an event that says none."""


def opened(settings: Settings | None = None) -> closing[KeptInbox]:
    """The inbox that the settings name, which has to be there.

    Raises:
        SettingsError: It is not there, or cannot be used.
    """
    settings = settings or Settings.read(serving=False)
    return closing(KeptInbox(settings.inbox_url, may_be_new=False))


def read_up_to(inbox: Inbox, state: str) -> int:
    """The last sequence that was read by a tap, by its state.

    Raises:
        DataError: The file holds no state of a tap that reads an inbox.
        UsageError: The state is not of this inbox.
    """
    read, identity, last = read_progress(state), inbox.identity(), inbox.last()
    if read.sequence > last or read.known.differs(inbox, identity, read.sequence, last):
        msg = "--state is of another inbox, or this one was put back."
        raise UsageError(msg, Trouble.USAGE)
    return read.sequence
