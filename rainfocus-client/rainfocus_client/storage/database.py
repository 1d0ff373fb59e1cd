"""A database that a setting names: opened, its tables made, and its errors turned into one line."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import threading
import typing as t
from contextlib import suppress
from functools import partial
from pathlib import Path

import sqlalchemy as sa
import tenacity
from sqlalchemy.schema import CreateColumn

from rainfocus_client.errors import SettingsError, StorageCause, StorageError
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = logging.getLogger(__name__)

BUSY_TIMEOUT = 10
"""Seconds to wait for another process that is writing."""

LOCK_TIMEOUT = 1
"""The same for a transaction that is tried again: between two attempts it can be given up."""

ATTEMPTS = 3
"""How often a transaction is tried that another process may get in the way of."""

ATTEMPTS_LOCKED = 30
"""How often where another process holds a lock."""

_CAUSES = {
    "53100": StorageCause.DISK,
    "55P03": StorageCause.LOCK,
    "SQLITE_FULL": StorageCause.DISK,
    "SQLITE_IOERR": StorageCause.DISK,
    "SQLITE_CANTOPEN": StorageCause.DISK,
    "SQLITE_READONLY": StorageCause.DISK,
    "SQLITE_BUSY": StorageCause.LOCK,
    "SQLITE_LOCKED": StorageCause.LOCK,
}
"""By the SQLSTATE of PostgreSQL, and what the name of SQLite's error begins with."""

OWNER_ONLY = 0o600
OTHERS = 0o007

T = t.TypeVar("T")

_BEGIN = {
    # A transaction that begins by reading could not write once another one has.
    "sqlite": ("PRAGMA busy_timeout={lock_timeout}000", "BEGIN IMMEDIATE"),
    # A machine that vanished must not keep the others out.
    "postgresql": (
        (
            "SELECT set_config('lock_timeout', '{lock_timeout}s', true),"
            # What is committed has to be on disk, whatever the server was tuned for.
            " CASE WHEN current_setting('synchronous_commit') = 'off'"
            " THEN set_config('synchronous_commit', 'on', true) END,"
            f" set_config('idle_in_transaction_session_timeout', '{BUSY_TIMEOUT}s', true)"
        ),
    ),
}
"""What a transaction that writes begins with."""

_WITHOUT_DRIVER = frozenset({"postgres", "postgresql"})
"""Schemes that others know, and that name no driver: SQLAlchemy's own may not be installed."""

_LIBPQ = {
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "tcp_user_timeout": 30_000,
}
"""What a connection to PostgreSQL is made with unless the URL says it; the last one is in
milliseconds."""


