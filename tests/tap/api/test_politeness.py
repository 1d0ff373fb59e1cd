"""A tap that keeps within its limits, says who it is, and tells its secrets to nobody else."""

from __future__ import annotations

import re
import time
import typing as t
from importlib.metadata import version

import pytest
import requests
from rainfocus_sandbox.faults.faults import Fault

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Run = t.Any
    Settings = dict[str, t.Any]
    TapRunner = Callable[..., Run]
    TapStarter = Callable[..., t.Any]
    SettingsMaker = Callable[..., Settings]
    ServerMaker = Callable[..., t.Any]

PEOPLE = "attendee/search"
TOKEN = "oidc/token"


def test_the_ceiling_holds_over_all_streams_tokens_and_retries(
    run_tap: TapRunner, fresh_sandbox: RunningSandbox, settings_for: SettingsMaker
) -> None:
    fresh_sandbox.faults.add(
        Fault("server_error", call=TOKEN),
        Fault("retry_after_seconds", call=PEOPLE, skip=3, seconds=0),
        Fault("expired_token", call=PEOPLE, skip=6),
        Fault("drop", call="entityDataDump/session"),
    )
    settings = settings_for(fresh_sandbox, page_size=10, requests_per_second=10, max_retries=4)
    run = run_tap(settings)
    assert run.code == 0, run.log
    assert len(run.records("attendees")) == 120
    assert sum(fresh_sandbox.faults.struck().values()) == 4
    log = fresh_sandbox.store.log()
    assert len({entry.call for entry in log}) == 6
    assert len(log) == 12 + 4 + 3 + 2 + 4  # pages, dumps, tokens, and what the faults cost
    moments = sorted(entry.time_ms for entry in log)
    assert moments[-1] - moments[0] >= 2300
    for start in moments:
        assert sum(start <= moment < start + 1000 for moment in moments) <= 11


def test_without_a_ceiling_nothing_waits(
    run_tap: TapRunner, fresh_sandbox: RunningSandbox, settings_for: SettingsMaker
) -> None:
    run = run_tap(settings_for(fresh_sandbox, page_size=10))
    assert run.code == 0, run.log
    moments = [entry.time_ms for entry in fresh_sandbox.store.log()]
    assert len(moments) == 20
    assert moments[-1] - moments[0] < 1900  # the ceiling of the test above would make it so


def pages_of_three(asked: t.Any) -> tuple[int, dict[str, str], object]:
    if "search" not in asked.path:
        return 200, {}, {"responseCode": "0", "data": []}
    number = int(asked.query.get("cursor", 0)) + 1
    page: dict[str, object] = {"responseCode": "0", "results": [{"attendeeId": str(number)}]}
    return 200, {}, page | ({"cursor": str(number)} if number < 3 else {})


