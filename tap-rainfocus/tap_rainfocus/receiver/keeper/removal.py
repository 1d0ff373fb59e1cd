"""The commands `prune` and `forget`."""

from __future__ import annotations

import re
import typing as t
import zlib
from contextlib import suppress
from datetime import UTC, datetime

import click
from rainfocus_client.errors import DataError, UsageError
from rainfocus_client.lenient_json import parse_storable
from rainfocus_client.persons.options import WITH_WORDS, person_options
from rainfocus_client.persons.person import Person

from tap_rainfocus.inbox import payloads
from tap_rainfocus.inbox.content import ContentReader
from tap_rainfocus.receiver.bodies import COMPRESSED, GZIP_OR_ZLIB, MOST_BYTES
from tap_rainfocus.receiver.keeper.options import count, opened, read_up_to

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_rainfocus.inbox.keeping import KeptInbox
    from tap_rainfocus.inbox.models import KeptRow
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
        raise UsageError(msg)
    before = None if read_before.isdecimal() else _moment(read_before)
    if before and not (state or unread):
        msg = (
            "A time does not tell what was read: give the tap's state with --state, or --unread to "
            "remove also what was not read."
        )
        raise UsageError(msg)
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


@click.command(context_settings=WITH_WORDS)
@person_options("RainFocus' id for the person.")
def forget(email: str | None, attendee_id: str | None) -> None:
    """Remove what the inbox holds of one person, whether it was read or not.

    Whoever is looked for by address is also removed where only the attendeeId stands that an
    event has beside that address. Give --email, --attendee-id or both.
    """
    with opened() as inbox:
        found = _about(inbox, Person(email, attendee_id))
        inbox.forget(found)
    if not found:
        msg = "The inbox holds nothing of this person."
        raise DataError(msg)
    kinds = (sum(is_event for is_event in found.values()), len(found))
    removed = count(kinds[0], "event", "events")
    others = count(kinds[1] - kinds[0], "message that is not read", "messages that are not read")
    click.echo(f"Removed {removed} and {others} from the inbox.")


def _about(inbox: KeptInbox, person: Person) -> dict[int, bool]:
    """The rows about a person: their sequences, and whether they are events."""
    found: dict[int, bool] = {}
    ids: set[str] = set()
    read = ContentReader()
    for row in inbox.rows():
        if any(_is_in(person, value) for value in _readings(row)):
            found[row.sequence] = row.readable
            ids.update(_id_beside(person, row, read))
    if others := [Person(None, known) for known in ids]:
        for row in inbox.rows():
            if row.sequence not in found and any(
                _is_in(other, value) for value in _readings(row) for other in others
            ):
                found[row.sequence] = row.readable
    return found


def _is_in(person: Person, value: object) -> bool:
    return person.is_in_text(value.text) if isinstance(value, _Text) else person.is_in(value)


SHORTEST_ID = 6
"""Characters of an id that can be looked for beside an address: shorter ones may be anybody's."""

_PIECE = 256
_ESCAPED = re.compile(r"\\+u([0-9A-Fa-f]{4})")


class _Text(t.NamedTuple):
    """What is no JSON."""

    text: str


def _readings(row: KeptRow) -> Iterator[object]:
    """What a row may say: the value of JSON, or texts."""
    body = payloads.as_bytes(row.payload)
    if body.startswith(COMPRESSED):
        body = _decompressed(body)
    if row.flow_id:
        yield _Text(row.flow_id)
    try:
        yield parse_storable(body)
    except ValueError:
        charsets = ("utf-8", "latin-1", *(("utf-16", "utf-16-be") if b"\0" in body else ()))
        for charset in charsets:
            text = body.decode(charset, "replace")
            yield _Text(text)
            if "\\u" in text:  # of JSON that is cut off
                yield _Text(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), text))


def _decompressed(body: bytes) -> bytes:
    """As much of a compressed body as can be read."""
    found = b""
    while body and len(found) < MOST_BYTES:
        stream = zlib.decompressobj(GZIP_OR_ZLIB)
        with suppress(zlib.error):
            for begin in range(0, len(body), _PIECE):
                found += stream.decompress(body[begin : begin + _PIECE], MOST_BYTES)
                if stream.eof:
                    break
        body = stream.unused_data + body[begin + _PIECE :] if stream.eof else b""
    return found


def _id_beside(person: Person, row: KeptRow, read: ContentReader) -> Iterator[str]:
    """The attendee's id in an event that says the person's address as the attendee's."""
    if row.readable:
        with suppress(ValueError):
            attendee = read(payloads.kept_event(row.payload)).groups.get("attendee", {})
            known = attendee.get("attendeeId", "")
            if len(known) >= SHORTEST_ID and person.has_address(attendee.get("email", "")):
                yield known


def _last(inbox: Inbox, sequence: int) -> int:
    last = inbox.last()
    if sequence > last:
        msg = f"--read-before is beyond the last sequence, {last}: nothing was removed."
        raise UsageError(msg)
    return sequence


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        msg = "--read-before is neither a time such as 2026-01-31T00:00:00Z nor a sequence."
        raise UsageError(msg) from error
    return moment
