"""Many events at once: what comes out is the same, and nothing gets stuck or lost."""

from __future__ import annotations

import json
import signal
import threading
import time
import typing as t
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = t.Any
    Scripted = t.Any
    Reply = tuple[int, dict[str, str], object]
    TapRunner = Callable[..., Run]
    TapStarter = Callable[..., t.Any]
    ServerMaker = Callable[..., Scripted]

PAGES = 4
EVENTS = [f"e{number}" for number in range(10)]
DENIED = {"responseCode": "124", "responseMessage": "Access to API endpoint attendee denied."}


class Pages:
    """Answers searches and dumps, and watches how many are in flight.

    The first ones wait until `together` are, or two dumps; `fault` comes first.
    """

    def __init__(self, size: int = 2, seconds: float = 0.02) -> None:
        self.size = size
        self.seconds = seconds
        self.fault: Callable[[str, int], Reply | None] = lambda _event, _page: None
        self.together = 1
        self.in_flight: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.began: list[float] = []
        self._lock = threading.Lock()

    def __call__(self, asked: t.Any) -> Reply:
        call = asked.path.partition("/v3/")[2]
        with self._lock:
            self.began.append(time.monotonic())
            self.in_flight[call] += 1
            self.most[call] = max(self.most[call], self.in_flight[call])
        time.sleep(self.seconds)
        awaited = self.together if "search" in call else min(self.together, 2)
        until = time.monotonic() + 5
        while self.most[call] < awaited and time.monotonic() < until:
            time.sleep(0.005)
        try:
            page = int(asked.query.get("cursor", 0))
            return self.fault(asked.query["event"], page) or self.page(call, page)
        finally:
            with self._lock:
                self.in_flight[call] -= 1

    def page(self, call: str, page: int) -> Reply:
        records = [
            {"id": f"{page}-{number}", "title": "x", "note": "n" * 200}
            for number in range(self.size)
        ]
        body: dict[str, object] = {"responseCode": "0", "timestamp": "1680309557133"}
        if "search" not in call:
            return 200, {}, body | {"data": records}
        if page < PAGES - 1:
            body["cursor"] = str(page + 1)
        return 200, {}, body | {"results": records}


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def server(scripted: ServerMaker, pages: Pages) -> Scripted:
    return scripted(pages)


def by_event(run: Run, stream: str = "attendees") -> dict[str, list[str]]:
    found = defaultdict(list)
    for record in run.records(stream):
        found[record["event_code"]].append(record["_id"])
    return found


def finished(run: Run) -> set[str]:
    entries = run.state["bookmarks"]["attendees"].get("partitions", [])
    return {entry["context"]["event"] for entry in entries}


def answer_in_turn(*replies: Reply | None) -> Callable[[str, int], Reply | None]:
    """Each of these once, whoever asks; then nothing of the kind."""
    left = iter(replies)
    return lambda _event, _page: next(left, None)


@pytest.mark.parametrize("more", [{}, {"stream_maps": {"attendees": {}}}], ids=["pages", "mapped"])
@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_what_comes_out_is_the_same_however_many_are_read_at_a_time(
    run_tap: TapRunner,
    server: Scripted,
    pages: Pages,
    concurrency: int,
    more: dict[str, object],
) -> None:
    pages.together = min(concurrency, len(EVENTS))
    settings = server.settings | {"event_codes": EVENTS, "concurrency": concurrency} | more
    run = run_tap(settings)
    assert run.code == 0, run.log
    in_order = [f"{page}-{number}" for page in range(PAGES) for number in range(2)]
    assert by_event(run) == dict.fromkeys(EVENTS, in_order)
    assert by_event(run, "leads").keys() == by_event(run, "sessions").keys() == {*EVENTS}
    assert finished(run) == {*EVENTS}
    assert pages.most["attendee/search"] == min(concurrency, len(EVENTS))
    assert pages.most["entityDataDump/session"] == min(concurrency, 2)
    streams = [m["stream"] for m in run.messages if m["type"] == "RECORD"]
    assert len([*filter(None, map(str.__ne__, streams, streams[1:]))]) == 4  # one after the other
    tokens = [asked for asked in server.asked if asked.path == "/oidc/token"]
    assert len(tokens) == 1
    for event in EVENTS:
        assert f"attendees of {event}: 8 records." in run.log


