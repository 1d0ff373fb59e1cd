"""The command `forget`."""

from __future__ import annotations

import re
import typing as t
import zlib
from contextlib import suppress

import click
from rainfocus_client.errors import DataError
from rainfocus_client.lenient_json import parse_storable
from rainfocus_client.persons.options import WITH_WORDS, person_options
from rainfocus_client.persons.person import Person
from rainfocus_client.persons.texts import counted
from rainfocus_client.troubles import Trouble

from tap_rainfocus.inbox import payloads
from tap_rainfocus.inbox.content import ContentReader
from tap_rainfocus.receiver.bodies import COMPRESSED, GZIP_OR_ZLIB, MOST_BYTES
from tap_rainfocus.receiver.keeper.options import opened

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_rainfocus.inbox.keeping import KeptInbox
    from tap_rainfocus.inbox.models import KeptRow

SHORTEST_ID = 6
"""Characters of an id that can be looked for beside an address: shorter ones may be anybody's."""

_PIECE = 256
_ESCAPED = re.compile(r"\\+u([0-9A-Fa-f]{4})")


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
        raise DataError(msg, Trouble.NOTHING_KEPT)
    events = sum(found.values())
    removed = counted(events, "event", "events")
    others = counted(len(found) - events, "message that is not read", "messages that are not read")
    click.echo(f"Removed {removed} and {others} from the inbox.")


def _about(inbox: KeptInbox, person: Person) -> dict[int, bool]:
    """The rows about a person: their sequences, and whether they are events."""
    found: dict[int, bool] = {}
    ids: set[str] = set()
    read = ContentReader()
    for row in inbox.rows():
        if _is_about(row, [person]):
            found[row.sequence] = row.readable
            ids.update(_id_beside(person, row, read))
    if others := [Person(None, known) for known in ids]:
        for row in inbox.rows():
            if row.sequence not in found and _is_about(row, others):
                found[row.sequence] = row.readable
    return found


def _is_about(row: KeptRow, persons: list[Person]) -> bool:
    """Whether a row holds something of one of these people."""
    body = payloads.as_bytes(row.payload)
    if body.startswith(COMPRESSED):
        body = _decompressed(body)
    texts = [row.flow_id] if row.flow_id else []
    try:
        value = parse_storable(body)
    except ValueError:
        value = None
        texts += _texts(body)
    return any(person.is_in(value) or any(map(person.is_in_text, texts)) for person in persons)


def _texts(body: bytes) -> Iterator[str]:
    """What may be meant by a body that is no JSON."""
    charsets = ("utf-8", "latin-1", *(("utf-16", "utf-16-be") if b"\0" in body else ()))
    for charset in charsets:
        text = body.decode(charset, "replace")
        yield text
        if "\\u" in text:  # of JSON that is cut off
            yield _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


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
