"""Whatever goes wrong: one line that says what to do, exit code 1, nothing personal."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import typing as t

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Settings = dict[str, t.Any]
    TapRunner = Callable[..., t.Any]

BAD_SETTINGS = {
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
    "unknown choice": ({"token_auth_method": "jwt"}, "must be one of basic, post"),
    "bad start date": ({"start_date": "soon"}, "start_date is not a date: give it as"),
    "unknown event": ({"event_codes": ["nosuchevent"]}, "Check the event code nosuchevent"),
    "wrong secret": ({"client_secret": "wrong-secret"}, "check client_id, client_secret"),
    "wrong org": ({"org_id": "other"}, "check org_id"),
    "wrong profile": (
        {"client_id": None, "client_secret": None, "api_profile": "nosuchprofile"},
        "check api_profile",
    ),
    "no event for a global profile": ({"event_codes": []}, "the event code"),
}


@pytest.mark.parametrize(("change", "advice"), BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys())
def test_one_line_says_what_to_do(
    run_tap: TapRunner, settings: Settings, change: Settings, advice: str
) -> None:
    changed = {name: value for name, value in (settings | change).items() if value is not None}
    run = run_tap(changed)
    assert run.code == 1
    assert len(run.errors) == 1, run.log
    assert advice in run.errors[0]
    assert "Traceback" not in run.log
    assert not [message for message in run.messages if message["type"] == "RECORD"]


def test_a_host_that_does_not_answer(run_tap: TapRunner, settings: Settings) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    run = run_tap(settings | {"api_url": f"http://127.0.0.1:{port}/api", "max_retries": 1})
    assert run.code == 1
    assert len(run.errors) == 1
    assert f"127.0.0.1:{port} cannot be reached: check api_url" in run.errors[0]


def test_an_address_that_is_not_rainfocus(
    run_tap: TapRunner, settings: Settings, sandbox: RunningSandbox
) -> None:
    token_url = f"{sandbox.url}/oidc/token"
    run = run_tap(settings | {"api_url": f"{sandbox.url}/nothing", "token_url": token_url})
    assert run.code == 1
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
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "ERROR" not in done.stderr
