"""The inbox: the receiver keeps in it what RainFocus pushes, and the tap reads it."""

from __future__ import annotations

import secrets
import typing as t
from datetime import UTC, datetime, timedelta
from itertools import islice

import sqlalchemy as sa
from rainfocus_client.errors import SettingsError
from rainfocus_client.storage.database import Database
from rainfocus_client.troubles import Trouble

from tap_rainfocus.inbox.models import CONFLICT, FORGOTTEN, InboxRow, Kept, Message, Unreadable
from tap_rainfocus.inbox.tables import IDENTITY, ROWS, SEQUENCE, TABLES

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KINDS = {"sqlite", "postgresql"}
"""Databases whose counter has been tried."""

LOOKUP_SIZE = 500
"""Keys looked up at a time."""

RETRY_WINDOW = timedelta(seconds=30)
"""How long an event that says neither its id nor its time counts as sent again."""

PROBE_SIZE = 64 << 10
"""Bytes that a check writes at least."""

_KEPT = tuple(name for name in Message._fields if name in ROWS.c)
"""What of a message has a column."""

_NONE = "There is no inbox where inbox_url says: check it, or start the receiver."

_TAKE = (
    sa.update(SEQUENCE)
    .values(last=SEQUENCE.c.last + sa.bindparam("count"))
    .returning(SEQUENCE.c.last)
)
_FINGERPRINTS = sa.select(ROWS.c.key, ROWS.c.fingerprint).where(
    ROWS.c.key.in_(sa.bindparam("keys", expanding=True))
)
_MAKE_WAY = (
    sa.update(ROWS)
    .where(
        ROWS.c.key.in_(sa.bindparam("keys", expanding=True)),
        ROWS.c.received_at < sa.bindparam("before"),
    )
    .values(key=ROWS.c.key + "@" + sa.cast(ROWS.c.sequence, sa.String))
)
"""Takes the key from rows, so that it is another event's."""

KIND = sa.case(
    (ROWS.c.key.startswith(f"{CONFLICT}:"), CONFLICT),
    *((ROWS.c.key.startswith(fault.key("")), str(fault)) for fault in Unreadable),
    else_=str(Unreadable.NO_EVENT),  # as versions before named it
)
"""What kind of message a row that is not readable holds."""

_READ = (
    sa.select(
        ROWS.c.sequence, ROWS.c.received_at, ROWS.c.flow_id, ROWS.c.transmission_id, ROWS.c.payload
    )
    .where(ROWS.c.sequence > sa.bindparam("after"), ROWS.c.readable)
    .order_by(ROWS.c.sequence)
    .limit(sa.bindparam("count"))
)
_LAST = sa.select(sa.func.max(ROWS.c.sequence)).where(
    ROWS.c.sequence <= sa.bindparam("sequence"), ROWS.c.readable
)

UNREADABLE = ~ROWS.c.readable & ~ROWS.c.key.startswith(f"{FORGOTTEN}:") & (ROWS.c.sequence > 0)
"""What somebody may want to mend: neither a probe, nor what is left of what was removed."""

# Readers begin behind it, and no message has an empty key.
_PROBE = {"sequence": 0, "key": "", "fingerprint": "", "readable": False}
_REMOVE_PROBE = sa.delete(ROWS).where(ROWS.c.sequence == _PROBE["sequence"])


