"""Files with personal data that the user names: checked before the run, readable by the owner."""

from __future__ import annotations

import os
import typing as t
from contextlib import suppress
from pathlib import Path

from rainfocus_client.errors import SettingsError

if t.TYPE_CHECKING:
    from collections.abc import Mapping

OWNER_ONLY = 0o600

PATHS = ("rejects_path", "dry_run_path", "activation_log_path")


def check_paths(settings: Mapping[str, t.Any]) -> None:
    """See that the files can be written, before there is something to write.

    Raises:
        SettingsError: One cannot.
    """
    names: dict[Path, str] = {}
    for name in PATHS:
        path = named_path(settings, name)
        other = names.setdefault(path.resolve(), name) if path else name
        if other != name:
            msg = f"Settings {other} and {name} name the same file: give each its own."
            raise SettingsError(msg)
        if path and (path.is_dir() or not _is_writable(path if path.exists() else path.parent)):
            msg = f"Setting {name} names no file that can be written: check that its folder exists."
            raise SettingsError(msg)


def named_path(settings: Mapping[str, t.Any], name: str) -> Path | None:
    """The path that a setting names, if any."""
    value = settings.get(name)
    return Path(value) if value else None


def named_by(settings: Mapping[str, t.Any], file: t.IO[str]) -> str | None:
    """The setting that names this open file, if any."""
    for name in PATHS:
        path = named_path(settings, name)
        with suppress(OSError, ValueError):
            if path and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return name
    return None


def open_private(path: Path, flags: int) -> int:
    """Open a file for writing; if it is new, nobody but the owner may read it."""
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)


def write_all(file: int, content: bytes) -> None:
    """Write all of it to a file descriptor, in as many pieces as that takes."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK)
