"""Sends profiles concurrently, and never two of one person at the same time."""

from __future__ import annotations

import asyncio
import threading
import typing as t
from dataclasses import dataclass

from rainfocus_client.errors import RefusedError

from target_rainfocus_attendees.profile import merge
from target_rainfocus_attendees.wire import HaltedError

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from target_rainfocus_attendees.attendee_store import AttendeeStore
    from target_rainfocus_attendees.profile import Profile

QUEUED_PER_WORKER = 4


@dataclass(frozen=True, slots=True)
class Item:
    """A profile and the record it was read from."""

    record: int
    profile: Profile


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of records that were sent as one profile; `refusal` says why they were not."""

    records: list[int]
    refusal: str | None = None


class Delivery:
    """A loop in a thread of its own that keeps its workers busy while the caller reads on.

    The caller's thread uses `submit`, `flush`, `outcomes` and `close`; all else happens in the
    loop. Records of one person that wait together are merged and sent as one.
    """

    def __init__(self, open_store: Callable[[], AttendeeStore], concurrency: int) -> None:
        """Start nothing yet: the first profile does."""
        self._open_store = open_store
        self._concurrency = concurrency
        self._limit = concurrency * (1 + QUEUED_PER_WORKER)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Shared by both threads, guarded by the condition.
        self._changed = threading.Condition()
        self._unsettled = 0
        self._outcomes: list[Outcome] = []
        self._failure: Exception | None = None
        # Touched in the loop only; the queue holds who can be sent for, None ends a worker.
        self._store: AttendeeStore | None = None
        self._waiting: dict[str, list[Item]] = {}
        self._in_flight: set[str] = set()
        self._ready: asyncio.Queue[str | None] = asyncio.Queue()
        self._halted = False

    def submit(self, item: Item) -> None:
        """Hand over a profile; waits while enough of them are on their way.

        Raises:
            Exception: What made going on pointless.
        """
        with self._changed:
            if self._unsettled >= self._limit:
                self._changed.wait_for(lambda: self._failure or self._unsettled <= self._limit // 2)
            self._raise_failure()
            self._unsettled += 1
        self._running_loop().call_soon_threadsafe(self._enqueue, item)

    def flush(self) -> None:
        """Wait until every profile has its outcome.

        Raises:
            Exception: What made going on pointless.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._failure or not self._unsettled)
            self._raise_failure()

    def outcomes(self) -> list[Outcome]:
        """The outcomes since the last call."""
        with self._changed:
            outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def close(self) -> None:
        """Let the requests that are running finish, send nothing more, and end the thread."""
        if self._thread and self._loop and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end)
            self._thread.join()

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._run, args=(self._loop,), name="delivery", daemon=True
            )
            self._thread.start()
        return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._work())

    async def _work(self) -> None:
        try:
            self._store = store = self._open_store()
            async with store:
                await asyncio.gather(*(self._worker(store) for _ in range(self._concurrency)))
        except Exception as error:  # noqa: BLE001
            self._fail(error)
            while await self._ready.get():
                """Take no more; the caller learns of the failure and closes."""

    async def _worker(self, store: AttendeeStore) -> None:
        while identity := await self._ready.get():
            if self._halted:
                continue
            self._in_flight.add(identity)
            try:
                await self._deliver(store, self._waiting.pop(identity))
            except HaltedError:
                continue
            except Exception as error:  # noqa: BLE001
                self._fail(error)
                continue
            self._in_flight.remove(identity)
            if identity in self._waiting:
                self._ready.put_nowait(identity)

    async def _deliver(self, store: AttendeeStore, items: list[Item]) -> None:
        records = [item.record for item in items]
        try:
            await store.send(merge(item.profile for item in items))
        except RefusedError as error:
            if len(items) == 1:
                self._settle(Outcome(records, str(error)))
                return
            # One of them may be what RainFocus minds: sent singly, the others still get through.
            for item in items:
                await self._deliver(store, [item])
        else:
            self._settle(Outcome(records))

    def _enqueue(self, item: Item) -> None:
        identity = item.profile.identity
        if identity in self._waiting:
            self._waiting[identity].append(item)
            return
        self._waiting[identity] = [item]
        if identity not in self._in_flight:
            self._ready.put_nowait(identity)

    def _settle(self, outcome: Outcome) -> None:
        with self._changed:
            self._unsettled -= len(outcome.records)
            self._outcomes.append(outcome)
            self._changed.notify()

    def _fail(self, failure: Exception) -> None:
        self._halt()
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify()

    def _halt(self) -> None:
        self._halted = True
        if self._store:
            self._store.halt()

    def _end(self) -> None:
        self._halt()
        for _ in range(self._concurrency):
            self._ready.put_nowait(None)
