"""Streams that ask RainFocus: reading pages, naming records, keeping the bookmark."""

from __future__ import annotations

import hashlib
import typing as t
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain

import orjson
from rainfocus_client.errors import (
    DataError,
    EndpointDeniedError,
    RainFocusError,
    RefusedError,
    SettingsError,
)
from rainfocus_client.troubles import Trouble
from typing_extensions import override

from tap_rainfocus.api.pages import Page, UncertainEndError
from tap_rainfocus.api.side_by_side import read_side_by_side
from tap_rainfocus.api.turns import Turns
from tap_rainfocus.api.v3 import DUMP_PAGE_SIZE
from tap_rainfocus.schema.normalization import Normalizer
from tap_rainfocus.schema.unread import as_text
from tap_rainfocus.schema.xdm import EVENT, record_schema
from tap_rainfocus.streams.base import TapStream
from tap_rainfocus.streams.bookmarks import Bookmarks
from tap_rainfocus.streams.progress import Progress

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers.types import Context
    from singer_sdk.singerlib import Catalog

    from tap_rainfocus.api.pages import Record
    from tap_rainfocus.api.surface import Source
    from tap_rainfocus.schema.destinations import Groups, Shaped
    from tap_rainfocus.schema.xdm import Group
    from tap_rainfocus.tap import TapRainFocus

MOST_DUMPS = 2
"""Dumps at a time: each is one page that holds a whole entity."""

EVENT_CODE = "event_code"


@dataclass(slots=True)
class _Reading:
    """One download of a stream, as far as it has come.

    Attributes:
        event: The event's code that is asked for; None where the profile is bound to one.
        title: What a user calls it.
        code: The event's code, as far as it is known.
        clock: The server's, of the first page.
        received: How many raw records came.
        records: How many were made of them.
        is_whole: Whether nothing is known to be missing.
    """

    event: str | None
    title: str
    code: str | None = None
    clock: str | None = None
    pages: int = 0
    received: int = 0
    records: int = 0
    is_whole: bool = True


