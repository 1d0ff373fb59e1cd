"""While the input stays open and nothing comes in, a run looks after what it has."""

from __future__ import annotations

import json
import signal
import threading
import time
import typing as t

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Json = dict[str, t.Any]
    Start = Callable[..., subprocess.Popen[str]]
    Singer = t.Any
    Server = t.Any
    Serve = Callable[..., t.ContextManager[Server]]

STARTING = 8.0
"""Seconds that a command may take to start on a busy machine."""


class Lines:
    """The lines that come out of a pipe, as they come."""

    def __init__(self, pipe: t.IO[str] | None) -> None:
        assert pipe
        self.seen: list[str] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(pipe,))
        self._thread.start()

    def _read(self, pipe: t.IO[str]) -> None:
        for line in pipe:
            with self._changed:
                self.seen.append(line)
                self._changed.notify()

    def wait(self, number: int, seconds: float) -> list[str]:
        with self._changed:
            self._changed.wait_for(lambda: len(self.seen) >= number, seconds)
            return self.seen[:]

    def end(self) -> list[str]:
        self._thread.join(10)
        return self.seen


def text(*messages: Json) -> str:
    return "".join(f"{json.dumps(message)}\n" for message in messages)


def begin(process: subprocess.Popen[str], said: str) -> None:
    assert process.stdin
    process.stdin.write(said)
    process.stdin.flush()


def test_wrong_credentials_show_though_nothing_more_comes(
    start: Start, singer: Singer, settings: Json
) -> None:
    with start(settings | {"client_secret": "wrong-secret"}) as process:
        begin(process, text(singer.schema, singer.record("ada@example.com"), singer.state(1)))
        log, out = Lines(process.stderr), Lines(process.stdout)
        told = log.wait(3, STARTING)
        # What is left of the input is read for another 5 s.
        assert process.wait(8) == 77
        log.end()
        assert out.end() == []
    assert sum("| ERROR " in line for line in told) == 1, told
    assert "check client_id, client_secret" in "".join(told)
    assert log.seen == told


def test_states_and_rejects_come_out_though_nothing_more_comes(
    start: Start, singer: Singer, loop_server: Serve, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.singer"
    ada, bob = singer.record("ada@example.com"), singer.record("bob@example.com")
    with (
        loop_server() as server,
        start(server.settings | {"rejects_path": str(rejects)}) as process,
    ):
        begin(process, text(singer.schema, ada, singer.record("nobody"), singer.state(1)))
        out, log = Lines(process.stdout), Lines(process.stderr)
        assert out.wait(1, STARTING) == ['{"n":1}\n'], log.seen
        assert rejects.read_text().count("RECORD") == 1
        # Half a line is not looked at until the rest of it is there.
        half = text(bob, singer.state(2))
        begin(process, half[:20])
        time.sleep(1.2)
        began = time.monotonic()
        begin(process, half[20:])
        assert out.wait(2, 3)[1:] == ['{"n":2}\n'], log.seen
        assert time.monotonic() - began < 3
        begin(process, text(singer.record("noone"), singer.state(3)))
        assert out.wait(3, 3)[2:] == ['{"n":3}\n'], log.seen
        assert rejects.read_text().count("RECORD") == 2
        assert process.poll() is None
        assert process.stdin
        process.stdin.close()
        process.stdin = None
        assert process.wait(10) == 0
        assert len(out.end()) == 3
        log.end()
        assert set(server.people) == {"ada@example.com", "bob@example.com"}
    assert "4 read, 2 stored" in "".join(log.seen)
    assert not any("| ERROR " in line for line in log.seen)


def test_rejects_beyond_what_is_allowed_end_a_run_that_waits_for_input(
    start: Start, singer: Singer, loop_server: Serve, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.singer"

    async def answer(server: Server, body: Json) -> tuple[int, Json, dict[str, str]]:
        if body["email"].startswith("eve"):
            return 400, {"responseCode": "105"}, {}
        return t.cast("tuple[int, Json, dict[str, str]]", server.keep(body))

    people = [singer.record(f"{who}@example.com") for who in ("ada", "eve1", "eve2")]
    with loop_server(answer) as server:
        settings = server.settings | {"rejects_path": str(rejects), "max_rejects": 1}
        with start(settings) as process:
            begin(process, text(singer.schema, *people, singer.state(1)))
            out, log = Lines(process.stdout), Lines(process.stderr)
            assert process.wait(STARTING + 8) == 65
            assert out.end() == ['{"n":1}\n']
            log.end()
    assert sum("| ERROR " in line for line in log.seen) == 1
    assert "More than max_rejects (1) records are not stored" in "".join(log.seen)
    assert rejects.read_text().count("RECORD") == 2


def test_a_signal_ends_a_run_that_waits_for_input_at_once(
    start: Start, singer: Singer, loop_server: Serve
) -> None:
    with loop_server() as server, start(server.settings) as process:
        begin(process, text(singer.schema, singer.record("ada@example.com"), singer.state(1)))
        out, log = Lines(process.stdout), Lines(process.stderr)
        assert out.wait(1, STARTING) == ['{"n":1}\n']
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 143
        assert time.monotonic() - began < 3
        assert out.end() == ['{"n":1}\n']
        log.end()
    assert sum("| ERROR " in line for line in log.seen) == 1
