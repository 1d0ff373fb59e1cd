"""`lookback`: what RainFocus shows late is asked for again, and the bookmark stays as it is."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

import jsonschema
import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Answer = tuple[int, dict[str, str], object]
    Json = dict[str, t.Any]
    Run = t.Any
    Settings = dict[str, t.Any]
    TapRunner = Callable[..., Run]
    SettingsMaker = Callable[..., Settings]
    ServerMaker = Callable[..., t.Any]

START = "2022-02-02T00:00:00Z"
START_MS = 1643760000000
DAY = 24 * 60 * 60
DAY_MS = DAY * 1000
FULL = "FULL_TABLE"
DUMP = {"attendees": {"path": "entityDataDump/attendee", "records_key": "data"}}
CLOCK = 1680309557133
CLOCK_TEXT = "2023-04-01T00:39:17.133Z"


@dataclass
class Late:
    """A RainFocus whose searches show a change some time after it is made.

    Attributes:
        clock: Seconds.
        changes: Who changed, when, and when it can be read, in seconds.
    """

    clock: int = CLOCK // 1000
    changes: list[tuple[str, int, int]] = field(default_factory=list)

    def change(self, who: str, *, shown_after: int) -> None:
        self.changes.append((who, self.clock, self.clock + shown_after))

    def answer(self, asked: t.Any) -> Answer:
        since = int(asked.query.get("since", 0))
        found = [
            {"attendeeId": who, "email": f"{who}@example.com"}
            for who, made, shown in self.changes
            if made * 1000 >= since and shown <= self.clock
        ]
        reply = {"responseCode": "0", "timestamp": str(self.clock * 1000), "results": found}
        return 200, {}, reply


def people(run: Run) -> list[str]:
    """Who came, each as the schema says."""
    assert run.code == 0, run.log
    for record in run.records("attendees"):
        jsonschema.validate(record, run.schema("attendees"))
    return [record["_id"] for record in run.records("attendees")]


def state_of(**values: str) -> Json:
    """The state after a run of both incremental streams, with a bookmark for each event."""
    return {
        "bookmarks": {
            stream: {
                "partitions": [
                    {
                        "context": {"event": event},
                        "replication_key": "timestamp",
                        "replication_key_value": value,
                    }
                    for event, value in values.items()
                ]
            }
            for stream in ("attendees", "leads")
        }
    }


def bookmarks(state: Json) -> dict[tuple[str, str], str]:
    return {
        (stream, partition["context"]["event"]): partition["replication_key_value"]
        for stream, entry in state["bookmarks"].items()
        for partition in entry.get("partitions", [])
    }


def since(server: t.Any) -> list[tuple[str, str | None]]:
    """What the searches asked for: the event, and since when."""
    return [(a.query["event"], a.query.get("since")) for a in server.asked if "search" in a.path]


@pytest.fixture
def steady(scripted: ServerMaker) -> t.Any:
    """A RainFocus that gives the same in each run: of a search, two pages."""

    def answer(asked: t.Any) -> Answer:
        reply = {"responseCode": "0", "timestamp": str(CLOCK)}
        if "search" not in asked.path:
            return 200, {}, reply | {"data": [{"id": "1"}]}
        if "cursor" in asked.query:
            return 200, {}, reply | {"results": [{"id": "2"}]}
        return 200, {}, reply | {"results": [{"id": "1"}], "cursor": "next"}

    return scripted(answer)


def test_what_is_shown_late_is_read_by_the_next_run(
    run_tap: TapRunner, scripted: ServerMaker
) -> None:
    rainfocus = Late()
    settings = scripted(rainfocus.answer).settings
    rainfocus.change("ann", shown_after=0)
    rainfocus.clock += 600
    rainfocus.change("bob", shown_after=30)
    rainfocus.clock += 20
    first = run_tap(settings, select=["attendees"])
    assert people(first) == ["ann"]

    rainfocus.clock += 600
    assert people(run_tap(settings, state=first.state, select=["attendees"])) == []
    second = run_tap(settings | {"lookback": 60}, state=first.state, select=["attendees"])
    assert people(second) == ["bob"]


def test_it_repeats_what_changed_shortly_before(
    run_tap: TapRunner, fresh_sandbox: RunningSandbox, settings_for: SettingsMaker
) -> None:
    who = fresh_sandbox.store.attendees("summit25")[3]["attendeeId"]
    fresh_sandbox.store.touch("summit25", who, jobtitle="Just now")
    settings = settings_for(fresh_sandbox)
    first = run_tap(settings, select=["attendees"])
    assert len(people(first)) > 1
    assert people(run_tap(settings, state=first.state, select=["attendees"])) == []
    again = run_tap(
        settings,
        "--config=ENV",
        state=first.state,
        select=["attendees"],
        environment={"TAP_RAINFOCUS_LOOKBACK": "3600"},
    )
    assert people(again) == [who]


@pytest.mark.parametrize("more", [[], ["--test"]], ids=["run", "test"])
def test_every_call_of_every_event_gets_it(
    run_tap: TapRunner, steady: t.Any, more: list[str]
) -> None:
    state = state_of(e1="2022-03-01T00:00:00.000Z", e2="2022-03-02T02:00:00.500+02:00")
    settings = steady.settings | {"event_codes": ["e1", "e2", "e3"], "lookback": 90}
    run = run_tap(settings, *more, state=state, select=["attendees", "leads", "sessions"])
    assert run.code == 0, run.log
    assert set(since(steady)) == {("e1", "1646092710000"), ("e2", "1646179110500"), ("e3", None)}
    assert {a.path for a in steady.asked if "since" in a.query} == {
        f"/api/acme/v3/{call}" for call in ("attendee/search", "lead/search")
    }


def test_the_bookmark_is_the_same_with_it(run_tap: TapRunner, steady: t.Any) -> None:
    settings = steady.settings | {"event_codes": ["e1", "e2"]}
    state = state_of(e1="2022-03-01T00:00:00.000Z")
    select = ["attendees", "leads"]
    without = run_tap(settings, state=state, select=select)
    with_it = run_tap(settings | {"lookback": 90}, state=state, select=select)
    assert set(since(steady)) == {
        ("e1", "1646092800000"),
        ("e1", "1646092710000"),
        ("e2", None),
    }
    assert set(bookmarks(with_it.state).values()) == {CLOCK_TEXT}
    assert bookmarks(with_it.state) == bookmarks(without.state)


def test_where_nothing_comes_the_bookmark_stays(run_tap: TapRunner, scripted: ServerMaker) -> None:
    server = scripted(lambda _: (200, {}, {"responseCode": "0", "results": []}))
    state = state_of(e1="2022-03-01T00:00:00.000Z")
    settings = server.settings | {"event_codes": ["e1"], "lookback": 90}
    select = ["attendees", "leads"]
    for _ in range(2):
        run = run_tap(settings, state=state, select=select)
        assert run.code == 0, run.log
        assert bookmarks(run.state) == bookmarks(state)
        state = run.state
    assert since(server) == [("e1", "1646092710000")] * 4


LIMITS: dict[str, tuple[Settings, str, int]] = {
    "behind the start": ({"start_date": START, "lookback": DAY}, "2022-02-03T00:00:01Z", 1000),
    "up to the start": ({"start_date": START, "lookback": DAY}, "2022-02-03T00:00:00Z", 0),
    "beyond the start": ({"start_date": START, "lookback": DAY}, "2022-02-02T23:59:59Z", 0),
    "no start": ({"lookback": DAY}, "2022-02-02T00:00:00Z", -DAY_MS),
    "before 1970": ({"lookback": 10**12}, "2022-02-02T00:00:00Z", -START_MS),
    "more than a number holds": ({"lookback": 10**30}, "2022-02-02T00:00:00Z", -START_MS),
    "a start before 1970": (
        {"start_date": "1960-01-01", "lookback": 10**12},
        "2022-02-02T00:00:00Z",
        -START_MS,
    ),
}


@pytest.mark.parametrize(("change", "bookmark", "after_start"), LIMITS.values(), ids=LIMITS)
def test_how_far_it_goes_back(
    run_tap: TapRunner, steady: t.Any, change: Settings, bookmark: str, after_start: int
) -> None:
    settings = steady.settings | {"event_codes": ["e1"]} | change
    run = run_tap(settings, state=state_of(e1=bookmark), select=["attendees"])
    assert run.code == 0, run.log
    assert set(since(steady)) == {("e1", str(START_MS + after_start))}


def test_neither_a_start_nor_a_bookmark_before_it_is_moved(
    run_tap: TapRunner, steady: t.Any
) -> None:
    more = {"event_codes": ["e1", "e2", "e3"], "start_date": START, "lookback": 60}
    state = state_of(e1="2022-02-03T00:00:00Z", e2="2022-02-01T00:00:00Z")
    run = run_tap(steady.settings | more, state=state, select=["attendees"])
    assert run.code == 0, run.log
    assert set(since(steady)) == {
        ("e1", str(START_MS + DAY_MS - 60_000)),
        ("e2", str(START_MS - DAY_MS)),
        ("e3", str(START_MS)),
    }


WRONG: dict[str, tuple[object, str]] = {
    "negative": (-1, "Setting lookback must be at least 0."),
    "a part of a second": (1.5, "Setting lookback must be of type integer."),
    "a switch": (True, "Setting lookback must be of type integer."),
    "a word": ("1 hour", "Setting lookback must be of type integer."),
}


@pytest.mark.parametrize("source", ["file", "variable"])
@pytest.mark.parametrize(("value", "advice"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_number_of_seconds(
    run_tap: TapRunner, steady: t.Any, value: object, advice: str, source: str
) -> None:
    if source == "file":
        run = run_tap(steady.settings | {"lookback": value})
    else:
        variable = {"TAP_RAINFOCUS_LOOKBACK": str(value).lower()}
        run = run_tap(steady.settings, "--config=ENV", environment=variable)
    assert run.code == 78
    (error,) = run.errors
    assert advice in error
    assert steady.asked == []


OFF: dict[str, tuple[list[str], dict[str, str], Settings]] = {
    "not selected": (["sessions", "speakers"], {}, {}),
    "in full": (["attendees", "leads"], {"attendees": FULL, "leads": FULL}, {}),
    "one in full, one not selected": (["attendees", "sessions"], {"attendees": FULL}, {}),
    "moved to a dump": (["attendees"], {}, {"endpoints": DUMP}),
    "a dump that is called incremental": (["sessions"], {"sessions": "INCREMENTAL"}, {}),
    "pushed events": (["experience_events"], {}, {"inbox_url": "sqlite:///inbox.db"}),
}


@pytest.fixture
def catalog(run_tap: TapRunner, tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Arguments for a catalog in which some streams are selected, and how some are read."""

    def make(settings: Settings, select: list[str], methods: dict[str, str]) -> tuple[str, str]:
        found = run_tap(settings, "--discover")
        assert found.code == 0, found.log
        content = json.loads(found.output)
        for stream in content["streams"]:
            name = stream["tap_stream_id"]
            stream["replication_method"] = methods.get(name, stream["replication_method"])
            root = next(one for one in stream["metadata"] if not one["breadcrumb"])
            root["metadata"]["selected"] = name in select
        file = tmp_path / "catalog.json"
        file.write_text(json.dumps(content))
        return "--catalog", str(file)

    return make


