"""For each point that may differ: the probe names the setting, and the plugins run with it."""

from __future__ import annotations

import json
import typing as t

import pytest

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.probe.conftest import Command, FakeRainFocus, Json, Prober

ME = "--write-to=me@company.example"

ALL = {
    "token_path": "/api/acme/oauth/token",
    "token_methods": frozenset({"post"}),
    "token_scope": "openid",
    "event_parameter": "eventCode",
    "most_per_page": 200,
    "refuses_larger_pages": True,
    "cursor": "nextId",
    "includes_since": False,
    "attendees": "attendees/search",
    "attendees_key": "people",
    "session": "session/search",
    "dump_key": "rows",
    "leads": "leadRetrieval/search",
    "leads_key": "scans",
    "wrong_event": (200, "77"),
    "unknown_attendee": (500, "612"),
    "store": "v2/attendee/store",
    "store_event": "body",
    "store_parameter": "eventId",
    "wrapper": "attendee",
    "names": {"companyname": "companyName", "countryid": "country"},
    "keeps_the_rest": False,
    "stored_code": "1",
}

READS: list[tuple[Json, Json]] = [
    ({"token_path": "/oauth/token"}, {"token_url": "{url}/oauth/token"}),
    ({"token_path": "/oauth2/token"}, {"token_url": "{url}/oauth2/token"}),
    ({"token_path": "/api/oauth/token"}, {"token_url": "{url}/api/oauth/token"}),
    ({"token_path": "/api/acme/oauth/token"}, {"token_url": "{url}/api/acme/oauth/token"}),
    ({"token_methods": frozenset({"post"})}, {"token_auth_method": "post"}),
    ({"token_scope": "openid"}, {"token_scope": "openid"}),
    ({"event_parameter": "eventCode"}, {"event_parameter": "eventCode"}),
    ({"event_parameter": "eventId"}, {"event_parameter": "eventId"}),
    ({"event_parameter": "event_code"}, {"event_parameter": "event_code"}),
    ({"event_parameter": None}, {"event_codes": []}),
    (
        {"event_parameter": "eventCode", "has_default_event": True},
        {"event_parameter": "eventCode"},
    ),
    ({"attendees_key": "people"}, {"endpoints": {"attendees": {"records_key": "people"}}}),
    ({"attendees_key": "data"}, {}),
    ({"most_per_page": 100, "refuses_larger_pages": True}, {"page_size": 100}),
    ({"most_per_page": 2}, {}),
    ({"cursor": "nextId"}, {}),
    ({"cursor": None}, {"page_size": 100_000}),
    ({"heeds_page_size": False, "most_per_page": 2}, {}),
    ({"includes_since": False}, {"lookback": 1}),
    ({"leads": "entityDataDump/lead"}, {"endpoints": {"leads": {"path": "entityDataDump/lead"}}}),
    ({"leads": "leads/search"}, {"endpoints": {"leads": {"path": "leads/search"}}}),
    ({"leads_key": "scans"}, {"endpoints": {"leads": {"records_key": "scans"}}}),
    ({"attendees": "attendees/search"}, {"endpoints": {"attendees": {"path": "attendees/search"}}}),
    ({"wrong_event": None}, {}),
    (
        {"refuses_large_dumps": True, "has_searches": True},
        {
            "endpoints": {
                "sessions": {"path": "session/search"},
                "session_times": {"path": "session/search"},
                "exhibitors": {"path": "exhibitor/search"},
                "speakers": {"path": "speaker/search"},
            }
        },
    ),
    (
        {"session": "session/search"},
        {
            "endpoints": {
                "sessions": {"path": "session/search"},
                "session_times": {"path": "session/search"},
            }
        },
    ),
    (
        {"dump_key": "rows"},
        {
            "endpoints": {
                stream: {"records_key": "rows"}
                for stream in ("sessions", "session_times", "exhibitors", "speakers")
            }
        },
    ),
]

EVERYTHING = {"attendees": 5, "sessions": 4, "exhibitors": 4, "speakers": 4, "leads": 4}


@pytest.mark.parametrize(("ways", "expected"), READS)
def test_the_tap_reads_with_what_the_probe_found(
    rainfocus: FakeRainFocus, run_probe: Prober, run_tap: Command, ways: Json, expected: Json
) -> None:
    rainfocus.reset(**ways)
    probed = run_probe()
    assert probed.code == 0, probed.called.log
    wanted = json.loads(json.dumps(expected).replace("{url}", rainfocus.url))
    assert probed.tap == wanted
    read = run_tap(probed.tap)
    assert {stream: len(ids) for stream, ids in read.items()} == EVERYTHING


