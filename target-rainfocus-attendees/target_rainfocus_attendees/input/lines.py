"""The lines of the input; while none comes, what else there is to do."""

from __future__ import annotations

import io
import math
import os
import select
import sys
import typing as t

from rainfocus_client.troubles import Trouble

from target_rainfocus_attendees.input.messages import InputError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_rainfocus_attendees.input.signals import Stop

CHUNK = 1 << 16
IDLE = 1.0
"""Seconds without a line after which there is time for other things."""


def standard_input() -> t.IO[str]:
    """Standard input.

    Raises:
        InputError: It is closed.
    """
    given: t.IO[str] | None = sys.stdin
    if given is None:
        msg = "Standard input is closed: pipe an extractor into this command, or give --input."
        raise InputError(msg, Trouble.NOT_SINGER)
    return given


def lines(
    file: t.IO[str], stop: Stop, idle: Callable[[], None], longest: float = math.inf
) -> Iterator[str | bytes]:
    """The lines of a file, as bytes where they come from the system.

    Args:
        file: Nothing was read of it before.
        stop: Heeded while there is no line.
        idle: Called every second that no line comes in.
        longest: Bytes of a line.

    Raises:
        InputError: A line is longer.
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
        elif sum(map(len, begun)) > longest:
            msg = "A line of the input is too long for a Singer message: check the extractor."
            raise InputError(msg, Trouble.NOT_SINGER)
    if rest := b"".join(begun):
        yield rest


def _read(descriptor: int, stop: Stop, idle: Callable[[], None]) -> bytes:
    while True:
        with stop.heeded():
            if select.select([descriptor], [], [], IDLE)[0]:
                return os.read(descriptor, CHUNK)
        idle()
