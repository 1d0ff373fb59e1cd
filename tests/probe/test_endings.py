"""How a probe ends where it cannot go on, and how much it asks."""

from __future__ import annotations

import socket
import typing as t

import pytest
from rainfocus_probe import asking
from rainfocus_probe.__main__ import main

from tests.probe.conftest import connection

if t.TYPE_CHECKING:
    from tests.conftest import InProcess
    from tests.probe.conftest import FakeRainFocus, Prober

BUSY = b'{"error": "busy"}'


@pytest.mark.parametrize(
    ("changed", "code", "trouble"),
    [
        ({"org_id": None}, 78, "RF-101"),
        ({"org_id": "a/b"}, 78, "RF-105"),
        ({"client_secret": None}, 78, "RF-104"),
        ({"clientsecret": "x"}, 78, "RF-102"),
        ({"token_auth_method": "digest"}, 78, "RF-101"),
        ({"requests_per_second": 0}, 78, "RF-101"),
    ],
)
def test_a_wrong_setting_ends_in_one_line(
    rainfocus: FakeRainFocus,
    run_probe: Prober,
    changed: dict[str, t.Any],
    code: int,
    trouble: str,
) -> None:
    probed = run_probe(settings=connection(rainfocus) | changed)
    assert probed.code == code
    assert probed.error.endswith(f"[{trouble}]")
    assert rainfocus.asked == []


def test_settings_that_are_wrong_are_set_right(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    wrong = {
        "token_url": f"{rainfocus.url}/wrong/token",
        "token_auth_method": "post",
        "token_scope": "wrong",
        "event_parameter": "wrong",
    }
    rainfocus.reset(token_methods=frozenset({"basic"}))
    probed = run_probe(settings=connection(rainfocus) | wrong)
    right = {
        "token_url": f"{rainfocus.url}/oidc/token",
        "token_auth_method": "basic",
        "token_scope": None,
        "event_parameter": "event",
    }
    assert (probed.tap, probed.target) == (right, right)


def test_settings_come_from_the_environment(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    environment = {
        f"RAINFOCUS_PROBE_{name.upper()}": str(value)
        for name, value in connection(rainfocus).items()
    }
    probed = run_probe("--config=ENV", settings={}, environment=environment)
    assert probed.code == 0, probed.called.log
    assert run_probe(settings={}).code == 78


def test_settings_of_the_plugins_do_no_harm(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    probed = run_probe(settings=connection(rainfocus) | {"event_codes": ["a"], "page_size": 5})
    assert probed.code == 0
    assert "Setting event_codes is not the connection's" in probed.called.log


def test_the_command_line_is_explained(in_process: InProcess) -> None:
    helped = in_process(main, "--help")
    assert helped.code == 0
    assert "--write-to" in helped.out
    assert in_process(main).code == 2


def test_an_event_has_to_be_named(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    assert run_probe(event=" ").code == 78
    assert rainfocus.asked == []


def test_a_host_that_is_away_ends_in_one_line(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        api_url = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
        settings = connection(rainfocus) | {"api_url": api_url, "max_retries": 0}
        probed = run_probe(settings=settings)
    assert probed.code == 69
    assert probed.error.endswith("[RF-301]")
    assert probed.report["findings"] == []
    assert probed.report["ended_early"] == "UnreachableError"


def test_credentials_that_are_refused_everywhere_end_in_one_line(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    rainfocus.reset(token_methods=frozenset())
    probed = run_probe()
    assert probed.code == 77
    assert probed.error.endswith("[RF-201]")
    assert (
        len(rainfocus.asked) == 7
    )  # five addresses, and the second method at two that answer JSON


def test_an_api_profile_that_is_refused_ends_in_one_line(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    settings = {"org_id": "acme", "api_url": rainfocus.api_url, "api_profile": "anotherprofile"}
    probed = run_probe(settings=settings)
    assert probed.code == 77
    assert probed.error.endswith("[RF-201]")


@pytest.mark.parametrize("is_profile", [True, False])
def test_a_server_that_answers_html_is_none(
    rainfocus: FakeRainFocus, run_probe: Prober, *, is_profile: bool
) -> None:
    rainfocus.reset(page=b"<html>Sign in</html>")
    settings = connection(rainfocus)
    if is_profile:
        settings = {"org_id": "acme", "api_url": rainfocus.api_url, "api_profile": "aprofile"}
    probed = run_probe(settings=settings)
    assert probed.code == (75 if is_profile else 78)
    assert probed.error.endswith("[RF-402]" if is_profile else "[RF-202]")
    assert len(rainfocus.asked) <= 10


def test_a_wrong_event_ends_in_one_line(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    probed = run_probe(event="expo2025")
    assert probed.code == 78
    assert probed.error.endswith("[RF-208]")
    assert "HTTP 400, code 104" in probed.error
    assert "expo2025" not in probed.error
    assert "token_url" in probed.findings
    assert len(rainfocus.asked) < 15


def test_busy_is_waited_for(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    rainfocus.reset(busy=1)
    probed = run_probe()
    assert probed.code == 0, probed.called.log
    assert "Trying again" in probed.called.log


def test_busy_for_too_long_ends_in_one_line(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    rainfocus.reset(busy=1000)
    probed = run_probe(settings=connection(rainfocus) | {"max_retries": 1})
    assert probed.code == 75
    assert probed.error.endswith("[RF-303]")
    assert len(rainfocus.asked) == 2


def test_requests_are_bounded(
    rainfocus: FakeRainFocus, run_probe: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MOST_REQUESTS", 9)
    probed = run_probe()
    assert probed.code == 0
    assert len(rainfocus.asked) == 9
    assert "The probe makes at most" in probed.called.log
    assert probed.verdict("check_dumps") == "not decided"
    assert probed.verdict("event_parameter") == "verified"


def test_an_answer_that_is_too_large_is_left_unread(
    rainfocus: FakeRainFocus, run_probe: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rainfocus_probe.command.MOST_BYTES", 1500)
    for person in rainfocus.people.values():
        person["bio"] = "x" * 400
    probed = run_probe()
    assert probed.code == 0, probed.called.log
    assert "too large" in probed.findings["page_size"]["seen"]


def test_the_pace_is_one_a_second_unless_told_otherwise(
    rainfocus: FakeRainFocus, run_probe: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    paces: list[float] = []
    monkeypatch.setattr("tap_rainfocus.api.sender._limiter", paces.append)
    run_probe(settings=connection(rainfocus) | {"requests_per_second": None})
    run_probe(settings=connection(rainfocus) | {"requests_per_second": 3})
    assert paces == [1, 3]
