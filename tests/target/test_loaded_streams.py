"""A run that moved nothing does not look like success, and one with nothing to move does."""

from __future__ import annotations

import json
import typing as t

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Singer = t.Any
    Script = t.Any
    Serve = Callable[..., t.ContextManager[Script]]

TEXT = {"type": ["string", "null"]}
ADA = "ada@example.com"
STATE = {"type": "STATE", "value": {"n": 1}}


def accept(*_: object) -> tuple[int, Json, dict[str, str]]:
    return 200, {"responseCode": "0"}, {}


@pytest.fixture
def served(script: Serve) -> Iterator[Script]:
    with script(accept) as serving:
        yield serving


def stream(name: str, record: Json | None, properties: Json | None = None) -> list[Json]:
    """A stream of one record, or of none, whose schema says what is told or what is in it."""
    declared = properties if properties is not None else {key: {} for key in record or {}}
    schema = {"properties": declared}
    messages: list[Json] = [
        {"type": "SCHEMA", "stream": name, "key_properties": [], "schema": schema}
    ]
    if record is not None:
        messages.append({"type": "RECORD", "stream": name, "record": record})
    return messages


def nested(*path: str) -> Json:
    """Properties that declare a path."""
    *groups, last = path
    properties: Json = {last: TEXT}
    for group in reversed(groups):
        properties = {group: {"type": ["object", "null"], "properties": properties}}
    return properties


SESSIONS = stream("sessions", {"id": "1", "room": "A"})

UNUSABLE: t.Final = [
    ({"properties": {"email": ADA}}, nested("properties", "email"), "properties.email"),
    ({"traits": {"email": ADA}}, nested("traits", "email"), "traits.email"),
    ({"person": {"mail": ADA}}, nested("person", "mail"), "person.mail"),
    ({"a": {"b": {"E-Mail": ADA}}}, nested("a", "b", "E-Mail"), "a.b.E-Mail"),
    ({"Email Address*": ADA}, None, "Email Address*"),
    ({"\ufeffemail": ADA}, None, r"\ufeffemail"),
    ({"traits.email": ADA}, None, "traits.email"),
]


@pytest.mark.parametrize(("record", "properties", "named"), UNUSABLE, ids=str)
def test_a_run_without_an_address_fails_keeps_its_state_and_says_what_would_mend_it(
    call: Run, served: Script, record: Json, properties: Json | None, named: str
) -> None:
    declared = {"id": TEXT} | (properties or dict.fromkeys(record, TEXT))
    messages = [*stream("contacts", {"id": "1"} | record, declared), STATE]
    ended = call(messages, served.settings)
    assert ended.code == 65
    assert ended.states == []
    assert served.bodies == []
    assert "Nothing could be loaded" in ended.error
    assert "Stream contacts has no e-mail field" in ended.error
    assert "Its columns are id, " in ended.error
    mended = ended.error.partition("set field_map: ")[2].partition("}")[0] + "}"
    assert mended == f'{{"email": "{named}"}}'
    ended = call(messages, served.settings | {"field_map": json.loads(mended)})
    assert ended.code == 0, ended.log
    assert [body["email"] for body in served.bodies] == [ADA]
    assert ended.states == [STATE["value"]]


@pytest.mark.parametrize(
    "column", [{}, {"type": ["object", "null"]}, {"type": "object", "properties": {}}], ids=str
)
def test_an_object_that_declares_nothing_is_reached_too(
    call: Run, served: Script, column: Json
) -> None:
    record = {
        "id": "1",
        "payload": {"who": {"email.work": ADA}},
        "attributes": [{"code": "diet.kind", "value": "Vegan"}],
    }
    messages = [*stream("contacts", record, {"id": TEXT, "payload": column, "attributes": {}})]
    ended = call([*messages, STATE], served.settings)
    assert (ended.code, ended.states) == (65, [])
    assert "Its columns are id, payload, attributes." in ended.error
    maps = {
        "field_map": {"email": "payload.who.email.work"},
        "extra_fields": {"diet": "attributes.diet.kind"},
    }
    ended = call([*messages, STATE], served.settings | maps)
    assert ended.code == 0, ended.log
    assert served.bodies == [{"email": ADA, "diet": "Vegan"}]


def test_a_text_holds_no_column(call: Run, served: Script) -> None:
    messages = stream("people", {"email": ADA, "crm": "x"}, {"email": TEXT, "crm": TEXT})
    ended = call(messages, served.settings | {"field_map": {"jobtitle": "crm.role"}})
    assert ended.code == 78
    assert "Stream people has no column crm.role, which field_map names" in ended.error


