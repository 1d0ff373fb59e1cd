"""The file of records that were not stored: Singer lines, to be mended and replayed."""

from __future__ import annotations

import logging
import os
import typing as t
from contextlib import contextmanager
from datetime import UTC, datetime
from mmap import ACCESS_READ, mmap

from rainfocus_client.lenient_json import dump_json, parse_json

from target_rainfocus_attendees import PACKAGE
from target_rainfocus_attendees.files import open_locked, sync_folder, write_all, writing

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from target_rainfocus_attendees.models import Message, Source

logger = logging.getLogger(PACKAGE)

REJECTED_AT = "_rejected_at"

TAIL = 1 << 20
"""Bytes: as far back as the beginning of an unfinished last line is looked for at a time."""


class Rejects:
    """Adds rejected records to a file, which is opened when there is the first one.

    Several runs may add to one file: each writes whole messages under a lock, and gives the
    schemas again where another has written in between.
    """

    def __init__(self, path: Path, origin: Mapping[str, str]) -> None:
        """Touch nothing yet.

        Args:
            path: Of the file.
            origin: Columns that say where the records were to go.
        """
        self.path = path
        self._origin = origin
        self._waiting: list[tuple[Source, Message]] = []
        self._schemas: dict[str, Message] = {}
        self._end: tuple[int, int] | None = None

    def add(self, source: Source, reason: str, code: str) -> None:
        """Take a record that was not stored; it is safe after the next `sync`.

        Args:
            source: The record.
            reason: Why, without any value of it.
            code: The responseCode or HTTP status of the refusal, or the field to blame.
        """
        why = {
            "_reject_reason": reason,
            "_reject_code": code,
            **self._origin,
            REJECTED_AT: datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        record = source.record | {"record": source.record["record"] | why}
        self._waiting.append((source, record))

    def sync(self) -> None:
        """Write what was added, and come back when it is on the disk.

        Raises:
            FileError: The rejects file cannot be written.
        """
        if not self._waiting:
            return
        known, self._end = self._end, None
        with writing("rejects", "rejects_path"), self._locked() as file:
            found = os.fstat(file)
            end = found.st_size
            if (found.st_ino, end) != known:
                end = _mend(self.path, file, end)
                self._schemas.clear()
            lines = b"".join(self._lines())
            write_all(file, lines)
            os.fsync(file)
            self._end = found.st_ino, end + len(lines)
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

    @contextmanager
    def _locked(self) -> Iterator[int]:
        is_new = not self.path.exists()
        file = open_locked(self.path, os.O_RDWR | os.O_APPEND)
        try:
            if is_new:
                sync_folder(self.path.parent)
            yield file
        finally:
            os.close(file)

    def _lines(self) -> Iterator[bytes]:
        for source, record in self._waiting:
            stream = record["stream"]
            if self._schemas.get(stream) is not source.schema:
                self._schemas[stream] = source.schema
                yield dump_json(self._with_reasons(source.schema))
            yield dump_json(record)

    def _with_reasons(self, schema: Message) -> Message:
        text = {"type": ["string", "null"]}
        columns = ("_reject_reason", "_reject_code", *self._origin)
        reasons = {**dict.fromkeys(columns, text), REJECTED_AT: text | {"format": "date-time"}}
        declared = schema["schema"]
        properties = declared["properties"] | reasons
        return schema | {"schema": declared | {"properties": properties}}


def cut_path(path: Path) -> Path:
    """The file beside a rejects file that its lines go to which were cut off."""
    return path.with_name(f"{path.name}.cut")


def _mend(path: Path, file: int, size: int) -> int:
    """End the last line of a file that was not finished, and give the file's length.

    A line that was cut off goes to a file beside it. One that only lacks its line feed gets it.
    """
    line, start = b"", size
    while start > 0 and b"\n" not in line:
        begin = max(0, start - TAIL)
        line = os.pread(file, start - begin, begin) + line
        start = begin
    line = line[line.rfind(b"\n") + 1 :]
    if not line:
        return size
    try:
        parse_json(line)
    except ValueError:
        aside = open_locked(cut_path(path), os.O_WRONLY | os.O_APPEND)
        try:
            write_all(aside, line + b"\n")
            os.fsync(aside)
        finally:
            os.close(aside)
        os.ftruncate(file, size - len(line))
        logger.warning("The last line of %s was cut off; it is now in %s.cut.", path, path.name)
        return size - len(line)
    os.write(file, b"\n")
    return size + 1
