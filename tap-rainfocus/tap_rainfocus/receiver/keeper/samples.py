"""The commands `check` and `replay`."""

from __future__ import annotations

import typing as t
from contextlib import closing
from datetime import UTC, datetime

import click
import orjson
from rainfocus_client.errors import DataError
from rainfocus_client.persons.texts import counted
from rainfocus_client.troubles import Trouble

from tap_rainfocus.inbox import payloads
from tap_rainfocus.inbox.content import ContentReader
from tap_rainfocus.inbox.models import Unreadable
from tap_rainfocus.inbox.records import event_fields, with_groups_first
from tap_rainfocus.inbox.store import Inbox
from tap_rainfocus.receiver.bodies import MOST_BYTES, MOST_MESSAGES, BodyReader
from tap_rainfocus.receiver.keeper.options import UNTYPED
from tap_rainfocus.receiver.keeper.replay import Replay
from tap_rainfocus.receiver.settings import Settings
from tap_rainfocus.schema import unread, xdm
from tap_rainfocus.schema.normalization import Normalizer
from tap_rainfocus.schema.speakers import SpeakerView

if t.TYPE_CHECKING:
    from tap_rainfocus.inbox.content import Content
    from tap_rainfocus.inbox.models import Message

SHOWN = 20
"""Numbers of bad lines that are told."""

ALL_FIELDS = 23


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
def check(file: str) -> None:
    """Tell what would be read of a sample payload in FILE, and how it would come out.

    It may be what RainFocus' Integration Profile shows as its sample, pretty-printed, or a line
    of JSON each; - is standard input. Nothing is kept.
    """
    read_body = BodyReader(Settings.read(serving=False).payload_key)
    with click.open_file(file, "rb") as opened:
        body = opened.read(MOST_BYTES + 1)
    try:
        messages = read_body(body) if len(body) <= MOST_BYTES and body.strip() else []
    except ValueError:
        messages = []
    if not messages:
        msg = (
            f"{file} is empty or too large: a push has up to {MOST_BYTES:,} bytes and "
            f"{MOST_MESSAGES:,} messages."
        )
        raise DataError(msg, Trouble.PUSH_FILE)
    if all(message.fault not in {None, Unreadable.NO_EVENT} for message in messages):
        msg = f"{file} cannot be read as JSON ({messages[0].fault})."
        raise DataError(msg, Trouble.PUSH_FILE)
    view = SpeakerView()
    normalize = Normalizer((view.apply(xdm.ROOT), *map(view.apply, xdm.EXPERIENCE)))
    first: dict[str, int] = {}
    for number, message in enumerate(messages, 1):
        if (same := first.setdefault(message.key, number)) != number:
            click.echo(f"Message {number}: the same as message {same}.")
        else:
            _tell(number, message, normalize)
    events = sum(message.readable for message in messages)
    if len(first) < len(messages):
        click.echo(f"{counted(len(first), 'message is', 'messages are')} not the same as another.")
    click.echo(f"{events:,} of {counted(len(messages), 'message', 'messages')} would be read.")
    if not events:
        msg = (
            f"{file} holds no experience event: if something else wraps it, name that with "
            "RAINFOCUS_RECEIVER_PAYLOAD_KEY."
        )
        raise DataError(msg, Trouble.PUSH_FILE)


def _tell(number: int, message: Message, normalize: Normalizer) -> None:
    if not message.readable:
        click.echo(f"Message {number}: not read ({message.fault}).")
        return
    payload = payloads.kept_event(message.payload)
    read = ContentReader()
    content = read(payload)
    fields = _fields(content)
    click.echo(f"Message {number}: an event, {message.event_type or UNTYPED}.")
    click.echo(f"  {len(fields)} of the {ALL_FIELDS} fields: {', '.join(fields)}")
    if unknown := sorted(read.unknown):
        click.echo(f"  Not known, passed through: {', '.join(unknown)}")
    shaped = normalize(with_groups_first(payload))
    if shaped.unread:
        click.echo(f"  Not readable, kept in {unread.FIELD}: {', '.join(shaped.unread)}")
    now = datetime.now(UTC)
    record = event_fields(shaped, content.identity(now), now, number)
    record[unread.FIELD] = unread.as_text(shaped.unread)
    click.echo(orjson.dumps(record, option=orjson.OPT_INDENT_2))


def _fields(content: Content) -> list[str]:
    found = [
        f"{group}.{name}" if group else name
        for group, fields in content.groups.items()
        for name in fields
    ]
    return sorted([*found, *content.unread, *(["timestamp"] if content.time else [])])


@click.command()
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
        raise DataError(msg, Trouble.PUSH_FILE)
