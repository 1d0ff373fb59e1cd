"""Experience events that the sandbox pushes, and what has happened when it does."""

from __future__ import annotations

import http.server
import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
import typing as t
from collections import Counter
from contextlib import contextmanager

import pytest
import requests
from rainfocus_sandbox.server.remote import Occupant, occupant
from rainfocus_sandbox.testing import running
from rainfocus_sandbox.webhooks.outbox import Outbox

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    from tests.conftest import HTTPServing

    Call = Callable[..., requests.Response]
    Command = Callable[..., subprocess.CompletedProcess[str]]

ID = r"[0-9]{16}[0-9A-Za-z]{4}"
LOCAL_TIME = r"20\d\d-\d\d-\d\d \d\d:\d\d:00"
SMALL = ("--attendees=30", "--sessions=8", "--exhibitors=4", "--leads=5", "--speakers=3")


class Endpoint(http.server.ThreadingHTTPServer):
    """A streaming endpoint that answers as it is told, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int | str] = []
        self.takes_all = True
        self.requests: list[tuple[str, dict[str, str], t.Any]] = []
        self.kept: list[dict[str, t.Any]] = []
        self.lock = threading.Lock()
        self.at_once = 0
        self.most_at_once = 0
        self.slowness = 0.0
        self.left = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/collection/secret-inlet"

    def ids(self) -> list[str]:
        return [event["transmissionId"] for event in self.kept]

    def of_type(self, push_type: str) -> list[dict[str, t.Any]]:
        return [event for event in self.kept if event["eventType"] == push_type]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_POST(self) -> None:
        endpoint = self.server
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with endpoint.lock:
            endpoint.requests.append((self.path, headers, body))
            endpoint.at_once += 1
            endpoint.most_at_once = max(endpoint.most_at_once, endpoint.at_once)
            answer = endpoint.answers.pop(0) if endpoint.answers else 200
        if endpoint.slowness:
            endpoint.left.wait(endpoint.slowness)
        with endpoint.lock:
            endpoint.at_once -= 1
            if answer in {200, 202, 207, "drop"}:
                endpoint.kept.append(body)
        if answer == "drop":
            self.close_connection = True
            return
        if answer == "hang":
            endpoint.left.wait(20)
            self.close_connection = True
            return
        self.send_response(t.cast("int", answer))
        if answer == 302:
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(database: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A sandbox that may be killed."""
    sandbox = [sys.executable, "-m", "rainfocus_sandbox", f"--database={database}"]
    with subprocess.Popen([*sandbox, f"--port={port}", "serve"]) as server:
        try:
            while occupant(port, database) is not Occupant.OURS:
                time.sleep(0.02)
            yield server
        finally:
            server.kill()


@pytest.fixture
def endpoint(serve_http: HTTPServing) -> Iterator[Endpoint]:
    endpoint = Endpoint()
    with serve_http(endpoint):
        yield endpoint
        endpoint.left.set()


@pytest.fixture
def pushing(sandbox: RunningSandbox, endpoint: Endpoint) -> RunningSandbox:
    """The sandbox, with an Integration Profile."""
    sandbox.pushes.to(endpoint.url, flow_id="flow-1", token="bearer-secret")
    return sandbox


def found(get: Call, call: str, **query: str | int) -> list[dict[str, t.Any]]:
    page = get(call, event="summit25", **query).json()
    records: list[dict[str, t.Any]] = page.get("results") or page.get("data", [])
    return records


# What happens, and what is told of it


