"""The file of records that were not stored: Singer lines, to be mended and replayed."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime
from mmap import ACCESS_READ, mmap

from rainfocus_client.errors import SettingsError
from rainfocus_client.lenient_json import parse_json
from rainfocus_client.troubles import Trouble

from target_rainfocus_attendees.files import writing
from target_rainfocus_attendees.models import REJECTED_AT
from target_rainfocus_attendees.reports.activation_log import STREAM
from target_rainfocus_attendees.reports.singer_file import SingerFile

if t.TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from target_rainfocus_attendees.models import Extraction, Message, Source

LONGEST_HEAD = 1 << 20
"""Bytes of a first line that are looked at."""


class Rejects:
    """Adds rejected records to a file, which is opened when there is the first one."""

    def __init__(self, path: Path, origin: Mapping[str, str]) -> None:
        """Touch nothing yet.

        Args:
            path: Of the file.
            origin: Columns that say where the records were to go.

        Raises:
            FileError: The file cannot be read.
            SettingsError: It is another file.
        """
        with writing("rejects", "rejects_path"):
            if _is_another(path):
                msg = "Setting rejects_path names a file that holds no rejects: give another."
                raise SettingsError(msg, Trouble.OUTPUT_FILE)
        self.path = path
        self._file = SingerFile(path)
        self._origin = origin
        self._waiting: list[tuple[Message, Message]] = []
        self._schemas: dict[str, tuple[Message, Message]] = {}

    def add(
        self, source: Source, reason: str, code: str, extraction: Extraction | None = None
    ) -> None:
        """Take a record that was not stored; it is safe after the next `sync`.

        Args:
            source: The record.
            reason: Why, without any value of it.
            code: The responseCode or HTTP status of the refusal, or the field to blame.
            extraction: When it was taken from its source, if that is known: a record that does not
                say so itself gets it.
        """
        why = {
            "_reject_reason": reason,
            "_reject_code": code,
            **self._origin,
        }
        rejected = {REJECTED_AT: datetime.now(UTC).isoformat(timespec="milliseconds")}
        # One that is rejected again has been since the first time.
        record = source.record | {"record": rejected | source.record["record"] | why}
        if extraction and not extraction.is_dated:
            read_at = datetime.fromtimestamp(extraction.at, UTC)
            record["time_extracted"] = read_at.isoformat(timespec="microseconds")
        self._waiting.append((self._schema(source), record))

    def sync(self) -> None:
        """Write what was added, and come back when it is on the disk.

        Raises:
            FileError: The rejects file cannot be written.
        """
        if not self._waiting:
            return
        with writing("rejects", "rejects_path"):
            self._file.add(self._waiting)
        self._waiting.clear()

    @property
    def is_kept(self) -> bool:
        """Whether all that was added is in a file, on the disk."""
        return not self._waiting and self.path.is_file()

    def holds(self, moment: str) -> bool:
        """Whether a record is in the file that was rejected at this moment."""
        needle = moment.encode()
        try:
            with (
                self.path.open("rb") as file,
                mmap(file.fileno(), 0, access=ACCESS_READ) as content,
            ):
                return bool(needle) and content.find(needle) >= 0
        except (OSError, ValueError):  # there is none, or it is empty
            return False

    def _schema(self, source: Source) -> Message:
        """The SCHEMA message of a record, with the columns that are added; one for each."""
        of_input, ours = self._schemas.get(source.stream, (None, {}))
        if of_input is not source.schema:
            ours = self._with_reasons(source.schema)
            self._schemas[source.stream] = source.schema, ours
        return ours

    def _with_reasons(self, schema: Message) -> Message:
        text = {"type": ["string", "null"]}
        columns = ("_reject_reason", "_reject_code", *self._origin)
        reasons = {**dict.fromkeys(columns, text), REJECTED_AT: text | {"format": "date-time"}}
        declared = schema["schema"]
        properties = declared["properties"] | reasons
        return schema | {"schema": declared | {"properties": properties}}


def _is_another(path: Path) -> bool:
    """Whether a file is there whose first line says that it is for something else."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(LONGEST_HEAD)
    if not first.endswith(b"\n"):  # it may be torn
        return False
    try:
        message = parse_json(first)
    except ValueError:
        return True
    return not isinstance(message, dict) or message.get("stream") == STREAM
