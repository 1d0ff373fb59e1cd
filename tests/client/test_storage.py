"""A database that a setting names, and commits in groups: no error is lost, none shows the URL."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
import threading
import typing as t
from contextlib import closing

import pytest
import sqlalchemy as sa
from rainfocus_client.errors import SettingsError, StorageError
from rainfocus_client.storage import database
from rainfocus_client.storage.database import Database
from rainfocus_client.storage.group_commit import GroupCommit

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Postgres

TABLES = sa.MetaData()
sa.Table("a", TABLES, sa.Column("b", sa.Integer))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://user:p@s:S3CRETw0rd@127.0.0.1:1/db",
        "postgresql+psycopg://user:S3CRETw0rd@127.0.0.1:many/db",
        "nosuchdatabase://user:S3CRETw0rd@127.0.0.1/db",
        f"sqlite:////tmp/{'S3CRETw0rd' * 30}.db",
    ],
)
def test_a_url_that_cannot_be_used_is_told_by_the_setting(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        assert Database("inbox", url).is_there
    assert str(refused.value).startswith("Setting inbox_url cannot be used (")
    assert "S3CRETw0rd" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_scheme_without_its_driver_is_told_with_the_one_to_write(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError) as refused:
        Database("inbox", f"{scheme}://user:S3CRETw0rd@127.0.0.1/db")
    said = f"Setting inbox_url begins with {scheme}://: write postgresql+psycopg:// there."
    assert str(refused.value) == said


def test_a_folder_where_the_file_should_be_is_told_by_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Setting ledger_url cannot be used"):
        Database("ledger", f"sqlite:///{tmp_path}").create(sa.MetaData())


FILES = ("inbox.db", "inbox.db-wal", "inbox.db-shm")


@pytest.fixture
def open_to_others(tmp_path: Path) -> Iterator[str]:
    """The URL of a file that others may open, while somebody has it open."""
    url = f"sqlite:///{tmp_path}/inbox.db"
    with closing(Database("inbox", url)) as keeper:
        keeper.create(TABLES)
        for file in FILES:
            (tmp_path / file).chmod(0o644)
        yield url


def modes(folder: Path) -> list[int]:
    return [stat.S_IMODE((folder / file).stat().st_mode) for file in FILES]


def test_others_are_kept_out_of_a_file(
    open_to_others: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Database("inbox", open_to_others, read_only=True)) as reader:
        assert reader.columns(TABLES.tables["a"])
    assert (modes(tmp_path), caplog.messages) == ([0o644] * 3, [])
    for _ in range(2):
        with closing(Database("inbox", open_to_others)) as database:
            database.create(TABLES)
        assert modes(tmp_path) == [0o640] * 3
        assert caplog.messages == [f"Others could open {tmp_path}/inbox.db: they no longer can."]


def test_a_file_that_others_cannot_be_kept_out_of_is_refused(
    open_to_others: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    with monkeypatch.context() as changed, closing(Database("inbox", open_to_others)) as database:
        changed.setattr(os, "chmod", refuse)
        with pytest.raises(SettingsError, match=f"Others may open {tmp_path}/inbox.db: .* chmod"):
            database.create(TABLES)
    assert modes(tmp_path) == [0o644] * 3


def cause_of(database: Database, *statements: str) -> str:
    """The cause that is told, and shown in the message, when these statements are run."""

    def work(connection: sa.Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    with closing(database), pytest.raises(StorageError) as told:
        database.write(work)
    is_named = f"The inbox cannot be written ({told.value.cause}, " in str(told.value)
    assert is_named == (told.value.cause != "database")
    return told.value.cause


def test_what_a_file_cannot_be_written_for_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/inbox.db"
    larger = ("PRAGMA max_page_count=2", "CREATE TABLE a (b)", "CREATE TABLE c (d)")
    assert cause_of(Database("inbox", url), *larger) == "disk"
    assert cause_of(Database("inbox", url), "SELECT * FROM nothing") == "database"
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0)
    with closing(sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert cause_of(Database("inbox", url), "SELECT 1") == "lock"


@pytest.mark.parametrize(
    ("state", "cause"), [("53100", "disk"), ("55P03", "lock"), ("42501", "database")]
)
def test_what_a_server_cannot_write_for_is_told(postgres: Postgres, state: str, cause: str) -> None:
    address = f"{postgres.user}@{postgres.host}:{postgres.port}/{postgres.database}"
    raised = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"
    assert cause_of(Database("inbox", f"postgresql+psycopg://{address}"), raised) == cause


def test_who_waits_for_a_commit_that_is_not_to_be_known_is_told() -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def commit(items: list[int]) -> list[int]:
        begun.set()
        goes_on.wait(10)
        return items

    async def main() -> list[object]:
        commits = GroupCommit[int, int](commit)
        running = asyncio.create_task(commits.run())
        first = asyncio.create_task(commits.submit(1))
        await asyncio.to_thread(begun.wait, 10)
        second = asyncio.create_task(commits.submit(2))
        await asyncio.sleep(0)
        running.cancel()
        waiting = asyncio.gather(first, second, commits.submit(3), return_exceptions=True)
        outcome = await asyncio.wait_for(waiting, 10)
        goes_on.set()
        return t.cast("list[object]", outcome)

    assert [type(outcome) for outcome in asyncio.run(main())] == [StorageError] * 3


def test_a_commit_that_tells_too_little_keeps_nobody_waiting() -> None:
    async def main() -> None:
        commits = GroupCommit[int, int](lambda _: [])
        running = asyncio.create_task(commits.run())
        with pytest.raises(StorageError):
            await asyncio.wait_for(commits.submit(1), 10)
        with pytest.raises(ValueError, match="zip"):
            await running

    asyncio.run(main())
