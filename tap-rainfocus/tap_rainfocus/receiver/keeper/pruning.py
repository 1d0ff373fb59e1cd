"""The command `prune`."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

import click
from rainfocus_client.errors import UsageError
from rainfocus_client.troubles import Trouble

from tap_rainfocus.receiver.keeper.options import opened, read_up_to

if t.TYPE_CHECKING:
    from tap_rainfocus.inbox.store import Inbox


@click.command()
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
        raise UsageError(msg, Trouble.USAGE)
    before = None if read_before.isdecimal() else _moment(read_before)
    if before and not (state or unread):
        msg = (
            "A time does not tell what was read: give the tap's state with --state, or --unread to "
            "remove also what was not read."
        )
        raise UsageError(msg, Trouble.USAGE)
    with opened() as inbox:
        ends = [] if before else [_last(inbox, int(read_before))]
        if state:
            ends.append(read_up_to(inbox, state))
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


def _last(inbox: Inbox, sequence: int) -> int:
    last = inbox.last()
    if sequence > last:
        msg = f"--read-before is beyond the last sequence, {last}: nothing was removed."
        raise UsageError(msg, Trouble.USAGE)
    return sequence


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        msg = "--read-before is neither a time such as 2026-01-31T00:00:00Z nor a sequence."
        raise UsageError(msg, Trouble.USAGE) from error
    return moment
