"""Takes the events of a push out of what wraps them.

Nobody outside has seen a push. Read is what Adobe's streaming ingestion takes (one record, a list
of `messages`, each plain or as XDM in an envelope; reference: docs/rainfocus-api.md §8.3), and what
webhooks use to wrap theirs in.
"""

from __future__ import annotations

import typing as t
from contextlib import suppress
from itertools import chain

from tap_rainfocus.inbox.payloads import Payload, parse_push
from tap_rainfocus.schema import xdm
from tap_rainfocus.schema.names import fold_key
from tap_rainfocus.schema.xdm import EXPERIENCE_NAMES

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_rainfocus.inbox.content import Content, ContentReader

_MESSAGES = "messages"
_ENTITY = "xdmentity"
_WRAPPERS = (_MESSAGES, "body", _ENTITY, "data", "payload", "events", "event")
"""What an event may be wrapped in, folded; in the order in which they are looked for."""

_ENVELOPE = frozenset({"header", "xdmmeta"})
"""What Adobe's envelope has beside an event: whose it is, and its schema."""

_NAMES_OF_EVENT = {field.name for field in xdm.EVENT.fields}

_MOST_WRAPPERS = 10
"""Wrappers that are opened one in the other."""

_MOST_FIELDS = 500_000
"""Fields of all events in a body together."""


class TooManyFieldsError(ValueError):
    """A body unfolds to more than should be looked at."""


class Pushed(t.NamedTuple):
    """One of the messages in a body.

    Attributes:
        payload: An event as it is to be kept: without what wraps it, its groups as objects. What
            is none, as it came.
        content: What the event says; None where it is none.
        flow_id: The dataflow that an envelope names.
    """

    payload: object
    content: Content | None
    flow_id: str | None = None


class Opener:
    """Opens what wraps the events of a push.

    Attributes:
        names: What events may be wrapped in, folded.
    """

    def __init__(self, read: ContentReader, payload_key: str = "") -> None:
        """Prepare for it.

        Args:
            read: Reads what an event says.
            payload_key: One more key that events may be wrapped in; a dotted path, if in several.
        """
        self._read = read
        more = (fold_key(name) for name in payload_key.split("."))
        self.names = tuple(dict.fromkeys(chain(filter(None, more), _WRAPPERS)))

    def __call__(self, value: object) -> Iterator[Pushed]:
        """The messages in the value of a body: it, or if it is a list its elements."""
        yield from self._open_all(value, 0)

    def _open_all(self, value: object, depth: int, wrapper: str = "") -> Iterator[Pushed]:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from self._open(item, depth, is_entity=wrapper == _ENTITY)
            else:
                yield Pushed(item, None)

    def _open(self, outer: Payload, depth: int, *, is_entity: bool) -> Iterator[Pushed]:
        content = self._read(outer)
        is_named = bool(content.transmission_id or content.event_type)
        if content.is_regular and content.has_groups and is_named and not is_entity:
            yield Pushed(outer, content)
            return
        entity = self._without_tenant(outer)
        if is_entity or entity is not outer:
            entity = _identified(entity)
        events = [
            (event, content if event is outer else self._read(event))
            for event in _by_elements(entity)
        ]
        has_groups = any(content.has_groups for _, content in events)
        is_named = any(content.transmission_id or content.event_type for _, content in events)
        is_inside = self._is_in_event(outer)
        if depth < _MOST_WRAPPERS and (is_inside or not (has_groups and is_named)):
            wrapped = self._wrapped(outer, depth, may_be_event=is_inside or not has_groups)
            if wrapped is not None:
                yield from wrapped
                return
        if any(content.is_telling for _, content in events):
            yield from (Pushed(event, content) for event, content in events)
        else:
            yield Pushed(outer, None)

    def _is_in_event(self, outer: Payload) -> bool:
        """Whether `event` is what wraps the event, and not the group of that name."""
        inner = {name: outer[name] for name in outer if fold_key(name) == xdm.EVENT.name}
        if not any(
            isinstance(value, dict) and self._read(value).is_telling for value in inner.values()
        ):
            return False
        others = {name: value for name, value in outer.items() if name not in inner}
        return not self._read(others).has_groups

    def _wrapped(self, outer: Payload, depth: int, *, may_be_event: bool) -> list[Pushed] | None:
        """The messages that something wraps; None if nothing does.

        Args:
            outer: What it stands in.
            depth: Wrappers around that.
            may_be_event: Whether `event` may be a wrapper also as an object.
        """
        folded: dict[str, str] = {}
        for name in outer:
            folded.setdefault(fold_key(name), name)
        for wrapper in self.names:
            if wrapper not in folded:
                continue
            inner = outer[folded[wrapper]]
            if isinstance(inner, str) and inner.lstrip()[:1] in {"{", "["}:
                with suppress(ValueError):
                    inner = parse_push(inner)
            if not isinstance(inner, dict | list):
                continue
            if wrapper == xdm.EVENT.name and isinstance(inner, dict):
                if not may_be_event:
                    continue
                inner = _with_event_group(inner)
            found = list(self._open_all(inner, depth + 1, wrapper))
            header = outer.get(folded.get("header", ""))
            beside = self._said_beside(outer, folded[wrapper], header)
            is_batch = wrapper == _MESSAGES and isinstance(inner, list) and not beside
            if is_batch or any(one.content and one.content.is_telling for one in found):
                if len(found) * len(beside) > _MOST_FIELDS:
                    raise TooManyFieldsError
                return [self._beside(one, beside, _flow_id(header)) for one in found]
        return None

    def _said_beside(self, outer: Payload, wrapper: str, header: object) -> Payload:
        """What stands beside a wrapper, of Adobe's envelope only what is an event's."""
        beside = {
            name: value
            for name, value in outer.items()
            if name != wrapper and fold_key(name) not in _ENVELOPE
        }
        if isinstance(header, dict) and self._read(header).is_telling:
            return header | beside
        return beside

    def _beside(self, pushed: Pushed, beside: Payload, flow_id: str | None) -> Pushed:
        """A message with what stands beside its wrapper, where it does not say that itself."""
        flow_id = pushed.flow_id or flow_id
        if pushed.content is None or not beside:
            return pushed._replace(flow_id=flow_id)
        payload = _merged(beside, t.cast("Payload", pushed.payload))
        return Pushed(payload, self._read(payload), flow_id)

    def _without_tenant(self, outer: Payload) -> Payload:
        """The fields of a tenant's object, such as `_acme`, as the event's own."""
        for name, fields in outer.items():
            if name[:1] == "_" and isinstance(fields, dict) and self._read(fields).is_event:
                said = {fold_key(other) for other in outer if other != name}
                own = {key: value for key, value in fields.items() if fold_key(key) not in said}
                left = {key: value for key, value in fields.items() if key not in own}
                others = {key: value for key, value in outer.items() if key != name}
                return own | others | ({name: left} if left else {})
        return outer


