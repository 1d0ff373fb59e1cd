"""The inbox: nothing is lost, doubled or skipped, whoever writes at the same time."""

from __future__ import annotations

import sqlite3
import stat
import threading
import typing as t
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from rainfocus_client.errors import RainFocusError, SettingsError
from rainfocus_client.storage.database import Database
from tap_rainfocus.inbox.keeping import KeptInbox
from tap_rainfocus.inbox.models import Kept, Message
from tap_rainfocus.inbox.tables import TABLES

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Postgres

WRITERS = 8
TURNS = 25


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/inbox.db"
    postgres: Postgres = request.getfixturevalue("postgres")
    schema = f"inbox_{uuid.uuid4().hex}"
    postgres.run(f"CREATE SCHEMA {schema}")
    address = f"{postgres.user}@{postgres.host}:{postgres.port}/{postgres.database}"
    options = f"-csearch_path%3D{schema}%20-ctimezone%3DAsia/Kathmandu"
    return f"postgresql+psycopg://{address}?options={options}"


@pytest.fixture
def inbox(url: str) -> Iterator[KeptInbox]:
    with closing(KeptInbox(url)) as inbox:
        yield inbox


def message(key: str, *, fingerprint: str = "f", readable: bool = True) -> Message:
    return Message(key, f'{{"transmissionId":"{key}"}}', "flow", key, readable, fingerprint)


def read_all(inbox: KeptInbox) -> list[str | None]:
    return [row.transmission_id for row in inbox.read(0, 10_000)]


def test_what_is_appended_is_read_in_order(inbox: KeptInbox) -> None:
    began = datetime.now(UTC)
    assert inbox.append([message("a"), message("b")]) == [Kept.NEW, Kept.NEW]
    inbox.append([message("c")])
    rows = inbox.read(0, 10)
    assert [row.sequence for row in rows] == [1, 2, 3]
    assert rows[0][2:] == ("flow", "a", '{"transmissionId":"a"}')
    assert timedelta(0) <= rows[0].received_at - began < timedelta(seconds=30)
    assert rows[0].received_at.utcoffset() == timedelta(0)
    assert [row.transmission_id for row in inbox.read(1, 1)] == ["b"]
    assert inbox.last() == 3


def test_an_inbox_of_the_version_before_gets_its_index(url: str, engine: sa.Engine) -> None:
    KeptInbox(url).close()
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX rainfocus_inbox_unreadable")
        key = "unreadable:0123"
        connection.exec_driver_sql(
            "INSERT INTO rainfocus_inbox"
            " (sequence, key, fingerprint, received_at, readable, payload)"
            f" VALUES (1, '{key}', 'f', '2026-01-01 00:00:00', false, '7')"
        )
    with closing(KeptInbox(url)) as inbox:
        assert inbox.kinds() == {"no-event": 1}
    assert sa.inspect(engine).has_index("rainfocus_inbox", "rainfocus_inbox_unreadable")


def test_the_same_is_kept_once(inbox: KeptInbox) -> None:
    twice = [message("a"), message("b"), message("a")]
    assert inbox.append(twice) == [Kept.NEW, Kept.NEW, Kept.DUPLICATE]
    assert inbox.append(twice) == [Kept.DUPLICATE, Kept.DUPLICATE, Kept.DUPLICATE]
    assert read_all(inbox) == ["a", "b"]
    assert inbox.counts() == {"events": 2, "unreadable": 0}


def test_other_content_under_the_same_key_is_kept_apart(inbox: KeptInbox) -> None:
    inbox.append([message("a")])
    other = message("a", fingerprint="other")
    assert inbox.append([other, other]) == [Kept.CONFLICT, Kept.DUPLICATE]
    within = [message("b"), message("b", fingerprint="other"), message("b")]
    assert inbox.append(within) == [Kept.NEW, Kept.CONFLICT, Kept.DUPLICATE]
    assert read_all(inbox) == ["a", "b"]
    assert inbox.counts() == {"events": 2, "unreadable": 2}


def test_what_is_unreadable_is_kept_and_never_read(inbox: KeptInbox) -> None:
    assert inbox.append([message("a", readable=False), message("b")]) == [
        Kept.NEW,
        Kept.NEW,
    ]
    assert read_all(inbox) == ["b"]
    assert inbox.counts() == {"events": 1, "unreadable": 1}


