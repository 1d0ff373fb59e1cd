"""The sink: from a stream's records to profiles."""

from __future__ import annotations

import json
import typing as t
from itertools import chain

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

if t.TYPE_CHECKING:
    from target_rainfocus_attendees.mapping.columns import Columns, Path
    from target_rainfocus_attendees.models import Message
    from target_rainfocus_attendees.run import Run
    from target_rainfocus_attendees.settings import TargetSettings
    from target_rainfocus_attendees.target import TargetRainFocusAttendees

MOST_SHOWN = 30
"""Columns that a message names."""


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
        self._run: Run = target.run
        self._settings: TargetSettings = target.settings
        maps = target.mapper.stream_maps.get(stream_name, ())
        is_removed = any(isinstance(one, RemoveRecordTransform) for one in maps)
        self._reader = None if is_removed else self._make_reader(schema)

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
            self._run.record(record, self._reader, context["source"])
        else:
            self._run.skip(self.stream_name, context["source"])

    def _make_reader(self, schema: Message) -> ProfileReader | None:
        settings = self._settings
        if settings.streams and self.stream_name not in settings.streams:
            return None
        columns = find_columns(schema, settings.field_map, settings.identity)
        if identity_field(settings.identity) not in columns:
            self._leave_out(schema)
            return None
        for field, dotted in settings.field_map.items():
            if dotted is not None and field not in columns:
                raise self._missing(schema, "field_map", dotted)
        extra = {
            field: self._path(schema, "extra_fields", dotted)
            for field, dotted in settings.extra_fields.items()
        }
        self._tell_left_aside(schema, columns)
        used = [*chain.from_iterable(columns.values()), *extra.values()]
        consent = None
        if settings.consent_field is not None:
            path = self._path(schema, "consent_field", settings.consent_field)
            consent = Consent(path, settings.consent_values)
            used.append(path)
        if others := unmatched(schema, used):
            self.logger.info(
                "Stream %s: nothing is sent of %s. field_map and extra_fields can name them.",
                self.stream_name,
                ", ".join(others),
            )
        rules = Rules(
            identity=settings.identity,
            strict=settings.validation == "strict",
            null_values=frozenset(settings.null_values),
        )
        reader = ProfileReader(columns, extra, rules, consent)
        reader.look_out_for(undeclared(schema, used))
        self._run.load(self.stream_name, reader)
        return reader

    def _tell_left_aside(self, schema: Message, columns: Columns) -> None:
        aside = left_aside(schema, {**columns, **dict.fromkeys(self._settings.field_map, ())})
        if aside:
            self.logger.warning(
                "Stream %s: %s may mean another thing and so is not sent. field_map can take it: "
                "%s, or null to leave it out.",
                self.stream_name,
                ", ".join(aside.values()),
                json.dumps(aside),
            )

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
        settings, streams = self._settings, self._run.streams
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
        if self.stream_name in streams:
            msg = f"{lack} any more, in a SCHEMA that came later: check the extractor. {advice}"
            raise DataError(msg, Trouble.NO_SCHEMA)
        if settings.streams:
            msg = f"{lack}: take it out of setting streams, or name the field. {advice}"
            raise SettingsError(msg, Trouble.NO_IDENTITY)
        if settings.unmapped_streams == "fail" and self.stream_name != MELTANO_TEST:
            msg = f"{lack}, and unmapped_streams is fail: deselect the stream or set skip. {advice}"
            raise SettingsError(msg, Trouble.NO_IDENTITY)
        self.logger.warning("%s: its records are skipped. %s", lack, advice)
        streams.leave_out(self.stream_name, f"{lack}. {advice}")


def _field_map_text(schema: Message, field: str) -> str:
    example = json.dumps({field: likely_column(schema, field) or "column"})
    return f"To name it, set field_map: {example}."


def _columns_text(schema: Message) -> str:
    names = column_names(schema)
    shown = [name if name.isprintable() else json.dumps(name) for name in names[:MOST_SHOWN]]
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return f"Its columns are {', '.join(shown)}{more}." if names else "It declares no columns."
