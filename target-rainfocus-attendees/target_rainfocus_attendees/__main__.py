"""The command `target-rainfocus-attendees`."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import typing as t
from contextlib import suppress
from functools import partial

from rainfocus_client.errors import ExitCode
from rainfocus_client.singer.command import run_plugin

from target_rainfocus_attendees.check_command import STANDARD_INPUT, Command
from target_rainfocus_attendees.forget_command import forget
from target_rainfocus_attendees.target import TargetRainFocusAttendees

SECONDS_TO_READ_ON = 5.0
CHUNK = 1 << 20

FAILURES = frozenset(ExitCode) - {ExitCode.DONE, ExitCode.USAGE}


def main() -> t.NoReturn:
    """Run the target, or `forget`, and leave the process."""
    if sys.argv[1:2] == ["forget"]:
        name = f"{TargetRainFocusAttendees.name} forget"
        run_plugin(
            TargetRainFocusAttendees,
            partial(forget, sys.argv[2:], prog_name=name, standalone_mode=False),
        )
    try:
        run_plugin(Command)
    except SystemExit as ended:
        if ended.code in FAILURES and _reads_standard_input(sys.argv):
            read_on()
        # Python takes its handlers down before it ends: a signal would kill what is done.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise


def _reads_standard_input(words: list[str]) -> bool:
    if not {STANDARD_INPUT, f"--check={STANDARD_INPUT}"}.isdisjoint(words):
        return True
    return not any(word.startswith(("--input", "--check")) for word in words)


def read_on() -> None:
    """Read the rest of the input for a moment, and drop it.

    Otherwise the extractor breaks on a closed pipe, and what it and Meltano say about that hides
    what this command has just said.
    """
    until = time.monotonic() + SECONDS_TO_READ_ON
    with suppress(AttributeError, OSError, ValueError):  # the first if it is closed
        file = sys.stdin.fileno()
        while not os.isatty(file) and (seconds := until - time.monotonic()) > 0:
            if not select.select([file], [], [], seconds)[0] or not os.read(file, CHUNK):
                return


if __name__ == "__main__":
    main()
