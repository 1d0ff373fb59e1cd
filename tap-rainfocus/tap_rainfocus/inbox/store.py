"""The inbox: the table in which the receiver keeps what RainFocus pushes, and the tap reads it."""

from __future__ import annotations

import enum
import logging
import os
import typing as t
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
import tenacity
from rainfocus_client.errors import RainFocusError, SettingsError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BUSY_TIMEOUT = 30
"""Seconds to wait for somebody else who is writing."""

ATTEMPTS = 5
"""How often the tables are made when others make them at the same moment."""

LOOKUP_SIZE = 500
"""Keys looked up at a time."""

PRUNE_SIZE = 10_000
"""Rows deleted in a transaction, so that receivers need not wait long."""

OWNER_ONLY = 0o600

T = t.TypeVar("T")

_BEGIN = {
    # A transaction that begins by reading could not write once another one has.
    "sqlite": "BEGIN IMMEDIATE",
    # A machine that vanished must not keep the others out.
    "postgresql": (
        f"SELECT set_config('lock_timeout', '{BUSY_TIMEOUT}s', true),"
        # What is committed has to be on disk, whatever the server was tuned for.
        " CASE WHEN current_setting('synchronous_commit') = 'off'"
        " THEN set_config('synchronous_commit', 'on', true) END,"
        f" set_config('idle_in_transaction_session_timeout', '{BUSY_TIMEOUT}s', true)"
    ),
}
"""What a transaction that writes begins with."""

CONNECT = {
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "tcp_user_timeout": 30_000,
}
"""What a connection to PostgreSQL is made with; the last one is in milliseconds."""

_METADATA = sa.MetaData()

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_ROWS = sa.Table(
    "rainfocus_inbox",
    _METADATA,
    sa.Column("sequence", _NUMBER, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(200), nullable=False, unique=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("flow_id", sa.Text),
    sa.Column("transmission_id", sa.Text),
    sa.Column("readable", sa.Boolean, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
)

_SEQUENCE = sa.Table(
    "rainfocus_inbox_sequence",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("last", _NUMBER, nullable=False),
)

_TAKE = (
    sa.update(_SEQUENCE)
    .values(last=_SEQUENCE.c.last + sa.bindparam("count"))
    .returning(_SEQUENCE.c.last)
)
_FINGERPRINTS = sa.select(_ROWS.c.key, _ROWS.c.fingerprint).where(
    _ROWS.c.key.in_(sa.bindparam("keys", expanding=True))
)
_READ = (
    sa.select(
        _ROWS.c.sequence,
        _ROWS.c.received_at,
        _ROWS.c.flow_id,
        _ROWS.c.transmission_id,
        _ROWS.c.payload,
    )
    .where(_ROWS.c.sequence > sa.bindparam("after"), _ROWS.c.readable)
    .order_by(_ROWS.c.sequence)
    .limit(sa.bindparam("count"))
)


class Message(t.NamedTuple):
    """What is to be kept.

    `key` makes two of them the same, and `fingerprint` tells whether they also say the same. What
    is not `readable` is kept and counted, and never read.
    """

    key: str
    payload: str
    flow_id: str | None
    transmission_id: str | None
    readable: bool
    fingerprint: str


class Row(t.NamedTuple):
    """What was kept, with its place in the order and the time it was received (UTC)."""

    sequence: int
    received_at: datetime
    flow_id: str | None
    transmission_id: str | None
    payload: str


class Kept(enum.IntEnum):
    """What became of a message; it is true where the message was not there before."""

    DUPLICATE = 0
    NEW = 1
    CONFLICT = 2
    """Kept as unreadable: its key was there already, with other content."""


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
            may_be_new: Whether a file of SQLite is made where there is none.

        Raises:
            SettingsError: It cannot be used.
        """
        # At level debug it would log every row.
        logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
        try:
            if not may_be_new and not _is_there(url):
                msg = "There is no inbox where inbox_url says: check it, or start the receiver."
                raise SettingsError(msg)
            self._engine = _ready(_engine(url))
        except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
            msg = (
                f"Setting inbox_url cannot be used ({_cause(error)}): give a SQLAlchemy URL such "
                "as sqlite:///rainfocus-inbox.db, check that it can be written, and install the "
                "driver it names (for PostgreSQL tap-rainfocus[postgres])."
            )
            raise SettingsError(msg) from None

    def append(self, messages: list[Message]) -> list[Kept]:
        """Keep the messages, in one transaction that is on disk on return.

        Raises:
            RainFocusError: None was kept.
        """
        return self._write(lambda connection: _append(connection, messages)) if messages else []

    def read(self, after: int, limit: int) -> list[Row]:
        """The first `limit` readable rows whose sequence is beyond `after`, in order.

        Raises:
            RainFocusError: The inbox cannot be read.
        """
        found = self._read(
            lambda connection: connection.execute(_READ, {"after": after, "count": limit}).all()
        )
        return [Row(sequence, _utc(received_at), *rest) for sequence, received_at, *rest in found]

    def last(self) -> int:
        """The highest sequence given out, 0 if none.

        Raises:
            RainFocusError: The inbox cannot be read.
        """
        return self._read(lambda connection: connection.scalar(sa.select(_SEQUENCE.c.last)) or 0)

    def counts(self) -> dict[str, int]:
        """How many events there are, and how many rows that are none (unreadable).

        Raises:
            RainFocusError: The inbox cannot be read.
        """
        query = sa.select(_ROWS.c.readable, sa.func.count()).group_by(_ROWS.c.readable)
        found = self._read(lambda connection: {row[0]: row[1] for row in connection.execute(query)})
        return {"events": found.get(True, 0), "unreadable": found.get(False, 0)}

    def prune(self, *, before: datetime | None = None, sequence: int | None = None) -> int:
        """Remove the rows received before a time, or up to a sequence; says how many.

        Raises:
            RainFocusError: Not all could be removed.
        """
        old = sa.select(_ROWS.c.sequence).order_by(_ROWS.c.sequence).limit(PRUNE_SIZE)
        if before is not None:
            old = old.where(_ROWS.c.received_at < before.astimezone(UTC))
        if sequence is not None:
            old = old.where(_ROWS.c.sequence <= sequence)
        delete = sa.delete(_ROWS).where(_ROWS.c.sequence.in_(old.scalar_subquery()))
        removed = 0
        while found := self._write(lambda connection: connection.execute(delete).rowcount):
            removed += found
        return removed

    def check(self) -> None:
        """See that the inbox can be written.

        Raises:
            RainFocusError: It cannot.
        """
        self._write(lambda connection: connection.execute(_TAKE, {"count": 0}).scalar_one())

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _write(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            return _transact(self._engine, work)
        except sa.exc.SQLAlchemyError as error:
            msg = f"The inbox cannot be written ({_cause(error)}): check inbox_url."
            raise RainFocusError(msg) from None

    def _read(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except sa.exc.SQLAlchemyError as error:
            msg = f"The inbox cannot be read ({_cause(error)}): check inbox_url."
            raise RainFocusError(msg) from None


def _utc(moment: datetime) -> datetime:
    """A time as a database gives it: SQLite's has no zone, PostgreSQL's that of the session."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _engine(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() not in _BEGIN or parsed.database in {None, "", ":memory:"}:
        msg = "neither a file of SQLite nor a database of PostgreSQL"
        raise sa.exc.ArgumentError(msg)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(
            parsed,
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args=CONNECT,
        )
    # Events are personal data.
    os.close(os.open(str(parsed.database), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY))
    engine = sa.create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT}, hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: t.Any, _: object) -> None:  # noqa: ANN401
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return engine