def _merged(beside: Payload, inner: Payload) -> Payload:
    """What is said inside, and beside it where that says nothing; of a group, field by field."""
    said = {fold_key(name): name for name, value in inner.items() if value not in (None, "")}
    merged = {name: value for name, value in inner.items() if name in said.values()}
    for name, value in beside.items():
        own = said.get(fold_key(name))
        if own is None:
            merged[name] = value
        elif isinstance(value, dict) and isinstance(merged[own], dict):
            merged[own] = _merged(value, merged[own])
    return merged


def _with_event_group(inner: Payload) -> Payload:
    """What `event` wraps, with the fields of the group of that name as a group."""
    named = {name: inner[name] for name in inner if name in _NAMES_OF_EVENT}
    if not named or xdm.EVENT.name in inner:
        return inner
    return {name: v for name, v in inner.items() if name not in named} | {xdm.EVENT.name: named}


def _identified(entity: Payload) -> Payload:
    """An XDM entity whose `_id` is its transmission's, if it names none (aep-xdm: the mapping).

    Else it is `xdmId`, for it may be a hash of that id.
    """
    if "_id" not in entity:
        return entity
    known = [
        value for name, value in entity.items() if fold_key(name) == "transmissionid" and value
    ]
    if not known:
        entity = {k: v for k, v in entity.items() if fold_key(k) != "transmissionid"}
        return {"transmissionId" if k == "_id" else k: v for k, v in entity.items()}
    return {
        "xdmId" if k == "_id" else k: v for k, v in entity.items() if k != "_id" or v not in known
    }


def _by_elements(event: Payload) -> list[Payload]:
    """The event once for each element of the groups that are arrays.

    Several arrays of one length go together, element by element. What cannot be told apart stays.
    """
    arrays = {
        name: value
        for name, value in event.items()
        if isinstance(value, list) and fold_key(name) in EXPERIENCE_NAMES and _are_objects(value)
    }
    lengths = {len(value) for value in arrays.values() if len(value) > 1}
    if not arrays or len(lengths) > 1:
        return [event]
    count = max(lengths, default=1)
    if count * len(event) > _MOST_FIELDS:
        raise TooManyFieldsError
    return [
        event | {name: value[n if len(value) > 1 else 0] for name, value in arrays.items()}
        for n in range(count)
    ]


def _are_objects(values: list[object]) -> bool:
    return bool(values) and all(isinstance(value, dict) for value in values)


def _flow_id(header: object) -> str | None:
    found = header.get("flowId") if isinstance(header, dict) else None
    return found.replace("\0", "") or None if isinstance(found, str) else None
