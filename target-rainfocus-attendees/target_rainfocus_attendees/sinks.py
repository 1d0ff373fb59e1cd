"""The sink: from a stream's records to profiles."""

from __future__ import annotations

import typing as t

from rainfocus_client.errors import SettingsError
from singer_sdk import RecordSink
from typing_extensions import override

from target_rainfocus_attendees.columns import EMAIL, find_columns
from target_rainfocus_attendees.messages import MissingKeyError

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_rainfocus_attendees.load import Load
    from target_rainfocus_attendees.messages import Message
    from target_rainfocus_attendees.target import TargetRainFocusAttendees


class AttendeeSink(RecordSink):
    """Hands the records of one stream over; delivery is the same for all streams."""

    def __init__(
        self,
        target: TargetRainFocusAttendees,
        stream_name: str,
        schema: Message,
        key_properties: Sequence[str] | None,
    ) -> None:
        """Find the fields in the stream's schema.

        Raises:
            SettingsError: The stream is to be loaded and cannot be.
        """
        super().__init__(target, stream_name, schema, key_properties)
        self._load: Load = target.load
        self._columns = find_columns(schema)
        self._loaded = self._is_loaded()

    @override
    def get_validator(self) -> None:
        """Check nothing against the schema: what is sent is checked where it is read."""

    @override
    def _parse_timestamps_in_record(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Leave dates as they are: none is sent."""

    @override
    def _singer_validate_message(self, record: Message) -> None:
        if missing := [key for key in self.key_properties if key not in record]:
            msg = f"A record of stream {self.stream_name} lacks its key {', '.join(missing)}."
            raise MissingKeyError(msg)

    @override
    def process_record(self, record: Message, context: Message) -> None:
        if self._loaded:
            self._load.record(record, self._columns)
        else:
            self._load.skip()

    def _is_loaded(self) -> bool:
        chosen = self.config.get("streams")
        if chosen and self.stream_name not in chosen:
            return False
        if EMAIL in self._columns:
            return True
        lack = f"Stream {self.stream_name} has no e-mail field"
        if chosen:
            msg = f"{lack}: take it out of setting streams, or name the field with stream_maps."
            raise SettingsError(msg)
        if self.config["unmapped_streams"] == "fail":
            msg = f"{lack}, and unmapped_streams is fail: deselect the stream or set skip."
            raise SettingsError(msg)
        self.logger.warning("%s: its records are skipped.", lack)
        return False
