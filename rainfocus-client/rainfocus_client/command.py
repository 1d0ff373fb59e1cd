"""Runs a command line so that every failure ends in one log line and a code that says its kind."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import typing as t
from pathlib import Path

import click

from rainfocus_client.errors import ClosedPipeError, ExitCode, FileError, RainFocusError
from rainfocus_client.troubles import Trouble, with_code

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from rainfocus_client.report import RunReport

SIGNALLED = 128
"""What the code is that a signal ends a command with, less the signal's number."""


def run_command(
    command: Callable[[], object], logger: logging.Logger, report: RunReport | None = None
) -> t.NoReturn:
    """Run `command` and leave the process with one of `ExitCode`.

    The text of an error that is not ours may quote a record, so only its kind and place are
    shown.

    Args:
        command: What is run.
        logger: Where a failure is told.
        report: Written in the end.
    """
    code, error = _outcome(command, logger)
    if report:
        try:
            report.write(code, error)
        except FileError as failure:
            logger.error("%s", with_code(str(failure), failure.trouble))  # noqa: TRY400
            code = code or failure.exit_code
    _drop_unwritten()
    sys.exit(code)


def _outcome(command: Callable[[], object], logger: logging.Logger) -> tuple[int, str | None]:
    """The code that the command ends with, and the failure as it was told."""
    told = None
    try:
        code = _code(command)
        if code > SIGNALLED:
            told = with_code(f"Stopped by a signal (exit code {code}).", Trouble.SIGNAL)
    except ClosedPipeError as error:
        code, told = error.exit_code, with_code(str(error), error.trouble)
        logger.info("%s", told)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        told = with_code(error.format_message(), Trouble.USAGE)
        click.UsageError(told, getattr(error, "ctx", None)).show()
        code = error.exit_code
    except click.Abort:
        code, told = SIGNALLED + signal.SIGINT, with_code("Interrupted.", Trouble.SIGNAL)
        logger.error("%s", told)  # noqa: TRY400
    except RainFocusError as error:
        text = " ".join([str(error), *getattr(error, "__notes__", ())])
        code, told = error.exit_code, with_code(text, error.trouble)
        logger.error("%s", told)  # noqa: TRY400
    except OSError as error:
        text = f"{error.filename or 'Standard output'}: {error.strerror}."
        code, told = ExitCode.FILES, with_code(text, Trouble.FILE)
        logger.error("%s", told)  # noqa: TRY400
    except Exception as error:  # noqa: BLE001
        place = traceback.extract_tb(error.__traceback__)[-1]
        file = Path(place.filename).name
        code = ExitCode.UNEXPECTED
        text = f"Unexpected {type(error).__name__} in {file}, line {place.lineno}."
        told = with_code(f"{text} LOGLEVEL=debug shows the way there.", Trouble.UNEXPECTED)
        logger.error("%s", told)  # noqa: TRY400
        logger.debug("%s", "".join(traceback.format_tb(error.__traceback__)))
    return code, told


def _code(command: Callable[[], object]) -> int:
    """The exit code that a command ends with, once all it has written is out."""
    code: int = ExitCode.DONE
    try:
        command()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    if sys.stdout:
        sys.stdout.flush()
    return code


def _drop_unwritten() -> None:
    """Drop what cannot be written: Python would try again at its end, and fail with code 120."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
