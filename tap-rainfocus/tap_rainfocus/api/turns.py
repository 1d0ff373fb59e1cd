"""Turns to ask RainFocus, for threads that do so side by side."""

from __future__ import annotations

import threading
import typing as t
from contextlib import contextmanager

from rainfocus_client.errors import BusyError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rainfocus_client.adaptive_limit import AdaptiveLimit


class HaltedError(Exception):
    """Nothing more is to be asked."""


class Turns:
    """Who wants to ask takes a turn: there are as many as the limit says, and none in a pause."""

    def __init__(self, limit: AdaptiveLimit) -> None:
        """Give out as many as the limit says."""
        self._limit = limit
        self._changed = threading.Condition()
        self._halted = threading.Event()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and give it back with what came of it.

        Raises:
            HaltedError: There will be none.
        """
        with self._changed:
            while (seconds := self._limit.rest) or not self._limit.is_free:
                self.check()
                self._changed.wait(seconds or None)
            self.check()
            self._limit.begin()
        try:
            yield
        except BusyError as busy:
            self._tell(self._limit.refused, busy.retry_after)
            raise
        except BaseException:
            self._tell(self._limit.failed)
            raise
        # How long it took says nothing: pages differ in length.
        self._tell(self._limit.answered)

    def rest(self) -> bool:
        """Wait for the end of a pause, and say whether there was one.

        Raises:
            HaltedError: Nothing more is to be asked.
        """
        self.check()
        rested = False
        while seconds := self._limit.rest:
            self.sleep(seconds)
            rested = True
        return rested

    def pause(self, seconds: float) -> None:
        """Let nobody ask for so long."""
        with self._changed:
            self._limit.pause(seconds)

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            HaltedError: Nothing more is to be asked.
        """
        self._halted.wait(seconds)
        self.check()

    def halt(self) -> None:
        """Give out no more, and end every wait."""
        self._halted.set()
        with self._changed:
            self._changed.notify_all()

    def check(self) -> None:
        """Check that there has been no halt.

        Raises:
            HaltedError: Nothing more is to be asked.
        """
        if self._halted.is_set():
            raise HaltedError

    def _tell(self, what: Callable[..., None], *how: object) -> None:
        with self._changed:
            what(*how)
            self._changed.notify_all()