@pytest.mark.parametrize("number", [0, 17, 1.5, "many"])
def test_a_concurrency_that_is_none(run_tap: TapRunner, server: Scripted, number: object) -> None:
    run = run_tap(server.settings | {"concurrency": number})
    assert run.code == 78
    assert "concurrency" in run.errors[0]
    assert not server.asked


def test_a_state_never_passes_a_download_that_has_not_ended(
    run_tap: TapRunner, server: Scripted
) -> None:
    run = run_tap(server.settings | {"event_codes": EVENTS}, select=["attendees"])
    came: Counter[str] = Counter()
    seen = set()
    for message in run.messages:
        if message["type"] == "RECORD":
            came[message["record"]["event_code"]] += 1
        elif message["type"] == "STATE":
            entries = message["value"]["bookmarks"]["attendees"].get("partitions", [])
            seen |= (ended := {entry["context"]["event"] for entry in entries})
            assert all(came[event] == PAGES * 2 for event in ended)
    assert seen == {*EVENTS}


def test_an_event_that_is_refused_skips_only_itself(
    run_tap: TapRunner, server: Scripted, pages: Pages
) -> None:
    pages.fault = lambda event, _: (200, {}, DENIED) if event in {"e2", "e7"} else None
    run = run_tap(server.settings | {"event_codes": EVENTS}, select=["attendees"])
    assert run.code == 0, run.log
    assert by_event(run).keys() == finished(run) == {*EVENTS} - {"e2", "e7"}
    assert run.log.count("is skipped.") == 2
    assert f"attendees: {8 * PAGES * 2} records in all, 8 of 10 events, " in run.log


@pytest.mark.parametrize("page", [0, 2])
def test_an_error_ends_all_downloads(
    run_tap: TapRunner, server: Scripted, pages: Pages, page: int
) -> None:
    pages.fault = lambda event, at: (403, {}, {}) if (event, at) == ("e5", page) else None
    settings = {"event_codes": [*EVENTS, *(f"later{number}" for number in range(90))]}
    run = run_tap(server.settings | settings, select=["attendees"])
    assert run.code == 77
    (error,) = run.errors
    assert "attendees of e5: RainFocus answered attendee/search with HTTP 403" in error
    assert run.messages[-1]["type"] == "STATE" or not finished(run)
    came = by_event(run)
    assert all(len(came[event]) == PAGES * 2 for event in finished(run))
    assert "e5" not in finished(run)
    assert len(server.asked) < 10 * PAGES + 10
    time.sleep(0.1)  # what was being sent has arrived
    asked = len(server.asked)
    time.sleep(0.2)
    assert len(server.asked) == asked  # no thread goes on


def test_a_server_that_hangs_holds_nothing_up_for_ever(
    run_tap: TapRunner, server: Scripted, pages: Pages
) -> None:
    pages.seconds = 2
    settings = {"event_codes": EVENTS, "concurrency": 10, "request_timeout": 0.5}
    began = time.monotonic()
    run = run_tap(server.settings | settings, select=["attendees"])
    assert time.monotonic() - began < 5
    assert run.code == 69
    assert len(run.errors) == 1


