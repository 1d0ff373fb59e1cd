"""An Attendee Store that is spared what it already holds."""

from __future__ import annotations

import asyncio
import typing as t

from rainfocus_client.errors import RainFocusError

from target_rainfocus_attendees.models import Outcome, Receipt

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_rainfocus_attendees.delivery.attendee_store import AttendeeStore
    from target_rainfocus_attendees.delivery.ledger import Claim, Entry, Ledger
    from target_rainfocus_attendees.mapping.profiles import Fields


class DeduplicatingStore:
    """Asks the ledger before it sends, and tells it what was stored.

    Whoever waits for the ledger at the same time shares one transaction.
    """

    def __init__(self, store: AttendeeStore, ledger: Ledger) -> None:
        """Send through `store`; to be made inside the loop that uses it."""
        self._store = store
        self._ledger = ledger
        self._wanted: list[tuple[Entry, asyncio.Future[Claim | None]]] = []
        self._done: list[tuple[Claim, bool]] = []
        self._called = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> t.Self:
        """Open the store."""
        await self._store.__aenter__()
        self._clerk = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write down the last ones, and close the store."""
        self._closing = True
        self._called.set()
        await self._clerk
        await self._store.__aexit__()

    def halt(self) -> None:
        """Let running requests finish and begin none."""
        self._store.halt()

    async def send(self, identity: str, fields: Fields) -> Receipt:
        """As `AttendeeStore.send`; the outcome may be `UNCHANGED`."""
        claim = await self._claim(self._ledger.entry(identity, fields))
        if claim is None:
            return Receipt(Outcome.UNCHANGED)
        is_stored = False
        try:
            receipt = await self._store.send(identity, fields)
            is_stored = receipt.outcome is Outcome.STORED
        finally:
            self._done.append((claim, is_stored))
            self._called.set()
        return receipt

    async def _claim(self, entry: Entry) -> Claim | None:
        future = asyncio.get_running_loop().create_future()
        self._wanted.append((entry, future))
        self._called.set()
        claim: Claim | None = await future
        return claim

    async def _keep(self) -> None:
        while self._done or not self._closing:
            await self._called.wait()
            self._called.clear()
            wanted, self._wanted = self._wanted, []
            done, self._done = self._done, []
            try:
                # In this order: who was just stored may be wanted again.
                claims = await asyncio.to_thread(self._turn, done, wanted)
            except RainFocusError as error:
                # What was stored and is not written down is only sent again.
                for _, future in wanted:
                    future.set_exception(error)
            else:
                for (_, future), claim in zip(wanted, claims, strict=True):
                    future.set_result(claim)

    def _turn(
        self, done: list[tuple[Claim, bool]], wanted: Sequence[tuple[Entry, object]]
    ) -> list[Claim | None]:
        self._ledger.settle(done)
        return self._ledger.claim([entry for entry, _ in wanted]) if wanted else []
