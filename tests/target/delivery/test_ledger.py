"""What has not changed since is not sent again, and the ledger never says more than is true."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
import typing as t

import pytest

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Json = dict[str, t.Any]
    Call = Callable[..., t.Any]
    Start = Callable[..., subprocess.Popen[str]]
    Singer = t.Any
    Server = t.Any
    Serve = Callable[..., t.ContextManager[Server]]

PEOPLE = 20
SHARED = 100
ROUNDS = 2


@pytest.fixture
def server(loop_server: Serve) -> Iterator[Server]:
    async def answer(server: Server, body: Json) -> tuple[int, Json, dict[str, str]]:
        if body.get("firstname") == "Refused":
            return 400, {"responseCode": "105"}, {}
        return t.cast("tuple[int, Json, dict[str, str]]", server.keep(body))

    with loop_server(answer) as server:
        yield server


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def people(singer: Singer, value: str, *others: Json) -> list[Json]:
    crowd = [singer.record(f"ada{n}@example.com", firstname=value) for n in range(PEOPLE)]
    return [singer.schema, *crowd, *others, singer.state(1)]


def test_only_what_has_changed_is_sent(
    call: Call, singer: Singer, server: Server, ledger_url: str
) -> None:
    settings = server.settings | {"ledger_url": ledger_url}
    ended = call(people(singer, "A"), settings)
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": PEOPLE, "stored": PEOPLE}
    assert len(server.bodies) == PEOPLE

    ended = call(people(singer, "A"), settings)
    assert ended.code == 0
    assert ended.counts == {"read": PEOPLE, "unchanged": PEOPLE}
    assert ended.states == [{"n": 1}]
    assert len(server.bodies) == PEOPLE

    others = [singer.record("ADA3@example.com", firstname="B"), singer.record("new@example.com")]
    ended = call(people(singer, "A")[:1] + others, settings)
    assert ended.counts == {"read": 2, "stored": 2}
    ended = call(people(singer, "A", singer.record("new@example.com")), settings)
    assert ended.counts == {"read": PEOPLE + 1, "stored": 1, "unchanged": PEOPLE}
    *both, last = server.bodies[PEOPLE:]
    assert sorted(both, key=len) == [
        {"email": "new@example.com"},
        {"email": "ADA3@example.com", "firstname": "B"},
    ]
    assert last == {"email": "ada3@example.com", "firstname": "A"}


def test_there_and_back_is_sent_each_time(
    call: Call, singer: Singer, server: Server, sqlite: str
) -> None:
    for value in ("A", "B", "A"):
        ended = call(people(singer, value), server.settings | {"ledger_url": sqlite})
        assert ended.counts == {"read": PEOPLE, "stored": PEOPLE}
        assert {person["firstname"] for person in server.people.values()} == {value}


def test_without_a_ledger_everything_is_sent(call: Call, singer: Singer, server: Server) -> None:
    for _ in range(2):
        assert call(people(singer, "A"), server.settings).counts["stored"] == PEOPLE


def test_who_was_rejected_is_sent_again(
    call: Call, singer: Singer, server: Server, sqlite: str, tmp_path: Path
) -> None:
    settings = server.settings | {"ledger_url": sqlite, "rejects_path": str(tmp_path / "rejects")}
    for stored in ("stored", "unchanged"):
        eve = singer.record("eve@example.com", firstname="Refused")
        ended = call(people(singer, "A", eve), settings)
        assert ended.code == 0
        assert ended.counts == {"read": PEOPLE + 1, stored: PEOPLE, "rejected": 1}
    assert [body["email"] for body in server.bodies].count("eve@example.com") == 2


def test_a_rejected_change_forgets_what_was_stored_before(
    call: Call, singer: Singer, server: Server, sqlite: str
) -> None:
    settings = server.settings | {"ledger_url": sqlite}
    for value in ("A", "Refused", "A"):
        call([singer.schema, singer.record("eve@example.com", firstname=value)], settings)
    assert [body["firstname"] for body in server.bodies] == ["A", "Refused", "A"]


def test_a_run_that_dies_before_the_answer_leaves_no_mark(
    call: Call, start: Start, singer: Singer, loop_server: Serve, sqlite: str
) -> None:
    arrived = threading.Event()
    is_slow = False

    async def answer(server: Server, body: Json) -> tuple[int, Json, dict[str, str]]:
        reply = server.keep(body)
        if is_slow:
            arrived.set()
            await asyncio.sleep(20)
        return t.cast("tuple[int, Json, dict[str, str]]", reply)

    def ada(value: str) -> list[Json]:
        return [singer.schema, singer.record("ada@example.com", firstname=value), singer.state(1)]

    with loop_server(answer) as server:
        settings = server.settings | {"ledger_url": sqlite}
        assert call(ada("A"), settings).counts["stored"] == 1
        is_slow = True
        with start(settings) as process:
            assert process.stdin
            process.stdin.write("".join(f"{json.dumps(message)}\n" for message in ada("B")))
            process.stdin.flush()
            assert arrived.wait(10)
            process.kill()
        is_slow = False
        for value in ("B", "A"):
            # RainFocus took B, but nobody knows: neither counts as unchanged.
            assert call(ada(value), settings).counts == {"read": 1, "stored": 1}
            assert server.people["ada@example.com"]["firstname"] == value


def test_another_event_or_another_address_is_another_store(
    call: Call, singer: Singer, server: Server, sqlite: str
) -> None:
    settings = server.settings | {"ledger_url": sqlite}
    changes: list[Json] = [
        {},
        {"event_code": "summit27"},
        {"org_id": "other"},
        {"api_url": f"{server.url}/other"},
    ]
    for outcome in ("stored", "unchanged"):
        for change in changes:
            ended = call(people(singer, "A"), settings | change)
            assert ended.counts == {"read": PEOPLE, outcome: PEOPLE}, change
    assert len(server.bodies) == PEOPLE * len(changes)


def test_the_order_of_fields_does_not_matter(
    call: Call, singer: Singer, server: Server, sqlite: str
) -> None:
    messages = [singer.schema, singer.record("ada@example.com", city="London", jobtitle="Countess")]
    extra = {"a": "city", "b": "jobtitle"}
    settings = server.settings | {"ledger_url": sqlite}
    assert call(messages, settings | {"extra_fields": extra}).counts["stored"] == 1
    backwards = dict(reversed(extra.items()))
    assert call(messages, settings | {"extra_fields": backwards}).counts["unchanged"] == 1
    call(messages, server.settings | {"extra_fields": backwards})
    first, second = server.bodies
    assert first == second
    assert list(first) != list(second)


def test_the_ledger_holds_nothing_but_hashes(
    call: Call, singer: Singer, server: Server, sqlite: str, tmp_path: Path
) -> None:
    record = singer.record("ada@example.com", firstname="Augusta", city="Ockham")
    eve = singer.record("eve@example.com", firstname="Refused")
    settings = server.settings | {"ledger_url": sqlite}
    call([singer.schema, record, eve], settings)
    content = b"".join(file.read_bytes() for file in tmp_path.glob("ledger.db*")).lower()
    assert b"rainfocus_attendee_ledger" in content
    host = server.url.removeprefix("http://")
    for word in ("ada@", "eve", "example.com", "augusta", "ockham", "refused", "summit", host):
        assert word.encode() not in content, word


def test_two_targets_on_one_ledger_never_mark_what_is_not_so(
    call: Call, start: Start, singer: Singer, loop_server: Serve, ledger_url: str, tmp_path: Path
) -> None:
    draw = random.Random()

    async def answer(server: Server, body: Json) -> tuple[int, Json, dict[str, str]]:
        await asyncio.sleep(draw.uniform(0, 0.02))
        reply = server.keep(body)
        await asyncio.sleep(draw.uniform(0, 0.02))
        return t.cast("tuple[int, Json, dict[str, str]]", reply)

    def load(value: str) -> list[Json]:
        emails = [f"p{n}@example.com" for n in range(SHARED)]
        draw.shuffle(emails)
        return [singer.schema, *(singer.record(email, firstname=value) for email in emails)]

    marked = 0
    bodies = tmp_path / "bodies.jsonl"
    with loop_server(answer) as server:
        settings = server.settings | {"ledger_url": ledger_url}
        rehearsal = settings | {"dry_run": True, "dry_run_path": str(bodies)}
        for number in range(ROUNDS):
            values = [f"A{number}", f"B{number}"]
            processes = [start(settings | {"concurrency": 4}) for _ in values]
            threads = [
                threading.Thread(target=_feed, args=(process, load(value)))
                for process, value in zip(processes, values, strict=True)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [process.returncode for process in processes] == [0, 0]
            for value in values:
                bodies.unlink(missing_ok=True)
                assert call(load(value), rehearsal).code == 0
                to_send = {json.loads(line)["email"] for line in bodies.read_text().splitlines()}
                held = {e: person["firstname"] for e, person in server.people.items()}
                unchanged = held.keys() - to_send
                assert {held[email] for email in unchanged} <= {value}
                marked += len(unchanged)
    assert marked


def _feed(process: subprocess.Popen[str], messages: list[Json]) -> None:
    process.communicate("".join(f"{json.dumps(message)}\n" for message in messages), timeout=30)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("hush-hush-password", "Setting ledger_url cannot be used (ArgumentError)"),
        ("nothing://me:hush-hush-password@nowhere/x", "cannot be used (NoSuchModuleError)"),
        ("mysql+pymysql://me:hush-hush-password@nowhere/x", "install the driver it names"),
        (
            "sqlite:////nowhere/at/all/ledger.db",
            "Setting ledger_url cannot be used (FileNotFoundError)",
        ),
        (
            "postgresql+psycopg://me:hush-hush-password@127.0.0.1:{port}/x",
            "cannot be used (Operat",
        ),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_ledger_that_cannot_be_used_is_one_line_and_exit_1(
    call: Call,
    singer: Singer,
    server: Server,
    url: str,
    said: str,
    *,
    dry_run: bool,
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = url.replace("{port}", str(closed.getsockname()[1]))
        settings = server.settings | {"ledger_url": url, "dry_run": dry_run}
        ended = call(people(singer, "A"), settings)
    if dry_run and url.startswith("sqlite"):
        # It is only read, and one that is not there knows of nobody.
        assert ended.code == 0
        return
    assert ended.code == 78
    assert said in ended.error
    assert "hush-hush-password" not in ended.log
    assert ended.states == []
    assert server.bodies == []
