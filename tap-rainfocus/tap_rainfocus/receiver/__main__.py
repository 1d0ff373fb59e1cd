"""The command `rainfocus-receiver`."""

from __future__ import annotations

import importlib
import logging
import os
import typing as t

from rainfocus_client.command import run_command
from rainfocus_client.errors import RainFocusError

LOGGER = logging.getLogger("rainfocus-receiver")


def main() -> t.NoReturn:
    """Run the command; every failure ends in one line and exit code 1."""
    level = logging.getLevelNamesMapping().get(os.environ.get("LOGLEVEL", "").upper(), logging.INFO)
    logging.basicConfig(
        level=level, format="%(asctime)s | %(levelname)-8s | %(name)s | %(message)s"
    )
    run_command(_command, LOGGER)


def _command() -> None:
    try:
        cli = importlib.import_module("tap_rainfocus.receiver.cli").cli
    except ModuleNotFoundError as error:
        msg = f"{error.name} is not installed: install tap-rainfocus[receiver]."
        raise RainFocusError(msg) from error
    cli(prog_name="rainfocus-receiver")


if __name__ == "__main__":
    main()
