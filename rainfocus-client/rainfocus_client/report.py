"""What a run came to, in numbers: one JSON object, written when the run ends."""

from __future__ import annotations

import os
import threading
import time
import typing as t
from datetime import UTC, datetime
from uuid import uuid4

import orjson

from rainfocus_client.errors import FileError, SettingsError
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MARK = b'{"run_id":'
"""What a report begins with: no other file is ever replaced."""


class Traffic:
    """What was asked of RainFocus, and how long that took; safe to count from threads."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self._lock = threading.Lock()
        self.requests = 0
        self.retries = 0
        self._seconds = 0.0
        self._waited = 0.0
        self._sent = 0
        self._received = 0

    def asked(self, *, seconds: float, sent: int, received: int) -> None:
        """Count a request, whatever came of it.

        Args:
            seconds: Until its answer was there, or the failure.
            sent: Bytes of its body.
            received: Bytes of the answer's body, uncompressed.
        """
        with self._lock:
            self.requests += 1
            self._seconds += seconds
            self._sent += sent
            self._received += received

    def waited(self, seconds: float) -> None:
        """Count a retry, and the wait before it."""
        with self._lock:
            self.retries += 1
            self._waited += seconds

    def numbers(self) -> dict[str, float]:
        """The counts; seconds are added up over requests that run side by side."""
        with self._lock:
            return {
                "made": self.requests,
                "retries": self.retries,
                "seconds": round(self._seconds, 3),
                "seconds_between_retries": round(self._waited, 3),
                "bytes_sent": self._sent,
                "bytes_received": self._received,
            }


class RunReport:
    """The numbers of a run.

    Attributes:
        run_id: Tells this run from others.
        traffic: What is asked of RainFocus.
        numbers: Gives what else is known, at any time: `events` (codes), `streams` (name → counts),
            `reasons` (objects of stream, outcome, reason and count) and more.
    """

    def __init__(self, command: str, version: str) -> None:
        """Begin the run.

        Args:
            command: Its name.
            version: Of its package.
        """
        self.traffic = Traffic()
        self.numbers: Callable[[], Mapping[str, object]] = dict
        self.run_id = str(uuid4())
        self._head = {"run_id": self.run_id, "command": command, "version": version}
        self._started_at = datetime.now(UTC)
        self._began = time.monotonic()
        self._state_written: float | None = None
        self._path: Path | None = None

    def begin(self, path: Path) -> None:
        """Have it written there in the end; what an earlier run has left there goes.

        Raises:
            SettingsError: There is another file, or it cannot be written.
        """
        try:
            is_another = _is_another(path)
            if path.is_file() and not is_another:
                path.unlink()
            is_writable = not path.is_dir() and os.access(path.parent, os.W_OK)
        except OSError:
            is_another = is_writable = False
        if is_another:
            msg = "Setting summary_path names a file that is no summary: give another."
            raise SettingsError(msg, Trouble.OUTPUT_FILE)
        if not is_writable:
            msg = "Setting summary_path names no file that can be written: check its folder."
            raise SettingsError(msg, Trouble.OUTPUT_FILE)
        self._path = path

    def state_written(self) -> None:
        """Take note that a STATE went out."""
        self._state_written = time.monotonic()

    def fields(self) -> dict[str, object]:
        """All that is known now; with the names of a report's keys."""
        now = time.monotonic()
        state_age = None if self._state_written is None else round(now - self._state_written, 3)
        return {
            **self._head,
            "started_at": _iso(self._started_at),
            "seconds": round(now - self._began, 3),
            "events": [],
            "streams": {},
            "reasons": [],
            **self.numbers(),
            "requests": self.traffic.numbers(),
            "state_age_seconds": state_age,
        }

    def write(self, exit_code: int, error: str | None) -> None:
        """Write it, whole or not at all, if it is wanted.

        Args:
            exit_code: What the command ends with.
            error: Why, in one line; None if all is well.

        Raises:
            FileError: It cannot be written.
        """
        if self._path is None:
            return
        end = {"ended_at": _iso(datetime.now(UTC)), "exit_code": exit_code, "error": error}
        content = orjson.dumps(self.fields() | end, option=orjson.OPT_APPEND_NEWLINE)
        path = self._path.resolve()
        try:
            if path.exists() and not path.is_file():
                path.write_bytes(content)
            elif not _is_another(path):
                _replace(path, content)
            else:
                msg = "The summary is not written: summary_path names a file of this run."
                raise FileError(msg, Trouble.FILE)
        except OSError as failure:
            msg = f"The summary cannot be written ({failure.strerror}): check summary_path."
            raise FileError(msg, Trouble.FILE) from failure


def _is_another(path: Path) -> bool:
    """Whether a file is there that is no report, and not empty."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MARK)) not in {MARK, b""}


def _replace(path: Path, content: bytes) -> None:
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with half.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