def test_a_scheduled_session(pushing: RunningSandbox, endpoint: Endpoint, get: Call) -> None:
    made = pushing.pushes.schedule(count=40)
    pushing.pushes.wait()
    assert len(set(made)) == 40
    assert sorted(endpoint.ids()) == sorted(made)
    attendees = {a["attendeeId"]: a for a in found(get, "attendee/search")}
    sessions = {
        s.get("sessionId") or s["sessionID"]: s for s in found(get, "entityDataDump/session")
    }
    for event in endpoint.kept:
        assert list(event) == [
            "transmissionId",
            "eventType",
            "timestamp",
            "event",
            "attendee",
            "session",
            "sessiontime",
        ]
        assert re.fullmatch(ID, event["transmissionId"])
        assert event["eventType"] == "SessionScheduled"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"])
        assert event["event"] == {"name": "Acme Summit 2025"}
        attendee = attendees[event["attendee"]["attendeeId"]]
        assert event["attendee"]["email"] == attendee["email"]
        assert event["attendee"]["registered"] in {"Yes", "No"}
        assert event["attendee"].get("clientId") == attendee.get("clientId")
        session = sessions[event["session"]["sessionId"]]
        assert event["session"]["title"] == session["title"]
        assert event["session"]["code"] == session.get("sessionCode", session.get("code"))
        assert event["session"]["length"] in {45, 60, 90}
        assert isinstance(event["session"]["length"], int)
        assert session["status"] == "Accepted"
        time_of = event["sessiontime"]
        assert time_of["sessiontimeId"] in {v for of in session["times"] for v in of.values()}
        assert re.fullmatch(LOCAL_TIME, time_of["startTime"])
        assert re.fullmatch(LOCAL_TIME, time_of["endTime"])
        assert time_of["startTime"] < time_of["endTime"]
        assert re.fullmatch(r"Room \d+", time_of["room"])
        for group in ("attendee", "session", "sessiontime"):
            assert None not in event[group].values()
    assert len({event["attendee"]["attendeeId"] for event in endpoint.kept}) > 20


def test_a_registration(pushing: RunningSandbox, endpoint: Endpoint, get: Call) -> None:
    def unregistered() -> set[str]:
        return {
            a["attendeeId"]
            for a in found(get, "attendee/search")
            if str(a["registered"]).lower() not in {"true", "yes", "1", "1.0"}
        }

    before = unregistered()
    since = get("attendee/search", event="summit25", pageSize=1).json()["timestamp"]
    pushing.pushes.register(count=3)
    pushing.pushes.wait()
    told = {event["attendee"]["attendeeId"] for event in endpoint.of_type("AttendeeRegistered")}
    assert len(told) == 3
    assert unregistered() == before - told
    assert {a["attendeeId"] for a in found(get, "attendee/search", since=since)} == told
    for event in endpoint.kept:
        assert set(event) == {"transmissionId", "eventType", "timestamp", "event", "attendee"}
        assert event["attendee"]["registered"] == "Yes"


def test_when_all_are_registered_somebody_registers_anew(
    pushing: RunningSandbox, endpoint: Endpoint, get: Call
) -> None:
    pushing.pushes.register("summit26", count=30)
    pushing.pushes.wait()
    everybody = get("attendee/search", event="summit26").json()["results"]
    assert {str(a["registered"]).lower() for a in everybody} <= {"true", "yes", "1", "1.0"}
    assert len(endpoint.kept) == 30


def test_a_lead_scan(pushing: RunningSandbox, endpoint: Endpoint, get: Call) -> None:
    since = get("lead/search", event="summit25", pageSize=1).json()["timestamp"]
    pushing.pushes.scan_lead(count=5)
    pushing.pushes.wait()
    leads = {lead["leadId"]: lead for lead in found(get, "lead/search", since=since)}
    assert len(leads) == 5
    for event in endpoint.of_type("LeadScanned"):
        lead = leads.pop(event["lead"]["leadId"])
        assert event["lead"]["note"] == lead["note"]
        assert event["attendee"]["attendeeId"] == lead["attendeeId"]
        assert event["attendee"]["email"] == lead["email"]
        assert event["exhibitor"]["exhibitorId"] == lead["exhibitorId"]
        assert event["exhibitor"]["name"] == lead["exhibitorName"]
        assert "session" not in event
    assert not leads


