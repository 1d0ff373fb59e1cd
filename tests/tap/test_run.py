"""A whole run of the command: what comes out, what the state says, what RainFocus was asked."""

from __future__ import annotations

import json
import typing as t

import jsonschema
import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from rainfocus_sandbox.testing import RunningSandbox

    Run = t.Any
    Settings = dict[str, t.Any]
    TapRunner = Callable[..., Run]
    SettingsMaker = Callable[..., Settings]

STREAMS = ["attendees", "sessions", "session_times", "exhibitors", "leads"]


def calls(sandbox: RunningSandbox) -> list[str]:
    return [entry.call for entry in sandbox.store.log()]


def test_every_record_arrives_and_fits_its_schema(full_run: Run, sandbox: RunningSandbox) -> None:
    counts = sandbox.store.counts()["summit25"]
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    for stream in STREAMS:
        records = full_run.records(stream)
        assert len(records) == counts[stream] > 0
        assert len({record["_id"] for record in records}) == len(records)
        validator = jsonschema.Draft202012Validator(full_run.schema(stream), format_checker=checker)
        for record in records:
            validator.validate(record)


def test_a_record_is_nested_and_regular(full_run: Run) -> None:
    for record in full_run.records("attendees"):
        attendee = record["attendee"]
        assert record["_id"] == attendee["attendeeId"]
        assert record["event"] == {"code": "summit25"}
        assert attendee.get("registered", "No") in {"Yes", "No"}
        assert "@" in attendee["email"]
        assert all(set(entry) == {"code", "name", "value"} for entry in attendee["attributes"])
    assert {type(s["session"].get("length", 0)) for s in full_run.records("sessions")} == {int}


def test_all_records_of_a_stream_carry_the_clock_of_its_first_page(full_run: Run) -> None:
    for stream in STREAMS:
        stamps = {record["timestamp"] for record in full_run.records(stream)}
        assert len(stamps) == 1
        assert stamps.pop().endswith("Z")


def test_session_times_name_their_session(full_run: Run) -> None:
    sessions = {record["_id"] for record in full_run.records("sessions")}
    times = full_run.records("session_times")
    assert {record["session"]["sessionId"] for record in times} <= sessions
    for record in times:
        start = record["sessiontime"]["startTime"]
        assert len(start) == len("2026-10-27 09:00:00")
        assert "T" not in start


def test_leads_join_attendee_and_exhibitor(full_run: Run) -> None:
    attendees = {record["_id"] for record in full_run.records("attendees")}
    exhibitors = {record["_id"] for record in full_run.records("exhibitors")}
    for record in full_run.records("leads"):
        assert record["attendee"]["attendeeId"] in attendees
        assert record["exhibitor"]["exhibitorId"] in exhibitors


def without_oauth(settings: Settings) -> Settings:
    return {name: value for name, value in settings.items() if not name.startswith("client_")}


def test_an_api_profile_reads_the_same(
    run_tap: TapRunner, settings: Settings, sandbox: RunningSandbox, full_run: Run
) -> None:
    run = run_tap(without_oauth(settings) | {"api_profile": sandbox.api_profile})
    assert run.code == 0, run.log
    for stream in STREAMS:
        assert len(run.records(stream)) == len(full_run.records(stream))


def test_a_profile_bound_to_an_event_needs_no_event_code(
    run_tap: TapRunner, settings: Settings, full_run: Run
) -> None:
    bound = {"api_profile": "sandboxprofilesummit25", "event_codes": []}
    run = run_tap(without_oauth(settings) | bound)
    assert run.code == 0, run.log
    assert len(run.records("attendees")) == len(full_run.records("attendees"))
    assert "replication_key_value" in run.state["bookmarks"]["attendees"]


def test_several_events_in_one_run(
    run_tap: TapRunner, settings: Settings, sandbox: RunningSandbox
) -> None:
    run = run_tap(settings | {"event_codes": ["summit25", "summit26", "summit25"]})
    counts = sandbox.store.counts()
    assert run.code == 0, run.log
    for stream in STREAMS:
        read = [record["event"]["code"] for record in run.records(stream)]
        for event in ("summit25", "summit26"):
            assert read.count(event) == counts[event][stream]
    contexts = [p["context"] for p in run.state["bookmarks"]["attendees"]["partitions"]]
    assert sorted(map(str, contexts)) == ["{'event': 'summit25'}", "{'event': 'summit26'}"]


