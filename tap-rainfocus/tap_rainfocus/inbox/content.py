"""What an event says in the 23 fields of Adobe's source: by it events are told apart."""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import replace

import orjson

from tap_rainfocus.inbox.payloads import nested
from tap_rainfocus.schema import values, xdm
from tap_rainfocus.schema.names import fold_key
from tap_rainfocus.schema.normalization import Normalizer
from tap_rainfocus.schema.xdm import EXPERIENCE_NAMES

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from tap_rainfocus.schema.xdm import Group

    _Groups: t.TypeAlias = dict[str, dict[str, t.Any]]

LONGEST_ID = 100
"""Characters of a transmission's id in a key; what is longer is hashed."""

SHORT = 16
"""Hexadecimal digits of a short hash."""

_TIME = "timestamp"
_ID = "transmissionId"

_NO_ID = re.compile(r"[0-]+|null|none|nil|undefined|nan|n/?a", re.IGNORECASE)
"""Words for no id."""

_TELLING = tuple(group.name for group in xdm.EXPERIENCE if group is not xdm.EVENT)

_TIME_OF_PLACE = re.compile(
    r"[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8]) (?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d",
    re.ASCII,
)
_MOMENT = re.compile(f"{_TIME_OF_PLACE.pattern.replace(' ', 'T')}\\.\\d{{3}}Z", re.ASCII)

_REGULAR: dict[object, Callable[[t.Any], object]] = {
    values.read_yes_no: ("Yes", "No").__contains__,
    values.read_integer: lambda value: type(value) is int and abs(value) <= values.MAX_INTEGER,
    values.read_local_time: lambda v: type(v) is str and _TIME_OF_PLACE.fullmatch(v),
    values.read_push_time: lambda v: type(v) is str and _MOMENT.fullmatch(v),
}
"""By its reader, whether a value is certainly what the reader would make of it."""

_FIELDS = {
    group.name: {
        field.name: _REGULAR.get(field.kind.read)
        for field in group.fields
        if field.source == xdm.AEP
    }
    for group in (xdm.ROOT, *xdm.EXPERIENCE)
}
"""The 23 fields; with None, those that are regular if they are a text."""


class Content(t.NamedTuple):
    """The 23 fields of an event, as they are read.

    Attributes:
        groups: Group → field → value, without what is null; the root's is named "". Without the
            time.
        time: The time that the event says it is of, as read or else as it came.
        unread: What cannot be read, as it came, by dotted field.
        payload: All that it says.
        transmission_id: The transmission's id.
        has_groups: Whether there is a field in a group other than `event`.
        is_regular: Whether all was as it is read.
        time_is_unread: Whether `time` is as it came.
    """

    groups: Mapping[str, Mapping[str, t.Any]]
    time: str | None
    unread: Mapping[str, object]
    payload: Mapping[str, t.Any]
    transmission_id: str | None
    has_groups: bool
    is_regular: bool
    time_is_unread: bool = False

    @property
    def is_event(self) -> bool:
        """Whether there is one of the 23 fields."""
        return bool(self.groups or self.unread or self.time)

    @property
    def is_telling(self) -> bool:
        """Whether there is more than a time, which anything may have."""
        return bool(self.has_groups or self.transmission_id or self.event_type)

    @property
    def event_type(self) -> str | None:
        """The push type."""
        return self.groups.get(xdm.ROOT.name, {}).get("eventType")

    @property
    def digest(self) -> str:
        """A hash over all but the time, in hexadecimal digits.

        Where neither an id nor a group tells what it is about, what is beside the 23 fields has to.
        """
        if not (self.has_groups or self.transmission_id):
            return fingerprint(self.payload)
        return _sha256(_canonical([self.groups, self.unread] if self.unread else self.groups))

    def identity(self, received_at: datetime) -> str:
        """What tells the event from all others, whenever it is received again.

        That is its transmission's id, if it has one, and a short hash of the content: a
        transmission may carry several events. Without an id it is the content and the time, and
        only for an event that says neither the time it is received.
        """
        return self.key if self.is_placed else _sha256(f"{self.key} {received_at.isoformat()}")

    @property
    def is_placed(self) -> bool:
        """Whether two with the same key are the same event, however far apart they come.

        A time that cannot be read tells events apart, and may yet be the same in all of them.
        """
        return bool(self.transmission_id or (self.time and not self.time_is_unread))

    @property
    def key(self) -> str:
        """What an event that is sent again has in common with itself."""
        digest = self.digest
        if found := self.transmission_id:
            if len(found) > LONGEST_ID or not found.isprintable():
                found = f"id-sha256:{_sha256(found)}"
            return f"{found}-{digest[:SHORT]}"
        told = _sha256(f"{digest} {self.time}") if self.time else digest
        return told if self.is_placed else f"unplaced:{told}"


