"""Every spelling of docs/rainfocus-api.md §4.0-4.7, in and out."""

from __future__ import annotations

import tracemalloc
import typing as t
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_rainfocus.schema import normalization, values, xdm
from tap_rainfocus.schema.normalization import Normalizer

GROUPS = {
    "attendees": (xdm.ATTENDEE, xdm.EVENT),
    "leads": (xdm.LEAD, xdm.ATTENDEE, xdm.EXHIBITOR, xdm.EVENT),
    "sessions": (xdm.SESSION, xdm.EVENT),
    "session_times": (xdm.SESSIONTIME, xdm.SESSION, xdm.EVENT),
    "exhibitors": (xdm.EXHIBITOR, xdm.EVENT),
    "speakers": (xdm.SPEAKER, xdm.EVENT),
}

UNREADABLE = ValueError


def read(reader: t.Callable[[object], object], value: object) -> object:
    try:
        return reader(value)
    except ValueError:
        return UNREADABLE


@pytest.mark.parametrize(
    "value",
    ["Yes", "yes", "TRUE", "true", "t", "on", True, 1, 1.0, "1", "1.0"],
    ids=repr,
)
def test_yes(value: object) -> None:
    assert values.read_boolean(value) is True
    assert values.read_yes_no(value) == "Yes"


@pytest.mark.parametrize(
    "value", ["No", "n", "FALSE", "f", "off", False, 0, 0.0, "0", "0.0"], ids=repr
)
def test_no(value: object) -> None:
    assert values.read_boolean(value) is False
    assert values.read_yes_no(value) == "No"


@pytest.mark.parametrize(
    ("value", "integer"),
    [
        (60, 60),
        (60.0, 60),
        ("212", 212),
        (" 60.0 ", 60),
        ("-5", -5),
        (2**53 - 1, 2**53 - 1),
        (2**53, UNREADABLE),
        (10**400, UNREADABLE),
        (1.5, UNREADABLE),
        ("1e999", UNREADABLE),
        ("nan", UNREADABLE),
        ("ninety", UNREADABLE),
        (True, UNREADABLE),
        ([60], UNREADABLE),
    ],
    ids=repr,
)
def test_integer(value: object, integer: object) -> None:
    assert read(values.read_integer, value) == integer


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2023-04-01T00:41:57.000Z", "2023-04-01T00:41:57.000Z"),
        ("2023-04-01T00:41:57Z", "2023-04-01T00:41:57.000Z"),
        ("2023-04-01T02:41:57.123456+02:00", "2023-04-01T00:41:57.123Z"),
        ("2023-04-01 00:41:57", "2023-04-01T00:41:57.000Z"),
        ("2026/10/27 08:00:00", "2026-10-27T08:00:00.000Z"),
        ("2026-10-27", "2026-10-27T00:00:00.000Z"),
        ("1680309557133", "2023-04-01T00:39:17.133Z"),
        (1680309557133, "2023-04-01T00:39:17.133Z"),
        (1680309557133.0, "2023-04-01T00:39:17.133Z"),
        ("0001-01-01T00:00:00+14:00", UNREADABLE),
        ("2023-13-01T00:00:00.000Z", UNREADABLE),
        (10**18, UNREADABLE),
        ("soon", UNREADABLE),
        (False, UNREADABLE),
        ({}, UNREADABLE),
    ],
    ids=repr,
)
def test_moment(value: object, moment: object) -> None:
    assert read(values.read_moment, value) == moment


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2023-03-22 10:00:00", "2023-03-22 10:00:00"),
        ("2026/10/27 09:00:00", "2026-10-27 09:00:00"),
        ("2026-10-27 09:00", "2026-10-27 09:00:00"),
        ("2026-10-27T09:00:00+02:00", "2026-10-27 09:00:00"),
        ("0099-10-27 09:00:00", "0099-10-27 09:00:00"),
        ("2026-01-10T10:00:00+00:00", "2026-01-10 10:00:00"),
        ("2026-10-27T09:00:00Z", UNREADABLE),
        ("2026-10-27t09:00:00z", UNREADABLE),
        (1680309557133, UNREADABLE),
        ("09:00", UNREADABLE),
    ],
    ids=repr,
)
def test_local_time(value: object, time: object) -> None:
    assert read(values.read_local_time, value) == time


