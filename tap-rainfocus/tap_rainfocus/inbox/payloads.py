"""What is kept of a push: text where it can be, and its names as the stream reads them."""

from __future__ import annotations

import base64
import typing as t

from rainfocus_client.lenient_json import parse_storable

from tap_rainfocus.schema.names import fold_key
from tap_rainfocus.schema.unread import is_writable
from tap_rainfocus.schema.xdm import EXPERIENCE_NAMES

Payload: t.TypeAlias = dict[str, t.Any]

_BYTES = "data:application/octet-stream;base64,"
"""What the text of bytes begins with that are no text (RFC 2397)."""


def parse_push(body: bytes | str) -> object:
    """The value of a body, which has to be UTF-8.

    Raises:
        UnicodeDecodeError: It is not UTF-8.
        json.JSONDecodeError: It is not JSON.
        ValueError: It is nested too deep to be written again.
    """
    value = parse_storable(body.decode() if isinstance(body, bytes) else body)
    if not is_writable(value):
        msg = "it is nested too deep"
        raise ValueError(msg)
    return value


def as_text(body: bytes) -> str:
    """A body as a text that every database keeps."""
    if b"\0" not in body and not body.startswith(_BYTES.encode()):
        try:
            return body.decode()
        except UnicodeDecodeError:
            pass
    return _BYTES + base64.b64encode(body).decode()


def as_bytes(text: str) -> bytes:
    """A body that was kept as a text."""
    if text.startswith(_BYTES):
        return base64.b64decode(text.removeprefix(_BYTES))
    return text.encode()


def kept_event(text: str) -> Payload:
    """An event that was kept as a text, its dotted names nested.

    Raises:
        ValueError: It is none, as only versions before could have kept it.
    """
    payload = parse_storable(text)
    if not isinstance(payload, dict):
        msg = "it is no object"
        raise ValueError(msg)  # noqa: TRY004, of a text, not of an argument
    return nested(payload)


def nested(payload: Payload) -> Payload:
    """The payload with names such as `attendee.email` as fields of their groups.

    A field that its group has already is left as it is.
    """
    if not any("." in name for name in payload):
        return payload
    regular = {
        name: dict(value)
        if isinstance(value, dict) and fold_key(name) in EXPERIENCE_NAMES
        else value
        for name, value in payload.items()
        if value is not None or name not in EXPERIENCE_NAMES
    }
    spelled = {fold_key(name): name for name, value in regular.items() if isinstance(value, dict)}
    for name in payload:
        prefix, _, field = name.partition(".")
        if field and (group := fold_key(prefix)) in EXPERIENCE_NAMES:
            fields = regular.setdefault(spelled.get(group, group), {})
            if isinstance(fields, dict) and field not in fields:
                fields[field] = regular.pop(name)
    return regular
