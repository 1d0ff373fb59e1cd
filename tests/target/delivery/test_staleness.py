"""With a ledger, no older record goes over a newer one; and all may be sent once more."""

from __future__ import annotations

import json
import sqlite3
import typing as t
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Json = dict[str, t.Any]
    Call = Callable[..., t.Any]
    Singer = t.Any
    Script = t.Any
    Serve = Callable[..., t.ContextManager[Script]]

ADA = "ada@example.com"
NOW = datetime.now(UTC)
OLD, NEW = (f"{NOW - timedelta(hours=hours):%Y-%m-%dT%H:%M:%S.%fZ}" for hours in (2, 1))


@pytest.fixture
def served(script: Serve) -> t.Iterator[Script]:
    """A store that refuses whoever works there."""

    def answer(_: Script, body: Json) -> tuple[int, Json, Json]:
        is_bad = body.get("companyname") == "Refused"
        return (400, {"responseCode": "105"}, {}) if is_bad else (200, {"responseCode": "0"}, {})

    with script(answer) as store:
        yield store


@pytest.fixture
def settings(served: Script, ledger_url: str) -> Json:
    return {**served.settings, "ledger_url": ledger_url, "concurrency": 1}


def dated(singer: Singer, city: str, at: str, **others: object) -> list[Json]:
    return [singer.schema, {**singer.record(ADA, city=city, **others), "time_extracted": at}]


def cities(served: Script) -> list[str]:
    return [body["city"] for body in served.bodies if "city" in body]


WAYS: dict[str, Callable[[Json, str], Json]] = {
    "time_extracted": lambda line, at: {**line, "time_extracted": at},
    "_sdc_extracted_at": lambda line, at: {
        **line,
        "time_extracted": NEW,
        "record": {**line["record"], "_sdc_extracted_at": at},
    },
    "_SDC_EXTRACTED_AT": lambda line, at: {
        **line,
        "record": {**line["record"], "_SDC_EXTRACTED_AT": at.replace("T", " ").replace("Z", "")},
    },
    "_rejected_at": lambda line, at: {**line, "record": {**line["record"], "_rejected_at": at}},
}


@pytest.mark.parametrize("way", WAYS)
def test_an_older_record_is_unchanged_and_a_newer_one_is_sent(
    call: Call, singer: Singer, served: Script, settings: Json, tmp_path: Path, way: str
) -> None:
    log, summary = tmp_path / "log.singer", tmp_path / "summary.json"
    assert call(dated(singer, "Rome", NEW), settings).code == 0
    settings |= {"activation_log_path": str(log), "summary_path": str(summary)}
    older = WAYS[way](singer.record(ADA, city="Paris"), OLD)
    ended = call([singer.schema, older, singer.state(1)], settings)
    assert (ended.code, ended.states) == (0, [{"n": 1}])
    assert ended.counts == {"read": 1, "unchanged": 1}
    assert "1 unchanged: stale, a newer record of the person was stored [RF-551]." in ended.log
    assert cities(served) == ["Rome"]
    (reason,) = json.loads(summary.read_text())["reasons"]
    assert (reason["outcome"], reason["count"]) == ("unchanged", 1)
    assert json.loads(log.read_text().splitlines()[-1])["record"]["reason_code"] == "RF-551"
    newer = WAYS[way](singer.record(ADA, city="Lehi"), f"{datetime.now(UTC).isoformat()[:23]}Z")
    assert call([singer.schema, newer], settings).counts == {"read": 1, "stored": 1}
    assert cities(served) == ["Rome", "Lehi"]


