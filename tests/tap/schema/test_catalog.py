"""The catalog: what is promised of it, and a snapshot that shows every change in review."""

from __future__ import annotations

import json
import typing as t

import pytest
from syrupy.extensions.json import JSONSnapshotExtension

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rainfocus_sandbox.testing import RunningSandbox
    from syrupy.assertion import SnapshotAssertion

    Settings = dict[str, t.Any]
    TapRunner = Callable[..., t.Any]
    SettingsMaker = Callable[..., Settings]

# The field table of the AEP source page. Of its 23 rows, transmissionId and eventType come with a
# push, never with a read.
FIELD_TABLE = {
    "experience_events": [
        *("attendee.registered", "attendee.attendeeId", "attendee.externalId"),
        *("attendee.clientId", "attendee.email", "transmissionId", "eventType", "timestamp"),
        *("event.name", "exhibitor.exhibitorId", "exhibitor.externalId", "exhibitor.name"),
        *("lead.leadId", "lead.note", "session.sessionId", "session.externalId", "session.code"),
        *("session.title", "session.length", "sessiontime.sessiontimeId"),
        *("sessiontime.startTime", "sessiontime.endTime", "sessiontime.room"),
    ],
    "attendees": [
        *("attendee.registered", "attendee.attendeeId", "attendee.externalId"),
        *("attendee.clientId", "attendee.email", "timestamp", "event.name"),
    ],
    "exhibitors": ["exhibitor.exhibitorId", "exhibitor.externalId", "exhibitor.name", "event.name"],
    "leads": ["lead.leadId", "lead.note", "attendee.attendeeId", "exhibitor.exhibitorId"],
    "sessions": [
        *("session.sessionId", "session.externalId", "session.code", "session.title"),
        *("session.length", "event.name"),
    ],
    "session_times": [
        *("sessiontime.sessiontimeId", "sessiontime.startTime", "sessiontime.endTime"),
        *("sessiontime.room", "session.sessionId", "session.code", "session.title"),
    ],
}
STREAMS = [
    "attendees",
    "exhibitors",
    "experience_events",
    "leads",
    "session_times",
    "sessions",
    "speakers",
]


@pytest.fixture(scope="module")
def catalog(run_tap: TapRunner) -> dict[str, t.Any]:
    found = json.loads(run_tap(None, "--discover").output)
    return {stream["tap_stream_id"]: stream for stream in found["streams"]}


def field(schema: dict[str, t.Any], path: str) -> dict[str, t.Any]:
    for name in path.split("."):
        schema = schema["properties"][name]
    return schema


def leaves(schema: dict[str, t.Any], path: str = "") -> Iterator[tuple[str, dict[str, t.Any]]]:
    for name, inner in schema["properties"].items():
        if "properties" in inner:
            yield from leaves(inner, f"{path}{name}.")
        else:
            yield f"{path}{name}", inner


@pytest.mark.parametrize("stream", STREAMS)
def test_every_change_of_a_schema_shows(
    stream: str, catalog: dict[str, t.Any], snapshot: SnapshotAssertion
) -> None:
    assert catalog[stream] == snapshot(extension_class=JSONSnapshotExtension)


def test_all_streams_are_there(catalog: dict[str, t.Any]) -> None:
    assert sorted(catalog) == STREAMS


@pytest.mark.parametrize(
    ("stream", "path"),
    [(stream, path) for stream, paths in FIELD_TABLE.items() for path in paths],
)
def test_the_field_table_is_kept(stream: str, path: str, catalog: dict[str, t.Any]) -> None:
    declared = field(catalog[stream]["schema"], path)
    expected = "integer" if path == "session.length" else "string"
    assert declared["type"] == [expected, "null"]
    assert declared.get("format") == ("date-time" if path == "timestamp" else None)


