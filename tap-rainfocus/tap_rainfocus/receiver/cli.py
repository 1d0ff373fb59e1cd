"""The commands of `rainfocus-receiver`."""

from __future__ import annotations

import os
import typing as t
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import click
from rainfocus_client.errors import DataError, UsageError

from tap_rainfocus.inbox.store import Inbox
from tap_rainfocus.receiver import background
from tap_rainfocus.receiver.bodies import BodyReader
from tap_rainfocus.receiver.http import server
from tap_rainfocus.receiver.replay import Replay
from tap_rainfocus.receiver.settings import Settings, read_folder
from tap_rainfocus.receiver.tap_state import read_progress

SHOWN = 20
"""Numbers of bad lines that are told."""

host_option = click.option("--host", help="Address to listen on; 127.0.0.1 unless set.")
port_option = click.option("--port", type=click.IntRange(0, 65535), help="Port; 8766 unless set.")
folder_option = click.option(
    "--folder",
    help="Folder of receiver.pid and receiver.log; .receiver, or RAINFOCUS_RECEIVER_FOLDER.",
)

wait_option = partial(
    click.option,
    "--wait",
    type=click.IntRange(1, 3600),
    show_default=True,
    help="Seconds to wait at most.",
)


@click.group(context_settings={"max_content_width": 100})
@click.version_option(package_name="tap-rainfocus")
def cli() -> None:
    """Receive what RainFocus pushes, and keep it in the inbox that tap-rainfocus reads.

    Settings are environment variables, or lines of .env: RAINFOCUS_RECEIVER_INBOX_URL (a
    SQLAlchemy URL), RAINFOCUS_RECEIVER_INLET (the secret at the end of the address),
    RAINFOCUS_RECEIVER_TOKEN (a Bearer token, if one is to be wanted too), RAINFOCUS_RECEIVER_HOST,
    RAINFOCUS_RECEIVER_PORT, and RAINFOCUS_RECEIVER_FOLDER (for start and stop).
    """


@cli.command()
@host_option
@port_option
@click.option("--pid-fd", type=int, hidden=True)
def serve(host: str | None, port: int | None, pid_fd: int | None) -> None:
    """Receive at /collection/{inlet} and /collection/batch/{inlet}, until told to stop.

    /health says whether the inbox can be written, /metrics counts for Prometheus.
    """
    server.serve(Settings.read(serving=True, host=host, port=port), pid_fd)


@cli.command()
@host_option
@port_option
@folder_option
@wait_option(default=30)
def start(host: str | None, port: int | None, folder: str | None, wait: int) -> None:
    """Serve in the background; returns when it answers.

    A service manager should run serve instead.
    """
    settings = Settings.read(serving=True, host=host, port=port)
    given = {"--host": host, "--port": port}
    options = [f"{name}={value}" for name, value in given.items() if value is not None]
    _tell(background.start(read_folder(folder), wait, settings.fingerprint, options))


@cli.command()
@folder_option
@wait_option(default=60)
def stop(folder: str | None, wait: int) -> None:
    """Stop what start has started; returns when its requests are answered and it is gone."""
    _tell(background.stop(read_folder(folder), wait))


@cli.command()
@click.option(
    "--read-before",
    metavar="WHEN",
    required=True,
    help=(
        "An ISO 8601 time, UTC unless it says otherwise: what was received before. Or the sequence "
        "in the tap's state: what was read up to then."
    ),
)
@click.option(
    "--state",
    metavar="FILE",
    help=(
        "The tap's state, or what `meltano state get` prints: what it has not read by then stays."
    ),
)
@click.option("--unread", is_flag=True, help="Remove what no tap has read, too.")
@click.option("--unreadable", is_flag=True, help="Remove what no tap can read, too.")
@click.option("--vacuum", is_flag=True, help="Give the disk back.")
def prune(
    *, read_before: str, state: str | None, unread: bool, unreadable: bool, vacuum: bool
) -> None:
    """Remove what the tap has long read.

    A transmission that comes again after it was removed counts as new: leave some days.
    """
    if state and unread:
        msg = "--state keeps what was not read, and --unread removes it: give one of them."
        raise UsageError(msg)
    before = None if read_before.isdecimal() else _moment(read_before)
    if before and not (state or unread):
        msg = (
            "A time does not tell what was read: give the tap's state with --state, or --unread to "
            "remove also what was not read."
        )
        raise UsageError(msg)
    with _inbox() as inbox:
        ends = [] if before else [_last(inbox, int(read_before))]
        if state:
            ends.append(_read(inbox, state))
        sequence = min(ends, default=None)
        removed = inbox.prune(before=before, sequence=sequence, unreadable=unreadable)
        left = inbox.unreadable(before=before, sequence=sequence)
        said = [f"{removed} removed."]
        if left:
            said.append(f"{left} that are unreadable were left: --unreadable removes them.")
        if removed and not vacuum:
            said.append("The inbox takes as much disk as before: --vacuum gives it back.")
        click.echo(" ".join(said))
        if vacuum:
            inbox.vacuum()


@cli.command()
@click.argument("file", type=click.File("rb"))
def replay(file: t.BinaryIO) -> None:
    """Put captured payloads into the inbox: one a line in FILE, or - for standard input."""
    settings = Settings.read(serving=False)
    with closing(Inbox(settings.inbox_url)) as inbox:
        replayed = Replay(inbox, BodyReader(settings.payload_key))
        replayed.feed(file)
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in replayed.counts.items()))
    if replayed.bad:
        shown = ", ".join(map(str, replayed.bad[:SHOWN]))
        more = " and more" if len(replayed.bad) > SHOWN else ""
        msg = (
            f"{len(replayed.bad)} lines that are not JSON, or hold more than 10,000 messages, were "
            f"left out: number {shown}{more}."
        )
        raise DataError(msg)


def _tell(text: str) -> None:
    # As bytes: a path need not be made of characters that can be printed here.
    click.echo(os.fsencode(text))


def _inbox() -> closing[Inbox]:
    return closing(Inbox(Settings.read(serving=False).inbox_url, may_be_new=False))


def _last(inbox: Inbox, sequence: int) -> int:
    last = inbox.last()
    if sequence > last:
        msg = f"--read-before is beyond the last sequence, {last}: nothing was removed."
        raise UsageError(msg)
    return sequence


def _read(inbox: Inbox, state: str) -> int:
    """The last sequence that was read by a state."""
    read, identity = read_progress(state), inbox.identity()
    is_other = read.identity and identity and read.identity != identity
    if is_other or read.sequence > inbox.last():
        msg = "--state is of another inbox, or this one was put back: nothing was removed."
        raise UsageError(msg)
    return read.sequence


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        msg = "--read-before is neither a time such as 2026-01-31T00:00:00Z nor a sequence."
        raise UsageError(msg) from error
    return moment
