"""What all streams have in common: reading pages, shaping records, keeping the bookmark."""

from __future__ import annotations

import abc
import hashlib
import logging
import typing as t
from contextlib import contextmanager
from datetime import UTC, datetime

import orjson
from rainfocus_client.errors import (
    EndpointDeniedError,
    RainFocusError,
    RefusedError,
    SettingsError,
)
from rainfocus_client.singer.stream_maps import unusable_on_a_record
from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from typing_extensions import override

from tap_rainfocus.api.pages import UncertainEndError
from tap_rainfocus.schema.normalization import Normalizer
from tap_rainfocus.schema.xdm import EVENT, record_schema
from tap_rainfocus.streams.progress import Progress

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers.types import Context
    from singer_sdk.metrics import Counter
    from singer_sdk.singerlib import RecordMessage

    from tap_rainfocus.api.pages import Page, Record
    from tap_rainfocus.schema.normalization import Groups
    from tap_rainfocus.schema.xdm import Group
    from tap_rainfocus.streams.writer import PageWriter
    from tap_rainfocus.tap import TapRainFocus

DUMP_PAGE_SIZE = 100_000
"""A working client asks dumps for this many; without it they seem to be cut off."""


class TapStream(Stream):
    """How every stream of this tap writes its messages."""

    primary_keys = ("_id",)
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    is_trial = False
    records_read = 0

    def __init__(self, tap: TapRainFocus, schema: dict[str, t.Any]) -> None:
        """Set up the stream.

        Args:
            tap: What the streams share.
            schema: JSON schema of the records.
        """
        self.tap = tap
        super().__init__(tap=tap, schema=schema)

    @override
    def log(self, message: str, *args: object, level: int = logging.INFO, **kwargs: t.Any) -> None:
        # The only error the SDK tells here is followed by ours, which says what to do.
        if level < logging.ERROR and not self.is_trial:
            super().log(message, *args, level=level, **kwargs)

    @override
    def get_batch_config(self, config: t.Mapping[str, t.Any]) -> None:
        """No BATCH messages: they would pass stream maps and bookmarks by."""

    @override
    def _generate_record_messages(self, record: Record) -> t.Generator[RecordMessage, None, None]:
        try:
            yield from super()._generate_record_messages(record)
        except RainFocusError:
            raise
        except Exception as error:  # noqa: BLE001, an expression can raise anything
            raise unusable_on_a_record(self.name, error) from None

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> t.Generator[Record, t.Any, t.Any]:
        """Write page by page; record by record, as the SDK does, only where it has to look at each.

        Nobody asks a stream that is synced for the records it yields.
        """
        if not write_messages or not self._goes_out_as_it_is:
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        with self.get_record_counter() as counter, self.get_sync_timer():
            self._write_pages(context, counter)

    def _write_pages(self, context: Context | None, counter: Counter) -> None:
        writer = t.cast("PageWriter", self.tap.message_writer)
        partitions: Sequence[Context | None] = [context] if context else self.partitions or (None,)
        for partition in partitions:
            self.state_manager.write_starting_replication_value(
                partition,
                self.replication_method,
                self.replication_key,
                dict(self.config),
                self.compare_start_date,
            )
            since_state = 0
            for page in self.read_pages(partition):
                if self.is_sorted and since_state >= self.STATE_MSG_FREQUENCY:
                    self.tap.state_writer.write_state(self.tap_state)
                    since_state = 0
                written = writer.write_records(self.name, page, datetime.now(UTC))
                since_state += written
                counter.increment(written)
            self.state_manager.finalize_state(self.get_context_state(partition))
            self.tap.state_writer.write_state(self.tap_state)

    @abc.abstractmethod
    def read_pages(self, context: Context | None) -> Iterator[Iterable[Record]]:
        """The records, page by page; a bookmark moves once a page is used up."""

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for page in self.read_pages(context):
            yield from page

    @property
    def _goes_out_as_it_is(self) -> bool:
        """Whether no stream map, flattening, deselected field or record limit is in the way."""
        maps = self.stream_maps
        return (
            self.ABORT_AT_RECORD_COUNT is None
            and len(maps) == 1
            and isinstance(maps[0], SameRecordTransform)
            and not maps[0].flattening_enabled
            and all(self.mask.values())
        )

    def check(self) -> None:
        """Check, before anything is read, what no request has to be made for.

        Raises:
            SettingsError: The stream cannot be read.
        """

    def title(self, context: Context | None) -> str:
        """What a user calls the stream, or one event of it."""
        return f"{self.name} of {context['event']}" if context else self.name

    def begin_trial(self) -> None:
        """From now on a sync is for one record: it writes no state, and fails if it is refused."""
        self.is_trial = True
        self.tap.state_writer.is_muted = True
        self.ABORT_AT_RECORD_COUNT = 1

    def _warn_unreadable(self, field: str) -> None:
        self.logger.warning("A value of %s cannot be read; such values become null.", field)


