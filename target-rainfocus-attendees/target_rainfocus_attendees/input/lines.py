"""The lines of the input; while none comes, what else there is to do."""

from __future__ import annotations

import io
import os
import select
import typing as t
from contextlib import contextmanager

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 1 << 16
IDLE = 1.0
"""Seconds without a line after which there is time for other things."""


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


def lines(file: t.IO[str], stop: Stop, idle: Callable[[], None]) -> Iterator[str | bytes]:
    """The lines of a file, as bytes where they come from the system.

    Args:
        file: Nothing was read of it before.
        stop: Heeded while there is no line.
        idle: Called every second that no line comes in.
    """
    try:
        descriptor = file.fileno()
    except (io.UnsupportedOperation, AttributeError):
        yield from file
        return
    begun: list[bytes] = []
    while chunk := _read(descriptor, stop, idle):
        first, *others = chunk.split(b"\n")
        begun.append(first)
        if others:
            yield b"".join(begun)
            begun = [others.pop()]
            yield from others
    if rest := b"".join(begun):
        yield rest


def _read(descriptor: int, stop: Stop, idle: Callable[[], None]) -> bytes:
    while True:
        with stop.heeded():
            if select.select([descriptor], [], [], IDLE)[0]:
                return os.read(descriptor, CHUNK)
        idle()
