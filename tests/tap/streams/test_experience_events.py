"""The stream experience_events: whatever is pushed comes out of the inbox once, and in shape."""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
import typing as t
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import jsonschema
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_rainfocus.inbox.keeping import KeptInbox
from tap_rainfocus.inbox.models import Message
from tap_rainfocus.receiver.bodies import BodyReader
from tap_rainfocus.schema import xdm
from tap_rainfocus.tap import TapRainFocus

if t.TYPE_CHECKING:
    from collections.abc import Callable

    Run = t.Any
    Payload = dict[str, t.Any]
    Settings = dict[str, t.Any]
    TapRunner = Callable[..., Run]
    TapStarter = Callable[..., t.Any]
    InboxFiller = Callable[..., None]
    InboxMaker = Callable[..., Settings]

STREAM = "experience_events"
ROOT_FIELDS = ("timestamp", "eventType", "transmissionId")
GROUP_FIELDS = {
    "event": ("name",),
    "attendee": ("registered", "attendeeId", "externalId", "clientId", "email"),
    "exhibitor": ("exhibitorId", "externalId", "name"),
    "lead": ("leadId", "note"),
    "session": ("sessionId", "externalId", "code", "title", "length"),
    "sessiontime": ("sessiontimeId", "startTime", "endTime", "room"),
}
SCHEMA = xdm.experience_schema(xdm.EXPERIENCE)
VALIDATOR = jsonschema.Draft202012Validator(
    SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)
# A payload as RainFocus probably sends it; its nesting is assumed.
CASES = Path(__file__).parents[2] / "cases"
ASSUMED: Payload = json.loads((Path(__file__).parents[1] / "assumed_event.json").read_text())


def numbered(first: int, last: int) -> list[Payload]:
    return [{"transmissionId": f"t{n}", "eventType": "Test"} for n in range(first, last + 1)]


@pytest.fixture
def inbox(tmp_path: Path, fill_inbox: InboxFiller) -> InboxMaker:
    """Settings for an inbox that holds what the bodies held."""

    def make(*bodies: object, **more: object) -> Settings:
        url = f"sqlite:///{tmp_path / 'inbox.db'}"
        fill_inbox(url, *bodies)
        return {"inbox_url": url} | more

    return make


def records(run: Run) -> list[Payload]:
    assert run.code == 0, run.log
    found: list[Payload] = run.records(STREAM)
    return found


def warnings(run: Run) -> list[str]:
    return [line.split("| ")[-1] for line in run.log.splitlines() if "| WARNING" in line]


def bookmark(run: Run) -> object:
    return run.state["bookmarks"][STREAM]["replication_key_value"]


def state_at(value: object) -> dict[str, t.Any]:
    mark = {"replication_key": "inboxSequence", "replication_key_value": value}
    return {"bookmarks": {STREAM: mark}}


def test_an_event_comes_out_as_the_field_table_has_it(
    run_tap: TapRunner, inbox: InboxMaker
) -> None:
    run = run_tap(inbox(ASSUMED))
    (record,) = records(run)
    ours = {"_id": record["_id"], "inboxSequence": 1, "_unread": None}
    assert record == ASSUMED | ours
    assert re.fullmatch(r"1700000000000001AbCd-[0-9a-f]{16}", record["_id"])
    assert list(record) == list(SCHEMA["properties"])
    assert run.schema(STREAM)["properties"].keys() == SCHEMA["properties"].keys()
    assert bookmark(run) == 1
    assert warnings(run) == []


def test_an_inbox_needs_no_connection_to_rainfocus(run_tap: TapRunner, inbox: InboxMaker) -> None:
    settings = inbox(ASSUMED, numbered(1, 2), inbx=1)
    tested = run_tap(settings, "--test")
    assert len(records(tested)) == 1
    assert "Setting inbx is not known" in tested.log
    found = json.loads(run_tap(settings, "--discover").output)
    assert [stream["tap_stream_id"] for stream in found["streams"]] == [STREAM]