def test_an_unknown_cursor_is_named_and_worked_around(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    rainfocus.reset(cursor="scrollId")
    probed = run_probe()
    assert probed.tap == {"page_size": 100_000}
    assert probed.findings["next_page"]["facts"]["name"] == "scrollId"


def test_a_cursor_that_is_not_heeded_is_seen(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    rainfocus.reset(heeds_cursor=False)
    probed = run_probe()
    assert probed.verdict("next_page") == "differs"
    assert probed.tap == {"page_size": 100_000}


def test_a_change_in_the_very_millisecond_is_read_with_the_lookback(
    rainfocus: FakeRainFocus, run_probe: Prober, run_tap: Command, tmp_path: Path
) -> None:
    rainfocus.reset(includes_since=False)
    newest = rainfocus.others[-1]
    host = rainfocus.url.removeprefix("http://")
    state = tmp_path / "state.json"
    mark = {
        "context": {"event": "expo2026"},
        "replication_key": "timestamp",
        "replication_key_value": newest["modifiedDate"],
        "origin": f"{host}/acme",
    }
    state.write_text(json.dumps({"bookmarks": {"attendees": {"partitions": [mark]}}}))
    argument = f"--state={state}"
    assert newest["attendeeId"] not in run_tap({}, argument).get("attendees", [])
    assert newest["attendeeId"] in run_tap(run_probe().tap, argument)["attendees"]


@pytest.mark.parametrize(
    ("ways", "check"),
    [
        ({"heeds_page_size": False, "most_per_page": 2}, "page_size_heeded"),
        ({"heeds_since": False}, "since"),
        ({"has_clock": False}, "clock"),
        ({"token_life": None}, "token_life"),
        ({"denied": frozenset({"lead"}), "leads": "lead/search"}, None),
    ],
)
def test_what_no_setting_changes_is_told(
    rainfocus: FakeRainFocus, run_probe: Prober, ways: Json, check: str | None
) -> None:
    rainfocus.reset(**ways)
    probed = run_probe()
    assert probed.code == 0
    assert probed.tap == {}
    if check:
        assert probed.verdict(check) == "differs"


def test_an_event_without_attendees_decides_nothing(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    rainfocus.reset(event_parameter=None).people.clear()
    probed = run_probe()
    assert probed.verdict("event_parameter") == "not decided"
    assert probed.tap == {}


def test_answers_that_change_each_time_decide_nothing(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    rainfocus.reset(event_parameter=None, shuffles=True)
    assert run_probe().verdict("event_parameter") == "not decided"


def test_times_that_are_rounded_decide_nothing_about_since(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    rainfocus.reset(includes_since=False)
    for person in rainfocus.people.values():
        person["modifiedDate"] = f"{person['modifiedDate'][:-4]}000Z"
    probed = run_probe()
    assert probed.verdict("since_includes") == "not decided"
    assert probed.tap == {}


def test_a_refusal_that_says_nothing_names_no_endpoint(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    rainfocus.reset(leads=None, unknown_call=(200, "124"))
    probed = run_probe()
    assert probed.verdict("unknown_call") == "differs"
    assert probed.verdict("leads") == "not decided"
    assert "enable endpoint" not in probed.findings["leads"]["seen"]


def test_a_token_that_ends_early_is_renewed(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    rainfocus.reset(token_uses=7)
    probed = run_probe(ME)
    assert probed.code == 0, probed.called.log
    assert {one["verdict"] for one in probed.report["findings"]} == {"verified"}
    assert 2 < sum(path == "/oidc/token" for _, path in rainfocus.asked) < 8


def test_a_scope_that_is_wanted_is_not_asked_for_twice(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    rainfocus.reset(token_scope="openid")
    run_probe()
    assert sum(path == "/oidc/token" for _, path in rainfocus.asked) == 2


def test_a_dump_is_measured_with_and_without_a_size(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    rainfocus.reset(cut_without_size=2)
    facts = run_probe().findings["dump_size"]["facts"]
    assert facts == {"with": 4, "without": 2}


WRITES: list[tuple[Json, Json]] = [
    ({}, {}),
    ({"stored_code": None, "tells_id": False}, {}),
    ({"stored_code": None}, {}),
    ({"store": "v2/attendee/store"}, {"store": {"path": "v2/attendee/store"}}),
    ({"store": "v3/attendee/upsert"}, {"store": {"path": "v3/attendee/upsert"}}),
    ({"store_event": "body"}, {"store": {"event_in": "body"}}),
    (
        {"store_event": "header", "store_parameter": "X-Event"},
        {"store": {"event_in": "header", "event_parameter": "X-Event"}},
    ),
    ({"store_parameter": "eventCode"}, {"store": {"event_parameter": "eventCode"}}),
    ({"wrapper": "attendee"}, {"store": {"wrapper": "attendee"}}),
    ({"wrapper": "profile"}, {"store": {"wrapper": "profile"}}),
    ({"names": {"countryid": "countryId"}}, {"store": {"names": {"countryid": "countryId"}}}),
    (
        {"names": {"companyname": "company", "jobtitle": "jobTitle"}},
        {"store": {"names": {"companyname": "company", "jobtitle": "jobTitle"}}},
    ),
    ({"stored_code": "1"}, {"store": {"codes": {"1": "stored"}}}),
    ({"filters": False}, {}),
    ({"unknown_field": (500, "612")}, {"store": {"codes": {"612": "rejected"}}}),
    ({"unknown_field": (400, "612")}, {}),
    ({"unknown_attendee": (500, "613")}, {"store": {"codes": {"613": "rejected"}}}),
]


@pytest.mark.parametrize(("ways", "expected"), WRITES)
def test_the_target_writes_with_what_the_probe_found(
    rainfocus: FakeRainFocus,
    run_probe: Prober,
    run_target: Command,
    loaded: Json,
    ways: Json,
    expected: Json,
) -> None:
    rainfocus.reset(**ways)
    probed = run_probe(ME)
    assert probed.code == 0, probed.called.log
    assert probed.target == expected
    assert len(rainfocus.people) == 6
    assert run_target(probed.target) == loaded


def test_a_write_that_belongs_to_one_event(
    rainfocus: FakeRainFocus, run_probe: Prober, run_tap: Command, run_target: Command, loaded: Json
) -> None:
    rainfocus.reset(event_parameter=None, store_event="none")
    probed = run_probe(ME)
    assert probed.tap == {"event_codes": []}
    assert probed.target == {"store": {"event_in": "none"}}
    assert len(run_tap(probed.tap)["attendees"]) == 6
    assert run_target(probed.target) == loaded


@pytest.mark.parametrize("keeps", [True, False])
def test_an_update_is_seen_to_keep_the_rest_or_not(
    rainfocus: FakeRainFocus,
    run_probe: Prober,
    keeps: bool,  # noqa: FBT001
) -> None:
    rainfocus.reset(keeps_the_rest=keeps)
    found = run_probe(ME).findings["partial_update"]
    assert found["verdict"] == ("verified" if keeps else "differs")
    assert ("companyname" in found["facts"]["lost"]) != keeps
    assert rainfocus.people["me@company.example"]["lastname"] == "RainFocusProbe"


def test_all_at_once(
    rainfocus: FakeRainFocus, run_probe: Prober, run_tap: Command, run_target: Command, loaded: Json
) -> None:
    rainfocus.reset(**ALL)
    probed = run_probe(ME)
    assert probed.code == 0, probed.called.log
    assert probed.tap == {
        "token_url": f"{rainfocus.api_url}/acme/oauth/token",
        "token_auth_method": "post",
        "token_scope": "openid",
        "event_parameter": "eventCode",
        "page_size": 200,
        "lookback": 1,
        "endpoints": {
            "attendees": {"path": "attendees/search", "records_key": "people"},
            "leads": {"path": "leadRetrieval/search", "records_key": "scans"},
            "sessions": {"path": "session/search"},
            "session_times": {"path": "session/search"},
            "exhibitors": {"records_key": "rows"},
            "speakers": {"records_key": "rows"},
        },
    }
    assert probed.target == {
        "token_url": f"{rainfocus.api_url}/acme/oauth/token",
        "token_auth_method": "post",
        "token_scope": "openid",
        "event_parameter": "eventCode",
        "store": {
            "path": "v2/attendee/store",
            "event_in": "body",
            "event_parameter": "eventId",
            "wrapper": "attendee",
            "names": {"companyname": "companyName", "countryid": "country"},
            "codes": {"1": "stored", "612": "rejected"},
        },
    }
    assert probed.report["requests"] <= 150
    assert run_target(probed.target) == loaded
    counts = {stream: len(ids) for stream, ids in run_tap(probed.tap).items()}
    assert counts == EVERYTHING | {"attendees": 7}


def test_an_api_profile_signs_in_without_a_token(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    settings = {"org_id": "acme", "api_url": rainfocus.api_url, "api_profile": "theapiprofiletoken"}
    probed = run_probe(settings=settings)
    assert probed.code == 0, probed.called.log
    assert "token_url" not in probed.findings
    assert all("token" not in path for _, path in rainfocus.asked)
