"""The stream of what RainFocus has pushed, read from the receiver's inbox."""

from __future__ import annotations

import hashlib
import typing as t
from contextlib import closing

import orjson
from rainfocus_client.errors import SettingsError
from rainfocus_client.lenient_json import parse_storable
from typing_extensions import override

from tap_rainfocus.inbox.payloads import nested, payload_hash
from tap_rainfocus.schema import xdm
from tap_rainfocus.schema.normalization import Normalizer, fold_key
from tap_rainfocus.schema.values import rfc3339
from tap_rainfocus.streams.base import TapStream

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Context

    from tap_rainfocus.api.pages import Record
    from tap_rainfocus.inbox.models import InboxRow
    from tap_rainfocus.inbox.store import Inbox
    from tap_rainfocus.schema.normalization import Groups
    from tap_rainfocus.tap import TapRainFocus

ROWS_AT_ONCE = 50
"""Few, since each may hold a megabyte; most hold a few hundred bytes."""

_GROUPS = tuple(group.name for group in xdm.EXPERIENCE)
_SEQUENCE = "inboxSequence"
_OURS = ("_id", _SEQUENCE)


class ExperienceEvents(TapStream):
    """Experience events, in the order in which the inbox took them."""

    name = "experience_events"
    STATE_MSG_FREQUENCY = 1000

    def __init__(self, tap: TapRainFocus) -> None:
        """Set up the stream; the inbox is opened when it is read."""
        codes = tuple(tap.settings.custom_attributes)
        groups = tuple(group.with_attributes(codes) for group in xdm.EXPERIENCE)
        super().__init__(tap, xdm.experience_schema(groups))
        self.replication_key = _SEQUENCE
        self.selected_by_default = bool(tap.settings.inbox_url)
        self._normalize = Normalizer(
            (xdm.ROOT, *groups),
            codes,
            self._warn_unreadable,
            self._warn_left_out if tap.settings.flattening_enabled else None,
        )

    @property
    @override
    def is_sorted(self) -> bool:
        return True

    @property
    @override
    def config(self) -> Mapping[str, t.Any]:
        """Without `start_date`: a sequence is not a time."""
        return {name: value for name, value in super().config.items() if name != "start_date"}

    @override
    def check(self) -> None:
        _open(t.cast("str", self.tap.settings.inbox_url)).close()

    @override
    def read_pages(self, context: Context | None) -> Iterator[Iterable[Record]]:
        for rows in self._chunks():
            yield map(self._record, rows)
            self._move_bookmark(rows[-1].sequence)

    def _chunks(self) -> Iterator[list[InboxRow]]:
        """The rows after the bookmark, up to the last one that is there now."""
        url = self.tap.settings.inbox_url
        if not url:
            # Only the SDK's own test of a tap comes here: it reads every stream, selected or not.
            self.logger.info("No inbox is set: stream %s is not tested.", self.name)
            return
        after = self._bookmark()
        count = 0
        with closing(_open(url)) as inbox:
            last = inbox.last()
            if after > last:
                msg = (
                    f"The bookmark of stream {self.name} is beyond the end of the inbox "
                    f"({after:,} of {last:,}): check inbox_url, or run without state if it is "
                    "a new one."
                )
                raise SettingsError(msg)
            while rows := [row for row in inbox.read(after, ROWS_AT_ONCE) if row.sequence <= last]:
                after = rows[-1].sequence
                count += len(rows)
                self.records_read += len(rows)
                yield rows
        self._move_bookmark(last)
        self.logger.info(
            "%s: %s records in all, the inbox is read up to sequence %s.",
            self.name,
            f"{count:,}",
            f"{last:,}",
        )
        if not last:
            self.logger.warning("The inbox is empty: is inbox_url that of the receiver?")

    def _bookmark(self) -> int:
        value = self.stream_state.get("replication_key_value", 0)
        if type(value) is not int:
            msg = (
                f"The bookmark of stream {self.name} in the state is not a sequence: "
                "correct it, or run without state."
            )
            raise SettingsError(msg)
        return value

    def _move_bookmark(self, sequence: int) -> None:
        self.stream_state.update(replication_key=_SEQUENCE, replication_key_value=sequence)

    def _record(self, row: InboxRow) -> Record:
        try:
            payload = nested(t.cast("Record", parse_storable(row.payload)))
            identity = row.transmission_id or payload_hash(payload)
            record = _assemble(row, identity, self._normalize(self._with_groups_first(payload)))
            orjson.dumps(record)  # it may be nested too deep to be written
        except Exception as error:  # noqa: BLE001, one event must not keep all others back
            self.tap.warn_once(
                f"Stream {self.name}: an event cannot be read ({type(error).__name__}); such "
                "events come with their _id and the time they were received."
            )
            identity = row.transmission_id or hashlib.sha256(row.payload.encode()).hexdigest()
            return _assemble(row, identity, {})
        return record

    def _with_groups_first(self, payload: Record) -> Record:
        """The payload with its groups in front, so that what stands in them counts most.

        A group is known by its letters alone. One that is no object cannot be read, and fields
        that are the stream's own are not the payload's.
        """
        groups: Record = {}
        rest: Record = {}
        for key, value in payload.items():
            name = key if key in _GROUPS else fold_key(key)
            if name in _GROUPS and isinstance(value, dict) and (key == name or name not in payload):
                if groups.setdefault(name, value) is not value:
                    rest[key] = value
            elif key in _GROUPS:
                if value not in (None, ""):
                    self.tap.warn_once(f"A value of {key} cannot be read; such values become null.")
            elif key in _OURS:
                self.tap.warn_once(
                    f"Stream {self.name}: field {key} of an event is left out, "
                    "since the stream has one of its own."
                )
            else:
                rest[key] = value
        return groups | rest

    def _warn_left_out(self, field: str) -> None:
        self.logger.warning(
            "Field %s is not in the schema and is left out, since flattening leaves no place for "
            "it.",
            field,
        )


def _assemble(row: InboxRow, identity: str, shaped: Groups) -> Record:
    root = shaped.pop(xdm.ROOT.name, {})
    return {
        "_id": identity,
        "timestamp": root.pop("timestamp", None) or rfc3339(row.received_at),
        "eventType": root.pop("eventType", None),
        "transmissionId": root.pop("transmissionId", None),
        **{name: shaped.get(name, {}) for name in _GROUPS},
        _SEQUENCE: row.sequence,
        **root,
    }


def _open(url: str) -> Inbox:
    from tap_rainfocus.inbox.store import Inbox  # noqa: PLC0415, SQLAlchemy is slow to import

    return Inbox(url, may_be_new=False)
