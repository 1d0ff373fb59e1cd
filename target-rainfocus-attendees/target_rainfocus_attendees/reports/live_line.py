"""One line on the terminal that is kept up to date while a run goes on."""

from __future__ import annotations

import logging
import math
import os
import select
import sys
import threading
import time
import typing as t
from contextlib import suppress

from tqdm import tqdm

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import SupportsWrite

SECONDS_BETWEEN_DRAWINGS = 0.2

USUAL_WIDTH = 80
"""Columns of a terminal that does not know how many it has."""

CLEAR = "\r\x1b[J"
"""Clears from the first column down: what was drawn may be two lines on a narrower terminal."""


class LiveLine:
    """Draws the line on standard error; what is logged stands above it.

    It leaves the cursor in the first column, so that what another command of the pipe says covers
    it. A terminal that takes nothing, or is gone, holds nothing up.
    """

    def __init__(self, text: Callable[[], str]) -> None:
        """Draw nothing yet.

        Args:
            text: Says how far the run has got.
        """
        self._text = text
        self._bar: _Bar | None = None
        self._handlers: list[logging.StreamHandler[t.TextIO]] = []
        self._next_at = time.monotonic() + SECONDS_BETWEEN_DRAWINGS

    def show(self) -> None:
        """Draw the line anew, if it is time to."""
        now = time.monotonic()
        if now < self._next_at:
            return
        self._next_at = now + SECONDS_BETWEEN_DRAWINGS
        with suppress(OSError, ValueError):
            if select.select([], [sys.stderr], [], 0)[1]:
                self._draw()

    def make_way(self) -> None:
        """Clear the line before something is written to standard output, if that is a terminal."""
        if self._bar is not None and sys.stdout.isatty():
            self._next_at = 0.0
            with suppress(OSError, ValueError):
                self._bar.clear()

    def close(self) -> None:
        """Remove the line for good."""
        self._next_at = math.inf
        for handler in self._handlers:
            handler.stream = sys.stderr
        bar, self._bar = self._bar, None
        if bar is not None:
            with suppress(OSError, ValueError):
                bar.close()

    def _draw(self) -> None:
        width = (os.get_terminal_size(sys.stderr.fileno()).columns or USUAL_WIDTH) - 1
        if self._bar is None:
            self._bar = _Bar(self._text(), width)
            self._handlers = _handlers()
            for handler in self._handlers:
                handler.stream = t.cast("t.TextIO", _Above())
            return
        self._bar.ncols = width
        self._bar.desc = self._text()
        self._bar.refresh(lock_args=(False,))


class _Bar(tqdm):  # type: ignore[type-arg]
    """A progress bar of text alone, which needs neither a thread nor a lock of processes."""

    monitor_interval = 0

    def __init__(self, text: str, width: int) -> None:
        super().__init__(
            desc=text,
            bar_format="{desc}",
            leave=False,
            file=sys.stderr,
            ncols=width,
            nrows=2,
            position=0,
            delay=0,
            disable=False,
        )

    @staticmethod
    def status_printer(file: SupportsWrite[str]) -> Callable[[str], None]:
        def print_status(text: str) -> None:
            file.write(f"{CLEAR}{text}\r")

        return print_status


_Bar.set_lock(threading.RLock())


class _Above:
    """Standard error above the line, for log handlers."""

    def write(self, text: str) -> None:
        _Bar.write(text, file=sys.stderr, end="")

    def flush(self) -> None:
        sys.stderr.flush()


def _handlers() -> list[logging.StreamHandler[t.TextIO]]:
    """The handlers that log to standard error."""
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    return [
        handler
        for logger in loggers
        if isinstance(logger, logging.Logger)
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
    ]
