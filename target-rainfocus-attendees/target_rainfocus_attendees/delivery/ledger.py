"""Remembers, across runs, what was stored for whom, in hashes."""

from __future__ import annotations

import hashlib
import math
import secrets
import time
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

from target_rainfocus_attendees.models import Outcome, Reason, Receipt

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from target_rainfocus_attendees.settings import TargetSettings


class Entry(t.NamedTuple):
    """What is to be sent for somebody.

    Attributes:
        key: Of the person.
        fingerprint: Of the fields.
        at: When they were taken from their source, in seconds since 1970.
        is_dated: Whether the record says so; else it is the time of now, for what is read now is
            no older than what was stored.
    """

    key: str
    fingerprint: str
    at: float
    is_dated: bool


UNCHANGED = Receipt(Outcome.UNCHANGED)
STALE = Receipt(
    Outcome.UNCHANGED, Reason("stale, a newer record of the person was stored", Trouble.STALE)
)

TABLES = sa.MetaData()

_TABLE = sa.Table(
    "rainfocus_attendee_ledger",
    TABLES,
    sa.Column("identity", sa.String(64), primary_key=True),
    sa.Column("fingerprint", sa.String(64)),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("claimed_at", sa.Float),
    sa.Column("extracted_at", sa.Float),
)


_NOW = sa.cast(sa.extract("epoch", sa.func.now()), sa.Float)
"""Seconds by the database's clock, for those of the machines that write to it may differ."""


_ADD = sa.insert(_TABLE).values(
    identity=sa.bindparam("k"), version=sa.bindparam("v"), claimed_at=_NOW
)
_BLANK = (
    sa.update(_TABLE)
    .where(_TABLE.c.identity == sa.bindparam("k"))
    .values(
        version=sa.bindparam("v"),
        fingerprint=None,
        claimed_at=sa.case(
            (sa.bindparam("free", type_=sa.Boolean), _NOW), else_=_TABLE.c.claimed_at
        ),
    )
)
_CONFIRM = (
    sa.update(_TABLE)
    .where(_TABLE.c.identity == sa.bindparam("k"))
    .values(extracted_at=sa.bindparam("at"))
)


class Claim(t.NamedTuple):
    """The right to write down what is being sent for somebody.

    `version` is None where another target is sending for the same person: whose request arrives
    last is then not known, and neither may write it down.
    """

    key: str
    fingerprint: str
    version: int | None
    at: float


class Settlement(t.NamedTuple):
    """What became of a claim."""

    claim: Claim
    stored: bool


