"""What a record holds: nothing read is dropped, and nothing is passed on that should not be."""

from __future__ import annotations

import itertools
import json
import typing as t
from pathlib import Path

import jsonschema
import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable

    Record = dict[str, t.Any]
    Run = t.Any
    Read = Callable[..., Run]
    TapRunner = Callable[..., Run]
    ServerMaker = Callable[..., t.Any]

CASES = Path(__file__).parents[2] / "cases"
CATALOGS: dict[str, str] = {}
"""By settings, so that each is made once."""

KEYS = {"attendees": "results", "leads": "results"}


@pytest.fixture
def read(scripted: ServerMaker, run_tap: TapRunner, tmp_path: Path) -> Read:
    """Read records of one stream, however they are nested; each one has to fit the schema.

    `only` names the fields that are selected, `without` those that are not.
    """
    folders = itertools.count()

    def read(
        raw: list[Record] | Callable[[t.Any], list[Record]],
        stream: str = "attendees",
        *,
        only: tuple[str, ...] = (),
        without: tuple[str, ...] = (),
        envelope: Record | None = None,
        **more: object,
    ) -> Run:
        def answer(asked: t.Any) -> tuple[int, dict[str, str], object]:
            records = raw(asked) if callable(raw) else raw
            clock = {"responseCode": "0", "timestamp": "1680309557133"}
            return 200, {}, clock | (envelope or {}) | {KEYS.get(stream, "data"): records}

        settings = scripted(answer).settings | {"event_codes": ["e1"]} | more
        kind = json.dumps(more, sort_keys=True)
        if kind not in CATALOGS:
            CATALOGS[kind] = run_tap(settings, "--discover").output
        catalog = json.loads(CATALOGS[kind])
        for entry in catalog["streams"]:
            for about in entry["metadata"]:
                path = ".".join(about["breadcrumb"][1::2])
                wanted = (
                    not only or not path or any(f"{one}.".startswith(f"{path}.") for one in only)
                )
                selected = entry["tap_stream_id"] == stream and wanted and path not in without
                about["metadata"]["selected"] = selected
        file = tmp_path / f"catalog{next(folders)}.json"
        file.write_text(json.dumps(catalog))
        run = run_tap(settings, "--catalog", str(file))
        assert run.code == 0, run.log
        for record in run.records(stream):
            jsonschema.validate(record, run.schema(stream))
        return run

    return read


def unread(record: Record) -> Record:
    return t.cast("Record", json.loads(record["_unread"] or "{}"))


TIMES: dict[str, tuple[str | None, str | None]] = {
    "ST-1-twelve-hours": ("2026-03-08 14:30:00", "2026-03-08 15:30:00"),
    "ST-2-us-date": (None, None),
    "ST-3-midnight": ("2026-03-08 23:00:00", "2026-03-09 00:00:00"),
    "ST-4-clocks-go-back": ("2026-11-01 01:45:00", None),
    "ST-5-clocks-go-forward": ("2026-03-08 02:30:00", "2026-03-08 03:15:00"),
}


def test_session_times_are_read_where_one_reading_is_possible(read: Read) -> None:
    times = json.loads((CASES / "R20" / "times.json").read_text())
    run = read([{"sessionId": "s", "times": times}], "session_times")
    for record, raw in zip(run.records("session_times"), times, strict=True):
        found = record["sessiontime"]
        hours = {"startTime": found["startTime"], "endTime": found["endTime"]}
        assert tuple(hours.values()) == TIMES[record["_id"]]
        assert unread(record) == {
            f"sessiontime.{name}": raw[name] for name, value in hours.items() if value is None
        }
    assert "2 values of sessiontime.endTime cannot be read" in run.log


