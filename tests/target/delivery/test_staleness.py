"""With a ledger, no older record goes over a newer one; and all may be sent once more."""

from __future__ import annotations

import json
import sqlite3
import time
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
    assert "1 unchanged: stale, a newer record of the person came before [RF-551]." in ended.log
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


@pytest.mark.parametrize("at", [None, "yesterday", True, "", "2026-13-01T00:00:00Z"])
def test_a_record_without_a_time_is_as_new_as_the_run(
    call: Call, singer: Singer, served: Script, settings: Json, at: object
) -> None:
    record = singer.record(ADA, city="Rome", _sdc_extracted_at=at)
    assert call([singer.schema, record], settings).counts == {"read": 1, "stored": 1}
    assert call(dated(singer, "Paris", NEW), settings).counts == {"read": 1, "unchanged": 1}
    record = singer.record(ADA, city="Lehi", _sdc_extracted_at=at)
    assert call([singer.schema, record], settings).counts == {"read": 1, "stored": 1}
    assert cities(served) == ["Rome", "Lehi"]


BEFORE = NOW - timedelta(days=300)
SPELLINGS: list[object] = [
    f"{BEFORE:%Y-%m-%d %H:%M:%S}.123 +0000",
    f"{BEFORE:%Y-%m-%d %H:%M:%S}.474864 UTC",
    f"{BEFORE:%Y-%m-%dT%H:%M:%S}z",
    f"{BEFORE:%Y-%m-%dT%H:%M:%S}+00:00",
    f"{BEFORE:%Y-%m-%d}",
    int(BEFORE.timestamp()),
    BEFORE.timestamp(),
    int(BEFORE.timestamp() * 1000),
    str(int(BEFORE.timestamp() * 1000000)),
]


@pytest.mark.parametrize("at", SPELLINGS, ids=range(len(SPELLINGS)))
def test_a_time_is_read_in_all_spellings(
    call: Call, singer: Singer, settings: Json, at: object
) -> None:
    assert call(dated(singer, "Rome", NEW), settings).code == 0
    record = singer.record(ADA, city="Paris", _sdc_extracted_at=at)
    assert call([singer.schema, record], settings).counts == {"read": 1, "unchanged": 1}


def test_a_time_that_cannot_be_read_is_told_once(
    call: Call, singer: Singer, settings: Json
) -> None:
    records = [singer.record(ADA, city=city, _sdc_extracted_at="04-FEB-26") for city in "ab"]
    told = [
        line
        for line in call([singer.schema, *records], settings).lines("WARNING")
        if "cannot be read; they count as new" in line
    ]
    assert len(told) == 1


def of_stream(messages: list[Json], stream: str) -> list[Json]:
    return [{**message, "stream": stream} for message in messages]


def test_streams_are_not_older_than_one_another(
    call: Call, singer: Singer, served: Script, settings: Json
) -> None:
    """Two tables of a warehouse, loaded at different hours, each with columns of its own."""
    contacts = of_stream(dated(singer, "Rome", NEW), "contacts")
    badges = [singer.schema, {**singer.record(ADA, jobtitle="Engineer"), "time_extracted": OLD}]
    assert call(contacts, settings).code == 0
    assert call(of_stream(badges, "badges"), settings).counts == {"read": 1, "stored": 1}
    assert served.bodies[-1] == {"email": ADA, "jobtitle": "Engineer"}
    assert call(contacts, settings | {"ledger_mode": "refresh"}).counts["stored"] == 1


def test_a_reject_is_held_against_all_streams(call: Call, singer: Singer, settings: Json) -> None:
    assert call(of_stream(dated(singer, "Rome", NEW), "contacts"), settings).code == 0
    reject = singer.record(ADA, city="Paris", _rejected_at=OLD)
    ended = call(of_stream([singer.schema, reject], "badges"), settings)
    assert ended.counts == {"read": 1, "unchanged": 1}


@pytest.fixture
def busy(singer: Singer) -> list[Json]:
    """Somebody else, whose request is under way while others wait together."""
    return [{**singer.record("first@example.com"), "time_extracted": OLD}]


def test_what_waits_together_is_merged_by_its_time(
    call: Call, singer: Singer, served: Script, settings: Json, busy: list[Json]
) -> None:
    (_, new), (_, old) = (
        dated(singer, "Rome", NEW),
        dated(singer, "Paris", OLD, jobtitle="Engineer"),
    )
    ended = call([singer.schema, *busy, new, old], settings)
    assert ended.counts == {"read": 3, "stored": 2, "merged": 1}
    assert served.bodies[-1] == {"email": ADA, "city": "Rome", "jobtitle": "Engineer"}


