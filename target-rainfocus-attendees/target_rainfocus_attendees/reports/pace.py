"""How fast something goes just now."""

from __future__ import annotations

import time
from collections import deque

SECONDS = 5.0


class Pace:
    """How many there are a second, over the last few seconds; 0 once nothing moves any more."""

    def __init__(self) -> None:
        """Begin with none."""
        self._seen = deque([(time.monotonic(), 0)])

    def __call__(self, number: int) -> float:
        """The pace, now that there are so many."""
        now = time.monotonic()
        self._seen.append((now, number))
        while self._seen[1][0] <= now - SECONDS:
            self._seen.popleft()
        then, before = self._seen[0]
        return (number - before) / max(now - then, 0.001)