LATE: dict[str, tuple[Record, tuple[str | None, str | None]]] = {
    "an order of day and month": (
        {"date": "03/08/2026", "startTime": "9 am", "endTime": "12:00 p.m."},
        ("2026-08-03 09:00:00", "2026-08-03 12:00:00"),
    ),
    "a day beyond the twelfth": (
        {"date": "10/27/2026", "startTime": "12:15 AM", "endTime": "1:15AM"},
        ("2026-10-27 00:15:00", "2026-10-27 01:15:00"),
    ),
    "a date before each hour": (
        {"startTime": "3/8/2026 2:30 PM", "endTime": "2026-08-03 15:30"},
        ("2026-08-03 14:30:00", "2026-08-03 15:30:00"),
    ),
    "a date of the end": (
        {"date": "2026-10-27", "endDate": "2026-10-29", "startTime": "09:00", "endTime": "08:30"},
        ("2026-10-27 09:00:00", "2026-10-29 08:30:00"),
    ),
    "clocks go back, by length": (
        {"date": "2026-11-01", "startTime": "01:45", "endTime": "01:15", "length": "30"},
        ("2026-11-01 01:45:00", "2026-11-01 01:15:00"),
    ),
    "clocks go back, by UTC": (
        {
            "date": "2026-11-01",
            "startTime": "01:45",
            "endTime": "01:15",
            "utcStartTime": "2026/11/01 08:45:00",
            "utcEndTime": "2026/11/01 09:15:00",
        },
        ("2026-11-01 01:45:00", "2026-11-01 01:15:00"),
    ),
    "nearly a day": (
        {"date": "2026-11-01", "startTime": "01:45", "endTime": "01:15", "length": 1410},
        ("2026-11-01 01:45:00", "2026-11-02 01:15:00"),
    ),
    "past midnight": (
        {"date": "2026-10-27", "startTime": "23:00", "endTime": "01:00"},
        ("2026-10-27 23:00:00", "2026-10-28 01:00:00"),
    ),
    "an end without its half of the day": (
        {"date": "2026-10-27", "startTime": "2:30 PM", "endTime": "3:30"},
        ("2026-10-27 14:30:00", None),
    ),
    "a start without its half of the day": (
        {"date": "2026-10-27", "startTime": "11:30", "endTime": "12:30 PM"},
        (None, "2026-10-27 12:30:00"),
    ),
    "a date of the end that is that of the start": (
        {"date": "2026-10-20", "endDate": "2026-10-20", "startTime": "19:00", "endTime": "00:00"},
        ("2026-10-20 19:00:00", "2026-10-21 00:00:00"),
    ),
    "24:00 on the day after": (
        {
            "date": "2026-10-20",
            "endDate": "2026-10-21",
            "startTime": "22:00",
            "endTime": "24:00",
            "length": 120,
        },
        ("2026-10-20 22:00:00", "2026-10-21 00:00:00"),
    ),
    "a whole day": (
        {"date": "2026-10-20", "startTime": "00:00", "endTime": "00:00", "length": 1440.0},
        ("2026-10-20 00:00:00", "2026-10-21 00:00:00"),
    ),
    "a length beyond all days": (
        {"date": "9999-12-31", "startTime": "23:00", "endTime": "01:00", "length": "9000000000"},
        (None, None),
    ),
    "a day and no hour": (
        {"startTime": "2026-10-20", "endTime": "2026-10-20 10:00"},
        (None, "2026-10-20 10:00:00"),
    ),
    "no hour": (
        {"date": "2026-10-27", "startTime": "25:00", "endTime": "13 am"},
        (None, None),
    ),
    "no day": ({"date": "31/02/2026", "startTime": "09:00", "endTime": "10:00"}, (None, None)),
}


@pytest.mark.parametrize(("time", "hours"), LATE.values(), ids=LATE.keys())
def test_hours_in_every_form(
    read: Read, time: Record, hours: tuple[str | None, str | None]
) -> None:
    sessions = [{"sessionId": "s", "times": [{"sessionTimeID": "t"} | time]}]
    (record,) = read(
        sessions, "session_times", date_order="dmy" if "27/" not in str(time) else "mdy"
    ).records("session_times")
    found = record["sessiontime"]
    assert (found["startTime"], found["endTime"]) == hours
    assert len(unread(record)) == hours.count(None)