def test_more_messages_than_a_query_can_name(inbox: KeptInbox) -> None:
    many = [message(str(number)) for number in range(3000)]
    assert sum(inbox.append(many)) == 3000
    assert sum(inbox.append(many)) == 0
    assert inbox.counts()["events"] == 3000


def test_a_reader_that_advances_sees_every_row_once(inbox: KeptInbox, url: str) -> None:
    """Sequence order is commit order: no row appears behind the reader."""
    done = threading.Event()
    seen: list[int] = []
    names: list[str | None] = []

    def follow() -> None:
        is_last = False
        while not is_last:
            is_last = done.is_set()
            while rows := inbox.read(seen[-1] if seen else 0, 7):
                seen.extend(row.sequence for row in rows)
                names.extend(row.transmission_id for row in rows)

    def write(writer: int) -> None:
        with closing(KeptInbox(url)) as own:
            for turn in range(TURNS):
                size = (writer + turn) % 4 + 1
                own.append([message(f"{writer}-{turn}-{number}") for number in range(size)])

    with ThreadPoolExecutor(WRITERS + 1) as threads:
        reading = threads.submit(follow)
        try:
            list(threads.map(write, range(WRITERS)))
        finally:
            done.set()
        reading.result()
    expected = {
        f"{writer}-{turn}-{number}"
        for writer in range(WRITERS)
        for turn in range(TURNS)
        for number in range((writer + turn) % 4 + 1)
    }
    assert seen == sorted(set(seen))
    assert len(names) == len(expected)
    assert set(names) == expected


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    """A way to the tables past the inbox."""
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


def test_a_transaction_that_commits_late_is_not_skipped(
    inbox: KeptInbox, engine: sa.Engine
) -> None:
    """One stops half-way, after it has taken its number; another comes after it."""
    inbox.append([message("first")])
    with ThreadPoolExecutor(1) as threads, engine.connect() as late:
        late.exec_driver_sql("UPDATE rainfocus_inbox_sequence SET last = last + 1")
        late.exec_driver_sql(
            "INSERT INTO rainfocus_inbox"
            " (sequence, key, fingerprint, received_at, transmission_id, readable, payload)"
            " VALUES (2, 'late', 'f', '2026-01-01 00:00:00', 'late', true, '{}')"
        )
        after = threads.submit(inbox.append, [message("after")])
        with pytest.raises(TimeoutError):
            after.result(timeout=0.5)
        assert read_all(inbox) == ["first"]
        assert inbox.last() == 1
        late.commit()
        assert after.result() == [Kept.NEW]
    assert [(row.sequence, row.transmission_id) for row in inbox.read(1, 10)] == [
        (2, "late"),
        (3, "after"),
    ]


def test_a_transaction_that_is_given_up_leaves_no_trace(
    inbox: KeptInbox, engine: sa.Engine
) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE rainfocus_inbox_sequence SET last = last + 1")
        connection.rollback()
    assert inbox.append([message("a")]) == [Kept.NEW]
    assert [row.sequence for row in inbox.read(0, 10)] == [1]


def test_writers_with_the_same_messages_keep_each_once(inbox: KeptInbox, url: str) -> None:
    def write(writer: int) -> int:
        with closing(KeptInbox(url)) as own:
            keys = [str((number + 7 * writer) % TURNS) for number in range(TURNS)]
            return sum(sum(own.append([message(key)])) for key in keys)

    with ThreadPoolExecutor(WRITERS) as threads:
        assert sum(threads.map(write, range(WRITERS))) == TURNS
    assert sorted(read_all(inbox), key=str) == sorted(map(str, range(TURNS)))


def test_many_open_a_new_inbox_at_once(url: str) -> None:
    ready = threading.Barrier(WRITERS)

    def begin(number: int) -> list[Kept]:
        ready.wait()
        with closing(KeptInbox(url)) as own:
            return own.append([message(str(number))])

    with ThreadPoolExecutor(WRITERS) as threads:
        assert list(threads.map(begin, range(WRITERS))) == [[Kept.NEW]] * WRITERS


