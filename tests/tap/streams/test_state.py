"""The bookmark moves when a download has ended, and never else."""

from __future__ import annotations

import json
import signal
import threading
import time
import typing as t
from collections import Counter
from itertools import pairwise

import pytest
from rainfocus_sandbox.faults.faults import Fault
from rainfocus_sandbox.seed import Sizes
from rainfocus_sandbox.testing import running

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Run = t.Any
    State = dict[str, t.Any]
    Settings = dict[str, t.Any]
    TapRunner = Callable[..., Run]
    TapStarter = Callable[..., t.Any]
    SettingsMaker = Callable[..., Settings]
    ServerMaker = Callable[..., t.Any]

OLD = "2020-01-01T00:00:00.000Z"
OLD_MS = "1577836800000"
EVENTS = ("summit25", "summit26")
PEOPLE = "attendee/search"


@pytest.fixture(scope="module")
def still_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running(tmp_path_factory.mktemp("still") / "rainfocus.db") as sandbox:
        yield sandbox


@pytest.fixture
def faulty(still_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """A sandbox in which faults can be set; none is left for the next test."""
    yield still_sandbox
    still_sandbox.faults.clear()


def state_with(value: str = OLD, *, events: tuple[str, ...] = EVENTS) -> State:
    """The state after a run of both incremental streams."""
    return {
        "bookmarks": {
            stream: {
                "partitions": [
                    {
                        "context": {"event": event},
                        "replication_key": "timestamp",
                        "replication_key_value": value,
                    }
                    for event in events
                ]
            }
            for stream in ("attendees", "leads")
        }
    }


def bookmarks(state: State) -> dict[tuple[str, str], str | None]:
    """The bookmark of each stream and event."""
    return {
        (stream, partition["context"]["event"]): partition.get("replication_key_value")
        for stream, entry in state["bookmarks"].items()
        if stream in {"attendees", "leads"}
        for partition in entry["partitions"]
    }


def states(output: str) -> list[State]:
    """Every state in an output that may end in the middle of a line."""
    lines = [line for line in output.splitlines(keepends=True) if line.endswith("\n")]
    messages = [json.loads(line) for line in lines]
    return [message["value"] for message in messages if message["type"] == "STATE"]


def assert_nothing_moved(output: str) -> None:
    for state in states(output):
        assert bookmarks(state) == bookmarks(state_with())


def by_stream(run: Run) -> Counter[str]:
    return Counter(m["stream"] for m in run.messages if m["type"] == "RECORD")


PLACES = {
    "first page": Fault("slow", call=PEOPLE, seconds=30),
    "third page": Fault("slow", call=PEOPLE, skip=2, seconds=30),
    "last page": Fault("slow", call=PEOPLE, skip=5, seconds=30),
    "token": Fault("slow", call="oidc/token", seconds=30),
    "before a retry": Fault("retry_after_seconds", call=PEOPLE, skip=2, seconds=30),
}
SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
KILLED = [
    *((place, signal.SIGTERM, 143) for place in PLACES),
    *(("third page", killer, code) for killer, code in SIGNALS[1:]),
]


@pytest.mark.parametrize(
    ("place", "killer", "code"), KILLED, ids=[f"{k.name} at {p}" for p, k, _ in KILLED]
)
def test_a_run_that_is_killed_keeps_the_bookmark(
    start_tap: TapStarter,
    faulty: RunningSandbox,
    settings_for: SettingsMaker,
    place: str,
    killer: signal.Signals,
    code: int,
    tmp_path: Path,
) -> None:
    fault = PLACES[place]
    faulty.faults.add(fault)
    settings = settings_for(faulty, page_size=20, event_codes=list(EVENTS), concurrency=1)
    tap = start_tap(settings, state=state_with())
    written: list[str] = []
    loader = threading.Thread(target=lambda: written.extend(tap.stdout))
    loader.start()
    until = time.monotonic() + 20
    while not faulty.faults.struck():
        assert tap.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    assert tap.poll() is None
    time.sleep(0.1)  # what came before the hanging request is worked on
    killed = time.monotonic()
    tap.send_signal(killer)
    assert tap.wait(timeout=20) == code
    assert time.monotonic() - killed < 3
    loader.join()
    output = "".join(written)
    assert faulty.faults.struck() == {fault.kind: 1}
    said = next(tmp_path.glob("started*/log")).read_text().splitlines()[-1]
    assert (f"Stopped by a signal (exit code {code})." in said) == (code > 0)
    if place in {"third page", "last page"}:
        assert '"RECORD"' in output
    assert states(output)
    assert_nothing_moved(output)


def test_a_run_whose_loader_takes_nothing_can_be_ended(
    start_tap: TapStarter, faulty: RunningSandbox, settings_for: SettingsMaker
) -> None:
    before = len(faulty.store.log())
    settings = settings_for(faulty, event_codes=list(EVENTS), concurrency=1)
    tap = start_tap(settings, state=state_with())
    until = time.monotonic() + 20
    while len(faulty.store.log()) < before + 2:  # the token and the first page
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(0.3)  # one page is more than a pipe takes
    assert tap.poll() is None
    tap.terminate()
    assert tap.wait(timeout=3) == 143
    assert_nothing_moved(tap.stdout.read())


@pytest.mark.parametrize("page", [0, 2, 5])
def test_a_run_that_fails_at_any_page_keeps_the_bookmark(
    run_tap: TapRunner, faulty: RunningSandbox, settings_for: SettingsMaker, page: int
) -> None:
    faulty.faults.add(Fault("server_error", call=PEOPLE, skip=page, times=None))
    more: Settings = {"page_size": 20, "max_retries": 0, "concurrency": 1}
    settings = settings_for(faulty, **more, event_codes=list(EVENTS))
    run = run_tap(settings, state=state_with())
    assert run.code == 75
    assert len(run.errors) == 1
    assert "attendee/search" in run.errors[0]
    assert "try again later" in run.errors[0]
    assert by_stream(run) == ({"attendees": page * 20} if page else {})
    assert faulty.faults.struck() == {"server_error": 1}
    assert states(run.output)
    assert_nothing_moved(run.output)


def test_a_run_whose_loader_breaks_the_pipe_keeps_the_bookmark(
    start_tap: TapStarter, faulty: RunningSandbox, settings_for: SettingsMaker
) -> None:
    faulty.faults.latency(0.02)
    settings = settings_for(faulty, page_size=10, event_codes=list(EVENTS), concurrency=1)
    tap = start_tap(settings, state=state_with())
    taken = [tap.stdout.readline() for _ in range(15)]
    tap.stdout.close()
    assert tap.wait(timeout=20) == 74
    assert sum('"RECORD"' in line for line in taken) >= 10
    assert states("".join(taken))
    assert_nothing_moved("".join(taken))
    assert len([c for c in faulty.store.log() if c.call == PEOPLE and c.records == 10]) < 12


def test_the_second_event_fails(
    run_tap: TapRunner, faulty: RunningSandbox, settings_for: SettingsMaker
) -> None:
    faulty.faults.add(Fault("server_error", call=PEOPLE, skip=1, times=None))
    settings = settings_for(faulty, max_retries=0, concurrency=1, event_codes=list(EVENTS))
    run = run_tap(settings, state=state_with())
    assert run.code == 75
    assert faulty.faults.struck() == {"server_error": 1}
    assert by_stream(run) == {"attendees": 120}
    after = bookmarks(run.state)
    assert after == bookmarks(state_with()) | {
        ("attendees", "summit25"): run.records("attendees")[0]["timestamp"]
    }
    assert (after["attendees", "summit25"] or "") > OLD


def test_each_stream_and_event_has_its_own_bookmark(
    run_tap: TapRunner, scripted: ServerMaker
) -> None:
    clocks = iter(range(1680309557133, 1680309557999))
    told: dict[tuple[str, str], int] = {}

    def answer(asked: t.Any) -> tuple[int, dict[str, str], object]:
        call = asked.path.rpartition("/v3/")[2]
        if "search" not in call:
            return 200, {}, {"responseCode": "0", "data": []}
        stream = "attendees" if call == PEOPLE else "leads"
        clock = next(clocks)
        reply: dict[str, object] = {"responseCode": "0", "timestamp": str(clock)}
        if "cursor" in asked.query:  # the clock of a later page does not count
            return 200, {}, reply | {"results": [{"attendeeId": "2", "leadId": "2"}]}
        told[stream, asked.query["event"]] = clock
        return 200, {}, reply | {"results": [{"attendeeId": "1", "leadId": "1"}], "cursor": "C"}

    server = scripted(answer)
    settings = server.settings | {"event_codes": list(EVENTS)}
    first = run_tap(settings, state=state_with())
    assert first.code == 0, first.log
    sent = [asked.query.get("since") for asked in server.asked if "search" in asked.path]
    assert sent == [OLD_MS] * 8
    clock = {key: f"2023-04-01T00:39:17.{ms % 1000}Z" for key, ms in told.items()}
    assert bookmarks(first.state) == clock
    assert len(set(clock.values())) == 4

    expected = {key: str(ms) for key, ms in told.items()}
    server.asked.clear()
    second = run_tap(settings, state=first.state)
    assert second.code == 0, second.log
    asked_since = {
        (
            "attendees" if PEOPLE in asked.path else "leads",
            asked.query["event"],
        ): asked.query.get("since")
        for asked in server.asked
        if "search" in asked.path
    }
    assert asked_since == expected


def last_titles(*runs: Run) -> dict[str, str]:
    """The last job title of each attendee that a loader has after these runs."""
    return {
        record["_id"]: record["attendee"].get("jobtitle")
        for run in runs
        for record in run.records("attendees")
    }


def test_what_changes_while_pages_are_read_is_seen(
    run_tap: TapRunner,
    fresh_sandbox: RunningSandbox,
    settings_for: SettingsMaker,
    only_attendees: tuple[str, str],
) -> None:
    people = [attendee["attendeeId"] for attendee in fresh_sandbox.store.attendees("summit25")]
    ended = threading.Event()

    def change() -> None:
        number = 0
        while not ended.is_set():
            # Strides over all of them, before and behind the page that is being read; whoever
            # is missed is not touched again so soon that it would not show.
            number += 1
            who = people[number * 7 % len(people)]
            fresh_sandbox.store.touch("summit25", who, jobtitle=f"Title {number}")
            time.sleep(0.02)

    fresh_sandbox.faults.latency(0.03)
    settings = settings_for(fresh_sandbox, page_size=6)
    changing = threading.Thread(target=change)
    changing.start()
    try:
        first = run_tap(settings, *only_attendees)
        second = run_tap(settings, *only_attendees, state=first.state)
    finally:
        ended.set()
        changing.join()
    third = run_tap(settings, *only_attendees, state=second.state)
    assert [first.code, second.code, third.code] == [0, 0, 0]

    is_now = {
        attendee["attendeeId"]: attendee["jobtitle"]
        for attendee in fresh_sandbox.store.attendees("summit25")
        if (attendee.get("jobtitle") or "").startswith("Title ")
    }
    assert len(is_now) > 40
    assert last_titles(first).keys() == set(people)
    # Without the later runs, values would be missing: so changes did fall between the pages.
    assert last_titles(first).items() & is_now.items() != is_now.items()
    assert last_titles(first, second).items() & is_now.items() != is_now.items()
    seen = last_titles(first, second, third)
    assert {who: seen[who] for who in is_now} == is_now
    assert last_titles(third)


def test_a_change_in_the_millisecond_of_the_bookmark_is_seen(
    run_tap: TapRunner,
    fresh_sandbox: RunningSandbox,
    settings_for: SettingsMaker,
    only_attendees: tuple[str, str],
) -> None:
    who = fresh_sandbox.store.attendees("summit25")[3]["attendeeId"]
    fresh_sandbox.store.touch("summit25", who, jobtitle="Just now")
    changed = fresh_sandbox.store.attendees("summit25")[3]["modifiedDate"]
    run = run_tap(settings_for(fresh_sandbox), *only_attendees, state=state_with(changed))
    assert [record["_id"] for record in run.records("attendees")] == [who]


def test_without_records_no_state_is_lost_and_no_run_makes_it_grow(
    run_tap: TapRunner, faulty: RunningSandbox, settings_for: SettingsMaker
) -> None:
    settings = settings_for(faulty, event_codes=list(EVENTS), page_size=20)
    runs = [run_tap(settings)]
    for _ in range(2):
        runs.append(run_tap(settings, state=runs[-1].state))
    assert [run.code for run in runs] == [0] * 3
    assert [len(run.records("attendees")) for run in runs] == [145, 0, 0]
    assert [len(run.records("leads")) for run in runs] == [40, 0, 0]
    for before, after in pairwise(runs):
        assert bookmarks(before.state) == bookmarks(after.state)
    assert ("leads", "summit26") not in bookmarks(runs[0].state)  # there are none
    assert len(bookmarks(runs[0].state)) == 3
    assert len({len(json.dumps(run.state)) for run in runs[1:]}) == 1


def test_the_state_names_only_what_has_a_bookmark(
    run_tap: TapRunner, scripted: ServerMaker
) -> None:
    def answer(asked: t.Any) -> tuple[int, dict[str, str], object]:
        key = "results" if "search" in asked.path else "data"
        records = [{"id": "1", "title": "T"}] if asked.query["event"] != "e2" else []
        return 200, {}, {"responseCode": "0", "timestamp": "1680309557133", key: records}

    server = scripted(answer)
    settings = server.settings | {"event_codes": ["e1", "e2", "e3"]}
    empty = {"partitions": [{"context": {"event": "e1"}}]}
    run = run_tap(settings, state={"bookmarks": {"sessions": empty, "attendees": empty}})
    assert run.code == 0, run.log
    mapped = run_tap(settings | {"stream_maps": {"attendees": {}}})
    assert bookmarks(mapped.state) == bookmarks(run.state)
    named = {
        stream: sorted(partition["context"]["event"] for partition in entry.get("partitions", []))
        for stream, entry in run.state["bookmarks"].items()
    }
    assert {stream: events for stream, events in named.items() if events} == {
        "attendees": ["e1", "e3"],
        "leads": ["e1", "e3"],
    }
    marks = {*run.state["bookmarks"]["leads"]["partitions"][0]}
    assert marks == {"context", "replication_key", "replication_key_value", "source"}


def test_many_events_do_not_write_the_whole_state_each_time(
    run_tap: TapRunner, scripted: ServerMaker
) -> None:
    server = scripted(
        lambda _: (200, {}, {"timestamp": "1680309557133", "results": [{"attendeeId": "1"}]})
    )
    events = [f"e{number}" for number in range(400)]
    run = run_tap(server.settings | {"event_codes": events}, select=["attendees"])
    assert run.code == 0, run.log
    assert len(run.records("attendees")) == 400
    assert "Read from 400 events: 400 attendees." in run.log
    assert len(bookmarks(run.state)) == 400
    written = [len(line) for line in run.output.splitlines() if '"STATE"' in line]
    assert len(written) > 5
    assert sum(written) < 30 * written[-1]  # each time it would be 200 times as much
    assert written == sorted(written)


def test_what_has_ended_is_in_the_state_however_the_run_ends(
    run_tap: TapRunner, scripted: ServerMaker
) -> None:
    events = [f"e{number:02}" for number in range(30)]

    def answer(asked: t.Any) -> tuple[int, dict[str, str], object]:
        if asked.query["event"] == "e29":
            return 403, {}, {}
        name = "x" * 60_000  # a bookmark that takes long to write
        return 200, {}, {"timestamp": "1680309557133", "results": [{"id": "1", "event": name}]}

    server = scripted(answer)
    run = run_tap(server.settings | {"event_codes": events, "concurrency": 1}, select=["attendees"])
    assert run.code == 77
    assert run.messages[-1]["type"] == "STATE"
    assert {event for _, event in bookmarks(run.state)} == {*events} - {"e29"}


def test_the_state_does_not_grow_with_the_data(
    run_tap: TapRunner,
    full_run: Run,
    settings_for: SettingsMaker,
    tmp_path: Path,
) -> None:
    sizes = Sizes(attendees=1200, sessions=30, exhibitors=12, leads=400, speakers=20)
    with running(tmp_path / "large.db", sizes=sizes) as large:
        run = run_tap(settings_for(large))
        again = run_tap(settings_for(large), state=run.state)
        in_full = run_tap(settings_for(large))
    assert len(run.records("attendees")) == 1200
    assert len(run.records("leads")) == 400
    assert len(json.dumps(run.state)) == len(json.dumps(full_run.state))
    assert len(json.dumps(run.state)) < 1000
    assert again.records("attendees") == []
    assert len(in_full.records("attendees")) == 1200  # without state, everything again


def test_start_date_counts_only_where_there_is_no_bookmark(
    run_tap: TapRunner, scripted: ServerMaker
) -> None:
    server = scripted(lambda _: (200, {}, {"responseCode": "0", "results": []}))
    settings = server.settings | {
        "event_codes": list(EVENTS),
        "start_date": "2022-02-02T00:00:00Z",
    }
    run = run_tap(settings, state=state_with("2022-02-03T00:00:00.000Z", events=("summit25",)))
    assert run.code == 0, run.log
    since = {a.query["event"]: a.query.get("since") for a in server.asked if PEOPLE in a.path}
    assert since == {"summit25": "1643846400000", "summit26": "1643760000000"}


def test_without_a_clock_in_the_reply_that_of_http_counts(
    run_tap: TapRunner, faulty: RunningSandbox, settings_for: SettingsMaker
) -> None:
    began = time.time()
    faulty.faults.add(Fault("no_timestamp", times=None))
    run = run_tap(settings_for(faulty))
    assert run.code == 0, run.log
    assert faulty.faults.struck() == {"no_timestamp": 2}
    for value in bookmarks(run.state).values():
        assert value
        assert value.endswith(".000Z")  # HTTP tells no milliseconds, and never rounds up
        moment = time.strptime(value, "%Y-%m-%dT%H:%M:%S.000Z")
        assert began - 10 < time.mktime(moment) - time.timezone <= time.time()
