"""Writes Singer messages: with orjson, a page of records in one piece, and not too many states."""

from __future__ import annotations

import sys
import time
import typing as t
from contextlib import suppress
from decimal import Decimal

import orjson
from rainfocus_client.errors import ClosedPipeError
from singer_sdk.io_base import SingerWriter
from singer_sdk.singerlib import RecordMessage, StateMessage
from singer_sdk.singerlib.json import serialize_json
from typing_extensions import override

from tap_rainfocus.schema.unread import storable

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from singer_sdk.singerlib import Message

Record: t.TypeAlias = dict[str, t.Any]

STATE_RATE = 1 << 18
"""Bytes of STATE a second, so that what a run writes of it grows as its records do."""


class PageWriter(SingerWriter):
    """Flushes what it writes except behind a single record.

    Attributes:
        is_at_line: Whether all that was begun has been written, so that a line can follow.
        has_stated: Whether a STATE is the last that was written.
    """

    is_at_line = True
    has_stated = False

    @override
    def write_message(self, message: Message) -> None:
        self._write(self._encode(message), flush=not isinstance(message, RecordMessage))

    def write_state(self, state: dict[str, t.Any]) -> int:
        """Write a STATE message, and say how many bytes it is long."""
        line = self._encode(StateMessage(state))
        self._write(line, flush=True)
        self.has_stated = True
        return len(line)

    def write_records(
        self, stream: str, records: Iterable[Record], extracted: datetime, version: int | None
    ) -> None:
        """Write records as RECORD messages."""
        head = b'{"type":"RECORD","stream":%s,"record":' % orjson.dumps(stream)
        numbered = b',"version":%d' % version if version else b""
        tail = b'%s,"time_extracted":%s}\n' % (numbered, orjson.dumps(extracted))
        if written := (tail + head).join(map(_dumps, records)):
            self._write(head + written + tail, flush=True)

    def _encode(self, message: Message) -> bytes:
        try:
            return orjson.dumps(message.to_dict(), default=_plain, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError:  # nested too deep, or 2**64 by a stream map
            if isinstance(message, RecordMessage):
                message.record = storable(message.record)
            return f"{self.serialize_message(message)}\n".encode()

    def _write(self, lines: bytes, *, flush: bool) -> None:
        out = sys.stdout.buffer
        self.is_at_line = self.has_stated = False
        try:
            out.write(lines)
            if flush:
                out.flush()
        except BrokenPipeError as error:
            raise ClosedPipeError from error
        self.is_at_line = True


class StateWriter:
    """Writes the states of a run; at the end of a stream also one that is as before.

    Some loaders forget the state with each record.

    Attributes:
        is_muted: Whether nothing is written.
    """

    def __init__(self, writer: PageWriter, written: Callable[[], None]) -> None:
        """Write with this writer, and call `written` each time."""
        self.is_muted = False
        self._writer = writer
        self._written = written
        self._next = 0.0
        self._waiting: dict[str, t.Any] | None = None

    def write_state(self, state: dict[str, t.Any]) -> None:
        """Write a STATE message."""
        self._waiting = None
        if not self.is_muted:
            size = self._writer.write_state(state)
            self._next = time.monotonic() + size / STATE_RATE
            self._written()

    def offer(self, state: dict[str, t.Any]) -> None:
        """Write a STATE message, now or, where the last one has just gone out, soon."""
        self._waiting = state
        self.catch_up()

    def catch_up(self) -> None:
        """Write what waits, if it is time for it; to be called now and then."""
        if self._waiting and time.monotonic() >= self._next:
            self.write_state(self._waiting)

    def end(self, state: dict[str, t.Any]) -> None:
        """Have a STATE behind the last record, if there still is somebody who reads it."""
        is_behind = self._waiting or not self._writer.has_stated
        if is_behind and state.get("bookmarks") and self._writer.is_at_line:
            with suppress(OSError, ClosedPipeError):
                self.write_state(state)


def _dumps(record: Record) -> bytes:
    try:
        return orjson.dumps(record, default=_plain)
    except TypeError:  # nested too deep, or 2**64 by a stream map
        return serialize_json(storable(record)).encode()


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)
