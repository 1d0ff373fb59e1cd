"""The whole way of an experience event, as `meltano run live` shows it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import typing as t
from collections import Counter
from contextlib import ExitStack

import jsonschema
import pytest
from rainfocus_sandbox.daemon import stop
from rainfocus_sandbox.outbox import Outbox
from rainfocus_sandbox.store import Store

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MADE = {"SessionScheduled": 200, "AttendeeRegistered": 50, "LeadScanned": 50}
SIZES = {"ATTENDEES": 120, "SESSIONS": 30, "EXHIBITORS": 12, "LEADS": 40, "SPEAKERS": 20}


@pytest.fixture
def ports() -> tuple[int, int]:
    with ExitStack() as bound:
        free = [bound.enter_context(socket.socket()) for _ in range(2)]
        for one in free:
            one.bind(("127.0.0.1", 0))
        return free[0].getsockname()[1], free[1].getsockname()[1]


@pytest.fixture
def project(
    tmp_path: Path, ports: tuple[int, int], copy_project: Callable[[Path], None]
) -> Iterator[Path]:
    """A copy of the project's files; what a job leaves running there is stopped."""
    copy_project(tmp_path)
    yield tmp_path
    stop(ports[0], tmp_path / ".sandbox" / "rainfocus.db")
    left = tmp_path / ".sandbox" / "receiver.pid"
    if left.exists():
        os.kill(int(left.read_text()), signal.SIGTERM)


def meltano(project: Path, ports: tuple[int, int], *arguments: str) -> str:
    sandbox, receiver = ports
    done = subprocess.run(
        [os.environ.get("UV", "uv"), "tool", "run", "meltano@4.4.1", *arguments],
        cwd=project,
        env={
            **os.environ,
            "NO_COLOR": "1",
            **{f"RAINFOCUS_SANDBOX_{name}": str(size) for name, size in SIZES.items()},
            "RAINFOCUS_SANDBOX_PORT": str(sandbox),
            "RAINFOCUS_RECEIVER_PORT": str(receiver),
            "RAINFOCUS_SANDBOX_INTEGRATION_URL": (
                f"http://127.0.0.1:{receiver}/collection/sandbox-inlet-secret"
            ),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def schema_of_events() -> dict[str, t.Any]:
    discovered = subprocess.run(
        [sys.executable, "-m", "tap_rainfocus", "--discover"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    streams = json.loads(discovered.stdout)["streams"]
    schema: dict[str, t.Any] = next(
        stream["schema"] for stream in streams if stream["tap_stream_id"] == "experience_events"
    )
    return schema


def test_live(project: Path, ports: tuple[int, int]) -> None:
    log = meltano(project, ports, "run", "live")
    assert "Traceback" not in log
    assert "0 events wait, 300 were sent" in log
    lines = (project / "output" / "experience_events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert Counter(event["eventType"] for event in events) == MADE
    assert len({event["_id"] for event in events}) == 300
    validator = jsonschema.Draft202012Validator(schema_of_events())
    for event in events:
        validator.validate(event)

    with Store(project / ".sandbox" / "rainfocus.db") as store:
        assert Outbox(store).is_empty()
        known = {person["attendeeId"]: person["email"] for person in store.attendees("summit25")}
        leads = [json.loads(body) for _, body in store.page("summit25", "lead", limit=-1)]
    assert {event["event"]["name"] for event in events} == {"Acme Summit 2025"}
    for event in events:
        assert event["attendee"]["email"] == known[event["attendee"]["attendeeId"]]
    scans = {event["lead"]["leadId"]: event for event in events if event.get("lead")}
    assert list(scans) != []
    assert set(scans) == {lead["leadId"] for lead in leads[SIZES["LEADS"] :]}

    left = [name.name for name in (project / ".sandbox").glob("*.pid")]
    assert left == []
