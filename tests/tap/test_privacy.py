"""Every way to fail: one line that says what to do, and nothing secret or personal in the log."""

from __future__ import annotations

import base64
import json
import sqlite3
import typing as t
from contextlib import closing

import pytest
from rainfocus_client.errors import ExitCode
from rainfocus_sandbox.faults.faults import Fault
from rainfocus_sandbox.testing import running

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rainfocus_sandbox.testing import RunningSandbox

    Run = t.Any
    Settings = dict[str, t.Any]
    TapRunner = Callable[..., Run]
    SettingsMaker = Callable[..., Settings]
    ServerMaker = Callable[..., t.Any]
    LoudRunner = Callable[..., list[Run]]

PEOPLE = "attendee/search"
TOKEN = "oidc/token"
EVENTS = ("summit25", "summit26")
ENTITIES: tuple[t.Any, ...] = ("attendee", "lead", "session", "exhibitor", "speaker")

STRUCTURED = """
version: 1
disable_existing_loggers: false
formatters:
  structured:
    (): singer_sdk.logging.StructuredFormatter
handlers:
  stderr:
    class: logging.StreamHandler
    formatter: structured
    stream: ext://sys.stderr
root:
  level: DEBUG
  handlers: [stderr]
"""


@pytest.fixture(scope="module")
def open_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running(tmp_path_factory.mktemp("open") / "rainfocus.db") as sandbox:
        yield sandbox


