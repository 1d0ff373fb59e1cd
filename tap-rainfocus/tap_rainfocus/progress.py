"""Makes a long download visible in the log."""

from __future__ import annotations

import time
import typing as t

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable

INTERVAL = 5.0
"""Seconds between two lines about one download."""


class Progress:
    """Tells what a download has brought, every few seconds and at its end.

    Attributes:
        records: How many; whoever makes them counts.
    """

    def __init__(self, what: str, logger: logging.Logger, retries: Callable[[], int]) -> None:
        """Begin; `retries` tells how many the client has made so far."""
        self._what = what
        self._logger = logger
        self._retries = retries
        self._retries_before = retries()
        self._began = self._told = time.monotonic()
        self.records = 0
        self._pages = 0

    def page(self) -> None:
        """Count a page that has been worked on."""
        self._pages += 1
        if time.monotonic() - self._told >= INTERVAL:
            self._tell("so far")

    def finish(self) -> None:
        """Tell the outcome."""
        self._tell("in all")

    def _tell(self, extent: str) -> None:
        self._told = time.monotonic()
        self._logger.info(
            "%s: %s records %s, %.0f a second, %d pages, %d retries.",
            self._what,
            f"{self.records:,}",
            extent,
            self.records / max(self._told - self._began, 0.001),
            self._pages,
            self._retries() - self._retries_before,
        )
