"""Shared by the tests of pipelines."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import typing as t
from contextlib import ExitStack
from pathlib import Path

import pytest
from rainfocus_sandbox.data.store import Store
from rainfocus_sandbox.server.background import stop
from tap_rainfocus.receiver import background

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]


LEFT_BY_RUNS = (".env", ".receiver", ".sandbox", "output", ".meltano/meltano.db", ".meltano/run")


class Project:
    """The project in a clone, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sandbox_port, self.receiver_port = _free_ports()
        self.environment = {
            "NO_COLOR": "1",
            "RAINFOCUS_SANDBOX_PORT": str(self.sandbox_port),
            "RAINFOCUS_RECEIVER_PORT": str(self.receiver_port),
        }

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Meltano as the README does; both outputs are in `stdout`."""
        return subprocess.run(
            [os.environ.get("UV", "uv"), "tool", "run", "meltano@4.4.1", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )

    def meltano(self, *arguments: str, **environment: str) -> str:
        """What a run that ends well prints."""
        done = self.run(*arguments, **environment)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def output(self, stream: str, environment: str = "sandbox") -> list[dict[str, t.Any]]:
        """What target-jsonl wrote."""
        file = self.folder / "output" / environment / f"{stream}.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()]

    @property
    def database(self) -> Path:
        return self.folder / ".sandbox" / "rainfocus.db"

    def store(self) -> Store:
        """What is in the sandbox, read while it is stopped."""
        return Store(self.database)


def _free_ports() -> tuple[int, int]:
    with ExitStack() as bound:
        free = [bound.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        return free[0].getsockname()[1], free[1].getsockname()[1]


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's files, as a clone with what is not committed.

    What Meltano installs there stays, for that takes long.
    """
    clone = tmp_path_factory.mktemp("project")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for name in listed.stdout.splitlines():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    return clone


@pytest.fixture(scope="module")
def project(clone: Path) -> Iterator[Project]:
    """A project in which nothing has run; what a failed job leaves running there is stopped."""
    project = Project(clone)
    yield project
    stop(project.sandbox_port, project.database)
    for folder in clone.glob(".receiver/*"):
        background.stop(folder, 20)
    for name in LEFT_BY_RUNS:
        path = clone / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def schemas() -> Callable[[Path], dict[str, t.Any]]:
    """The schemas of the streams that a tap discovers."""

    def discover(command: Path) -> dict[str, t.Any]:
        found = subprocess.run(
            [command, "--discover"], capture_output=True, text=True, timeout=60, check=True
        )
        streams = json.loads(found.stdout)["streams"]
        return {stream["tap_stream_id"]: stream["schema"] for stream in streams}

    return discover