@pytest.mark.parametrize("stream", STREAMS)
def test_every_field_says_what_it_is_and_where_that_is_known_from(
    stream: str, catalog: dict[str, t.Any]
) -> None:
    for path, declared in leaves(catalog[stream]["schema"]):
        assert declared["description"].endswith(".")
        ours = {"_id", "event_code", "_unread"}
        assert path in ours or "Source: " in declared["description"]
        if path.endswith("length"):
            assert "minutes" in declared["description"]


@pytest.mark.parametrize("stream", STREAMS)
def test_every_schema_has_a_type(stream: str, catalog: dict[str, t.Any]) -> None:
    def check(schema: dict[str, t.Any]) -> None:
        assert schema["type"]
        for inner in [*schema.get("properties", {}).values(), schema.get("items")]:
            if inner is not None:
                check(inner)

    check(catalog[stream]["schema"])


def test_keys_and_replication(catalog: dict[str, t.Any]) -> None:
    for name, stream in catalog.items():
        incremental = name in {"attendees", "experience_events", "leads"}
        is_polled = name != "experience_events"
        assert stream["key_properties"] == (["event_code", "_id"] if is_polled else ["_id"])
        assert stream["replication_method"] == ("INCREMENTAL" if incremental else "FULL_TABLE")


def test_a_stream_moved_to_a_search_call_becomes_incremental(
    run_tap: TapRunner, fresh_sandbox: RunningSandbox, settings_for: SettingsMaker
) -> None:
    moved = {"sessions": {"path": "session/search"}}
    settings = settings_for(fresh_sandbox, endpoints=moved)
    select = ["sessions", "session_times"]
    first = run_tap(settings, select=select)
    assert first.code == 0, first.log
    counts = fresh_sandbox.store.counts()["summit25"]
    assert len(first.records("sessions")) == counts["sessions"]
    assert len(first.records("session_times")) == counts["session_times"]

    fresh_sandbox.store.touch_record("summit25", "session", 3, title="A new title")
    second = run_tap(settings, state=first.state, select=select)
    assert [r["session"]["title"] for r in second.records("sessions")] == ["A new title"]


def test_a_deselected_field_stays_out(
    run_tap: TapRunner, settings: Settings, catalog: dict[str, t.Any], tmp_path: t.Any
) -> None:
    streams = [json.loads(json.dumps(stream)) for stream in catalog.values()]
    for stream in streams:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = stream["tap_stream_id"] == "attendees" and entry[
                "breadcrumb"
            ][-1:] != ["email"]
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps({"streams": streams}))
    run = run_tap(settings, "--catalog", str(file))
    assert run.code == 0, run.log
    attendees = run.records("attendees")
    assert attendees
    assert all("email" not in record["attendee"] for record in attendees)
    assert all("attendeeId" in record["attendee"] for record in attendees)


def test_both_ways_of_writing_give_the_same(
    run_tap: TapRunner, settings: Settings, full_run: t.Any
) -> None:
    slow = run_tap(settings | {"stream_maps": {"attendees": {"_id": "_id"}}})
    assert slow.code == 0, slow.log

    def plain(run: t.Any) -> list[dict[str, t.Any]]:
        return [{**record, "timestamp": None} for record in run.records("attendees")]

    assert plain(slow) == plain(full_run)


def test_stream_maps_filter_and_hash(run_tap: TapRunner, settings: Settings) -> None:
    maps = {
        "attendees": {
            "__filter__": "attendee['registered'] == 'Yes'",
            "attendee": "dict(attendee, email=sha256(attendee['email'].strip().lower()))",
        }
    }
    run = run_tap(settings | {"stream_maps": maps})
    assert run.code == 0, run.log
    attendees = [record["attendee"] for record in run.records("attendees")]
    assert attendees
    assert {attendee["registered"] for attendee in attendees} == {"Yes"}
    assert all(len(attendee["email"]) == 64 for attendee in attendees)
    assert all("attendeeId" in attendee for attendee in attendees)
