"""What the ledger holds: claims that end, one entry per person, and nothing new in a dry run."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
import typing as t
from contextlib import closing

import pytest
import sqlalchemy as sa

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Json = dict[str, t.Any]
    Call = Callable[..., t.Any]
    Start = Callable[..., subprocess.Popen[str]]
    Stored = Callable[[], dict[str, Json]]
    Singer = t.Any
    Server = t.Any
    Serve = Callable[..., t.ContextManager[Server]]

RETRIES, TIMEOUT, LONGEST_WAIT = 1, 10, 300
LEASE = (RETRIES + 1) * (2 * TIMEOUT + LONGEST_WAIT)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def server(loop_server: Serve) -> Iterator[Server]:
    with loop_server() as serving:
        yield serving


def ada(singer: Singer, value: str = "Ada") -> list[Json]:
    return [singer.schema, singer.record("ada@example.com", firstname=value), singer.state(1)]


def test_the_claim_of_a_run_that_was_killed_runs_out_though_others_go_on(
    call: Call, start: Start, singer: Singer, loop_server: Serve, ledger: Path
) -> None:
    arrived = threading.Event()

    async def answer(server: Server, body: Json) -> tuple[int, Json, dict[str, str]]:
        if not arrived.is_set():
            arrived.set()
            await asyncio.sleep(20)
        return t.cast("tuple[int, Json, dict[str, str]]", server.keep(body))

    outcomes: list[str] = []
    with loop_server(answer) as server:
        settings = server.settings | {
            "ledger_url": f"sqlite:///{ledger}",
            "max_retries": RETRIES,
            "request_timeout": TIMEOUT,
        }
        with start(settings) as process:
            assert process.stdin
            process.stdin.write("".join(f"{json.dumps(message)}\n" for message in ada(singer)))
            process.stdin.flush()
            assert arrived.wait(10)
            process.kill()
        for _ in range(6):
            ended = call(ada(singer), settings)
            assert ended.code == 0
            outcomes += set(ended.counts) - {"read"}
            with closing(sqlite3.connect(ledger)) as other, other:
                other.execute(
                    "UPDATE rainfocus_attendee_ledger SET claimed_at = claimed_at - ?",
                    [LEASE / 3.5],
                )
    # Until then the request of the killed run might still arrive.
    assert outcomes == ["stored"] * 5 + ["unchanged"]


def test_a_person_has_one_entry_by_address_or_by_hash(
    call: Call, singer: Singer, settings: Json, stored: Stored, ledger: Path
) -> None:
    settings |= {"ledger_url": f"sqlite:///{ledger}"}
    by_hash = {"identity": "email_lc_sha256"}
    for value, change in (("A", {}), ("B", by_hash), ("A", {}), ("B", by_hash)):
        ended = call(ada(singer, value), settings | change)
        assert ended.counts == {"read": 1, "stored": 1}
        assert stored()["ada@example.com"]["firstname"] == value
    assert call(ada(singer, "B"), settings | by_hash).counts == {"read": 1, "unchanged": 1}
    with closing(sqlite3.connect(ledger)) as other:
        assert other.execute("SELECT count(*) FROM rainfocus_attendee_ledger").fetchone() == (1,)


WAYS: list[Json] = [
    {"mode": "update"},
    {"event_parameter": "eventCode"},
    {"client_id": "another"},
    {"client_id": None, "client_secret": None, "api_profile": "some-profile"},
    {"field_map": {"city": "lastname"}},
    {"extra_fields": {"diet": "lastname"}},
]


@pytest.mark.parametrize("change", WAYS, ids=str)
def test_what_goes_another_way_is_sent_again(
    call: Call, singer: Singer, server: Server, ledger: Path, change: Json
) -> None:
    settings = server.settings | {"ledger_url": f"sqlite:///{ledger}"}
    for way in ({}, change, {}):
        assert call(ada(singer), settings | way).counts == {"read": 1, "stored": 1}
        assert call(ada(singer), settings | way).counts == {"read": 1, "unchanged": 1}


def test_a_claim_ends_by_the_clock_of_the_database(
    call: Call, singer: Singer, server: Server, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = server.settings | {"ledger_url": f"sqlite:///{ledger}"}
    assert call(ada(singer), settings).counts == {"read": 1, "stored": 1}
    with closing(sqlite3.connect(ledger)) as other, other:
        other.execute(
            "UPDATE rainfocus_attendee_ledger SET fingerprint = NULL, claimed_at = ?",
            [time.time()],
        )
    tomorrow = time.time() + 86400
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    for _ in range(2):  # another one may still be sending
        assert call(ada(singer), settings).counts == {"read": 1, "stored": 1}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_signal_is_heeded_while_another_holds_the_ledger(
    call: Call, start: Start, singer: Singer, server: Server, ledger: Path, kind: str,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    url = f"sqlite:///{ledger}"
    if kind == "postgresql":
        postgres = request.getfixturevalue("postgres")
        url = f"postgresql+psycopg://{postgres.user}@{postgres.host}:{postgres.port}/{postgres.database}"
    settings = server.settings | {"ledger_url": url}
    assert call(ada(singer), settings).code == 0
    engine = sa.create_engine(url)
    with engine.connect() as other:
        if kind == "sqlite":
            other.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            other.exec_driver_sql("SELECT * FROM rainfocus_attendee_ledger FOR UPDATE")
        before = server.tokens
        process = start(settings)
        assert process.stdin
        process.stdin.write("".join(f"{json.dumps(m)}\n" for m in ada(singer, "Augusta")))
        process.stdin.close()
        while server.tokens == before:  # what comes next is the claim
            time.sleep(0.02)
        time.sleep(0.5)
        began = time.monotonic()
        process.terminate()
        assert process.wait(timeout=60) == 143
        took = time.monotonic() - began
    engine.dispose()
    assert took < 5  # and not as long as the other one holds it


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("ledger*")}


def test_a_dry_run_makes_no_ledger(
    call: Call, singer: Singer, server: Server, ledger: Path, tmp_path: Path
) -> None:
    settings = server.settings | {"ledger_url": f"sqlite:///{ledger}", "dry_run": True}
    ended = call(ada(singer), settings)
    assert ended.code == 0, ended.log
    assert "1 read, 1 would be stored" in ended.log
    assert files(tmp_path) == {}


def test_a_dry_run_reads_a_ledger_and_changes_nothing_of_it(
    call: Call, singer: Singer, server: Server, ledger: Path, tmp_path: Path
) -> None:
    settings = server.settings | {"ledger_url": f"sqlite:///{ledger}"}
    assert call(ada(singer), settings).counts == {"read": 1, "stored": 1}
    before = files(tmp_path)
    assert ledger.name in before
    ended = call([*ada(singer), singer.record("bob@example.com")], settings | {"dry_run": True})
    assert ended.code == 0, ended.log
    assert "2 read, 1 would be stored, 1 unchanged" in ended.log
    assert ended.states == []
    assert files(tmp_path) == before
    assert len(server.bodies) == 1
    assert call(ada(singer), settings).counts == {"read": 1, "unchanged": 1}


def test_a_dry_run_takes_a_database_without_a_ledger_as_an_empty_one(
    call: Call, singer: Singer, server: Server, ledger: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(ledger)) as other:
        other.execute("CREATE TABLE mine (a)")
    before = files(tmp_path)
    settings = server.settings | {"ledger_url": f"sqlite:///{ledger}", "dry_run": True}
    ended = call(ada(singer), settings)
    assert ended.code == 0, ended.log
    assert "1 read, 1 would be stored" in ended.log
    assert files(tmp_path) == before
