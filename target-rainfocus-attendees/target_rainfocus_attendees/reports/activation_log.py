"""What became of each profile that was sent, one JSON line each, without personal data."""

from __future__ import annotations

import os
import typing as t
from datetime import UTC, datetime
from functools import partial

import orjson
from rainfocus_client.persons.identities import hash_identity

from target_rainfocus_attendees.files import open_locked, open_private, write_all, writing

if t.TYPE_CHECKING:
    from pathlib import Path

    from target_rainfocus_attendees.models import Delivered

FLAGS = os.O_WRONLY | os.O_APPEND

_writing = partial(writing, "activation log", "activation_log_path")


class ActivationLog:
    """A file that lines are added to; it may be replaced by another between two flushes."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            FileError: The file cannot be opened.
        """
        self._path = path
        with _writing():
            # Kept open: a pipe's reader would take a close for the end.
            self._file = open_private(path, FLAGS)
        self._lines: list[bytes] = []

    def add(self, delivered: Delivered) -> None:
        """Take what one request, with its repeats, came to; one never made is left out."""
        receipt = delivered.receipt
        if not receipt.attempts:
            return
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "identity": hash_identity(delivered.identity),
            "outcome": delivered.outcome,
            "records": len(delivered.items),
            "status": receipt.status,
            "responseCode": receipt.code,
            "attempts": receipt.attempts,
            "milliseconds": round(1000 * receipt.seconds, 1),
        }
        self._lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def flush(self) -> None:
        """Hand to the system what was added.

        Raises:
            FileError: The file cannot be written.
        """
        lines, self._lines = self._lines, []
        if not lines:
            return
        with _writing():
            file = open_locked(self._path, FLAGS)
            try:
                write_all(file, b"".join(lines))
            finally:
                os.close(file)

    def close(self) -> None:
        """Close the file."""
        try:
            self.flush()
        finally:
            os.close(self._file)