@pytest.mark.parametrize(
    ("value", "text"),
    [("x", "x"), (5, "5"), (5.0, "5"), (5.5, "5.5"), (True, "true"), ([], UNREADABLE)],
    ids=repr,
)
def test_text(value: object, text: object) -> None:
    assert read(values.read_text, value) == text


DIET = {"code": "diet", "name": "Diet", "value": "Vegan"}


@pytest.mark.parametrize(
    ("value", "attributes"),
    [
        pytest.param([DIET | {"attributeId": "1"}], [DIET], id="v2 read"),
        pytest.param(
            [
                {
                    "code": "i",
                    "name": "I",
                    "value": "A, B",
                    "attributeValues": [{"value": "A"}, {"value": "B"}],
                }
            ],
            [{"code": "i", "name": "I", "value": "A"}, {"code": "i", "name": "I", "value": "B"}],
            id="v2 read, several values",
        ),
        pytest.param(
            [
                {
                    "attribute_id": "Track",
                    "attribute": "The track",
                    "value": "AI",
                    "published": 1.0,
                },
                {"attribute_id": "Track", "attribute": "The track", "value": "Data"},
            ],
            [
                {"code": "Track", "name": "The track", "value": "AI"},
                {"code": "Track", "name": "The track", "value": "Data"},
            ],
            id="web catalogue, an entry per value",
        ),
        pytest.param(
            [{"attribute": "Track", "value": "AI"}],
            [{"code": None, "name": "Track", "value": "AI"}],
            id="v3 dump",
        ),
        pytest.param(
            [{"attribute": "Track", "value": ["AI", 5, None]}],
            [
                {"code": None, "name": "Track", "value": "AI"},
                {"code": None, "name": "Track", "value": "5"},
                {"code": None, "name": "Track", "value": None},
            ],
            id="a list of values",
        ),
        pytest.param(
            {"diet": "Vegan"}, [{"code": "diet", "name": None, "value": "Vegan"}], id="an object"
        ),
        pytest.param([], [], id="none"),
        pytest.param("Vegan", [{"code": None, "name": None, "value": "Vegan"}], id="a string"),
        pytest.param([None, DIET], [DIET], id="a hole"),
        pytest.param(
            [{"code": ["x"], "value": {"a": 1}}],
            [{"code": '["x"]', "name": None, "value": '{"a":1}'}],
            id="nested",
        ),
        pytest.param(
            [{"code": "diet", "attributevalues": [{"value": "V"}]}],
            [{"code": "diet", "name": None, "value": "V"}],
            id="inner key in lower case",
        ),
    ],
)
def test_attributes(value: object, attributes: object) -> None:
    assert read(values.read_attributes, value) == attributes