@pytest.mark.parametrize(
    "change",
    [
        {"field_map": {"city": "place.town"}},
        {"extra_fields": {"diet": "place.town"}},
        {"consent_field": "place.town"},
    ],
    ids=str,
)
@pytest.mark.parametrize("where", ["first", "later"])
def test_a_column_that_is_named_and_not_there_stops_before_anything_of_its_stream(
    call: Run, served: Script, change: Json, where: str
) -> None:
    good = {"email": ADA, "place": {"town": "yes"}}
    properties = {"email": TEXT, **nested("place", "town")}
    bad = stream(
        "people",
        {"email": "eve@example.com", "place": {"city": "yes"}},
        {"email": TEXT, **nested("place", "city")},
    )
    first = stream("people", good, properties) if where == "later" else []
    ended = call([*first, *bad, STATE], served.settings | change)
    assert ended.code == 78
    assert "Stream people has no column place.town" in ended.error
    assert "Its columns are email, place.city." in ended.error
    assert [body["email"] for body in served.bodies] == [ADA] * (where == "later")
    assert ended.states == []


def test_a_loaded_stream_may_not_lose_its_address(call: Run, served: Script) -> None:
    messages = [
        *stream("people", {"email": ADA}),
        STATE,
        *stream("people", {"mail_id": "7"}),
        {"type": "STATE", "value": {"n": 2}},
    ]
    ended = call(messages, served.settings | {"unmapped_streams": "skip"})
    assert ended.code == 65
    assert "Stream people has no e-mail field any more, in a SCHEMA that came later" in ended.error
    assert [body["email"] for body in served.bodies] == [ADA]
    assert ended.states == [STATE["value"]]


@pytest.mark.parametrize("settings", [{}, {"streams": ["people"]}, {"streams": ["people", "x"]}])
def test_a_state_waits_until_a_stream_is_loaded(call: Run, served: Script, settings: Json) -> None:
    messages = [*SESSIONS, STATE, *stream("people", {"email": ADA})]
    ended = call(messages, served.settings | settings)
    assert ended.code == 0, ended.log
    assert ended.states == [STATE["value"]]
    absent = [line for line in ended.lines("WARNING") if "Stream x, which streams names" in line]
    assert len(absent) == ("x" in settings.get("streams", ()))


def test_streams_that_are_named_and_do_not_come_fail_the_run(call: Run, served: Script) -> None:
    messages = [*SESSIONS, *stream("people", {"email": ADA}), STATE]
    for unmapped in ("auto", "skip"):
        change = {"streams": ["attendees", "guests"], "unmapped_streams": unmapped}
        ended = call(messages, served.settings | change)
        assert ended.code == 65
        assert "No stream that setting streams names is in the input" in ended.error
        assert "which has people, sessions" in ended.error
        assert (ended.states, served.bodies) == ([], [])


def test_a_stream_that_came_without_records_came(call: Run, served: Script) -> None:
    messages = [*stream("people", None, {"email": TEXT}), *SESSIONS, STATE]
    for change in ({}, {"streams": ["people"]}):
        ended = call(messages, served.settings | change)
        assert (ended.code, ended.states) == (0, [STATE["value"]])


GONE = {"sessions": None}
ALL_FILTERED: t.Final = [
    ([], {}),
    (SESSIONS[:1], {}),
    (SESSIONS[:1], {"streams": ["people"]}),
    (SESSIONS, {"unmapped_streams": "skip"}),
    (SESSIONS, {"stream_maps": GONE}),
    (SESSIONS, {"stream_maps": {"sessions": {"__filter__": "id == '2'"}}}),
    (stream("people", {"email": ADA, "ok": "no"}), {"consent_field": "ok"}),
    (stream("people", {"email": ADA}), {"stream_maps": {"people": None}, "consent_field": "ok"}),
]


@pytest.mark.parametrize(("messages", "change"), ALL_FILTERED, ids=str)
def test_a_run_with_nothing_to_move_ends_well(
    call: Run, served: Script, messages: list[Json], change: Json
) -> None:
    ended = call([*messages, STATE], served.settings | change)
    assert ended.code == 0, ended.log
    assert ended.states == [STATE["value"]]
    assert served.bodies == []


def test_a_stream_that_is_removed_is_not_loaded(call: Run, served: Script) -> None:
    messages = [*SESSIONS, *stream("people", {"email": ADA}), STATE]
    ended = call(messages, served.settings | {"stream_maps": {"people": None}})
    assert (ended.code, ended.states) == (65, [])


@pytest.mark.parametrize(
    "change", [{}, {"unmapped_streams": "fail"}, {"streams": ["people"]}], ids=str
)
def test_the_test_stream_of_meltano_passes(call: Run, served: Script, change: Json) -> None:
    record = {"id": 1, "name": "Meltano Test Record", "created_at": "2025-09-29T00:00:00Z"}
    ended = call([*stream("meltano_test_stream", record), STATE], served.settings | change)
    assert ended.code == 0, ended.log
    assert ended.states == [STATE["value"]]


def test_what_only_the_records_can_tell_is_told_at_the_end(call: Run, served: Script) -> None:
    messages = stream("people", {"email": ADA, "attributes": [{"code": "diet", "value": "x"}]})
    change = {"extra_fields": {"a": "attributes.diet", "b": "attributes.deit"}}
    ended = call(messages, served.settings | change)
    assert ended.code == 0, ended.log
    assert "No record of stream people has attributes.deit, which a setting names" in ended.log
    assert "has attributes.diet" not in ended.log
