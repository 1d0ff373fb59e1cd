"""A delivery that sends nothing: for dry runs."""

from __future__ import annotations

import asyncio
import fcntl
import os
import typing as t
from functools import partial
from itertools import compress

from target_rainfocus_attendees.delivery.attendee_store import AttendeeStore, StoreCall
from target_rainfocus_attendees.delivery.dispatcher import in_order, most_unsettled
from target_rainfocus_attendees.files import OWNER_ONLY, open_locked, writing
from target_rainfocus_attendees.mapping.profiles import merge_profiles
from target_rainfocus_attendees.models import STALE, Delivered, Outcome, Receipt, Underway

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from rainfocus_client.report import Traffic

    from target_rainfocus_attendees.delivery.ledger import Ledger
    from target_rainfocus_attendees.mapping.profiles import Fields
    from target_rainfocus_attendees.models import Extraction, Item, Reason, Withdrawal
    from target_rainfocus_attendees.settings import TargetSettings

STORED = Receipt(Outcome.STORED)

_writing = partial(writing, "bodies", "dry_run_path")


class DryRun:
    """Takes profiles as `Dispatcher` does; signs in, so that wrong credentials show.

    What would wait together, were RainFocus as slow as can be, is merged.
    """

    def __init__(
        self,
        settings: TargetSettings,
        ledger: Ledger | None,
        signals_heeded: Callable[[], AbstractContextManager[None]],
        traffic: Traffic,
    ) -> None:
        """Do nothing yet.

        Args:
            settings: As for `AttendeeStore`.
            ledger: Read, to tell who is unchanged; never written.
            signals_heeded: In it a signal ends the run at once; for the wait for the token.
            traffic: Counts the request for it.
        """
        self._settings = settings
        self._call = StoreCall(settings)
        self._ledger = ledger
        self._bodies: t.BinaryIO | None = None
        self._path = settings.files.get("dry_run_path")
        self._signals_heeded = signals_heeded
        self._traffic = traffic
        self._begun = False
        self._limit = most_unsettled(settings.concurrency)
        self._waiting: dict[str, list[Item]] = {}
        self._unsettled = 0
        self._delivered: list[Delivered] = []

    def submit(self, item: Item) -> None:
        """Take a profile.

        Raises:
            RainFocusError: No token is given, or the file of bodies cannot be written.
        """
        if not self._begun:
            self._begin()
        self._waiting.setdefault(item.profile.identity, []).append(item)
        self._unsettled += 1
        if self._unsettled >= self._limit:
            self.flush()

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Do not count what waits of a person."""
        waiting = self._waiting.pop(withdrawal.identity, [])
        kept = [item for item in waiting if not withdrawal.holds_back(item)]
        if kept:
            self._waiting[withdrawal.identity] = kept
        if dropped := [item for item in waiting if withdrawal.holds_back(item)]:
            later = f"{withdrawal.reason.text}, as a later record says"
            self._filter(dropped, withdrawal.reason._replace(text=later))
        if withdrawal.extraction:
            self._filter([withdrawal], withdrawal.reason)
            self._unsettled += 1

    def _filter(self, items: Sequence[Item | Withdrawal], reason: Reason) -> None:
        self._unsettled -= len(items)
        receipt = Receipt(Outcome.FILTERED, reason)
        self._delivered.append(Delivered(Outcome.FILTERED, items[0].identity, items, receipt))

    def flush(self) -> None:
        """Give every profile its outcome.

        Raises:
            RainFocusError: No token is given, or the file of bodies cannot be written.
        """
        self._open()
        people, self._waiting, self._unsettled = self._sifted(), {}, 0
        merged = [merge_profiles(item.profile for item in items) for items in people.values()]
        known = self._known(people, [fields for fields, _ in merged])
        if self._bodies:
            with _writing():
                self._bodies.writelines(
                    self._call.body(fields)
                    for (fields, _), receipt in zip(merged, known, strict=True)
                    if receipt is STORED
                )
        for (identity, items), (_, dropped), receipt in zip(
            people.items(), merged, known, strict=True
        ):
            self._delivered.append(Delivered(receipt.outcome, identity, items, receipt, dropped))

    def check(self) -> None:
        """Do nothing: what fails here fails at once."""

    def delivered(self) -> list[Delivered]:
        """The outcomes since the last call."""
        delivered, self._delivered = self._delivered, []
        return delivered

    @property
    def underway(self) -> Underway:
        """Nothing."""
        return Underway()

    def close(self) -> None:
        """Close the file."""
        bodies, self._bodies = self._bodies, None
        if bodies:
            with _writing():
                bodies.close()

    def _begin(self) -> None:
        self._begun = True
        with self._signals_heeded():
            asyncio.run(self._sign_in())

    def _open(self) -> None:
        if not self._path or self._bodies:
            return
        with _writing():
            descriptor = open_locked(self._path, os.O_WRONLY | os.O_TRUNC, fcntl.LOCK_SH)
            if self._path.is_file():
                os.fchmod(descriptor, OWNER_ONLY)
            self._bodies = os.fdopen(descriptor, "wb")

    async def _sign_in(self) -> None:
        async with AttendeeStore(self._settings, self._traffic):
            """Only get a token."""

    def _sifted(self) -> dict[str, list[Item]]:
        """Who waits, with what is sent of them; one record alone is looked at like all others."""
        people = {identity: in_order(items) for identity, items in self._waiting.items()}
        if not self._ledger:
            return people
        several = {identity: items for identity, items in people.items() if len(items) > 1}
        looks = [
            self._ledger.look(identity, _extractions(items)) for identity, items in several.items()
        ]
        for (identity, items), stale in zip(
            several.items(), self._ledger.stale(looks), strict=True
        ):
            for item in compress(items, stale):
                self._delivered.append(Delivered(Outcome.UNCHANGED, identity, [item], STALE))
            people[identity] = [
                item for item, is_old in zip(items, stale, strict=True) if not is_old
            ]
        return {identity: items for identity, items in people.items() if items}

    def _known(self, people: Mapping[str, list[Item]], sent: list[Fields]) -> list[Receipt]:
        if not self._ledger or not people:
            return [STORED] * len(people)
        entries = [
            self._ledger.entry(identity, fields, _extractions(items))
            for (identity, items), fields in zip(people.items(), sent, strict=True)
        ]
        return [receipt or STORED for receipt in self._ledger.known(entries)]


def _extractions(items: Sequence[Item]) -> list[Extraction]:
    return [item.extraction for item in items if item.extraction]
