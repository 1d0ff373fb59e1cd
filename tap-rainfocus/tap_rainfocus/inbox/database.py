"""The inbox's database: its tables, and how they are opened, made and written."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import sqlalchemy as sa
import tenacity

if t.TYPE_CHECKING:
    from collections.abc import Callable

BUSY_TIMEOUT = 30
"""Seconds to wait for somebody else who is writing."""

ATTEMPTS = 5
"""How often the tables are made when others make them at the same moment."""

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

ROWS = sa.Table(
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

SEQUENCE = sa.Table(
    "rainfocus_inbox_sequence",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("last", _NUMBER, nullable=False),
)


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


def open_database(url: str) -> sa.Engine:
    """Open it, and make its tables where there are none.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: It cannot be used.
        ImportError: Its driver is not installed.
        OSError: Its file cannot be opened.
    """
    engine = _engine(url)
    try:
        _check_encoding(engine)
        _make(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def transact(engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
    """Do some work in a transaction that writes; it is on disk on return."""
    with engine.begin() as connection:
        connection.exec_driver_sql(_BEGIN[engine.dialect.name])
        return work(connection)


def is_there(url: str) -> bool:
    """Whether there is a file of SQLite; a server is always taken to be there."""
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
        if sa.inspect(connection).has_table(SEQUENCE.name):
            return

    def make(connection: sa.Connection) -> None:
        _METADATA.create_all(connection)
        if connection.scalar(sa.select(SEQUENCE.c.id)) is None:
            connection.execute(sa.insert(SEQUENCE), {"id": 1, "last": 0})

    transact(engine, make)


def cause(error: BaseException) -> str:
    """What may be told of an error: its kind, never its text."""
    return type(getattr(error, "orig", None) or error).__name__
