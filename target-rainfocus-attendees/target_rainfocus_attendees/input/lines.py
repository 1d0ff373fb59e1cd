"""The lines of the input; while none comes, what else there is to do."""

from __future__ import annotations

import io
import os
import select
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_rainfocus_attendees.input.signals import Stop

CHUNK = 1 << 16
IDLE = 1.0
"""Seconds without a line after which there is time for other things."""


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
