"""The sink: from a stream's records to profiles."""

from __future__ import annotations

import typing as t

from rainfocus_client.errors import SettingsError
from singer_sdk import RecordSink
from typing_extensions import override

from target_rainfocus_attendees.input.messages import MissingKeyError
from target_rainfocus_attendees.mapping.columns import EMAIL, find_columns, find_path, unmatched
from target_rainfocus_attendees.mapping.consent import Consent
from target_rainfocus_attendees.mapping.profiles import HASHED_EMAIL, ProfileReader

if t.TYPE_CHECKING:
    from target_rainfocus_attendees.mapping.columns import Path
    from target_rainfocus_attendees.models import Message
    from target_rainfocus_attendees.run import Run
    from target_rainfocus_attendees.settings import TargetSettings
    from target_rainfocus_attendees.target import TargetRainFocusAttendees


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
            SettingsError: The stream is to be loaded and cannot be.
        """
        super().__init__(target, stream_name, schema, key_properties)
        self._run: Run = target.run
        self._settings: TargetSettings = target.settings
        self._reader = self._make_reader(schema)

    @override
    def get_validator(self) -> None:
        """Check nothing against the schema: what is sent is checked where it is read."""

    @override
    def process_record(self, record: Message, context: Message) -> None:
        if missing := [key for key in self.key_properties if key not in record]:
            msg = f"A record of stream {self.stream_name} lacks its key {', '.join(missing)}."
            raise MissingKeyError(msg)
        self.record_counter_metric.increment()
        if self._reader:
            self._run.record(record, self._reader, context["source"])
        else:
            self._run.skip(context["source"].stream)

    def _make_reader(self, schema: Message) -> ProfileReader | None:
        if self._settings.streams and self.stream_name not in self._settings.streams:
            return None
        settings = self._settings
        field_map = settings.field_map
        columns = find_columns(schema, field_map, hashed=settings.hashed)
        if EMAIL not in columns:
            self._lack_email(schema, field_map.get(EMAIL))
            return None
        for field, dotted in field_map.items():
            if dotted and field not in columns:
                self._lack("field_map", dotted, f"{field} is not sent")
        extra = {}
        for field, dotted in settings.extra_fields.items():
            if path := find_path(schema, dotted):
                extra[field] = path
            else:
                self._lack("extra_fields", dotted, f"{field} is not sent")
        consent, used = self._consent(schema)
        if others := unmatched(schema, [*columns.values(), *extra.values(), *used]):
            self.logger.info(
                "Stream %s: nothing is sent of %s. field_map and extra_fields can name them.",
                self.stream_name,
                ", ".join(others),
            )
        strict = settings.validation == "strict"
        return ProfileReader(columns, extra, hashed=settings.hashed, strict=strict, consent=consent)

    def _consent(self, schema: Message) -> tuple[Consent | None, list[Path]]:
        field = self._settings.consent_field
        if not field:
            return None, []
        path = find_path(schema, field)
        if path is None:
            msg = (
                f"Stream {self.stream_name} has no column {field}, which consent_field names: "
                "correct it, or leave the stream out with setting streams."
            )
            raise SettingsError(msg)
        return Consent(path, self._settings.consent_values), [path]

    def _lack(self, setting: str, dotted: str, so: str) -> None:
        self.logger.warning(
            "Stream %s has no column %s, which %s names: %s.", self.stream_name, dotted, setting, so
        )

    def _lack_email(self, schema: Message, dotted: str | None) -> None:
        lack = f"Stream {self.stream_name} has no e-mail field"
        if dotted:
            lack = f"{lack} {dotted}, which field_map names"
        elif EMAIL in self._settings.field_map:
            lack = f"{lack}, since field_map leaves it out"
        elif EMAIL in find_columns(schema, {}, hashed=True):
            lack = f"{lack} but one of hashes, for which identity can be {HASHED_EMAIL}"
        if self._settings.streams:
            msg = f"{lack}: take it out of setting streams, or name the field with field_map."
            raise SettingsError(msg)
        if self._settings.unmapped_streams == "fail":
            msg = f"{lack}, and unmapped_streams is fail: deselect the stream or set skip."
            raise SettingsError(msg)
        self.logger.warning("%s: its records are skipped.", lack)
