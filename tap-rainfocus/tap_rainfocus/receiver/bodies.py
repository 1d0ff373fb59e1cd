"""Turns a body into what is to be kept of it."""

from __future__ import annotations

import orjson

from tap_rainfocus.inbox import payloads
from tap_rainfocus.inbox.models import Message

MOST_MESSAGES = 10_000


class TooManyMessagesError(ValueError):
    """A body holds more messages than one transaction should."""


def read_messages(body: bytes, flow_id: str | None) -> list[Message]:
    """The messages in a body; one that is no experience event is kept as unreadable.

    Raises:
        ValueError: It is not JSON, nested too deeply, or too many messages.
    """
    value = payloads.parse_push(body)
    found = payloads.messages(value)
    if len(found) > MOST_MESSAGES:
        raise TooManyMessagesError
    if len(found) == 1 and found[0] is value:
        return [_message(value, body.decode(), flow_id)]
    return [_message(payload, orjson.dumps(payload).decode(), flow_id) for payload in found]


def _message(payload: object, text: str, flow_id: str | None) -> Message:
    if isinstance(payload, dict):
        payload = payloads.nested(payload)
    if not payloads.is_event(payload):
        digest = payloads.payload_hash(payload)
        return Message(
            key=f"unreadable:{digest}",
            payload=text,
            flow_id=flow_id,
            transmission_id=None,
            readable=False,
            fingerprint=digest,
        )
    return Message(
        key=payloads.transmission_key(payload),
        payload=text,
        flow_id=flow_id,
        transmission_id=payloads.transmission_id(payload),
        readable=True,
        fingerprint=payloads.fingerprint(payload),
    )