def test_who_is_named_is_taken(pushing: RunningSandbox, endpoint: Endpoint, get: Call) -> None:
    attendee = found(get, "attendee/search")[7]["attendeeId"]
    session = next(
        s for s in found(get, "entityDataDump/session") if s["times"] and "sessionID" in s
    )["sessionID"]
    exhibitor = found(get, "entityDataDump/exhibitor")[2]["exhibitorId"]
    pushing.pushes.schedule(attendee=attendee, session=session)
    pushing.pushes.register(attendee=attendee)
    pushing.pushes.scan_lead(attendee=attendee, exhibitor=exhibitor, note="Zoë fragt „bald“")
    pushing.pushes.wait()
    assert {event["attendee"]["attendeeId"] for event in endpoint.kept} == {attendee}
    assert endpoint.of_type("SessionScheduled")[0]["session"]["sessionId"] == session
    scan = endpoint.of_type("LeadScanned")[0]
    assert scan["exhibitor"]["exhibitorId"] == exhibitor
    assert scan["lead"]["note"] == "Zoë fragt „bald“"


def test_the_same_commands_draw_the_same(tmp_path: Path, endpoint: Endpoint) -> None:
    drawn = []
    for name in ("one", "two"):
        with running(tmp_path / name) as sandbox:
            sandbox.pushes.to(endpoint.url, flow_id="f")
            for _ in range(2):
                sandbox.pushes.schedule(count=3)
                sandbox.pushes.wait()
            drawn.append(sorted(e["attendee"]["attendeeId"] for e in endpoint.kept))
            endpoint.kept.clear()
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) > 3


def test_without_an_integration_things_happen_and_nothing_is_pushed(
    sandbox: RunningSandbox, endpoint: Endpoint, get: Call
) -> None:
    leads = len(found(get, "lead/search"))
    assert sandbox.pushes.scan_lead(count=2) == []
    assert len(found(get, "lead/search")) == leads + 2
    assert sandbox.pushes.tally().waiting == 0
    sandbox.pushes.to(endpoint.url, flow_id="f")
    made = sandbox.pushes.schedule()
    sandbox.pushes.wait()
    assert endpoint.ids() == made


def test_an_event_is_in_the_outbox_or_nothing_has_happened(
    pushing: RunningSandbox, endpoint: Endpoint, get: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Outbox, event: dict[str, t.Any]) -> None:
        monkeypatch.undo()
        self.put(event)
        message = "the disk is full"
        raise sqlite3.OperationalError(message)

    before = found(get, "lead/search")
    monkeypatch.setattr(Outbox, "put", full)
    with pytest.raises(sqlite3.OperationalError):
        pushing.pushes.scan_lead(count=3)
    assert found(get, "lead/search") == before
    made = pushing.pushes.scan_lead()
    pushing.pushes.wait()
    assert endpoint.ids() == made


# Delivery


def test_what_the_endpoint_is_sent(pushing: RunningSandbox, endpoint: Endpoint) -> None:
    pushing.pushes.schedule()
    pushing.pushes.wait()
    pushing.pushes.to(endpoint.url, flow_id="flow-2")
    pushing.pushes.schedule()
    pushing.pushes.wait()
    (path, first, _), (_, second, _) = endpoint.requests
    assert path == "/collection/secret-inlet"
    assert first["x-adobe-flow-id"] == "flow-1"
    assert first["content-type"] == "application/json"
    assert first["authorization"] == "Bearer bearer-secret"
    assert second["x-adobe-flow-id"] == "flow-2"
    assert "authorization" not in second


def test_every_event_is_tried_until_it_is_taken(
    pushing: RunningSandbox, endpoint: Endpoint
) -> None:
    endpoint.answers = [503, "drop", 500, 429, 404, 302, 400, "drop", 401, 202, 207]
    made = pushing.pushes.schedule(count=30)
    pushing.pushes.wait()
    kept = Counter(endpoint.ids())
    assert set(kept) == set(made)
    assert sum(kept.values()) == 32, "the two dropped connections had been taken"
    tally = pushing.pushes.tally()
    assert (tally.waiting, tally.sent, tally.failed) == (0, 30, 9)
    assert {path for path, _, _ in endpoint.requests} == {"/collection/secret-inlet"}
    by_id: dict[str, list[t.Any]] = {}
    for _, _, body in endpoint.requests:
        by_id.setdefault(body["transmissionId"], []).append(body)
    assert all(bodies == bodies[:1] * len(bodies) for bodies in by_id.values())