@pytest.mark.parametrize("more", [[], ["--test"]], ids=["run", "test"])
@pytest.mark.parametrize(("select", "methods", "change"), OFF.values(), ids=OFF.keys())
def test_it_is_refused_where_no_stream_asks_for_changes(
    run_tap: TapRunner,
    steady: t.Any,
    catalog: Callable[..., tuple[str, str]],
    select: list[str],
    methods: dict[str, str],
    change: Settings,
    more: list[str],
) -> None:
    settings = steady.settings | change | {"lookback": 60}
    run = run_tap(settings, *catalog(settings, select, methods), *more)
    assert run.code == 78
    (error,) = run.errors
    assert "no selected stream asks RainFocus for changes: select one that is read" in error
    assert run.output == ""
    assert steady.asked == []


def test_one_stream_that_asks_for_changes_is_enough(
    run_tap: TapRunner, steady: t.Any, catalog: Callable[..., tuple[str, str]]
) -> None:
    searched = {"sessions": {"path": "session/search"}}
    settings = steady.settings | {"event_codes": ["e1"], "endpoints": searched, "lookback": 60}
    arguments = catalog(settings, ["attendees", "sessions"], {"attendees": FULL})
    state = state_of(e1="2022-03-01T00:00:00.000Z")["bookmarks"]
    state = {"bookmarks": {"attendees": state["attendees"], "sessions": state["attendees"]}}
    run = run_tap(settings, *arguments, state=state)
    assert run.code == 0, run.log
    assert {(a.path.rpartition("/v3/")[2], a.query.get("since")) for a in steady.asked[1:]} == {
        ("attendee/search", None),
        ("session/search", "1646092740000"),
    }
