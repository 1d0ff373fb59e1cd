"""Searches, dumps and loads."""

from __future__ import annotations

import time
import typing as t

import pytest
import requests
from rainfocus_sandbox.data.store import StoredRow
from rainfocus_sandbox.seed import Sizes
from rainfocus_sandbox.testing import running

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.data.store import Entity
    from rainfocus_sandbox.testing import RunningSandbox

    Call = Callable[..., requests.Response]


def ids(page: dict[str, t.Any]) -> list[str]:
    return [record["attendeeId"] for record in page["results"]]


def walk(get: Call, call: str, **query: str | int) -> list[dict[str, t.Any]]:
    pages = [get(call, **query).json()]
    while cursor := pages[-1].get("cursor"):
        pages.append(get(call, **query, cursor=cursor).json())
    return pages


@pytest.mark.parametrize("call", ["attendee/search", "lead/search"])
def test_pages_cover_everything_once(sandbox: RunningSandbox, get: Call, call: str) -> None:
    pages = walk(get, call, event="summit25", pageSize=25)
    key = "attendeeId" if call.startswith("attendee") else "leadId"
    found = [record[key] for page in pages for record in page["results"]]
    counts = sandbox.store.counts()["summit25"]
    assert len(found) == counts["attendees" if key == "attendeeId" else "leads"]
    assert len(set(found)) == len(found)
    assert {len(page["results"]) for page in pages[:-1]} == {25}
    assert ["timestamp" in page for page in pages] == [True] + [False] * (len(pages) - 1)


def test_a_page_that_ends_exactly_has_no_cursor(get: Call) -> None:
    assert "cursor" in get("attendee/search", event="summit26", pageSize=24).json()
    assert "cursor" not in get("attendee/search", event="summit26", pageSize=25).json()


def test_first_page(get: Call) -> None:
    before = time.time_ns() // 1_000_000
    reply = get("attendee/search", event="summit26")
    page = reply.json()
    assert page.keys() == {"responseCode", "responseMessage", "timestamp", "results"}
    assert (page["responseCode"], page["responseMessage"]) == ("0", "Success")
    assert before <= int(page["timestamp"]) <= time.time_ns() // 1_000_000
    assert reply.headers["content-type"] == "application/json;charset=UTF-8"
    assert "date" in reply.headers


def test_changes_between_pages_neither_skip_nor_repeat(
    sandbox: RunningSandbox, get: Call, post: Call
) -> None:
    query: dict[str, str | int] = {"event": "summit26", "pageSize": 10}
    first = get("attendee/search", **query).json()
    sandbox.store.touch("summit26", first["results"][0]["attendeeId"], firstname="Early")
    sandbox.store.touch("summit26", sandbox.store.attendees("summit26")[15]["attendeeId"])
    post("attendee/store", {"email": "late@example.com"})
    second = get("attendee/search", **query, cursor=first["cursor"]).json()
    third = get("attendee/search", **query, cursor=second["cursor"]).json()
    found = ids(first) + ids(second) + ids(third)
    assert found == [record["attendeeId"] for record in sandbox.store.attendees("summit26")]


def test_default_and_largest_page_size(tmp_path: Path) -> None:
    none = Sizes(attendees=0, sessions=0, exhibitors=0, leads=5, speakers=0)
    with running(tmp_path / "many.db", sizes=none) as sandbox:
        sandbox.store.add(
            "summit25", "attendee", [StoredRow({}, 0, "id", "ann@example.com")] * 10_001
        )
        sandbox.store.add("summit25", "session", [StoredRow({}, 0)] * 1_001)

        def size(call: str, records: str, **query: int) -> int:
            reply = requests.get(
                f"{sandbox.api_url}/acme/v3/{call}",
                params={"event": "summit25"} | {k: str(v) for k, v in query.items()},
                headers={"apiProfile": sandbox.api_profile},
                timeout=10,
            )
            return len(reply.json()[records])

        assert size("attendee/search", "results") == 1_000
        assert size("attendee/search", "results", pageSize=50_000) == 10_000
        assert size("entityDataDump/session", "data") == 1_000
        assert size("entityDataDump/session", "data", pageSize=100_000) == 1_001
        assert size("lead/search", "results") == 0