class Database:
    """A file of SQLite, or a database on a server.

    Each error names the setting and the kind of the cause, never its text: that may quote a row
    or the URL.
    """

    def __init__(self, name: str, url: str, *, read_only: bool = False) -> None:
        """Prepare for it; nothing is opened yet.

        Args:
            name: What it is, such as `ledger`; the setting is `{name}_url`.
            url: SQLAlchemy URL.
            read_only: Whether nothing may be written, not even the files of a write-ahead log.

        Raises:
            SettingsError: The URL cannot be used.
        """
        self._name = name
        self._halted = threading.Event()
        self._again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(sa.exc.DBAPIError),
            stop=lambda state: self._halted.is_set() or _is_tried_enough(state),
            wait=tenacity.wait_random(0, 0.1),
            reraise=True,
        )
        # They log what is tried again, and at level debug each row.
        logging.getLogger("psycopg").setLevel(logging.ERROR)
        logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
        try:
            parsed = sa.make_url(url)
            self.kind = parsed.get_backend_name()
            if self.kind == "sqlite" and _is_in_memory(parsed):
                msg = f"Setting {name}_url names no file: give it as sqlite:///{name}.db."
                raise SettingsError(msg, Trouble.DATABASE_URL)
            self._file = _file(parsed)
            self._opened: os.stat_result | None = None
            self._engine = _engine(parsed, self._file, read_only=read_only)
        except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
            scheme = url.partition("://")[0]
            is_missing = isinstance(error, ImportError | sa.exc.NoSuchModuleError)
            if is_missing and scheme in _WITHOUT_DRIVER:
                instead = "postgresql+psycopg://"
                msg = f"Setting {name}_url begins with {scheme}://: write {instead} there."
                raise SettingsError(msg, Trouble.DATABASE_URL) from None
            raise self._unusable(error) from None

    @property
    def is_there(self) -> bool:
        """Whether there is a file of SQLite; a server is always taken to be there.

        Raises:
            SettingsError: The database cannot be used.
        """
        try:
            return self._file is None or self._file.exists()
        except (OSError, ValueError) as error:
            raise self._unusable(error) from None

    def columns(self, table: sa.Table) -> frozenset[str]:
        """The columns that a table has in the database; none where there is no such table.

        Raises:
            SettingsError: The database cannot be used.
        """
        try:
            return _columns(sa.inspect(self._engine), table)
        except sa.exc.SQLAlchemyError as error:
            raise self._unusable(error) from None

    def encoding(self) -> str:
        """The encoding of text in a PostgreSQL database, such as `UTF8`.

        Raises:
            SettingsError: The database cannot be used.
        """
        try:
            with self._engine.connect() as connection:
                return str(connection.scalar(sa.text("SHOW server_encoding")))
        except sa.exc.SQLAlchemyError as error:
            raise self._unusable(error) from None

    def create(self, tables: sa.MetaData) -> None:
        """Make the tables, and the file if there is none; for the owner only.

        A table of a version before gets the columns and indexes that it lacks.

        A file that others may open is kept from them; a group that was let in stays.

        Raises:
            SettingsError: The database cannot be used, or others cannot be kept out.
        """
        try:
            if self._file:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
                os.close(os.open(self._file, flags, OWNER_ONLY))
                self.keep_others_out()
                self._opened = self._file.stat()
            self._again(self._make, tables)
        except (sa.exc.SQLAlchemyError, OSError, ValueError) as error:
            self.close()
            raise self._unusable(error) from None

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Do some work that only reads.

        Raises:
            StorageError: The database cannot be read.
        """
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except sa.exc.SQLAlchemyError as error:
            raise self._failed(error, "read") from None

    def write(self, work: Callable[[sa.Connection], T], *, again: bool = False) -> T:
        """Do some work in a transaction; it is on disk on return.

        Args:
            work: What to do. A part of it is never kept.
            again: Whether to try again when another process gets in the way.

        Raises:
            StorageError: The database cannot be written.
        """
        try:
            if again:
                return t.cast("T", self._again(self._transact, work, LOCK_TIMEOUT))
            return self._transact(work, BUSY_TIMEOUT)
        except sa.exc.SQLAlchemyError as error:
            failed = self._failed(error, "written")
            if failed.cause is StorageCause.DISK:
                self.checkpoint()
            raise failed from None

    def require_room(self, size: int) -> None:
        """Refuse to write to a file of SQLite what it could not take over from its log.

        On a disk that is full the file cannot grow, so that the room in the write-ahead log is
        never used again; then nothing can be removed either.

        Args:
            size: Bytes that are to be written.

        Raises:
            StorageError: There is too little room, or the file at its path is another one by now.
        """
        if not self._file:
            return
        _, log, _ = _parts(self._file)
        try:
            is_gone = self._opened and not os.path.samestat(self._file.stat(), self._opened)
            taken = log.stat().st_size if log.exists() else 0
            room = shutil.disk_usage(self._file.parent).free
        except OSError as error:
            raise self._failed(error, "written") from None
        if is_gone:
            msg = f"The file of the {self._name} was replaced while it was open: start this again."
            raise StorageError(msg)
        if room >= taken + 2 * size:
            return
        if not self.checkpoint() or room + self._unused() < 2 * size:
            msg = f"The {self._name} cannot be written (disk): make room on its disk."
            raise StorageError(msg, StorageCause.DISK)

    def checkpoint(self) -> bool:
        """Have a file of SQLite take over its write-ahead log; whether it now has all of it."""
        if self._file:
            with suppress(sa.exc.SQLAlchemyError), self._engine.connect() as connection:
                done = connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()
                return bool(done[1] == done[2])
        return False

    def vacuum(self, table: str) -> None:
        """Give back the disk that removed rows took: in a file of SQLite of all tables.

        Raises:
            StorageError: It cannot be done now.
        """
        options: dict[str, t.Any] = {} if self._file else {"isolation_level": "AUTOCOMMIT"}
        try:
            with self._engine.connect().execution_options(**options) as connection:
                if not self._file:
                    connection.exec_driver_sql(f"SET lock_timeout = '{BUSY_TIMEOUT}s'")
                    connection.exec_driver_sql(f"VACUUM {table}")
                    return
                connection.exec_driver_sql("VACUUM")
                is_held = _empty_log(connection)
        except sa.exc.SQLAlchemyError as error:
            raise self._failed(error, "vacuumed") from None
        if is_held:
            msg = (
                f"The {self._name} cannot be vacuumed (lock): another process holds it, try again."
            )
            raise StorageError(msg, StorageCause.LOCK)

    def erase(self, work: Callable[[sa.Connection], T]) -> T:
        """Do some work that removes, as `write` does; on return a file holds nothing of it.

        Rows that a server has removed are its own to clear away.

        Raises:
            StorageError: The database cannot be written; or, when all is removed, its write-ahead
                log cannot be emptied.
        """
        done = self.write(work, again=True)
        if self._file and self.read(_empty_log):
            msg = (
                f"The {self._name} is in use, and its write-ahead log still holds what was "
                "removed: run this again."
            )
            raise StorageError(msg)
        return done

    def size(self, table: str) -> int:
        """Bytes on the disk: of a file of SQLite with its logs, or of a table on a server.

        Raises:
            StorageError: The database cannot be read.
        """
        if self._file:
            return sum(path.stat().st_size for path in _parts(self._file) if path.exists())
        query = sa.select(sa.func.pg_total_relation_size(table))
        return self.read(lambda connection: connection.scalar(query) or 0)

    def halt(self) -> None:
        """Try nothing again from now on, also what is waiting for another process."""
        self._halted.set()

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def keep_others_out(self) -> None:
        """Keep others than the owner and the group out of a file of SQLite and its logs.

        Raises:
            SettingsError: They cannot be kept out.
        """
        if not self._file:
            return
        file, mended = self._file, False
        try:
            for path in _parts(file):
                # The latter two come and go.
                with suppress(FileNotFoundError):
                    mode = path.stat().st_mode
                    if stat.S_ISREG(mode) and mode & OTHERS:
                        path.chmod(stat.S_IMODE(mode) & ~OTHERS)
                        mended = True
        except PermissionError:
            msg = f"Others may open {file}: have its owner run chmod o= on it ({self._name}_url)."
            raise SettingsError(msg, Trouble.OPEN_TO_OTHERS) from None
        if mended:
            LOGGER.warning("Others could open %s: they no longer can.", file)

    def _make(self, tables: sa.MetaData) -> None:
        with self._engine.connect() as connection:
            inspector = sa.inspect(connection)
            if all(
                _columns(inspector, table) >= set(table.columns.keys())
                and all(inspector.has_index(table.name, str(index.name)) for index in table.indexes)
                for table in tables.sorted_tables
            ):
                return
        self._transact(partial(_create, tables), LOCK_TIMEOUT)

    def _transact(self, work: Callable[[sa.Connection], T], lock_timeout: int) -> T:
        with self._engine.begin() as connection:
            for statement in _BEGIN.get(self.kind, ()):
                connection.exec_driver_sql(statement.format(lock_timeout=lock_timeout))
            return work(connection)

    def _unused(self) -> int:
        """Bytes in a file of SQLite that hold nothing any more."""
        size = "freelist_count * page_size FROM pragma_freelist_count, pragma_page_size"
        query = sa.text(f"SELECT {size}")
        return self.read(lambda connection: connection.scalar(query) or 0)

    def _failed(self, error: Exception, what: str) -> StorageError:
        cause = _cause(error)
        advice = {
            StorageCause.DISK: "see that its disk has room and can be written",
            StorageCause.LOCK: "another process holds it, try again",
            StorageCause.DATABASE: f"check {self._name}_url",
        }
        msg = f"The {self._name} cannot be {what} ({_kind(error)}): {advice[cause]}."
        return StorageError(msg, cause)

    def _unusable(self, error: Exception) -> SettingsError:
        return SettingsError(
            f"Setting {self._name}_url cannot be used ({_kind(error)}): give a SQLAlchemy URL such "
            f"as sqlite:///{self._name}.db, check that it can be written and its disk has room, "
            "and install the driver it names (for PostgreSQL the extra postgres).",
            Trouble.DATABASE_URL,
        )


def _create(tables: sa.MetaData, connection: sa.Connection) -> None:
    tables.create_all(connection)
    inspector = sa.inspect(connection)
    for table in tables.sorted_tables:
        there = _columns(inspector, table)
        for column in table.columns:
            if column.name not in there:
                added = CreateColumn(column).compile(connection)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {added}")
        for index in table.indexes:
            index.create(connection, checkfirst=True)


def _columns(inspector: sa.Inspector, table: sa.Table) -> frozenset[str]:
    try:
        return frozenset(column["name"] for column in inspector.get_columns(table.name))
    except sa.exc.NoSuchTableError:
        return frozenset()


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database, None of any other and of a URL that cannot be used."""
    with suppress(sa.exc.SQLAlchemyError, ValueError):
        parsed = sa.make_url(url)
        return None if _is_in_memory(parsed) else _file(parsed)
    return None


