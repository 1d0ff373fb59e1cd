"""Remembers, across runs, what was stored for whom, in hashes."""

from __future__ import annotations

import hashlib
import logging
import time
import typing as t
from operator import itemgetter
from pathlib import Path

import orjson
import sqlalchemy as sa
import tenacity
from rainfocus_client.errors import RainFocusError, SettingsError

from target_rainfocus_attendees.mapping.emails import hash_email

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

ATTEMPTS = 3
"""How often a transaction is tried that another target gets in the way of."""

LOCK_TIMEOUT = 10
"""Seconds to wait for another target that is writing."""

T = t.TypeVar("T")

Entry: t.TypeAlias = tuple[str, str]
"""The key of a person, and the fingerprint of what is to be sent."""

_TABLE = sa.Table(
    "rainfocus_attendee_ledger",
    sa.MetaData(),
    sa.Column("identity", sa.String(64), primary_key=True),
    sa.Column("fingerprint", sa.String(64)),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("claimed_at", sa.Float),
)


class Claim(t.NamedTuple):
    """The right to write down what is being sent for somebody.

    `version` is None where another target is sending for the same person: whose request arrives
    last is then not known, and neither may write it down.
    """

    key: str
    fingerprint: str
    version: int | None


class Ledger:
    """Fingerprints of the last profile stored, by a hash of identity and event.

    Before a profile is sent its entry is blanked, and written anew when it is stored. So an entry
    never says more than what RainFocus holds: not after a crash, and not if two targets send for
    one person at the same time.
    """

    def __init__(self, url: str, place: str, *, lease: float, read_only: bool = False) -> None:
        """Open the ledger, and make its table where there is none.

        Args:
            url: SQLAlchemy URL.
            place: Tells one Attendee Store from others: address, organisation and event.
            lease: Seconds after which a claim counts as given up: no request takes longer.
            read_only: Whether it is only to be read; a missing one is then empty.

        Raises:
            SettingsError: It cannot be used.
        """
        self._place = place
        try:
            self._engine = _engine(url, read_only=read_only)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
            msg = (
                f"Setting ledger_url cannot be used ({type(error).__name__}): give a SQLAlchemy "
                "URL such as sqlite:///ledger.db, and install the driver it names."
            )
            raise SettingsError(msg) from error
        self._lease = lease
        self._is_empty = False
        try:
            if read_only:
                self._is_empty = not (_is_there(self._engine) and self._try(_exists))
            else:
                self._try(lambda connection: _TABLE.create(connection, checkfirst=True))
        except RainFocusError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def entry(self, identity: str, fields: Mapping[str, t.Any]) -> Entry:
        """The key of a person, and the fingerprint of what is to be sent."""
        body = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
        return _sha256(f"{self._place}\n{hash_email(identity)}".encode()), _sha256(body)

    def known(self, entries: Iterable[Entry]) -> set[Entry]:
        """Those of the entries that are written down.

        Raises:
            RainFocusError: The ledger cannot be read.
        """
        keys = {key for key, _ in entries}
        if self._is_empty:
            return set()
        rows = self._try(lambda connection: _rows(connection, keys, lock=False))
        return {(key, row.fingerprint) for key, row in rows.items() if row.fingerprint}

    def claim(self, entries: list[Entry]) -> list[Claim | None]:
        """Blank the entries of people about to be sent; None for those that are unchanged.

        No person may be among them twice.

        Raises:
            RainFocusError: The ledger cannot be written.
        """
        return self._try(lambda connection: _claim(connection, entries, self._lease))

    def settle(self, claims: Iterable[tuple[Claim, bool]]) -> None:
        """Write down what was stored, and give back the claims on what was not.

        Raises:
            RainFocusError: The ledger cannot be written.
        """
        rows = [
            {"k": claim.key, "v": claim.version, "f": claim.fingerprint if stored else None}
            for claim, stored in claims
            if claim.version is not None
        ]
        if rows:
            statement = (
                sa.update(_TABLE)
                .where(
                    _TABLE.c.identity == sa.bindparam("k"), _TABLE.c.version == sa.bindparam("v")
                )
                .values(fingerprint=sa.bindparam("f"), claimed_at=None)
            )
            self._try(lambda connection: connection.execute(statement, rows))

    def _try(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            return t.cast("T", _persist(self._transact, work))
        except sa.exc.SQLAlchemyError as error:
            cause = type(getattr(error, "orig", None) or error).__name__
            msg = f"The ledger cannot be used ({cause}): check ledger_url, and that it is writable."
            raise RainFocusError(msg) from error

    def _transact(self, work: Callable[[sa.Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)


_persist = tenacity.Retrying(
    retry=tenacity.retry_if_exception_type(sa.exc.DBAPIError),
    stop=tenacity.stop_after_attempt(ATTEMPTS),
    wait=tenacity.wait_random(0, 0.1),
    reraise=True,
)


def _engine(url: str, *, read_only: bool) -> sa.Engine:
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of what is tried again
    parts = sa.make_url(url)
    if parts.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True)
    if parts.database in {None, "", ":memory:"}:
        msg = "Setting ledger_url names no file: give it as sqlite:///ledger.db."
        raise SettingsError(msg)
    if read_only:
        query = {"mode": "rw", "uri": "true"}
        engine = sa.create_engine(parts.set(database=f"file:{parts.database}", query=query))

        @sa.event.listens_for(engine, "connect")
        def keep(connection: t.Any, _: object) -> None:  # noqa: ANN401
            # With mode=ro the files of the write-ahead log would be left behind.
            connection.execute("PRAGMA query_only=ON")

        return engine
    engine = sa.create_engine(url, connect_args={"timeout": LOCK_TIMEOUT})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: t.Any, _: object) -> None:  # noqa: ANN401
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A transaction that begins by reading could not write once another one has.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _is_there(engine: sa.Engine) -> bool:
    path = (engine.url.database or "").removeprefix("file:")
    return engine.dialect.name != "sqlite" or Path(path).exists()


def _exists(connection: sa.Connection) -> bool:
    return sa.inspect(connection).has_table(_TABLE.name)


def _rows(connection: sa.Connection, keys: Iterable[str], *, lock: bool) -> dict[str, t.Any]:
    found = sa.select(_TABLE).where(_TABLE.c.identity.in_(sorted(keys)))
    found = found.order_by(_TABLE.c.identity)
    rows = connection.execute(found.with_for_update() if lock else found)
    return {row.identity: row for row in rows}


def _claim(connection: sa.Connection, entries: list[Entry], lease: float) -> list[Claim | None]:
    rows = _rows(connection, (key for key, _ in entries), lock=True)
    now = time.time()
    claims: list[Claim | None] = []
    new, changed = [], []
    for key, fingerprint in entries:
        row = rows.get(key)
        if row is None:
            claims.append(Claim(key, fingerprint, 1))
            new.append({"identity": key, "version": 1, "claimed_at": now})
        elif row.fingerprint == fingerprint:
            claims.append(None)
        else:
            is_free = row.claimed_at is None or row.claimed_at < now - lease
            claims.append(Claim(key, fingerprint, row.version + 1 if is_free else None))
            since = now if is_free else row.claimed_at
            changed.append({"k": key, "v": row.version + 1, "c": since})
    if new:
        connection.execute(sa.insert(_TABLE), sorted(new, key=itemgetter("identity")))
    if changed:
        blanked = sa.update(_TABLE).where(_TABLE.c.identity == sa.bindparam("k"))
        values: dict[str, t.Any] = {
            "version": sa.bindparam("v"),
            "fingerprint": None,
            "claimed_at": sa.bindparam("c"),
        }
        connection.execute(blanked.values(values), changed)
    return claims


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
