"""The API log, and the sandbox's own calls."""

from __future__ import annotations

import typing as t
from dataclasses import asdict

import requests

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from rainfocus_sandbox.testing import RunningSandbox

    Call = Callable[..., requests.Response]


def test_each_call_is_logged(
    sandbox: RunningSandbox, get: Call, post: Call, get_token: Callable[[], str]
) -> None:
    get_token()
    get("attendee/search", event="summit26", pageSize=7)
    post("attendee/store", {"email": "ann@example.com"})
    get("attendee/load", event="nosuch")
    get("attendee/load", headers={})
    get("nosuch/call")
    assert [
        (c.method, c.call, c.event, c.profile, c.status, c.code, c.records)
        for c in sandbox.store.log()
    ] == [
        ("POST", "oidc/token", "", "", 200, "", 0),
        ("GET", "attendee/search", "summit26", "api-global", 200, "0", 7),
        ("POST", "attendee/store", "summit26", "api-global", 200, "0", 1),
        ("GET", "attendee/load", "", "api-global", 400, "104", 0),
        ("GET", "attendee/load", "", "", 400, "103", 0),
        ("GET", "unknown", "", "", 404, "", 0),
    ]
    assert all(c.milliseconds > 0 for c in sandbox.store.log())


def test_the_log_holds_nothing_personal_and_no_secret(
    sandbox: RunningSandbox, get: Call, post: Call, get_token: Callable[[], str]
) -> None:
    token = get_token()
    get("attendee/search", event="summit26", email="ann@example.com")
    get("ann@example.com/search", event="ann@example.com")
    get("attendee/search", event="ann@example.com")
    post("attendee/store", {"email": "ann@example.com", "firstname": "Ann"})
    text = str([asdict(call) for call in sandbox.store.log()])
    for secret in (
        "ann",
        "Ann",
        token,
        sandbox.api_profile,
        sandbox.client_id,
        sandbox.client_secret,
    ):
        assert secret not in text


def test_the_last_calls(sandbox: RunningSandbox, get: Call) -> None:
    get("attendee/search", event="summit26", pageSize=1)
    get("attendee/search", event="summit26", pageSize=2)
    reply = requests.get(f"{sandbox.url}/sandbox/log?limit=1", timeout=10).json()
    assert [call["records"] for call in reply["calls"]] == [2]
    assert reply["summary"] == [
        {
            "call": "attendee/search",
            "event": "summit26",
            "status": 200,
            "code": "0",
            "calls": 2,
            "records": 3,
        }
    ]
    assert [call.records for call in sandbox.store.log(2)] == [1, 2]


def test_health_and_counts(sandbox: RunningSandbox) -> None:
    health = requests.get(f"{sandbox.url}/sandbox/health", timeout=10).json()
    assert health == {
        "name": "rainfocus-sandbox",
        "version": "0.1.0",
        "database": str(sandbox.store.database.resolve()),
    }
    counts = requests.get(f"{sandbox.url}/sandbox/counts", timeout=10).json()
    assert counts == sandbox.store.counts()
    assert sandbox.store.log() == [], "the sandbox's own calls are not logged"


def test_reset_over_http(sandbox: RunningSandbox, get: Call) -> None:
    get("attendee/search", event="summit26")
    reply = requests.post(f"{sandbox.url}/sandbox/reset", json={"attendees": 3}, timeout=10)
    assert reply.json()["summit25"]["attendees"] == 3
    assert sandbox.store.log() == []
    assert len(get("attendee/search", event="summit25").json()["results"]) == 3
