"""Makes a long download visible in the log."""

from __future__ import annotations

import threading
import time
import typing as t

if t.TYPE_CHECKING:
    import logging
    from types import TracebackType

    from rainfocus_client.report import Traffic

INTERVAL = 5.0
"""Seconds between two lines about one stream."""


class Progress:
    """Tells what the downloads of a stream have brought, every few seconds and at their end.

    Attributes:
        records: How many there were; whoever makes them counts.
        pages: How many there were.
        ended: How many downloads have come to their end.
    """

    def __init__(
        self,
        what: str,
        downloads: int,
        logger: logging.Logger | logging.LoggerAdapter[t.Any],
        traffic: Traffic,
    ) -> None:
        """Get ready to tell about `what`."""
        self.records = 0
        self.pages = 0
        self.ended = 0
        self._what = what
        self._downloads = downloads
        self._logger = logger
        self._traffic = traffic
        self._retries_before = traffic.retries
        self._began = time.monotonic()
        self._ended = threading.Event()

    def __enter__(self) -> t.Self:
        """Begin to tell, from a thread, so that a wait for a page is visible too."""
        threading.Thread(target=self._tell_regularly, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, and tell the outcome of what went well."""
        self._ended.set()
        if kind is None:
            self._tell("in all")

    def _tell_regularly(self) -> None:
        while not self._ended.wait(INTERVAL):
            self._tell("so far")

    def _tell(self, extent: str) -> None:
        events = f"{self.ended:,} of {self._downloads:,} events, " if self._downloads > 1 else ""
        self._logger.info(
            "%s: %s records %s, %s%.0f a second, %d pages, %d retries.",
            self._what,
            f"{self.records:,}",
            extent,
            events,
            self.records / max(time.monotonic() - self._began, 0.001),
            self.pages,
            self._traffic.retries - self._retries_before,
        )
