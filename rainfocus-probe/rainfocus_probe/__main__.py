"""The command `rainfocus-probe`."""

from __future__ import annotations

import logging
import os
import typing as t
from importlib.metadata import version

from rainfocus_client.command import run_command
from rainfocus_client.report import RunReport

from rainfocus_probe import PACKAGE
from rainfocus_probe.command import probe

LOGGER = logging.getLogger(PACKAGE)


def main() -> t.NoReturn:
    """Run the command; every failure ends in one line and a code of its kind."""
    level = logging.getLevelNamesMapping().get(os.environ.get("LOGLEVEL", "").upper(), logging.INFO)
    logging.basicConfig(
        level=level, format="%(asctime)s | %(levelname)-8s | %(name)s | %(message)s"
    )
    report = RunReport(PACKAGE, version(PACKAGE))
    run_command(lambda: probe(obj=report, prog_name=PACKAGE, standalone_mode=False), LOGGER, report)


if __name__ == "__main__":
    main()
