"""A database that a setting names, and commits in groups: no error is lost, none shows the URL."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import typing as t
from contextlib import closing

import pytest
from rainfocus_client.errors import SettingsError, StorageError
from rainfocus_client.storage import database
from rainfocus_client.storage.database import Database
from rainfocus_client.storage.group_commit import GroupCommit

if t.TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa

    from tests.conftest import Postgres


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


def test_a_folder_where_the_file_should_be_is_told_by_the_setting(tmp_path: Path) -> None:
    import sqlalchemy as sa  # noqa: PLC0415

    with pytest.raises(SettingsError, match="Setting ledger_url cannot be used"):
        Database("ledger", f"sqlite:///{tmp_path}").create(sa.MetaData())


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
