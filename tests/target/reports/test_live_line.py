"""On a terminal one line is kept up to date; what is logged stands above it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
import time
import typing as t
from contextlib import suppress
from pathlib import Path

import pytest
from target_rainfocus_attendees import run as run_module
from target_rainfocus_attendees.reports.pace import Pace

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Json = dict[str, t.Any]
    Singer = t.Any
    Server = t.Any
    Serve = Callable[..., t.ContextManager[Server]]
    Reply = tuple[int, Json, dict[str, str]]

WIDE = 400
"""Columns in which no line of the log is broken."""

DRAWN = re.compile(r"\x1b\[J([^\r]+)\r")
LOGGED = re.compile(r"[\d-]{10} [\d:,]{12} \| (INFO|WARNING|ERROR) +\| [\w.-]+ +\| \S.*")
LOOK = re.compile(
    r"summit26(?:, waiting for RainFocus \(\d+ s\))?: "
    r"(\d+) read, (\d+) stored, \d+ rejected, \d+ a second, (\d+) in flight"
)


class Screen:
    """What stands on a terminal that gets these characters, and no others that move its cursor."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows = [""]
        self.row = self.column = 0

    def resize(self, columns: int) -> None:
        """Break what is too long now; the cursor, in the first column, stays with what is there."""
        self.columns = columns
        broken = [
            [row[at : at + columns] for at in range(0, len(row) or 1, columns)] for row in self.rows
        ]
        self.row = sum(len(parts) for parts in broken[: self.row])
        self.rows = [part for parts in broken for part in parts]

    def feed(self, text: str) -> None:
        for piece in re.findall(r"\x1b\[J|.", text, re.DOTALL):
            if piece == "\r":
                self.column = 0
            elif piece == "\n":
                self._down()
            elif piece == "\x1b[J":
                self.rows[self.row :] = [self.rows[self.row][: self.column]]
            else:
                assert piece.isprintable(), text
                self._put(piece)

    def _put(self, character: str) -> None:
        if self.column == self.columns:
            self.column = 0
            self._down()
        row = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = row[: self.column] + character + row[self.column + 1 :]
        self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append("")


