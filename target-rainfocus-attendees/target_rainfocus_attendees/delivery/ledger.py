"""Remembers, across runs, what was stored for whom, in hashes."""

from __future__ import annotations

import hashlib
import math
import secrets
import typing as t
from operator import itemgetter

import sqlalchemy as sa
from rainfocus_client.connection import Connection
from rainfocus_client.errors import RetriableError
from rainfocus_client.lenient_json import dump_json
from rainfocus_client.persons.identities import hash_identity
from rainfocus_client.retry import MAX_RETRY_AFTER
from rainfocus_client.storage.database import Database
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_rainfocus_attendees.settings import TargetSettings

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


_NOW = sa.cast(sa.extract("epoch", sa.func.now()), sa.Float)
"""Seconds by the database's clock, for those of the machines that write to it may differ."""


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

    Attributes:
        is_there: Whether there is one; it may be missing where none was to be made.
    """

    @classmethod
    def from_settings(
        cls, settings: TargetSettings, url: str, *, read_only: bool = False, may_be_new: bool = True
    ) -> t.Self:
        """Open the ledger at a URL, for where and how these settings send.

        Args:
            settings: Of them, what says where and how.
            url: SQLAlchemy URL.
            read_only: Whether it is only to be read.
            may_be_new: Whether one that is missing is made, unless it is only to be read.

        Raises:
            SettingsError: The ledger cannot be used, or a setting has a malformed value.
        """
        place = f"{Connection.from_settings(settings).url('attendee')} {settings.event_code}"
        longest_try = 2 * settings.request_timeout + MAX_RETRY_AFTER
        lease = (settings.max_retries + 1) * longest_try
        database = Database("ledger", url, read_only=read_only)
        may_be_new = may_be_new and not read_only
        return cls(database, place, _way(settings), lease=lease, may_be_new=may_be_new)

    def __init__(
        self, database: Database, place: str, way: str, *, lease: float, may_be_new: bool
    ) -> None:
        """Open the ledger, and make its table where there is none.

        Args:
            database: That it is in.
            place: Tells one Attendee Store from others: address, organisation and event.
            way: Tells one way to it from others. It is no part of the key: somebody who is sent
                in two ways has one entry, so that neither takes what the other has changed for
                unchanged.
            lease: Seconds after which a claim counts as given up: no request takes longer.
            may_be_new: Whether one that is missing is made; without it, it is empty.

        Raises:
            SettingsError: The ledger cannot be used.
        """
        self._place = place
        self._way = way.encode()
        self._lease = lease
        self._database = database
        if may_be_new:
            database.create(_TABLES)
        self.is_there = may_be_new or (database.is_there and database.has(_TABLE))

    def halt(self) -> None:
        """Wait no longer for others that write; to be called from any thread."""
        self._database.halt()

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def entry(self, identity: str, fields: Mapping[str, t.Any]) -> Entry:
        """The key of a person, and the fingerprint of what is to be sent."""
        body = dump_json(dict(sorted(fields.items())))
        return self._key(identity), _sha256(self._way + body)

    def known(self, entries: Iterable[Entry]) -> set[Entry]:
        """Those of the entries that are written down.

        Raises:
            StorageError: The ledger cannot be read.
        """
        keys = {key for key, _ in entries}
        if not self.is_there:
            return set()
        rows = self._database.read(lambda connection: _rows(connection, keys))
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

    def forget(self, identities: Iterable[str]) -> int:
        """Remove the entries of a person, who may be known by several identities; says how many.

        Raises:
            RetriableError: The person may be on the way to RainFocus at this moment: whoever sends
                next would not know. Nothing was removed.
            StorageError: The ledger cannot be written.
        """
        if not self.is_there:
            return 0
        keys = [self._key(identity) for identity in identities]
        return self._database.erase(lambda connection: _forget(connection, keys, self._lease))

    def _key(self, identity: str) -> str:
        return _sha256(f"{self._place}\n{hash_identity(identity)}".encode())


def _rows(
    connection: sa.Connection, keys: Iterable[str], lease: float | None = None
) -> dict[str, t.Any]:
    """The rows of some people; with a lease, locked, and with whether a claim may be made."""
    found = sa.select(_TABLE).where(_TABLE.c.identity.in_(sorted(keys)))
    found = found.order_by(_TABLE.c.identity)
    if lease is not None:
        claimed_at = _TABLE.c.claimed_at
        is_free = sa.or_(claimed_at.is_(None), claimed_at < _NOW - lease)
        found = found.add_columns(is_free.label("is_free")).with_for_update()
    return {row.identity: row for row in connection.execute(found)}


def _claim(connection: sa.Connection, entries: list[Entry], lease: float) -> list[Claim | None]:
    rows = _rows(connection, (key for key, _ in entries), lease)
    claims: list[Claim | None] = []
    new, changed = [], []
    for key, fingerprint in entries:
        row = rows.get(key)
        if row is None:
            # Not 1: an old claim on an entry that was forgotten since has another number.
            version = secrets.randbits(62)
            claims.append(Claim(key, fingerprint, version))
            new.append({"k": key, "v": version})
        elif row.fingerprint == fingerprint:
            claims.append(None)
        else:
            claims.append(Claim(key, fingerprint, row.version + 1 if row.is_free else None))
            changed.append({"k": key, "v": row.version + 1, "free": row.is_free})
    if new:
        added = sa.insert(_TABLE).values(
            identity=sa.bindparam("k"), version=sa.bindparam("v"), claimed_at=_NOW
        )
        connection.execute(added, sorted(new, key=itemgetter("k")))
    if changed:
        blanked = sa.update(_TABLE).where(_TABLE.c.identity == sa.bindparam("k"))
        values: dict[str, t.Any] = {
            "version": sa.bindparam("v"),
            "fingerprint": None,
            "claimed_at": sa.case(
                (sa.bindparam("free", type_=sa.Boolean), _NOW), else_=_TABLE.c.claimed_at
            ),
        }
        connection.execute(blanked.values(values), changed)
    return claims


def _forget(connection: sa.Connection, keys: list[str], lease: float) -> int:
    rows = _rows(connection, keys, lease)
    if not all(row.is_free for row in rows.values()):
        msg = (
            "A load sends this person at this moment, or was cut off while it did: try again, "
            f"in {math.ceil(lease / 60)} minutes at the latest."
        )
        raise RetriableError(msg, Trouble.LOCK)
    connection.execute(sa.delete(_TABLE).where(_TABLE.c.identity.in_(list(rows))))
    return len(rows)


def _way(settings: TargetSettings) -> str:
    """How a profile goes: sent in another way, it may come to another thing."""
    way = (
        settings.mode,
        settings.identity,
        settings.event_parameter,
        settings.client_id or settings.api_profile,
        sorted(settings.field_map.items()),
        sorted(settings.extra_fields.items()),
        sorted(settings.store.items()),
    )
    return dump_json(way).decode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
