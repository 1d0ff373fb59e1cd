"""Runs a command line so that every failure ends in one log line and exit code 1."""

from __future__ import annotations

import logging
import os
import sys
import traceback
import typing as t
from pathlib import Path

from rainfocus_client.errors import RainFocusError, SettingsError

if t.TYPE_CHECKING:
    from collections.abc import Callable


def _check_log_level() -> None:
    level = os.environ.get("LOGLEVEL", "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        os.environ["LOGLEVEL"] = "INFO"
        if level:
            msg = "LOGLEVEL is not a level: give debug, info, warning or error."
            raise SettingsError(msg)


def run_command(command: Callable[[], object], logger: logging.Logger) -> t.NoReturn:
    """Run `command` and leave the process.

    The text of an error that is not ours may quote a record, so only its kind and place are
    shown.
    """
    try:
        _check_log_level()
        command()
    except RainFocusError as error:
        logger.error("%s", error)  # noqa: TRY400
    except OSError as error:
        logger.error("%s: %s.", error.filename or "Standard output", error.strerror)  # noqa: TRY400
    except Exception as error:  # noqa: BLE001
        place = traceback.extract_tb(error.__traceback__)[-1]
        logger.error(  # noqa: TRY400
            "Unexpected %s in %s, line %s. LOGLEVEL=debug shows the way there.",
            type(error).__name__,
            Path(place.filename).name,
            place.lineno,
        )
        logger.debug("%s", "".join(traceback.format_tb(error.__traceback__)))
    else:
        sys.exit(0)
    sys.exit(1)
