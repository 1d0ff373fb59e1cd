"""Told to stop at any moment, also while it is ending: what was begun is finished, and is kept."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Json = dict[str, t.Any]
    Start = Callable[..., subprocess.Popen[str]]
    Singer = t.Any
    Server = t.Any
    Serve = Callable[..., t.ContextManager[Server]]
    Reply = tuple[int, Json, dict[str, str]]

RUNS = 4
RECORDS = 500
AT_A_TIME = 3


def give(process: subprocess.Popen[str], messages: list[Json]) -> None:
    assert process.stdin
    process.stdin.write("".join(f"{json.dumps(message)}\n" for message in messages))
    process.stdin.flush()


def give_all(process: subprocess.Popen[str], messages: list[Json]) -> None:
    give(process, messages)
    assert process.stdin
    process.stdin.close()
    process.stdin = None


def states_of(out: str) -> list[int]:
    return [json.loads(line)["n"] for line in out.splitlines()]


def last_of(states: list[int]) -> int:
    return states[-1] if states else 0


def records_of(path: Path) -> list[Json]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["record"] for line in lines if line["type"] == "RECORD"]


def test_a_signal_while_the_run_is_ending_changes_nothing(
    start: Start, singer: Singer, loop_server: Serve, tmp_path: Path
) -> None:
    arrived = threading.Event()
    rejects = tmp_path / "rejects.singer"

    async def answer(server: Server, body: Json) -> Reply:
        # The run ends once the ledger has taken down what was stored; until then it waits.
        other.execute("BEGIN IMMEDIATE")
        arrived.set()
        return t.cast("Reply", server.keep(body))

    path = tmp_path / "ledger.db"
    messages = [singer.schema, singer.record("nobody"), singer.record("ada@example.com")]
    with (
        closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other,
        loop_server(answer) as server,
    ):
        settings = server.settings | {"ledger_url": f"sqlite:///{path}"}
        with start(settings | {"rejects_path": str(rejects)}) as process:
            give_all(process, [*messages, singer.state(1)])
            assert arrived.wait(10)
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert process.poll() is None
            other.execute("ROLLBACK")
            out, log = process.communicate(timeout=10)
    assert process.returncode == 0, log
    assert states_of(out) == [1]
    assert [record["email"] for record in records_of(rejects)] == ["nobody"]
    assert "2 read, 1 stored" in log
    assert "| ERROR " not in log
    assert "Traceback" not in log


def test_a_signal_while_a_failing_run_is_ending_cuts_no_request_off(
    start: Start, singer: Singer, loop_server: Serve, tmp_path: Path
) -> None:
    arrived = threading.Semaphore(0)
    rejects = tmp_path / "rejects.singer"

    async def answer(server: Server, body: Json) -> Reply:
        if body["email"].startswith("slow"):
            arrived.release()
            await asyncio.sleep(0.8)
        return t.cast("Reply", server.keep(body))

    messages = [singer.schema, singer.record("ada@example.com"), singer.state(1)]
    messages += [singer.record(f"slow{n}@example.com") for n in range(8)]
    with loop_server(answer) as server:
        settings = {"rejects_path": str(rejects), "max_rejects": 0, "concurrency": 4}
        with start(server.settings | settings) as process:
            give_all(process, [*messages, singer.record("nobody"), singer.state(2)])
            for _ in range(4):
                assert arrived.acquire(timeout=10)
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            out, log = process.communicate(timeout=10)
        sent = {body["email"] for body in server.bodies}
        assert len(sent) == 5
        assert set(server.people) == sent
    assert process.returncode == 65
    assert states_of(out) == [1]
    assert [record["email"] for record in records_of(rejects)] == ["nobody"]
    assert "10 read, 5 stored" in log
    assert log.count("| ERROR ") == 1
    assert "More than max_rejects (0) records are not stored" in log
    assert "Traceback" not in log


def test_a_second_signal_is_as_one(
    start: Start, singer: Singer, loop_server: Serve, tmp_path: Path
) -> None:
    arrived = threading.Semaphore(0)
    rejects = tmp_path / "rejects.singer"

    async def answer(server: Server, body: Json) -> Reply:
        if body["email"].startswith("slow"):
            arrived.release()
            await asyncio.sleep(1)
        return t.cast("Reply", server.keep(body))

    messages = [singer.schema, singer.record("ada@example.com"), singer.record("nobody")]
    messages += [singer.state(1), *(singer.record(f"slow{n}@example.com") for n in range(40))]
    with loop_server(answer) as server:
        settings = server.settings | {"rejects_path": str(rejects), "concurrency": 4}
        with start(settings) as process:
            give(process, messages)
            for _ in range(4):
                assert arrived.acquire(timeout=10)
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            out, log = process.communicate(timeout=10)
        sent = {body["email"] for body in server.bodies}
        assert len(sent) == 5
        assert set(server.people) == sent
    assert process.returncode == 130
    assert states_of(out) == [1]
    assert [record["email"] for record in records_of(rejects)] == ["nobody"]
    assert "5 stored" in log
    assert log.count("| ERROR ") == 1
    assert "Traceback" not in log


def test_a_signal_at_any_moment_ends_the_run_in_good_order(
    start: Start, singer: Singer, loop_server: Serve, tmp_path: Path
) -> None:
    draw = random.Random()
    processes: dict[str, subprocess.Popen[str]] = {}
    moments = {f"run{n}": draw.randrange(1, RECORDS + 1) for n in range(RUNS)}
    moments |= {"run0": 1, "run1": RECORDS}
    arrived = dict.fromkeys(moments, 0)
    told: dict[str, float] = {}

    def tell(run: str) -> None:
        told[run] = time.monotonic()
        processes[run].send_signal(signal.SIGTERM)

    async def answer(server: Server, body: Json) -> Reply:
        run = body["email"].partition("-")[0]
        arrived[run] += 1
        if arrived[run] == moments[run]:
            asyncio.get_running_loop().call_later(draw.uniform(0, 0.05), tell, run)
        await asyncio.sleep(draw.uniform(0, 0.004))
        return t.cast("Reply", server.keep(body))

    def load(run: str) -> tuple[str, str, float]:
        messages = [singer.schema]
        for n in range(1, RECORDS + 1):
            messages += [singer.record(f"{run}-{n}@example.com"), singer.state(n)]
        config = tmp_path / f"{run}.json"
        config.write_text(json.dumps(server.settings | {"batch_size_rows": 10}))
        processes[run] = process = start(None, "--config", str(config))
        text = "".join(f"{json.dumps(message)}\n" for message in messages)
        with process:
            out, log = process.communicate(text, timeout=30)
        return out, log, time.monotonic()

    with loop_server(answer) as server:
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            ends = dict(zip(moments, pool.map(load, moments), strict=True))
        for run, (out, log, ended) in ends.items():
            code = processes[run].returncode
            states = states_of(out)
            about = f"{run}, told after {moments[run]}: {code}, {states[-1:]}, {log}"
            stored = {int(e.split("-")[1].split("@")[0]) for e in server.people if run + "-" in e}
            assert ended - told.get(run, ended) < 10, about
            assert code in (0, 143), about
            assert log.count("| ERROR ") == (code == 143), about
            assert "Traceback" not in log, about
            assert states == sorted(states), about
            # All answers came before the end: the last state is neither too late nor too early.
            last = last_of(states)
            assert set(range(1, last + 1)) <= stored, about
            assert last + 1 not in stored, about
            assert f" {len(stored):,} stored" in log, about
            assert len(stored) == arrived[run], about
            assert code or last == RECORDS, about
    assert processes["run0"].returncode == 143