def test_a_retry_waits_longer_each_time(pushing: RunningSandbox, endpoint: Endpoint) -> None:
    endpoint.answers = [503] * 4
    started = time.monotonic()
    pushing.pushes.schedule()
    pushing.pushes.wait()
    assert len(endpoint.requests) == 5
    assert 1.5 < time.monotonic() - started < 8


def test_in_order_and_a_few_at_a_time(pushing: RunningSandbox, endpoint: Endpoint) -> None:
    endpoint.slowness = 0.01
    made = pushing.pushes.schedule(count=100)
    pushing.pushes.wait()
    assert 2 <= endpoint.most_at_once <= 8
    order = [made.index(body["transmissionId"]) for _, _, body in endpoint.requests]
    for seen in range(1, len(order) + 1):
        overtaken = max(order[:seen]) + 1 - seen
        assert overtaken < 8, "only those on their way beside it may come later"


def test_an_endpoint_that_never_answers_does_not_hold_an_event(
    sandbox: RunningSandbox, endpoint: Endpoint
) -> None:
    endpoint.answers = ["hang"]
    sandbox.pushes.to(endpoint.url, flow_id="f", timeout=0.2)
    made = sandbox.pushes.schedule()
    sandbox.pushes.wait()
    assert endpoint.ids() == made
    assert sandbox.pushes.tally().last_failure == "no reply within 0.2 seconds"


def test_the_endpoint_may_be_put_right(sandbox: RunningSandbox, endpoint: Endpoint) -> None:
    sandbox.pushes.to("http://127.0.0.1:9/collection/secret-inlet", flow_id="f")
    made = sandbox.pushes.schedule(count=2)
    with pytest.raises(TimeoutError):
        sandbox.pushes.wait(0.2)
    tally = sandbox.pushes.tally()
    assert tally.waiting == 2
    assert tally.failed >= 2
    assert tally.last_failure == "ClientConnectorError"
    sandbox.pushes.off()
    assert sandbox.pushes.schedule() == []
    sandbox.pushes.to(endpoint.url, flow_id="f")
    sandbox.pushes.wait()
    assert sorted(endpoint.ids()) == sorted(made)


def test_a_reset_forgets_what_waits(sandbox: RunningSandbox, endpoint: Endpoint) -> None:
    sandbox.pushes.to("http://127.0.0.1:9/collection/x", flow_id="f")
    sandbox.pushes.schedule(count=9)
    requests.post(f"{sandbox.url}/sandbox/reset", json={"attendees": 20, "leads": 0}, timeout=10)
    assert sandbox.pushes.outbox.integration() is None
    sandbox.pushes.wait(0)
    sandbox.pushes.to(endpoint.url, flow_id="f")
    made = sandbox.pushes.schedule(count=9)
    sandbox.pushes.wait()
    assert sorted(endpoint.ids()) == sorted(made)
    assert sandbox.pushes.tally().sent == 9


# Calls and commands