def test_since_finds_what_changed_at_or_after(sandbox: RunningSandbox, get: Call) -> None:
    attendee_id = sandbox.store.attendees("summit25")[7]["attendeeId"]
    start = int(get("attendee/search", event="summit25").json()["timestamp"])
    assert ids(get("attendee/search", event="summit25", since=start).json()) == []

    sandbox.store.touch("summit25", attendee_id, jobtitle="Chief")
    page = get("attendee/search", event="summit25", since=start).json()
    assert ids(page) == [attendee_id]
    assert page["results"][0]["jobtitle"] == "Chief"


def test_since_includes_its_own_millisecond(
    sandbox: RunningSandbox, get: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("data.store", "api.calls"):
        monkeypatch.setattr(f"rainfocus_sandbox.{module}.now_ms", lambda: 1_800_000_000_123)
    timestamp = get("attendee/search", event="summit25").json()["timestamp"]
    attendee_id = sandbox.store.attendees("summit25")[7]["attendeeId"]
    sandbox.store.touch("summit25", attendee_id)
    assert timestamp == "1800000000123"
    assert ids(get("attendee/search", event="summit25", since=timestamp).json()) == [attendee_id]
    assert ids(get("attendee/search", event="summit25", since=1_800_000_000_124).json()) == []


def test_filters(sandbox: RunningSandbox, get: Call) -> None:
    attendee = sandbox.store.attendees("summit25")[3]
    by_email = get("attendee/search", event="summit25", email=attendee["email"].upper()).json()
    by_id = get("attendee/search", event="summit25", attendeeId=attendee["attendeeId"]).json()
    assert by_email["results"] == by_id["results"] == [attendee]

    lead = get("lead/search", event="summit25").json()["results"][0]
    found = get("lead/search", event="summit25", attendeeId=lead["attendeeId"]).json()["results"]
    assert lead in found
    assert {record["attendeeId"] for record in found} == {lead["attendeeId"]}


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "nonsense!"},
        {"cursor": "c3VtbWl0MjU="},
        {"cursor": "c3VtbWl0MjYvYXR0ZW5kZWUvMQ=="},
        {"cursor": ""},
        {"pageSize": "0"},
        {"pageSize": "many"},
        {"pageSize": "9" * 30},
        {"since": "2025-01-01"},
        {"since": "-1"},
    ],
)
def test_malformed_parameters(get: Call, query: dict[str, str]) -> None:
    reply = get("attendee/search", event="summit25", **query)
    assert (reply.status_code, reply.json()["responseCode"]) == (400, "103")


@pytest.mark.parametrize("entity", ["session", "exhibitor", "speaker"])
def test_dump(sandbox: RunningSandbox, get: Call, entity: str) -> None:
    dump = get(f"entityDataDump/{entity}", event="summit25", since=9_999_999_999_999).json()
    assert dump.keys() == {"responseCode", "responseMessage", "data"}
    assert len(dump["data"]) == sandbox.store.counts()["summit25"][f"{entity}s"]
    assert len(get(f"entityDataDump/{entity}", event="summit25", pageSize=3).json()["data"]) == 3


def test_load(sandbox: RunningSandbox, get: Call) -> None:
    attendee = sandbox.store.attendees("summit25")[0]
    reply = get("attendee/load", event="summit25", attendeeId=attendee["attendeeId"]).json()
    assert reply == {"responseCode": "0", "responseMessage": "Success", "data": attendee}


def test_load_of_nobody(get: Call) -> None:
    unknown = get("attendee/load", event="summit25", attendeeId="nobody")
    assert (unknown.status_code, unknown.json()["responseCode"]) == (200, "110")
    unnamed = get("attendee/load", event="summit25")
    assert (unnamed.status_code, unnamed.json()["responseCode"]) == (400, "103")


@pytest.mark.parametrize("entity", ["session", "exhibitor", "speaker"])
def test_search_instead_of_a_dump(sandbox: RunningSandbox, get: Call, entity: str) -> None:
    pages = walk(get, f"{entity}/search", event="summit25", pageSize=7)
    found = [record for page in pages for record in page["results"]]
    assert len(pages) > 1
    assert found == get(f"entityDataDump/{entity}", event="summit25").json()["data"]

    start = int(pages[0]["timestamp"])
    assert get(f"{entity}/search", event="summit25", since=start).json()["results"] == []
    sandbox.store.touch_record("summit25", t.cast("Entity", entity), 3, note="changed")
    page = get(f"{entity}/search", event="summit25", since=start).json()
    assert page["results"] == [found[3] | {"note": "changed"}]
    with pytest.raises(IndexError):
        sandbox.store.touch_record("summit25", t.cast("Entity", entity), 1_000)