def _file(url: sa.URL) -> Path | None:
    is_sqlite = url.get_backend_name() == "sqlite"
    return Path((url.database or "").removeprefix("file:")) if is_sqlite else None


def _parts(file: Path) -> tuple[Path, Path, Path]:
    """The file of a SQLite database, its write-ahead log and the index of that."""
    return file, Path(f"{file}-wal"), Path(f"{file}-shm")


def _engine(url: sa.URL, file: Path | None, *, read_only: bool) -> sa.Engine:
    if not file:
        is_libpq = url.get_driver_name().startswith("psycopg")
        return sa.create_engine(
            url,
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={k: v for k, v in _LIBPQ.items() if is_libpq and k not in url.query},
        )
    if read_only:
        # With mode=ro the files of the write-ahead log would be left behind.
        url = url.set(database=file.absolute().as_uri(), query={"mode": "rw", "uri": "true"})
        pragmas = ["query_only=ON"]
    else:
        # What is overwritten or removed is gone: pages that grow apart would keep copies of it.
        pragmas = ["journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"]
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT}, hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: t.Any, _: object) -> None:  # noqa: ANN401
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _empty_log(connection: sa.Connection) -> bool:
    """Bring SQLite's write-ahead log into the file, and empty it; whether others prevent it."""
    connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT}000")
    return bool(connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one())


def _is_tried_enough(state: tenacity.RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    is_locked = _cause(error) is StorageCause.LOCK
    return state.attempt_number >= (ATTEMPTS_LOCKED if is_locked else ATTEMPTS)


def _cause(error: BaseException | None) -> StorageCause:
    said = getattr(error, "orig", None)
    code = getattr(said, "sqlstate", None) or getattr(said, "sqlite_errorname", None) or ""
    found = (cause for name, cause in _CAUSES.items() if code.startswith(name))
    return next(found, StorageCause.DATABASE)


def _is_in_memory(url: sa.URL) -> bool:
    return not url.database or ":memory:" in url.database or url.query.get("mode") == "memory"


def _kind(error: BaseException) -> str:
    cause, kind = _cause(error), type(getattr(error, "orig", None) or error).__name__
    return kind if cause is StorageCause.DATABASE else f"{cause}, {kind}"