def test_other_streams_still_do(
    run_tap: TapRunner, inbox: InboxMaker, only_attendees: tuple[str, str]
) -> None:
    run = run_tap(inbox(ASSUMED), *only_attendees)
    assert run.code == 78
    assert len(run.errors) == 1
    assert "Setting org_id is missing" in run.errors[0]


SHAPES: dict[str, tuple[Payload, Payload, Payload]] = {
    "dotted": (
        {"attendee.email": "a@b.c", "session.length": "90", "event.name": "Summit"},
        {"attendee": {"email": "a@b.c"}, "session": {"length": 90}, "event": {"name": "Summit"}},
        {},
    ),
    "mixed": (
        {"attendee.email": "a@b.c", "attendee": {"registered": True}},
        {"attendee": {"email": "a@b.c", "registered": "Yes"}},
        {},
    ),
    "said twice": (
        {"attendee.email": "a@b.c", "attendee": {"email": "d@e.f"}},
        {"attendee": {"email": "d@e.f", "attendee.email": "a@b.c"}},
        {},
    ),
    "spelled in one": (
        {"attendeeEmail": "a@b.c", "sessiontime_room": "B32", "eventName": "Summit"},
        {
            "attendee": {"email": "a@b.c"},
            "sessiontime": {"room": "B32"},
            "event": {"name": "Summit"},
        },
        {},
    ),
    "a group in other letters": (
        {"sessionTime": {"sessionTimeId": "1"}, "Lead": {"notes": "call"}},
        {"sessiontime": {"sessiontimeId": "1"}, "lead": {"note": "call"}},
        {},
    ),
    "a group twice": (
        {"lead": {"note": "a"}, "Lead": {"note": "b"}},
        {"lead": {"note": "a"}},
        {"Lead": {"note": "b"}},
    ),
    "names of fields without their group": (
        {"email": "a@b.c", "state": "sent", "type": "push", "name": "n", "id": 5},
        {"email": "a@b.c", "state": "sent", "type": "push", "name": "n", "id": 5},
        {},
    ),
    "what nobody knows": (
        {"pushNumber": 5, "attendee": {"shoe": [43]}, "": {"attendee": 1}, "a.b": {"c": "d"}},
        {"pushNumber": 5, "attendee": {"shoe": [43]}, "": {"attendee": 1}, "a.b": {"c": "d"}},
        {},
    ),
    "empty values": (
        {"attendee": {"email": ""}, "lead": None, "session": "", "more": None},
        {},
        {},
    ),
    "groups that are none": (
        {"attendee": "somebody", "session": [[{"code": "GS1"}]], "lead.note": "call"},
        {"lead": {"note": "call"}},
        {"attendee": "somebody", "session": [[{"code": "GS1"}]]},
    ),
    "groups that are arrays of one": (
        {"session": [{"code": "GS1"}], "Attendee": [{"email": "a@b.c"}]},
        {"session": {"code": "GS1"}, "attendee": {"email": "a@b.c"}},
        {},
    ),
    "dotted in other letters": (
        {"Attendee.attendeeId": "7", "SESSION.Code": "GS1", "Lead.mood": "fine"},
        {"attendee": {"attendeeId": "7"}, "session": {"code": "GS1"}, "lead": {"mood": "fine"}},
        {},
    ),
    "unreadable values": (
        {"session": {"length": "long"}, "attendee": {"registered": "perhaps"}},
        {"session": {"length": None}, "attendee": {"registered": None}},
        {"session.length": "long", "attendee.registered": "perhaps"},
    ),
    "names of ours": (
        {"_id": "mine", "inboxSequence": "first"},
        {},
        {"_id": "mine", "inboxSequence": "first"},
    ),
}


@pytest.mark.parametrize(("said", "shaped", "unread"), SHAPES.values(), ids=SHAPES.keys())
def test_shapes(inbox: InboxMaker, said: Payload, shaped: Payload, unread: Payload) -> None:
    settings = inbox({"transmissionId": 1, **said}, {"transmissionId": 2, **said})
    first, second = read(settings["inbox_url"])
    assert without(NOT_SHAPED, first) == without(NOT_SHAPED, second)
    VALIDATOR.validate(first)
    nothing: Payload = {name: {} for name in GROUP_FIELDS}
    assert without(NOT_SHAPED, first) == nothing | shaped
    assert json.loads(first["_unread"] or "{}") == unread


