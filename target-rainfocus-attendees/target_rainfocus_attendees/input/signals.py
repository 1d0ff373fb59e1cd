"""A signal to stop, heeded where nothing is half done."""

from __future__ import annotations

import typing as t
from contextlib import contextmanager

if t.TYPE_CHECKING:
    from collections.abc import Iterator


class Stop:
    """A signal to stop, which is heeded where nothing is half done."""

    def __init__(self) -> None:
        """There was none yet."""
        self._code: int | None = None
        self._may_raise = False

    def request(self, code: int) -> None:
        """Take a signal; to be called from its handler.

        Raises:
            SystemExit: The moment is right.
        """
        self._code = code
        if self._may_raise:
            self.heed()

    def heed(self) -> None:
        """End the run if that was asked for.

        Raises:
            SystemExit: It was.
        """
        if self._code is not None:
            raise SystemExit(self._code)

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """While this waits, a signal is heeded at once."""
        self._may_raise = True
        try:
            self.heed()
            yield
        finally:
            self._may_raise = False
