"""Everything the sandbox knows, in one SQLite file behind one connection."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import threading
import typing as t
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from importlib import resources
from itertools import islice

import orjson

from rainfocus_sandbox.data.clock import iso, now_ms
from rainfocus_sandbox.data.customer import APIProfile, Event
from rainfocus_sandbox.data.ids import new_id
from rainfocus_sandbox.data.merge import Record, merge
from rainfocus_sandbox.errors import SandboxError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

Entity = t.Literal["attendee", "lead", "session", "exhibitor", "speaker"]

TOKEN_LIFETIME_S = 3600

_APPLICATION_ID = 0x52465342
_SCHEMA_VERSION = 2
_CHUNK = 10_000
_SCHEMA = resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
_HASH_SCHEMA = (
    "CREATE TEMP TABLE email_hash (sha256 BLOB, event TEXT, attendee_id TEXT, "
    "PRIMARY KEY (sha256, event)) WITHOUT ROWID"
)
_INSERT_RECORD = (
    "INSERT INTO record (event, entity, attendee_id, email, modified_ms, body) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A record on its way into the database, with the columns that calls search by."""

    body: Record
    modified_ms: int
    attendee_id: str | None = None
    email: str | None = None


@dataclass(slots=True)
class LoggedCall:
    """A row of the API log: what was called and how it ended, no bodies, addresses or tokens."""

    time_ms: int
    method: str
    call: str = "unknown"
    event: str = ""
    profile: str = ""
    status: int = 0
    code: str = ""
    milliseconds: float = 0.0
    records: int = 0


@dataclass(frozen=True, slots=True)
class LoggedOutcome:
    """How often calls for an event ended in one way, and how many records that were."""

    call: str
    event: str
    status: int
    code: str
    calls: int
    records: int


