"""Starts and stops the receiver as a process of its own.

Whether one runs is told by the lock on its pid file, which the process holds until it ends, and
never by the number in it: a file may be left behind, and the number given to another process.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
import typing as t
from contextlib import closing, contextmanager, suppress

from rainfocus_client.errors import (
    ExitCode,
    FileError,
    RainFocusError,
    RetriableError,
    SettingsError,
)
from rainfocus_client.troubles import Trouble

from tap_rainfocus.receiver.settings import PREFIX

with suppress(ImportError):
    import fcntl  # not everywhere, and other commands work without it

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

POLL = 0.05
END_WAIT = 2.0
"""Seconds that a process has to end that did not get ready."""

STANDARD_ERROR = 2
OTHERS = 0o077
OWNER_ONLY = 0o600
FILE = os.O_RDWR | os.O_APPEND | os.O_CREAT

_RECORD = re.compile(r"([1-9]\d*)\n(\S+)\n(\w+)\n")


class EndedError(RainFocusError):
    """The receiver that was started has ended."""

    def __init__(self, message: str, exit_code: int) -> None:
        """Say why, and what it ended with: less than 0 is a signal, as `Popen` has it."""
        super().__init__(message, Trouble.RECEIVER_ENDED)
        self.exit_code = 128 - exit_code if exit_code < 0 else exit_code or ExitCode.UNEXPECTED


class _Record(t.NamedTuple):
    """What stands in the pid file of a receiver that listens."""

    pid: int
    address: str
    fingerprint: str


class _Log(t.NamedTuple):
    """The open log, and where in it the present run begins."""

    descriptor: int
    begin: int

    def last_words(self) -> str:
        """The last error of this run, or else its last line; empty if it said nothing."""
        size = os.fstat(self.descriptor).st_size - self.begin
        said = os.pread(self.descriptor, size, self.begin)
        lines = said.decode(errors="replace").splitlines()
        errors = [line for line in lines if " | ERROR " in line]
        return (errors or lines or [""])[-1].split(" | ", 3)[-1]


def start(folder: Path, wait: int, fingerprint: str, options: list[str]) -> str:
    """Start `serve` with these options, and return when it answers; says where.

    Args:
        folder: Holds the pid file and the log.
        wait: Seconds.
        fingerprint: Of the settings that the receiver is to run with.
        options: Of `serve`.

    Raises:
        EndedError: It has ended, with this code.
        RetriableError: It does not answer in time, and what was started is gone.
        SettingsError: One runs already with other settings.
    """
    os.umask(OTHERS)
    _open_standard_files()
    until = time.monotonic() + wait
    path = folder / "receiver.log"
    with _alone(folder, until) as pid_file, _opened(path, FILE) as written:
        log = _Log(written, os.fstat(written).st_size)
        if not _lock(pid_file):
            running = _answer(pid_file, log, until, lambda: _lock(pid_file))
            if running and running.fingerprint != fingerprint:
                msg = "The receiver runs already, with other settings: stop it, then start it."
                raise SettingsError(msg, Trouble.RUNS_ALREADY)
            if running:
                return f"The receiver runs already on http://{running.address}. Its log is {path}."
        os.ftruncate(pid_file, 0)
        try:
            address = _launch(pid_file, log, until, options)
        except BaseException:
            _pid_path(folder).unlink()
            raise
    return f"The receiver listens on http://{address}. Its log is {path}."


def stop(folder: Path, wait: int) -> str:
    """Stop the receiver of this folder, and return when it is gone; says what was done.

    Raises:
        RetriableError: The receiver takes too long.
    """
    if not folder.exists():
        return "No receiver runs."
    until = time.monotonic() + wait
    stopped = 0
    with _alone(folder, until) as pid_file:
        for _ in _ticks(until):
            if _lock(pid_file):
                break
            if not stopped and (found := _record(pid_file)):
                stopped = found.pid
                with suppress(ProcessLookupError):
                    os.kill(stopped, signal.SIGTERM)
        else:
            msg = f"The receiver still runs after {wait} seconds: allow more with --wait."
            raise RetriableError(msg, Trouble.RECEIVER_ENDED)
        _pid_path(folder).unlink()
    return "The receiver has stopped." if stopped else "No receiver runs."


def _open_standard_files() -> None:
    """Make sure that a file opened from now on is none of the three that the receiver gets."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STANDARD_ERROR:
        os.set_inheritable(descriptor, True)  # noqa: FBT003, it takes no name
    os.close(descriptor)


def _launch(pid_file: int, log: _Log, until: float, options: list[str]) -> str:
    """Start a process that keeps the locked pid file; returns where it answers."""
    # Without -P, -m would import from the current folder first.
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-m", __package__, "serve", f"--pid-fd={pid_file}", *options],
        stdin=subprocess.DEVNULL,
        stdout=log.descriptor,
        stderr=log.descriptor,
        start_new_session=True,
        pass_fds=[pid_file],
    )
    try:
        running = _answer(pid_file, log, until, lambda: process.poll() is not None)
    except BaseException:
        _end(process)
        raise
    if running is None:
        silent = f"The receiver ended with code {process.returncode} without a word: try again."
        raise EndedError(log.last_words() or silent, process.returncode)
    process.returncode = 0  # it is meant to live on; Popen would warn of a child left behind
    return running.address


def _answer(
    pid_file: int, log: _Log, until: float, has_ended: Callable[[], bool]
) -> _Record | None:
    """The receiver, as soon as it answers; None if it ends before.

    It has bound the address that it notes in its pid file, so nobody else can answer there.

    Raises:
        RetriableError: The receiver takes too long.
    """
    for _ in _ticks(until):
        if has_ended():
            return None
        if (found := _record(pid_file)) and _is_ready(found.address, until):
            return found
    said = log.last_words()
    hint = f"It said last: {said}" if said else "Allow more with --wait."
    msg = f"The receiver does not answer in time. {hint}"
    raise RetriableError(msg, Trouble.RECEIVER_ENDED)


def _is_ready(address: str, until: float) -> bool:
    patience = max(until - time.monotonic(), POLL)
    with (
        suppress(OSError, http.client.HTTPException),
        closing(http.client.HTTPConnection(address, timeout=patience)) as connection,
    ):
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_WAIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _alone(folder: Path, until: float) -> Iterator[int]:
    """Keep every other `start` and `stop` out of the folder; gives its pid file."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"Cannot make the folder {folder}: {error.strerror}. Set {PREFIX}FOLDER or --folder."
        raise FileError(msg, Trouble.FILE) from error
    with _opened(folder, os.O_RDONLY) as door:
        for _ in _ticks(until):
            if _lock(door):
                break
        else:
            msg = f"Another start or stop is under way in {folder}: try again."
            raise RetriableError(msg, Trouble.RUNS_ALREADY)
        with _opened(_pid_path(folder), FILE) as pid_file:
            yield pid_file


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, OWNER_ONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Take the lock; whether nobody else has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _record(pid_file: int) -> _Record | None:
    found = _RECORD.fullmatch(os.pread(pid_file, 1000, 0).decode())
    return _Record(int(found[1]), found[2], found[3]) if found else None


def _pid_path(folder: Path) -> Path:
    return folder / "receiver.pid"


def _ticks(until: float) -> Iterator[None]:
    yield
    while time.monotonic() < until:
        time.sleep(POLL)
        yield
