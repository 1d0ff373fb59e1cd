"""What RainFocus pushes: the payloads in a body, their nesting, and what makes two the same.

Nobody outside has seen a payload's nesting: it is inferred from the names in Adobe's field table,
so that nested objects and dotted names are both read.
"""

from __future__ import annotations

import hashlib
import typing as t

import orjson
from rainfocus_client.lenient_json import parse_storable

from tap_rainfocus.schema import xdm
from tap_rainfocus.schema.unread import is_writable
from tap_rainfocus.schema.values import read_text

Payload: t.TypeAlias = dict[str, t.Any]

ROOT_FIELDS = tuple(field.name for field in xdm.ROOT.fields)

GROUP_FIELDS = {
    group.name: tuple(field.name for field in group.fields if field.source == xdm.AEP)
    for group in xdm.EXPERIENCE
}
"""With the root's, the 23 fields of Adobe's RainFocus source."""

LONGEST_KEY = 100


def parse_push(body: bytes | str) -> object:
    """The value of a body, which has to be UTF-8.

    Raises:
        ValueError: It is not JSON, or is nested too deep to be written again.
    """
    value = parse_storable(body.decode() if isinstance(body, bytes) else body)
    if not is_writable(value):
        msg = "it is nested too deep"
        raise ValueError(msg)
    return value


def messages(body: object) -> list[object]:
    """The payloads in a body: an object, an array of them, or an object with `messages`."""
    if isinstance(body, dict) and isinstance(body.get("messages"), list):
        body = body["messages"]
    return body if isinstance(body, list) else [body]


def nested(payload: Payload) -> Payload:
    """The payload with names such as `attendee.email` as fields of their groups.

    A field that its group has already is left as it is.
    """
    if not any("." in name for name in payload):
        return payload
    regular = {
        name: dict(value) if name in GROUP_FIELDS and isinstance(value, dict) else value
        for name, value in payload.items()
        if value is not None or name not in GROUP_FIELDS
    }
    for name in payload:
        group, _, field = name.partition(".")
        if field and group in GROUP_FIELDS:
            fields = regular.setdefault(group, {})
            if isinstance(fields, dict) and field not in fields:
                fields[field] = regular.pop(name)
    return regular


def is_event(payload: object) -> t.TypeGuard[Payload]:
    """Whether a nested payload is an experience event: an object with one of the 23 fields."""
    if not isinstance(payload, dict):
        return False
    if any(payload.get(name) is not None for name in ROOT_FIELDS):
        return True
    for name, fields in GROUP_FIELDS.items():
        group = payload.get(name)
        if isinstance(group, dict) and any(group.get(field) is not None for field in fields):
            return True
    return False


def transmission_id(payload: Payload) -> str | None:
    """The transmission's id, if the payload has one that is text or a number."""
    value = payload.get("transmissionId")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    # PostgreSQL keeps no NUL in a text.
    return read_text(value).replace("\0", "").strip() or None


def transmission_key(payload: Payload) -> str:
    """What two transmissions of the same event have in common: the id, else all they say."""
    found = transmission_id(payload)
    if found is None:
        return f"sha256:{payload_hash(payload)}"
    if len(found) > LONGEST_KEY or not found.isprintable():
        return f"id-sha256:{hashlib.sha256(found.encode()).hexdigest()}"
    return found


def payload_hash(payload: object) -> str:
    """A hash over what a nested payload says, however it is written."""
    return hashlib.sha256(canonical(payload)).hexdigest()


def fingerprint(payload: Payload) -> str:
    """A hash over what a nested payload says but when, for that may differ when it is resent."""
    return payload_hash({name: value for name, value in payload.items() if name != "timestamp"})


def canonical(value: object) -> bytes:
    """JSON with its names sorted and no blanks."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