class Store:
    """The database.

    The server and the tests beside it share this object and its one connection, so that whatever
    is written is read at once; a lock lets one statement through at a time. Writes reach the disk
    with `commit`, which the server calls on a timer.
    """

    def __init__(self, database: Path) -> None:
        """Open `database`, or make it and its folder.

        Raises:
            SandboxError: The file cannot be written, or is something else than a sandbox.
        """
        self.database = database
        self._lock = threading.RLock()
        self._db = _connect(database)
        self._in_transaction = False
        self._hashed_up_to = 0

    def __enter__(self) -> t.Self:
        """Return the store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Commit and close."""
        self.close()

    def close(self) -> None:
        """Commit and close."""
        with self._lock, closing(self._db):
            self._db.commit()

    def commit(self) -> None:
        """Write to the disk what is not there yet."""
        with self._lock:
            self._db.commit()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit all that the block writes when it ends, or nothing of it if it fails.

        What was written before is committed first. A block inside another is part of that.
        """
        with self._lock:
            if self._in_transaction:
                yield self._db
                return
            self._db.commit()
            self._in_transaction = True
            try:
                with self._db:
                    yield self._db
            finally:
                self._in_transaction = False

    # The whole database

    def clear(self) -> None:
        """Forget everything: records, tokens, switches and the log."""
        with self._lock:
            self._db.commit()
            for (name,) in self._rows("SELECT name FROM sqlite_schema WHERE type = 'table'"):
                self._db.execute(f"DROP TABLE {name}")
            self._db.execute("DELETE FROM email_hash")
            self._hashed_up_to = 0
            self._db.executescript(_SCHEMA)

    def add(self, event: str, entity: Entity, rows: Iterable[StoredRow]) -> None:
        """Append `rows`, however many, and commit them in chunks."""
        values = (
            (event, entity, r.attendee_id, r.email, r.modified_ms, _text(r.body)) for r in rows
        )
        with self._lock:
            while chunk := list(islice(values, _CHUNK)):
                self._db.executemany(_INSERT_RECORD, chunk)
                self._db.commit()

    def found(self, events: Iterable[Event], profiles: Iterable[APIProfile]) -> None:
        """Enter the customer, which is what makes the database count as seeded."""
        with self._lock:
            self._db.executemany(
                "INSERT INTO event (code, name) VALUES (?, ?)", ((e.code, e.name) for e in events)
            )
            self._db.executemany(
                "INSERT INTO profile (name, client_id, client_secret, token, event) "
                "VALUES (:name, :client_id, :client_secret, :token, :event)",
                map(asdict, profiles),
            )
            self._db.commit()

    def seeded(self) -> bool:
        """Tell whether a conference has been seeded to its end."""
        return bool(self._rows("SELECT 1 FROM event"))

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many of each thing every event has."""
        counts = {
            code: dict.fromkeys(
                ("attendees", "sessions", "session_times", "exhibitors", "leads", "speakers"), 0
            )
            for (code,) in self._rows("SELECT code FROM event ORDER BY code")
        }
        for event, entity, number in self._rows(
            "SELECT event, entity, count(*) FROM record GROUP BY event, entity"
        ):
            counts[event][f"{entity}s"] = number
        for event, number in self._rows(
            "SELECT event, sum(json_array_length(body, '$.times')) FROM record "
            "WHERE entity = 'session' GROUP BY event"
        ):
            counts[event]["session_times"] = number
        return counts

    # Who may call what

    def has_event(self, code: str) -> bool:
        """Tell whether there is an event `code`."""
        return bool(self._rows("SELECT 1 FROM event WHERE code = ?", code))

    def issue_token(
        self, client_id: str, client_secret: str, life_s: float = TOKEN_LIFETIME_S
    ) -> str | None:
        """Return a new access token, or nothing when the credentials are wrong."""
        found = self._rows(
            "SELECT name FROM profile WHERE client_id = ? AND client_secret = ?",
            client_id,
            client_secret,
        )
        if not found:
            return None
        token = secrets.token_urlsafe(24)
        self._change(
            "INSERT INTO access_token (token, profile, expires_ms) VALUES (?, ?, ?)",
            token,
            found[0][0],
            now_ms() + int(life_s * 1000),
        )
        return token

    def expire_tokens(self) -> None:
        """Let every access token issued so far run out now."""
        self._change("UPDATE access_token SET expires_ms = 0")

    def profile_of_access_token(self, token: str) -> APIProfile | None:
        """Return the profile that `token` was issued to, unless it has expired."""
        return self._profile(
            "SELECT name, client_id, client_secret, profile.token, event FROM profile "
            "JOIN access_token ON access_token.profile = profile.name "
            "WHERE access_token.token = ? AND expires_ms > ?",
            token,
            now_ms(),
        )

    def profile_of_api_token(self, token: str) -> APIProfile | None:
        """Return the API profile whose token is `token`."""
        return self._profile(
            "SELECT name, client_id, client_secret, token, event FROM profile WHERE token = ?",
            token,
        )

    def deny(self, profile: str, call: str) -> None:
        """Switch `call` off for the profile of that name, e.g. `oauth-global`, `attendee/store`."""
        self._known_profile(profile)
        self._change("INSERT OR IGNORE INTO denied (profile, call) VALUES (?, ?)", profile, call)

    def allow(self, profile: str, call: str) -> None:
        """Switch `call` on again for the profile of that name."""
        self._known_profile(profile)
        self._change("DELETE FROM denied WHERE profile = ? AND call = ?", profile, call)

    def is_denied(self, profile: str, call: str) -> bool:
        """Tell whether `call` is switched off for the profile of that name."""
        return bool(
            self._rows("SELECT 1 FROM denied WHERE profile = ? AND call = ?", profile, call)
        )

    # Reading records

    def page(  # noqa: PLR0913
        self,
        event: str,
        entity: Entity,
        *,
        limit: int,
        after: int = 0,
        since: int = 0,
        email: str | None = None,
        attendee_id: str | None = None,
    ) -> list[tuple[int, bytes]]:
        """Return positions and bodies of at most `limit` records behind position `after`."""
        conditions = ["event = ?", "entity = ?", "position > ?", "modified_ms >= ?"]
        values: list[str | int] = [event, entity, after, since]
        if email is not None:
            conditions.append("email = ?")
            values.append(email)
        if attendee_id is not None:
            conditions.append("attendee_id = ?")
            values.append(attendee_id)
        return self._rows(
            "SELECT position, CAST(body AS BLOB) FROM record "  # noqa: S608
            f"WHERE {' AND '.join(conditions)} ORDER BY position LIMIT ?",
            *values,
            limit,
        )

    def attendee(self, event: str, attendee_id: str) -> bytes | None:
        """Return the attendee as stored."""
        page = self.page(event, "attendee", limit=1, attendee_id=attendee_id)
        return page[0][1] if page else None

    def attendee_id(self, event: str, email: str) -> str | None:
        """Return the id of the attendee with that e-mail address, lower case and trimmed."""
        found = self._rows(
            "SELECT attendee_id FROM record WHERE event = ? AND entity = 'attendee' AND email = ?",
            event,
            email,
        )
        return t.cast("str", found[0][0]) if found else None

    def attendee_id_of_hash(self, event: str, email_lc_sha256: str) -> str | None:
        """Return the id of the attendee whose e-mail address has that hash, in hex digits.

        Hashes are indexed when they are first asked for, so that other writes do not wait for it.
        """
        with self._lock:
            self._hash_new_attendees()
            found = self._rows(
                "SELECT attendee_id FROM email_hash WHERE sha256 = ? AND event = ?",
                bytes.fromhex(email_lc_sha256),
                event,
            )
        return t.cast("str", found[0][0]) if found else None

    def _hash_new_attendees(self) -> None:
        """Index the attendees who came since it was last done."""
        last = self.size()
        if last > self._hashed_up_to:
            self._change(
                "INSERT OR REPLACE INTO email_hash SELECT sha256(email), event, attendee_id "
                "FROM record WHERE entity = 'attendee' AND position > ?",
                self._hashed_up_to,
            )
            self._hashed_up_to = last

    def attendees(self, event: str) -> list[Record]:
        """Return every attendee of the event, in the order of their arrival."""
        return [orjson.loads(body) for _, body in self.page(event, "attendee", limit=-1)]

    def positions(self, event: str, entity: Entity) -> list[int]:
        """Return the positions of all records, to draw some of them from."""
        return self._column(
            "SELECT position FROM record WHERE event = ? AND entity = ? ORDER BY position",
            event,
            entity,
        )

    def unregistered(self, event: str) -> list[int]:
        """Return the positions of the attendees who are not registered, however that is written."""
        return self._column(
            "SELECT position FROM record WHERE event = ? AND entity = 'attendee' AND "
            "lower(coalesce(json_extract(body, '$.registered'), '')) NOT IN "
            "('true', 'yes', '1', '1.0') ORDER BY position",
            event,
        )

    def size(self) -> int:
        """Return the position of the last record, so many that have ever come."""
        ((last,),) = self._rows("SELECT coalesce(max(position), 0) FROM record")
        return t.cast("int", last)

    def at(self, position: int) -> Record:
        """Return the record at `position`."""
        ((body,),) = self._rows("SELECT body FROM record WHERE position = ?", position)
        return t.cast("Record", orjson.loads(body))

    def event_name(self, code: str) -> str | None:
        """Return the name of the event `code`, if there is one."""
        found = self._column("SELECT name FROM event WHERE code = ?", code)
        return found[0] if found else None

    # Writing leads

    def add_lead(self, event: str, lead: Record) -> None:
        """Store a new lead, made now."""
        self._change(
            _INSERT_RECORD,
            event,
            "lead",
            lead["attendeeId"],
            lead["email"],
            now_ms(),
            _text(lead),
        )

    # Writing attendees

    def add_attendee(self, event: str, email: str, fields: t.Mapping[str, t.Any]) -> str:
        """Store a new attendee and return the id."""
        attendee_id, now = new_id(), now_ms()
        record: Record = {"attendeeId": attendee_id, "registered": "false", "checkedin": "false"}
        merge(record, fields)
        record |= {"email": email, "createDate": iso(now), "modifiedDate": iso(now)}
        self._change(_INSERT_RECORD, event, "attendee", attendee_id, email, now, _text(record))
        return attendee_id

    def update_attendee(self, event: str, attendee_id: str, fields: t.Mapping[str, t.Any]) -> None:
        """Write what was sent into an attendee, who counts as modified now.

        Raises:
            KeyError: There is no such attendee.
        """
        self._rewrite(event, attendee_id, lambda record: merge(record, fields))

    def touch(self, event: str, attendee_id: str, /, **fields: t.Any) -> None:  # noqa: ANN401
        """Set `fields` of an attendee, as they are read, and count it as modified now.

        Raises:
            KeyError: There is no such attendee.
        """
        self._rewrite(event, attendee_id, lambda record: record.update(fields))

    def _rewrite(self, event: str, attendee_id: str, change: Callable[[Record], None]) -> None:
        with self._lock:
            body = self.attendee(event, attendee_id)
            if body is None:
                raise KeyError(attendee_id)
            record: Record = orjson.loads(body)
            known_email = _regular(record["email"])
            change(record)
            email = _regular(record["email"])
            if email != known_email:
                self._rehash(event, attendee_id, known_email, email)
            now = now_ms()
            record["modifiedDate"] = iso(now)
            self._change(
                "UPDATE record SET email = ?, modified_ms = ?, body = ? "
                "WHERE event = ? AND entity = 'attendee' AND attendee_id = ?",
                email,
                now,
                _text(record),
                event,
                attendee_id,
            )

    def _rehash(self, event: str, attendee_id: str, known_email: str, email: str) -> None:
        """Index an attendee under another e-mail address."""
        self._hash_new_attendees()
        self._change(
            "DELETE FROM email_hash WHERE sha256 = sha256(?) AND event = ?", known_email, event
        )
        self._change(
            "INSERT OR REPLACE INTO email_hash VALUES (sha256(?), ?, ?)", email, event, attendee_id
        )

    def touch_record(self, event: str, entity: Entity, number: int, /, **fields: t.Any) -> None:  # noqa: ANN401
        """Set `fields` of the record that came as `number`, from 0, and count it as modified now.

        For entities that RainFocus writes itself; an attendee is one for `touch`.

        Raises:
            IndexError: The entity has fewer records.
        """
        with self._lock:
            position, body = self.page(event, entity, limit=-1)[number]
            self._change(
                "UPDATE record SET modified_ms = ?, body = ? WHERE position = ?",
                now_ms(),
                _text(orjson.loads(body) | fields),
                position,
            )

    # The API log

    def log_call(self, call: LoggedCall) -> None:
        """Add a row to the API log."""
        self._change(
            "INSERT INTO api_log "
            "(time_ms, method, call, event, profile, status, code, milliseconds, records) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            call.time_ms,
            call.method,
            call.call,
            call.event,
            call.profile,
            call.status,
            call.code,
            call.milliseconds,
            call.records,
        )

    def log(self, limit: int = -1) -> list[LoggedCall]:
        """Return the last `limit` rows of the API log, or all of them, oldest first."""
        rows = self._rows(
            "SELECT time_ms, method, call, event, profile, status, code, milliseconds, records "
            "FROM api_log ORDER BY number DESC LIMIT ?",
            limit,
        )
        return [LoggedCall(*row) for row in reversed(rows)]

    def log_summary(self) -> list[LoggedOutcome]:
        """Return what the whole API log adds up to, in the order of calls and events."""
        rows = self._rows(
            "SELECT call, event, status, code, count(*), sum(records) FROM api_log "
            "GROUP BY call, event, status, code ORDER BY call, event, status, code"
        )
        return [LoggedOutcome(*row) for row in rows]

    def _rows(self, sql: str, *values: str | int | bytes) -> list[t.Any]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _column(self, sql: str, *values: str) -> list[t.Any]:
        return [value for (value,) in self._rows(sql, *values)]

    def _change(self, sql: str, *values: str | float | None) -> None:
        with self._lock:
            self._db.execute(sql, values)

    def _profile(self, sql: str, *values: str | int) -> APIProfile | None:
        found = self._rows(sql, *values)
        return APIProfile(*found[0]) if found else None

    def _known_profile(self, name: str) -> None:
        if not self._rows("SELECT 1 FROM profile WHERE name = ?", name):
            raise KeyError(name)


