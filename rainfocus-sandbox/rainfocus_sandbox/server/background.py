"""Starts and stops the sandbox as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
import typing as t
from contextlib import suppress
from dataclasses import asdict

from rainfocus_sandbox.data.store import Store
from rainfocus_sandbox.errors import OthersPortError, SandboxError
from rainfocus_sandbox.server.http import port_taken
from rainfocus_sandbox.server.remote import Occupant, call, occupant

if t.TYPE_CHECKING:
    from pathlib import Path

    from rainfocus_sandbox.seed import Sizes

_POLL_S = 0.05
_STOP_WAIT_S = 10.0


def start(database: Path, port: int, sizes: Sizes, wait_s: float) -> bool:
    """Start the sandbox of `database` and return when it answers.

    Returns:
        Whether it was started; no, if it already answers on `port`.

    Raises:
        SandboxError: Something else holds the port, or the process died or took too long. It is
            gone then.
    """
    match occupant(port, database):
        case Occupant.OURS:
            return False
        case Occupant.STRANGER:
            raise port_taken(port)
    Store(database).close()
    log_path = database.with_name(f"{database.name}.log")
    process = _spawn(database, port, sizes, log_path)
    try:
        _await_answer(process, database, port, wait_s, log_path)
    except BaseException:
        _end(process)
        raise
    process.returncode = 0  # it is meant to live on; Popen would warn of a child left behind
    return True


def stop(port: int, database: Path) -> bool:
    """Stop the sandbox of `database` on `port` and return when it is gone.

    Returns:
        Whether there was one.

    Raises:
        SandboxError: Something else answers there, or the sandbox does not stop.
    """
    match occupant(port, database):
        case Occupant.NOBODY:
            return False
        case Occupant.STRANGER:
            message = f"what answers on port {port} is not a sandbox: not stopped"
            raise SandboxError(message)
    call(port, "POST", "/sandbox/stop")
    deadline = time.monotonic() + _STOP_WAIT_S
    with suppress(OthersPortError):  # another's sandbox has the port now, so ours is gone
        while occupant(port, database) is not Occupant.NOBODY:
            if time.monotonic() > deadline:
                message = (
                    f"the sandbox on port {port} still answers after {_STOP_WAIT_S:.0f} seconds"
                )
                raise SandboxError(message)
            time.sleep(_POLL_S)
    return True


def _spawn(database: Path, port: int, sizes: Sizes, log_path: Path) -> subprocess.Popen[bytes]:
    """Start `serve` so that nothing ties it to the caller: no session, no pipe, no terminal."""
    options = [f"--{name}={value}" for name, value in asdict(sizes).items()]
    command = [
        sys.executable,
        "-m",
        "rainfocus_sandbox",
        f"--database={database.resolve()}",
        f"--port={port}",
        "serve",
        *options,
    ]
    try:
        log = log_path.open("wb")
    except OSError as error:
        message = f"cannot write the log {log_path}: {error}"
        raise SandboxError(message) from error
    with log:
        return subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _await_answer(
    process: subprocess.Popen[bytes], database: Path, port: int, wait_s: float, log_path: Path
) -> None:
    deadline = time.monotonic() + wait_s
    while occupant(port, database) is not Occupant.OURS:
        if process.poll() is not None:
            message = f"the sandbox ended while it started: see {log_path}"
            raise SandboxError(message)
        if time.monotonic() > deadline:
            message = (
                f"the sandbox did not answer within {wait_s:g} seconds: allow more with --wait"
            )
            raise SandboxError(message)
        time.sleep(_POLL_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
