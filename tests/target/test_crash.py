"""Killed at any moment, told to stop, or left alone by RainFocus: nothing is lost."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import threading
import time
import typing as t

import pytest

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Json = dict[str, t.Any]
    Start = Callable[..., subprocess.Popen[str]]
    Singer = t.Any
    Server = t.Any
    Serve = Callable[..., t.ContextManager[Server]]

KILLS = 4
RECORDS = 1500
REFUSED: t.Final[tuple[int, dict[str, t.Any], dict[str, str]]] = 400, {"responseCode": "105"}, {}


def lines(singer: Singer, after: int) -> str:
    """The input behind a state: a state every 10 records, some not valid, some to be refused."""
    messages = [singer.schema]
    for n in range(after + 1, RECORDS + 1):
        email = f"ada{n}@example.com" if n % 11 else f"ada{n}"
        company = "Refused" if n % 7 == 0 else ""
        messages.append(singer.record(email, firstname=str(n), companyname=company))
        if n % 10 == 0:
            messages.append(singer.state(n))
    return "".join(f"{json.dumps(message)}\n" for message in messages)


def put_away(rejects: Path) -> set[int]:
    """The records in the rejects; but for the end of the file, each line must be a message."""
    if not rejects.exists():
        return set()
    *whole, torn = rejects.read_text().split("\n")
    messages = [json.loads(line) for line in whole]
    try:
        messages.append(json.loads(torn))
    except ValueError:
        """Killed while it was written."""
    return {int(m["record"]["firstname"]) for m in messages if m["type"] == "RECORD"}


def test_killed_again_and_again_a_load_loses_nothing(
    start: Start, singer: Singer, loop_server: Serve, tmp_path: Path
) -> None:
    draw = random.Random()
    rejects = tmp_path / "rejects.singer"
    left = 0
    process: subprocess.Popen[str]

    async def answer(server: Server, body: Json) -> tuple[int, Json, dict[str, str]]:
        nonlocal left
        left -= 1
        if left == 0:
            asyncio.get_running_loop().call_later(draw.uniform(0, 0.01), process.kill)
        await asyncio.sleep(draw.uniform(0, 0.004))
        return REFUSED if body.get("companyname") else server.keep(body)

    state = 0
    ends: list[int] = []
    with loop_server(answer) as server:
        settings = server.settings | {"rejects_path": str(rejects), "batch_size_rows": 10}
        process = start(settings)
        while True:
            left = draw.randrange(1, 80) if len(ends) < KILLS else -1
            out, log = process.communicate(lines(singer, state), timeout=30)
            ends.append(process.returncode)
            states = [json.loads(line)["n"] for line in out.split("\n")[:-1]]
            assert states == sorted(states)
            state = max([state, *states])
            stored = {int(person["firstname"]) for person in server.people.values()}
            assert not set(range(1, state + 1)) - stored - put_away(rejects), (state, len(ends))
            if process.returncode != -signal.SIGKILL:
                break
            process = start(settings)
    assert ends == [-signal.SIGKILL] * KILLS + [0], log
    assert state == RECORDS
    assert rejects.read_text().endswith("\n")
    bad = {n for n in range(1, RECORDS + 1) if n % 7 == 0 or n % 11 == 0}
    assert put_away(rejects) == bad
    assert stored == set(range(1, RECORDS + 1)) - bad


@pytest.mark.parametrize(("is_left", "code"), [(True, 143), (False, 0)])
def test_a_signal_is_a_failure_only_if_input_was_left(
    start: Start,
    singer: Singer,
    loop_server: Serve,
    *,
    is_left: bool,
    code: int,
) -> None:
    arrived = threading.Semaphore(0)

    async def answer(server: Server, body: Json) -> tuple[int, Json, dict[str, str]]:
        arrived.release()
        await asyncio.sleep(0.6)
        return t.cast("tuple[int, Json, dict[str, str]]", server.keep(body))

    messages = [singer.schema]
    for n in range(1, 5):
        messages += [singer.record(f"ada{n}@example.com"), singer.state(n)]
    with loop_server(answer) as server, start(server.settings) as process:
        assert process.stdin
        process.stdin.write("".join(f"{json.dumps(message)}\n" for message in messages))
        process.stdin.flush()
        if not is_left:
            process.stdin.close()
            process.stdin = None
        for _ in range(4):
            assert arrived.acquire(timeout=10)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=10)
    assert process.returncode == code, log
    assert [json.loads(line) for line in out.splitlines()] == [{"n": 4}]
    assert set(server.people) == {f"ada{n}@example.com" for n in range(1, 5)}
    assert "4 read, 4 stored" in log
    assert "unfinished" not in log
    assert log.count("| ERROR ") == is_left
    assert ("4 profiles were stored; run again to resume from the last state." in log) == is_left


def test_a_signal_after_the_input_does_not_hide_what_is_not_stored(
    start: Start, singer: Singer, loop_server: Serve
) -> None:
    arrived = threading.Event()

    async def answer(server: Server, body: Json) -> tuple[int, Json, dict[str, str]]:
        arrived.set()
        await asyncio.sleep(0.5)
        return t.cast("tuple[int, Json, dict[str, str]]", server.keep(body))

    messages = [singer.schema, singer.record("nobody"), singer.record("ada@example.com")]
    with loop_server(answer) as server, start(server.settings) as process:
        assert process.stdin
        process.stdin.write("".join(f"{json.dumps(m)}\n" for m in [*messages, singer.state(2)]))
        process.stdin.close()
        process.stdin = None
        assert arrived.wait(10)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=10)
    assert process.returncode == 65, log
    assert out == ""
    assert set(server.people) == {"ada@example.com"}
    assert (
        "1 records were not stored (1 invalid, 0 rejected): no valid e-mail address [RF-522] (1)"
        in log
    )
    assert log.count("| ERROR ") == 1


def test_a_store_that_dies_ends_the_run_within_its_retries(
    call: Callable[..., t.Any], singer: Singer, loop_server: Serve
) -> None:
    ending: asyncio.Task[None] | None = None

    async def answer(server: Server, body: Json) -> tuple[int, Json, dict[str, str]]:
        nonlocal ending
        if len(server.bodies) == 300 and not ending:
            ending = asyncio.create_task(server.close())
        await asyncio.sleep(0.002)
        return t.cast("tuple[int, Json, dict[str, str]]", server.keep(body))

    messages = [singer.schema]
    for n in range(1, 2001):
        messages += [singer.record(f"ada{n}@example.com", firstname=str(n)), singer.state(n)]
    with loop_server(answer) as server:
        settings = server.settings | {"max_retries": 1, "batch_size_rows": 10}
        began = time.monotonic()
        ended = call(messages, settings)
        seconds = time.monotonic() - began
    assert ended.code == 69
    assert seconds < 5
    assert "RainFocus could not be reached" in ended.error
    stored = ended.counts["stored"]
    assert f"{stored:,} profiles were stored; run again to resume from the last" in ended.error
    assert 250 < stored <= len(server.people)
    last = ended.states[-1]["n"]
    assert last > 250
    assert {f"ada{n}@example.com" for n in range(1, last + 1)} <= set(server.people)
    assert ended.counts["read"] == stored + ended.counts["unfinished"] < 500
    assert len(ended.lines("WARNING")) == 1
