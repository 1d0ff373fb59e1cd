"""What became of each record, as a Singer stream without personal data."""

from __future__ import annotations

import os
import typing as t
from datetime import UTC, datetime
from functools import partial

from rainfocus_client.errors import SettingsError
from rainfocus_client.lenient_json import dump_json
from rainfocus_client.persons.identities import hash_identity
from rainfocus_client.troubles import Trouble

from target_rainfocus_attendees.files import open_private, writing
from target_rainfocus_attendees.reports.singer_file import SingerFile

if t.TYPE_CHECKING:
    from pathlib import Path

    from target_rainfocus_attendees.models import Activation, Message

STREAM = "rainfocus_activations"


def _column(kind: str, description: str, *, is_key: bool = False, **others: str) -> Message:
    kinds = [kind] if is_key else [kind, "null"]
    return {"type": kinds, "description": description, **others}


SCHEMA: Message = {
    "type": "SCHEMA",
    "stream": STREAM,
    "key_properties": ["run_id", "record"],
    "schema": {
        "type": "object",
        "properties": {
            "run_id": _column("string", "The run, as in its summary.", is_key=True),
            "record": _column("integer", "Number of the record in the input.", is_key=True),
            "stream": _column("string", "Stream of the record, as it came."),
            "org_id": _column("string", "Organisation that was written to."),
            "event_code": _column("string", "Event that was written to."),
            "identity": _column("string", "SHA-256 of what the record names its person by."),
            "outcome": _column("string", "What became of the record."),
            "reason_code": _column("string", "Why it was not stored: docs/troubleshooting.md."),
            "field": _column("string", "The field to blame, of an invalid record."),
            "attempts": _column("integer", "Requests made for it; 0 if none was."),
            "status": _column("integer", "HTTP status of the last answer."),
            "response_code": _column("string", "RainFocus' code in it."),
            "milliseconds": _column("number", "From the first request to the last answer."),
            "at": _column("string", "When that was known.", format="date-time"),
            "attendee_id": _column("string", "RainFocus' id, if the answer gave one."),
        },
    },
}
"""Key: the run, and the record in its input. All else may be null but `outcome` and `at`."""

_HEAD = dump_json(SCHEMA)[:50]

_writing = partial(writing, "activation log", "activation_log_path")


class ActivationLog:
    """A file that gets a line for each record; it may be replaced between two flushes."""

    def __init__(self, path: Path, origin: Message) -> None:
        """Open the file.

        Args:
            path: Of the file.
            origin: Columns that are the same for all records.

        Raises:
            FileError: The file cannot be opened.
            SettingsError: It is another file.
        """
        self._file = SingerFile(path)
        self._origin = origin
        with _writing():
            if _is_another(path):
                msg = (
                    "Setting activation_log_path names a file that is no activation log, or one of "
                    "an earlier version: give another."
                )
                raise SettingsError(msg, Trouble.OUTPUT_FILE)
            # Kept open: a pipe's reader would take a close for the end.
            self._opened = open_private(path, os.O_WRONLY | os.O_APPEND)
        self._waiting: list[tuple[Message, Message]] = []

    def add(self, activation: Activation) -> None:
        """Take what became of a record."""
        identity, reason, receipt = activation.identity, activation.reason, activation.receipt
        is_sent = receipt is not None and receipt.attempts > 0
        record = {
            **self._origin,
            "record": activation.record,
            "stream": activation.stream,
            "identity": hash_identity(identity) if identity else None,
            "outcome": activation.outcome,
            "reason_code": reason.trouble.code if reason else None,
            "field": activation.field,
            "attempts": receipt.attempts if receipt else 0,
            "status": receipt.status if receipt else None,
            "response_code": receipt.code if receipt else None,
            "milliseconds": round(1000 * receipt.seconds, 1) if receipt and is_sent else None,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "attendee_id": receipt.attendee_id if receipt else None,
        }
        self._waiting.append((SCHEMA, {"type": "RECORD", "stream": STREAM, "record": record}))

    def flush(self) -> None:
        """Write what was added, and come back when it is on the disk.

        Raises:
            FileError: The file cannot be written.
        """
        if self._waiting:
            with _writing():
                self._file.add(self._waiting)
            self._waiting.clear()

    def close(self) -> None:
        """Close the file."""
        try:
            self.flush()
        finally:
            os.close(self._opened)


def _is_another(path: Path) -> bool:
    """Whether a file is there that is no activation log, and not empty."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return not _HEAD.startswith(file.read(len(_HEAD)))