def test_times_without_id_or_date_keep_their_hours_and_their_keys(read: Read) -> None:
    """As v3 dumps give them."""
    morning = {"dayDisplayName": "Tuesday", "startTime": "10:30 AM", "capacity": "120"}
    times = [morning, morning | {"startTime": "2:30 PM"}]
    session = {"sessionId": "s", "title": "A talk", "times": times}
    first = read([session], "session_times").records("session_times")
    assert [unread(record) for record in first] == [
        {"sessiontime.startTime": "10:30 AM"},
        {"sessiontime.startTime": "2:30 PM"},
    ]
    assert len({record["_id"] for record in first}) == 2
    later = [time | {"capacity": 80.0, "waitlisted": 2, "room": None} for time in times]
    session = {"sessionId": "s", "title": "A better talk", "times": later}
    again = read([session], "session_times").records("session_times")
    assert [record["_id"] for record in again] == [record["_id"] for record in first]


def test_what_cannot_be_read_is_counted_and_kept(read: Read, tmp_path: Path) -> None:
    people = [
        {"attendeeId": "1", "registered": "perhaps", "createDate": "soon"},
        {"attendeeId": "2", "attendee": {"createDate": {"at": [1]}}},
        {"attendeeId": "3", "createDate": "2026-01-01"},
    ]
    summary = tmp_path / "summary.json"
    run = read(people, summary_path=str(summary))
    assert [unread(record) for record in run.records("attendees")] == [
        {"attendee.registered": "perhaps", "attendee.createDate": "soon"},
        {"attendee.createDate": {"at": [1]}},
        {},
    ]
    assert run.records("attendees")[2]["_unread"] is None
    assert "2 values of attendee.createDate cannot be read; they are in _unread" in run.log
    counted = {
        (reason["stream"], reason["outcome"], reason["reason"]): reason["count"]
        for reason in json.loads(summary.read_text())["reasons"]
    }
    assert counted["attendees", "unread", "attendee.createDate"] == 2
    assert counted["attendees", "unread", "attendee.registered"] == 1


def test_of_what_is_deselected_nothing_is_kept_as_unread(read: Read) -> None:
    person = {"attendeeId": "1", "registered": "perhaps", "createDate": "soon"}
    (record,) = read([person], without=("attendee.registered",)).records("attendees")
    assert unread(record) == {"attendee.createDate": "soon"}
    run = read([person], without=("_unread",))
    assert "_unread" not in run.records("attendees")[0]
    assert "cannot be read; they are left out" in run.log


@pytest.mark.parametrize(
    "maps", [{}, {"stream_maps": {"sessions": {"x": "'1'"}}}], ids=["fast", "slow"]
)
def test_a_record_nested_too_deep_blocks_nobody(read: Read, maps: Record) -> None:
    deep: object = "bottom"
    for _ in range(300):
        deep = [deep]
    sessions = [
        {"sessionId": "1", "title": "A", "extra": deep, "times": [{"x": deep}]},
        {"title": "B", "extra": deep},
        {"sessionId": "2"},
    ]
    first, nameless, second = read(sessions, "sessions", **maps).records("sessions")
    assert unread(first) == {"session.extra": deep, "session.times": [{"x": deep}]}
    assert first["session"] == {"sessionId": "1", "title": "A", "extra": None, "times": None}
    assert unread(nameless) == {"session.extra": deep}
    assert second["_id"] == "2"


@pytest.mark.parametrize("levels", [450, 900])
def test_no_depth_stops_a_run(read: Read, levels: int) -> None:
    deep: object = "bottom"
    for _ in range(levels):
        deep = {"x": [deep]} if levels < 900 else [deep]
    sessions = [
        {"sessionId": "1", "published": deep, "participants": [{"x": deep}], "odd": float("nan")},
        {"title": "B", "extra": deep, "attributes": deep, "times": deep},
    ]
    for flat in ({}, SWITCHES["flattened"]):
        assert len(read(sessions, "sessions", **flat).records("sessions")) == 2


def test_what_is_no_record_is_kept(read: Read) -> None:
    said = [{"attendeeId": "1"}, "oops", {"attendeeId": "2"}]
    person, odd, _ = read(said).records("attendees")
    assert person["_unread"] is None
    assert unread(odd) == {"attendee": "oops"}