@pytest.mark.parametrize(
    ("stream", "raw", "shaped"),
    [
        ("sessions", {"sessionID": "1"}, {"session": {"sessionId": "1"}}),
        ("sessions", {"sessionId": "1", "sessionCode": "GS3"}, {"session": {"sessionId": "1", "code": "GS3"}}),
        ("sessions", {"code": "GS3"}, {"session": {"code": "GS3"}}),
        ("sessions", {"name": "Keynote"}, {"session": {"title": "Keynote"}}),
        ("sessions", {"eventCode": "te26", "eventName": "T"}, {"session": {}, "event": {"code": "te26", "name": "T"}}),
        ("session_times", {"sessiontimeId": "1"}, {"sessiontime": {"sessiontimeId": "1"}}),
        ("session_times", {"sessionTimeID": "1"}, {"sessiontime": {"sessiontimeId": "1"}}),
        ("session_times", {"sessionTimeId": "1"}, {"sessiontime": {"sessiontimeId": "1"}}),
        ("session_times", {"sessiontime_id": "1"}, {"sessiontime": {"sessiontimeId": "1"}}),
        ("attendees", {"attendee id": "1", "first name": "A"}, {"attendee": {"attendeeId": "1", "firstname": "A"}}),
        ("attendees", {"isRegistered": True}, {"attendee": {"registered": "Yes"}}),
        ("attendees", {"attendee": {"email": "a@b.c", "id": "1"}}, {"attendee": {"email": "a@b.c", "attendeeId": "1"}}),
        ("attendees", {"attendee": "somebody"}, {"attendee": {}}),
        ("sessions", {"id": 5, "times": [None, "TBD"], "attendAccess": "a"}, {"session": {"sessionId": "5", "times": [{"value": "TBD"}], "attendAccess": ["a"]}}),
        ("leads", {"id": "1", "attendee": {"id": "2"}}, {"lead": {"leadId": "1"}, "attendee": {"attendeeId": "2"}}),
        ("session_times", {"capacity": "120"}, {"sessiontime": {"capacity": 120}}),
        ("session_times", {"capacity": "0", "registered": 0}, {"sessiontime": {"capacity": None, "registered": 0}}),
        ("session_times", {"capacity": 50000}, {"sessiontime": {"capacity": None}}),
        ("attendees", {"phone": None, "city": ""}, {"attendee": {}}),
        ("attendees", {"shoeSize": 43}, {"attendee": {"shoeSize": 43}}),
        ("attendees", {"registered": "perhaps"}, {"attendee": {"registered": None}}),
        ("attendees", {"registered": "perhaps", "isRegistered": 1}, {"attendee": {"registered": "Yes"}}),
        ("attendees", {"registered": 1, "isRegistered": "perhaps"}, {"attendee": {"registered": "Yes"}}),
        ("attendees", {"email": "a@b.c", "Email": "d@e.f"}, {"attendee": {"email": "a@b.c", "Email": "d@e.f"}}),
        ("sessions", {"name": "N", "title": "T"}, {"session": {"title": "T", "name": "N"}}),
        ("sessions", {"title": "T", "name": "N"}, {"session": {"title": "T", "name": "N"}}),
        ("sessions", {"Title": "A", "name": "N", "title": "T"}, {"session": {"title": "T", "name": "N", "Title": "A"}}),
        ("attendees", {"isRegistered": False, "registered": "Yes"}, {"attendee": {"registered": "Yes", "isRegistered": False}}),
        ("attendees", {"attributes": [DIET], "attributeValues": [DIET, {"attribute": "b", "value": "c"}]}, {"attendee": {"attributes": [DIET, {"code": None, "name": "b", "value": "c"}]}}),
        ("leads", {"attributes": ["x"]}, {"lead": {"attributes": ["x"]}}),
        ("leads", {"leadId": "1", "notes": "call"}, {"lead": {"leadId": "1", "note": "call"}}),
        ("leads", {"attendeeId": "2", "exhibitorId": "3"}, {"lead": {}, "attendee": {"attendeeId": "2"}, "exhibitor": {"exhibitorId": "3"}}),
        ("leads", {"exhibitorName": "IBM"}, {"lead": {}, "exhibitor": {"name": "IBM"}}),
        ("leads", {"name": "Ada"}, {"lead": {"name": "Ada"}}),
        ("leads", {"exhibitor": {"id": "3", "name": "IBM"}}, {"lead": {}, "exhibitor": {"exhibitorId": "3", "name": "IBM"}}),
        ("speakers", {"speakerid": "1", "jobtitle": "x", "company": "y"}, {"speaker": {"speakerId": "1", "jobTitle": "x", "companyName": "y"}}),
    ],
    ids=repr,
)  # fmt: skip
def test_spellings(stream: str, raw: dict[str, t.Any], shaped: dict[str, t.Any]) -> None:
    assert Normalizer(GROUPS[stream])(raw).groups == shaped


def test_what_cannot_be_read_is_given_as_it_came() -> None:
    normalize = Normalizer(GROUPS["sessions"])
    said = {"sessionId": "1", "length": "long", "Length": ["x"], "published": "maybe", "event": 5}
    assert normalize(said).unread == {
        "session.length": "long",
        "session.length 2": ["x"],
        "session.published": "maybe",
        "event": 5,
    }
    assert normalize({"length": "90"}).unread == {}


