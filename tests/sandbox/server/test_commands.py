"""The commands, as a shell runs them."""

from __future__ import annotations

import http.server
import os
import resource
import sqlite3
import subprocess
import sys
import threading
import typing as t
from contextlib import closing

import pytest
import requests

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]

SMALL = ("--attendees=30", "--sessions=8", "--exhibitors=4", "--leads=5", "--speakers=3")


def fails_in_one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture
def stranger(port: int) -> Iterator[None]:
    with http.server.HTTPServer(("127.0.0.1", port), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_a_life(command: Run, port: int, database: Path) -> None:
    url = f"http://127.0.0.1:{port}"
    assert command("status").returncode == 1
    assert "No sandbox runs" in command("stop").stdout

    started = command("start", *SMALL)
    assert (started.returncode, started.stderr) == (0, "")
    assert started.stdout == (
        f"The sandbox answers at {url}, API {url}/api, org acme, "
        "events summit25 (30 attendees), summit26 (25 attendees)\n"
    )
    again = command("start", "--attendees=99")
    assert again.returncode == 0
    assert f"already runs at {url}" in again.stdout
    status = command("status")
    assert status.returncode == 0
    assert "summit25         30         8" in status.stdout

    reply = requests.post(
        f"{url}/api/acme/v3/attendee/store",
        json={"event": "summit26", "email": "ann@example.com"},
        headers={"apiProfile": "sandboxprofile"},
        timeout=10,
    )
    assert reply.json()["responseCode"] == "0"
    stopped = command("stop")
    assert (stopped.returncode, stopped.stdout) == (
        0,
        f"The sandbox on port {port} has stopped.\n",
    )
    assert command("status").returncode == 1
    assert database.with_name("sandbox.db.log").read_text() == ""

    assert "summit26 (26 attendees)" in command("start").stdout, "the database outlives a stop"
    assert (
        "summit25 (7 attendees), summit26 (25 attendees)"
        in command("reset", "--attendees=7").stdout
    )
    counts = requests.get(f"{url}/sandbox/counts", timeout=10).json()
    assert counts["summit25"]["attendees"] == 7


def test_reset_without_a_server(command: Run) -> None:
    assert "summit25 (30 attendees)" in command("reset", *SMALL).stdout
    assert "summit25 (7 attendees)" in command("reset", "--attendees=7").stdout


def test_log(command: Run, port: int, database: Path) -> None:
    command("start", *SMALL)
    assert "not been called yet" in command("log").stdout
    search = f"http://127.0.0.1:{port}/api/acme/v3/attendee/search?event=summit26"
    for headers in ({"apiProfile": "sandboxprofile"}, {"apiProfile": "nosuch"}, {}):
        requests.get(search, headers=headers, timeout=10)
    away = database.parent.rename(database.parent.with_name("away"))
    told_by_the_server = command("log", "--limit=2").stdout
    assert not database.parent.exists()
    away.rename(database.parent)
    command("stop")
    summary = command("log")
    assert summary.stderr == ""
    lines = [line.split() for line in summary.stdout.splitlines()]
    assert ["call", "event", "calls", "records", "refused", "outcomes"] in lines
    assert ["attendee/search", "summit26", "1", "25", "0", "1", "x", "ok"] in lines
    assert "1 x HTTP 200 code 101, 1 x HTTP 400 code 103" in summary.stdout
    assert "The last" not in summary.stdout
    read_from_the_file = command("log", "--limit=2").stdout
    assert "The last 2 calls" in read_from_the_file
    assert told_by_the_server == read_from_the_file


def test_log_without_a_database(command: Run, database: Path) -> None:
    assert "there is no database" in fails_in_one_line(command("log"))
    assert not database.parent.exists()


@pytest.mark.usefixtures("stranger")
def test_a_stranger_holds_the_port(command: Run, port: int, database: Path) -> None:
    assert f"port {port} is taken" in fails_in_one_line(command("start"))
    assert f"port {port} is taken" in fails_in_one_line(command("serve"))
    assert "is not a sandbox" in fails_in_one_line(command("stop"))
    assert command("status").returncode == 1
    assert not database.exists()


def test_a_start_that_takes_too_long_leaves_nothing_behind(command: Run, database: Path) -> None:
    assert "--wait" in fails_in_one_line(command("start", "--wait=0"))
    assert command("status").returncode == 1
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(database) not in processes.stdout


def test_a_child_that_dies(
    command: Run, database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken" / "faker"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise SystemExit('broken on purpose')")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    log = database.with_name("sandbox.db.log")
    assert str(log) in fails_in_one_line(command("start"))
    assert "broken on purpose" in log.read_text()


def test_errors_are_one_line(command: Run, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to be mistaken for one")
    (tmp_path / "file").touch()
    for arguments, message in (
        ((f"--database={tmp_path / 'text.db'}", "start"), "is not a sandbox database"),
        ((f"--database={tmp_path / 'file' / 'x.db'}", "start"), "cannot open the database"),
        (("--port=70000", "status"), "not in the range"),
        (("start", "--attendees=-1"), "not in the range"),
        (("nosuch",), "No such command"),
    ):
        assert message in fails_in_one_line(command(*arguments))


def test_another_database_is_left_alone(command: Run, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE precious (x)")
    before = (tmp_path / "other.db").read_bytes()
    done = command(f"--database={tmp_path / 'other.db'}", "reset")
    assert "is not a sandbox database" in fails_in_one_line(done)
    assert (tmp_path / "other.db").read_bytes() == before


def test_settings_from_the_environment(port: int, tmp_path: Path) -> None:
    database = tmp_path / "env.db"
    environment = os.environ | {
        "RAINFOCUS_SANDBOX_DATABASE": str(database),
        "RAINFOCUS_SANDBOX_PORT": str(port),
        "RAINFOCUS_SANDBOX_ATTENDEES": "11",
    }

    def run(name: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "rainfocus_sandbox", name],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout

    try:
        assert f":{port}/api, org acme, events summit25 (11 attendees)" in run("start")
        assert database.exists()
    finally:
        stopped = run("stop")
    assert "has stopped" in stopped


def test_output_that_finds_no_room_is_told_once(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "rainfocus_sandbox", "--help"],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        )
    assert (done.returncode, done.stderr) == (1, "Error: standard output: File too large\n")


def test_help_when_nothing_is_asked(command: Run) -> None:
    done = command()
    assert done.returncode == 0
    assert "proves nothing about RainFocus" in " ".join(done.stdout.split())
