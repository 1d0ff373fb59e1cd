"""Two clones of the project on one machine: each has a sandbox of its own, on the same port."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import typing as t

import requests
from rainfocus_sandbox.faults.faults import Fault
from rainfocus_sandbox.testing import running

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    from tests.conftest import HTTPServing

    Run = Callable[..., subprocess.CompletedProcess[str]]

SMALL = ("--attendees=3", "--sessions=3", "--exhibitors=3", "--leads=3", "--speakers=3")
REFUSED = (
    ("start",),
    ("serve",),
    ("stop",),
    ("status",),
    ("log",),
    ("fault", "drop"),
    ("faults", "--clear"),
    ("integration",),
    ("integration", "set", "--url=http://127.0.0.1:1/", "--flow-id=f"),
    ("integration", "remove"),
    ("schedule",),
    ("register",),
    ("scan-lead",),
    ("pushes",),
)


def port_of(sandbox: RunningSandbox) -> str:
    return sandbox.url.rpartition(":")[2]


def test_the_sandbox_of_another_clone_is_left_alone(
    command: Run, sandbox: RunningSandbox, database: Path
) -> None:
    port = port_of(sandbox)
    sandbox.faults.add(Fault("drop"))
    before = sandbox.store.counts()
    error = (
        f"Error: port {port} is held by the sandbox of another database, "
        f"{sandbox.store.database.resolve()}: stop it there, "
        "or choose another port with RAINFOCUS_SANDBOX_PORT or --port\n"
    )
    for arguments in REFUSED:
        done = command(f"--port={port}", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", error), arguments
    assert not database.exists()

    reset = command(f"--port={port}", "reset", *SMALL)
    assert (reset.returncode, "summit25 (3 attendees)" in reset.stdout) == (0, True)
    assert database.exists(), "one's own database may be reset"

    assert requests.get(f"{sandbox.url}/sandbox/counts", timeout=10).json() == before
    assert sandbox.faults.left() == [Fault("drop")]
    assert sandbox.pushes.outbox.integration() is None


def test_one_database_by_all_its_names(command: Run, tmp_path: Path) -> None:
    is_picky = sys.platform == "darwin"  # its file systems want names in UTF-8
    folder = tmp_path.resolve() / ("café" if is_picky else os.fsdecode(b"caf\xe9"))
    folder.mkdir()
    database = folder / "sandbox.db"
    linked_folder, linked_file = tmp_path / "folder", tmp_path / "file.db"
    linked_folder.symlink_to(folder.name)
    linked_file.symlink_to(database)
    with running(linked_folder / "sandbox.db") as sandbox:
        for name in (database, linked_file, os.path.relpath(database)):
            done = command(f"--database={name}", f"--port={port_of(sandbox)}", "start")
            assert "The sandbox already runs" in done.stdout, done
        served = command(f"--database={database}", f"--port={port_of(sandbox)}", "serve")
        assert (served.returncode, served.stderr) == (
            1,
            f"Error: the sandbox already runs on port {port_of(sandbox)}: stop it first\n",
        )


def test_a_clone_deleted_under_its_user(sandbox: RunningSandbox, tmp_path: Path) -> None:
    stop = f'"{sys.executable}" -m rainfocus_sandbox --port={port_of(sandbox)} stop'
    done = subprocess.run(
        ["sh", "-c", f'rmdir "$PWD" && {stop}'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "Error: this folder has been deleted: name the database in full with --database\n",
    )


class _Handover(http.server.BaseHTTPRequestHandler):
    """A sandbox whose port goes to that of another clone as soon as it is stopped."""

    database: t.ClassVar[str]

    def do_GET(self) -> None:
        self._answer({"name": "rainfocus-sandbox", "database": self.database})

    def do_POST(self) -> None:
        type(self).database = "/elsewhere/sandbox.db"
        self._answer({})

    def _answer(self, content: object) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: object) -> None:
        pass


def test_another_clone_takes_the_port_at_once(
    command: Run, port: int, database: Path, serve_http: HTTPServing
) -> None:
    _Handover.database = str(database.resolve())
    with serve_http(http.server.ThreadingHTTPServer(("127.0.0.1", port), _Handover)):
        done = command("stop")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"The sandbox on port {port} has stopped.\n",
        "",
    )
