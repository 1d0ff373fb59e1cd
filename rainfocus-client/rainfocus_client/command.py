"""Runs a command line so that every failure ends in one log line and exit code 1."""

from __future__ import annotations

import sys
import traceback
import typing as t
from pathlib import Path

from rainfocus_client.errors import RainFocusError

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable


def run_command(command: Callable[[], object], logger: logging.Logger) -> t.NoReturn:
    """Run `command` and leave the process.

    The text of an error that is not ours may quote a record, so only its kind and place are
    shown.
    """
    try:
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