def test_what_a_table_has_no_column_for_is_left_out_and_named() -> None:
    groups = tuple(replace(group, is_open=False) for group in GROUPS["attendees"])
    normalize = Normalizer(groups)
    for _ in range(2):
        raw = {"email": "a@b.c", "Email": "d@e.f", "shoe": 43, "event": {"code": "e", "hall": 1}}
        assert normalize(raw).groups == {"attendee": {"email": "a@b.c"}, "event": {"code": "e"}}
    assert normalize.left_out == {"attendee.shoe", "event.hall"}
    assert normalize(raw).unread == {"attendee.Email": "d@e.f"}


def test_what_is_hidden_comes_out_under_no_name() -> None:
    attendee = replace(xdm.ATTENDEE.hiding({"email", "registered"}), is_open=False)
    normalize = Normalizer((xdm.LEAD, attendee, xdm.EXHIBITOR))
    said = {
        "email": "a@b.c",
        "attendeeEmail": "a@b.c",
        "passport": "C01X",
        "attendee": {
            "Email": "d@e.f",
            "isRegistered": "perhaps",
            "passport": "C01X",
            "city": "Rome",
        },
        "exhibitor": {"hall": 5},
    }
    shaped = normalize(said)
    assert shaped.groups == {"lead": {}, "attendee": {"city": "Rome"}, "exhibitor": {"hall": 5}}
    assert shaped.unread == {}
    assert normalize.left_out == {"lead.passport", "attendee.passport"}
    assert normalize({"attendee": [{"email": "a@b.c"}]}).unread == {}


def test_a_custom_attribute_is_promoted() -> None:
    normalize = Normalizer((xdm.ATTENDEE.with_attributes(["diet", "shoe"]),), ("diet", "shoe"))
    attributes = [DIET, DIET | {"value": "No nuts"}, {"code": "shoe", "value": None}]
    assert normalize({"attributes": attributes}).groups["attendee"]["diet"] == "Vegan; No nuts"
    assert normalize({"diet": 5}).groups["attendee"] == {"diet": "5"}
    assert "shoe" not in normalize({"attributes": attributes}).groups["attendee"]


def test_a_custom_attribute_is_known_by_its_code_alone() -> None:
    normalize = Normalizer((xdm.ATTENDEE.with_attributes(["diet"]),), ("diet",))
    labelled = [{"code": "other", "name": "diet", "value": "Vegan"}]
    assert normalize({"attributes": labelled}).groups["attendee"] == {"attributes": labelled}