def test_what_stands_in_a_group_counts_more_and_nothing_is_lost(read: Read) -> None:
    lead = {
        "leadId": "L1",
        "email": "staff@example.com",
        "state": "Qualified",
        "attendee": {"email": "visitor@example.com", "state": "CA"},
    }
    (record,) = read([lead], "leads").records("leads")
    assert record["attendee"] == lead["attendee"]
    assert unread(record) == {"attendee.email": "staff@example.com", "attendee.state": "Qualified"}


def test_a_time_says_nothing_of_its_session_that_the_session_says_itself(read: Read) -> None:
    own = {"sessionID": "S2", "abbreviation": "B"}
    time = {"id": "t", "title": "Repeat", "session": own}
    session = {"sessionId": "S1", "title": {"en": "A"}, "times": [time], "Times": [{"id": "u"}]}
    first, second = read([session], "session_times").records("session_times")
    assert first["session"] == {"sessionId": "S1", "title": "Repeat"} | own
    assert unread(first) == {"session.title": {"en": "A"}}
    assert second["_id"] == "u"


@pytest.mark.parametrize(
    ("said", "attributes"),
    [
        ({"code": "diet", "name": "Diet", "value": "V"}, [("diet", "Diet", "V")]),
        ([{"code": "d", "value": "V", "attributeValues": [{"id": "1"}]}], [("d", None, "V")]),
        ([{"code": "d", "values": ["a"]}], [("d", None, '{"code":"d","values":["a"]}')]),
        ([{"rf_attribute_code": "d", "attribute": "D", "value": "V"}], [("d", "D", "V")]),
        ([{"code": "d", "name": "D"}], [("d", "D", None)]),
    ],
)
def test_custom_attributes_keep_their_values(
    read: Read, said: object, attributes: list[tuple[str | None, ...]]
) -> None:
    (record,) = read([{"attendeeId": "1", "attributes": said}]).records("attendees")
    found = [tuple(one.values()) for one in record["attendee"]["attributes"]]
    assert found == attributes


def test_a_choice_without_a_value_is_unread(read: Read) -> None:
    people = [
        {"attendeeId": "1", "diet": {"id": "15", "label": "V"}},
        {"attendeeId": "2", "diet": []},
    ]
    for record in read(people, custom_attributes=["diet"]).records("attendees"):
        assert record["attendee"]["diet"] is None
        assert unread(record).keys() == {"attendee.diet"}


@pytest.mark.parametrize(
    "value", [1790000000, 0, 20260315, "20260315093000", "2026-10-20-07:00", "NaN", float("nan")]
)
def test_what_may_be_another_moment_is_unread(read: Read, value: object) -> None:
    (record,) = read([{"attendeeId": "1", "createDate": value}]).records("attendees")
    assert record["attendee"]["createDate"] is None
    assert unread(record)["attendee.createDate"] is not None


def test_seats_that_are_no_number_of_seats(read: Read) -> None:
    times = [
        {"sessionTimeID": str(n), "capacity": n, "registered": 0} for n in ("0", "50000", "120")
    ]
    found = read([{"sessionId": "s", "times": times}], "session_times").records("session_times")
    assert [record["sessiontime"]["capacity"] for record in found] == [None, None, 120]
    assert [unread(record) for record in found] == [
        {"sessiontime.capacity": "0"},
        {"sessiontime.capacity": "50000"},
        {},
    ]
    assert found[0]["sessiontime"]["registered"] == 0