class Route(t.NamedTuple):
    """Where and how profiles are sent.

    Attributes:
        place: Tells one Attendee Store from others: address, organisation and event.
        way: Tells one way to it from others. It is no part of the key: somebody who is sent in two
            ways has one entry, so that neither takes what the other has changed for unchanged.
        lease: Seconds after which a claim counts as given up: no request takes longer.
    """

    place: str
    way: str
    lease: float


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
        columns = database.columns(_TABLE) if database.is_there else frozenset()
        if not read_only and (columns or may_be_new):
            database.create(TABLES)
            columns = frozenset(_TABLE.columns.keys())
        is_all_sent = settings.ledger_mode == "refresh"
        route = Route(place, _way(settings), lease)
        return cls(database, route, columns, is_all_sent=is_all_sent)

    def __init__(
        self,
        database: Database,
        route: Route,
        columns: AbstractSet[str] = frozenset(_TABLE.columns.keys()),
        *,
        is_all_sent: bool = False,
    ) -> None:
        """Read and write an open ledger.

        Args:
            database: That it is in.
            route: Where and how profiles are sent.
            columns: Those that its table has; none where there is no table.
            is_all_sent: Whether who is unchanged is sent all the same.
        """
        self._place = route.place
        self._way = route.way.encode()
        self._lease = route.lease
        self._database = database
        self._columns = columns
        self._is_all_sent = is_all_sent
        self.is_there = bool(columns)

    def halt(self) -> None:
        """Wait no longer for others that write; to be called from any thread."""
        self._database.halt()

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def entry(self, identity: str, fields: Mapping[str, t.Any], at: float | None = None) -> Entry:
        """What stands for a person and what is to be sent.

        Args:
            identity: Whose it is.
            fields: What is to be sent.
            at: When it was taken from its source, in seconds since 1970; None if nobody knows.
        """
        body = dump_json(dict(sorted(fields.items())))
        moment = time.time() if at is None else at
        fingerprint = _sha256(self._way + body)
        return Entry(self._key(identity), fingerprint, moment, is_dated=at is not None)

    def known(self, entries: list[Entry]) -> list[Receipt | None]:
        """Why entries need not be sent; None for those that do.

        Raises:
            StorageError: The ledger cannot be read.
        """
        if not self.is_there:
            return [None] * len(entries)
        keys = {entry.key for entry in entries}
        rows = self._database.read(lambda connection: _rows(connection, keys, self._columns))
        return [self._known(rows.get(entry.key), entry) for entry in entries]

    def claim(self, entries: list[Entry]) -> list[Claim | Receipt]:
        """Blank the entries of people about to be sent; others get the receipt that says why not.

        No person may be among them twice.

        Raises:
            StorageError: The ledger cannot be written.
        """
        if not entries:
            return []
        return self._database.write(lambda connection: self._claim(connection, entries), again=True)

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """Write down what was stored, and give back the claims on what was not.

        Raises:
            StorageError: The ledger cannot be written.
        """
        rows = [
            {
                "k": claim.key,
                "v": claim.version,
                "f": claim.fingerprint if stored else None,
                "at": claim.at if stored else None,
            }
            for claim, stored in settlements
            if claim.version is not None
        ]
        if rows:
            statement = (
                sa.update(_TABLE)
                .where(
                    _TABLE.c.identity == sa.bindparam("k"), _TABLE.c.version == sa.bindparam("v")
                )
                .values(
                    fingerprint=sa.bindparam("f"),
                    claimed_at=None,
                    extracted_at=sa.func.coalesce(
                        sa.bindparam("at", type_=sa.Float), _TABLE.c.extracted_at
                    ),
                )
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

    def _claim(self, connection: sa.Connection, entries: list[Entry]) -> list[Claim | Receipt]:
        rows = _rows(connection, (entry.key for entry in entries), self._columns, self._lease)
        claims: list[Claim | Receipt] = []
        new, changed, confirmed = [], [], []
        for entry in entries:
            row = rows.get(entry.key)
            if row is None:
                # Not 1: an old claim on an entry that was forgotten since has another number.
                version = secrets.randbits(62)
                claims.append(Claim(entry.key, entry.fingerprint, version, entry.at))
                new.append({"k": entry.key, "v": version})
                continue
            at = max(entry.at, row.extracted_at or 0.0)
            if receipt := self._known(row, entry):
                claims.append(receipt)
                if receipt is UNCHANGED:
                    confirmed.append({"k": entry.key, "at": at})
                continue
            version = row.version + 1
            claims.append(Claim(entry.key, entry.fingerprint, version if row.is_free else None, at))
            changed.append({"k": entry.key, "v": version, "free": row.is_free})
        if new:
            connection.execute(_ADD, sorted(new, key=itemgetter("k")))
        if changed:
            connection.execute(_BLANK, changed)
        if confirmed:
            connection.execute(_CONFIRM, confirmed)
        return claims

    def _known(self, row: t.Any, entry: Entry) -> Receipt | None:  # noqa: ANN401
        """Why an entry need not be sent; None if it does."""
        if row is None:
            return None
        if row.fingerprint == entry.fingerprint and not self._is_all_sent:
            return UNCHANGED
        stored_at = getattr(row, "extracted_at", None)  # none in a ledger of a version before
        is_stale = entry.is_dated and stored_at is not None and entry.at < stored_at
        return STALE if is_stale else None

    def _key(self, identity: str) -> str:
        return _sha256(f"{self._place}\n{hash_identity(identity)}".encode())


def _rows(
    connection: sa.Connection,
    keys: Iterable[str],
    columns: Iterable[str],
    lease: float | None = None,
) -> dict[str, t.Any]:
    """The rows of some people; with a lease, locked, and with whether a claim may be made."""
    found = sa.select(*(_TABLE.c[name] for name in sorted(columns))).where(
        _TABLE.c.identity.in_(sorted(keys))
    )
    found = found.order_by(_TABLE.c.identity)
    if lease is not None:
        claimed_at = _TABLE.c.claimed_at
        is_free = sa.or_(claimed_at.is_(None), claimed_at < _NOW - lease)
        found = found.add_columns(is_free.label("is_free")).with_for_update()
    return {row.identity: row for row in connection.execute(found)}


def _forget(connection: sa.Connection, keys: list[str], lease: float) -> int:
    rows = _rows(connection, keys, _TABLE.columns.keys(), lease)
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