def _ready(engine: sa.Engine) -> sa.Engine:
    try:
        _check_encoding(engine)
        _make(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _transact(engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
    with engine.begin() as connection:
        connection.exec_driver_sql(_BEGIN[engine.dialect.name])
        return work(connection)


def _is_there(url: str) -> bool:
    parsed = sa.make_url(url)
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").exists()


def _check_encoding(engine: sa.Engine) -> None:
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            encoding = connection.scalar(sa.text("SHOW server_encoding"))
        if encoding not in {"UTF8", b"UTF8"}:
            msg = "the database is not in UTF8"
            raise sa.exc.ArgumentError(msg)


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(sa.exc.DBAPIError),
    stop=tenacity.stop_after_attempt(ATTEMPTS),
    wait=tenacity.wait_random(0, 0.1),
    reraise=True,
)
def _make(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        if sa.inspect(connection).has_table(_SEQUENCE.name):
            return

    def make(connection: sa.Connection) -> None:
        _METADATA.create_all(connection)
        if connection.scalar(sa.select(_SEQUENCE.c.id)) is None:
            connection.execute(sa.insert(_SEQUENCE), {"id": 1, "last": 0})

    _transact(engine, make)


def _append(connection: sa.Connection, messages: list[Message]) -> list[Kept]:
    last = connection.execute(_TAKE, {"count": len(messages)}).scalar_one()
    first = last - len(messages) + 1
    said = _fingerprints(connection, {message.key for message in messages})
    there = set(said)
    clashing = {
        number: _apart(message)
        for number, message in enumerate(messages)
        if said.setdefault(message.key, message.fingerprint) != message.fingerprint
    }
    there.update(_fingerprints(connection, {message.key for message in clashing.values()}))
    now = datetime.now(UTC)
    kept, rows = [], []
    for number, plain in enumerate(messages):
        message = clashing.get(number, plain)
        if message.key in there:
            kept.append(Kept.DUPLICATE)
            continue
        there.add(message.key)
        kept.append(Kept.CONFLICT if number in clashing else Kept.NEW)
        rows.append({"sequence": first + number, "received_at": now, **message._asdict()})
    if rows:
        connection.execute(sa.insert(_ROWS), rows)
    return kept


def _apart(message: Message) -> Message:
    """The message under a key of its own, beside the one that came first."""
    return message._replace(key=f"conflict:{message.key}:{message.fingerprint}", readable=False)


def _fingerprints(connection: sa.Connection, keys: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    left = iter(keys)
    while some := list(islice(left, LOOKUP_SIZE)):
        rows = connection.execute(_FINGERPRINTS, {"keys": some})
        found.update((key, fingerprint) for key, fingerprint in rows)
    return found


def _cause(error: BaseException) -> str:
    return type(getattr(error, "orig", None) or error).__name__
