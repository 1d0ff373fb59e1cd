"""Remembers, across runs, what was stored for whom, in hashes."""

from __future__ import annotations

import hashlib
import json
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

from target_rainfocus_attendees.models import STALE, Outcome, Receipt

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from target_rainfocus_attendees.models import Extraction, Withdrawal
    from target_rainfocus_attendees.settings import TargetSettings


class Entry(t.NamedTuple):
    """What is to be sent for somebody.

    Attributes:
        key: Of the person.
        fingerprint: Of the fields.
        extractions: When the records that they are of were taken from their sources.
    """

    key: str
    fingerprint: str
    extractions: Sequence[Extraction] = ()


class Look(t.NamedTuple):
    """Records of a person that wait together: which of them are stale?"""

    key: str
    extractions: Sequence[Extraction]


class Mark(t.NamedTuple):
    """A record that says that a person is not to be sent: none that is older is, from now on.

    Attributes:
        key: Of the person.
        extraction: When the record was taken from its source.
        is_of_row: Whether it says so of a row alone: then rejects that are older are not sent.
    """

    key: str
    extraction: Extraction
    is_of_row: bool


_ROWS = ""
"""Stands for a stream: when a row of a person was deleted."""


UNCHANGED = Receipt(Outcome.UNCHANGED)

TABLES = sa.MetaData()

