"""How a catalogue is asked, and what ends a run of one."""

from __future__ import annotations

import json
import time
import typing as t

import pytest

from tests.tap.catalogue.made_up import Site, exhibitor, session

if t.TYPE_CHECKING:
    from rainfocus_sandbox.testing import RunningSandbox

    from tests.tap.catalogue.conftest import Read
    from tests.tap.catalogue.made_up import Reply
    from tests.tap.conftest import Run, ServerMaker, Settings, TapRunner

STREAMS = ["exhibitors", "session_times", "sessions", "speakers"]


def one_page() -> Site:
    return Site([("1", [session(n) for n in range(3)])], more={"exhibitor": [exhibitor(1)]})


def settings_of(url: str, **more: object) -> Settings:
    return {
        "api_url": f"{url}/api",
        "catalogue_profile_id": "profile-1",
        "requests_per_second": 1000,
        "max_retries": 0,
    } | more


def test_a_form_is_posted_as_the_page_does(run_tap: TapRunner, scripted: ServerMaker) -> None:
    server = scripted(one_page().answer)
    search = {"browserTimezone": "UTC", "search.track": ["data", "ai"], "top": 50}
    more = {"catalogue_widget_id": "widget-1", "catalogue_search": search}
    assert run_tap(settings_of(server.url, **more)).code == 0
    exhibitors, sessions = server.asked
    assert {one.path for one in server.asked} == {"/api/search"}
    assert sessions.method == "POST"
    assert sessions.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert sessions.headers["rfApiProfileId"] == "profile-1"
    assert sessions.headers["rfWidgetId"] == "widget-1"
    assert "Authorization" not in sessions.headers
    assert "Cookie" not in sessions.headers
    told = {"type": "session", "browserTimezone": "UTC", "search.track": "ai", "top": "50"}
    assert sessions.form == told | {"from": "0", "size": "50"}
    assert exhibitors.form["type"] == "exhibitor"


def test_a_catalogue_may_have_no_widget(run_tap: TapRunner, scripted: ServerMaker) -> None:
    server = scripted(one_page().answer)
    assert run_tap(settings_of(server.url)).code == 0
    assert all("rfWidgetId" not in one.headers for one in server.asked)


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"catalogue_path": "sessions"}, {"search", "sessions"}),
        (
            {
                "catalogue_path": "sessions",
                "endpoints": {"exhibitors": {"path": "exhibitors"}, "speakers": {"path": "search"}},
            },
            {"sessions", "exhibitors", "search"},
        ),
    ],
)
def test_other_calls_can_be_named(
    run_tap: TapRunner, scripted: ServerMaker, change: Settings, paths: set[str]
) -> None:
    server = scripted(one_page().answer)
    assert run_tap(settings_of(server.url, **change)).code == 0
    assert {one.path.removeprefix("/api/") for one in server.asked} == paths
    if "endpoints" in change:
        assert {one.form["type"] for one in server.asked} == {"session", "exhibitor", "speaker"}


def test_pages_may_be_smaller_but_not_larger(run_tap: TapRunner, scripted: ServerMaker) -> None:
    server = scripted(one_page().answer)
    run_tap(settings_of(server.url, page_size=2))
    assert {one.form["size"] for one in server.asked} == {"2"}
    assert [one.form["from"] for one in server.asked if one.form["type"] == "session"] == ["0", "2"]


def test_a_second_passes_between_two_requests(run_tap: TapRunner, scripted: ServerMaker) -> None:
    server = scripted(one_page().answer)
    settings = settings_of(server.url)
    del settings["requests_per_second"]
    began = time.monotonic()
    assert run_tap(settings).code == 0
    assert len(server.asked) == 2
    assert time.monotonic() - began >= 1


def test_what_is_not_public_is_left_out_with_a_line(read: Read) -> None:
    run = read(one_page())
    assert "Left out, since no catalogue has them: attendees, leads." in run.log
    schemas = {m["stream"] for m in run.messages if m["type"] == "SCHEMA"}
    assert sorted(schemas) == STREAMS