class TestKeys:
    """Which event a record is of, and what makes its id."""

    def test_one_person_in_two_events_is_two_records(self, read: Read) -> None:
        run = read([{"attendeeId": "p"}], event_codes=["e1", "e2"])
        keys = {(r["event_code"], r["_id"]) for r in run.records("attendees")}
        assert keys == {("e1", "p"), ("e2", "p")}
        schema = next(m for m in run.messages if m["type"] == "SCHEMA")
        assert schema["key_properties"] == ["event_code", "_id"]

    @pytest.mark.parametrize(
        ("person", "envelope", "code"),
        [
            ({}, {}, ""),
            ({"eventCode": "te26"}, {}, "te26"),
            ({"event": "te26"}, {}, "te26"),
            ({}, {"event": "te26"}, "te26"),
            ({}, {"event": {"code": "te26"}}, "te26"),
            ({}, {"event": {"id": "1"}}, ""),
            ({}, {"event": 2026}, "2026"),
        ],
    )
    @pytest.mark.parametrize("without", [(), ("event.code",), ("attendee.attendeeId",)])
    def test_without_an_event_code_the_reply_may_say_it(
        self, read: Read, person: Record, envelope: Record, code: str, without: tuple[str, ...]
    ) -> None:
        raw = [{"attendeeId": "p"} | person]
        run = read(raw, envelope=envelope, event_codes=[], without=without)
        (record,) = run.records("attendees")
        assert (record["event_code"], record["_id"]) == (code, "p")
        expected = {"code": code} if code and "event.code" not in without else {}
        assert record["event"] == expected

    def test_what_a_stream_map_does_to_one_event_it_does_to_no_other(self, read: Read) -> None:
        maps = {"attendees": {"was": "event.setdefault('who', _id)"}}
        run = read([{"attendeeId": "p"}, {"attendeeId": "q"}], stream_maps=maps)
        assert [record["was"] for record in run.records("attendees")] == ["p", "q"]

    def test_the_name_of_an_event(self, read: Read) -> None:
        names = {"e1": "Summit", "e2": "Max"}
        run = read([{"attendeeId": "p"}], event_codes=["e1", "e3"], event_names=names)
        events = [record["event"] for record in run.records("attendees")]
        assert sorted(events, key=str) == [{"code": "e1", "name": "Summit"}, {"code": "e3"}]
        run = read([{"attendeeId": "p", "eventName": "Summit 2026"}], event_names=names)
        assert run.records("attendees")[0]["event"]["name"] == "Summit 2026"
        run = read([{"attendeeId": "p"}], event_names=names, without=("event.name",))
        assert run.records("attendees")[0]["event"] == {"code": "e1"}
        times = [{"sessionId": "s", "eventName": "Summit 2026", "times": [{"id": "t"}]}]
        run = read(times, "session_times")
        assert run.records("session_times")[0]["event"] == {"code": "e1", "name": "Summit 2026"}

    @pytest.mark.parametrize(
        ("stream", "raw", "identity"),
        [
            ("attendees", {"id": 18446744073709551616}, "18446744073709551616"),
            ("sessions", {"id": "s"}, "s"),
            ("exhibitors", {"id": "x", "code": "X"}, "x"),
            ("leads", {"id": "l", "attendee": {"id": "p"}}, "l"),
            ("speakers", {"id": "p_e1", "userRef": "p"}, "p_e1"),
            ("session_times", {"sessionId": "s", "times": [{"id": "t"}]}, "t"),
        ],
    )
    def test_an_id_may_be_called_just_that(
        self, read: Read, stream: str, raw: Record, identity: str
    ) -> None:
        assert read([raw], stream).records(stream)[0]["_id"] == identity

    @pytest.mark.parametrize(
        ("stream", "raw", "edited"),
        [
            ("attendees", {"email": "A@b.c"}, {"email": "a@b.c ", "city": "Rome"}),
            ("sessions", {"sessionCode": "GS1"}, {"code": "GS1", "title": "New"}),
            ("exhibitors", {"code": "X"}, {"code": "X", "booth": [{"name": "5"}]}),
            ("speakers", {"userRef": "p"}, {"attendeeId": "p", "bio": "New"}),
            ("speakers", {"email": "a@b.c"}, {"email": "a@b.c", "bio": "New"}),
            (
                "leads",
                {"attendeeId": "p", "exhibitorName": "IBM"},
                {"attendee": {"id": "p"}, "exhibitor": {"name": "IBM"}, "note": "call"},
            ),
        ],
    )
    def test_without_an_id_what_identifies_it_counts(
        self, read: Read, stream: str, raw: Record, edited: Record
    ) -> None:
        other = {key: f"{value}2" for key, value in raw.items()}
        before = [record["_id"] for record in read([raw, other], stream).records(stream)]
        run = read([edited], stream)
        assert [record["_id"] for record in run.records(stream)] == before[:1] != before[1:]
        assert "its _id is a hash of what identifies it" in run.log
        if stream == "attendees":
            hidden = read([edited], without=("attendee.email",)).records(stream)[0]
            assert hidden["_id"] == before[0]
            assert "email" not in hidden["attendee"]

    def test_where_nothing_identifies_it_its_content_does(self, read: Read) -> None:
        leads = [{"attendeeId": "p", "note": "a"}, {"attendeeId": "p", "note": "b"}]
        run = read(leads, "leads")
        assert len({record["_id"] for record in run.records("leads")}) == 2
        assert "its _id is a hash of its content" in run.log

    @pytest.mark.parametrize("declared", ["declared", ""])
    def test_a_catalog_of_an_earlier_version(
        self, scripted: ServerMaker, run_tap: TapRunner, tmp_path: Path, declared: str
    ) -> None:
        settings = scripted(lambda _: (200, {}, {"results": []})).settings
        catalog = json.loads(run_tap(settings, "--discover").output)
        for entry in catalog["streams"]:
            entry["key_properties"] = ["_id"]
            if not declared:
                entry["schema"]["properties"].pop("event_code", None)
        (tmp_path / "catalog.json").write_text(json.dumps(catalog))
        run = run_tap(settings, "--catalog", str(tmp_path / "catalog.json"))
        assert run.code == 78
        assert "of an earlier version: make a new one with --discover" in run.errors[0]