class TestStates:
    """What has ended is in the state soon, whatever else is under way."""

    @pytest.fixture
    def hanging(self, start_tap: TapStarter, server: Scripted, pages: Pages) -> t.Any:
        """A tap that has read four events and waits for the fifth."""
        release = threading.Event()

        def hang(event: str, page: int) -> Reply | None:
            if (event, page) == ("e4", 2):
                release.wait(30)
            return None

        pages.fault = hang
        mark = {"replication_key": "timestamp", "replication_key_value": "2026-01-01T00:00:00Z"}
        others = [{"context": {"event": f"old{number}"}, **mark} for number in range(3000)]
        tap = start_tap(
            server.settings | {"event_codes": EVENTS[:5], "concurrency": 5},
            state={"bookmarks": {"attendees": {"partitions": others}}},
        )
        yield tap
        release.set()

    @staticmethod
    def ended(line: str) -> set[str]:
        if '"type":"STATE"' not in line:
            return set()
        entries = json.loads(line)["value"]["bookmarks"]["attendees"]["partitions"]
        return {entry["context"]["event"] for entry in entries} & {*EVENTS}

    def test_one_that_waits_goes_out_while_a_download_hangs(self, hanging: t.Any) -> None:
        began = time.monotonic()
        assert any(self.ended(line) == {*EVENTS[:4]} for line in hanging.stdout)
        assert time.monotonic() - began < 10
        assert hanging.poll() is None

    def test_a_loader_that_takes_no_more_of_it_holds_no_signal_up(self, hanging: t.Any) -> None:
        for line in hanging.stdout:
            if self.ended(line):
                break
        time.sleep(0.3)
        hanging.terminate()
        assert hanging.wait(timeout=3) == 143

    def test_a_loader_that_is_gone_changes_no_code(self, hanging: t.Any, tmp_path: Path) -> None:
        assert any(self.ended(line) == {*EVENTS[:4]} for line in hanging.stdout)
        hanging.stdout.close()
        hanging.terminate()
        assert hanging.wait(timeout=3) == 143
        log = (tmp_path / "started0" / "log").read_text()
        assert "Stopped by a signal (exit code 143)." in log.splitlines()[-1]

    def test_a_run_that_fails_ends_with_one(
        self, run_tap: TapRunner, server: Scripted, pages: Pages
    ) -> None:
        pages.fault = lambda _event, page: (403, {}, {}) if page else None
        mark = {"replication_key": "timestamp", "replication_key_value": "2026-01-01T00:00:00Z"}
        state = {"bookmarks": {"attendees": {"partitions": [{"context": {"event": "e9"}, **mark}]}}}
        settings = server.settings | {"event_codes": EVENTS[:1]}
        run = run_tap(settings, state=state, select=["attendees"])
        assert run.code == 77
        assert [message["type"] for message in run.messages][-2:] == ["RECORD", "STATE"]
        assert run.state == state