NOT_SHAPED = {"_id", "transmissionId", "inboxSequence", "timestamp", "eventType", "_unread"}


def without(names: set[str], record: Payload) -> Payload:
    return {key: value for key, value in record.items() if key not in names}


def read(url: str, **more: object) -> list[Payload]:
    """The records of an inbox, without a command around it."""
    tap = TapRainFocus(config={"inbox_url": url} | more)
    return t.cast("list[Payload]", list(tap.streams[STREAM].get_records(None)))


@pytest.mark.parametrize(
    ("said", "timestamp"),
    [
        ("2023-04-01T00:41:57.000Z", "2023-04-01T00:41:57.000Z"),
        ("2023-04-01T02:41:57+02:00", "2023-04-01T00:41:57.000Z"),
        ("2023-04-01 00:41:57", "2023-04-01T00:41:57.000Z"),
        ("Sat, 01 Apr 2023 00:41:57 GMT", "2023-04-01T00:41:57.000Z"),
        ("1 Apr 2023 02:41:57 +0200", "2023-04-01T00:41:57.000Z"),
        (1680309717000, "2023-04-01T00:41:57.000Z"),
        (1680309717, "2023-04-01T00:41:57.000Z"),
        ("1680309717.0", "2023-04-01T00:41:57.000Z"),
        (1680309717.25, "2023-04-01T00:41:57.250Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("Sat, 31 Dec 2016 23:59:60 GMT", "2017-01-01T00:00:00.000Z"),
        ("2017-01-01T05:29:60.500+05:30", "2017-01-01T00:00:00.500Z"),
    ],
)
def test_the_time_of_an_event(inbox: InboxMaker, said: object, timestamp: str) -> None:
    (record,) = read(inbox({"eventType": "x", "timestamp": said})["inbox_url"])
    assert record["timestamp"] == timestamp
    assert record["_unread"] is None


@pytest.mark.parametrize(
    "said", ["soon", True, 12345, [], {"s": 1}, "Sat, 01 Apr 2023 25:00:00 GMT", "01/04/23 10:00"]
)
def test_a_time_that_cannot_be_read_does_not_become_another(
    run_tap: TapRunner, inbox: InboxMaker, said: object
) -> None:
    run = run_tap(inbox({"eventType": "x", "timestamp": said}))
    (record,) = records(run)
    VALIDATOR.validate(record)
    assert record["timestamp"] is None
    assert json.loads(record["_unread"]) == {"timestamp": said}
    assert any("1 values of timestamp cannot be read" in line for line in warnings(run))


@pytest.mark.parametrize("said", [None, ""])
def test_without_a_timestamp_that_of_the_receiver_counts(inbox: InboxMaker, said: object) -> None:
    settings = inbox({"eventType": "x", "timestamp": said})
    with closing(KeptInbox(settings["inbox_url"])) as opened:
        (row,) = opened.read(0, 10)
    received = row.received_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    (record,) = read(settings["inbox_url"])
    assert record["timestamp"] == received


def ids(found: list[Payload]) -> list[str | None]:
    """The transmissions' ids; that of a record begins with it."""
    assert all(one["_id"].startswith(f"{one['transmissionId']}-") for one in found)
    return [one["transmissionId"] for one in found]


def test_what_is_no_event_never_comes_out(run_tap: TapRunner, inbox: InboxMaker) -> None:
    settings = inbox({"hello": 1}, ASSUMED, [1, None], {"messages": []})
    run = run_tap(settings)
    assert ids(records(run)) == [ASSUMED["transmissionId"]]
    assert bookmark(run) == 4
    told = "3 messages in the inbox are not read as events (3 no-event): see"
    for run_ in (run, run_tap(settings, state=run.state)):
        assert [line.startswith(told) for line in warnings(run_)] == [True]


def deep(levels: int) -> Payload:
    """An event as deep as JSON writers go, less some levels."""
    inner: Payload = {}
    while True:
        try:
            orjson.dumps({"eventType": "deep", "session": {"times": {"x": inner}}})
        except TypeError:
            break
        inner = {"x": inner}
    for _ in range(levels):
        inner = inner["x"]
    return {"eventType": "deep", "session": {"times": inner}}


def kept_before(payload: Payload) -> Message:
    """What a receiver kept that did not look at the depth."""
    text = json.dumps(payload)
    return Message(f"t{len(text)}", text, None, None, readable=True, fingerprint="")


def test_an_event_nested_too_deep_holds_nobody_back(run_tap: TapRunner, inbox: InboxMaker) -> None:
    settings = inbox(ASSUMED)
    with closing(KeptInbox(settings["inbox_url"])) as opened:
        opened.append([kept_before(deep(0)), kept_before(deep(1))])
    after, too_deep, kept = records(run_tap(settings))
    assert too_deep["session"] == {"times": None}
    assert json.loads(too_deep["_unread"]) == {"session.times": [deep(0)["session"]["times"]]}
    assert len(too_deep["_id"]) == 64
    assert kept["session"]["times"] == [deep(1)["session"]["times"]]  # a list, as in sessions
    assert after["session"] == ASSUMED["session"]
    for record in (too_deep, after):
        VALIDATOR.validate(record)


STORABLE = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(STORABLE, max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(STORABLE, max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
TEXT = st.text(STORABLE, min_size=1, max_size=8).map(lambda text: (text, text)) | st.integers(
    0, 999
).map(lambda number: (number, str(number)))
# Values as they may come, each with what the record then says.
VALUES: dict[str, st.SearchStrategy[tuple[t.Any, t.Any]]] = {
    "registered": st.sampled_from([("Yes", "Yes"), (True, "Yes"), ("no", "No"), (0, "No")]),
    "length": st.sampled_from([(90, 90), ("90", 90), (90.0, 90), (0, 0)]),
    "startTime": st.sampled_from(
        [("2023-03-22 10:00:00",) * 2, ("2023-03-22T10:00", "2023-03-22 10:00:00")]
    ),
    "timestamp": st.sampled_from(
        [("2023-04-01T00:41:57.000Z",) * 2, (1680309717000, "2023-04-01T00:41:57.000Z")]
    ),
}
VALUES["endTime"] = VALUES["startTime"]
PATHS = [(group, name) for group, names in GROUP_FIELDS.items() for name in names]
UNKNOWN = st.tuples(
    st.sampled_from(["", *GROUP_FIELDS]),
    st.text(STORABLE, max_size=6).map(lambda text: f"x_{text.replace('.', '')}"),
)


@st.composite
def events(draw: st.DrawFn) -> tuple[Payload, Payload]:
    """An event in some shape, and what its record is to hold."""
    payload: Payload = {}
    expected: Payload = {name: {} for name in GROUP_FIELDS}
    for name in ("eventType", "timestamp"):
        if draw(st.booleans()):
            payload[name], expected[name] = draw(VALUES.get(name, TEXT))
    parts = [
        (path, draw(VALUES.get(path[1], TEXT))) for path in draw(st.sets(st.sampled_from(PATHS)))
    ]
    parts += [
        (path, (value, value))
        for path, value in draw(st.dictionaries(UNKNOWN, JSON, max_size=3)).items()
    ]
    for (group, name), (value, regular) in parts:
        if not group:
            payload[name] = value
            if value not in (None, ""):
                expected[name] = regular
            continue
        if draw(st.booleans()):
            payload[f"{group}.{name}"] = value
        else:
            payload.setdefault(group, {})[name] = value
        if value is not None and value != "":
            expected[group][name] = regular
    keys = draw(st.permutations(list(payload)))
    return {key: payload[key] for key in keys}, expected


@st.composite
def bodies_of(draw: st.DrawFn, pushed: list[Payload]) -> list[object]:
    """The payloads in bodies: alone, as an array, as messages."""
    bodies: list[object] = [{"messages": []}, []]
    while pushed:
        size = draw(st.integers(1, len(pushed)))
        some, pushed = pushed[:size], pushed[size:]
        alone: list[object] = list(some)
        bodies += draw(st.sampled_from([alone, [some], [{"messages": some}]]))
    return bodies


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_every_shape_comes_out_once_with_its_values_in_place(
    fill_inbox: InboxFiller, data: st.DataObject
) -> None:
    drawn = data.draw(st.lists(events(), min_size=1, max_size=6))
    pushed = [{**payload, "transmissionId": f"t{n}"} for n, (payload, _) in enumerate(drawn)]
    with tempfile.TemporaryDirectory() as folder:
        fill_inbox(f"sqlite:///{folder}/inbox.db", *data.draw(bodies_of(pushed)))
        found = read(f"sqlite:///{folder}/inbox.db")
    assert ids(found) == [f"t{n}" for n in range(len(drawn))]
    for record, (_, expected) in zip(found, drawn, strict=True):
        VALIDATOR.validate(record)
        assert record == record | expected
        assert record.keys() == SCHEMA["properties"].keys() | expected.keys()


NAMES = st.sampled_from(
    [
        *ROOT_FIELDS,
        *GROUP_FIELDS,
        *(f"{group}.{name}" for group, name in PATHS),
        *(f"{group}{name}".upper() for group, name in PATHS),
        *("sessionTime", "_id", "inboxSequence", "attributes", "attendee.attributes"),
    ]
)
GROUP = st.dictionaries(
    st.sampled_from([name for _, name in PATHS] + ["attributes", "times", "Email"])
    | st.text(max_size=6),
    JSON,
    max_size=4,
)


@settings(max_examples=12, deadline=None)
@given(
    pushed=st.lists(
        st.dictionaries(NAMES | st.text(max_size=6), JSON | GROUP, max_size=8), max_size=6
    )
)
def test_whatever_is_pushed_fits_the_schema(fill_inbox: InboxFiller, pushed: list[Payload]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fill_inbox(f"sqlite:///{folder}/inbox.db", pushed)
        found = read(f"sqlite:///{folder}/inbox.db")
        with closing(KeptInbox(f"sqlite:///{folder}/inbox.db")) as opened:
            assert len(found) == opened.counts()["events"]
    assert len({record["_id"] for record in found}) == len(found)
    for record in found:
        VALIDATOR.validate(record)
        json.dumps(record, allow_nan=False)


def test_a_run_that_is_killed_goes_on_from_its_last_state(
    run_tap: TapRunner, start_tap: TapStarter, inbox: InboxMaker
) -> None:
    settings = inbox(numbered(1, 6000))
    tap = start_tap(settings)
    lines = [tap.stdout.readline() for _ in range(2500)]
    tap.kill()
    tap.wait()
    written = [json.loads(line) for line in lines]
    states = [m["value"]["bookmarks"][STREAM] for m in written if m["type"] == "STATE"]
    marks = [state["replication_key_value"] for state in states if state]
    assert marks == [1000, 2000]
    for before, after in pairwise([0, *marks]):
        between = written[before : after + 8]
        assert any(m["type"] == "STATE" for m in between)
    again = run_tap(settings, state=state_at(marks[-1]))
    assert [record["inboxSequence"] for record in records(again)] == list(range(2001, 6001))
    assert bookmark(again) == 6000
    assert records(run_tap(settings, state=again.state)) == []


def test_a_run_ends_while_events_come_in_and_none_is_missed(
    run_tap: TapRunner, inbox: InboxMaker, fill_inbox: InboxFiller
) -> None:
    settings = inbox(numbered(1, 10))
    ended = threading.Event()
    sent = 10

    def push_on() -> None:
        nonlocal sent
        while not ended.is_set():
            fill_inbox(settings["inbox_url"], numbered(sent + 1, sent + 10))
            sent += 10
            time.sleep(0.005)

    pushing = threading.Thread(target=push_on)
    pushing.start()
    try:
        runs = [run_tap(settings)]
        before = sent
        while sent == before:
            time.sleep(0.001)
        runs.append(run_tap(settings, state=runs[-1].state))
        still_pushing = pushing.is_alive()
    finally:
        ended.set()
        pushing.join()
    runs.append(run_tap(settings, state=runs[-1].state))
    assert still_pushing
    assert all(records(run) for run in runs)
    everything = ids([record for run in runs for record in records(run)])
    assert everything == [f"t{n}" for n in range(1, sent + 1)]


def test_a_run_reads_what_was_there_when_it_began(
    inbox: InboxMaker, fill_inbox: InboxFiller
) -> None:
    settings = inbox(numbered(1, 60))
    tap = TapRainFocus(config=settings)
    reading = iter(tap.streams[STREAM].get_records(None))
    next(reading)
    fill_inbox(settings["inbox_url"], numbered(61, 70))
    assert len(list(reading)) == 59
    assert tap.state["bookmarks"][STREAM]["replication_key_value"] == 60


def test_both_ways_of_writing_give_the_same(run_tap: TapRunner, inbox: InboxMaker) -> None:
    settings = inbox(ASSUMED, {"eventType": "x", "more": [1], "lead": {"more": 2}})
    fast = run_tap(settings)
    slow = run_tap(settings | {"stream_maps": {STREAM: {"_id": "_id"}}})
    assert records(slow) == records(fast)
    assert slow.state == fast.state


def test_stream_maps_filter_and_hash(run_tap: TapRunner, inbox: InboxMaker) -> None:
    maps = {
        STREAM: {
            "__filter__": "eventType == 'SessionScheduled'",
            "attendee": "dict(attendee, email=sha256(attendee['email']))",
        }
    }
    run = run_tap(inbox(ASSUMED, numbered(1, 5), stream_maps=maps))
    (record,) = records(run)
    assert len(record["attendee"]["email"]) == 64
    assert bookmark(run) == 6  # what is filtered is read all the same


def test_deselected_fields_stay_out_and_the_sequence_stays_in(
    run_tap: TapRunner, inbox: InboxMaker, tmp_path: Path
) -> None:
    settings = inbox(ASSUMED)
    catalog = json.loads(run_tap(settings, "--discover").output)
    for entry in catalog["streams"][0]["metadata"]:
        name = entry["breadcrumb"][-1:]
        entry["metadata"]["selected"] = name not in (["email"], ["inboxSequence"], ["lead"])
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps(catalog))
    run = run_tap(settings, "--catalog", str(file))
    (record,) = records(run)
    assert "email" not in record["attendee"]
    assert "lead" not in record
    assert record["inboxSequence"] == bookmark(run) == 1


def test_flattened_every_field_is_a_column_and_nothing_else_is(
    run_tap: TapRunner, inbox: InboxMaker
) -> None:
    unknown = {"more": 1, "attendee": {"shoe": 43, "email": "a@b.c"}, "session": "none"}
    flat = {"flattening_enabled": True, "flattening_max_depth": 1}
    run = run_tap(inbox(ASSUMED, *({"transmissionId": n, **unknown} for n in range(2)), **flat))
    columns = run.schema(STREAM)["properties"].keys()
    assert {"attendee__email", "sessiontime__sessiontimeId", "eventType"} <= columns
    first, second, _ = records(run)
    assert first["attendee__email"] == "ada@example.com"
    assert second["attendee__email"] == "a@b.c"
    for record in records(run):
        assert record.keys() <= columns
    told = [line for line in warnings(run) if "left out" in line]
    assert len(told) == 1
    assert "2 fields that the schema does not know are left out" in told[0]
    assert told[0].endswith("attendee.shoe, more.")


def test_private_answers_of_speakers_stay_out(run_tap: TapRunner, inbox: InboxMaker) -> None:
    speaker = {"fullName": "Sam Sample", "attributevalues": [{"value": "a ramp"}]}
    said = [
        {"eventType": "x", "session": {"participants": [speaker]}},
        {
            "eventType": "x",
            "session": [[{"participants": [speaker]}]],
            "sessionParticipants": speaker,
        },
        {"eventType": "x", "presenters": speaker},
    ]
    run = run_tap(inbox(*said))
    assert [json.dumps(one).count("Sam Sample") for one in records(run)] == [1, 2, 1]
    assert "a ramp" not in run.output
    assert run_tap(inbox(*said, speaker_attributes=True)).output.count("a ramp") == 4


def test_what_no_database_takes_is_taken_out(run_tap: TapRunner, inbox: InboxMaker) -> None:
    said = [json.loads(line) for line in (CASES / "R05" / "events.jsonl").read_text().splitlines()]
    unknown = {"transmissionId": "p4", "lead": {"x\0": ["\0"]}}
    found = records(run_tap(inbox(*said, unknown)))
    assert [one["lead"].get("note") for one in found] == ["ok", "scanned", "ok", None]
    assert found[3]["lead"] == {"x": [""]}


def test_custom_attributes_become_fields(run_tap: TapRunner, inbox: InboxMaker) -> None:
    diet = [{"attribute_id": "diet", "attribute": "Your diet:", "value": "Vegan"}]
    settings = inbox(
        {"eventType": "x", "attendee": {"attributes": diet}, "session": {"diet": "None"}},
        custom_attributes=["diet", "email"],
    )
    run = run_tap(settings)
    (record,) = records(run)
    groups = run.schema(STREAM)["properties"]
    assert groups["attendee"]["properties"]["diet"]["type"] == ["string", "null"]
    assert record["attendee"]["diet"] == "Vegan"
    assert record["session"]["diet"] == "None"


def test_a_start_date_is_not_for_sequences(run_tap: TapRunner, inbox: InboxMaker) -> None:
    run = run_tap(inbox(numbered(1, 3), start_date="2026-01-01T00:00:00Z"))
    assert len(records(run)) == 3
    assert "2026-01-01" not in run.output


def test_an_inbox_that_has_been_pruned(
    run_tap: TapRunner, inbox: InboxMaker, fill_inbox: InboxFiller
) -> None:
    settings = inbox(numbered(1, 20))
    with closing(KeptInbox(settings["inbox_url"])) as opened:
        opened.prune(sequence=20)
    run = run_tap(settings, state=state_at(20))
    assert records(run) == []
    assert bookmark(run) == 20
    fill_inbox(settings["inbox_url"], numbered(21, 22))
    assert ids(records(run_tap(settings, state=run.state))) == ["t21", "t22"]


BOOKMARKS: dict[str, tuple[object, str]] = {
    "a time": ("2026-01-01T00:00:00Z", "in the state is not a sequence"),
    "a yes": (True, "in the state is not a sequence"),
    "of another inbox": (4, "beyond the end of the inbox (4 of 3): check inbox_url"),
}


@pytest.mark.parametrize(("value", "advice"), BOOKMARKS.values(), ids=BOOKMARKS.keys())
def test_a_bookmark_that_cannot_be(
    run_tap: TapRunner, inbox: InboxMaker, value: object, advice: str
) -> None:
    run = run_tap(inbox(numbered(1, 3)), state=state_at(value))
    assert run.code == 78
    assert len(run.errors) == 1, run.log
    assert advice in run.errors[0]


def test_an_empty_inbox_is_told(run_tap: TapRunner, inbox: InboxMaker) -> None:
    run = run_tap(inbox())
    assert records(run) == []
    assert warnings(run) == ["The inbox is empty: is inbox_url that of the receiver?"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://reader:s3cret@127.0.0.1:1/inbox",
        "nosuchdatabase://reader:s3cret@127.0.0.1/inbox",
        "sqlite:////nowhere/s3cret/inbox.db",
        "s3cret",
    ],
)
def test_an_inbox_that_cannot_be_used(run_tap: TapRunner, url: str) -> None:
    run = run_tap({"inbox_url": url}, environment={"LOGLEVEL": "debug"})
    assert run.code == 78
    assert len(run.errors) == 1, run.log
    assert "inbox_url" in run.errors[0]
    assert "s3cret" not in run.log


def test_an_inbox_that_cannot_be_used_is_told_before_anything_is_read(
    run_tap: TapRunner, settings: Settings
) -> None:
    run = run_tap(settings | {"inbox_url": "sqlite:////nowhere/inbox.db"})
    assert run.code == 78
    assert "inbox_url" in run.errors[0]
    assert run.output == ""


EVERYTHING = """
version: 1
disable_existing_loggers: false
handlers: {stderr: {class: logging.StreamHandler, stream: ext://sys.stderr}}
root: {level: DEBUG, handlers: [stderr]}
"""


def test_nothing_personal_in_the_log(run_tap: TapRunner, inbox: InboxMaker, tmp_path: Path) -> None:
    config = tmp_path / "log.yml"
    config.write_text(EVERYTHING)
    person = {"registered": "ada@example.com", "lastname": "Lovelace"}
    odd = {"lead": "ada@example.com", "attendee": person}
    environment = {"LOGLEVEL": "debug", "SINGER_SDK_LOG_CONFIG": str(config)}
    run = run_tap(inbox(ASSUMED, {"eventType": "x", **odd}), environment=environment)
    assert len(records(run)) == 2
    assert "1 values of attendee.registered cannot be read" in run.log
    assert "ada@example.com" not in run.log
    assert "Lovelace" not in run.log  # unlike an address, not known by its form
    assert "inbox.db" not in run.log


class TestWithoutAnInbox:
    """The stream is in the catalog, and whoever wants it is told what is missing."""

    def test_it_is_not_read_by_default(self, full_run: Run) -> None:
        assert STREAM not in full_run.output
        assert STREAM not in "".join(warnings(full_run))

    def test_selecting_it_is_an_error(self, run_tap: TapRunner, settings: Settings) -> None:
        run = run_tap(settings, select=[STREAM, "sessions"])
        assert run.code == 78
        assert len(run.errors) == 1, run.log
        assert "is selected, but setting inbox_url is missing: set it" in run.errors[0]
        assert run.output == ""

    def test_selecting_everything_is_not(self, run_tap: TapRunner, settings: Settings) -> None:
        found = json.loads(run_tap(None, "--discover").output)["streams"]
        run = run_tap(settings, select=[stream["tap_stream_id"] for stream in found])
        assert run.code == 0, run.log
        assert warnings(run) == []
        assert f"Stream {STREAM} is left out: inbox_url is not set." in run.log
        assert {m["stream"] for m in run.messages if m["type"] == "SCHEMA"} == {
            stream["tap_stream_id"] for stream in found
        } - {STREAM}


def test_an_inbox_beside_rainfocus(
    run_tap: TapRunner, inbox: InboxMaker, settings: Settings, full_run: Run
) -> None:
    run = run_tap(settings | inbox(ASSUMED))
    assert len(records(run)) == 1
    assert len(run.records("attendees")) == len(full_run.records("attendees"))
    again = run_tap(settings | inbox(), state=run.state)
    assert records(again) == []
    assert again.records("attendees") == []


@settings(max_examples=12, deadline=None)
@given(event=events(), data=st.data())
def test_what_is_regular_as_it_is_and_what_has_to_be_read_are_the_same(
    event: tuple[Payload, Payload], data: st.DataObject
) -> None:
    payload, _ = event
    read_body = BodyReader()
    spelled = {
        key.upper() if data.draw(st.booleans()) else key: (
            {name.upper(): inner for name, inner in value.items()}
            if isinstance(value, dict) and key in GROUP_FIELDS and data.draw(st.booleans())
            else value
        )
        for key, value in payload.items()
    }
    keys = [
        [message.key for message in read_body(orjson.dumps({"transmissionId": "t", **one}))]
        for one in (payload, spelled)
    ]
    assert keys[0] == keys[1]