class ContentReader:
    """Reads the 23 fields, whatever their spelling.

    Attributes:
        unknown: The fields, dotted, that no group knows.
    """

    def __init__(self) -> None:
        """Read nothing yet."""
        self._normalize = Normalizer((_only_adobes(xdm.ROOT), *map(_only_adobes, xdm.EXPERIENCE)))

    @property
    def unknown(self) -> Collection[str]:
        """The fields, dotted, that no group knows."""
        return self._normalize.left_out

    def __call__(self, payload: Mapping[str, t.Any]) -> Content:
        """Read a payload whose groups are objects."""
        groups = self._regular_groups(payload)
        if groups is not None:
            return _content(groups, {}, payload, is_regular=True)
        payload = nested(dict(payload))
        shaped = self._normalize(payload)
        shaped.unread.update(  # what is no group tells events apart, too
            (name, value)
            for name, value in payload.items()
            if not isinstance(value, dict)
            and value not in (None, "")
            and fold_key(name) in EXPERIENCE_NAMES
        )
        said = {
            group: {name: value for name, value in fields.items() if value is not None}
            for group, fields in shaped.groups.items()
        }
        return _content(said, shaped.unread, payload, is_regular=False)

    def _regular_groups(self, payload: Mapping[str, t.Any]) -> _Groups | None:
        """What reading would come to where all is regular as it is: most events, and quickly."""
        groups: _Groups = {}
        root = {}
        for name, value in payload.items():
            if name not in EXPERIENCE_NAMES:
                if name[:1] == "_" and isinstance(value, dict):  # perhaps a tenant's
                    return None
                root[name] = value
            elif type(value) is dict:
                fields = self._regular_fields(name, value)
                if fields is None:
                    return None
                groups[name] = fields
            elif value is not None and value != "":
                return None
        fields = self._regular_fields(xdm.ROOT.name, root)
        return None if fields is None else groups | {xdm.ROOT.name: fields}

    def _regular_fields(self, group: str, fields: Mapping[str, t.Any]) -> dict[str, t.Any] | None:
        is_regular = _FIELDS[group]
        found = {}
        for name, value in fields.items():
            if value is None or value == "":
                continue
            if name not in is_regular:
                if self._normalize.reads(group, name):  # another spelling
                    return None
                continue
            test = is_regular[name]
            if not (test(value) if test else type(value) is str):
                return None
            found[name] = value
        return found


def _content(
    groups: _Groups, unread: dict[str, object], payload: Mapping[str, t.Any], *, is_regular: bool
) -> Content:
    root = groups[xdm.ROOT.name]
    time = root.pop(_TIME, None)
    time_is_unread = time is None and _TIME in unread
    if time_is_unread:
        time = _canonical(unread.pop(_TIME)).decode()
    # PostgreSQL keeps no NUL in a text.
    transmission_id = root.pop(_ID, "").replace("\0", "").strip() or None
    if transmission_id and _NO_ID.fullmatch(transmission_id):
        transmission_id = None
    if transmission_id:
        root[_ID] = transmission_id
    said = {group: fields for group, fields in groups.items() if fields}
    has_groups = any(map(said.get, _TELLING))
    return Content(
        said, time, unread, payload, transmission_id, has_groups, is_regular, time_is_unread
    )


def fingerprint(payload: Mapping[str, t.Any]) -> str:
    """A hash over all that a payload says but when, for that may differ when it is resent."""
    return payload_hash({name: value for name, value in payload.items() if name != _TIME})


def payload_hash(payload: object) -> str:
    """A hash over what a payload says, however it is written."""
    return _sha256(_canonical(payload))


def _only_adobes(group: Group) -> Group:
    """The group with fields beyond the 23 hidden: known, and not read."""
    others = [field.name for field in group.fields if field.source != xdm.AEP]
    return replace(group.hiding(others), is_open=False)


def _canonical(value: object) -> bytes:
    """JSON with its names sorted and no blanks."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _sha256(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()
