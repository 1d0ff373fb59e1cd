"""ACTIVATE_VERSION goes out only when every event of a stream has come whole."""

from __future__ import annotations

import typing as t

import pytest
from tap_rainfocus.streams import polled

if t.TYPE_CHECKING:
    from collections.abc import Callable

    Answer = Callable[[t.Any], tuple[int, dict[str, str], object]]
    Run = t.Any
    TapRunner = Callable[..., Run]
    ServerMaker = Callable[..., t.Any]

CLOCK = 1680309557133
VERSION = 1680309557
STREAMS = ["sessions", "session_times", "exhibitors"]
SLOW = {"stream_maps": {"sessions": {"x": "'1'"}}}


def dump(asked: t.Any) -> tuple[int, dict[str, str], object]:
    """Two sessions with a time each, or one exhibitor."""
    event = asked.query["event"]
    if "exhibitor" in asked.path:
        records: list[object] = [{"exhibitorId": f"x-{event}"}]
    else:
        records = [
            {"sessionId": f"{n}-{event}", "times": [{"id": f"t{n}-{event}"}]} for n in range(2)
        ]
    return 200, {}, {"responseCode": "0", "timestamp": CLOCK, "data": records}


def activated(run: Run) -> dict[str, int]:
    return {m["stream"]: m["version"] for m in run.messages if m["type"] == "ACTIVATE_VERSION"}


@pytest.fixture
def run(run_tap: TapRunner, scripted: ServerMaker) -> Callable[..., Run]:
    def run(answer: Answer, **more: object) -> Run:
        settings = {"event_codes": ["e1", "e2"], "activate_version": True} | more
        return run_tap(scripted(answer).settings | settings, select=[*STREAMS, "attendees"])

    return run


@pytest.mark.parametrize("more", [{}, SLOW], ids=["fast", "slow"])
def test_it_ends_each_stream_that_is_read_in_full(
    run: Callable[..., Run], more: dict[str, object]
) -> None:
    found = run(dump, **more)
    assert found.code == 0, found.log
    assert activated(found) == dict.fromkeys(STREAMS, VERSION)
    for stream in STREAMS:
        mine = [m for m in found.messages if m.get("stream") == stream]
        assert [m["type"] for m in mine].index("ACTIVATE_VERSION") == len(mine) - 1
        assert {m.get("version") for m in mine if m["type"] == "RECORD"} == {VERSION}
    assert all("version" not in m for m in found.messages if m.get("stream") == "attendees")


def test_it_is_not_sent_unasked(run: Callable[..., Run]) -> None:
    found = run(dump, activate_version=False)
    assert found.code == 0
    assert "version" not in found.output.lower()


def test_it_goes_out_under_the_names_of_stream_maps(run: Callable[..., Run]) -> None:
    maps = {"sessions": {"__alias__": "talks"}, "exhibitors": "__NULL__"}
    assert activated(run(dump, stream_maps=maps)).keys() == {"talks", "session_times"}


BROKEN: dict[str, tuple[int, object]] = {
    "denied": (200, {"responseCode": "124"}),
    "empty": (200, {"responseCode": "0", "data": []}),
    "without records": (200, {"responseCode": "0"}),
}


@pytest.mark.parametrize(("status", "reply"), BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("event", ["e1", "e2"])
def test_one_event_that_did_not_come_changes_nothing(
    run: Callable[..., Run], status: int, reply: object, event: str
) -> None:
    def answer(asked: t.Any) -> tuple[int, dict[str, str], object]:
        if "session" in asked.path and asked.query["event"] == event:
            return status, {}, reply
        return dump(asked)

    found = run(answer)
    assert found.code == 0, found.log
    assert activated(found).keys() == {"exhibitors"}
    assert "Stream sessions did not come whole" in found.log
    assert "Stream session_times did not come whole" in found.log


@pytest.mark.parametrize(
    "reply", [(500, {}), (200, {"responseCode": "0", "data": [{"id": 1}], "total": 3})]
)
def test_nor_does_a_run_that_breaks(run: Callable[..., Run], reply: tuple[int, object]) -> None:
    def answer(asked: t.Any) -> tuple[int, dict[str, str], object]:
        is_last = "exhibitor" in asked.path and asked.query["event"] == "e2"
        return (reply[0], {}, reply[1]) if is_last else dump(asked)

    found = run(answer)
    assert found.code == 75
    assert "exhibitors" not in activated(found)


def test_a_dump_that_may_be_cut_off_is_not_whole(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polled, "DUMP_PAGE_SIZE", 3)

    def answer(asked: t.Any) -> tuple[int, dict[str, str], object]:
        if "exhibitor" not in asked.path:
            return dump(asked)
        return 200, {}, {"responseCode": "0", "data": [{"id": n} for n in range(3)]}

    found = run(answer, event_codes=["e1"])
    assert found.code == 0
    assert activated(found).keys() == {"sessions", "session_times"}


def test_a_test_of_the_connection_sends_none(run_tap: TapRunner, scripted: ServerMaker) -> None:
    settings = scripted(dump).settings | {"activate_version": True}
    tested = run_tap(settings, "--test", select=STREAMS)
    assert tested.code == 0, tested.log
    assert activated(tested) == {}
