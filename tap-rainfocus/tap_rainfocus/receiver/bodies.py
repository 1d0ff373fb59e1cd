"""Turns a body into what is to be kept of it."""

from __future__ import annotations

import hashlib
import json
import typing as t
import zlib
from collections import Counter

import orjson

from tap_rainfocus.inbox import payloads
from tap_rainfocus.inbox.content import ContentReader, fingerprint, payload_hash
from tap_rainfocus.inbox.envelopes import Opener, TooManyFieldsError
from tap_rainfocus.inbox.models import Message, Unreadable
from tap_rainfocus.schema.names import fold_key

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tap_rainfocus.inbox.envelopes import Pushed

MOST_BYTES = 1 << 20
"""Of a body, as it comes and once it is no longer compressed."""

MOST_KEPT = 8 * MOST_BYTES
"""Of all messages in a body: what stands beside a wrapper, or a list of groups, is in each."""

MOST_MESSAGES = 10_000

COMPRESSED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
"""What gzip and zlib begin with, and no JSON does."""

GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class TooLargeError(ValueError):
    """A body is larger than it may be once it is no longer compressed."""


class TooManyMessagesError(ValueError):
    """A body holds more messages than one transaction should."""


class BodyReader:
    """Reads bodies; what cannot be understood becomes a message as well."""

    def __init__(self, payload_key: str = "") -> None:
        """Prepare for them; for `payload_key` see `Opener`."""
        self._read = ContentReader()
        self._open = Opener(self._read, payload_key)

    @property
    def unknown(self) -> Collection[str]:
        """The fields, dotted, that no group knows."""
        return [name for name in self._read.unknown if fold_key(name) not in self._open.names]

    def __call__(
        self, body: bytes, flow_id: str | None = None, encoding: str = ""
    ) -> list[Message]:
        """The messages in a body: JSON, or a line of JSON each.

        Args:
            body: As it came; it may be compressed by gzip or deflate, also where nothing says so.
            flow_id: Of the request.
            encoding: The request's `Content-Encoding`.

        Raises:
            TooLargeError: It is too large once it is no longer compressed.
            TooManyMessagesError: It holds too many.
        """
        try:
            plain = _decompressed(body, encoding)
        except EOFError:
            return [_unreadable(Unreadable.CUT_OFF, body, flow_id)]
        except zlib.error:
            if not body.lstrip().startswith((b"{", b"[")):
                return [_unreadable(Unreadable.NOT_JSON, body, flow_id)]
            plain = body  # not compressed, whatever its header says
        try:
            found = list(_bounded(self._messages(plain, flow_id)))
        except TooManyFieldsError:
            return [_unreadable(Unreadable.TOO_LARGE, body, flow_id)]
        return _told_apart(found) if len(found) > 1 else found

    def _messages(self, body: bytes, flow_id: str | None) -> Iterator[Message]:
        try:
            value = payloads.parse_push(body)
        except json.JSONDecodeError as error:
            lines = [line for line in body.splitlines() if line.strip()]
            if len(lines) > 1 and _is_json(lines[0]):
                for line in lines:
                    yield from self._messages(line, flow_id)
            else:
                yield _unreadable(_fault(error), body, flow_id)
        except UnicodeDecodeError:
            yield _unreadable(Unreadable.NOT_UTF8, body, flow_id)
        except ValueError:
            yield _unreadable(Unreadable.TOO_DEEP, body, flow_id)
        else:
            for pushed in self._open(value):
                text = body.decode() if pushed.payload is value else _dump(pushed.payload)
                yield _message(pushed, text, flow_id or pushed.flow_id)


def _bounded(messages: Iterator[Message]) -> Iterator[Message]:
    size = 0
    for number, message in enumerate(messages):
        size += len(message.payload)
        if size > MOST_KEPT:
            raise TooManyFieldsError
        if number == MOST_MESSAGES:
            raise TooManyMessagesError
        yield message


def _decompressed(body: bytes, encoding: str) -> bytes:
    """The body, no longer compressed.

    Raises:
        EOFError: It is cut off.
        TooLargeError: It is too large.
        zlib.error: It cannot be read.
    """
    if not body.startswith(COMPRESSED):
        if encoding != "deflate":
            return body
        window = -zlib.MAX_WBITS
    else:
        window = GZIP_OR_ZLIB
    plain = b""
    while body:
        stream = zlib.decompressobj(window)
        plain += stream.decompress(body, MOST_BYTES + 1 - len(plain))
        if len(plain) > MOST_BYTES:
            raise TooLargeError
        if not stream.eof:
            raise EOFError
        body = stream.unused_data
    return plain


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(payloads.parse_push(line), dict | list)
    except ValueError:
        return False


def _fault(error: json.JSONDecodeError) -> Unreadable:
    is_short = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
    is_begun = error.doc.lstrip()[:1] in {"{", "["}
    return Unreadable.CUT_OFF if is_short and is_begun else Unreadable.NOT_JSON


def _message(pushed: Pushed, text: str, flow_id: str | None) -> Message:
    content = pushed.content
    if content is None:
        digest = payload_hash(pushed.payload)
        return _unreadable(Unreadable.NO_EVENT, text.encode(), flow_id, digest)
    payload = payloads.nested(t.cast("payloads.Payload", pushed.payload))
    return Message(
        key=content.key,
        payload=text,
        flow_id=flow_id,
        transmission_id=content.transmission_id,
        readable=True,
        fingerprint=fingerprint(payload),
        event_type=content.event_type,
        is_placed=content.is_placed,
    )


def _unreadable(
    fault: Unreadable, body: bytes, flow_id: str | None, digest: str | None = None
) -> Message:
    digest = digest or hashlib.sha256(body).hexdigest()
    return Message(
        key=fault.key(digest),
        payload=payloads.as_text(body),
        flow_id=flow_id,
        transmission_id=None,
        readable=False,
        fingerprint=digest,
        fault=fault,
        # What is answered 202 is not sent again; what is refused is.
        is_placed=fault is Unreadable.CUT_OFF,
    )


def _told_apart(messages: list[Message]) -> list[Message]:
    """The messages, with those that say neither id nor time numbered where they are alike.

    Nothing is sent again within the body that it stands in.
    """
    seen: Counter[str] = Counter()
    for number, message in enumerate(messages):
        if not message.is_placed:
            seen[message.key] += 1
            if seen[message.key] > 1:
                key = f"{message.key}#{seen[message.key]}"
                messages[number] = message._replace(key=key)
    return messages


def _dump(payload: object) -> str:
    return orjson.dumps(payload).decode()
