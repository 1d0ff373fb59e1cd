"""Runs a command line so that every failure ends in one log line and a code that says its kind."""

from __future__ import annotations

import os
import sys
import traceback
import typing as t
from pathlib import Path

from rainfocus_client.errors import ClosedPipeError, ExitCode, RainFocusError

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable


def run_command(command: Callable[[], object], logger: logging.Logger) -> t.NoReturn:
    """Run `command` and leave the process with one of `ExitCode`.

    The text of an error that is not ours may quote a record, so only its kind and place are
    shown.
    """
    code: str | int | None
    try:
        code = _code(command)
    except ClosedPipeError as error:
        code = error.exit_code
        logger.info("%s", error)
    except RainFocusError as error:
        code = error.exit_code
        logger.error("%s", " ".join([str(error), *getattr(error, "__notes__", ())]))  # noqa: TRY400
    except OSError as error:
        code = ExitCode.FILES
        logger.error("%s: %s.", error.filename or "Standard output", error.strerror)  # noqa: TRY400
    except Exception as error:  # noqa: BLE001
        code = ExitCode.UNEXPECTED
        place = traceback.extract_tb(error.__traceback__)[-1]
        logger.error(  # noqa: TRY400
            "Unexpected %s in %s, line %s. LOGLEVEL=debug shows the way there.",
            type(error).__name__,
            Path(place.filename).name,
            place.lineno,
        )
        logger.debug("%s", "".join(traceback.format_tb(error.__traceback__)))
    _drop_unwritten()
    sys.exit(code)


def _code(command: Callable[[], object]) -> str | int | None:
    """The exit code that a command ends with, once all it has written is out."""
    code: str | int | None = ExitCode.DONE
    try:
        command()
    except SystemExit as ended:
        code = ended.code
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
