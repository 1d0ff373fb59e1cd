"""What ends a run before a bad list does harm, or after a pilot."""

from __future__ import annotations

import json
import time
import typing as t

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Singer = t.Any
    Script = t.Any
    Serve = Callable[..., t.ContextManager[Script]]


@pytest.fixture
def served(script: Serve) -> t.Iterator[Script]:
    """A store that refuses those who are called so."""

    def answer(_: Script, body: Json) -> tuple[int, Json, Json]:
        is_bad = body.get("firstname") == "Refused"
        return (400, {"responseCode": "105"}, {}) if is_bad else (200, {"responseCode": "0"}, {})

    with script(answer) as store:
        yield store


def people(singer: Singer, good: int, bad: str = "", many: int = 0) -> list[Json]:
    """So many bad records after so many good ones, each with a STATE of its number behind it."""
    records = [singer.record(f"p{n}@example.com") for n in range(good)]
    if bad == "invalid":
        records += [singer.record(f"nobody {n}") for n in range(many)]
    else:
        records += [singer.record(f"r{n}@example.com", firstname="Refused") for n in range(many)]
    return [
        singer.schema,
        *(one for n, line in enumerate(records) for one in (line, singer.state(n + 1))),
    ]


@pytest.mark.parametrize("bad", ["invalid", "rejected"])
@pytest.mark.parametrize("most", ["5%", " 5.0 % "])
def test_a_share_of_rejects_stops_the_run_once_a_hundred_records_are_tried(
    call: Run, singer: Singer, served: Script, tmp_path: Path, bad: str, most: str
) -> None:
    rejects = tmp_path / "rejects.singer"
    change = {"max_rejects": most, "rejects_path": str(rejects), "concurrency": 1}
    settings = served.settings | change | {"batch_size_rows": 1}
    assert call(people(singer, 90, bad, 9), settings).code == 0
    assert call(people(singer, 190, bad, 10), settings).code == 0
    rejects.unlink()
    ended = call(people(singer, 190, bad, 60), settings)
    assert ended.code == 65
    assert "records are not stored, more than max_rejects (5" in ended.error
    assert ended.error.endswith("[RF-507]")
    kept = [line for line in rejects.read_text().splitlines() if '"RECORD"' in line]
    assert 10 < len(kept) < 40
    assert ended.states[-1]["n"] <= 190 + len(kept)


def test_filtered_records_do_not_make_a_share_smaller(
    call: Run, singer: Singer, served: Script
) -> None:
    gone = [singer.record(f"g{n}@example.com", _sdc_deleted_at="2026-01-01") for n in range(2000)]
    messages = [singer.schema, *gone, *people(singer, 90, "invalid", 30)[1:]]
    ended = call(messages, served.settings | {"max_rejects": "5%"})
    assert (ended.code, ended.error[-8:]) == (65, "[RF-507]")


@pytest.mark.parametrize("most", ["101%", "-1%", "-1", "many", "5 percent", "%", "1.5", "nan%"])
def test_a_number_of_rejects_that_is_none_is_an_error_before_anything_is_sent(
    call: Run, singer: Singer, served: Script, most: str
) -> None:
    ended = call(people(singer, 1), served.settings | {"max_rejects": most})
    assert ended.code == 78
    assert "max_rejects is neither a number, such as 10, nor a share" in ended.error
    assert served.bodies == []


@pytest.mark.parametrize("share", [29, 57, 82])
def test_as_many_as_the_share_are_not_more(
    call: Run, singer: Singer, served: Script, tmp_path: Path, share: int
) -> None:
    change = {"max_rejects": f"{share}%", "rejects_path": str(tmp_path / "rejects.singer")}
    messages = people(singer, 100 - share, "invalid", share)
    assert call(messages, served.settings | change).code == 0


def test_a_share_counts_those_that_are_on_their_way(
    call: Run, singer: Singer, script: Serve, tmp_path: Path
) -> None:
    """At no moment are more than 4.5 % of those that were read not stored."""

    def answer(*_: object) -> tuple[int, Json, Json]:
        time.sleep(0.05)
        return 200, {"responseCode": "0"}, {}

    good = [singer.record(f"p{n}@example.com") for n in range(270)]
    messages = [singer.schema, *good[:170], *[singer.record("bad")] * 8, *good[170:]]
    with script(answer) as store:
        change = {"rejects_path": str(tmp_path / "rejects.singer"), "concurrency": 16}
        ended = call(messages, store.settings | change | {"max_rejects": "5%"})
    assert ended.code == 0, ended.error


