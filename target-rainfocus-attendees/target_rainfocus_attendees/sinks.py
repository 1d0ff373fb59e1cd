"""The sink: from a stream's records to profiles."""

from __future__ import annotations

import json
import typing as t
from dataclasses import replace

from rainfocus_client.errors import DataError, SettingsError
from rainfocus_client.troubles import Trouble
from singer_sdk import RecordSink
from singer_sdk.mapper import RemoveRecordTransform
from typing_extensions import override

from target_rainfocus_attendees.input.loaded_streams import MELTANO_TEST
from target_rainfocus_attendees.input.messages import MissingKeyError
from target_rainfocus_attendees.mapping.columns import (
    EMAIL,
    HASHED_EMAIL,
    column_names,
    find_columns,
    find_path,
    identity_field,
    left_aside,
    likely_column,
    undeclared,
    unmatched,
)
from target_rainfocus_attendees.mapping.consent import Consent
from target_rainfocus_attendees.mapping.profiles import ProfileReader, Rules
from target_rainfocus_attendees.mapping.stream_mapping import StreamMapping
from target_rainfocus_attendees.mapping.wording import listed

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_rainfocus_attendees.input.checkpoints import State
    from target_rainfocus_attendees.input.loaded_streams import LoadedStreams
    from target_rainfocus_attendees.mapping.columns import Columns, Path
    from target_rainfocus_attendees.models import Message, Source
    from target_rainfocus_attendees.settings import TargetSettings
    from target_rainfocus_attendees.target import TargetRainFocusAttendees


class Taker(t.Protocol):
    """Takes what the input holds; sinks do not know whether it is a run."""

    @property
    def streams(self) -> LoadedStreams:
        """Which streams of the input are loaded."""

    def load(self, stream: str, reader: ProfileReader, mapping: StreamMapping) -> None:
        """Take a stream that can be loaded, from now on through this reader."""

    def leave_out(self, stream: str, lack: str, advice: str) -> None:
        """Take a stream that cannot be loaded: what it lacks, and what to do."""

    def takes_more(self) -> bool:
        """Whether another record is taken."""

    def record(self, record: Mapping[str, t.Any], reader: ProfileReader, source: Source) -> None:
        """Take a record of a stream that is loaded."""

    def skip(self, name: str, source: Source) -> None:
        """Take a record of a stream that is not loaded."""

    def filter(self, stream: str) -> None:
        """Take a record that a stream map filters out."""

    def state(self, state: State) -> None:
        """Take a state."""

    def end(self) -> object:
        """Take the end of the input."""