def test_a_catalogue_is_discovered_without_asking(
    run_tap: TapRunner, scripted: ServerMaker
) -> None:
    server = scripted(one_page().answer)
    found = json.loads(run_tap(settings_of(server.url), "--discover").output)
    named = {one["tap_stream_id"] for one in found["streams"]}
    assert named == {*STREAMS, "experience_events"}
    assert server.asked == []


def test_a_trial_asks_for_one_item_of_each(run_tap: TapRunner, scripted: ServerMaker) -> None:
    server = scripted(one_page().answer)
    run = run_tap(settings_of(server.url), "--test")
    assert run.code == 0, run.log
    assert all(f"{stream} can be read." in run.log for stream in STREAMS)
    assert {one.form["size"] for one in server.asked} == {"1"}


def refusing(code: str, status: int = 200, kind: str = "session") -> Site:
    site = one_page()

    def refuse(form: dict[str, str]) -> Reply | None:
        if form["type"] != kind:
            return None
        return status, {}, {"responseCode": code, "responseMessage": "no"}

    site.before = refuse
    return site


@pytest.mark.parametrize(
    ("code", "status"), [("101", 200), ("103", 400), ("107", 200), ("27", 200), ("27", 403)]
)
def test_a_catalogue_that_is_refused_ends_the_run(read: Read, code: str, status: int) -> None:
    run = read(refusing(code, status))
    assert run.code == 78
    assert "the catalogue is refused. Check catalogue_profile_id" in run.errors[-1]
    assert run.errors[-1].endswith("[RF-209]")
    assert not run.records("sessions")


def test_a_catalogue_without_exhibitors_is_read_on(read: Read) -> None:
    run = read(refusing("27", kind="exhibitor"))
    assert run.code == 0
    assert "Stream exhibitors is skipped." in run.log
    assert len(run.records("sessions")) == 3


def test_html_is_told(run_tap: TapRunner, scripted: ServerMaker) -> None:
    server = scripted(lambda _: (200, {}, b"<html>Please sign in</html>"))
    run = run_tap(settings_of(server.url))
    assert run.code == 75
    assert "the reply is not a JSON object: check api_url" in run.errors[-1]
    assert "sign in" not in run.log


@pytest.mark.parametrize("body", [{"responseCode": "0"}, {"responseCode": "0", "items": "none"}])
def test_a_reply_without_items_is_told(
    run_tap: TapRunner, scripted: ServerMaker, body: dict[str, object]
) -> None:
    server = scripted(lambda _: (200, {}, body))
    run = run_tap(settings_of(server.url))
    assert run.code == 78
    assert "without a list of items: check catalogue_path" in run.errors[-1]


def test_an_empty_catalogue_ends_well(read: Read) -> None:
    run = read(Site([("1", [])]))
    assert run.code == 0
    assert "Read: 0 exhibitors, 0 session_times, 0 sessions, 0 speakers." in run.log
    assert run.log.count("The catalogue holds no sessions: check catalogue_profile_id") == 1


def test_another_event_than_the_one_that_is_wanted(read: Read) -> None:
    run = read(one_page(), event_codes=["summit27"])
    assert run.code == 78
    assert "The catalogue is of acme26" in run.errors[-1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"api_profile": "secret-token"}, "Two kinds of credentials are set"),
        ({"client_id": "a", "client_secret": "b"}, "Two kinds of credentials are set"),
        ({"catalogue_profile_id": None, "catalogue_widget_id": "w"}, "is missing"),
        ({"catalogue_profile_id": None, "catalogue_search": {"a": "b"}}, "is missing"),
        ({"catalogue_profile_id": "two words"}, "holds a character no id has"),
        ({"catalogue_widget_id": "caf\u00e9"}, "holds a character no id has"),
        ({"catalogue_search": {"from": "1"}}, "catalogue_search names from"),
        ({"catalogue_floor": 2}, "Setting catalogue_floor must be at most 1"),
        ({"catalogue_search": {"a": {"b": "c"}}}, "Setting catalogue_search.a must be of type"),
        ({"api_url": "nowhere"}, "Setting api_url is not a web address"),
        ({"lookback": 5}, "Setting lookback is set, but no selected stream asks"),
    ],
)
def test_a_setting_that_cannot_work_is_one_line(
    run_tap: TapRunner, change: Settings, said: str
) -> None:
    run = run_tap(settings_of("http://127.0.0.1:9") | change)
    assert run.code == 78
    assert said in run.errors[-1]
    assert len(run.errors) == 1