def test_the_second_run_reads_only_what_changed(
    run_tap: TapRunner, fresh_sandbox: RunningSandbox, settings_for: SettingsMaker
) -> None:
    settings = settings_for(fresh_sandbox)
    first = run_tap(settings)
    changed = first.records("attendees")[7]["_id"]
    fresh_sandbox.store.touch("summit25", changed, jobtitle="Chief of Change")

    second = run_tap(settings, state=first.state)
    assert [record["_id"] for record in second.records("attendees")] == [changed]
    assert second.records("attendees")[0]["attendee"]["jobtitle"] == "Chief of Change"
    assert second.records("leads") == []
    assert len(second.records("sessions")) == len(first.records("sessions"))

    third = run_tap(settings, state=second.state)
    assert third.records("attendees") == []
    assert bookmark(third) == bookmark(second) > bookmark(first)


def bookmark(run: Run) -> str:
    value: str = run.state["bookmarks"]["attendees"]["partitions"][0]["replication_key_value"]
    return value


def test_the_bookmark_is_the_servers_clock(full_run: Run) -> None:
    assert bookmark(full_run) == full_run.records("attendees")[0]["timestamp"]


def test_a_run_that_breaks_keeps_the_bookmark(
    run_tap: TapRunner, fresh_sandbox: RunningSandbox, settings_for: SettingsMaker
) -> None:
    first = run_tap(settings_for(fresh_sandbox))
    broken = run_tap(
        settings_for(fresh_sandbox, event_codes=["summit25", "nosuchevent"]), state=first.state
    )
    assert broken.code == 78
    assert bookmark(broken) >= bookmark(first)
    finished = [
        partition["context"]["event"]
        for partition in broken.state["bookmarks"]["attendees"]["partitions"]
        if "replication_key_value" in partition
    ]
    assert finished == ["summit25"]