_TABLE = sa.Table(
    "rainfocus_attendee_ledger",
    TABLES,
    sa.Column("identity", sa.String(64), primary_key=True),
    sa.Column("fingerprint", sa.String(64)),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("claimed_at", sa.Float),
    sa.Column("extracted_at", sa.Text),
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
_DATE = (
    sa.update(_TABLE)
    .where(_TABLE.c.identity == sa.bindparam("k"))
    .values(extracted_at=sa.bindparam("at"))
)
_SETTLE = (
    sa.update(_TABLE)
    .where(_TABLE.c.identity == sa.bindparam("k"), _TABLE.c.version == sa.bindparam("v"))
    .values(
        fingerprint=sa.bindparam("f"),
        claimed_at=None,
        extracted_at=sa.func.coalesce(sa.bindparam("at", type_=sa.Text), _TABLE.c.extracted_at),
    )
)
_ADD_DATED = sa.insert(_TABLE).values(
    identity=sa.bindparam("k"), version=sa.bindparam("v"), extracted_at=sa.bindparam("at")
)


class Claim(t.NamedTuple):
    """The right to write down what is being sent for somebody.

    `version` is None where another target is sending for the same person: whose request arrives
    last is then not known, and neither may write it down.
    """

    key: str
    fingerprint: str
    version: int | None
    at: str
    extractions: Sequence[Extraction] = ()


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

    def entry(
        self, identity: str, fields: Mapping[str, t.Any], extractions: Sequence[Extraction] = ()
    ) -> Entry:
        """What stands for a person and what is to be sent.

        Args:
            identity: Whose it is.
            fields: What is to be sent.
            extractions: When it was taken from its sources.
        """
        body = dump_json(dict(sorted(fields.items())))
        return Entry(self._key(identity), _sha256(self._way + body), extractions)

    def look(self, identity: str, extractions: Sequence[Extraction]) -> Look:
        """What stands for records of a person."""
        return Look(self._key(identity), extractions)

    def mark(self, withdrawal: Withdrawal) -> Mark:
        """What stands for a record that says that a person is not to be sent."""
        is_of_row = withdrawal.reason.trouble is Trouble.DELETED
        extraction = t.cast("Extraction", withdrawal.extraction)
        return Mark(self._key(withdrawal.identity), extraction, is_of_row)

    def stale(self, looks: Sequence[Look]) -> list[list[bool]]:
        """Which records are older than what came before, of each person.

        Raises:
            StorageError: The ledger cannot be read.
        """
        if not looks or not self.is_there:
            return [[False] * len(look.extractions) for look in looks]
        keys = {look.key for look in looks}
        rows = self._database.read(lambda connection: _rows(connection, keys, self._columns))
        times = {key: _times(row) for key, row in rows.items()}
        return [
            [_is_stale(times.get(look.key, {}), one) for one in look.extractions] for look in looks
        ]

    def write_down(self, marks: Sequence[Mark]) -> None:
        """Keep when people were not to be sent.

        Raises:
            StorageError: The ledger cannot be written.
        """
        dates = [
            (
                mark.key,
                mark.extraction._replace(stream=_ROWS) if mark.is_of_row else mark.extraction,
            )
            for mark in marks
        ]
        if dates:
            self._database.write(lambda connection: self._date(connection, dates), again=True)

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
        settled = list(settlements)
        rows = [
            {
                "k": claim.key,
                "v": claim.version,
                "f": claim.fingerprint if stored else None,
                "at": claim.at if stored else None,
            }
            for claim, stored in settled
            if claim.version is not None
        ]
        dates = [
            (claim.key, one)
            for claim, stored in settled
            if stored and claim.version is None
            for one in claim.extractions
        ]
        if rows or dates:
            self._database.write(
                lambda connection: self._settle(connection, rows, dates), again=True
            )

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
                at = json.dumps(_updated({}, entry.extractions))
                claims.append(Claim(entry.key, entry.fingerprint, version, at, entry.extractions))
                new.append({"k": entry.key, "v": version})
                continue
            times = _times(row)
            if receipt := self._known(row, entry):
                claims.append(receipt)
                if receipt is UNCHANGED and (dated := [e for e in entry.extractions if e.is_dated]):
                    at = json.dumps(_updated(times, dated))
                    confirmed.append({"k": entry.key, "at": at})
                continue
            at = json.dumps(_updated(times, entry.extractions))
            next_one = row.version + 1
            own = next_one if row.is_free else None
            claims.append(Claim(entry.key, entry.fingerprint, own, at, entry.extractions))
            changed.append({"k": entry.key, "v": next_one, "free": row.is_free})
        if new:
            connection.execute(_ADD, sorted(new, key=itemgetter("k")))
        if changed:
            connection.execute(_BLANK, changed)
        if confirmed:
            connection.execute(_DATE, confirmed)
        return claims

    def _settle(
        self,
        connection: sa.Connection,
        rows: list[dict[str, t.Any]],
        dates: Sequence[tuple[str, Extraction]],
    ) -> None:
        if rows:
            connection.execute(_SETTLE, rows)
        self._date(connection, dates)

    def _date(self, connection: sa.Connection, dates: Sequence[tuple[str, Extraction]]) -> None:
        """Write down when records of people were taken, whoever is sending for them."""
        if not dates:
            return
        rows = _rows(connection, (key for key, _ in dates), self._columns, self._lease)
        times = {key: _times(rows.get(key)) for key, _ in dates}
        for key, one in dates:
            times[key] = _updated(times[key], [one])
        dated = [{"k": key, "at": json.dumps(times[key])} for key in sorted(times)]
        if known := [row for row in dated if row["k"] in rows]:
            connection.execute(_DATE, known)
        if new := [row | {"v": secrets.randbits(62)} for row in dated if row["k"] not in rows]:
            connection.execute(_ADD_DATED, new)

    def _known(self, row: t.Any, entry: Entry) -> Receipt | None:  # noqa: ANN401
        """Why an entry need not be sent; None if it does."""
        if row is None:
            return None
        if row.fingerprint == entry.fingerprint:
            return None if self._is_all_sent else UNCHANGED
        times = _times(row)
        stale = [_is_stale(times, one) for one in entry.extractions]
        return STALE if stale and all(stale) else None

    def _key(self, identity: str) -> str:
        return _sha256(f"{self._place}\n{hash_identity(identity)}".encode())


def _times(row: t.Any) -> dict[str, float]:  # noqa: ANN401
    """When the newest record of each stream was taken; a ledger of a version before has none."""
    times: dict[str, float] = json.loads(getattr(row, "extracted_at", None) or "{}")
    return times


def _updated(times: Mapping[str, float], extractions: Iterable[Extraction]) -> dict[str, float]:
    newest = dict(times)
    for one in extractions:
        newest[one.stream] = max(one.at, newest.get(one.stream, one.at))
    return newest


def _is_stale(times: Mapping[str, float], one: Extraction) -> bool:
    """Whether a record is older than one of its stream; a reject, than any of the person."""
    newest = max(times.values(), default=one.at) if one.is_replay else times.get(one.stream, one.at)
    return one.is_dated and one.at < newest


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
