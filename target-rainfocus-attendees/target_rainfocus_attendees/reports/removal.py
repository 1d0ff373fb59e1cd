"""Removes the lines about one person from a file of JSON lines."""

from __future__ import annotations

import fcntl
import os
import time
import typing as t
from contextlib import suppress

from rainfocus_client.errors import RetriableError
from rainfocus_client.lenient_json import parse_json
from rainfocus_client.troubles import Trouble

from target_rainfocus_attendees.files import open_locked, open_private, sync_folder

if t.TYPE_CHECKING:
    from pathlib import Path

    from rainfocus_client.persons.person import Person

PATIENCE = 10.0
"""Seconds to wait for a load that writes to the file."""

POLL = 0.05


class Removed(t.NamedTuple):
    """How many lines are gone, and how many stay though nobody can tell whose they are."""

    lines: int
    unreadable: int


def remove_lines(path: Path, person: Person) -> Removed:
    """Remove the lines about a person, and leave the others as they are, byte for byte.

    The file is replaced as a whole: whenever this ends, there is the old one or the new one.

    Raises:
        RetriableError: A load keeps writing to the file.
        OSError: The file cannot be read or replaced.
    """
    path = path.resolve()
    if not path.is_file():
        return Removed(0, 0)
    half = path.with_name(f".{path.name}.forget")
    with os.fdopen(_locked(path), "rb") as file:
        half.unlink(missing_ok=True)
        try:
            with os.fdopen(open_private(half, os.O_WRONLY | os.O_EXCL), "wb") as kept:
                removed = _copy(file, kept, person)
                _hand_over(file.fileno(), kept.fileno())
                kept.flush()
                os.fsync(kept.fileno())
            if removed.lines:
                half.replace(path)
                sync_folder(path.parent)
        finally:
            half.unlink(missing_ok=True)
    return removed


def _locked(path: Path) -> int:
    until = time.monotonic() + PATIENCE
    while True:
        with suppress(BlockingIOError):
            return open_locked(path, os.O_RDONLY, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.monotonic() > until:
            msg = f"A run is writing to {path.name}: try again when it has ended."
            raise RetriableError(msg, Trouble.LOCK)
        time.sleep(POLL)


def _copy(file: t.BinaryIO, kept: t.BinaryIO, person: Person) -> Removed:
    removed = unreadable = 0
    for line in file:
        try:
            message = parse_json(line)
        except ValueError:
            is_theirs = person.is_in_text(line.decode(errors="replace"))
            unreadable += not is_theirs and not line.isspace()
        else:
            is_theirs = not _is_schema(message) and person.is_in(message)
        if is_theirs:
            removed += 1
        else:
            kept.write(line)
    return Removed(removed, unreadable)


def _is_schema(message: object) -> bool:
    return isinstance(message, dict) and message.get("type") == "SCHEMA" and "schema" in message


def _hand_over(old: int, new: int) -> None:
    """Give a new file the owner and the permissions of an old one."""
    was, now = os.fstat(old), os.fstat(new)
    if (was.st_uid, was.st_gid) != (now.st_uid, now.st_gid):
        os.fchown(new, was.st_uid, was.st_gid)
    os.fchmod(new, was.st_mode & 0o7777)
