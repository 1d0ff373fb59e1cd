"""An Attendee Store that is spared what it already holds."""

from __future__ import annotations

import asyncio
import typing as t

from rainfocus_client.storage.group_commit import GroupCommit

from target_rainfocus_attendees.delivery.ledger import Entry, Look, Mark, Settlement
from target_rainfocus_attendees.models import Outcome, Receipt

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_rainfocus_attendees.delivery.attendee_store import AttendeeStore
    from target_rainfocus_attendees.delivery.ledger import Claim, Ledger
    from target_rainfocus_attendees.mapping.profiles import Fields
    from target_rainfocus_attendees.models import Extraction, Item, Underway, Withdrawal


class DeduplicatingStore:
    """Asks the ledger before it sends, and tells it what was stored."""

    def __init__(self, store: AttendeeStore, ledger: Ledger) -> None:
        """Send through `store`; to be made inside the loop that uses it."""
        self._store = store
        self._ledger = ledger
        self._commits: GroupCommit[Entry | Look | Mark | Settlement, object] = GroupCommit(
            self._commit
        )

    async def __aenter__(self) -> t.Self:
        """Open the store."""
        await self._store.__aenter__()
        self._committing = asyncio.create_task(self._commits.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write down the last ones, and close the store."""
        self._commits.close()
        await self._committing
        await self._store.__aexit__()

    @property
    def underway(self) -> Underway:
        """As `AttendeeStore.underway`."""
        return self._store.underway

    def halt(self) -> None:
        """Let running requests finish and begin none."""
        self._store.halt()
        self._ledger.halt()

    async def sift(self, identity: str, items: list[Item]) -> list[bool]:
        """Which of several records of a person are older than what came before."""
        if len(items) == 1:  # `send` finds out
            return [False]
        extractions = [t.cast("Extraction", item.extraction) for item in items]
        found = await self._commits.submit(self._ledger.look(identity, extractions))
        return t.cast("list[bool]", found)

    async def withdraw(self, withdrawal: Withdrawal) -> None:
        """Write down that a person is not to be sent."""
        await self._commits.submit(self._ledger.mark(withdrawal))

    async def send(
        self,
        identity: str,
        fields: Fields,
        extractions: Sequence[Extraction] = (),
        *,
        is_probe: bool = False,
    ) -> Receipt:
        """As `AttendeeStore.send`; the outcome may be `UNCHANGED`."""
        claim = await self._commits.submit(self._ledger.entry(identity, fields, extractions))
        if isinstance(claim, Receipt):
            return claim
        claim = t.cast("Claim", claim)
        is_stored = False
        try:
            receipt = await self._store.send(identity, fields, extractions, is_probe=is_probe)
            is_stored = receipt.outcome is Outcome.STORED
        finally:
            # If what was stored cannot be written down, it is only sent again.
            self._commits.post(Settlement(claim, is_stored))
        return receipt

    def _commit(self, items: list[Entry | Look | Mark | Settlement]) -> list[object]:
        # In this order: who was just stored, or withdrawn, may be wanted again.
        self._ledger.settle(item for item in items if isinstance(item, Settlement))
        self._ledger.write_down([item for item in items if isinstance(item, Mark)])
        stale = iter(self._ledger.stale([item for item in items if isinstance(item, Look)]))
        claims = iter(self._ledger.claim([item for item in items if isinstance(item, Entry)]))
        results: list[object] = []
        for item in items:
            match item:
                case Look():
                    results.append(next(stale))
                case Entry():
                    results.append(next(claims))
                case _:
                    results.append(None)
        return results
