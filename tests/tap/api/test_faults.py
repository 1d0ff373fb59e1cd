"""Whatever passing fault strikes, every record arrives, once."""

from __future__ import annotations

import typing as t

import pytest
from rainfocus_sandbox.faults.faults import Fault
from rainfocus_sandbox.testing import running

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rainfocus_sandbox.testing import RunningSandbox

    Run = t.Any
    Settings = dict[str, t.Any]
    TapRunner = Callable[..., Run]
    SettingsMaker = Callable[..., Settings]

STREAMS = ["attendees", "sessions", "session_times", "exhibitors", "leads", "speakers"]
PEOPLE = "attendee/search"
DUMP = "entityDataDump/session"
LEADS = "lead/search"
TOKEN = "oidc/token"


@pytest.fixture(scope="module")
def shaken_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running(tmp_path_factory.mktemp("shaken") / "rainfocus.db") as sandbox:
        yield sandbox


@pytest.fixture
def shaken(shaken_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """A sandbox in which faults can be set; none is left for the next test."""
    yield shaken_sandbox
    shaken_sandbox.faults.clear()


def calls_since(sandbox: RunningSandbox, before: int) -> list[t.Any]:
    return sandbox.store.log()[before:]


def assert_complete(run: Run, sandbox: RunningSandbox, undisturbed: Run) -> None:
    assert run.code == 0, run.log
    assert run.errors == []
    counts = sandbox.store.counts()["summit25"]
    for stream in STREAMS:
        ids = [record["_id"] for record in run.records(stream)]
        assert len(ids) == len(set(ids)) == counts[stream] > 0
        assert set(ids) == {record["_id"] for record in undisturbed.records(stream)}
    people = {attendee["attendeeId"] for attendee in sandbox.store.attendees("summit25")}
    assert {record["_id"] for record in run.records("attendees")} == people
    for stream in ("attendees", "leads"):
        assert "replication_key_value" in run.state["bookmarks"][stream]["partitions"][0]


def everywhere(kind: t.Any, **more: t.Any) -> list[Fault]:
    """The fault in the middle of a search, and in a dump."""
    return [Fault(kind, call=PEOPLE, skip=2, **more), Fault(kind, call=DUMP, **more)]


PASSING = {
    "429 with seconds": [
        Fault("retry_after_seconds", call=PEOPLE, skip=2, seconds=1),
        Fault("retry_after_seconds", call=DUMP, seconds=0),
    ],
    "429 with a date": [
        Fault("retry_after_date", call=PEOPLE, skip=2, seconds=1),
        Fault("retry_after_date", call=DUMP, seconds=0),
    ],
    "500, 502, 503": [
        Fault("server_error", call=PEOPLE, skip=1, times=2, status=503),
        Fault("server_error", call=DUMP, status=502),
        Fault("server_error", call=LEADS, status=500),
    ],
    "dropped": everywhere("drop"),
    "dropped, but carried out": everywhere("drop_after"),
    "cut": everywhere("cut"),
    "slow": [Fault("slow", call=PEOPLE, skip=2, seconds=20)],
    "empty page": [
        Fault("empty_page", call=PEOPLE),
        Fault("empty_page", call=PEOPLE, skip=3),
        Fault("empty_page", call=LEADS, skip=1),
    ],
    "short pages": [Fault("short_page", times=None)],
    "repeated cursor": [Fault("repeat_cursor", times=None)],
    "repeated cursor, once": [Fault("repeat_cursor")],
    "truncated JSON": everywhere("truncated_json"),
    "HTML": everywhere("html"),
    "expired token": everywhere("expired_token"),
}


@pytest.mark.parametrize("faults", PASSING.values(), ids=PASSING.keys())
def test_every_record_arrives_in_spite_of(
    run_tap: TapRunner,
    shaken: RunningSandbox,
    settings_for: SettingsMaker,
    full_run: Run,
    faults: list[Fault],
) -> None:
    shaken.faults.add(*faults)
    timeout = 0.5 if faults[0].kind == "slow" else 10
    settings = settings_for(shaken, page_size=25, max_retries=4, request_timeout=timeout)
    run = run_tap(settings)
    assert_complete(run, shaken, full_run)
    assert shaken.faults.struck()[faults[0].kind] >= sum(fault.times or 1 for fault in faults)
    assert all(fault.times is None for fault in shaken.faults.left())


RETRIED = {
    "429 with seconds": Fault("retry_after_seconds", call=TOKEN, seconds=0),
    "503": Fault("server_error", call=TOKEN, status=503),
    "dropped": Fault("drop", call=TOKEN),
    "dropped, but carried out": Fault("drop_after", call=TOKEN),
    "cut": Fault("cut", call=TOKEN),
    "slow": Fault("slow", call=TOKEN, seconds=20),
    "truncated JSON": Fault("truncated_json", call=TOKEN),
    "HTML": Fault("html", call=TOKEN),
}


@pytest.mark.parametrize("fault", RETRIED.values(), ids=RETRIED.keys())
def test_a_token_is_asked_for_again_after(
    run_tap: TapRunner,
    shaken: RunningSandbox,
    settings_for: SettingsMaker,
    full_run: Run,
    fault: Fault,
) -> None:
    shaken.faults.add(fault)
    timeout = 0.5 if fault.kind == "slow" else 10
    run = run_tap(settings_for(shaken, max_retries=4, request_timeout=timeout))
    assert shaken.faults.struck() == {fault.kind: 1}
    assert_complete(run, shaken, full_run)


def test_a_new_token_survives_faults_of_its_own(
    run_tap: TapRunner, shaken: RunningSandbox, settings_for: SettingsMaker, full_run: Run
) -> None:
    before = len(shaken.store.log())
    shaken.faults.add(
        Fault("expired_token", call=PEOPLE, skip=2),
        Fault("server_error", call=TOKEN, skip=1, status=502),
        Fault("drop", call=TOKEN, skip=1),
    )
    run = run_tap(settings_for(shaken, page_size=25, max_retries=4))
    assert_complete(run, shaken, full_run)
    assert shaken.faults.struck() == {"expired_token": 1, "server_error": 1, "drop": 1}
    issued = [c for c in calls_since(shaken, before) if c.call == TOKEN and c.status == 200]
    assert len(issued) == 2


def test_one_new_token_for_one_that_has_expired(
    run_tap: TapRunner, shaken: RunningSandbox, settings_for: SettingsMaker, full_run: Run
) -> None:
    before = len(shaken.store.log())
    shaken.faults.add(Fault("expired_token", call=PEOPLE, skip=3))
    run = run_tap(settings_for(shaken, page_size=10))
    assert_complete(run, shaken, full_run)
    assert shaken.faults.struck() == {"expired_token": 1}
    calls = calls_since(shaken, before)
    assert [call.call for call in calls].count(TOKEN) == 2
    assert [call.status for call in calls].count(401) == 1


def test_a_token_is_replaced_before_it_runs_out(
    run_tap: TapRunner, shaken: RunningSandbox, settings_for: SettingsMaker, full_run: Run
) -> None:
    before = len(shaken.store.log())
    shaken.faults.token_life(2)
    shaken.faults.latency(0.12)
    run = run_tap(settings_for(shaken, page_size=10))
    assert_complete(run, shaken, full_run)
    calls = calls_since(shaken, before)
    issued = [call.time_ms for call in calls if call.call == TOKEN]
    lasted = (calls[-1].time_ms - calls[0].time_ms) / 1000
    assert 2 <= len(issued) <= lasted / 1.5 + 1
    # A request that was under way when the token ran out is the only one that may be refused.
    assert [call.status for call in calls].count(401) <= len(issued) - 1


def test_a_token_that_runs_out_sooner_than_it_said(
    run_tap: TapRunner, shaken: RunningSandbox, settings_for: SettingsMaker, full_run: Run
) -> None:
    before = len(shaken.store.log())
    shaken.faults.token_life(0.9)  # the reply says 0, which says nothing
    shaken.faults.latency(0.07)
    run = run_tap(settings_for(shaken, page_size=10))
    assert_complete(run, shaken, full_run)
    calls = calls_since(shaken, before)
    refused = [call for call in calls if call.status == 401]
    assert refused
    assert [call.call for call in calls].count(TOKEN) == 1 + len(refused)


def test_every_record_arrives_in_spite_of_all_of_it(
    run_tap: TapRunner, shaken: RunningSandbox, settings_for: SettingsMaker, full_run: Run
) -> None:
    kinds: list[tuple[t.Any, dict[str, t.Any]]] = [
        ("retry_after_seconds", {"seconds": 0}),
        ("server_error", {"status": 500}),
        ("drop", {}),
        ("empty_page", {}),
        ("retry_after_date", {"seconds": 0}),
        ("server_error", {"status": 502}),
        ("drop_after", {}),
        ("short_page", {}),
        ("cut", {}),
        ("expired_token", {}),
        ("server_error", {"status": 503}),
        ("slow", {"seconds": 20}),
        ("truncated_json", {}),
        ("html", {}),
    ]
    # A fault counts only the requests that those before it leave: every other request fails.
    faults = [Fault(kind, skip=number, **more) for number, (kind, more) in enumerate(kinds)]
    shaken.faults.add(
        Fault("server_error", call=TOKEN),
        Fault("drop", call=TOKEN, skip=1),
        Fault("repeat_cursor", times=None),
        *faults,
    )
    run = run_tap(settings_for(shaken, page_size=8, max_retries=4, request_timeout=0.5))
    assert_complete(run, shaken, full_run)
    struck = shaken.faults.struck()
    assert struck.keys() == {"repeat_cursor", *(kind for kind, _ in kinds)}
    assert struck["server_error"] == 4
    assert struck["drop"] == 2
    assert [fault.kind for fault in shaken.faults.left()] == ["repeat_cursor"]
