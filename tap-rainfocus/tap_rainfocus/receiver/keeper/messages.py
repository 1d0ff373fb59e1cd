"""The commands `status`, `list`, `export` and `judge`."""

from __future__ import annotations

import base64
import os
import re
import typing as t
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import orjson
from rainfocus_client.errors import DataError, FileError
from rainfocus_client.lenient_json import parse_storable
from rainfocus_client.persons.texts import counted
from rainfocus_client.storage.database import OWNER_ONLY
from rainfocus_client.troubles import Trouble

from tap_rainfocus.inbox import payloads
from tap_rainfocus.inbox.content import ContentReader
from tap_rainfocus.inbox.models import CONFLICT, Judged
from tap_rainfocus.receiver.bodies import BodyReader
from tap_rainfocus.receiver.keeper.options import UNTYPED, opened, read_up_to
from tap_rainfocus.receiver.settings import Settings
from tap_rainfocus.schema.values import rfc3339

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_rainfocus.inbox.keeping import KeptInbox
    from tap_rainfocus.inbox.models import KeptRow

MOST_SHOWN = 20
"""Event types, and names of fields, that are shown."""

_NAME = re.compile(r"[\w.:-]{1,40}")

sequences_argument = click.argument("sequences", nargs=-1, type=click.IntRange(1))


@click.command()
@click.option(
    "--state", metavar="FILE", help="The tap's state, or what `meltano state get` prints."
)
def status(state: str | None) -> None:
    """Tell what the inbox holds, and with --state what the tap has yet to read."""
    with opened() as inbox:
        after = read_up_to(inbox, state) if state else None
        events, kinds = inbox.counts()["events"], inbox.kinds()
        conflicts = kinds.pop(CONFLICT, 0)
        click.echo(f"Events: {events:,}{_in_brackets(_types(inbox))}")
        click.echo(f"Not read: {sum(kinds.values()):,}{_in_brackets(Counter(kinds))}")
        click.echo(f"Conflicts: {conflicts:,}")
        click.echo(f"Last sequence: {inbox.last():,}")
        click.echo(f"On the disk: {inbox.size() / 1e6:,.1f} MB")
        if after is not None:
            unread = inbox.unread(after)
            oldest = (
                f", the oldest with sequence {unread.sequence:,}, received "
                f"{rfc3339(unread.received_at)}"
                if unread.received_at
                else ""
            )
            click.echo(f"Unread by the tap: {unread.events:,}{oldest}")


def _types(inbox: KeptInbox) -> Counter[str]:
    read = ContentReader()
    found: Counter[str] = Counter()
    for row in inbox.rows(readable=True):
        name = None
        with suppress(ValueError):
            name = read(payloads.kept_event(row.payload)).event_type
        found[name or UNTYPED] += 1
    return found


def _in_brackets(numbers: Counter[str]) -> str:
    ordered = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{number:,} {_shown(name)}" for name, number in ordered[:MOST_SHOWN]]
    more = ["…"] if len(numbers) > MOST_SHOWN else []
    return f" ({', '.join(shown + more)})" if shown else ""


@click.command("list")
def list_() -> None:
    """List what is kept and not read: its sequence, when and why, and the names of its fields."""
    line = "{:>10}  {:24}  {:9}  {:>9}  {}"
    with opened() as inbox:
        for number, row in enumerate(inbox.rows(readable=False)):
            if not number:
                click.echo(line.format("sequence", "received", "kind", "bytes", "fields"))
            body = payloads.as_bytes(row.payload)
            when = rfc3339(row.received_at)
            click.echo(line.format(row.sequence, when, row.kind, len(body), _names(body)).rstrip())


def _names(body: bytes) -> str:
    """The names of the fields in a body, as far as they look like names."""
    try:
        value = parse_storable(body)
    except ValueError:
        return ""
    names = [_shown(name) for name in value] if isinstance(value, dict) else []
    return ", ".join(names[:MOST_SHOWN] + ["…"] * (len(names) > MOST_SHOWN))


def _shown(name: str) -> str:
    return name if _NAME.fullmatch(name) or name == UNTYPED else "?"


@click.command()
@sequences_argument
@click.option("--output", metavar="FILE", help="A new file; standard output otherwise.")
def export(sequences: tuple[int, ...], output: str | None) -> None:
    """Write what is kept and not read, or what of it has these SEQUENCES, as lines of JSON.

    They have sequence, received_at, kind, flow_id, and payload: a text, or of bytes that are none
    payload_base64. It is personal data.
    """
    with opened() as inbox:
        _check(inbox, sequences)
        with _written(output) as write:
            for row in _chosen(inbox, sequences):
                write(_line(row))


def _line(row: KeptRow) -> bytes:
    body = payloads.as_bytes(row.payload)
    told: dict[str, t.Any] = {
        "sequence": row.sequence,
        "received_at": rfc3339(row.received_at),
        "kind": row.kind,
        "flow_id": row.flow_id,
    }
    try:
        told["payload"] = body.decode()
    except UnicodeDecodeError:
        told["payload_base64"] = base64.b64encode(body).decode()
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


@contextmanager
def _written(output: str | None) -> Iterator[t.Callable[[bytes], object]]:
    if output is None:
        yield lambda line: click.echo(line, nl=False)
        return
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            yield file.write
    except OSError as error:
        msg = f"Cannot write {Path(output)}: {error.strerror}."
        raise FileError(msg, Trouble.FILE) from error


@click.command()
@sequences_argument
def judge(sequences: tuple[int, ...]) -> None:
    """Look again at what is kept and not read, or at what of it has these SEQUENCES.

    After an upgrade, or with another payload_key, some of it may be events: these get a new
    sequence, so that the tap reads them in its next run.
    """
    settings = Settings.read(serving=False)
    read_body = BodyReader(settings.payload_key)
    judged: Counter[Judged] = Counter()
    with opened(settings) as inbox:
        last = inbox.last()
        _check(inbox, sequences)
        for row in _chosen(inbox, sequences):
            if row.sequence > last:
                break
            try:
                messages = read_body(payloads.as_bytes(row.payload), row.flow_id)
            except ValueError:  # too large, or too many
                messages = []
            judged[inbox.judge(row, messages) if messages else Judged.UNREAD] += 1
    said = counted(judged.total(), "message was", "messages were")
    click.echo(
        f"{said} looked at: {judged[Judged.NEW]:,} with events that the tap reads next, "
        f"{judged[Judged.KNOWN]:,} with events that are there already, "
        f"{judged[Judged.UNREAD]:,} as before."
    )


def _check(inbox: KeptInbox, sequences: tuple[int, ...]) -> None:
    """Check that there is a row that is not readable with each of these sequences.

    Raises:
        DataError: There is none with one of them.
    """
    wanted = set(sequences)
    if wanted and (unknown := wanted - {row.sequence for row in inbox.rows(readable=False)}):
        msg = f"No unread message has sequence {min(unknown)}: see rainfocus-receiver list."
        raise DataError(msg, Trouble.NO_SUCH_MESSAGE)


def _chosen(inbox: KeptInbox, sequences: tuple[int, ...]) -> Iterator[KeptRow]:
    """The rows that are not readable, or those of them with these sequences."""
    wanted = set(sequences)
    yield from (row for row in inbox.rows(readable=False) if not wanted or row.sequence in wanted)