def test_what_is_stale_is_not_merged_with_what_is_new(
    call: Call, singer: Singer, served: Script, settings: Json, busy: list[Json], tmp_path: Path
) -> None:
    log = tmp_path / "log.singer"
    assert call(dated(singer, "Rome", NEW), settings).code == 0
    (_, old) = dated(singer, "Paris", OLD)
    undated = singer.record(ADA, jobtitle="Engineer")
    ended = call([singer.schema, *busy, old, undated], settings | {"activation_log_path": str(log)})
    assert ended.counts == {"read": 3, "stored": 2, "unchanged": 1}
    assert served.bodies[-1] == {"email": ADA, "jobtitle": "Engineer"}
    told = [json.loads(line)["record"] for line in log.read_text().splitlines()[1:]]
    assert {line["record"]: line["reason_code"] for line in told} == {1: None, 2: "RF-551", 3: None}
    dry = call([singer.schema, *busy, old, undated], settings | {"dry_run": True})
    assert "1 stale" in dry.log or "1 unchanged: stale" in dry.log


class TestWithdrawal:
    """Who is not to be sent is not sent by an older record either."""

    CONSENT: t.ClassVar = {"consent_field": "companyname", "consent_values": ["yes"]}

    def test_an_older_yes_does_not_undo_a_no(
        self, call: Call, singer: Singer, served: Script, settings: Json
    ) -> None:
        settings |= self.CONSENT
        no = dated(singer, "Rome", NEW, companyname="no")
        yes = dated(singer, "Paris", OLD, companyname="yes")
        assert call(no, settings).counts == {"read": 1, "filtered": 1}
        assert call(yes, settings).counts == {"read": 1, "unchanged": 1}
        assert served.bodies == []
        again = dated(singer, "Lehi", datetime.now(UTC).isoformat(), companyname="yes")
        assert call(again, settings).counts == {"read": 1, "stored": 1}

    def test_nor_in_one_run(
        self, call: Call, singer: Singer, served: Script, settings: Json
    ) -> None:
        settings |= self.CONSENT
        no = dated(singer, "Rome", NEW, companyname="no")
        yes = dated(singer, "Paris", OLD, companyname="yes")
        assert call([*no, yes[1]], settings).counts == {"read": 2, "filtered": 1, "unchanged": 1}
        assert served.bodies == []

    def test_a_no_does_not_hold_back_a_later_yes_that_waits(
        self, call: Call, singer: Singer, settings: Json, busy: list[Json]
    ) -> None:
        settings |= self.CONSENT
        busy[0]["record"]["companyname"] = "yes"
        yes = dated(singer, "Rome", NEW, companyname="yes")
        no = dated(singer, "Paris", OLD, companyname="no")
        ended = call([yes[0], *busy, yes[1], no[1]], settings)
        assert ended.counts == {"read": 3, "stored": 2, "filtered": 1}

    def test_a_mended_reject_does_not_send_who_said_no_since(
        self, call: Call, singer: Singer, served: Script, settings: Json, tmp_path: Path
    ) -> None:
        rejects = tmp_path / "rejects.singer"
        settings |= {"consent_field": "jobtitle", "consent_values": ["yes"]}
        bad = singer.record(ADA, companyname="Refused", jobtitle="yes")
        good = singer.record("bob@example.com", jobtitle="yes")
        ended = call([singer.schema, bad, good], settings | {"rejects_path": str(rejects)})
        assert ended.counts == {"read": 2, "stored": 1, "rejected": 1}
        no = singer.record(ADA, jobtitle="no")
        assert call([singer.schema, no], settings).counts == {"read": 1, "filtered": 1}
        rejects.write_text(rejects.read_text().replace("Refused", "Mills"))
        assert call(rejects, settings).counts == {"read": 1, "unchanged": 1}
        assert len(served.bodies) == 2

    def test_a_mended_reject_does_not_bring_back_who_was_deleted_since(
        self, call: Call, singer: Singer, settings: Json
    ) -> None:
        gone = singer.record(ADA, _sdc_deleted_at=NEW)
        gone["time_extracted"] = NEW
        assert call([singer.schema, gone], settings).counts == {"read": 1, "filtered": 1}
        reject = singer.record(ADA, city="Paris", _rejected_at=OLD)
        assert call([singer.schema, reject], settings).counts == {"read": 1, "unchanged": 1}

    def test_no_state_passes_a_withdrawal_that_is_not_written_down(
        self, call: Call, singer: Singer, settings: Json
    ) -> None:
        settings |= self.CONSENT
        no = dated(singer, "Rome", NEW, companyname="no")
        ended = call([*no, singer.state(1)], settings)
        assert ended.states == [{"n": 1}]
        assert call(dated(singer, "Paris", OLD, companyname="yes"), settings).counts == {
            "read": 1,
            "unchanged": 1,
        }


