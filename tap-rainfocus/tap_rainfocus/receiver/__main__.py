"""The command `rainfocus-receiver`."""

from __future__ import annotations

import importlib
import logging
import os
import typing as t

from rainfocus_client.command import run_command
from rainfocus_client.errors import SettingsError
from rainfocus_client.troubles import Trouble

LOGGER = logging.getLogger("rainfocus-receiver")


def main() -> t.NoReturn:
    """Run the command; every failure ends in one line and a code of its kind."""
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
        raise SettingsError(msg, Trouble.NOT_INSTALLED) from error
    cli(prog_name="rainfocus-receiver", standalone_mode=False)


if __name__ == "__main__":
    main()