@pytest.fixture
def watched(open_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """A sandbox in which faults can be set; none is left for the next test."""
    yield open_sandbox
    open_sandbox.faults.clear()


@pytest.fixture(scope="module")
def run_loud(run_tap: TapRunner, tmp_path_factory: pytest.TempPathFactory) -> LoudRunner:
    """Run the tap once for each form of its log that is wanted: debug, which tells the most."""
    config = tmp_path_factory.mktemp("log") / "log.yml"
    config.write_text(STRUCTURED)
    forms = {
        "info": {"LOGLEVEL": "info"},
        "debug": {"LOGLEVEL": "debug"},
        "structured": {"LOGLEVEL": "debug", "SINGER_SDK_LOG_CONFIG": str(config)},
    }

    def run(settings: Settings, *wanted: str) -> list[Run]:
        return [run_tap(settings, environment=forms[form]) for form in wanted or ("debug",)]

    return run


def error_lines(run: Run) -> list[str]:
    """The errors in a log of either form."""
    structured = [json.loads(line) for line in run.log.splitlines() if line.startswith("{")]
    return [*run.errors, *(line["message"] for line in structured if line["level"] == "error")]


def personal(sandbox: RunningSandbox) -> set[str]:
    """Every e-mail address, full name and phone number in a sandbox."""
    found: set[str] = set()

    def look(value: t.Any) -> None:
        if isinstance(value, list):
            for item in value:
                look(item)
        if isinstance(value, dict):
            fields = {
                name.lower().replace(" ", "").replace("_", ""): v for name, v in value.items()
            }
            names = fields.get("firstname"), fields.get("lastname")
            found.update(str(fields[f]) for f in ("email", "phone", "fullname") if fields.get(f))
            if all(names):
                found.add(" ".join(map(str, names)))
            look(list(value.values()))

    for event in EVENTS:
        for entity in ENTITIES:
            for _, body in sandbox.store.page(event, entity, limit=-1):
                look(json.loads(body))
    return found | {text.replace("@", "%40") for text in found if "@" in text}


def secrets_of(sandbox: RunningSandbox) -> set[str]:
    """What gives access to a sandbox, with every token that it has issued."""
    sandbox.store.commit()
    with closing(sqlite3.connect(sandbox.store.database)) as database:
        tokens = {token for (token,) in database.execute("SELECT token FROM access_token")}
    pair = f"{sandbox.client_id}:{sandbox.client_secret}".encode()
    basic = base64.b64encode(pair).decode()
    return tokens | {sandbox.client_secret, sandbox.api_profile, basic}


def leaks(text: str, sandbox: RunningSandbox) -> list[str]:
    return sorted(item for item in personal(sandbox) | secrets_of(sandbox) if item in text)


def with_profile(settings: Settings, profile: str) -> Settings:
    rest = {name: value for name, value in settings.items() if not name.startswith("client_")}
    return rest | {"api_profile": profile}


@pytest.mark.parametrize("kind", ["OAuth", "API profile"])
def test_a_good_run_tells_nothing(
    run_loud: LoudRunner, watched: RunningSandbox, settings_for: SettingsMaker, kind: str
) -> None:
    settings = settings_for(watched, page_size=25, event_codes=list(EVENTS))
    if kind == "API profile":
        settings = with_profile(settings, watched.api_profile)
    before = len(secrets_of(watched))
    runs = run_loud(settings, "info", "debug", "structured")
    assert len(personal(watched)) > 400
    if kind == "OAuth":
        assert len(secrets_of(watched)) == before + 3
    for run in runs:
        assert run.code == 0, run.log
        assert len(leaks(run.output, watched)) > 250  # what is searched for can be found
        assert leaks(run.log, watched) == []
    usual, all_of_it, structured = runs
    assert "DEBUG" not in usual.log
    assert "DEBUG" in all_of_it.log
    assert json.loads(structured.log.splitlines()[-1])["level"]


ALWAYS: dict[str, t.Any] = {"times": None}
WRONG: dict[str, tuple[list[Fault], Settings, str]] = {
    "wrong environment": (
        [Fault("wrong_environment", **ALWAYS)],
        {},
        "check org_id, environment, the event code",
    ),
    "denied": ([Fault("denied", **ALWAYS)], {}, "enable it under Integration Suite > API Profiles"),
    "unknown event": ([Fault("unknown_event", **ALWAYS)], {}, "Check the event code summit25"),
    "refused with 400": ([Fault("refuse_400", **ALWAYS)], {}, "Check the event code summit25"),
    "HTML": ([Fault("html", **ALWAYS)], {}, "attendee/search with HTTP 200: the reply is not a"),
    "dead third page": (
        [Fault("server_error", call=PEOPLE, skip=2, **ALWAYS)],
        {"page_size": 25},
        "RainFocus answered attendee/search with HTTP 500: the server cannot answer now: try again",
    ),
    "empty pages": ([Fault("empty_page", call=PEOPLE, **ALWAYS)], {}, "a sign of throttling"),
    "slow": (
        [Fault("slow", seconds=20, **ALWAYS)],
        {"request_timeout": 0.2},
        "did not answer within 0.2 s: check request_timeout",
    ),
    "expired tokens": (
        [Fault("expired_token", **ALWAYS)],
        {},
        "the access token is not accepted: check the credentials and environment",
    ),
    "no token: HTML": ([Fault("html", call=TOKEN, **ALWAYS)], {}, "check token_url"),
    "no token: 500": (
        [Fault("server_error", call=TOKEN, **ALWAYS)],
        {},
        "the request for a token with HTTP 500: try again later",
    ),
}


CODES = {
    "denied": ExitCode.REFUSED,
    "HTML": ExitCode.LATER,
    "dead third page": ExitCode.LATER,
    "empty pages": ExitCode.LATER,
    "slow": ExitCode.UNAVAILABLE,
    "expired tokens": ExitCode.REFUSED,
    "no token: HTML": ExitCode.LATER,
    "no token: 500": ExitCode.LATER,
    "unknown host": ExitCode.UNAVAILABLE,
    "wrong secret": ExitCode.REFUSED,
    "wrong profile": ExitCode.REFUSED,
}
"""The others are settings."""


@pytest.mark.parametrize("kind", WRONG)
def test_a_fault_that_stays(
    run_loud: LoudRunner,
    watched: RunningSandbox,
    settings_for: SettingsMaker,
    kind: str,
) -> None:
    faults, change, advice = WRONG[kind]
    watched.faults.add(*faults)
    runs = run_loud(settings_for(watched) | {"max_retries": 0} | change)
    assert watched.faults.struck()[faults[0].kind] >= len(runs)
    for run in runs:
        assert_told(run, advice, CODES.get(kind, ExitCode.SETTINGS))
        assert leaks(run.log, watched) == []


def assert_told(run: Run, advice: str, code: int = ExitCode.SETTINGS) -> None:
    assert run.code == code
    errors = error_lines(run)
    assert len(errors) == 1, run.log
    assert advice in errors[0]
    assert error_lines(run)[0] in run.log.splitlines()[-1]  # the last words


NOT_THERE = "https://nowhere.invalid/api"
REFUSED: dict[str, tuple[Settings, str]] = {
    "unknown host": (
        {"api_url": NOT_THERE},
        "nowhere.invalid could not be made, or broke: check api_url",
    ),
    "wrong secret": ({"client_secret": "wr0ng-s3cret"}, "check client_id, client_secret"),
    "wrong profile": ({"api_profile": "wr0ng-s3cret"}, "check api_profile and environment"),
    "secret in the URL": (
        {"api_url": "https://user:wr0ng-s3cret@127.0.0.1/api"},
        "api_url is not a web address",
    ),
    "secret of a wrong type": ({"client_secret": ["wr0ng-s3cret"]}, "must be of type string"),
    "secret in another setting": ({"page_size": "wr0ng-s3cret"}, "must be of type integer"),
    "map with bad syntax": ({"stream_maps": {"attendees": {"x": "email ("}}}, "in stream_maps"),
    "map of what is not there": (
        {"stream_maps": {"attendees": {"x": "attendee['email'] + nothing"}}},
        "in stream_maps",
    ),
    "map that breaks on a value": (
        {"stream_maps": {"attendees": {"x": "int(attendee['email'])"}}},
        "in stream_maps",
    ),
    "map that breaks on a record": (
        {"stream_maps": {"attendees": {"x": "attendee['email'].no_such_thing"}}},
        "in stream_maps",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_settings_that_cannot_work(
    run_loud: LoudRunner,
    watched: RunningSandbox,
    settings_for: SettingsMaker,
    kind: str,
) -> None:
    change, advice = REFUSED[kind]
    settings = settings_for(watched, max_retries=0)
    if "api_profile" in change:
        settings = with_profile(settings, "")
    for run in run_loud(settings | change):
        assert_told(run, advice, CODES.get(kind, ExitCode.SETTINGS))
        assert "wr0ng-s3cret" not in run.log
        assert leaks(run.log, watched) == []


def test_https_where_there_is_none(
    run_loud: LoudRunner, watched: RunningSandbox, settings_for: SettingsMaker
) -> None:
    api_url = watched.api_url.replace("http://", "https://")
    for run in run_loud(settings_for(watched, api_url=api_url), "info", "debug"):
        assert_told(run, "No TLS with 127.0.0.1:")
        assert leaks(run.log, watched) == []


PERSON = "ann.example@example.com"
NAME = "Ann Example"
PHONE = "+1 555 0199"
QUOTED = f"{NAME} <{PERSON}>, {PHONE}, scripted-secret, tok-en-1"
HOSTILE: dict[str, tuple[int, dict[str, str], object]] = {
    "message": (400, {}, {"responseCode": "27", "responseMessage": QUOTED}),
    "code": (200, {}, {"responseCode": QUOTED}),
    "page for people": (500, {}, f"<html>{QUOTED}</html>".encode()),
    "no list": (200, {}, {"responseCode": "0", QUOTED: [{PERSON: NAME}]}),
    "cursor in a circle": (200, {}, {"results": [{"email": PERSON}], "cursor": QUOTED}),
    "Retry-After": (429, {"Retry-After": f"0{QUOTED}"}, {}),
    "Location": (302, {"Location": f"/{PERSON}/tok-en-1?x={NAME}"}, QUOTED.encode()),
    "length": (200, {"Transfer-Encoding": "chunked"}, QUOTED.encode()),
    "encoding": (200, {"Content-Encoding": "gzip"}, QUOTED.encode()),
    "odd values": (
        200,
        {},
        {"results": [{"attendeeId": "1", "email": [PERSON], "registered": PERSON, PERSON: 1}]},
    ),
}


@pytest.mark.parametrize("reply", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_a_reply_quotes_stays_out_of_the_log(
    run_loud: LoudRunner, scripted: ServerMaker, reply: tuple[int, dict[str, str], object]
) -> None:
    server = scripted(lambda _: reply)
    runs = run_loud(server.settings, "structured")
    assert len([asked for asked in server.asked if PEOPLE in asked.path]) >= len(runs)
    for run in runs:
        assert len(error_lines(run)) == (1 if run.code else 0), run.log
        for quoted in (PERSON, NAME, PHONE, "scripted-secret", "tok-en-1"):
            assert quoted not in run.log
