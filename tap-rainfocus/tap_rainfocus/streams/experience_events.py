"""The stream of what RainFocus has pushed, read from the receiver's inbox."""

from __future__ import annotations

import hashlib
import typing as t
from contextlib import closing

from rainfocus_client.errors import SettingsError
from rainfocus_client.troubles import Trouble
from typing_extensions import override

from tap_rainfocus.inbox.bookmark import Known, marked
from tap_rainfocus.inbox.content import ContentReader
from tap_rainfocus.inbox.models import CONFLICT
from tap_rainfocus.inbox.payloads import kept_event
from tap_rainfocus.inbox.records import OURS, SEQUENCE, event_fields, with_groups_first
from tap_rainfocus.schema import xdm
from tap_rainfocus.schema.destinations import Shaped
from tap_rainfocus.streams.base import TapStream
from tap_rainfocus.streams.bookmarks import VALUE

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Context

    from tap_rainfocus.api.pages import Record
    from tap_rainfocus.inbox.models import InboxRow
    from tap_rainfocus.inbox.store import Inbox
    from tap_rainfocus.tap import TapRainFocus

ROWS_AT_ONCE = 50
"""Few, since each may hold a megabyte; most hold a few hundred bytes."""

ROWS_PER_STATE = 1000

_INBOX = "inbox"
"""Key of the bookmark: which inbox it is of, and a mark of the last row that was read."""


class ExperienceEvents(TapStream):
    """Experience events, in the order in which the inbox took them."""

    name = "experience_events"
    primary_keys = ("_id",)

    def __init__(self, tap: TapRainFocus) -> None:
        """Set up the stream; the inbox is opened when it is read."""
        codes, view = tap.settings.custom_attributes, tap.settings.speaker_view
        groups = tuple(view.apply(group).with_attributes(codes) for group in xdm.EXPERIENCE)
        super().__init__(tap, xdm.experience_schema(groups), (view.apply(xdm.ROOT), *groups))
        self.replication_key = SEQUENCE
        self.selected_by_default = bool(tap.settings.inbox_url)
        self._read_content = ContentReader()

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
    def read_pages(self, context: Context | None) -> t.Generator[Iterable[Record], None, None]:
        unstated = 0
        for rows in self._chunks():
            yield map(self._record, rows)
            self._move_bookmark(rows[-1].sequence, rows[-1])
            unstated += len(rows)
            if unstated >= ROWS_PER_STATE:
                self.tap.state_writer.write_state(self.tap_state)
                unstated = 0

    def _chunks(self) -> Iterator[list[InboxRow]]:
        """The rows after the bookmark, up to the last one that is there now."""
        url = self.tap.settings.inbox_url
        if not url:
            # Only the SDK's own test of a tap comes here: it reads every stream, selected or not.
            self.logger.info("No inbox is set: stream %s is not tested.", self.name)
            return
        count = 0
        with closing(_open(url)) as inbox:
            last = inbox.last()
            after = self._begin(inbox, last)
            while rows := [row for row in inbox.read(after, ROWS_AT_ONCE) if row.sequence <= last]:
                after = rows[-1].sequence
                count += len(rows)
                self.records_read += len(rows)
                yield rows
            kinds = inbox.kinds()
        self._move_bookmark(last)
        self.logger.info(
            "%s: %s records in all, the inbox is read up to sequence %s.",
            self.name,
            f"{count:,}",
            f"{last:,}",
        )
        kinds.pop(CONFLICT, None)
        if kinds:
            self.logger.warning(
                "%s messages in the inbox are not read as events (%s): see `rainfocus-receiver "
                "list`.",
                f"{sum(kinds.values()):,}",
                ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items())),
            )
        if not last:
            self.logger.warning("The inbox is empty: is inbox_url that of the receiver?")

    def _bookmark(self) -> int:
        value = self.stream_state.get(VALUE, 0)
        if type(value) is not int:
            msg = (
                f"The bookmark of stream {self.name} in the state is not a sequence: "
                "correct it, or run without state."
            )
            raise SettingsError(msg, Trouble.STATE)
        return value

    def _begin(self, inbox: Inbox, last: int) -> int:
        """The sequence to go on behind: 0 where the bookmark is not one of this inbox.

        Raises:
            SettingsError: The bookmark does not say which inbox it is of, and cannot be of this.
        """
        after = self._bookmark()
        known = Known.read(self.stream_state.pop(_INBOX, None))
        identity = inbox.identity()
        if after and (why := known.differs(inbox, identity, after, last)):
            self.logger.warning("%s It is read from its beginning.", why)
            after, known = 0, Known()
            self._move_bookmark(after)
        if after > last:
            msg = (
                f"The bookmark of stream {self.name} is beyond the end of the inbox "
                f"({after:,} of {last:,}): check inbox_url, or run without state if it is "
                "a new one."
            )
            raise SettingsError(msg, Trouble.STATE)
        row = inbox.last_row(after)
        pruned = {"row": known.row, "mark": known.mark} if known.row else {}
        self.stream_state[_INBOX] = {"identity": identity} | (marked(row) if row else pruned)
        return after

    def _move_bookmark(self, sequence: int, row: InboxRow | None = None) -> None:
        self.stream_state.update({"replication_key": SEQUENCE, VALUE: sequence})
        if row:
            self.stream_state[_INBOX] |= marked(row)

    def _record(self, row: InboxRow) -> Record:
        try:
            payload = kept_event(row.payload)
            identity = self._read_content(payload).identity(row.received_at)
        except (TypeError, ValueError, OverflowError):  # one event must not keep all others back
            shaped = Shaped({}, {"payload": "is no JSON: see the inbox"})
            return self._assemble(row, hashlib.sha256(row.payload.encode()).hexdigest(), shaped)
        shaped = self.normalize(with_groups_first(payload))
        if OURS & payload.keys() and self.is_whole:
            shown = self.tap.settings.speaker_view.read_unknown
            shaped.unread.update((name, shown(payload[name])) for name in OURS & payload.keys())
        return self._assemble(row, identity, shaped)

    def _assemble(self, row: InboxRow, identity: str, shaped: Shaped) -> Record:
        fields = event_fields(shaped, identity, row.received_at, row.sequence)
        return self.assemble(fields, shaped)


def _open(url: str) -> Inbox:
    from tap_rainfocus.inbox.store import Inbox  # noqa: PLC0415, SQLAlchemy is slow to import

    return Inbox(url, may_be_new=False)
