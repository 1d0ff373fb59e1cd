"""The environments of meltano.yml for a real RainFocus: dev and prod, with settings from .env."""

from __future__ import annotations

import json
import re
import typing as t
import urllib.request

import pytest
from rainfocus_sandbox.testing import SMALL, running

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    from tests.conftest import Postgres
    from tests.pipelines.conftest import Project

INLET = "inlet-5ecret-0123456789"
TOKEN = "token-5ecret-0123456789"

STREAMS = ("attendees", "exhibitors", "leads", "session_times", "sessions", "speakers")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    with running(tmp_path / "sandbox.db") as started:
        yield started


@pytest.fixture
def write_env(project: Project) -> t.Callable[..., None]:
    """Fill in .env, as a user does; what the example does not name is refused."""

    def write(**values: str) -> None:
        example = (project.folder / ".env.example").read_text()
        names = re.findall(r"^(\w+)=$", example, re.MULTILINE)
        assert set(values) <= set(names)
        lines = [f"{name}={values.get(name, '')}\n" for name in names]
        (project.folder / ".env").write_text("".join(lines))

    return write


@pytest.fixture
def prod(
    sandbox: RunningSandbox, project: Project, write_env: t.Callable[..., None]
) -> t.Callable[..., tuple[int, str]]:
    """Run Meltano in the environment prod, with a sandbox where RainFocus would be."""
    write_env(
        RAINFOCUS_ORG_ID=sandbox.org_id,
        RAINFOCUS_CLIENT_ID=sandbox.client_id,
        RAINFOCUS_CLIENT_SECRET=sandbox.client_secret,
    )
    plugins = ("TAP_RAINFOCUS", "TAP_RAINFOCUS_ATTENDEES", "TARGET_RAINFOCUS_ATTENDEES")
    there = {f"{plugin}_API_URL": sandbox.api_url for plugin in plugins}

    def run(*arguments: str, **environment: str) -> tuple[int, str]:
        done = project.run("--environment=prod", *arguments, **there, **environment)
        return done.returncode, done.stdout

    return run


def test_an_event_is_sent_what_another_was_sent_before(
    prod: t.Callable[..., tuple[int, str]], sandbox: RunningSandbox
) -> None:
    this_year = len(sandbox.store.attendees("summit26"))
    code, first = prod(
        "run", "carry", RAINFOCUS_READ_EVENT="summit25", RAINFOCUS_WRITE_EVENT="summit26"
    )
    assert code == 0, first
    assert f"summit26: {SMALL.attendees} read, {SMALL.attendees} stored" in first

    _, other = prod(
        "run", "carry", RAINFOCUS_READ_EVENT="summit25", RAINFOCUS_WRITE_EVENT="summit25"
    )
    assert f"summit25: {SMALL.attendees} read, {SMALL.attendees} stored" in other

    both = {"RAINFOCUS_READ_EVENT": "summit25,summit26", "RAINFOCUS_WRITE_EVENT": "summit26"}
    _, more = prod("run", "carry", **both)
    assert f"attendees of summit26: {SMALL.attendees + this_year} records" in more


def test_the_command_test_names_each_stream_that_is_refused(
    prod: t.Callable[..., tuple[int, str]], sandbox: RunningSandbox
) -> None:
    events = {"RAINFOCUS_READ_EVENT": "summit25,summit26"}
    denied = {"sessions", "session_times", "speakers"}
    for call in ("session", "speaker"):
        sandbox.store.deny("oauth-global", f"entityDataDump/{call}")
    code, log = prod("invoke", "tap-rainfocus:test", **events)
    assert code == 77, log
    for stream in STREAMS:
        can = "cannot be read" if stream in denied else "can be read"
        assert f"{stream} of summit25 {can}" in log
        assert f"{stream} of summit26 {can}" in log

    code, selected = prod("invoke", "tap-rainfocus-attendees:test", **events)
    assert code == 0, selected
    assert "attendees of summit25 can be read" in selected
    assert "sessions" not in selected


def test_pushes_reach_a_file_by_way_of_postgresql(
    project: Project, postgres: Postgres, write_env: t.Callable[..., None]
) -> None:
    user = f"{postgres.user}:s3cret@{postgres.host}:{postgres.port}"
    write_env(
        RAINFOCUS_INBOX_URL=f"postgresql+psycopg://{user}/{postgres.database}",
        RAINFOCUS_INLET=INLET,
        RAINFOCUS_INLET_TOKEN=TOKEN,
    )
    said = project.meltano("--environment=prod", "invoke", "rainfocus-receiver:start")
    try:
        push = urllib.request.Request(
            f"http://127.0.0.1:{project.receiver_port}/collection/{INLET}",
            json.dumps({"transmissionId": "a1", "eventType": "SessionScheduled"}).encode(),
            {"Authorization": f"Bearer {TOKEN}"},
        )
        with urllib.request.urlopen(push, timeout=10) as reply:
            assert reply.status == 200
        # A lookback is for the tap that asks RainFocus, and must not stop this one.
        lookback = {"TAP_RAINFOCUS_LOOKBACK": "60"}
        said += project.meltano("schedule", "run", "hourly-events", **lookback)
    finally:
        said += project.meltano("--environment=prod", "invoke", "rainfocus-receiver:stop")
    (event,) = project.output("experience_events", "prod")
    assert event["transmissionId"] == "a1"
    assert not [secret for secret in (INLET, TOKEN, "s3cret") if secret in said]


def test_variables_are_checked_and_lists_are_what_the_plugin_takes(
    prod: t.Callable[..., tuple[int, str]], sandbox: RunningSandbox
) -> None:
    events = {"RAINFOCUS_READ_EVENT": "summit25", "RAINFOCUS_WRITE_EVENT": "summit26"}
    before = len(sandbox.store.attendees("summit26"))
    target = "target-rainfocus-attendees"
    code, told = prod("invoke", target, TARGET_RAINFOCUS_ATTENDEES_CONSENT_FEILD="x", **events)
    assert code != 0
    assert "_CONSENT_FEILD sets nothing: is TARGET_RAINFOCUS_ATTENDEES_CONSENT_FIELD" in told
    code, told = prod("invoke", "tap-rainfocus-events", TAP_RAINFOCUS_EVENT_CODE="x", **events)
    assert code != 0
    assert "Variable TAP_RAINFOCUS_EVENT_CODE sets nothing: is TAP_RAINFOCUS_EVENT_CODES" in told
    assert len(sandbox.store.attendees("summit26")) == before
    code, told = prod(
        "run",
        "--state-id-suffix=variables",  # the other tests' state stays what it is
        "carry",
        TARGET_RAINFOCUS_ATTENDEES_STREAMS="attendees,guests",
        TARGET_RAINFOCUS_ATTENDEES_FIELD_MAP="jobtitle=attendee.attendeeId",
        **events,
    )
    assert code == 0, told
    assert "Stream guests, which streams names, is not in the input." in told
    titles = {person["jobtitle"] for person in sandbox.store.attendees("summit26")}
    assert titles >= {person["attendeeId"] for person in sandbox.store.attendees("summit25")}
