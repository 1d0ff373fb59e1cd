"""Turns a body into what is to be kept of it."""

from __future__ import annotations

import orjson

from tap_rainfocus import push
from tap_rainfocus.inbox import Message

MOST_MESSAGES = 10_000


class TooManyMessagesError(ValueError):
    """A body holds more messages than one transaction should."""


def read_messages(body: bytes, flow_id: str | None) -> list[Message]:
    """The messages in a body; one that is no experience event is kept as unreadable.

    Raises:
        ValueError: It is not JSON, nested too deeply, or too many messages.
    """
    value = push.parse(body)
    payloads = push.messages(value)
    if len(payloads) > MOST_MESSAGES:
        raise TooManyMessagesError
    if len(payloads) == 1 and payloads[0] is value:
        return [_message(value, body.decode(), flow_id)]
    return [_message(payload, orjson.dumps(payload).decode(), flow_id) for payload in payloads]


def _message(payload: object, text: str, flow_id: str | None) -> Message:
    if isinstance(payload, dict):
        payload = push.nested(payload)
    if not push.is_event(payload):
        digest = push.payload_hash(payload)
        return Message(
            key=f"unreadable:{digest}",
            payload=text,
            flow_id=flow_id,
            transmission_id=None,
            readable=False,
            fingerprint=digest,
        )
    return Message(
        key=push.transmission_key(payload),
        payload=text,
        flow_id=flow_id,
        transmission_id=push.transmission_id(payload),
        readable=True,
        fingerprint=push.fingerprint(payload),
    )