def test_rejects_that_are_replayed_late_do_not_undo_what_came_since(
    call: Call, singer: Singer, served: Script, settings: Json, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.singer"
    keeping = {**settings, "rejects_path": str(rejects)}
    bad = dated(singer, "Paris", OLD, companyname="Refused")
    good = {**singer.record("bob@example.com"), "time_extracted": OLD}
    assert call([*bad, good], keeping).counts == {"read": 2, "stored": 1, "rejected": 1}
    assert call(dated(singer, "Rome", NEW), settings).code == 0
    rejects.write_text(rejects.read_text().replace("Refused", "Mills"))
    ended = call(rejects, settings)
    assert ended.counts == {"read": 1, "unchanged": 1}
    assert "nobody knows" not in ended.log
    assert cities(served)[-1] == "Rome"


def test_what_is_confirmed_is_as_new_as_its_confirmation(
    call: Call, singer: Singer, served: Script, settings: Json
) -> None:
    first, between = (f"{NOW - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (4, 3))
    assert call(dated(singer, "Rome", first), settings).counts == {"read": 1, "stored": 1}
    assert call(dated(singer, "Rome", NEW), settings).counts == {"read": 1, "unchanged": 1}
    ended = call(dated(singer, "Paris", between), settings)
    assert ended.counts == {"read": 1, "unchanged": 1}
    assert cities(served) == ["Rome"]


def test_a_refused_record_makes_no_older_one_stale(
    call: Call, singer: Singer, served: Script, settings: Json, tmp_path: Path
) -> None:
    settings |= {"rejects_path": str(tmp_path / "rejects.singer")}
    bob = {**singer.record("bob@example.com", city="Lehi"), "time_extracted": OLD}
    call([*dated(singer, "Paris", NEW, companyname="Refused"), bob], settings)
    assert call(dated(singer, "Rome", OLD), settings).counts == {"read": 1, "stored": 1}
    assert cities(served)[-1] == "Rome"


@pytest.mark.parametrize("at", [None, "yesterday", 1700000000, "", "2026-13-01T00:00:00Z"])
def test_a_record_without_a_time_is_as_new_as_the_run(
    call: Call, singer: Singer, served: Script, settings: Json, at: object
) -> None:
    record = singer.record(ADA, city="Rome", _sdc_extracted_at=at)
    assert call([singer.schema, record], settings).counts == {"read": 1, "stored": 1}
    assert call(dated(singer, "Paris", NEW), settings).counts == {"read": 1, "unchanged": 1}
    record = singer.record(ADA, city="Lehi", _sdc_extracted_at=at)
    assert call([singer.schema, record], settings).counts == {"read": 1, "stored": 1}
    assert cities(served) == ["Rome", "Lehi"]


def test_a_time_to_come_makes_nothing_stale_for_ever(
    call: Call, singer: Singer, served: Script, settings: Json
) -> None:
    assert call(dated(singer, "Rome", "2126-01-01T00:00:00Z"), settings).code == 0
    soon = datetime.now(UTC).isoformat()
    assert call(dated(singer, "Paris", soon), settings).counts == {"read": 1, "stored": 1}
    assert cities(served) == ["Rome", "Paris"]


def test_a_stale_reject_does_not_get_through_with_a_newer_one(
    call: Call, singer: Singer, served: Script, settings: Json
) -> None:
    assert call(dated(singer, "Rome", NEW), settings).code == 0
    first = {**singer.record("first@example.com", city="x"), "time_extracted": OLD}
    moments = (OLD, datetime.now(UTC).isoformat())
    rejects = [
        singer.record(ADA, _rejected_at=at, **fields)
        for at, fields in zip(moments, ({"jobtitle": "Old"}, {"city": "Lehi"}), strict=True)
    ]
    ended = call([singer.schema, first, *rejects], settings)
    assert ended.counts == {"read": 3, "stored": 2, "unchanged": 1}
    assert served.bodies[-1] == {"email": ADA, "city": "Lehi"}


def test_without_a_ledger_a_replay_says_that_it_cannot_know(
    call: Call, singer: Singer, served: Script
) -> None:
    messages = [singer.schema, *(singer.record(ADA, _rejected_at=at) for at in (OLD, NEW))]
    ended = call(messages, served.settings)
    assert ended.code == 0
    said = [line for line in ended.lines("WARNING") if "nobody knows whether newer" in line]
    assert len(said) == 1
    assert "nobody knows" not in call([singer.schema, singer.record(ADA)], served.settings).log


def test_a_dry_run_tells_what_would_be_stale(
    call: Call, singer: Singer, served: Script, settings: Json
) -> None:
    assert call(dated(singer, "Rome", NEW), settings).code == 0
    ended = call(dated(singer, "Paris", OLD), settings | {"dry_run": True})
    assert "1 unchanged: stale" in ended.log
    assert len(served.bodies) == 1


def test_a_refresh_sends_all_once_more_and_keeps_the_ledger(
    call: Call, singer: Singer, served: Script, settings: Json
) -> None:
    messages = dated(singer, "Rome", NEW)
    refresh = settings | {"ledger_mode": "refresh"}
    assert call(messages, settings).counts == {"read": 1, "stored": 1}
    dry = call(messages, refresh | {"dry_run": True})
    assert "1 read, 1 would be stored" in dry.log
    assert call(messages, refresh).counts == {"read": 1, "stored": 1}
    assert call(messages, settings).counts == {"read": 1, "unchanged": 1}
    assert call(dated(singer, "Paris", OLD), refresh).counts == {"read": 1, "unchanged": 1}
    assert cities(served) == ["Rome", "Rome"]


def test_a_refresh_without_a_ledger_is_an_error(call: Call, singer: Singer, served: Script) -> None:
    ended = call([singer.schema, singer.record(ADA)], served.settings | {"ledger_mode": "refresh"})
    assert (ended.code, served.bodies) == (78, [])
    assert "ledger_mode is refresh and ledger_url is not set" in ended.error


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_ledger_of_a_version_before_is_read_on(
    call: Call, singer: Singer, served: Script, tmp_path: Path, *, dry_run: bool
) -> None:
    path = tmp_path / "ledger.db"
    settings = {**served.settings, "ledger_url": f"sqlite:///{path}"}
    messages = dated(singer, "Rome", NEW)
    assert call(messages, settings).code == 0
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE rainfocus_attendee_ledger DROP COLUMN extracted_at")
        connection.commit()
    ended = call(messages, settings | {"dry_run": dry_run})
    assert ended.code == 0, ended.log
    assert "1 unchanged" in ended.log
    with closing(sqlite3.connect(path)) as connection:
        columns = connection.execute("PRAGMA table_info(rainfocus_attendee_ledger)").fetchall()
    assert ("extracted_at" in {column[1] for column in columns}) is not dry_run
    if not dry_run:
        assert call(dated(singer, "Paris", OLD), settings).counts == {"read": 1, "unchanged": 1}
