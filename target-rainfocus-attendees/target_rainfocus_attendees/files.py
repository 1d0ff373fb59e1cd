"""Files with personal data that the user names: checked before the run, readable by the owner."""

from __future__ import annotations

import fcntl
import os
import stat
import typing as t
from contextlib import contextmanager, suppress

from rainfocus_client.errors import FileError, SettingsError
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

OWNER_ONLY = 0o600


def check_writable(files: Mapping[str, Path]) -> None:
    """Check that files can be written, before there is something to write.

    Args:
        files: Paths, by the names of their settings.

    Raises:
        SettingsError: A file cannot be written.
    """
    for name, path in files.items():
        if not _is_writable(path):
            msg = f"Setting {name} names no file that can be written: check that its folder exists."
            raise SettingsError(msg, Trouble.OUTPUT_FILE)


def check_distinct(files: Mapping[str, Path]) -> None:
    """Check that no file is two things.

    Args:
        files: Paths, by the names of their settings.

    Raises:
        SettingsError: Two settings name the same file.
    """
    names: dict[Path, str] = {}
    for name, path in files.items():
        other = names.setdefault(path.resolve(), name)
        if other != name:
            msg = f"Settings {other} and {name} name the same file: give each its own."
            raise SettingsError(msg, Trouble.OUTPUT_FILE)


def named_by(files: Mapping[str, Path], file: t.IO[str]) -> str | None:
    """The name of the setting, of `files`, that names this open file, if any."""
    for name, path in files.items():
        with suppress(OSError, ValueError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return name
    return None


def is_regular(file: t.IO[str]) -> bool:
    """Whether an open file is one on a disk, and no pipe, terminal or socket."""
    with suppress(OSError, ValueError):
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    return False


def open_private(path: Path, flags: int) -> int:
    """Open a file for writing; if it is new, nobody but the owner may read it.

    Raises:
        OSError: It cannot be opened, or is a pipe that nobody reads.
    """
    file = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, OWNER_ONLY)
    os.set_blocking(file, True)  # the opening alone does not wait
    return file


def open_locked(path: Path, flags: int, operation: int = fcntl.LOCK_EX) -> int:
    """Open a file as `open_private` does, and lock it until it is closed.

    It is the one at this path, also where the one before was replaced meanwhile.

    Args:
        path: Of the file.
        flags: As for `os.open`.
        operation: As for `fcntl.flock`.

    Raises:
        BlockingIOError: With `LOCK_NB`, where somebody else holds the lock.
        OSError: It cannot be opened.
    """
    while True:
        file = open_private(path, flags)
        try:
            fcntl.flock(file, operation)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), path.stat()):
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Come back when the names of a folder's files are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(file: int, content: bytes) -> None:
    """Write all of it to a file descriptor, in as many pieces as that takes."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


@contextmanager
def writing(what: str, setting: str) -> Iterator[None]:
    """Say of a file that cannot be written what it is, and which setting names it.

    Raises:
        FileError: It cannot be written.
    """
    try:
        yield
    except OSError as error:
        msg = f"The {what} cannot be written ({error.strerror}): check {setting}."
        raise FileError(msg, Trouble.FILE) from error


def _is_writable(path: Path) -> bool:
    try:
        file = path.resolve()
        is_there = file.exists()
    except (OSError, RuntimeError, ValueError):  # no path at all, or one that goes in circles
        return False
    too_long = len(os.fsencode(file.name)) > os.pathconf(file.anchor, "PC_NAME_MAX")
    return not (file.is_dir() or too_long) and os.access(file if is_there else file.parent, os.W_OK)
