"""The command `target-rainfocus-attendees` with its option `--check`."""

from __future__ import annotations

import io
import sys
import typing as t
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path

import click
from rainfocus_client.errors import FileError, UsageError
from rainfocus_client.troubles import Trouble
from typing_extensions import override

from target_rainfocus_attendees.check import Check
from target_rainfocus_attendees.input.lines import lines, standard_input
from target_rainfocus_attendees.input.messages import InputError
from target_rainfocus_attendees.input.sample import LONGEST, singer_lines
from target_rainfocus_attendees.settings import TargetSettings
from target_rainfocus_attendees.target import TargetRainFocusAttendees

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rainfocus_client.singer.plugin import GivenSettings

MOST_LINES = 1000
"""Lines of the input that a check reads."""

STANDARD_INPUT = "-"

_OPTION = click.Option(
    ["--check"],
    metavar="FILE",
    help=(
        "Show which columns of FILE feed which fields, and masked samples of what would be sent; "
        "send nothing. FILE holds Singer messages or a JSON schema; - is standard input."
    ),
)


class Command(TargetRainFocusAttendees):
    """The target as it is called."""

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        command.params.append(_OPTION)
        return command

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: GivenSettings | None = None,
        file_input: t.IO[str] | None = None,
        check: str | None = None,
    ) -> None:
        """Run the command.

        Raises:
            UsageError: There are two inputs.
        """
        if about or check is None:
            super().invoke(
                about=about, about_format=about_format, config=config, file_input=file_input
            )
            return
        if file_input:
            msg = "--check names the input itself: leave --input out."
            raise UsageError(msg, Trouble.USAGE)
        _CheckingTarget.from_command(config).check(check)


class _Settings(TargetSettings):
    """The target's, without need of credentials, and without files to write."""

    file_settings = ()

    @property
    @override
    def connects(self) -> bool:
        return False


class _CheckingTarget(TargetRainFocusAttendees):
    """Sends nothing, and shows what the target would send."""

    settings_class = _Settings

    @cached_property
    @override
    def taker(self) -> Check:
        return Check(self.settings, click.echo)

    def check(self, name: str) -> None:
        """Show what a run would make of the beginning of a file.

        Raises:
            FileError: It cannot be read.
            RainFocusError: Nothing in it could be loaded, as a run would say it.
        """
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        stream = "stdin" if name == STANDARD_INPUT else Path(name).stem
        with _opened(name) as file:
            given = singer_lines(lines(file, self._stop, _wait_on, LONGEST), stream)
            self.process_lines(t.cast("t.IO[str]", islice(given, MOST_LINES)))
        if not self._messages.schemas:
            msg = "The input has no stream: give what an extractor has written, or a JSON schema."
            raise InputError(msg, Trouble.NOT_SINGER)
        if self._messages.line < MOST_LINES:
            self.process_endofpipe()
        else:
            self.taker.end()
            click.echo(f"The first {MOST_LINES:,} lines were read, and no more.")


@contextmanager
def _opened(name: str) -> Iterator[t.IO[t.Any]]:
    if name == STANDARD_INPUT:
        yield standard_input()
        return
    try:
        with Path(name).open("rb") as file:
            yield file
    except OSError as error:
        msg = f"{name} cannot be read ({error.strerror}): check the file that --check names."
        raise FileError(msg, Trouble.FILE) from error


def _wait_on() -> None:
    pass