class Inbox:
    """An append-only table with a counter; any number of processes may use it at the same time.

    Whoever appends holds the counter's row until the commit. So rows become visible in the order
    of their sequence, and a reader that has seen one has seen all before it. A sequence is never
    given twice.
    """

    def __init__(self, url: str, *, may_be_new: bool = True) -> None:
        """Open the inbox, and make its tables where there are none.

        Args:
            url: SQLAlchemy URL.
            may_be_new: Whether a file of SQLite, and tables that are missing, are made; without
                it nothing is written.

        Raises:
            SettingsError: The inbox cannot be used.
        """
        self._database = Database("inbox", url)
        if self._database.kind not in KINDS:
            msg = "Setting inbox_url names neither a file of SQLite nor a PostgreSQL database."
            raise SettingsError(msg, Trouble.DATABASE_URL)
        if not may_be_new and not self._database.is_there:
            raise SettingsError(_NONE, Trouble.NO_INBOX)
        if self._database.kind == "postgresql" and self._database.encoding() != "UTF8":
            self.close()
            msg = "The database of inbox_url is not in UTF8: make one that is."
            raise SettingsError(msg, Trouble.DATABASE_URL)
        if may_be_new:
            self._database.create(TABLES)
        elif not (self._database.columns(ROWS) and self._database.columns(SEQUENCE)):
            self.close()
            raise SettingsError(_NONE, Trouble.NO_INBOX)

    def append(self, messages: list[Message]) -> list[Kept]:
        """Keep the messages, in one transaction that is on disk on return.

        Raises:
            StorageError: The inbox cannot be written; no message was kept.
        """
        return (
            self._database.write(lambda connection: append_rows(connection, messages))
            if messages
            else []
        )

    def require_room(self, size: int) -> None:
        """Refuse what would leave too little room on the disk to remove anything.

        Args:
            size: Bytes that are to be kept.

        Raises:
            StorageError: There is too little room.
        """
        self._database.require_room(max(size, PROBE_SIZE))

    def read(self, after: int, limit: int) -> list[InboxRow]:
        """The first `limit` readable rows whose sequence is beyond `after`, in order.

        Raises:
            StorageError: The inbox cannot be read.
        """
        found = self._database.read(
            lambda connection: connection.execute(_READ, {"after": after, "count": limit}).all()
        )
        return [
            InboxRow(sequence, to_utc(received_at), *rest) for sequence, received_at, *rest in found
        ]

    def last_row(self, sequence: int) -> InboxRow | None:
        """The last readable row up to a sequence.

        Raises:
            StorageError: The inbox cannot be read.
        """
        found = self._database.read(
            lambda connection: connection.scalar(_LAST, {"sequence": sequence})
        )
        return self.read(found - 1, 1)[0] if found else None

    def is_forgotten(self, sequence: int) -> bool:
        """Whether what was kept under a sequence was removed for the sake of a person.

        Raises:
            StorageError: The inbox cannot be read.
        """
        query = sa.select(ROWS.c.key).where(ROWS.c.sequence == sequence)
        key = self._database.read(lambda connection: connection.scalar(query)) or ""
        return key.startswith(f"{FORGOTTEN}:")

    def last(self) -> int:
        """The highest sequence given out, 0 if none.

        Raises:
            StorageError: The inbox cannot be read.
        """
        return self._database.read(
            lambda connection: connection.scalar(sa.select(SEQUENCE.c.last)) or 0
        )

    def identity(self) -> str | None:
        """What tells this inbox from all others; None in one that only versions before wrote to.

        Raises:
            SettingsError: The database cannot be used.
            StorageError: The inbox cannot be read.
        """
        if not self._database.columns(IDENTITY):
            return None
        return self._database.read(
            lambda connection: connection.scalar(sa.select(IDENTITY.c.identity))
        )

    def counts(self) -> dict[str, int]:
        """How many events there are, and how many rows that are none (unreadable).

        Raises:
            StorageError: The inbox cannot be read.
        """
        everything = sa.select(sa.func.count()).select_from(ROWS)
        others = everything.where(~ROWS.c.readable)
        unreadable = everything.where(UNREADABLE)
        total, other, found = self._database.read(
            lambda connection: [
                connection.scalar(query) or 0 for query in (everything, others, unreadable)
            ]
        )
        return {"events": total - other, "unreadable": found}

    def kinds(self) -> dict[str, int]:
        """How many rows are not readable, by kind: why not, or `conflict`.

        Raises:
            StorageError: The inbox cannot be read.
        """
        query = sa.select(KIND, sa.func.count()).where(UNREADABLE).group_by(KIND)
        return self._database.read(
            lambda connection: {row[0]: row[1] for row in connection.execute(query)}
        )

    def check(self, size: int = 0) -> None:
        """Check that the inbox can be written: commit a row, and remove it again.

        What a check leaves behind that is killed half-way, the next one removes.

        Args:
            size: Bytes that there has to be room for; `PROBE_SIZE` if that is more.

        Raises:
            StorageError: The inbox cannot be written.
        """
        self.require_room(size)
        self._database.write(lambda connection: _probe(connection, max(size, PROBE_SIZE)))
        self._database.write(lambda connection: connection.execute(_REMOVE_PROBE))

    def close(self) -> None:
        """Close the connections."""
        self._database.close()


def to_utc(moment: datetime) -> datetime:
    """A time as a database gives it: SQLite's has no zone, PostgreSQL's that of the session."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _probe(connection: sa.Connection, size: int) -> None:
    connection.execute(_TAKE, {"count": 0}).scalar_one()
    connection.execute(_REMOVE_PROBE)
    # At random, for PostgreSQL compresses; 3 bytes are 4 characters.
    content = secrets.token_urlsafe(size * 3 // 4)
    row = {**_PROBE, "received_at": datetime.now(UTC), "payload": content}
    connection.execute(sa.insert(ROWS), row)


def append_rows(
    connection: sa.Connection, messages: list[Message], received_at: datetime | None = None
) -> list[Kept]:
    """Keep the messages, in a transaction that others add.

    Args:
        connection: With the transaction.
        messages: What to keep.
        received_at: When they were received, if that was not now.
    """
    last = connection.execute(_TAKE, {"count": len(messages)}).scalar_one()
    first = last - len(messages) + 1
    now = datetime.now(UTC)
    if unplaced := [message.key for message in messages if not message.is_placed]:
        before = (received_at or now) - RETRY_WINDOW
        for some in _portions(unplaced):
            connection.execute(_MAKE_WAY, {"keys": some, "before": before})
    said = _fingerprints(connection, {message.key for message in messages})
    there = set(said)
    clashing = {
        number: _apart(message)
        for number, message in enumerate(messages)
        if said.setdefault(message.key, message.fingerprint) != message.fingerprint
    }
    there.update(_fingerprints(connection, {message.key for message in clashing.values()}))
    kept, rows = [], []
    for number, plain in enumerate(messages):
        message = clashing.get(number, plain)
        if message.key in there:
            kept.append(Kept.DUPLICATE)
            continue
        there.add(message.key)
        kept.append(Kept.CONFLICT if number in clashing else Kept.NEW)
        # No two rows are received at the same moment: it may be all that tells them apart.
        moment = (received_at or now) + timedelta(microseconds=number)
        rows.append(_row(message, sequence=first + number, received_at=moment))
    if rows:
        connection.execute(sa.insert(ROWS), rows)
    return kept


def _apart(message: Message) -> Message:
    """The message under a key of its own, beside the one that came first."""
    return message._replace(key=f"{CONFLICT}:{message.key}:{message.fingerprint}", readable=False)


def _fingerprints(connection: sa.Connection, keys: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for some in _portions(keys):
        rows = connection.execute(_FINGERPRINTS, {"keys": some})
        found.update((key, fingerprint) for key, fingerprint in rows)
    return found


def _portions(keys: Iterable[str]) -> Iterator[list[str]]:
    left = iter(keys)
    while some := list(islice(left, LOOKUP_SIZE)):
        yield some


def _row(message: Message, **more: object) -> dict[str, object]:
    return {name: getattr(message, name) for name in _KEPT} | more
