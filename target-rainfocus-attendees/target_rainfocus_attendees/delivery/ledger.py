"""Remembers, across runs, what was stored for whom, in hashes."""

from __future__ import annotations

import hashlib
import time
import typing as t
from operator import itemgetter

import orjson
import sqlalchemy as sa
from rainfocus_client.storage.database import Database

from target_rainfocus_attendees.mapping.emails import hash_email

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Entry: t.TypeAlias = tuple[str, str]
"""The key of a person, and the fingerprint of what is to be sent."""

_TABLES = sa.MetaData()

_TABLE = sa.Table(
    "rainfocus_attendee_ledger",
    _TABLES,
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


class Settlement(t.NamedTuple):
    """What became of a claim."""

    claim: Claim
    stored: bool


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
            SettingsError: The ledger cannot be used.
        """
        self._place = place
        self._lease = lease
        self._database = Database("ledger", url, read_only=read_only)
        self._is_empty = False
        if read_only:
            self._is_empty = not (self._database.is_there and self._database.has(_TABLE))
        else:
            self._database.create(_TABLES)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def entry(self, identity: str, fields: Mapping[str, t.Any]) -> Entry:
        """The key of a person, and the fingerprint of what is to be sent."""
        body = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
        return _sha256(f"{self._place}\n{hash_email(identity)}".encode()), _sha256(body)

    def known(self, entries: Iterable[Entry]) -> set[Entry]:
        """Those of the entries that are written down.

        Raises:
            StorageError: The ledger cannot be read.
        """
        keys = {key for key, _ in entries}
        if self._is_empty:
            return set()
        rows = self._database.read(lambda connection: _rows(connection, keys, lock=False))
        return {(key, row.fingerprint) for key, row in rows.items() if row.fingerprint}

    def claim(self, entries: list[Entry]) -> list[Claim | None]:
        """Blank the entries of people about to be sent; None for those that are unchanged.

        No person may be among them twice.

        Raises:
            StorageError: The ledger cannot be written.
        """
        if not entries:
            return []
        return self._database.write(
            lambda connection: _claim(connection, entries, self._lease), again=True
        )

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """Write down what was stored, and give back the claims on what was not.

        Raises:
            StorageError: The ledger cannot be written.
        """
        rows = [
            {"k": claim.key, "v": claim.version, "f": claim.fingerprint if stored else None}
            for claim, stored in settlements
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
            self._database.write(lambda connection: connection.execute(statement, rows), again=True)


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