PERSON = {
    "attendeeId": "1",
    "country": "IT",
    "email": "ada@example.com",
    "Email": "ada@example.org",
    "passportNumber": "C01X",
    "attendee": {"visa": "B1", "E-Mail": "ada@example.net"},
}
SWITCHES: dict[str, Record] = {
    "nested": {},
    "flattened": {"flattening_enabled": True, "flattening_max_depth": 1},
    "through a stream map": {"stream_maps": {"attendees": {"x": "'1'"}}},
}


class TestDeselected:
    """What was not selected does not come out, under whatever name it came."""

    @pytest.mark.parametrize("switch", SWITCHES.values(), ids=SWITCHES.keys())
    def test_unknown_fields_and_second_spellings(self, read: Read, switch: Record) -> None:
        run = read([PERSON, PERSON], only=("attendee.country",), **switch)
        text = json.dumps(run.records("attendees"))
        assert "IT" in text
        for secret in ("ada@", "C01X", "B1"):
            assert secret not in run.output
        left_out = [line for line in run.log.splitlines() if "are left out" in line]
        assert len(left_out) == 1
        assert "2 fields that the schema does not know are left out" in left_out[0]
        assert "attendee.passportNumber, attendee.visa" in left_out[0]

    def test_unknown_fields_come_where_all_of_their_group_is_selected(self, read: Read) -> None:
        for without in ((), ("event.name",)):
            (record,) = read([PERSON], without=without).records("attendees")
            assert record["attendee"]["visa"] == "B1"
            assert record["attendee"]["passportNumber"] == "C01X"
            assert record["attendee"]["Email"] == "ada@example.org"

    def test_a_field_beside_several_groups_may_be_of_any(self, read: Read) -> None:
        lead = {"leadId": "1", "rating": 5, "visa": "B1", "exhibitor": {"hall": "H9"}}
        (record,) = read([lead], "leads", without=("attendee.email",)).records("leads")
        assert record["lead"] == {"leadId": "1"}
        assert record["exhibitor"] == {"hall": "H9"}

    def test_a_group_and_a_field_beside_the_groups(self, read: Read) -> None:
        lead = {"leadId": "1", "attendee": {"email": "ada@example.com", "visa": "B1"}}
        run = read([lead], "leads", without=("attendee",))
        assert run.records("leads")[0].keys() & {"attendee", "lead"} == {"lead"}
        assert "attendee" not in run.schema("leads")["properties"]
        assert "B1" not in run.output
        run = read([{"exhibitorId": "1"}], "exhibitors", without=("timestamp",))
        assert "timestamp" not in run.records("exhibitors")[0]

    def test_custom_attributes(self, read: Read) -> None:
        diet = {"code": "diet", "name": "Diet", "value": "Vegan"}
        person = {"attendeeId": "1", "attributes": [diet, diet | {"code": "shoe", "value": "43"}]}
        codes = ["diet", "shoe"]
        run = read([person], without=("attendee.diet",), custom_attributes=codes)
        (record,) = run.records("attendees")
        assert record["attendee"]["shoe"] == "43"
        assert "Vegan" not in json.dumps(record)
        run = read([person], only=("attendee.diet",), custom_attributes=codes)
        assert run.records("attendees")[0]["attendee"] == {"diet": "Vegan"}
        other = [{"code": "DIET", "value": "Vegan"}, {"attribute": "diet", "value": "Vegan"}]
        again = [{"attendeeId": "1", "attributes": other}]
        run = read(again, without=("attendee.diet",), custom_attributes=codes)
        assert "Vegan" not in run.output
        run = read(
            [{"attributes": [{"code": "email", "value": "a@b.c"}]}], without=("attendee.email",)
        )
        assert "a@b.c" not in run.output

    def test_in_another_group(self, read: Read) -> None:
        mail = "ada@example.com"
        lead = {
            "leadId": "1",
            "lead": {"attendeeEmail": mail, "email": mail, "attendee": {"email": mail}},
        }
        run = read([lead], "leads", without=("attendee.email",))
        assert run.records("leads")[0]["lead"] == {"leadId": "1"}
        assert mail not in run.output
        run = read([{"attendeeId": "1", "Event": {"name": "Secret"}}], without=("event",))
        assert "Secret" not in run.output

    def test_what_the_catalog_does_not_declare(
        self, run_tap: TapRunner, scripted: ServerMaker, tmp_path: Path
    ) -> None:
        person = {"attendeeId": "1", "attributes": [{"code": "diet", "value": "Vegan"}]}
        settings = scripted(lambda _: (200, {}, {"results": [person]})).settings
        catalog = json.loads(run_tap(settings, "--discover").output)
        for entry in catalog["streams"]:
            about = next(one for one in entry["metadata"] if not one["breadcrumb"])
            about["metadata"]["selected"] = entry["tap_stream_id"] == "attendees"
        (tmp_path / "catalog.json").write_text(json.dumps(catalog))
        later = settings | {"custom_attributes": ["diet"]}
        run = run_tap(later, "--catalog", str(tmp_path / "catalog.json"))
        assert run.code == 0, run.log
        assert "diet" not in run.records("attendees")[0]["attendee"]