class TestFullQueues:
    """A loader that takes nothing."""

    @pytest.fixture
    def tap(self, start_tap: TapStarter, server: Scripted, pages: Pages) -> t.Any:
        pages.size = 500  # one page is more than a pipe takes
        settings = server.settings | {"event_codes": EVENTS, "concurrency": 8}
        tap = start_tap(settings)
        until = time.monotonic() + 20
        while len(server.asked) < 1 + 8 + 1:  # a token, a page for each, and one is taken
            assert tap.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(0.3)
        assert tap.poll() is None
        return tap

    def test_no_more_than_a_page_waits_for_each(self, tap: t.Any, server: Scripted) -> None:
        assert len(server.asked) == 1 + 8 + 1
        tap.kill()

    @pytest.mark.parametrize(
        ("killer", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
    )
    def test_a_signal_ends_the_run(self, tap: t.Any, killer: signal.Signals, code: int) -> None:
        tap.send_signal(killer)
        assert tap.wait(timeout=3) == code
        lines = tap.stdout.read().splitlines(keepends=True)
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        assert {message["type"] for message in whole} <= {"SCHEMA", "RECORD"}

    def test_a_loader_that_ends_does_too(self, tap: t.Any) -> None:
        tap.stdout.close()
        assert tap.wait(timeout=5) == 74

    def test_so_does_a_download_that_fails(self, tap: t.Any, pages: Pages, tmp_path: Path) -> None:
        pages.fault = lambda _event, _page: (403, {}, {})
        out, _ = tap.communicate(timeout=10)
        assert tap.returncode == 77
        messages = [json.loads(line) for line in out.splitlines()]
        records = sum(message["type"] == "RECORD" for message in messages)
        assert records >= 500 * 8  # what had come before
        assert records % 500 == 0
        assert (tmp_path / "started0" / "log").read_text().count("| ERROR") == 1


class TestPoliteness:
    """All downloads together are one client."""

    def test_a_storm_of_429_slows_all_down_and_loses_nothing(
        self, run_tap: TapRunner, server: Scripted, pages: Pages
    ) -> None:
        pages.fault = lambda _event, _page: (
            (429, {}, {}) if pages.in_flight["attendee/search"] > 3 else None
        )
        settings = {"event_codes": EVENTS, "concurrency": 16, "max_retries": 5}
        run = run_tap(server.settings | settings, select=["attendees"])
        assert run.code == 0, run.log
        assert {len(ids) for ids in by_event(run).values()} == {PAGES * 2}
        assert finished(run) == {*EVENTS}
        assert "RainFocus is busy: fewer pages are read at a time." in run.log
        refused = len(server.asked) - 1 - PAGES * len(EVENTS)
        assert 7 <= refused < 30

    def test_what_one_stream_learns_holds_for_the_next(
        self, run_tap: TapRunner, server: Scripted, pages: Pages
    ) -> None:
        pages.fault = lambda _event, _page: (
            (429, {}, {}) if sum(pages.in_flight.values()) > 1 else None
        )
        settings = {"event_codes": EVENTS[:4], "concurrency": 8, "max_retries": 8}
        run = run_tap(server.settings | settings)
        assert run.code == 0, run.log
        assert finished(run) == {*EVENTS[:4]}
        fell = run.log.count("fewer pages are read at a time")
        rose = run.log.count("more pages are read at a time")
        assert fell - rose in {0, 1}

    @pytest.mark.parametrize(
        "reply",
        [
            (429, {"Retry-After": "1"}, {}),
            (503, {"Retry-After": "1"}, {}),
            (200, {"Retry-After": "1"}, {"cursor": "1", "results": []}),
        ],
        ids=["429", "503", "an empty page"],
    )
    def test_a_pause_is_one_for_all(
        self,
        run_tap: TapRunner,
        server: Scripted,
        pages: Pages,
        reply: Reply,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("rainfocus_client.retry._backoff", lambda _: 1.0)
        pages.fault = answer_in_turn(*[None] * 12, reply)
        settings = {"event_codes": EVENTS, "concurrency": 4, "max_retries": 2}
        run = run_tap(server.settings | settings, select=["attendees"])
        assert run.code == 0, run.log
        assert finished(run) == {*EVENTS}
        moments = sorted(pages.began)
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        (pause,) = (gap for gap in gaps if gap > 0.5)
        assert pause > 0.9

    def test_a_token_that_runs_out_is_renewed_once(
        self, run_tap: TapRunner, scripted: ServerMaker, pages: Pages
    ) -> None:
        tokens: list[str] = []

        def answer(asked: t.Any) -> Reply:
            if asked.path == "/oidc/token":
                tokens.append(f"token-{len(tokens)}")
                return 200, {}, {"access_token": tokens[-1]}
            is_old = asked.headers["Authorization"] == "Bearer token-0"
            is_refused = asked.query.get("cursor") == "2" and is_old
            return (401, {}, {}) if is_refused else pages(asked)

        pages.seconds = 0.08
        server = scripted(answer, tokens=False)
        run = run_tap(server.settings | {"event_codes": EVENTS[:8], "concurrency": 8})
        assert run.code == 0, run.log
        assert len(tokens) == 2
        assert finished(run) == {*EVENTS[:8]}

    def test_the_ceiling_is_one_for_all(
        self, run_tap: TapRunner, server: Scripted, pages: Pages
    ) -> None:
        settings = {"event_codes": EVENTS, "concurrency": 8, "requests_per_second": 20}
        run = run_tap(server.settings | settings, select=["attendees"])
        assert run.code == 0, run.log
        moments = sorted(pages.began)
        assert len(moments) == PAGES * len(EVENTS)
        assert all(
            sum(start <= moment < start + 0.5 for moment in moments) <= 12 for start in moments
        )


def test_a_dump_that_two_streams_read_is_kept_only_while_there_is_room(
    run_tap: TapRunner, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_rainfocus.api.shared_downloads.MOST_KEPT", 5)
    settings = server.settings | {"event_codes": EVENTS[:4]}
    run = run_tap(settings, select=["sessions", "session_times"])
    assert run.code == 0, run.log
    assert by_event(run, "sessions").keys() == {*EVENTS[:4]}
    calls = Counter(asked.query.get("event") for asked in server.asked)
    del calls[None]
    assert sorted(calls.values()) == [1, 1, 2, 2]  # two dumps of two records each had room