def test_prune_up_to_a_sequence_and_numbers_are_not_given_again(inbox: KeptInbox) -> None:
    inbox.append([message("a"), message("b", readable=False), message("c")])
    assert inbox.prune(sequence=2) == 1
    assert (inbox.unreadable(sequence=2), inbox.unreadable(sequence=1)) == (1, 0)
    assert inbox.prune(sequence=2, unreadable=True) == 1
    assert read_all(inbox) == ["c"]
    assert inbox.prune(sequence=3) == 1
    assert inbox.last() == 3
    inbox.append([message("d")])
    assert [row.sequence for row in inbox.read(0, 10)] == [4]


def test_prune_before_a_time(inbox: KeptInbox) -> None:
    inbox.append([message("a")])
    between = inbox.read(0, 1)[0].received_at + timedelta(microseconds=1)
    inbox.append([message("b")])
    elsewhere = between.astimezone(datetime.now(UTC).astimezone().tzinfo)
    assert inbox.prune(before=elsewhere) == 1
    assert read_all(inbox) == ["b"]
    assert inbox.prune(before=datetime(2020, 1, 1, tzinfo=UTC)) == 0


def test_vacuum_gives_the_disk_back(inbox: KeptInbox, engine: sa.Engine) -> None:
    is_postgres = engine.dialect.name == "postgresql"
    size = sa.text(
        "SELECT pg_relation_size('rainfocus_inbox')"
        if is_postgres
        else "SELECT page_count FROM pragma_page_count"
    )
    inbox.append([message(str(number)) for number in range(3000)])
    with engine.connect() as connection:
        before = connection.scalar(size)
    inbox.prune(sequence=3000)
    inbox.vacuum()
    with engine.connect() as connection:
        assert connection.scalar(size) < before / 4


def test_a_broken_inbox_says_so_and_recovers(inbox: KeptInbox, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE rainfocus_inbox RENAME TO away")
    for use in (lambda: inbox.append([message("secret-key")]), lambda: inbox.read(0, 1)):
        with pytest.raises(RainFocusError, match="inbox cannot be") as told:
            use()
        assert "secret-key" not in str(told.value)
        assert "\n" not in str(told.value)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO rainfocus_inbox")
    inbox.check()
    assert inbox.append([message("a")]) == [Kept.NEW]
    assert inbox.last() == 1


def test_a_check_that_is_killed_half_way_does_no_harm(
    inbox: KeptInbox, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.append([message("a")])
    begun: list[object] = []

    def die_at_the_second(database: Database, work: t.Any) -> object:
        if begun:
            raise KeyboardInterrupt
        begun.append(work)
        return write(database, work)

    write = Database.write
    with monkeypatch.context() as changed:
        changed.setattr(Database, "write", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            inbox.check()
    assert (read_all(inbox), inbox.last()) == (["a"], 1)
    assert inbox.counts() == {"events": 1, "unreadable": 0}
    inbox.check(size=200_000)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT sequence FROM rainfocus_inbox").scalars().all()
    assert rows == [1]


@pytest.mark.parametrize(
    "bad",
    [
        "sqlite:////no/such/folder/inbox.db",
        "postgresql+psycopg://me:p4ssw0rd@127.0.0.1:1/inbox",
        "oracle+nothing://me:p4ssw0rd@host/inbox",
        "not a URL p4ssw0rd",
        "sqlite://",
        "",
    ],
)
def test_an_inbox_that_cannot_be_used_is_told_in_a_line(bad: str) -> None:
    with pytest.raises(SettingsError, match="inbox_url") as told:
        KeptInbox(bad)
    assert "p4ssw0rd" not in str(told.value)
    assert "\n" not in str(told.value)


def test_the_file_is_the_owners_and_readers_do_not_stop_writers(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    with closing(KeptInbox(f"sqlite:///{path}")) as inbox:
        inbox.append([message("a")])
        files = list(tmp_path.iterdir())
        assert path in files
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM rainfocus_inbox").fetchone() == (1,)
            assert inbox.append([message("b")]) == [Kept.NEW]


def test_a_database_that_is_refused_is_left_as_it_is(postgres: Postgres) -> None:
    postgres.run(
        "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    url = f"postgresql+psycopg://{postgres.user}@{postgres.host}:{postgres.port}/ascii"
    with pytest.raises(SettingsError, match="not in UTF8"):
        KeptInbox(url)
    with closing(Database("inbox", url)) as database:
        assert not any(database.columns(table) for table in TABLES.sorted_tables)