class AttendeeSink(RecordSink):
    """Hands the records of one stream over; delivery is the same for all streams."""

    def __init__(
        self,
        target: TargetRainFocusAttendees,
        stream_name: str,
        schema: Message,
        key_properties: list[str] | tuple[str, ...] | None,
    ) -> None:
        """Find the fields in the stream's schema.

        Raises:
            DataError: The stream was loaded until now and cannot be any more.
            SettingsError: The stream is to be loaded and cannot be.
        """
        super().__init__(target, stream_name, schema, key_properties)
        self._taker: Taker = target.taker
        self._settings: TargetSettings = target.settings
        self._finds_by_name = self._settings.mapping == "auto"
        maps = target.mapper.stream_maps.get(stream_name, ())
        is_removed = any(isinstance(one, RemoveRecordTransform) for one in maps)
        self._reader = self._make_reader(schema, is_removed=is_removed)

    @override
    def get_validator(self) -> None:
        """Check nothing against the schema: what is sent is checked where it is read."""

    @override
    def process_record(self, record: Message, context: Message) -> None:
        if missing := [key for key in self.key_properties if key not in record]:
            msg = f"A record of stream {self.stream_name} lacks its key {', '.join(missing)}."
            raise MissingKeyError(msg, Trouble.NO_KEY)
        self.record_counter_metric.increment()
        if self._reader:
            self._taker.record(record, self._reader, context["source"])
        else:
            self._taker.skip(self.stream_name, context["source"])

    def _make_reader(self, schema: Message, *, is_removed: bool) -> ProfileReader | None:
        settings, streams = self._settings, self._taker.streams
        name = self.stream_name
        if is_removed:
            streams.leave_out(name, f"Stream {name} is removed by a stream map.")
            return None
        if settings.streams and name not in settings.streams:
            streams.leave_out(name, f"Stream {name} is not named by setting streams.")
            return None
        columns = find_columns(
            schema, settings.field_map, settings.identity, by_name=self._finds_by_name
        )
        if identity_field(settings.identity) not in columns:
            self._leave_out(schema)
            return None
        mapping = self._map(schema, columns)
        rules = Rules(
            identity=settings.identity,
            strict=settings.validation == "strict",
            null_values=frozenset(settings.null_values),
        )
        consent = Consent(mapping.consent, settings.consent_values) if mapping.consent else None
        reader = ProfileReader(columns, mapping.extra, rules, consent)
        reader.look_out_for(undeclared(schema, mapping.used))
        self._taker.load(self.stream_name, reader, mapping)
        return reader

    def _map(self, schema: Message, columns: Columns) -> StreamMapping:
        """Find what the settings name beside the fields, and what is left over.

        Raises:
            SettingsError: A setting names a column that is not there.
        """
        settings = self._settings
        for field, dotted in settings.field_map.items():
            if dotted is not None and field not in columns:
                raise self._missing(schema, "field_map", dotted)
        extra = {
            field: self._path(schema, "extra_fields", dotted)
            for field, dotted in settings.extra_fields.items()
        }
        consent = None
        if settings.consent_field is not None:
            consent = self._path(schema, "consent_field", settings.consent_field)
        mapping = StreamMapping(
            identity=settings.identity, columns=columns, extra=extra, consent=consent
        )
        decided = {**columns, **dict.fromkeys(settings.field_map, ())}
        aside = left_aside(schema, decided) if self._finds_by_name else {}
        unsent = unmatched(schema, [*mapping.used, *aside.values()])
        return replace(mapping, aside=aside, unsent=unsent)

    def _path(self, schema: Message, setting: str, dotted: str) -> Path:
        path = find_path(schema, dotted)
        if path is None:
            raise self._missing(schema, setting, dotted)
        return path

    def _missing(self, schema: Message, setting: str, dotted: str) -> SettingsError:
        return SettingsError(
            f"Stream {self.stream_name} has no column {dotted}, which {setting} names: correct "
            f"it, or leave the stream out with setting streams. {_columns_text(schema)}",
            Trouble.NO_COLUMN,
        )

    def _leave_out(self, schema: Message) -> None:
        """Skip the stream, which has no field of identity, where the settings allow it.

        Raises:
            DataError: The stream was loaded until now.
            SettingsError: The stream must be loaded, or no stream may be left out.
        """
        settings = self._settings
        field = identity_field(settings.identity)
        noun = "e-mail" if field == EMAIL else field
        lack = f"Stream {self.stream_name} has no {noun} field"
        if dotted := settings.field_map.get(field):
            lack = f"{lack} {dotted}, which field_map names"
        elif field in settings.field_map:
            lack = f"{lack}, since field_map leaves it out"
        elif field == EMAIL and EMAIL in find_columns(schema, {}, HASHED_EMAIL):
            lack = f"{lack} but one of hashes, for which identity can be {HASHED_EMAIL}"
        advice = f"{_field_map_text(schema, field)} {_columns_text(schema)}"
        if self.stream_name in self._taker.streams:
            msg = f"{lack} any more, in a SCHEMA that came later: check the extractor. {advice}"
            raise DataError(msg, Trouble.NO_SCHEMA)
        if settings.streams:
            msg = f"{lack}: take it out of setting streams, or name the field. {advice}"
            raise SettingsError(msg, Trouble.NO_IDENTITY)
        if settings.unmapped_streams == "fail" and self.stream_name != MELTANO_TEST:
            msg = f"{lack}, and unmapped_streams is fail: deselect the stream or set skip. {advice}"
            raise SettingsError(msg, Trouble.NO_IDENTITY)
        self._taker.leave_out(self.stream_name, lack, advice)


def _field_map_text(schema: Message, field: str) -> str:
    example = json.dumps({field: likely_column(schema, field) or "column"})
    return f"To name it, set field_map: {example}."


def _columns_text(schema: Message) -> str:
    names = column_names(schema)
    return f"Its columns are {listed(names)}." if names else "It declares no columns."
