"""What the log says while the inbox cannot be written."""

from __future__ import annotations

import logging
import time

LOGGER = logging.getLogger("rainfocus-receiver")

AGAIN = 60.0
"""Seconds after which a failure that goes on is told again."""


class Outage:
    """Tells the first failure, then one a minute, and the end: senders try again at once."""

    def __init__(self) -> None:
        """Nothing has failed yet."""
        self._told: float | None = None
        self._untold = 0

    def failed(self, why: str) -> None:
        """A commit has failed; `why` is a sentence that is safe to log."""
        now = time.monotonic()
        if self._told is None:
            LOGGER.warning("%s", why)
        elif now >= self._told + AGAIN:
            LOGGER.warning("%s It has failed %s times more.", why, f"{self._untold + 1:,}")
        else:
            self._untold += 1
            return
        self._told, self._untold = now, 0

    def passed(self) -> None:
        """A commit has succeeded."""
        if self._told is not None:
            LOGGER.info("The inbox can be written again.")
            self._told, self._untold = None, 0