def test_by_http(sandbox: RunningSandbox, endpoint: Endpoint, get: Call) -> None:
    def ask(method: str, name: str, body: object = None) -> t.Any:
        return requests.request(method, f"{sandbox.url}/sandbox/{name}", json=body, timeout=10)

    assert ask("GET", "integration").json() is None
    profile = {"url": endpoint.url, "flow_id": "f", "token": "bearer-secret"}
    told = ask("POST", "integration", profile).json()
    host = endpoint.url.removesuffix("/collection/secret-inlet")
    assert told == {"host": host, "flow_id": "f", "has_token": True}
    assert ask("GET", "integration").json() == told
    attendee = found(get, "attendee/search")[0]["attendeeId"]
    made = [
        *ask("POST", "schedule", {"count": 2}).json()["transmission_ids"],
        *ask("POST", "register", {"event": "summit26", "count": 1}).json()["transmission_ids"],
        *ask("POST", "scan-lead", {"attendee": attendee}).json()["transmission_ids"],
    ]
    sandbox.pushes.wait()
    assert sorted(endpoint.ids()) == sorted(made)
    assert ask("GET", "pushes").json() == {
        "waiting": 0,
        "sent": 4,
        "failed": 0,
        "last_failure": "",
    }
    assert ask("DELETE", "integration").json() is None
    assert ask("POST", "schedule").json() == {"transmission_ids": []}


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("schedule", {"event": "nosuch"}, "there is no event nosuch"),
        ("schedule", {"attendee": "nobody"}, "summit25 has no attendee nobody"),
        ("schedule", {"session": "none"}, "summit25 has no session none with times"),
        ("schedule", {"count": 0}, "count is less than 1"),
        ("scan-lead", {"exhibitor": "none"}, "summit25 has no exhibitor none"),
        ("register", {"event": "nosuch"}, "there is no event nosuch"),
        ("register", {"nosuch": 1}, "unexpected keyword"),
        ("integration", {"url": "ftp://x/y", "flow_id": "f"}, "url is not an http"),
        ("integration", {"url": "http://x/y", "flow_id": "a\nb"}, "flow_id is not"),
        ("integration", {"url": "http://x/y", "flow_id": "f", "token": ""}, "token is not"),
        ("integration", {"url": "http://x/y", "flow_id": "f", "timeout": 0}, "timeout is not"),
    ],
)
def test_what_cannot_be_is_refused(
    pushing: RunningSandbox, name: str, body: dict[str, t.Any], message: str
) -> None:
    before = pushing.store.counts()
    reply = requests.post(f"{pushing.url}/sandbox/{name}", json=body, timeout=10)
    assert reply.status_code == 400
    assert message in reply.json()["error"]
    assert pushing.store.counts() == before
    assert pushing.pushes.tally().waiting == 0


def test_by_command(command: Command, endpoint: Endpoint) -> None:
    assert "start one with" in command("schedule").stderr
    command("start", *SMALL)
    assert command("integration").stdout == "No integration is set: nothing is pushed.\n"
    assert "no integration is set" in command("schedule").stdout
    shown = command("integration", "set", f"--url={endpoint.url}", "--flow-id=f", "--token=hush")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert ", dataflow f, with a Bearer token." in shown.stdout
    assert "secret" not in shown.stdout
    assert "hush" not in shown.stdout
    assert command("schedule", "--count=3").stdout == "schedule: 3 done, 3 events to push.\n"
    assert "1 events to push" in command("register", "--event=summit26").stdout
    assert "2 events to push" in command("scan-lead", "--count=2", "--note=hi").stdout
    refused = command("register", "--attendee=nobody")
    assert (refused.returncode, refused.stderr) == (
        1,
        "Error: summit25 has no attendee nobody\n",
    )
    waited = command("pushes", "--wait=20")
    assert (waited.returncode, waited.stdout) == (
        0,
        "0 events wait, 6 were sent; 0 attempts failed\n",
    )
    assert Counter(event["eventType"] for event in endpoint.kept) == {
        "SessionScheduled": 3,
        "AttendeeRegistered": 1,
        "LeadScanned": 2,
    }
    assert "nothing is pushed" in command("integration", "remove").stdout


def test_the_outbox_survives_a_kill(
    command: Command, database: Path, port: int, endpoint: Endpoint
) -> None:
    command("reset", *SMALL)
    with serving(database, port) as server:
        command("integration", "set", f"--url={endpoint.url}", "--flow-id=f")
        endpoint.answers = [503] * 10_000
        command("schedule", "--count=20")
        waited = command("pushes", "--wait=0.1")
        assert waited.returncode == 1
        assert waited.stdout.startswith("20 events wait, 0 were sent; ")
        assert waited.stdout.endswith(" attempts failed, the last one with HTTP 503\n")
        server.kill()
    endpoint.answers = []
    tried = {body["transmissionId"] for _, _, body in endpoint.requests}
    command("start")
    assert command("pushes", "--wait=20").returncode == 0
    assert len(endpoint.kept) == len(set(endpoint.ids())) == 20
    assert tried
    assert tried <= set(endpoint.ids()), "a retry has the same transmissionId"
    log = database.with_name("sandbox.db.log").read_text()
    assert "secret" not in log
