"""What all streams have in common: shaping records and writing messages."""

from __future__ import annotations

import abc
import json
import logging
import typing as t
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain, islice

from rainfocus_client.singer.stream_maps import unusable_on_a_record
from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

from tap_rainfocus.schema import unread
from tap_rainfocus.schema.normalization import Normalizer

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from singer_sdk.helpers.types import Context
    from singer_sdk.mapper import StreamMap

    from tap_rainfocus.api.pages import Record
    from tap_rainfocus.schema.destinations import Shaped
    from tap_rainfocus.schema.xdm import Group
    from tap_rainfocus.streams.writer import PageWriter
    from tap_rainfocus.tap import TapRainFocus

MOST_BYTES = 63
"""The longest name of a column in PostgreSQL; others take more."""

RECORDS_AT_ONCE = 1000
"""Records that are written in one piece; a page may hold a whole dump."""

MOST_NAMES = 20
"""Names in one line of the log."""


class TapStream(Stream):
    """How every stream of this tap shapes its records and writes its messages.

    Attributes:
        contexts: What can be read by itself: the events, or all in one.
        unread: How many values of a field, dotted, could not be read.
    """

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    contexts: Sequence[Context | None] = (None,)
    is_trial = False
    records_read = 0

    def __init__(
        self, tap: TapRainFocus, schema: dict[str, t.Any], groups: tuple[Group, ...]
    ) -> None:
        """Set up the stream.

        Args:
            tap: What the streams share.
            schema: JSON schema of the records.
            groups: All groups of the records, the main one first.
        """
        self.tap = tap
        self.unread: Counter[str] = Counter()
        self._groups = groups
        super().__init__(tap=tap, schema=schema)

    @cached_property
    def normalize(self) -> Normalizer:
        """What reads the records; nothing comes out that is deselected."""
        groups = tuple(map(self._selected, self._groups))
        return Normalizer(groups, tuple(self.tap.settings.custom_attributes))

    def _selected(self, group: Group) -> Group:
        """The group without its deselected fields; then, or flattened, it is closed."""
        path = ("properties", group.name, "properties") if group.name else ("properties",)
        declared = self.effective_schema["properties"]
        declared = declared.get(group.name, {}).get("properties", {}) if group.name else declared
        deselected = {
            field.name
            for field in group.fields
            if not self.mask[*path, field.name] or field.name not in declared
        }
        is_open = group.is_open and not deselected and not self.tap.settings.flattening_enabled
        return replace(group.hiding(deselected), is_open=is_open)

    @cached_property
    def is_whole(self) -> bool:
        """Whether every field is selected."""
        return all(self.mask.values())

    @cached_property
    def _deselected(self) -> tuple[str, ...]:
        """What is deselected at top level."""
        declared = self.effective_schema["properties"]
        return tuple(
            name
            for name in self.schema["properties"]
            if not self.mask["properties", name] or name not in declared
        )

    def assemble(self, fields: Record, shaped: Shaped) -> Record:
        """A record of these fields at top level, with what could not be read."""
        fields[unread.FIELD] = None
        if shaped.unread:
            self.unread.update(shaped.unread.keys())
            fields[unread.FIELD] = unread.as_text(shaped.unread)
        for name in self._deselected:
            fields.pop(name, None)
        return fields

    def tell_what_is_missing(self) -> None:
        """Log what could not be read, and what is left out."""
        kept = "they are left out" if unread.FIELD in self._deselected else "they are in _unread"
        for field, count in self.unread.items():
            self.logger.warning(
                "Stream %s: %s values of %s cannot be read; %s as they came.",
                self.name,
                f"{count:,}",
                field,
                kept,
            )
        if left_out := sorted(self.normalize.left_out):
            why = "a field beside them is deselected"
            if self.tap.settings.flattening_enabled:
                why = "flattening leaves no place for them (custom_attributes can give them one)"
            elif any(field.is_hidden for group in self._groups for field in group.fields):
                why = "they may be private answers (speaker_attributes lets them through)"
            self.logger.warning(
                "Stream %s: %s fields that the schema does not know are left out, since %s: %s.",
                self.name,
                f"{len(left_out):,}",
                why,
                " ".join(", ".join(left_out[:MOST_NAMES]).split())
                + (" …" if len(left_out) > MOST_NAMES else ""),
            )

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
        for stream_map in self.stream_maps:
            for mapped in self._mapped(stream_map, [record]):
                yield RecordMessage(
                    stream_map.stream_alias, mapped, self._stream_version, datetime.now(UTC)
                )

    def _mapped(self, stream_map: StreamMap, records: Iterable[Record]) -> Iterable[Record]:
        """What a stream map, or flattening, makes of records."""
        if isinstance(stream_map, SameRecordTransform) and not stream_map.flattening_enabled:
            return records
        made = (self._transformed(stream_map, record) for record in records)
        return (record for record in made if record is not None)

    def _transformed(self, stream_map: StreamMap, record: Record) -> Record | None:
        try:
            return stream_map.transform(record)
        except RecursionError:
            return stream_map.transform(unread.storable(record))
        except Exception as error:  # noqa: BLE001, an expression can raise anything
            raise unusable_on_a_record(self.name, error) from None

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> t.Generator[Record, t.Any, t.Any]:
        """Write page by page.

        Nobody asks a stream that is synced for the records it yields.
        """
        if not write_messages or self.ABORT_AT_RECORD_COUNT is not None:
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        counted = 0
        with (
            self.get_record_counter() as counter,
            self.get_sync_timer(),
            closing(self.read_pages(context)) as pages,
        ):
            for page in pages:
                self._write(page)
                counter.increment(self.records_read - counted)
                counted = self.records_read

    def _write(self, page: Iterable[Record]) -> None:
        writer = t.cast("PageWriter", self.tap.message_writer)
        maps = self.stream_maps
        left = iter(page)
        for first in left:
            some: Iterable[Record] = chain([first], islice(left, RECORDS_AT_ONCE - 1))
            some = some if len(maps) == 1 else list(some)
            for stream_map in maps:
                writer.write_records(
                    stream_map.stream_alias,
                    self._mapped(stream_map, some),
                    datetime.now(UTC),
                    self._stream_version,
                )

    @property
    @override
    def partitions(self) -> None:
        """None: the SDK would look through all of them for each, and put all into the state."""

    @abc.abstractmethod
    def read_pages(self, context: Context | None) -> t.Generator[Iterable[Record], None, None]:
        """The records, page by page; a bookmark moves once a page is used up.

        Args:
            context: One of the stream's; None for all of them.
        """

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for page in self.read_pages(context):
            yield from page

    def check(self) -> None:
        """Check, before anything is read, what no request has to be made for.

        Raises:
            SettingsError: The stream cannot be read.
        """

    def tell_long_columns(self) -> None:
        """Log which flattened columns have names that PostgreSQL cuts off, and what to do."""
        if not self.tap.settings.flattening_enabled:
            return
        separator = self.config.get("flattening_separator") or "__"
        for group in self._groups:
            for field in group.fields:
                column = f"{group.name}{separator}{field.name}"
                size = len(column.encode())
                if (
                    size > MOST_BYTES
                    and self.mask["properties", group.name, "properties", field.name]
                ):
                    self.logger.warning(
                        "Column %s of stream %s has a name of %d bytes, PostgreSQL takes %d. Take "
                        "it out of custom_attributes and give it a short one in stream_maps: %s",
                        column,
                        self.name,
                        size,
                        MOST_BYTES,
                        _renaming(self.name, group.name, field.name),
                    )

    def title(self, context: Context | None) -> str:
        """What a user calls the stream, or one event of it."""
        return f"{self.name} of {context['event']}" if context else self.name

    def begin_trial(self) -> None:
        """From now on a sync is for one record: it writes no state, and fails if it is refused."""
        self.is_trial = True
        self.tap.state_writer.is_muted = True
        self.ABORT_AT_RECORD_COUNT = 1


def _renaming(stream: str, group: str, code: str) -> str:
    """A stream map that gives a custom attribute a column with a name of its own."""
    found = f"[a['value'] for a in {group}.get('attributes') or [] if a['code'] == {code!r}]"
    return json.dumps({stream: {"short_name": f"'; '.join({found})"}}, ensure_ascii=False)