@pytest.fixture(scope="module")
def public(run_tap: TapRunner, sandbox: RunningSandbox) -> Run:
    """A run over the sandbox's catalogue."""
    run = run_tap(
        {
            "api_url": sandbox.api_url,
            "catalogue_profile_id": "cataloguesummit25",
            "catalogue_widget_id": "widgetsummit25",
            "requests_per_second": 1000,
        }
    )
    assert run.code == 0, run.log
    return run


class TestSandbox:
    """The same sessions, through an API profile and through the catalogue."""

    def test_a_session_is_the_same(self, public: Run, full_run: Run) -> None:
        theirs = {one["_id"]: one for one in full_run.records("sessions")}
        shown = public.records("sessions")
        assert len(shown) == sum(one["session"].get("published") is True for one in theirs.values())
        for one in shown:
            other = theirs[one["_id"]]
            assert one["event_code"] == other["event_code"]
            for name in ("sessionId", "code", "title", "length", "status", "type", "published"):
                assert one["session"].get(name) == other["session"].get(name), name
            values = [
                {(v["code"] or v["name"], v["value"]) for v in side["session"]["attributes"]}
                for side in (one, other)
            ]
            assert len(values[0]) == len(values[1])

    def test_a_session_time_is_the_same(self, public: Run, full_run: Run) -> None:
        theirs = {one["_id"]: one["sessiontime"] for one in full_run.records("session_times")}
        for one in public.records("session_times"):
            for name in ("startTime", "endTime", "utcStartTime", "room", "length", "capacity"):
                assert one["sessiontime"].get(name) == theirs[one["_id"]].get(name), name

    def test_a_speaker_is_the_same_person(self, public: Run, full_run: Run) -> None:
        theirs = {one["_id"]: one["speaker"] for one in full_run.records("speakers")}
        shown = public.records("speakers")
        assert shown
        for one in shown:
            other = theirs[one["speaker"]["attendeeId"]]
            assert one["speaker"]["fullName"] == other["fullName"]

    def test_an_exhibitor_is_the_same(self, public: Run, full_run: Run) -> None:
        theirs = {one["_id"]: one["exhibitor"] for one in full_run.records("exhibitors")}
        shown = public.records("exhibitors")
        assert shown
        assert all(one["exhibitor"]["name"] == theirs[one["_id"]]["name"] for one in shown)

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"catalogue_profile_id": "nope"}, "code 101"),
            ({"catalogue_widget_id": "widgetsummit26"}, "code 103"),
        ],
    )
    def test_a_wrong_id_is_refused(
        self, run_tap: TapRunner, sandbox: RunningSandbox, change: Settings, code: str
    ) -> None:
        settings = {
            "api_url": sandbox.api_url,
            "catalogue_profile_id": "cataloguesummit25",
            "requests_per_second": 1000,
        }
        run = run_tap(settings | change)
        assert run.code == 78
        assert code in run.errors[-1]

    def test_a_word_is_searched_for(
        self, run_tap: TapRunner, sandbox: RunningSandbox, public: Run
    ) -> None:
        word = public.records("sessions")[0]["session"]["title"].split()[0]
        settings = {
            "api_url": sandbox.api_url,
            "catalogue_profile_id": "cataloguesummit25",
            "catalogue_search": {"search": word},
            "requests_per_second": 1000,
        }
        titles = {one["session"]["title"] for one in run_tap(settings).records("sessions")}
        assert titles
        assert all(word.casefold() in title.casefold() for title in titles)
