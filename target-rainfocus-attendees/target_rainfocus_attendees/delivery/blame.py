"""Who is to blame for a failure: a profile, the event code, or RainFocus altogether."""

from __future__ import annotations

import math
import typing as t

from rainfocus_client.errors import (
    ForbiddenError,
    ParameterError,
    RetriableError,
    UnexpectedReplyError,
)

from target_rainfocus_attendees.delivery.transport import EVERYBODYS

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_rainfocus_attendees.models import Delivered, Item, Receipt

REFUSALS = 50
"""Profiles refused from the start, with none taken, that mean it is not the profiles."""

CHECK_EVENT = (
    "RainFocus refused every profile: check first that event_code is an event of this organisation."
)

PERHAPS_ITS_OWN = (RetriableError, ForbiddenError, UnexpectedReplyError, ParameterError)


class EventCheck:
    """Holds refused profiles back until it is known whether they or the event are to blame.

    With a wrong event_code everybody is refused: no reason to put a whole input into the rejects.
    """

    def __init__(self, *, is_needed: bool) -> None:
        """Suspect the event until a profile is taken, if it can be suspected at all."""
        self._is_open = is_needed
        self._refused: list[Delivered] = []

    @property
    def holds(self) -> bool:
        """Whether there are refused profiles that nobody has released yet."""
        return bool(self._refused)

    @property
    def failed(self) -> bool:
        """Whether it must be the event."""
        return self._is_open and len(self._refused) >= REFUSALS

    def hold(self, delivered: Delivered) -> None:
        """Hold a refused profile back."""
        self._refused.append(delivered)

    def acquit(self) -> None:
        """Suspect the event no more: a profile was taken, or it does not matter any longer."""
        self._is_open = False

    def release(self) -> Iterator[Delivered]:
        """The refused profiles that are to blame themselves; none as long as that is open."""
        while self._refused and not self._is_open:
            yield self._refused.pop(0)


class Suspect(t.NamedTuple):
    """Somebody whose profile failed.

    Attributes:
        identity: Whose it is.
        items: What it was made of.
        receipt: How it failed, after all retries.
        is_guilty: Whether it failed a second time, after another request had succeeded.
    """

    identity: str
    items: list[Item]
    receipt: Receipt
    is_guilty: bool


class Suspects:
    """Those whose profile failed in a way that may be its own fault, or RainFocus'.

    A profile is to blame only if a request succeeded that began after the profile's first failure.
    Then it is tried once more, and rejected if that fails too: as soon as a request succeeds that
    began after that, or nobody else is left to fail. So an outage, also one with a moment's
    recovery, is blamed on nobody.
    """

    def __init__(self) -> None:
        """Suspect nobody."""
        self._held: dict[str, Suspect] = {}
        self._tried_again: set[str] = set()
        self._succeeded_at = -math.inf

    def __len__(self) -> int:
        """How many wait for what comes of the others."""
        return len(self._held)

    def __iter__(self) -> Iterator[Suspect]:
        """Those who wait, the longest first."""
        return iter(self._held.values())

    def is_probe(self, identity: str) -> bool:
        """Whether the request for somebody is to show, soon, how RainFocus is."""
        return bool(self._held) and identity not in self._tried_again

    def hold(self, identity: str, items: list[Item], receipt: Receipt) -> None:
        """Suspect somebody."""
        is_guilty = identity in self._tried_again
        self._held[identity] = Suspect(identity, items, receipt, is_guilty)

    def release(self, identity: str) -> list[Item]:
        """Hold nothing of somebody any more, and give back what was held."""
        suspect = self._held.pop(identity, None)
        return suspect.items if suspect else []

    def acquit(self, identity: str) -> None:
        """Suspect somebody no more, whose request got an answer."""
        self._tried_again.discard(identity)

    def succeeded(self, receipt: Receipt) -> None:
        """Take note of a request that succeeded."""
        self._succeeded_at = max(self._succeeded_at, receipt.asked_at)

    def judged(self) -> Iterator[Suspect]:
        """Those whose failure was not everybody's: to be tried once more, or guilty."""
        for suspect in list(self):
            if (suspect.receipt.failed_at or 0.0) < self._succeeded_at:
                self.release(suspect.identity)
                if suspect.is_guilty:
                    self._tried_again.discard(suspect.identity)
                else:
                    self._tried_again.add(suspect.identity)
                yield suspect


def may_be_its_own(failure: Exception) -> bool:
    """Whether a failure may be the fault of the one profile that was sent."""
    return isinstance(failure, PERHAPS_ITS_OWN) and not isinstance(failure, EVERYBODYS)
