"""Whatever goes wrong: one line that says what to do, exit code 1, nothing personal."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from rainfocus_sandbox.testing import RunningSandbox

    Settings = dict[str, t.Any]
    TapRunner = Callable[..., t.Any]

BAD_SETTINGS: dict[str, tuple[Settings, str]] = {
    "no org": ({"org_id": None}, "org_id is missing: set it in the config or as TAP_RAINFOCUS_"),
    "empty org": ({"org_id": ""}, "org_id must not be empty"),
    "org with a slash": ({"org_id": "acme/x"}, "org_id must be a plain name"),
    "two kinds of credentials": ({"api_profile": "x"}, "keep either api_profile, or client_id"),
    "no credentials": ({"client_id": None, "client_secret": None}, "No credentials are set: give"),
    "half of OAuth": ({"client_secret": None}, "set the one that is missing"),
    "malformed URL": ({"api_url": "events.rainfocus.com"}, "api_url is not a web address: give"),
    "URL with a bad port": ({"api_url": "https://host:x/api"}, "api_url is not a web address"),
    "malformed token URL": ({"token_url": "no"}, "token_url is not a web address: give"),
    "wrong type": ({"page_size": "many"}, "page_size must be of type integer"),
    "out of range": ({"page_size": 0}, "page_size must be at least 1"),
    "unknown choice": ({"token_auth_method": "jwt"}, "must be one of auto, basic, post"),
    "bad start date": ({"start_date": "soon"}, "start_date is not a date: give it as"),
    "unknown event": ({"event_codes": ["nosuchevent"]}, "Check the event code nosuchevent"),
    "wrong secret": ({"client_secret": "wrong-secret"}, "check client_id, client_secret"),
    "wrong org": ({"org_id": "other"}, "check org_id"),
    "wrong profile": (
        {"client_id": None, "client_secret": None, "api_profile": "nosuchprofile"},
        "check api_profile",
    ),
    "events without a code": ({"event_codes": [" ", ","]}, "event_codes names no event: give"),
    "no event for a global profile": ({"event_codes": []}, "the event code"),
}


REFUSED = {"wrong secret", "wrong profile"}


@pytest.mark.parametrize("kind", BAD_SETTINGS)
def test_one_line_says_what_to_do(run_tap: TapRunner, settings: Settings, kind: str) -> None:
    change, advice = BAD_SETTINGS[kind]
    changed = {name: value for name, value in (settings | change).items() if value is not None}
    run = run_tap(changed)
    assert run.code == (77 if kind in REFUSED else 78)
    assert len(run.errors) == 1, run.log
    assert advice in run.errors[0]
    assert "Traceback" not in run.log
    assert not [message for message in run.messages if message["type"] == "RECORD"]


def test_a_host_that_does_not_answer(run_tap: TapRunner, settings: Settings) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    run = run_tap(settings | {"api_url": f"http://127.0.0.1:{port}/api", "max_retries": 1})
    assert run.code == 69
    assert len(run.errors) == 1
    assert f"127.0.0.1:{port} could not be made, or broke: check api_url" in run.errors[0]


def test_an_address_that_is_not_rainfocus(
    run_tap: TapRunner, settings: Settings, sandbox: RunningSandbox
) -> None:
    token_url = f"{sandbox.url}/oidc/token"
    run = run_tap(settings | {"api_url": f"{sandbox.url}/nothing", "token_url": token_url})
    assert run.code == 78
    assert len(run.errors) == 1
    assert "there is no such address: check api_url" in run.errors[0]


def test_nothing_personal_and_no_secret_in_the_log(
    run_tap: TapRunner, settings: Settings, sandbox: RunningSandbox
) -> None:
    run = run_tap(settings, environment={"LOGLEVEL": "debug"})
    assert run.code == 0
    assert "DEBUG" in run.log
    assert sandbox.client_secret not in run.log
    for attendee in sandbox.store.attendees("summit25"):
        assert attendee["email"] not in run.log
    assert "cursor=" not in run.log


def test_a_closed_pipe_ends_quietly(settings: Settings, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(settings))
    command = f"set -o pipefail; {sys.executable} -m tap_rainfocus --config {config} | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 74
    assert "Traceback" not in done.stderr
    assert "ERROR" not in done.stderr


BAD_FILES = {
    "config not JSON": ("--config", "{", "is not one JSON object"),
    "config a list": ("--config", "[]", "is not one JSON object"),
    "state not JSON": ("--state", "{}\n{}", "--state is not one JSON object"),
    "state without bookmarks": ("--state", '{"a": 1}', "give the last line that the loader"),
    "state with odd bookmarks": ("--state", '{"bookmarks": 5}', "The state has no bookmarks"),
    "state with odd partitions": (
        "--state",
        '{"bookmarks": {"attendees": {"partitions": null}}}',
        "The state has no bookmarks",
    ),
    "state with odd contexts": (
        "--state",
        '{"bookmarks": {"attendees": {"partitions": [{}]}}}',
        "The state has no bookmarks",
    ),
    "catalog not JSON": ("--catalog", "", "--catalog is not one JSON object"),
    "catalog without schemas": (
        "--catalog",
        '{"streams": [{"stream": "attendees", "tap_stream_id": "attendees"}]}',
        "make one with --discover",
    ),
    "catalog of something": ("--catalog", '{"streams": [1]}', "make one with --discover"),
}


@pytest.mark.parametrize(("option", "text", "advice"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_file_that_is_not_what_it_should_be(
    run_tap: TapRunner, settings: Settings, tmp_path: Path, option: str, text: str, advice: str
) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    run = run_tap(settings if option != "--config" else None, option, str(file))
    assert run.code == 78
    assert len(run.errors) == 1, run.log
    assert advice in run.errors[0]


def test_files_are_utf_8_whatever_the_locale_says(
    run_tap: TapRunner, settings: Settings, only_attendees: tuple[str, str], tmp_path: Path
) -> None:
    marks = {"replication_key": "timestamp", "replication_key_value": "2026-01-01T00:00:00Z"}
    partition = {"context": {"event": "zürich25"}, **marks}
    catalog = json.loads(Path(only_attendees[1]).read_text())
    catalog["streams"][0]["schema"]["title"] = "Zürich"
    files = {
        "--catalog": catalog,
        "--state": {"bookmarks": {"attendees": {"partitions": [partition]}}},
    }
    arguments = []
    for option, content in files.items():
        file = tmp_path / option
        file.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
        arguments += [option, str(file)]
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    run = run_tap(settings, *arguments, environment=ascii_only)
    assert run.code == 0, run.log
    assert partition in run.state["bookmarks"]["attendees"]["partitions"]


def test_a_missing_config_file_is_named(run_tap: TapRunner) -> None:
    run = run_tap(None, "--config", "nowhere.json")
    assert run.code == 78
    assert "nowhere.json cannot be read" in run.errors[0]


def test_a_bookmark_that_is_not_a_time(run_tap: TapRunner, settings: Settings) -> None:
    mark = {"replication_key": "timestamp", "replication_key_value": "yesterday"}
    state = {
        "bookmarks": {"attendees": {"partitions": [{"context": {"event": "summit25"}} | mark]}}
    }
    run = run_tap(settings, state=state)
    assert run.code == 78
    assert "attendees for event summit25 in the state is not a time" in run.errors[0]


@pytest.mark.parametrize("expression", ["bad syntax (", "nofield + 1"])
def test_a_stream_map_that_cannot_be_used(
    run_tap: TapRunner, settings: Settings, expression: str
) -> None:
    run = run_tap(settings | {"stream_maps": {"attendees": {"x": expression}}})
    assert run.code == 78
    assert len(run.errors) == 1, run.log
    assert "expressions in stream_maps" in run.errors[0]


def test_a_map_for_a_stream_that_is_not_selected_does_no_harm(
    run_tap: TapRunner, settings: Settings
) -> None:
    maps = {"sessions": {"session": "{'code': session.get('code')}"}}
    run = run_tap(settings | {"stream_maps": maps}, select=["attendees"])
    assert run.code == 0, run.log
    assert run.records("attendees")


def test_a_misspelt_setting_is_told(run_tap: TapRunner, settings: Settings) -> None:
    run = run_tap(settings | {"page_sze": 5}, select=[])
    assert run.code == 78
    assert "Setting page_sze is not known: is page_size meant?" in run.errors[0]


def test_a_setting_that_is_like_no_other_is_told(run_tap: TapRunner, settings: Settings) -> None:
    run = run_tap(settings | {"colour": 5}, select=[])
    assert "Setting colour is not known and has no effect" in run.log


def test_a_run_of_no_stream_fails(run_tap: TapRunner, settings: Settings) -> None:
    for arguments in ([], ["--test"]):
        run = run_tap(settings, *arguments, select=[])
        assert run.code == 78
        assert "No stream is selected" in run.errors[0]
        assert run.output == ""


def test_flattening_needs_a_depth(run_tap: TapRunner, settings: Settings) -> None:
    run = run_tap(settings | {"flattening_enabled": True})
    assert run.code == 78
    assert "Setting flattening_max_depth is missing: give 1" in run.errors[0]


def test_a_map_for_a_stream_that_does_not_exist(run_tap: TapRunner, settings: Settings) -> None:
    maps = {"atendees": {"x": "1"}, "lead*": {"y": "2"}, "copy": {"__source__": "sessions"}}
    run = run_tap(settings | {"stream_maps": maps})
    assert run.code == 78
    assert "stream_maps names atendees: the streams are attendees, sessions" in run.errors[0]
    assert run.output == ""


def test_endpoints_of_a_stream_that_does_not_exist(run_tap: TapRunner, settings: Settings) -> None:
    run = run_tap(settings | {"endpoints": {"people": {"path": "x"}}})
    assert run.code == 78
    assert "endpoints names people: the streams are attendees, sessions" in run.errors[0]