def test_start_date_begins_the_first_run(
    run_tap: TapRunner, settings: Settings, full_run: Run
) -> None:
    dates = sorted(r["attendee"]["modifiedDate"] for r in full_run.records("attendees"))
    middle = dates[len(dates) // 2]
    run = run_tap(settings | {"start_date": middle})
    assert len(run.records("attendees")) == sum(date >= middle for date in dates)


def test_sessions_and_their_times_come_from_one_download(
    run_tap: TapRunner, fresh_sandbox: RunningSandbox, settings_for: SettingsMaker
) -> None:
    run_tap(settings_for(fresh_sandbox))
    assert calls(fresh_sandbox).count("entityDataDump/session") == 1


def test_one_token_serves_the_whole_run(
    run_tap: TapRunner, fresh_sandbox: RunningSandbox, settings_for: SettingsMaker
) -> None:
    run_tap(settings_for(fresh_sandbox, page_size=10))
    assert calls(fresh_sandbox).count("oidc/token") == 1
    assert calls(fresh_sandbox).count("attendee/search") == 12


def test_only_selected_streams_are_read(
    run_tap: TapRunner, fresh_sandbox: RunningSandbox, settings_for: SettingsMaker
) -> None:
    run = run_tap(settings_for(fresh_sandbox), select=["session_times"])
    assert run.code == 0, run.log
    assert {m["stream"] for m in run.messages if m["type"] == "RECORD"} == {"session_times"}
    assert set(calls(fresh_sandbox)) == {"oidc/token", "entityDataDump/session"}


def test_a_denied_stream_is_skipped_with_a_warning(
    run_tap: TapRunner, fresh_sandbox: RunningSandbox, settings_for: SettingsMaker
) -> None:
    fresh_sandbox.store.deny("oauth-global", "lead/search")
    run = run_tap(settings_for(fresh_sandbox))
    assert run.code == 0, run.log
    assert run.records("leads") == []
    assert run.records("attendees") != []
    warnings = [line for line in run.log.splitlines() if "| WARNING" in line]
    assert len(warnings) == 1
    assert "leads" in warnings[0]
    assert "endpoint lead: enable it under Integration Suite" in warnings[0]


def test_when_every_stream_is_denied_the_run_fails(
    run_tap: TapRunner, fresh_sandbox: RunningSandbox, settings_for: SettingsMaker
) -> None:
    fresh_sandbox.store.deny("oauth-global", "lead/search")
    run = run_tap(settings_for(fresh_sandbox), select=["leads"])
    assert run.code == 77
    assert len(run.errors) == 1
    assert "endpoint lead: enable it" in run.errors[0]


def test_custom_attributes_become_fields(run_tap: TapRunner, settings: Settings) -> None:
    run = run_tap(settings | {"custom_attributes": ["diet"]})
    assert run.schema("attendees")["properties"]["attendee"]["properties"]["diet"]["type"] == [
        "string",
        "null",
    ]
    for record in run.records("attendees"):
        listed = [a["value"] for a in record["attendee"]["attributes"] if a["code"] == "diet"]
        assert [record["attendee"]["diet"]] == listed if listed else True
    assert any("diet" in record["attendee"] for record in run.records("attendees"))


def test_a_stream_can_be_moved_to_another_call(
    run_tap: TapRunner, settings: Settings, sandbox: RunningSandbox
) -> None:
    moved = {"exhibitors": {"path": "entityDataDump/speaker", "records_key": "data"}}
    run = run_tap(settings | {"endpoints": moved})
    assert run.code == 0, run.log
    assert len(run.records("exhibitors")) == sandbox.store.counts()["summit25"]["speakers"]


def test_settings_come_from_the_environment(run_tap: TapRunner, settings: Settings) -> None:
    environment = {
        f"TAP_RAINFOCUS_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }
    run = run_tap(None, "--config=ENV", environment=environment)
    assert run.code == 0, run.log
    assert run.records("attendees") != []


def test_a_misspelt_variable_is_refused_though_the_settings_are_in_a_file(
    run_tap: TapRunner, settings: Settings
) -> None:
    run = run_tap(settings, environment={"TAP_RAINFOCUS_EVENT_CODE": "summit25"})
    assert run.code == 78
    assert "TAP_RAINFOCUS_EVENT_CODE sets nothing: is TAP_RAINFOCUS_EVENT_CODES meant?" in run.log
    assert run.messages == []


def test_connection_test_takes_one_record_a_stream(run_tap: TapRunner, settings: Settings) -> None:
    run = run_tap(settings, "--test")
    assert run.code == 0, run.log
    assert {stream: len(run.records(stream)) for stream in STREAMS} == dict.fromkeys(STREAMS, 1)


@pytest.mark.parametrize("argument", ["--about", "--discover", "--version", "--help"])
def test_needs_no_settings(run_tap: TapRunner, argument: str) -> None:
    run = run_tap(None, argument)
    assert run.code == 0, run.log


def test_the_log_tells_each_stream_once(full_run: Run) -> None:
    for stream in STREAMS:
        lines = [line for line in full_run.log.splitlines() if f"{stream} of summit25:" in line]
        assert len(lines) == 1
        assert f"{len(full_run.records(stream)):,} records in all" in lines[0]
    assert "WARNING" not in full_run.log
    assert "METRIC" not in full_run.log


def test_that_the_token_url_is_assumed_is_told_once(
    run_tap: TapRunner, settings: Settings, sandbox: RunningSandbox
) -> None:
    others = {name: value for name, value in settings.items() if name != "token_url"}
    run = run_tap(others, select=["attendees"])
    assert run.code == 0, run.log
    (warning,) = (line for line in run.log.splitlines() if "| WARNING" in line)
    assert (
        f"Setting token_url is not set: that a token can be had at {sandbox.token_url}" in warning
    )
    by_profile = {"client_id": None, "client_secret": None, "api_profile": sandbox.api_profile}
    assert "token_url" not in run_tap(others | by_profile, select=["attendees"]).log


@pytest.mark.parametrize("other", ["datetime.datetime(2026, 1, 2)", "{1: 2}"])
def test_a_stream_map_may_make_what_no_json_has(
    run_tap: TapRunner, settings: Settings, other: str
) -> None:
    maps = {"attendees": {"big": "2 ** 64", "other": other}}
    run = run_tap(settings | {"stream_maps": maps}, select=["attendees"])
    assert run.code == 0, run.log
    record = run.records("attendees")[0]
    assert record["big"] == 2**64
    assert record["other"] in ("2026-01-02T00:00:00", {"1": 2})