def _regular(email: str) -> str:
    return email.strip().lower()


def _sha256(email: str) -> bytes:
    return hashlib.sha256(email.encode()).digest()


def _text(record: Record) -> str:
    return orjson.dumps(record).decode()


def _connect(database: Path) -> sqlite3.Connection:
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(database, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        message = f"cannot open the database {database}: {error}"
        raise SandboxError(message) from error
    try:
        _prepare(db, database)
    except sqlite3.OperationalError as error:
        db.close()
        message = f"cannot write the database {database}: {error}"
        raise SandboxError(message) from error
    except sqlite3.DatabaseError as error:
        db.close()
        raise _not_a_sandbox(database) from error
    except SandboxError:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, database: Path) -> None:
    (application_id,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    is_new = not db.execute("SELECT 1 FROM sqlite_schema").fetchall()
    if not is_new and (application_id, version) != (_APPLICATION_ID, _SCHEMA_VERSION):
        raise _not_a_sandbox(database)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    if is_new:
        db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        db.executescript(_SCHEMA)
    db.create_function("sha256", 1, _sha256, deterministic=True)
    db.execute(_HASH_SCHEMA)


def _not_a_sandbox(database: Path) -> SandboxError:
    return SandboxError(
        f"{database} is not a sandbox database of this version: "
        "name another file with --database, or delete it"
    )