def test_every_request_says_who_asks_and_in_which_run(
    run_tap: TapRunner, scripted: ServerMaker
) -> None:
    server = scripted(pages_of_three)
    traces = []
    for _ in range(2):
        server.asked.clear()
        run = run_tap(server.settings)
        assert run.code == 0, run.log
        assert [asked.path for asked in server.asked].count("/oidc/token") == 1
        assert len(server.asked) == 1 + 3 + 3 + 3
        agents = {asked.headers["User-Agent"] for asked in server.asked}
        assert agents == {f"tap-rainfocus/{version('tap-rainfocus')}"}
        parents = [asked.headers["traceparent"] for asked in server.asked]
        matches = [re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01", p) for p in parents]
        found = [match.groups() for match in matches if match]
        assert len(found) == len(parents)
        assert len({trace for trace, _ in found}) == 1
        assert len({span for _, span in found}) == len(parents)
        assert {"0" * 32, "0" * 16}.isdisjoint(part for pair in found for part in pair)
        traces.append(found[0][0])
    assert traces[0] != traces[1]


@pytest.mark.parametrize("kind", ["OAuth", "API profile"])
def test_a_netrc_file_is_not_used(
    run_tap: TapRunner,
    scripted: ServerMaker,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login mallory password elsewhere\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    server = scripted(pages_of_three)
    requests.get(server.url, timeout=10)  # the file is one that is found and used
    assert server.asked.pop().headers["Authorization"].startswith("Basic ")

    settings = server.settings
    if kind == "API profile":
        settings |= {"client_id": "", "client_secret": "", "api_profile": "scripted-profile"}
    run = run_tap(settings)
    assert run.code == 0, run.log
    calls = [asked for asked in server.asked if asked.path != "/oidc/token"]
    sent = {(a.headers["Authorization"], a.headers["apiProfile"]) for a in calls}
    if kind == "API profile":
        assert sent == {(None, "scripted-profile")}
    else:
        assert sent == {("Bearer tok-en-1", None)}
        (token,) = [asked for asked in server.asked if asked.path == "/oidc/token"]
        pair = requests.auth._basic_auth_str("scripted-client", "scripted-secret")  # noqa: SLF001
        assert token.headers["Authorization"] == pair


@pytest.mark.parametrize("status", [302, 307])
def test_credentials_do_not_follow_a_redirect(
    run_tap: TapRunner, scripted: ServerMaker, status: int
) -> None:
    elsewhere = scripted(pages_of_three)
    there = {"Location": f"{elsewhere.url}/api/acme/v3/attendee/search"}
    server = scripted(lambda _: (status, there, b""))
    credentials = {"client_id": "", "client_secret": "", "api_profile": "scripted-profile"}
    run = run_tap(server.settings | credentials)
    assert run.code == 78
    assert len(run.errors) == 1
    assert "check api_url" in run.errors[0]
    assert [asked.headers["apiProfile"] for asked in server.asked] == ["scripted-profile"]
    assert elsewhere.asked == []


def test_the_secret_does_not_follow_a_redirect(run_tap: TapRunner, scripted: ServerMaker) -> None:
    elsewhere = scripted(pages_of_three)
    there = {"Location": f"{elsewhere.url}/oidc/token"}
    server = scripted(lambda _: (307, there, b""), tokens=False)
    run = run_tap(server.settings | {"token_auth_method": "post"})
    assert run.code == 78
    assert len(run.errors) == 1
    assert "check token_url" in run.errors[0]
    assert [asked.path for asked in server.asked] == ["/oidc/token"]
    assert elsewhere.asked == []


IMPATIENT = """
import tap_rainfocus.streams.progress
tap_rainfocus.streams.progress.INTERVAL = 0.2
from tap_rainfocus.__main__ import main
main()
"""


def test_a_long_download_shows_that_it_goes_on(
    start_tap: TapStarter,
    fresh_sandbox: RunningSandbox,
    settings_for: SettingsMaker,
    only_attendees: tuple[str, str],
    tmp_path: Path,
) -> None:
    fresh_sandbox.faults.latency(0.1)
    fresh_sandbox.faults.add(Fault("server_error", call=PEOPLE, skip=1))
    settings = settings_for(fresh_sandbox, page_size=10)
    tap = start_tap(settings, *only_attendees, program=("-c", IMPATIENT))
    log = tmp_path / "started0" / "log"
    until = time.monotonic() + 20
    while "so far" not in log.read_text():
        assert tap.poll() is None  # it is told while the download goes on
        assert time.monotonic() < until
        time.sleep(0.02)
    tap.communicate(timeout=20)
    assert tap.returncode == 0
    told = re.findall(
        r"attendees of summit25: (\d+) records (so far|in all), \d+ a second, (\d+) pages, "
        r"(\d+) retries",
        log.read_text(),
    )
    assert len(told) >= 4
    counts = [int(records) for records, _, _, _ in told]
    assert counts == sorted(counts)
    assert counts[0] < 120
    assert [extent for _, extent, _, _ in told] == ["so far"] * (len(told) - 1) + ["in all"]
    assert told[-1] == ("120", "in all", "12", "1")
    assert fresh_sandbox.faults.struck() == {"server_error": 1}


def test_where_basic_is_refused_the_token_is_asked_for_in_form_fields(
    run_tap: TapRunner, scripted: ServerMaker
) -> None:
    def answer(asked: t.Any) -> tuple[int, dict[str, str], object]:
        if asked.path != "/oidc/token":
            return pages_of_three(asked)
        if asked.headers["Authorization"]:
            return 401, {}, {"error": "invalid_client"}
        return 200, {}, {"access_token": "tok-en"}

    server = scripted(answer, tokens=False)
    run = run_tap(server.settings)
    assert run.code == 0, run.log
    assert [asked.path for asked in server.asked].count("/oidc/token") == 2
