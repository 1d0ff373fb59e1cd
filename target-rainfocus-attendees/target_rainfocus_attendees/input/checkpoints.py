"""Which STATE may go out: never one that stands behind a record that is not stored."""

from __future__ import annotations

import math
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable

State: t.TypeAlias = dict[str, t.Any]

MAX_REMEMBERED = 1000
"""States that wait for their records; beyond this every second one is forgotten, which costs
nothing but a coarser place to resume from."""


class Checkpoints:
    """Sets the STATE messages of the input against what has become of the records."""

    def __init__(self) -> None:
        """Start before the first record."""
        self._records = 0
        self._open: set[int] = set()
        self._lost: float = math.inf
        self._states: list[tuple[int, State]] = []
        self._given: State | None = None

    def record(self) -> int:
        """Take note of a record; the number given back stands for it."""
        self._records += 1
        self._open.add(self._records)
        return self._records

    def settled(self, records: Iterable[int]) -> None:
        """These records are stored, or safe elsewhere."""
        self._open.difference_update(records)

    def lost(self, records: Iterable[int]) -> None:
        """These records will not be stored: no state behind any of them goes out."""
        for record in records:
            # In this order: a signal may come in between.
            self._lost = min(self._lost, record)
            self._open.discard(record)

    def state(self, state: State) -> None:
        """Remember a STATE message that stands behind all records noted so far."""
        if not state or self._records >= self._lost:
            return
        if self._states and self._states[-1][0] == self._records:
            self._states.pop()
        self._states.append((self._records, state))
        if len(self._states) > MAX_REMEMBERED:
            del self._states[1::2]

    def take(self) -> State | None:
        """The newest state that is safe, unless it is the one given out before."""
        limit = min(self._open, default=math.inf)
        safe = None
        while self._states and self._states[0][0] < min(limit, self._lost):
            safe = self._states.pop(0)[1]
        if safe is None or safe == self._given:
            return None
        self._given = safe
        return safe