ANSWER = {"attribute_id": "needs", "attribute": "Do you need a ramp?", "value": "Yes, a ramp"}
SPEAKER = {
    "speakerId": "p_e1",
    "fullName": "Sam Sample",
    "published": 1.0,
    "attributevalues": [ANSWER],
    "session": [
        {"sessionID": "s1", "published": "true", "AttributeValues": [ANSWER]},
        {"sessionID": "s2", "published": "false"},
        {"sessionID": "s3"},
    ],
}


class TestSpeakers:
    """Private answers of speakers, and sessions that are not public."""

    @pytest.mark.parametrize("switch", [{}, SWITCHES["flattened"]], ids=["nested", "flattened"])
    @pytest.mark.parametrize(
        ("stream", "raw"),
        [
            ("sessions", {"sessionId": "s1", "participants": [SPEAKER, None]}),
            ("sessions", {"sessionId": "s1", "session": {"Participants": [[SPEAKER]]}}),
            ("speakers", SPEAKER),
            ("speakers", {"speaker": SPEAKER, "attributes": {"needs": ANSWER["value"]}}),
            ("speakers", SPEAKER | {"profile": [{"customAttributes": [ANSWER]}]}),
            ("sessions", {"sessionId": "s1", "presenters": [SPEAKER | {"session": []}]}),
            ("sessions", {"id": "s1", "title": "Sam Sample", "session": [[SPEAKER]]}),
            ("sessions", {"sessionId": "s1", "presenters": [SPEAKER]}),
            ("sessions", {"sessionId": "s1", "participants": {"items": [SPEAKER]}}),
            ("sessions", {"sessionId": "s1", "participants": [{"speaker": SPEAKER}]}),
            ("sessions", {"sessionId": "s1", "participants": json.dumps([SPEAKER])}),
            ("sessions", {"sessionId": "s1", "participants": [{}], "Participants": [SPEAKER]}),
            ("sessions", {"sessionId": "s1", "times": [{"staff": [SPEAKER]}]}),
            ("session_times", {"sessionId": "s1", "times": [{"id": "t", "speakers": [SPEAKER]}]}),
            ("exhibitors", {"exhibitorId": "s1", "booth": [{"staff": SPEAKER}]}),
            ("speakers", SPEAKER | {"needs": "a ramp"}),
            ("speakers", SPEAKER | {"upcoming": [{"title": "s2", "published": "Unpublished"}]}),
            ("speakers", SPEAKER | {"upcoming": [{"title": "s2", "isPublished": False}]}),
            ("speakers", SPEAKER | {"sessions": [{"title": "s2", "published": {"is": 0}}]}),
        ],
    )
    def test_neither_comes_out_unasked(
        self, read: Read, stream: str, raw: Record, switch: Record
    ) -> None:
        run = read([raw], stream, custom_attributes=["needs"], **switch)
        assert "Sam Sample" in run.output or switch  # unknown fields have no place in a table
        assert "a ramp" not in run.output
        assert "s1" in run.output
        assert "s2" not in run.output

    def test_both_come_out_where_they_are_asked_for(self, read: Read) -> None:
        asked = {"speaker_attributes": True, "unpublished_sessions": True}
        session = {"sessionId": "s1", "participants": [SPEAKER]}
        (record,) = read([session], "sessions", **asked).records("sessions")
        (speaker,) = record["session"]["participants"]
        assert speaker["attributevalues"] == [ANSWER]
        assert [one["sessionID"] for one in speaker["session"]] == ["s1", "s2", "s3"]
        (record,) = read([SPEAKER], "speakers", **asked).records("speakers")
        assert record["speaker"]["attributes"][0]["value"] == "Yes, a ramp"
        assert [one.get("published") for one in record["speaker"]["sessions"]] == [
            True,
            False,
            None,
        ]

    def test_published_is_a_boolean(self, read: Read) -> None:
        session = {"sessionId": "s1", "published": "true", "participants": [SPEAKER]}
        (record,) = read([session], "sessions").records("sessions")
        assert record["session"]["published"] is True
        (speaker,) = record["session"]["participants"]
        assert speaker["published"] is True
        assert [one.get("published") for one in speaker["session"]] == [True, None]