class RainFocusStream(TapStream):
    """A stream of one RainFocus call.

    A call that ends in `/search` is read page by page and incrementally, any other in one piece
    and in full.
    """

    path: t.ClassVar[str]
    groups: t.ClassVar[tuple[Group, ...]]

    def __init__(self, tap: TapRainFocus) -> None:
        """Set up the stream as the tap's settings want it."""
        overrides = tap.settings.endpoints.get(self.name, {})
        main, *others = self.groups
        known = {field.name for field in main.fields}
        codes = tuple(c for c in tap.settings.custom_attributes if c not in known)
        groups = (main.with_attributes(codes), *others)
        super().__init__(tap, record_schema(groups))
        self.call: str = overrides.get("path", self.path).strip("/")
        self.searched = self.call.endswith("/search")
        self.records_key: str = overrides.get("records_key") or (
            "results" if self.searched else "data"
        )
        if self.searched:
            self.replication_key = "timestamp"
        self._id_path = (main.name, main.id_field)
        self._no_groups: Groups = {group.name: {} for group in groups}
        self._normalize = Normalizer(
            (*groups, EVENT),
            codes,
            self._warn_unreadable,
            self._warn_left_out if tap.settings.flattening_enabled else None,
        )

    @property
    @override
    def partitions(self) -> list[dict[str, str]] | None:
        # "event" is a key of every record, so that the SDK adds none of its own.
        return [{"event": code} for code in self.tap.settings.events] or None

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """No signpost: it would come from this machine's clock."""

    @override
    def read_pages(self, context: Context | None) -> Iterator[Iterable[Record]]:
        event = context["event"] if context else None
        what = self.title(context)
        clock: str | None = None
        try:
            with (
                _suspecting(event),
                Progress(what, self.logger, self.tap.report.traffic) as progress,
            ):
                for number, page in enumerate(self._pages(event, context)):
                    if number == 0:
                        clock = page.clock
                    yield self._records(page, event, clock, progress)
                    progress.pages += 1
        except EndpointDeniedError as denial:
            if progress.pages or self.is_trial:
                raise
            self.tap.skip_denied(self.name, what, denial)
            return
        except UncertainEndError as uncertain:
            if not self.searched:
                raise
            self.logger.warning("%s The bookmark stays, for the next run to look again.", uncertain)
            return
        # Where nothing came, nothing may have changed, or RainFocus throttles.
        if self.searched and clock and progress.records:
            self._finish(clock, context)

    def _records(
        self, page: Page, event: str | None, clock: str | None, progress: Progress
    ) -> Iterator[Record]:
        """One by one: what has just been made is still in the cache when it is written."""
        for raw in page.records:
            for part in self.parts(raw):
                progress.records += 1
                self.records_read += 1
                yield self._record(part, event, clock)

    def parts(self, raw: Record) -> Iterable[Record]:
        """The records of this stream in one record of the reply."""
        yield raw

    def stable_content(self, shaped: Groups) -> object:
        """What tells a record without an id from all others, run after run."""
        return shaped

    @override
    def compare_start_date(self, value: str, start_date_value: str) -> str:
        """The bookmark: the start date is for the first run only."""
        return value

    @override
    def _increment_stream_state(
        self, latest_record: Record, *, context: Context | None = None
    ) -> None:
        """Leave the bookmark alone: only a finished download moves it."""

    def _finish(self, clock: str, context: Context | None) -> None:
        state = self.get_context_state(context)
        state["replication_key"] = self.replication_key
        state["replication_key_value"] = clock

    def _pages(self, event: str | None, context: Context | None) -> Iterable[Page]:
        if not self.searched:
            params = self._params(event, DUMP_PAGE_SIZE)
            return self._whole(self.tap.shared_downloads.pages(self.call, params, self.records_key))
        params = self._params(event, self.tap.settings.page_size)
        if since := self._since(context):
            params["since"] = _epoch_ms(since)
        return self.tap.downloader.pages(self.call, params, self.records_key)

    def _params(self, event: str | None, page_size: int) -> dict[str, str | int]:
        named = {self.tap.settings.event_parameter: event} if event else {}
        return {"pageSize": 1 if self.is_trial else page_size, **named}

    def _whole(self, pages: Iterable[Page]) -> Iterator[Page]:
        for page in pages:
            if len(page.records) >= DUMP_PAGE_SIZE:
                self.tap.warn_once(
                    f"Stream {self.name}: the dump of {len(page.records):,} records is as long as "
                    "it can be and may be cut off; setting endpoints can name a search call."
                )
            yield page

    def _since(self, context: Context | None) -> datetime | None:
        try:
            return self.get_starting_timestamp(context)
        except (TypeError, ValueError) as error:
            msg = (
                f"The bookmark of stream {self.name} in the state is not a time: "
                "correct it, or run without state."
            )
            raise SettingsError(msg) from error

    def _record(self, raw: Record, event: str | None, clock: str | None) -> Record:
        shaped = self._normalize(raw)
        group, id_field = self._id_path
        if event:
            shaped.setdefault("event", {}).setdefault("code", event)
        return {
            "_id": shaped[group].get(id_field) or self._derived_id(shaped, event),
            "timestamp": clock,
            "event": shaped.pop("event", {}),
            **self._no_groups,
            **shaped,
        }

    def _derived_id(self, shaped: Groups, event: str | None) -> str:
        self.tap.warn_once(
            f"Stream {self.name}: a record came without {self._id_path[1]}; "
            "its _id is a hash of its content."
        )
        content = orjson.dumps([event, self.stable_content(shaped)], option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(content).hexdigest()

    def _warn_left_out(self, field: str) -> None:
        self.logger.warning(
            "Field %s is not in the schema and is left out, since flattening leaves no place for "
            "it; setting custom_attributes can give it one.",
            field,
        )


@contextmanager
def _suspecting(event: str | None) -> Iterator[None]:
    """Name the event code where RainFocus refuses a call as a whole."""
    try:
        yield
    except RefusedError as refusal:
        named = f"the event code {event}" if event else "event_codes, which names none"
        msg = f"{refusal} Check {named}: is it right, may the profile use it?"
        raise SettingsError(msg) from refusal


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
