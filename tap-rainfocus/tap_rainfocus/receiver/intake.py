"""Takes messages into the inbox: whoever waits at the same time shares one commit."""

from __future__ import annotations

import asyncio
import logging
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from rainfocus_client.errors import RainFocusError

from tap_rainfocus.inbox.models import Kept

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_rainfocus.inbox.models import Message
    from tap_rainfocus.inbox.store import Inbox
    from tap_rainfocus.receiver.http.metrics import Metrics

LOGGER = logging.getLogger("rainfocus-receiver")

COMMIT_TIMEOUT = 15.0
"""Seconds to wait for a commit; less than there are to end in."""

ROOM = 64 << 20
"""Bytes that may be held in memory before they are committed."""


class NoRoomError(RainFocusError):
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
            NoRoomError: There is no more.
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
    """Commits what waits, one commit after the other, in a thread."""

    def __init__(self, inbox: Inbox, metrics: Metrics) -> None:
        """Take messages into `inbox`."""
        self.held = 0
        self._inbox = inbox
        self._metrics = metrics
        self._waiting: list[tuple[list[Message], asyncio.Future[list[Kept]]]] = []
        self._called = asyncio.Event()

    @contextmanager
    def place(self) -> Iterator[Reservation]:
        """A place in the memory, for as long as the block runs."""
        place = Reservation(self)
        try:
            yield place
        finally:
            place.leave()

    async def keep(self, messages: list[Message]) -> list[Kept]:
        """Keep the messages; they are on disk on return. With none, see that some could be kept.

        Raises:
            RainFocusError: None was kept.
        """
        future: asyncio.Future[list[Kept]] = asyncio.get_running_loop().create_future()
        self._waiting.append((messages, future))
        self._called.set()
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT):
                return await future
        except TimeoutError as error:
            # It may be kept all the same: what is sent again is known by its key.
            msg = "The inbox takes too long."
            raise RainFocusError(msg) from error

    async def run(self) -> None:
        """Commit what comes, until cancelled."""
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, "commit")
        try:
            while await self._called.wait():
                self._called.clear()
                waiting, self._waiting = self._waiting, []
                together = [message for messages, _ in waiting for message in messages]
                try:
                    kept = iter(await loop.run_in_executor(thread, self._commit, together))
                except Exception as error:  # noqa: BLE001
                    known = isinstance(error, RainFocusError)
                    told = str(error) if known else f"Unexpected {type(error).__name__}."
                    LOGGER.warning("%s", told)
                    for _, future in waiting:
                        if not future.done():
                            future.set_exception(RainFocusError(told))
                else:
                    for messages, future in waiting:
                        outcomes = [next(kept) for _ in messages]
                        if not future.done():
                            future.set_result(outcomes)
        finally:
            thread.shutdown(wait=False, cancel_futures=True)

    def _commit(self, messages: list[Message]) -> list[Kept]:
        began = time.perf_counter()
        if not messages:
            self._inbox.check()
            return []
        kept = self._inbox.append(messages)
        self._metrics.committed(time.perf_counter() - began)
        self._metrics.kept(outcome(*pair) for pair in zip(messages, kept, strict=True))
        return kept


def outcome(message: Message, kept: Kept) -> str:
    """What became of a message, in a word."""
    if kept is not Kept.NEW:
        return kept.name.lower()
    return "new" if message.readable else "unreadable"