@pytest.mark.parametrize(
    ("codes", "other"),
    [
        (["Country"], "the field attendee.country"),
        (["diet", "TITLE"], "the field session.title"),
        (["diet", "shoe", "Diet"], "diet"),
    ],
)
@pytest.mark.parametrize("argument", [None, "--discover"])
def test_custom_attributes_that_a_database_cannot_tell_apart(
    run_tap: TapRunner, scripted: ServerMaker, codes: list[str], other: str, argument: str | None
) -> None:
    settings = scripted(lambda _: (200, {}, {"results": []})).settings
    run = run_tap(settings | {"custom_attributes": codes}, *([argument] if argument else []))
    assert run.code == 78
    assert f"names {codes[-1]}, which differs from {other} in case alone" in run.errors[0]
    assert run.output == ""


def test_a_column_whose_name_is_too_long(read: Read) -> None:
    code = "what_do_you_hope_to_learn_at_the_conference_this_year_über"
    person = {"attendeeId": "1", "attributes": [{"code": code, "name": "Hope", "value": "Singer"}]}
    flat = SWITCHES["flattened"]
    told = read([person], custom_attributes=[code], **flat).log
    assert f"Column attendee__{code} of stream attendees has a name of 69 bytes" in told
    line = next(line for line in told.splitlines() if "has a name of" in line)
    maps = json.loads(line[line.index('{"attendees"') :])
    run = read([person], stream_maps=maps, **flat)
    assert run.records("attendees")[0]["short_name"] == "Singer"
    assert run.schema("attendees")["properties"]["short_name"]["type"] == ["string", "null"]
    assert "has a name of" not in run.log
    assert "has a name of" not in read([person], custom_attributes=[code]).log
