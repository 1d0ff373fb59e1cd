"""What a check is given: Singer messages, or a schema alone."""

from __future__ import annotations

import typing as t

from rainfocus_client.lenient_json import dump_json, parse_json
from rainfocus_client.troubles import Trouble

from target_rainfocus_attendees.input.messages import TYPES, InputError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Line: t.TypeAlias = str | bytes

LONGEST = 1 << 24
"""Bytes of a line, or of a schema: what is longer is neither, and is not read to its end."""

NEITHER = (
    "The input begins neither with a Singer message nor with a JSON schema: give what an extractor "
    "has written, or one JSON object that has properties."
)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def singer_lines(lines: Iterable[Line], stream: str) -> Iterator[Line]:
    """The lines of a Singer input.

    Its first message may stand in several lines; a schema in its place is made the SCHEMA message
    of a stream.

    Args:
        lines: What was given.
        stream: What the stream of a schema is called.

    Raises:
        InputError: It is neither.
    """
    rest = iter(lines)
    for line in rest:
        if not line.strip():
            yield line
            continue
        yield dump_json(_first_message(line, rest, stream))
        yield from rest


def _first_message(line: Line, rest: Iterator[Line], stream: str) -> dict[str, t.Any]:
    content = _bytes(line)
    found = _parsed(content)
    if found is None and content.removeprefix(_BYTE_ORDER_MARK).lstrip().startswith(b"{"):
        found = _parsed(_whole(content, rest))
    if isinstance(found, dict):
        kind = found.get("type")
        if isinstance(kind, str) and kind in TYPES:
            return found
        if isinstance(found.get("properties"), dict):
            return {"type": "SCHEMA", "stream": stream, "schema": found, "key_properties": []}
    raise InputError(NEITHER, Trouble.NOT_SINGER)


def _whole(beginning: bytes, rest: Iterator[Line]) -> bytes:
    content = bytearray(beginning)
    for line in rest:
        content += b"\n" + _bytes(line)
        if len(content) > LONGEST:
            break
    return bytes(content)


def _bytes(line: Line) -> bytes:
    return line.encode() if isinstance(line, str) else line


def _parsed(content: bytes) -> object:
    try:
        return parse_json(content)
    except ValueError:
        return None
