"""Runs a command line so that every failure ends in one log line and a code that says its kind."""

from __future__ import annotations

import os
import sys
import traceback
import typing as t
from pathlib import Path

from rainfocus_client.errors import ClosedPipeError, ExitCode, FileError, RainFocusError

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from rainfocus_client.report import RunReport


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
            logger.error("%s", failure)  # noqa: TRY400
            code = code or failure.exit_code
    _drop_unwritten()
    sys.exit(code)


def _outcome(command: Callable[[], object], logger: logging.Logger) -> tuple[int, str | None]:
    """The code that the command ends with, and the failure as it was told."""
    told = None
    try:
        code = _code(command)
    except ClosedPipeError as error:
        code, told = error.exit_code, str(error)
        logger.info("%s", told)
    except RainFocusError as error:
        code, told = error.exit_code, " ".join([str(error), *getattr(error, "__notes__", ())])
        logger.error("%s", told)  # noqa: TRY400
    except OSError as error:
        code, told = ExitCode.FILES, f"{error.filename or 'Standard output'}: {error.strerror}."
        logger.error("%s", told)  # noqa: TRY400
    except Exception as error:  # noqa: BLE001
        place = traceback.extract_tb(error.__traceback__)[-1]
        file = Path(place.filename).name
        code = ExitCode.UNEXPECTED
        told = f"Unexpected {type(error).__name__} in {file}, line {place.lineno}."
        logger.error("%s LOGLEVEL=debug shows the way there.", told)  # noqa: TRY400
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
