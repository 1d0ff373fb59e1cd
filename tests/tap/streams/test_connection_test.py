"""`tap-rainfocus --test`: every selected stream is tried, and each that cannot be read is named."""

from __future__ import annotations

import socket
import typing as t

import pytest
from rainfocus_sandbox.faults.faults import Fault

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Settings = dict[str, t.Any]
    TapRunner = Callable[..., t.Any]

STREAMS = ("attendees", "exhibitors", "leads", "session_times", "sessions", "speakers")
EVENTS = ("summit25", "summit26")


@pytest.fixture
def port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    return number


@pytest.fixture
def denied(sandbox: RunningSandbox) -> Iterator[t.Callable[[str], None]]:
    """Switch an endpoint off for as long as the test runs."""
    calls: list[str] = []

    def deny(call: str) -> None:
        sandbox.store.deny("oauth-global", call)
        calls.append(call)

    yield deny
    for call in calls:
        sandbox.store.allow("oauth-global", call)


def test_all_that_can_be_read(
    run_tap: TapRunner, settings: Settings, sandbox: RunningSandbox
) -> None:
    calls_before = len(sandbox.store.log())
    run = run_tap(settings | {"event_codes": ["summit25, summit26"]}, "--test=all")
    assert run.code == 0, run.log
    for stream in STREAMS:
        for event in EVENTS:
            assert f"{stream} of {event} can be read." in run.log
        events = [record["event"]["code"] for record in run.records(stream)]
        assert events == ["summit25"] if stream == "leads" else list(EVENTS)
    assert not [message for message in run.messages if message["type"] == "STATE"]
    calls = sandbox.store.log()[calls_before:]
    assert max(call.records for call in calls) == 1


def test_each_refused_stream_is_named(
    run_tap: TapRunner, settings: Settings, denied: Callable[[str], None]
) -> None:
    denied("attendee/search")
    denied("entityDataDump/speaker")
    run = run_tap(settings, "--test")
    assert run.code == 77
    refused = [line for line in run.errors if "cannot be read." in line]
    assert ["attendees" in refused[0], "speakers" in refused[1]] == [True, True]
    assert all("API Profiles" in line for line in refused)
    assert "2 of 6 cannot be read: attendees of summit25, speakers of summit25." in run.errors[-1]
    assert "sessions of summit25 can be read." in run.log


@pytest.mark.parametrize("fault", ["html", "server_error"])
def test_a_stream_that_answers_with_a_fault_keeps_no_other_from_being_tried(
    run_tap: TapRunner, settings: Settings, sandbox: RunningSandbox, fault: t.Any
) -> None:
    sandbox.faults.add(Fault(fault, call="attendee/search", times=None))
    try:
        run = run_tap(settings | {"max_retries": 0}, "--test")
    finally:
        sandbox.faults.clear()
    assert run.code == 75
    assert "1 of 6 cannot be read: attendees of summit25." in run.errors[-1]
    assert "speakers of summit25 can be read." in run.log


def test_a_host_that_does_not_answer_is_told_once(
    run_tap: TapRunner, settings: Settings, port: int
) -> None:
    there = {"api_url": f"http://127.0.0.1:{port}/api", "max_retries": 0}
    run = run_tap(settings | there, "--test")
    assert run.code == 69
    (error,) = run.errors
    assert "could not be made" in error


def test_an_unknown_event_is_named(run_tap: TapRunner, settings: Settings) -> None:
    run = run_tap(settings | {"event_codes": ["summit25", "nosuch"]}, "--test")
    assert run.code == 78
    assert "6 of 12 cannot be read: attendees of nosuch" in run.errors[-1]


@pytest.mark.parametrize("order", ["catalog first", "test first"])
def test_what_is_not_selected_is_not_tried(
    run_tap: TapRunner, settings: Settings, only_attendees: tuple[str, str], order: str
) -> None:
    options = (
        [*only_attendees, "--test"] if order == "catalog first" else ["--test", *only_attendees]
    )
    run = run_tap(settings, *options)
    assert run.code == 0, run.log
    assert [line.partition("| ")[2] for line in run.log.splitlines() if "can be" in line] == [
        "INFO     | tap-rainfocus                  | attendees of summit25 can be read."
    ]


def test_what_the_run_would_fail_on_fails_the_test(
    run_tap: TapRunner, settings: Settings, only_attendees: tuple[str, str]
) -> None:
    maps = {"stream_maps": {"attendees": {"x": "attendee['nope']['y']"}}}
    mapped = run_tap(settings | maps, *only_attendees, "--test")
    assert mapped.code == 78
    assert "A stream map of stream attendees cannot be used on a record" in mapped.errors[0]
    bookmark = {"replication_key": "timestamp", "replication_key_value": "soon"}
    partition = {"context": {"event": "summit25"}, **bookmark}
    state = {"bookmarks": {"attendees": {"partitions": [partition]}}}
    dated = settings | {"start_date": "2026-01-01T00:00:00Z"}
    marked = run_tap(dated, *only_attendees, "--test", state=state)
    assert marked.code == 78
    assert "attendees for event summit25 in the state is not a time" in marked.errors[0]


def test_wrong_credentials_are_told_once(run_tap: TapRunner, settings: Settings) -> None:
    run = run_tap(settings | {"client_secret": "wrong-secret"}, "--test")
    assert run.code == 77
    (error,) = run.errors
    assert "check client_id, client_secret" in error


def test_the_inbox_is_tried_too(run_tap: TapRunner, tmp_path: Path, fill_inbox: t.Any) -> None:
    url = f"sqlite:///{tmp_path / 'inbox.db'}"
    missing = run_tap({"inbox_url": url}, "--test")
    assert missing.code == 78
    assert "1 of 1 cannot be read: experience_events." in missing.errors[-1]
    fill_inbox(url, {"transmissionId": "1"})
    found = run_tap({"inbox_url": url}, "--test")
    assert found.code == 0, found.log
    assert [message["type"] for message in found.messages] == ["SCHEMA", "RECORD"]
    assert "experience_events can be read." in found.log


def test_schemas_are_shown_as_ever(run_tap: TapRunner, settings: Settings) -> None:
    run = run_tap(settings, "--test=schema")
    assert run.code == 0, run.log
    assert {message["type"] for message in run.messages} == {"SCHEMA"}
