"""Writes Singer messages: with orjson, and a page of records in one piece."""

from __future__ import annotations

import sys
import typing as t
from decimal import Decimal

import orjson
from rainfocus_client.errors import ClosedPipeError
from singer_sdk.io_base import SingerWriter
from singer_sdk.singerlib import RecordMessage, StateMessage
from typing_extensions import override

from tap_rainfocus.schema.unread import storable

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from singer_sdk.io_base import GenericSingerWriter
    from singer_sdk.singerlib import Message

Record: t.TypeAlias = dict[str, t.Any]


class PageWriter(SingerWriter):
    """Flushes what it writes except behind a single record."""

    @override
    def write_message(self, message: Message) -> None:
        _write(self._encode(message), flush=not isinstance(message, RecordMessage))

    def write_records(
        self, stream: str, records: Iterable[Record], extracted: datetime, version: int | None
    ) -> int:
        """Write the records of a page as RECORD messages, and say how many they are."""
        head = b'{"type":"RECORD","stream":%s,"record":' % orjson.dumps(stream)
        numbered = b',"version":%d' % version if version else b""
        tail = b'%s,"time_extracted":%s}\n' % (numbered, orjson.dumps(extracted))
        lines = [b"%s%s%s" % (head, _dumps(record), tail) for record in records]
        _write(b"".join(lines), flush=True)
        return len(lines)

    def _encode(self, message: Message) -> bytes:
        try:
            return orjson.dumps(message.to_dict(), default=_plain, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError:  # nested too deep, or 2**64 by a stream map
            if isinstance(message, RecordMessage):
                message.record = storable(message.record)
            return f"{self.serialize_message(message)}\n".encode()


class EveryState:
    """Writes each state that it is given, also one that is as before.

    Some loaders forget the state with each record.

    Attributes:
        is_muted: Whether nothing is written.
    """

    def __init__(
        self, writer: GenericSingerWriter[t.Any, t.Any], written: Callable[[], None]
    ) -> None:
        """Write with this writer, and call `written` each time."""
        self.is_muted = False
        self._writer = writer
        self._written = written

    def write_state(self, state: dict[str, t.Any]) -> None:
        """Write a STATE message."""
        if not self.is_muted:
            self._writer.write_message(StateMessage(state))
            self._written()


def _dumps(record: Record) -> bytes:
    try:
        return orjson.dumps(record)
    except TypeError:  # nested too deep
        return orjson.dumps(storable(record))


def _write(lines: bytes, *, flush: bool) -> None:
    out = sys.stdout.buffer
    try:
        out.write(lines)
        if flush:
            out.flush()
    except BrokenPipeError as error:
        raise ClosedPipeError from error


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)
