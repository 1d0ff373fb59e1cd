"""A file of Singer lines that run after run adds to."""

from __future__ import annotations

import logging
import os
import typing as t

from rainfocus_client.lenient_json import dump_json, parse_json

from target_rainfocus_attendees import PACKAGE
from target_rainfocus_attendees.files import open_locked, sync_folder, write_all

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from target_rainfocus_attendees.models import Message

logger = logging.getLogger(PACKAGE)

TAIL = 1 << 20
"""Bytes: as far back as the beginning of an unfinished last line is looked for at a time."""


class SingerFile:
    """Adds records to a file, each under its schema; it may be replaced between two writes.

    Several runs may add to one file: each writes whole messages under a lock, and gives the
    schemas again where another has written in between.
    """

    def __init__(self, path: Path) -> None:
        """Touch nothing yet."""
        self.path = path
        self._schemas: dict[str, Message] = {}
        self._end: tuple[int, int] | None = None

    def add(self, records: Iterable[tuple[Message, Message]]) -> None:
        """Write records, and come back when they are on the disk.

        Args:
            records: SCHEMA and RECORD messages.

        Raises:
            OSError: The file cannot be written.
        """
        known, self._end = self._end, None
        is_new = not self.path.exists()
        is_regular = is_new or self.path.is_file()
        file = open_locked(self.path, (os.O_RDWR if is_regular else os.O_WRONLY) | os.O_APPEND)
        try:
            if is_new:
                sync_folder(self.path.parent)
            found = os.fstat(file)
            end = found.st_size
            if (found.st_ino, end) != known:
                end = _mend(self.path, file, end) if is_regular else 0
                self._schemas.clear()
            lines = b"".join(self._lines(records))
            write_all(file, lines)
            if is_regular:
                os.fsync(file)
                end += len(lines)
            self._end = found.st_ino, end
        finally:
            os.close(file)

    def _lines(self, records: Iterable[tuple[Message, Message]]) -> Iterator[bytes]:
        for schema, record in records:
            stream = schema["stream"]
            if self._schemas.get(stream) is not schema:
                self._schemas[stream] = schema
                yield dump_json(schema)
            yield dump_json(record)


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
