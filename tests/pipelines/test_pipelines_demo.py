"""The README's first command, as a stranger types it, twice."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import typing as t

import jsonschema
import pytest
from rainfocus_sandbox.store import Store

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STREAMS = ["attendees", "sessions", "session_times", "exhibitors", "leads"]
ATTENDEES = 600


class Project:
    """A copy of the project, with a sandbox on a port of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.folder = folder
        self.environment = {
            **os.environ,
            "NO_COLOR": "1",
            "RAINFOCUS_SANDBOX_PORT": str(port),
            "RAINFOCUS_SANDBOX_ATTENDEES": str(ATTENDEES),
            "TAP_RAINFOCUS_API_URL": f"http://127.0.0.1:{port}/api",
            "TAP_RAINFOCUS_ATTENDEES_API_URL": f"http://127.0.0.1:{port}/api",
            "TARGET_RAINFOCUS_ATTENDEES_API_URL": f"http://127.0.0.1:{port}/api",
        }

    def meltano(self, *arguments: str) -> str:
        """Run Meltano as the README does and give what it printed."""
        done = subprocess.run(
            [os.environ.get("UV", "uv"), "tool", "run", "meltano@4.4.1", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def output(self, stream: str) -> list[dict[str, t.Any]]:
        lines = (self.folder / "output" / f"{stream}.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def store(self) -> Store:
        """What is in the sandbox, read while it is stopped."""
        return Store(self.folder / ".sandbox" / "rainfocus.db")


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, copy_project: Callable[[Path], None]
) -> Project:
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    return Project(folder)


def schemas(project: Project) -> dict[str, t.Any]:
    catalog = json.loads(
        subprocess.run(
            [
                project.folder / ".meltano/extractors/tap-rainfocus/venv/bin/tap-rainfocus",
                "--discover",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    )
    return {
        stream["tap_stream_id"]: stream["schema"]
        for stream in catalog["streams"]
        if stream["tap_stream_id"] != "experience_events"
    }


def test_demo_twice(project: Project) -> None:
    log = project.meltano("run", "demo")
    with project.store() as store:
        counts = store.counts()["summit25"]
        last_year = {attendee["email"].lower() for attendee in store.attendees("summit25")}
        this_year = {attendee["email"].lower() for attendee in store.attendees("summit26")}
        calls_before = len(store.log())
    assert len(last_year) == ATTENDEES
    assert last_year <= this_year

    for stream, schema in schemas(project).items():
        records = project.output(stream)
        assert len(records) == counts[stream] > 0
        assert len({record["_id"] for record in records}) == len(records)
        validator = jsonschema.Draft202012Validator(schema)
        for record in records:
            validator.validate(record)

    assert "Traceback" not in log
    ours = [line for line in log.splitlines() if "rainfocus" in line]
    assert not [line for line in ours if re.search(r"warning|error", line, re.IGNORECASE)]
    assert f"{ATTENDEES} read, {ATTENDEES} stored" in log

    second = project.meltano("run", "demo")
    assert len(project.output("attendees")) == ATTENDEES
    assert "0 read, 0 stored" in second
    with project.store() as store:
        again = [entry.call for entry in store.log()[calls_before:]]
    assert "attendee/store" not in again
    assert again.count("attendee/search") == 2