def test_a_mended_reject_that_came_later_is_newer(
    call: Call, singer: Singer, served: Script, settings: Json, tmp_path: Path
) -> None:
    """Nothing is dated: what was read later counts as newer, also when it is sent much later."""
    rejects = tmp_path / "rejects.singer"
    old, new = singer.record(ADA, city="Paris"), singer.record("ada@example,com", city="Rome")
    ended = call([singer.schema, old, new], settings | {"rejects_path": str(rejects)})
    assert ended.counts == {"read": 2, "stored": 1, "invalid": 1}
    rejects.write_text(rejects.read_text().replace("ada@example,com", ADA))
    assert call(rejects, settings).counts == {"read": 1, "stored": 1}
    assert cities(served) == ["Paris", "Rome"]


def test_a_mended_reject_that_came_before_is_older(
    call: Call, singer: Singer, served: Script, settings: Json, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.singer"
    bad = singer.record(ADA, city="Paris", companyname="Refused")
    good = singer.record(ADA, city="Rome")
    others = [singer.record(f"p{n}@example.com") for n in range(30)]
    messages = [singer.schema, bad, *others, good]
    ended = call(messages, settings | {"rejects_path": str(rejects)})
    assert ended.counts["rejected"] == 1
    rejects.write_text(rejects.read_text().replace("Refused", "Mills"))
    assert call(rejects, settings).counts == {"read": 1, "unchanged": 1}
    assert cities(served)[-1] == "Rome"


def test_what_is_rejected_again_is_not_newer_for_that(
    call: Call, singer: Singer, served: Script, settings: Json, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.singer", tmp_path / "second.singer"
    bad, good = (
        singer.record(ADA, city="Paris", companyname="Refused"),
        singer.record("b@c.example"),
    )
    call([singer.schema, bad, good], settings | {"rejects_path": str(first)})
    call([singer.schema, singer.record(ADA, city="Rome")], settings)
    refresh = settings | {"ledger_url": None, "rejects_path": str(second)}
    call(first, refresh)
    second.write_text(second.read_text().replace("Refused", "Mills"))
    assert call(second, settings).counts == {"read": 1, "unchanged": 1}
    assert cities(served)[-1] != "Mills"


def test_two_loads_at_once_both_tell_the_time(
    start: t.Any, call: Call, singer: Singer, settings: Json, script: Serve
) -> None:
    """One that was killed holds its claim for a while; what is stored meanwhile has its time."""

    def answer(_: Script, body: Json) -> tuple[int, Json, Json]:
        if body.get("city") == "Slow":
            time.sleep(3)
        return 200, {"responseCode": "0"}, {}

    with script(answer) as store:
        settings |= {name: store.settings[name] for name in ("api_url", "token_url")}
        with start(settings) as process:
            for line in dated(singer, "Slow", OLD):
                process.stdin.write(json.dumps(line) + "\n")
            process.stdin.flush()
            while not store.bodies:
                time.sleep(0.05)
            process.kill()
            process.stdin.close()
        assert call(dated(singer, "Rome", NEW), settings).counts == {"read": 1, "stored": 1}
        reject = singer.record(ADA, city="Paris", _rejected_at=OLD)
        assert call([singer.schema, reject], settings).counts == {"read": 1, "unchanged": 1}


def test_a_refresh_sends_what_is_the_same_whatever_its_time(
    call: Call, singer: Singer, served: Script, settings: Json
) -> None:
    assert call([singer.schema, singer.record(ADA, city="Rome")], settings).code == 0
    refresh = settings | {"ledger_mode": "refresh"}
    assert call(dated(singer, "Rome", OLD), refresh).counts == {"read": 1, "stored": 1}
    assert cities(served) == ["Rome", "Rome"]


def test_an_undated_record_that_changes_nothing_does_not_move_the_time(
    call: Call, singer: Singer, settings: Json
) -> None:
    assert call(dated(singer, "Rome", OLD), settings).counts == {"read": 1, "stored": 1}
    undated = [singer.schema, singer.record(ADA, city="Rome")]
    assert call(undated, settings).counts == {"read": 1, "unchanged": 1}
    assert call(dated(singer, "Lehi", NEW), settings).counts == {"read": 1, "stored": 1}


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