class Terminal:
    """A command whose standard error is a terminal."""

    def __init__(self, columns: int = WIDE) -> None:
        self.columns = columns
        self.out = ""
        self._master, self._slave = pty.openpty()
        self._is_gone = False
        self._name = os.ttyname(self._slave)
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        termios.tcsetwinsize(self._slave, (24, columns))

    def start(self, arguments: list[str], **environment: str) -> None:
        mixed = environment.pop("stdout", "") == "terminal"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "target_rainfocus_attendees", *arguments],
            env=os.environ | {"TERM": "xterm"} | environment,
            stdin=subprocess.PIPE,
            stdout=self._slave if mixed else subprocess.PIPE,
            stderr=self._slave,
            text=True,
        )
        os.close(self._slave)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # nobody has the terminal open any more
            while not self._is_gone and (some := os.read(self._master, 1 << 16)):
                with self._changed:
                    self.out += some.decode()
                    self._changed.notify()

    def give(self, *messages: Json) -> None:
        assert self.process.stdin
        self.process.stdin.write("".join(f"{json.dumps(message)}\n" for message in messages))
        self.process.stdin.flush()

    def say(self, line: str) -> None:
        """Write to it as another command of the pipe does."""
        file = os.open(self._name, os.O_WRONLY | os.O_NOCTTY)
        os.write(file, f"{line}\n".encode())
        os.close(file)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def resize(self, columns: int) -> int:
        """Change the width; where in the output that was."""
        with self._changed:
            termios.tcsetwinsize(self._master, (24, columns))
            return len(self.out)

    def wait(self, pattern: str, seconds: float = 10.0) -> re.Match[str]:
        """Wait until something stands in the output."""
        with self._changed:
            found = self._changed.wait_for(lambda: re.search(pattern, self.out), seconds)
        assert found, self.out
        return found

    def end(self) -> int:
        """Give nothing more, and say how the command ended."""
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        code = self.process.wait(20)
        self._reader.join()
        return code

    def vanish(self) -> None:
        self._is_gone = True
        self._reader.join()
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        if self._reader.ident:
            self.process.kill()
            with self.process:
                self._reader.join(10)
        else:
            os.close(self._slave)
        if self._master >= 0:
            os.close(self._master)

    @property
    def drawn(self) -> list[str]:
        """What the line said, from first to last."""
        return DRAWN.findall(self.out)

    @property
    def rows(self) -> list[str]:
        """What is left on the terminal, and is no part of the line: the cursor is below it."""
        screen = Screen(self.columns)
        screen.feed(self.out)
        assert (screen.rows[-1], screen.row, screen.column) == ("", len(screen.rows) - 1, 0)
        return screen.rows[:-1]

    def logged(self) -> list[str]:
        """What is left: whole lines of the log, the summary the last of them but for errors."""
        rows = self.rows
        for row in rows:
            assert LOGGED.fullmatch(row), rows
        (summary,) = (n for n, row in enumerate(rows) if "| Attendee Store summit26: " in row)
        assert all("| ERROR " in row for row in rows[summary + 1 :]), rows
        assert not any("So far" in row for row in rows)
        assert not DRAWN.search(self.out.partition("| Attendee Store summit26: ")[2]), self.out
        return rows


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Start the command on a terminal."""
    opened: list[Terminal] = []

    def start(settings: Json, *, columns: int = WIDE, **environment: str) -> Terminal:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(settings))
        terminal = Terminal(columns)
        opened.append(terminal)
        terminal.start(["--config", str(config)], **environment)
        return terminal

    yield start
    for terminal in opened:
        terminal.close()


def people(singer: Singer, number: int) -> list[Json]:
    crowd = [singer.record(f"ada{n}@example.com", city="Oslo-on-Sea") for n in range(number)]
    return [singer.schema, *crowd, singer.state(1)]


def after(seconds: float) -> Callable[[Server, Json], t.Any]:
    async def answer(server: Server, body: Json) -> Reply:
        await asyncio.sleep(seconds)
        return t.cast("Reply", server.keep(body))

    return answer


def test_the_line_follows_a_slow_run_and_is_gone_at_its_end(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve
) -> None:
    with loop_server(after(0.15)) as server:
        shown = terminal(server.settings | {"concurrency": 2})
        shown.give(*people(singer, 30))
        assert shown.end() == 0
    looks = [LOOK.fullmatch(line) for line in shown.drawn]
    assert all(looks), shown.drawn
    read, stored, in_flight = ([int(look[n]) for look in looks if look] for n in (1, 2, 3))
    assert 4 <= len(looks) <= 20
    assert read == sorted(read)
    assert stored == sorted(stored)
    assert len(set(stored)) >= 4
    assert max(in_flight) == 2
    # What comes back while the input is at its end is counted too.
    assert len({done for given, done in zip(read, stored, strict=True) if given == 30}) > 1
    (summary,) = (row for row in shown.logged() if "Attendee Store" in row)
    assert "30 read, 30 stored" in summary
    assert summary == shown.rows[-1]


def test_what_is_logged_meanwhile_stands_whole_above_the_line(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve, tmp_path: Path
) -> None:
    seen = itertools.count()

    async def answer(server: Server, body: Json) -> Reply:
        if fault := {20: 429, 24: 500}.get(next(seen)):
            return fault, {}, {}
        await asyncio.sleep(0.05)
        if body["email"].startswith("ada7@"):
            return 400, {"responseCode": "105"}, {}
        return t.cast("Reply", server.keep(body))

    with loop_server(answer) as server:
        settings = {"concurrency": 2, "rejects_path": str(tmp_path / "rejects")}
        shown = terminal(server.settings | settings)
        shown.give(*people(singer, 30))
        assert shown.end() == 0
    rows = shown.rows
    assert all(LOGGED.fullmatch(row) for row in rows), rows
    assert any("Trying again in" in row for row in rows)
    warned = shown.out.index("Trying again in")
    assert DRAWN.search(shown.out[:warned]), shown.out
    assert DRAWN.search(shown.out[warned:]), shown.out
    assert "1 rejected" in shown.drawn[-1]


def test_a_log_of_ones_own_form_stays_as_it_is(
    terminal: Callable[..., Terminal],
    singer: Singer,
    loop_server: Serve,
    structured: dict[str, str],
) -> None:
    path = Path(structured["SINGER_SDK_LOG_CONFIG"])
    config = json.loads(path.read_text())
    config["formatters"]["x"] = {"format": "%(levelname)s"}
    config["handlers"]["x"]["level"] = "WARNING"
    path.write_text(json.dumps(config))
    seen = itertools.count()

    async def answer(server: Server, body: Json) -> Reply:
        if next(seen) == 8:
            return 500, {}, {}
        await asyncio.sleep(0.1)
        return t.cast("Reply", server.keep(body))

    with loop_server(answer) as server:
        shown = terminal(server.settings | {"concurrency": 1}, **structured)
        shown.give(*people(singer, 12))
        assert shown.end() == 0
    assert set(shown.rows) == {"WARNING"}
    assert DRAWN.search(shown.out.partition("WARNING")[0])
    assert DRAWN.search(shown.out.partition("WARNING")[2])


def test_the_line_is_cut_to_the_terminal_also_when_that_becomes_narrower(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve
) -> None:
    before, now = 60, 25
    with loop_server(after(0.1)) as server:
        shown = terminal(server.settings | {"concurrency": 1}, columns=before)
        shown.give(*people(singer, 20))
        shown.wait(DRAWN.pattern)
        at = shown.resize(now)
        assert shown.end() == 0
    wide, narrow = DRAWN.findall(shown.out[:at]), DRAWN.findall(shown.out[at:])
    assert {len(line) for line in wide} == {before - 1}
    assert len(narrow) > 2
    assert all(len(line) == now - 1 for line in narrow[1:])
    screen = Screen(before)
    screen.feed(shown.out[:at])
    screen.resize(now)
    screen.feed(shown.out[at:])
    assert not any(row.startswith("summit26: ") for row in screen.rows), screen.rows


@pytest.mark.parametrize("status", [429, 500])
def test_a_wait_that_rainfocus_asks_for_is_shown_as_long_as_it_lasts(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve, status: int
) -> None:
    seen = itertools.count()

    async def answer(server: Server, body: Json) -> Reply:
        if next(seen) == 4:
            return status, {}, {"Retry-After": "2"}
        await asyncio.sleep(0.1)
        return t.cast("Reply", server.keep(body))

    with loop_server(answer) as server:
        shown = terminal(server.settings | {"concurrency": 1})
        shown.give(*people(singer, 10))
        assert shown.end() == 0
    waits = [re.search(r"summit26, waiting for RainFocus \((\d) s\): ", x) for x in shown.drawn]
    seconds = [int(wait[1]) for wait in waits if wait]
    assert seconds == sorted(seconds, reverse=True)
    assert set(seconds) == {1, 2}
    assert waits[-1] is None
    shown.logged()


def test_a_single_wait_that_holds_nobody_up_is_not_shown(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve
) -> None:
    seen = itertools.count()

    async def answer(server: Server, body: Json) -> Reply:
        number = next(seen)
        if number == 4:
            return 500, {}, {"Retry-After": "1"}
        await asyncio.sleep(0.1 + number % 7 * 0.01)
        return t.cast("Reply", server.keep(body))

    with loop_server(answer) as server:
        shown = terminal(server.settings | {"concurrency": 8})
        shown.give(*people(singer, 160))
        assert shown.end() == 0
    assert shown.drawn
    assert "waiting" not in "".join(shown.drawn)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_takes_the_line_away(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve, number: signal.Signals
) -> None:
    with loop_server(after(0.3)) as server:
        shown = terminal(server.settings | {"concurrency": 1})
        shown.give(*people(singer, 30))
        shown.wait(DRAWN.pattern)
        shown.process.send_signal(number)
        assert shown.end() == 128 + number
    rows = shown.logged()
    assert "| ERROR " in rows[-1]
    assert "Attendee Store" in rows[-2]


def test_a_pipe_that_breaks_takes_the_line_away(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve
) -> None:
    with loop_server(after(0.05)) as server:
        shown = terminal(server.settings | {"concurrency": 1, "batch_size_rows": 10})
        assert shown.process.stdout
        shown.process.stdout.close()
        shown.give(*people(singer, 20)[:-1])
        shown.wait(DRAWN.pattern)
        shown.give(singer.state(1), *people(singer, 20))
        assert shown.end() == 74
    assert "ended early" in shown.logged()[-1]


def test_a_failure_takes_the_line_away(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve
) -> None:
    with loop_server(after(0.05)) as server:
        shown = terminal(server.settings | {"concurrency": 1, "max_rejects": 0})
        shown.give(*people(singer, 10)[:-1])
        shown.wait(DRAWN.pattern)
        shown.give(singer.record("nobody"))
        assert shown.end() == 65
    assert "More than max_rejects" in shown.logged()[-1]
    assert "1 invalid" in shown.rows[-2]


def test_the_line_stands_while_no_input_comes(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve
) -> None:
    with loop_server() as server:
        shown = terminal(server.settings)
        shown.give(singer.schema, singer.record("ada@example.com"), singer.record("nobody"))
        shown.wait(r"summit26: 2 read, 1 stored, 1 invalid, 0 rejected, \d a second, 0 in flight")
        shown.process.send_signal(signal.SIGTERM)
        assert shown.end() == 143
    shown.logged()


def test_a_dry_run_has_a_line_too(
    terminal: Callable[..., Terminal], singer: Singer, settings: Json
) -> None:
    shown = terminal(settings | {"dry_run": True, "concurrency": 1})
    shown.give(*people(singer, 10))
    shown.wait(r"Dry run of summit26: 10 read, 10 would be stored, 0 rejected, \d+ a second\r")
    assert shown.end() == 0
    assert "Dry run, nothing was sent" in shown.rows[-1]


def test_states_on_the_same_terminal_stand_whole(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve
) -> None:
    messages = [singer.schema]
    for n in range(20):
        messages += [singer.record(f"ada{n}@example.com"), singer.state(n)]
    with loop_server(after(0.05)) as server:
        settings = server.settings | {"concurrency": 1, "batch_size_rows": 2}
        shown = terminal(settings, stdout="terminal")
        shown.give(*messages)
        assert shown.end() == 0
    rows = shown.rows
    states = [json.loads(row)["n"] for row in rows if row.startswith("{")]
    assert len(states) > 3
    assert states == sorted(states)
    assert states[-1] == 19
    assert all(LOGGED.fullmatch(row) for row in rows if not row.startswith("{")), rows
    assert shown.drawn


def test_what_another_command_of_the_pipe_says_stands_whole(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve
) -> None:
    said = "2026-11-30 23:11:09,694 | INFO     | tap-rainfocus                  | attendees: 10,000"
    with loop_server(after(0.1)) as server:
        shown = terminal(server.settings | {"concurrency": 1})
        shown.give(*people(singer, 10))
        shown.wait(DRAWN.pattern)
        shown.say(said)
        assert shown.end() == 0
    assert said in shown.logged()


def test_a_run_goes_on_without_its_terminal(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve
) -> None:
    with loop_server(after(0.1)) as server:
        shown = terminal(server.settings | {"concurrency": 2})
        shown.give(*people(singer, 20))
        shown.wait(DRAWN.pattern)
        shown.vanish()
        assert shown.process.stdin
        assert shown.process.stdout
        shown.process.stdin.close()
        assert shown.process.stdout.read() == '{"n":1}\n'
        assert shown.process.wait(10) == 0
        assert len(server.people) == 20


def test_a_terminal_that_is_held_does_not_hold_the_run(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve
) -> None:
    with loop_server(after(0.02)) as server:
        shown = terminal(server.settings | {"concurrency": 1})
        shown.give(*people(singer, 10))
        shown.wait(DRAWN.pattern)
        shown.type(b"\x13")
        time.sleep(0.3)
        drawn = len(shown.drawn)
        shown.give(*people(singer, 60)[11:])
        until = time.monotonic() + 10
        while len(server.people) < 60 and time.monotonic() < until:
            time.sleep(0.05)
        assert len(server.people) == 60
        assert len(shown.drawn) == drawn
        shown.type(b"\x11")
        assert shown.end() == 0
    assert "60 read, 60 stored" in shown.logged()[-1]


def test_nothing_personal_and_no_secret_is_on_the_terminal(
    terminal: Callable[..., Terminal], singer: Singer, loop_server: Serve, tmp_path: Path
) -> None:
    async def answer(server: Server, body: Json) -> Reply:
        await asyncio.sleep(0.05)
        if body["email"].startswith("ada3@"):
            return 400, {"responseCode": "105", "responseMessage": f"{body}"}, {}
        return t.cast("Reply", server.keep(body))

    with loop_server(answer) as server:
        settings = {"concurrency": 2, "rejects_path": str(tmp_path / "rejects")}
        shown = terminal(server.settings | settings, LOGLEVEL="debug")
        shown.give(*people(singer, 20))
        assert shown.end() == 0
    assert shown.drawn
    for word in ("ada", "example.com", "Oslo", "hush-hush-secret", "token-"):
        assert word not in shown.out


def test_elsewhere_there_is_no_line(
    terminal: Callable[..., Terminal],
    singer: Singer,
    loop_server: Serve,
    start: Callable[..., t.Any],
) -> None:
    with loop_server(after(0.1)) as server:
        settings = server.settings | {"concurrency": 2}
        dumb = terminal(settings, TERM="dumb")
        with start(settings, PYTHONPROFILEIMPORTTIME="1") as process:
            dumb.give(*people(singer, 10))
            text = "".join(f"{json.dumps(message)}\n" for message in people(singer, 10))
            _, log = process.communicate(text, timeout=20)
        assert dumb.end() == 0
    assert "tenacity" in log
    assert "tqdm" not in log
    assert "\x1b" not in log
    assert "\r" not in log
    assert "\x1b" not in dumb.out
    assert "10 read, 10 stored" in dumb.logged()[-1]


def test_elsewhere_the_log_has_the_lines_of_ten_seconds(
    call: Callable[..., t.Any], singer: Singer, loop_server: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "SECONDS_BETWEEN_REPORTS", 0.2)
    with loop_server(after(0.1)) as server:
        ended = call(people(singer, 20), server.settings | {"concurrency": 1})
    lines = [line for line in ended.log.splitlines() if "So far: " in line]
    assert 2 <= len(lines) <= 10
    assert all("| So far: Attendee Store summit26: " in line for line in lines)


def test_the_pace_is_that_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    pace = Pace()
    seen: list[float] = []
    for number in [*range(0, 1000, 50), *[950] * 8]:
        now += 1
        seen.append(pace(number))
    assert seen[:2] == [0, 25]
    assert set(seen[5:20]) == {50}
    assert seen[20:] == [40, 30, 20, 10, 0, 0, 0, 0]