class RainFocusStream(TapStream):
    """A stream of one RainFocus call.

    Attributes:
        path: The call of v3: one that ends in `/search` is read page by page and incrementally,
            any other in one piece and in full.
        identifiers: What makes the `_id` of a record without id: of each row the first field,
            dotted, that it has.
    """

    path: t.ClassVar[str]
    groups: t.ClassVar[tuple[Group, ...]]
    identifiers: t.ClassVar[tuple[tuple[str, ...], ...]] = ()
    # An id is a person's, or unique within an event: one table may hold several events.
    primary_keys: Sequence[str] = (EVENT_CODE, "_id")

    def __init__(self, tap: TapRainFocus, source: Source) -> None:
        """Set up the stream as the tap's settings want it, to be read from a source."""
        codes, view = tap.settings.custom_attributes, tap.settings.speaker_view
        main, *others = map(view.apply, self.groups)
        groups = (main.with_attributes(codes), *others)
        super().__init__(tap, record_schema(groups), (*groups, view.apply(EVENT)))
        self.source = source
        if source.is_searched:
            self.replication_key = "timestamp"
        if events := tap.surface.events:
            # "event" is a key of every record, so that the SDK adds none of its own.
            self.contexts = [{"event": code} for code in events]
        self._ended_whole = 0  # downloads that ended with all there is
        self._id_path = (main.name, main.id_field)
        self._no_groups: Groups = {group.name: {} for group in groups}

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        entry = catalog.get_stream(self.name)
        is_read = entry and entry.metadata.resolve_selection().get((), True)
        keys = self.primary_keys
        super().apply_catalog(catalog)
        self.primary_keys = self.primary_keys or keys
        declared = (entry.schema.properties or {}) if entry else {}
        if is_read and EVENT_CODE not in set(self.primary_keys).intersection(declared):
            msg = (
                f"--catalog has no {EVENT_CODE} in the key of stream {self.name}, since it is of "
                "an earlier version: make a new one with --discover."
            )
            raise SettingsError(msg, Trouble.CATALOG)

    @property
    def asks_for_changes(self) -> bool:
        """Whether a run after the first reads only what has changed."""
        return self.source.is_searched and self.replication_method != "FULL_TABLE"

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """No signpost: it would come from this machine's clock."""

    @override
    def read_pages(self, context: Context | None) -> t.Generator[Iterable[Record], None, None]:
        downloads = [
            (
                _Reading(event, self.title(one)),
                self.source.download(event, self._since(event), is_trial=self.is_trial),
            )
            for one in ([context] if context else self.contexts)
            for event in [one["event"] if one else None]
        ]
        most = self.tap.settings.concurrency
        most = most if self.source.is_searched else min(most, MOST_DUMPS)
        # What a trial leaves behind must not keep the next one waiting.
        turns = Turns(self.tap.make_limit() if self.is_trial else self.tap.limit)
        traffic, states = self.tap.report.traffic, self.tap.state_writer
        what = downloads[0][0].title if len(downloads) == 1 else self.name
        with (
            Progress(what, len(downloads), self.logger, traffic) as progress,
            closing(read_side_by_side(downloads, most, turns, states.catch_up)) as parts,
        ):
            for reading, part in parts:
                if isinstance(part, Page):
                    self._begin(reading, part)
                    yield self._records(part, reading, progress)
                    del part  # it may be a dump, and the next one may come late
                    progress.pages += 1
                    states.catch_up()
                else:
                    self._end(reading, part)
                    progress.ended += part is None

    def _begin(self, reading: _Reading, page: Page) -> None:
        """Take from the first page what holds for all of a download."""
        if not reading.pages:
            reading.clock, reading.code = page.clock, reading.event or page.event
            self._check_floor(page)
            self._begin_version(page.clock)
        reading.pages += 1
        reading.received += len(page.records)
        reading.is_whole &= page.is_whole
        if not self.source.is_searched and len(page.records) >= DUMP_PAGE_SIZE:
            self._ended_whole -= 1
            self.tap.warn_once(
                f"Stream {self.name}: the dump of {len(page.records):,} records is as long as "
                "it can be and may be cut off; setting endpoints can name a search call."
            )

    def _records(self, page: Page, reading: _Reading, progress: Progress) -> Iterator[Record]:
        """One by one: what has just been made is still in the cache when it is written."""
        for raw in page.records:
            # What is no object becomes unread in the main group.
            for part in self.parts(raw if isinstance(raw, dict) else {self._id_path[0]: raw}):
                reading.records += 1
                progress.records += 1
                self.records_read += 1
                yield self._record(part, reading.code, reading.clock)

    def _end(self, reading: _Reading, failure: BaseException | None) -> None:
        """End a download.

        Raises:
            BaseException: What ends the run.
        """
        match failure:
            case None:
                self._finish(reading)
            case EndpointDeniedError() if not reading.pages and not self.is_trial:
                self.tap.skip_denied(self.name, reading.title, failure)
            case UncertainEndError() if self.source.is_searched:
                self.logger.warning(
                    "%s The bookmark stays, for the next run to look again.", failure
                )
            case RefusedError():
                named = f"the event code {reading.event}"
                named = named if reading.event else "event_codes, which names none"
                msg = f"{failure} Check {named}: is it right, may the profile use it?"
                raise SettingsError(msg, Trouble.EVENT_CODE) from failure
            case RainFocusError() if len(self.contexts) > 1:
                failure.args = (f"{reading.title}: {failure}", *failure.args[1:])
                raise failure
            case _:
                raise failure

    def _finish(self, reading: _Reading) -> None:
        """Move the bookmark; where nothing came there may be nothing, or RainFocus throttles."""
        if len(self.contexts) > 1:
            self.logger.info("%s: %s records.", reading.title, f"{reading.records:,}")
        if reading.clock and reading.records:
            self._ended_whole += reading.is_whole
            if self.source.is_searched:
                self._bookmarks.move(reading.event, reading.clock)
            elif self.source.floor is not None:
                self._bookmarks.keep_count(reading.received)
            else:
                return
            self.tap.state_writer.offer(self.tap_state)

    def _check_floor(self, page: Page) -> None:
        """Check that a source that is always read whole has not shrunk beyond belief.

        Raises:
            DataError: It has.
        """
        before = self._bookmarks.count if self.source.floor is not None else 0
        if (
            self.source.floor
            and not self.is_trial
            and len(page.records) < before * self.source.floor
        ):
            msg = (
                f"The catalogue gives {len(page.records):,} items for {self.name}, after "
                f"{before:,} in the last run: less than catalogue_floor allows. Is it being "
                "changed? Try again later, or set catalogue_floor lower for one run."
            )
            raise DataError(msg, Trouble.CATALOGUE_FLOOR)

    def parts(self, raw: Record) -> Iterable[Record]:
        """The records of this stream in one record of the reply."""
        return (raw,)

    def shape(self, raw: Record) -> Shaped:
        """The groups of a record."""
        return self.normalize(raw)

    def stable_content(self, raw: Record) -> object:
        """What tells a record that nothing identifies from all others, run after run."""
        return raw

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> t.Generator[Record, t.Any, t.Any]:
        yield from super()._sync_records(context, write_messages=write_messages)
        if self._stream_version and not self.is_trial:
            self._activate_version(self._stream_version)

    def _activate_version(self, version: int) -> None:
        """Let loaders drop what is gone, if all that is there has come."""
        if self._ended_whole == len(self.contexts):
            self._write_activate_version_message(version)
        else:
            self.logger.warning(
                "Stream %s did not come whole: what is gone from RainFocus stays in this run.",
                self.name,
            )

    def _begin_version(self, clock: str | None) -> None:
        """Number the records of this run: seconds, since some loaders keep 32 bits of it."""
        is_full = self.replication_method == "FULL_TABLE"
        wanted = self.tap.settings.activate_version and is_full
        if wanted and clock and self._stream_version is None:
            self._stream_version = int(datetime.fromisoformat(clock).timestamp())

    @override
    def compare_start_date(self, value: str, start_date_value: str) -> str:
        """The bookmark, as it is: the start date is for the first run only."""
        return value

    @override
    def _increment_stream_state(
        self, latest_record: Record, *, context: Context | None = None
    ) -> None:
        """Leave the bookmark alone: only a finished download moves it."""

    @cached_property
    def _bookmarks(self) -> Bookmarks:
        return Bookmarks(self.stream_state, str(self.replication_key), self.tap.surface.origin)

    def _since(self, event: str | None) -> int | None:
        """Milliseconds since 1970: a lookback before the last run, or the start date."""
        if not self.asks_for_changes:
            return None
        settings = self.tap.settings
        start = _epoch_ms(settings.start_date) if settings.start_date else None
        bookmark = self._bookmark(event)
        if bookmark is None:
            return start
        earliest = min(bookmark, max(start or 0, 0))
        return max(bookmark - settings.lookback * 1000, earliest)

    def _bookmark(self, event: str | None) -> int | None:
        """Milliseconds since 1970: RainFocus' clock in the last run that finished."""
        value = self._bookmarks.value(event)
        try:
            return _epoch_ms(value) if value else None
        except (TypeError, ValueError) as error:
            of_event = f" for event {event}" if event else ""
            msg = (
                f"The bookmark of stream {self.name}{of_event} in the state is not a time: "
                "correct it, or run without state."
            )
            raise SettingsError(msg, Trouble.STATE) from error

    def _record(self, raw: Record, event: str | None, clock: str | None) -> Record:
        shaped = self.shape(raw)
        groups = shaped.groups
        group, id_field = self._id_path
        naming, odd = shaped if self._shows_identity else self._identify(raw)
        said = groups.pop("event", {})
        code = event or naming.get("event", said).get("code") or odd.get("event")
        code = code if isinstance(code, str) else ""  # an event may be given by its code alone
        return self.assemble(
            {
                EVENT_CODE: code,
                "_id": naming.get(group, {}).get(id_field) or self._derived_id(raw),
                "timestamp": clock,
                "event": self._describe_event(code, said),
                **self._no_groups,
                **groups,
            },
            shaped,
        )

    def _describe_event(self, code: str, said: dict[str, str | None]) -> dict[str, str | None]:
        """What the reply says, and what is known besides."""
        if code not in self._events:
            names = {"code": code, "name": self.tap.settings.event_names.get(code)}
            shown = {name: names[name] for name in self._shown_of_event}
            self._events[code] = {name: value for name, value in shown.items() if value}
        return self._events[code] | {name: value for name, value in said.items() if value}

    @cached_property
    def _events(self) -> dict[str, dict[str, str | None]]:
        return {}

    @cached_property
    def _shown_of_event(self) -> list[str]:
        path = ("properties", "event", "properties")
        return [name for name in ("code", "name") if self.mask[*path, name]]

    @cached_property
    def _shows_identity(self) -> bool:
        """Whether what makes the key is selected besides."""
        group, id_field = self._id_path
        path = ("properties", group, "properties", id_field)
        return self.mask[path] and "code" in self._shown_of_event

    @cached_property
    def _identify(self) -> Normalizer:
        """Reads what names a record, whatever is selected."""
        names = {".".join(self._id_path), "event.code", *chain(*self.identifiers)}
        return Normalizer(
            tuple(
                replace(
                    group.only(
                        *(f.name for f in group.fields if f"{group.name}.{f.name}" in names)
                    ),
                    is_open=False,
                )
                for group in self._groups
            )
        )

    def _derived_id(self, raw: Record) -> str:
        content = self._identity(raw)
        how = "what identifies it" if content else "its content"
        self.tap.warn_once(
            f"Stream {self.name}: a record came without {self._id_path[1]}; "
            f"its _id is a hash of {how}."
        )
        return _hash(content or self.stable_content(raw))

    def _identity(self, raw: Record) -> list[str]:
        """The values of the identifiers; none where one of them is missing."""
        groups = self._identify(raw).groups
        found = [
            next(filter(None, (_at(groups, field) for field in fields)), None)
            for fields in self.identifiers
        ]
        return [] if None in found else [value for value in found if value]


def _at(groups: Groups, dotted: str) -> str | None:
    """A field and its value as one text, so that two kinds of fields are never mixed up."""
    group, _, name = dotted.partition(".")
    value = groups.get(group, {}).get(name)
    return f"{dotted}={str(value).strip().casefold()}" if value else None


def _hash(content: object) -> str:
    try:
        text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # nested too deep
        text = str(as_text({"": content})).encode()
    return hashlib.sha256(text).hexdigest()


def _epoch_ms(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
