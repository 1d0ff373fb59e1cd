"""The made-up conference, and how untidy it is."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from datetime import UTC, datetime

import orjson
import pytest
from rainfocus_sandbox.data.store import Store
from rainfocus_sandbox.seed import Sizes, seed

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rainfocus_sandbox.data.store import Entity

    Record = dict[str, t.Any]
    Records = dict[str, list[Record]]

ENTITIES: tuple[Entity, ...] = ("attendee", "session", "exhibitor", "lead", "speaker")
RAINFOCUS_ID = re.compile(r"\d{16}[0-9A-Za-z]{4}")
EMAIL = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?@([a-z0-9-]+\.)+example\.(com|org|net)")


def read(store: Store, event: str) -> Records:
    return {
        entity: [orjson.loads(body) for _, body in store.page(event, entity, limit=-1)]
        for entity in ENTITIES
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("seed") / "sandbox.db") as store:
        seed(store, Sizes())
        yield store


@pytest.fixture(scope="module")
def records(store: Store) -> Records:
    return read(store, "summit25")


def test_sizes(store: Store) -> None:
    counts = store.counts()
    times = counts["summit25"].pop("session_times")
    assert 0 < times < 900
    assert counts["summit25"] == {
        "attendees": 10_000,
        "sessions": 300,
        "exhibitors": 150,
        "leads": 2_000,
        "speakers": 200,
    }
    assert counts["summit26"]["attendees"] == 25
    assert 0 < counts["summit26"]["sessions"] < 30


def test_same_seed_same_data(tmp_path: Path) -> None:
    small = {"attendees": 50, "sessions": 10, "exhibitors": 5, "leads": 8, "speakers": 6}
    data = []
    for number, start in enumerate((1, 1, 2)):
        with Store(tmp_path / f"{number}.db") as store:
            seed(store, Sizes(seed=start, **small))
            data.append((read(store, "summit25"), read(store, "summit26")))
    assert data[0] == data[1]
    assert data[0][0]["attendee"] != data[2][0]["attendee"]


def test_nothing_is_a_size_too(tmp_path: Path) -> None:
    with Store(tmp_path / "empty.db") as store:
        seed(store, Sizes(attendees=0, sessions=0, exhibitors=0, leads=9, speakers=0))
        assert set(store.counts()["summit25"].values()) == {0}


def test_ids_are_there_well_formed_and_unique(records: Records) -> None:
    spellings = {"session": ("sessionId", "sessionID")}
    for entity in ENTITIES:
        names = spellings.get(entity, (f"{entity}Id",))
        ids = [next(r[n] for n in names if n in r) for r in records[entity]]
        assert all(map(RAINFOCUS_ID.fullmatch, ids))
        assert len(set(ids)) == len(ids)


def test_emails_are_valid_reserved_and_never_repeat(store: Store) -> None:
    emails = [r["email"] for e in ("summit25", "summit26") for r in store.attendees(e)]
    assert len(set(emails)) == len(emails) == 10_025
    assert [email for email in emails if not EMAIL.fullmatch(email)] == []
    assert all(len(email.partition("@")[0]) <= 64 for email in emails)


def test_modified_in_2025(store: Store) -> None:
    def epoch_ms(year: int) -> int:
        return int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000)

    for event in ("summit25", "summit26"):
        for entity in ENTITIES:
            everything = store.page(event, entity, limit=-1)
            assert store.page(event, entity, limit=-1, since=epoch_ms(2025)) == everything
            assert store.page(event, entity, limit=-1, since=epoch_ms(2026)) == []


def test_leads_repeat_their_attendee_and_exhibitor(records: Records) -> None:
    attendees = {r["attendeeId"]: r for r in records["attendee"]}
    exhibitors = {r["exhibitorId"]: r for r in records["exhibitor"]}
    for lead in records["lead"]:
        attendee = attendees[lead["attendeeId"]]
        for name in ("email", "firstname", "lastname", "companyname"):
            assert lead[name] == attendee[name]
        assert lead["exhibitorName"] == exhibitors[lead["exhibitorId"]]["name"]


def test_states_belong_to_north_america(records: Records) -> None:
    north_america = {"US", "USA", "United States", "CA", "CAN", "Canada"}
    with_state = [r for r in records["attendee"] if "state" in r]
    assert len(with_state) > 1_000
    assert all(re.fullmatch("[A-Z]{2}", r["state"]) for r in with_state)
    assert {r["country"] for r in with_state} == north_america


def test_sessions_have_up_to_three_times(records: Records) -> None:
    numbers = Counter(len(r["times"]) for r in records["session"])
    assert numbers.keys() == {0, 1, 2, 3}


def test_session_times_in_both_clocks(records: Records) -> None:
    for session in records["session"]:
        for time in session["times"]:
            local = datetime.fromisoformat(f"{time['date']} {time['startTime']}-07:00")
            utc = datetime.strptime(time["utcStartTime"] + "+0000", "%Y/%m/%d %H:%M:%S%z")
            assert local == utc


def test_one_session_in_ten_is_not_accepted(records: Records) -> None:
    assert sum(r["status"] != "Accepted" for r in records["session"]) == 30


def test_unicode_names(records: Records) -> None:
    assert any(not r["lastname"].isascii() for r in records["attendee"])


def values(records: list[Record], name: str) -> set[str]:
    return {repr(record[name]) for record in records if name in record}


def test_untidy_booleans(records: Records) -> None:
    styles = {"'Yes'", "'No'", "'true'", "'false'", "True", "False", "1", "0", "1.0", "0.0"}
    assert values(records["attendee"], "registered") == styles
    assert values(records["lead"], "hotLead") == styles
    assert {"True", "False", "'Yes'", "1", "1.0", "'true'"} <= values(
        records["session"] + records["exhibitor"], "published"
    )


def test_untidy_numbers(records: Records) -> None:
    assert {type(r["length"]) for r in records["session"]} == {int, float, str}
    seats = [time["seatsRemaining"] for r in records["session"] for time in r["times"]]
    assert {type(number) for number in seats} == {int, float, str}


def test_untidy_optional_fields(records: Records) -> None:
    for entity, name in (
        ("attendee", "externalId"),
        ("session", "externalId"),
        ("exhibitor", "url"),
        ("lead", "note"),
        ("speaker", "bio"),
    ):
        assert any(name not in r for r in records[entity])
        assert any(r.get(name, "") is None for r in records[entity])


def test_untidy_id_spellings(records: Records) -> None:
    sessions = records["session"]
    assert {n for r in sessions for n in r if n.lower() == "sessionid"} == {
        "sessionId",
        "sessionID",
    }
    names = {n for r in sessions for time in r["times"] for n in time}
    assert {n for n in names if n.lower().replace("_", "") == "sessiontimeid"} == {
        "sessiontimeId",
        "sessionTimeID",
        "sessionTimeId",
        "sessiontime_id",
    }


def test_untidy_session_codes(records: Records) -> None:
    assert {n for r in records["session"] for n in r if n in {"code", "sessionCode"}} == {
        "code",
        "sessionCode",
    }
    assert all(("code" in r) != ("sessionCode" in r) for r in records["session"])


@pytest.mark.parametrize("entity", ["attendee", "session", "exhibitor"])
def test_untidy_attributes(records: Records, entity: str) -> None:
    shapes: dict[str, set[str]] = {}
    for record in records[entity]:
        (shape,) = record.keys() & {"attributes", "attributevalues", "attributeValues"}
        shapes.setdefault(shape, set()).update(n for entry in record[shape] for n in entry)
    assert shapes == {
        "attributes": {"attributeId", "name", "code", "value", "attributeValues"},
        "attributevalues": {
            "rf_attribute_id",
            "attribute_id",
            "attribute",
            "rf_attributevalue_id",
            "attributevalue_id",
            "value",
            "displayorder",
            "published",
            "viewAccessPublic",
        },
        "attributeValues": {"attribute", "value"},
    }


@pytest.mark.parametrize("entity", ["attendee", "lead"])
def test_untidy_dates(records: Records, entity: str) -> None:
    formats = {
        re.sub(r"\d", "9", record[name])
        for record in records[entity]
        for name in ("createDate", "modifiedDate")
    }
    assert formats == {
        "9999-99-99T99:99:99.999Z",
        "9999-99-99 99:99:99",
        "9999/99/99 99:99:99",
        "9999999999999",
    }


def test_untidy_countries(records: Records) -> None:
    countries = {r["country"] for r in records["attendee"]}
    assert {"DE", "DEU", "Germany", "US", "USA", "United States"} <= countries