def test_a_stream_that_is_mapped_away_is_not_loaded(
    call: Run, singer: Singer, served: Script
) -> None:
    orders = [{**one, "stream": "orders"} for one in people(singer, 10) if one["type"] != "STATE"]
    change = {"min_records": 5, "stream_maps": {"orders": None}}
    ended = call([*orders, *people(singer, 1)], served.settings | change)
    assert (ended.code, ended.states) == (65, [])


def test_a_limit_counts_the_records_that_stream_maps_make(
    call: Run, singer: Singer, served: Script
) -> None:
    maps = {"others": {"__source__": "people", "email": "jobtitle"}}
    records = [singer.record(f"a{n}@example.com", jobtitle=f"b{n}@example.com") for n in range(3)]
    ended = call([singer.schema, *records], served.settings | {"limit": 1, "stream_maps": maps})
    assert (ended.code, len(served.bodies)) == (0, 1)


@pytest.mark.parametrize("most", ["2", "2%"])
def test_the_number_of_rejects_may_come_from_a_variable(
    run: Run, singer: Singer, served: Script, most: str
) -> None:
    environment = {
        f"TARGET_RAINFOCUS_ATTENDEES_{name.upper()}": str(value)
        for name, value in {**served.settings, "max_rejects": most}.items()
    }
    ended = run(people(singer, 120, "invalid", 9), None, **environment)
    assert (ended.code, ended.error[-8:]) == (65, "[RF-507]")


@pytest.mark.parametrize("number", [0, 2])
def test_too_few_records_fail_the_run_and_leave_the_state(
    call: Run, singer: Singer, served: Script, number: int
) -> None:
    settings = served.settings | {"min_records": 3, "batch_size_rows": 1}
    messages = [*people(singer, number), singer.state(99)]
    ended = call(messages, settings)
    assert (ended.code, ended.states) == (65, [])
    assert f"The input had {number} records to load, and min_records is 3" in ended.error
    assert ended.error.endswith("[RF-510]")
    ended = call([*people(singer, 3), singer.state(99)], settings)
    assert (ended.code, ended.states[-1]) == (0, {"n": 99})


def test_records_of_streams_that_are_not_loaded_are_not_enough(
    call: Run, singer: Singer, served: Script
) -> None:
    other = singer.schema | {"stream": "rooms", "schema": {"properties": {"name": {}}}}
    rooms = [{"type": "RECORD", "stream": "rooms", "record": {"name": "A"}}] * 5
    messages = [other, *rooms, *people(singer, 2)]
    ended = call(messages, served.settings | {"min_records": 3})
    assert (ended.code, ended.states) == (65, [])
    assert "The input had 2 records to load" in ended.error


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_pilot_sends_the_first_ones_and_ends_well_before_the_state_of_the_rest(
    call: Run, singer: Singer, served: Script, tmp_path: Path, concurrency: int
) -> None:
    summary = tmp_path / "summary.json"
    settings = served.settings | {
        "limit": 3,
        "concurrency": concurrency,
        "batch_size_rows": 1,
        "rejects_path": str(tmp_path / "rejects.singer"),
        "summary_path": str(summary),
    }
    bad = [singer.record("nobody"), singer.record("old@example.com", _sdc_deleted_at="2026-01-01")]
    ended = call([singer.schema, *bad, *people(singer, 50)[1:]], settings)
    assert ended.code == 0, ended.log
    assert sorted(body["email"] for body in served.bodies) == [
        f"p{n}@example.com" for n in range(3)
    ]
    assert ended.states[-1] == {"n": 3}
    assert "47 more came after the limit; the state stays before them." in ended.summary
    assert json.loads(summary.read_text())["after_limit"] == 47
    assert ended.summary.startswith("summit26: 5 read, 3 stored")


def test_a_limit_that_is_not_reached_changes_nothing(
    call: Run, singer: Singer, served: Script
) -> None:
    ended = call(people(singer, 3), served.settings | {"limit": 3})
    assert (ended.code, ended.states[-1]) == (0, {"n": 3})
    assert "limit" not in ended.log


def test_a_limit_below_the_fewest_records_is_an_error(
    call: Run, singer: Singer, served: Script
) -> None:
    ended = call(people(singer, 9), served.settings | {"limit": 3, "min_records": 4})
    assert (ended.code, served.bodies) == (78, [])
    assert "limit is less than min_records" in ended.error
