"""Whether it is the event code that RainFocus refuses, and not the profiles."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_rainfocus_attendees.models import Delivered

REFUSALS = 50
"""Profiles refused from the start, with none taken, that mean it is not the profiles."""

CHECK_EVENT = (
    "RainFocus refused every profile: check first that event_code is an event of this organisation."
)


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
