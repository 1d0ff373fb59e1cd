"""Sends profiles concurrently, and never two of one person at the same time."""

from __future__ import annotations

import asyncio
import threading
import typing as t
from itertools import compress

from target_rainfocus_attendees.delivery.blame import Suspects, may_be_its_own
from target_rainfocus_attendees.delivery.transport import HaltedError
from target_rainfocus_attendees.mapping.profiles import merge_profiles
from target_rainfocus_attendees.models import (
    STALE,
    Delivered,
    Item,
    Outcome,
    Reason,
    Receipt,
    Underway,
    Withdrawal,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rainfocus_client.errors import RainFocusError

    from target_rainfocus_attendees.delivery.blame import Suspect
    from target_rainfocus_attendees.mapping.profiles import Fields
    from target_rainfocus_attendees.models import Extraction

QUEUED_PER_WORKER = 4

BURST = 16
"""Records that are read at a time while the queue is full: reading holds the loop up
(benchmarks/README.md, 20 ms with 64 in flight)."""

WAKING_DELAY = 0.001
"""Seconds before the reader is woken: answers come in clumps, and reading would hold one up
(benchmarks/README.md, 20 ms with 64 in flight)."""

SECONDS_BETWEEN_LOOKS = 0.1
"""How often a caller that waits looks after other things: a signal cannot wake it safely."""


def most_unsettled(concurrency: int) -> int:
    """How many profiles are under way or wait at a time; those of one person are merged."""
    return concurrency * (1 + QUEUED_PER_WORKER)


def in_order(items: Iterable[Item]) -> list[Item]:
    """Records of one person as they were taken from their sources, where that is known."""
    return sorted(items, key=lambda item: item.extraction.at if item.extraction else 0.0)


class ProfileStore(t.Protocol):
    """Where profiles go, one at a time."""

    async def __aenter__(self) -> t.Self:
        """Open it."""

    async def __aexit__(self, *_: object) -> None:
        """Close it."""

    async def sift(self, identity: str, items: list[Item]) -> list[bool]:
        """Which records of a person are older than what came before."""

    async def withdraw(self, withdrawal: Withdrawal) -> None:
        """Take note that a person is not to be sent."""

    async def send(
        self,
        identity: str,
        fields: Fields,
        extractions: Sequence[Extraction] = (),
        *,
        is_probe: bool = False,
    ) -> Receipt:
        """Send one profile; a probe with no retries for what may be the profile's own fault."""

    @property
    def underway(self) -> Underway:
        """What it is at; may be asked from another thread."""

    def halt(self) -> None:
        """Let running requests finish and begin none."""


class Dispatcher:
    """A loop in a thread of its own that keeps its workers busy while the caller reads on.

    The caller's thread uses `submit`, `withdraw`, `flush`, `delivered`, `underway` and `close`;
    all else happens in the loop. Records of one person that wait together are merged and sent as
    one.

    Who is suspected stays in flight, so to say: what comes later of the same person waits too.
    """

    def __init__(
        self,
        open_store: Callable[[], ProfileStore],
        concurrency: int,
        while_waiting: Callable[[], None],
    ) -> None:
        """Start nothing yet: the first profile does.

        Args:
            open_store: Makes what profiles are sent to, inside the loop.
            concurrency: How many are sent at a time.
            while_waiting: Called by the caller's thread while it waits; may end the run.
        """
        self._while_waiting = while_waiting
        self._open_store = open_store
        self._concurrency = concurrency
        self._limit = most_unsettled(concurrency)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Shared by both threads, guarded by the condition.
        self._changed = threading.Condition()
        self._submitted: list[Item | Withdrawal] = []
        self._unsettled = 0
        self._awaited = -1
        self._delivered: list[Delivered] = []
        self._failure: Exception | None = None
        # Touched in the loop only; the queue holds who can be sent for, None ends a worker.
        self._store: ProfileStore | None = None
        self._waiting: dict[str, list[Item | Withdrawal]] = {}
        self._in_flight: set[str] = set()
        self._singly: set[str] = set()
        self._suspects = Suspects()
        self._ready: asyncio.Queue[str | None] = asyncio.Queue()
        self._halted = False
        self._is_waking = False

    def submit(self, item: Item) -> None:
        """Hand over a profile; waits while enough of them are on their way.

        Raises:
            RainFocusError: A failure that is not this profile's stops the run.
        """
        self._submit(item)

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Do not send what waits of a person; what is on its way already goes.

        One that is dated gets its outcome like a profile, once the ledger knows of it.

        Raises:
            RainFocusError: A failure stops the run.
        """
        if withdrawal.extraction:
            self._submit(withdrawal)
        elif self._unsettled:
            self._hand_over(withdrawal)

    def _submit(self, item: Item | Withdrawal) -> None:
        with self._changed:
            if self._unsettled >= self._limit:
                self._wait_until(self._limit - min(BURST, self._limit // 2))
            self.check()
            self._unsettled += 1
        self._hand_over(item)

    def _hand_over(self, item: Item | Withdrawal) -> None:
        with self._changed:
            self._submitted.append(item)
            is_first = len(self._submitted) == 1
        if is_first:
            self._running_loop().call_soon_threadsafe(self._take)

    def flush(self) -> None:
        """Wait until every profile has its outcome.

        Raises:
            RainFocusError: A failure that is not this profile's stops the run.
        """
        with self._changed:
            self._wait_until(0)
            self.check()

    def check(self) -> None:
        """Check that nothing stops the run.

        Raises:
            RainFocusError: The failure that stops the run.
        """
        if self._failure:
            raise self._failure

    def delivered(self) -> list[Delivered]:
        """The outcomes since the last call."""
        if not self._delivered:
            return []
        with self._changed:
            delivered, self._delivered = self._delivered, []
        return delivered

    @property
    def underway(self) -> Underway:
        """What sending is at."""
        if not self._store or not self._unsettled:
            return Underway()
        return self._store.underway

    def close(self) -> None:
        """Let the requests that are running finish, send nothing more, and end the thread."""
        if self._thread and self._loop and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end)
            self._thread.join()

    def _wait_until(self, unsettled: int) -> None:
        self._awaited = unsettled
        if self._suspects:
            self._running_loop().call_soon_threadsafe(self._end_suspense)
        while not self._failure and self._unsettled > self._awaited:
            self._changed.wait(SECONDS_BETWEEN_LOOKS)
            self._while_waiting()
        self._awaited = -1

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

    async def _worker(self, store: ProfileStore) -> None:
        while identity := await self._ready.get():
            if self._halted:
                continue
            self._in_flight.add(identity)
            try:
                match self._next(identity):
                    case [Withdrawal() as withdrawal]:
                        await store.withdraw(withdrawal)
                        self._settle_filtered([withdrawal], withdrawal.reason)
                        self._finish(identity)
                    case items if items:
                        await self._deliver(store, identity, t.cast("list[Item]", items))
                    case _:
                        self._finish(identity)
                self._judge()
            except HaltedError:
                continue
            except Exception as error:  # noqa: BLE001
                self._fail(error)

    def _next(self, identity: str) -> list[Item | Withdrawal]:
        """What is sent as one, up to the next withdrawal; or a withdrawal."""
        items = self._waiting.pop(identity)
        places = (place for place, one in enumerate(items) if isinstance(one, Withdrawal))
        end = max(next(places, len(items)), 1)
        end = 1 if identity in self._singly else end
        if rest := items[end:]:
            self._waiting[identity] = rest
        return items[:end]

    def _finish(self, identity: str) -> None:
        self._in_flight.remove(identity)
        if identity in self._waiting:
            self._ready.put_nowait(identity)
        else:
            self._singly.discard(identity)

    async def _deliver(self, store: ProfileStore, identity: str, items: list[Item]) -> None:
        items = in_order(items)
        stale = await store.sift(identity, items)
        self._settle_stale(identity, [*compress(items, stale)])
        items = [item for item, is_old in zip(items, stale, strict=True) if not is_old]
        if not items:
            self._finish(identity)
            return
        fields, dropped = merge_profiles(item.profile for item in items)
        extractions = [item.extraction for item in items if item.extraction]
        is_probe = self._suspects.is_probe(identity)
        receipt = await store.send(identity, fields, extractions, is_probe=is_probe)
        if receipt.failure:
            if not may_be_its_own(receipt.failure):
                self._settle(Delivered(Outcome.UNFINISHED, identity, [], receipt))
                raise receipt.failure
            self._suspects.hold(identity, items, receipt)
            return
        self._suspects.acquit(identity)
        if receipt.outcome is Outcome.REJECTED:
            self._reject(identity, items, receipt)
        else:
            self._settle(Delivered(receipt.outcome, identity, items, receipt, dropped))
            if receipt.outcome is Outcome.STORED:
                self._suspects.succeeded(receipt)
        self._finish(identity)

    def _reject(self, identity: str, items: list[Item], receipt: Receipt) -> None:
        if len(items) == 1:
            self._settle(Delivered(Outcome.REJECTED, identity, items, receipt))
            return
        # One of them may be what RainFocus minds: sent singly, the others still get through.
        self._settle(Delivered(Outcome.SPLIT, identity, [], receipt))
        self._singly.add(identity)
        self._put_back(identity, items)

    def _settle_stale(self, identity: str, items: Iterable[Item]) -> None:
        for item in items:
            self._settle(Delivered(Outcome.UNCHANGED, identity, [item], STALE))

    def _settle_filtered(self, items: Sequence[Item | Withdrawal], reason: Reason) -> None:
        if items:
            receipt = Receipt(Outcome.FILTERED, reason)
            self._settle(Delivered(Outcome.FILTERED, items[0].identity, items, receipt))

    def _put_back(self, identity: str, items: Sequence[Item]) -> None:
        self._waiting[identity] = [*items, *self._waiting.get(identity, [])]

    def _judge(self) -> None:
        for suspect in self._suspects.judged():
            if suspect.is_guilty:
                self._condemn(suspect)
            else:
                self._put_back(suspect.identity, suspect.items)
                self._finish(suspect.identity)
        self._end_suspense()

    def _condemn(self, suspect: Suspect) -> None:
        identity, items, receipt, _ = suspect
        failure = t.cast("RainFocusError", receipt.failure)
        reason = Reason(str(failure), failure.trouble)
        refused = receipt._replace(outcome=Outcome.REJECTED, reason=reason, failure=None)
        self._reject(identity, items, refused)
        self._finish(identity)

    def _end_suspense(self) -> None:
        """Decide where the caller waits and nothing is left whose success could."""
        if not self._suspects or len(self._suspects) < len(self._in_flight):
            return
        with self._changed:
            is_awaited = self._unsettled > self._awaited >= 0
            if not is_awaited or self._submitted or not self._ready.empty():
                return
            if self._awaited and self._unsettled < self._limit:
                self._awaited = self._limit - 1
                self._changed.notify()
                return
        suspects = list(self._suspects)
        if all(suspect.is_guilty for suspect in suspects):
            for suspect in suspects:
                self._suspects.release(suspect.identity)
                self._condemn(suspect)
            return
        for suspect in suspects:
            self._settle(Delivered(Outcome.UNFINISHED, suspect.identity, [], suspect.receipt))
        self._fail(t.cast("Exception", suspects[0].receipt.failure))

    def _take(self) -> None:
        with self._changed:
            items, self._submitted = self._submitted, []
        for item in items:
            if isinstance(item, Withdrawal):
                self._drop(item)
            if item.extraction or isinstance(item, Item):
                self._enqueue(item)
        self._end_suspense()

    def _drop(self, withdrawal: Withdrawal) -> None:
        identity = withdrawal.identity
        if held := self._suspects.release(identity):
            self._put_back(identity, held)
            self._finish(identity)
        waiting = self._waiting.get(identity, [])
        held_back = [isinstance(one, Item) and withdrawal.holds_back(one) for one in waiting]
        if any(held_back):
            # An empty list stays, for the queue knows the identity: nobody may be in it twice.
            kept = [one for one, is_held in zip(waiting, held_back, strict=True) if not is_held]
            dropped, self._waiting[identity] = [*compress(waiting, held_back)], kept
            later = f"{withdrawal.reason.text}, as a later record says"
            self._settle_filtered(dropped, withdrawal.reason._replace(text=later))

    def _enqueue(self, item: Item | Withdrawal) -> None:
        identity = item.identity
        if identity in self._waiting:
            self._waiting[identity].append(item)
            return
        self._waiting[identity] = [item]
        if identity not in self._in_flight:
            self._ready.put_nowait(identity)

    def _settle(self, delivered: Delivered) -> None:
        with self._changed:
            self._unsettled -= len(delivered.items)
            self._delivered.append(delivered)
            is_awaited = self._unsettled <= self._awaited
        if is_awaited and not self._is_waking:
            self._is_waking = True
            asyncio.get_running_loop().call_later(WAKING_DELAY, self._wake)

    def _wake(self) -> None:
        self._is_waking = False
        with self._changed:
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