def test_a_custom_attribute_that_is_hidden_is_in_no_list() -> None:
    group = xdm.ATTENDEE.with_attributes(["diet", "shoe"])
    said = {"attributes": [DIET, {"code": "shoe", "name": None, "value": "43"}]}
    without_diet = Normalizer((group.hiding({"diet"}),), ("diet", "shoe"))
    assert without_diet(said).groups["attendee"] == {
        "shoe": "43",
        "attributes": said["attributes"][1:],
    }
    without_list = Normalizer((group.hiding({"attributes"}),), ("diet", "shoe"))
    assert without_list(said).groups["attendee"] == {"diet": "Vegan", "shoe": "43"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
NATURAL = st.sampled_from(
    [
        *("Yes", "true", "0", "1.0", "60", "60.0", 60.0, 1680309557133, "1680309557133"),
        *(
            "2026-10-27",
            "2026-10-27 09:00:00",
            "2026/10/27 09:00:00",
            "2026-10-27T09:00:00Z",
            "09:00",
        ),
        *([DIET], {"diet": "Vegan"}, "", None),
    ]
)


@st.composite
def raw_records(draw: st.DrawFn, groups: tuple[xdm.Group, ...]) -> dict[str, t.Any]:
    names = [
        spelling
        for group in groups
        for field in group.fields
        for spelling in (field.name, *field.aliases, group.name + field.name)
    ]
    spell = st.sampled_from([str, str.lower, str.upper, lambda name: f"{name[:3]}_{name[3:]}"])
    known = st.builds(lambda name, how: how(name), st.sampled_from(names), spell)
    key = known | st.text(max_size=8)
    record: dict[str, t.Any] = draw(st.dictionaries(key, NATURAL | JSON, max_size=12))
    if draw(st.booleans()):
        group = draw(st.sampled_from(groups))
        record[group.name] = draw(st.dictionaries(key, NATURAL | JSON, max_size=4) | JSON)
    return record


@pytest.mark.parametrize("stream", GROUPS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_plan_reads_what_the_reader_reads(stream: str, data: st.DataObject) -> None:
    groups = GROUPS[stream]
    if data.draw(st.booleans()):
        fields = st.sampled_from([field.name for field in groups[0].fields])
        hidden = groups[0].hiding(data.draw(st.sets(fields, max_size=3)))
        groups = (replace(hidden, is_open=False), *groups[1:])
    by_plan, by_reader = Normalizer(groups, ("diet",)), Normalizer(groups, ("diet",))
    raw = data.draw(raw_records(groups))
    values = st.tuples(*[NATURAL | JSON] * len(raw))
    for same_keys in (raw, *(dict(zip(raw, data.draw(values), strict=True)) for _ in range(2))):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(normalization, "LONGEST_PLAN", -1)
            expected = by_reader(same_keys)
        assert by_plan(same_keys) == expected
        assert by_plan.left_out == by_reader.left_out


def test_keys_that_are_made_up_are_not_remembered_for_ever() -> None:
    normalize = Normalizer(GROUPS["attendees"])

    def read(first: int) -> None:
        for number in range(first, first + 2000):
            shaped, _ = normalize({"id": "1", f"made{number % 9000}": "x", "y" * number: "z"})
            assert shaped["attendee"][f"made{number % 9000}"] == "x"

    tracemalloc.start()
    read(0)
    before, _ = tracemalloc.get_traced_memory()
    read(2000)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 2_000_000


def test_fields_that_are_left_out_are_not_remembered_for_ever() -> None:
    main, event = GROUPS["attendees"]
    normalize = Normalizer((replace(main, is_open=False), event))
    for number in range(12_000):
        normalize({"id": "1", f"made{number}": "x", f"empty{number}": ""})
    assert len(normalize.left_out) == normalization.MOST_KEYS
    assert "attendee.empty1" not in normalize.left_out


def leaves(raw: dict[str, t.Any], groups: tuple[xdm.Group, ...]) -> list[dict[str, t.Any]]:
    """Each non-empty key of a record, alone; those within a group within that group."""
    names = {group.name for group in groups}
    found: list[dict[str, t.Any]] = []
    for key, value in raw.items():
        if key in names and isinstance(value, dict):
            found += [{key: {inner: v}} for inner, v in value.items() if v not in (None, "")]
        elif value not in (None, ""):
            found.append({key: value})
    return found


VALIDATORS = {
    stream: jsonschema.Draft202012Validator(xdm.record_schema(groups[:-1]))
    for stream, groups in GROUPS.items()
}


@pytest.mark.parametrize("stream", GROUPS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_whatever_comes_in_fits_and_nothing_is_lost(stream: str, data: st.DataObject) -> None:
    groups = GROUPS[stream]
    raw = data.draw(raw_records(groups))
    shaped, unread = Normalizer(groups)(raw)
    VALIDATORS[stream].validate({"event_code": "", "_id": "1", "timestamp": None, **shaped})
    for leaf in leaves(raw, groups):
        alone, alone_unread = Normalizer(groups)(leaf)
        if not any(alone.values()):
            assert all(value in unread.values() for value in alone_unread.values())
            continue
        ((group, fields),) = [(g, f) for g, f in alone.items() if f]
        ((name, value),) = fields.items()
        assert name in shaped[group]
        if value is None:
            (raw_value,) = alone_unread.values()
            assert raw_value in unread.values()
        else:
            held = shaped[group][name]
            lists = isinstance(value, list) and isinstance(held, list)
            joined = lists and all(entry in held for entry in value)
            (said,) = (leaf[group] if isinstance(leaf.get(group), dict) else leaf).values()
            kept = [*shaped[group].values(), *unread.values()]
            assert joined or value == held or value in kept or said in kept
