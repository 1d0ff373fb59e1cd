"""The environments of meltano.yml for a real RainFocus: dev and prod, with settings from .env."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import typing as t
import urllib.request
from pathlib import Path

import pytest
from rainfocus_sandbox.faults.faults import Fault
from rainfocus_sandbox.testing import SMALL, running
from target_rainfocus_attendees.__main__ import main

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rainfocus_sandbox.testing import RunningSandbox

    from tests.conftest import InProcess, Postgres
    from tests.pipelines.conftest import Project

INLET = "inlet-5ecret-0123456789"
TOKEN = "token-5ecret-0123456789"

ROOT = Path(__file__).parents[2]

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
def activation_log(tmp_path: Path) -> Path:
    return tmp_path / "activations.singer"


@pytest.fixture
def prod(
    sandbox: RunningSandbox,
    project: Project,
    write_env: t.Callable[..., None],
    activation_log: Path,
) -> t.Callable[..., tuple[int, str]]:
    """Run Meltano in the environment prod, with a sandbox where RainFocus would be."""
    write_env(
        RAINFOCUS_ORG_ID=sandbox.org_id,
        RAINFOCUS_CLIENT_ID=sandbox.client_id,
        RAINFOCUS_CLIENT_SECRET=sandbox.client_secret,
        RAINFOCUS_ACTIVATION_LOG=str(activation_log),
    )
    plugins = ("TAP_RAINFOCUS", "TAP_RAINFOCUS_ATTENDEES", "TARGET_RAINFOCUS_ATTENDEES")
    there = {f"{plugin}_API_URL": sandbox.api_url for plugin in plugins}

    def run(*arguments: str, **environment: str) -> tuple[int, str]:
        done = project.run("--environment=prod", *arguments, **there, **environment)
        return done.returncode, done.stdout

    return run


def test_an_event_is_sent_what_another_was_sent_before(
    prod: t.Callable[..., tuple[int, str]], sandbox: RunningSandbox, activation_log: Path
) -> None:
    this_year = len(sandbox.store.attendees("summit26"))
    code, first = prod(
        "run", "carry", RAINFOCUS_READ_EVENT="summit25", RAINFOCUS_WRITE_EVENT="summit26"
    )
    assert code == 0, first
    assert f"summit26: {SMALL.attendees} read, {SMALL.attendees} stored" in first
    assert activation_log.read_text().count('"outcome":"stored"') == SMALL.attendees

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


def test_a_warehouse_says_who_was_rejected_twice_and_why(
    prod: t.Callable[..., tuple[int, str]],
    sandbox: RunningSandbox,
    postgres: Postgres,
    in_process: InProcess,
    activation_log: Path,
    tmp_path: Path,
) -> None:
    settings = {
        "org_id": sandbox.org_id,
        "api_url": sandbox.api_url,
        "token_url": sandbox.token_url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "event_code": "summit26",
        "validation": "strict",
        "concurrency": 1,
        "rejects_path": str(tmp_path / "rejects.singer"),
        "activation_log_path": str(activation_log),
    }
    config = tmp_path / "target.json"
    config.write_text(json.dumps(settings))
    text = {"type": ["string", "null"]}
    columns = {"properties": {"email": text, "country": text}}
    schema = {"type": "SCHEMA", "stream": "people", "schema": columns, "key_properties": []}
    sandbox.faults.add(Fault("refuse_200", code="105"), Fault("refuse_400"))
    for country in ("Italy", "Atlantis"):
        ada = {"email": " Ada@example.com", "country": country}
        people = [ada, {"email": "bob@example.com"}, {"email": "eve@example.com"}]
        records = [{"type": "RECORD", "stream": "people", "record": person} for person in people]
        lines = "".join(f"{json.dumps(message)}\n" for message in (schema, *records))
        assert in_process(main, "--config", str(config), stdin=lines).code == 0
    with activation_log.open("a") as cut_off:
        cut_off.write('{"type":"RECORD","stream":"rainfocus_activations","record":{"run_id"')

    url = f"postgresql+psycopg://{postgres.user}:any@{postgres.host}:{postgres.port}"
    warehouse = {"RAINFOCUS_WAREHOUSE_URL": f"{url}/{postgres.database}"}
    code, told = prod("run", "activations", "activations", **warehouse)
    assert code == 0, told
    readme = (ROOT / "target-rainfocus-attendees" / "README.md").read_text()
    [query] = re.findall(r"```sql\n(.*?);\n```", readme, re.DOTALL)
    assert postgres.rows(query) == [
        {
            "event_code": "summit26",
            "identity": hashlib.sha256(b"ada@example.com").hexdigest(),
            "runs": 2,
            "why": "RF-403 105, RF-525 countryid",
        }
    ]
    outcomes = postgres.rows(
        "SELECT outcome, count(*) FROM rainfocus.rainfocus_activations GROUP BY 1 ORDER BY 1"
    )
    assert [(row["outcome"], row["count"]) for row in outcomes] == [
        ("invalid", 1),
        ("rejected", 2),
        ("stored", 3),
    ]


def test_a_catalogue_is_read_without_credentials(
    prod: t.Callable[..., tuple[int, str]], sandbox: RunningSandbox, project: Project
) -> None:
    there = {
        "RAINFOCUS_CATALOGUE_API_URL": sandbox.api_url,
        "RAINFOCUS_CATALOGUE_PROFILE_ID": "cataloguesummit25",
        "RAINFOCUS_CATALOGUE_WIDGET_ID": "widgetsummit25",
        "TAP_RAINFOCUS_CATALOGUE_REQUESTS_PER_SECOND": "100",
    }
    code, log = prod("run", "catalogue", **there)
    assert code == 0, log
    streams = ("exhibitors", "session_times", "sessions", "speakers")
    assert all(project.output(stream, "prod") for stream in streams)
    assert not (project.folder / "output" / "prod" / "attendees.jsonl").exists()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("", "fill in RAINFOCUS_ACTIVATION_LOG"),
        ("nowhere.singer", "nowhere.singer is no activation log"),
        ("README.md", "README.md is no activation log"),
        ("docs", "docs is no activation log"),
    ],
)
def test_an_activation_log_that_is_not_there_is_one_line(path: str, told: str) -> None:
    done = subprocess.run(
        [ROOT / "extract" / "activation-log"],
        cwd=ROOT,
        env=os.environ | {"TAP_ACTIVATIONS_PATH": path, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert done.returncode != 0
    [line] = done.stderr.splitlines()
    assert told in line
    assert done.stdout == ""
