"""Takes messages into the inbox, within a limit of memory and time."""

from __future__ import annotations

import asyncio
import logging
import time
import typing as t
from contextlib import contextmanager

from rainfocus_client.errors import RainFocusError, StorageCause, StorageError
from rainfocus_client.storage.group_commit import GroupCommit

from tap_rainfocus.inbox.models import Kept
from tap_rainfocus.receiver.outage import Outage

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_rainfocus.inbox.models import Message, Unreadable
    from tap_rainfocus.inbox.store import Inbox
    from tap_rainfocus.receiver.http.metrics import Metrics

LOGGER = logging.getLogger("rainfocus-receiver")

COMMIT_TIMEOUT = 15.0
"""Seconds to wait for a commit; less than there are to end in."""

ROOM = 64 << 20
"""Bytes that may be held in memory before they are committed."""

ROW_SIZE = 6 << 10
"""Bytes that a message takes on the disk beside its text, at most: it may begin a page, and change
one of the index."""


class NoRoomError(Exception):
    """More is waiting than may be held in memory."""


class Reservation:
    """The room that one request takes."""

    def __init__(self, intake: Intake) -> None:
        """Take none yet."""
        self._intake = intake
        self._size = 0

    def take(self, size: int) -> None:
        """Take more.

        Raises:
            NoRoomError: There is no more room.
        """
        if self._intake.held + size > ROOM:
            msg = "Too many requests are waiting."
            raise NoRoomError(msg)
        self._intake.held += size
        self._size += size

    def leave(self) -> None:
        """Give it all back."""
        self._intake.held -= self._size
        self._size = 0


class Intake:
    """Commits what waits; see `GroupCommit`."""

    def __init__(self, inbox: Inbox, metrics: Metrics) -> None:
        """Take messages into `inbox`."""
        self.held = 0
        self._inbox = inbox
        self.metrics = metrics
        self._told: set[Unreadable | None] = set()
        self._commits = GroupCommit(self._commit)
        self._outage = Outage()
        self._owed = 0

    @contextmanager
    def place(self) -> Iterator[Reservation]:
        """A place in the memory, for as long as the block runs."""
        place = Reservation(self)
        try:
            yield place
        finally:
            place.leave()

    async def keep(self, messages: list[Message]) -> None:
        """Keep the messages; they are on disk on return. With none, check that some could be kept.

        Raises:
            StorageError: No message was kept, or it is not known in time whether one was.
        """
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT):
                await self._commits.submit(messages)
        except TimeoutError as error:
            # It may be kept all the same: what is sent again is known by its key.
            msg = "The inbox takes too long."
            raise StorageError(msg, StorageCause.LOCK) from error

    async def run(self) -> None:
        """Commit what comes, until cancelled."""
        await self._commits.run()

    def _commit(self, waiting: list[list[Message]]) -> list[None]:
        try:
            self._keep([message for messages in waiting for message in messages])
        except Exception as error:  # noqa: BLE001
            known = isinstance(error, RainFocusError)
            told = str(error) if known else f"Unexpected {type(error).__name__}."
            self._outage.failed(told)
            cause = error.cause if isinstance(error, StorageError) else StorageCause.DATABASE
            raise StorageError(told, cause) from None
        self._outage.passed()
        return [None] * len(waiting)

    def _keep(self, messages: list[Message]) -> None:
        if not messages:
            self._inbox.check(self._owed)
            self._owed = 0
            return
        began = time.perf_counter()
        size = sum(_bytes(message.payload) + ROW_SIZE for message in messages)
        try:
            self._inbox.require_room(size)
            kept = self._inbox.append(messages)
        except StorageError:
            self._owed = size
            raise
        self.metrics.committed(time.perf_counter() - began)
        for message, one in zip(messages, kept, strict=True):
            self.metrics.kept(outcome(message, one), message.event_type)
        for fault in {message.fault for message in messages} - self._told - {None}:
            self._told.add(fault)
            LOGGER.warning(
                "A push is kept, but not read (%s): see `rainfocus-receiver list`.", fault
            )


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def outcome(message: Message, kept: Kept) -> str:
    """What became of a message, in a word."""
    if kept is not Kept.NEW:
        return kept.name.lower()
    return "new" if message.readable else "unreadable"
