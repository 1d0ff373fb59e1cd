"""Runs the command line of a plugin."""

from __future__ import annotations

import logging
import os
import sys
import typing as t

from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError

from rainfocus_client.command import run_command
from rainfocus_client.errors import FileError, SettingsError
from rainfocus_client.report import RunReport
from rainfocus_client.singer.stream_maps import unusable
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from rainfocus_client.singer.plugin import RainFocusPlugin


def run_plugin(
    plugin: type[RainFocusPlugin], other: Callable[[], object] | None = None
) -> t.NoReturn:
    """Run the command line of a tap or target, or another of its commands; leave the process."""
    report = RunReport(plugin.name, plugin.plugin_version)

    def command() -> None:
        wrong = _wrong_log_levels(plugin.variable_prefix())
        cli = plugin.cli  # sets the log up
        if wrong:
            msg = f"{wrong[0]} is not a level: give debug, info, warning or error."
            raise SettingsError(msg, Trouble.LOG_LEVEL)
        if sys.stdout is None:
            msg = "Standard output is closed: there is nowhere to write to."
            raise FileError(msg, Trouble.NO_OUTPUT)
        try:
            other() if other else cli(obj=report, standalone_mode=False)
        except (MapExpressionError, StreamMapConfigError) as error:
            raise unusable() from error

    run_command(command, plugin.logger, report)


def _wrong_log_levels(prefix: str) -> list[str]:
    """The variables that name no level; they are unset, so that the log can be set up."""
    names = (f"{prefix}LOGLEVEL", "LOGLEVEL")
    given = {name: os.environ[name] for name in names if name in os.environ}
    levels = logging.getLevelNamesMapping()
    unknown = [name for name, level in given.items() if level.upper() not in levels]
    for name in unknown:
        del os.environ[name]
    return [name for name in unknown if given[name]]
