"""What the report holds, and what it does not."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.probe.conftest import SECRETS

if t.TYPE_CHECKING:
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    from tests.probe.conftest import FakeRainFocus, Prober

ME = "--write-to=me@company.example"


def sandbox_settings(sandbox: RunningSandbox) -> dict[str, t.Any]:
    return {
        "org_id": sandbox.org_id,
        "api_url": sandbox.api_url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
    }


def test_in_the_sandbox_all_is_as_assumed(sandbox: RunningSandbox, run_probe: Prober) -> None:
    probed = run_probe(ME, settings=sandbox_settings(sandbox), event="summit25")
    assert probed.code == 0, probed.called.log
    assert {one["verdict"] for one in probed.report["findings"]} == {"verified"}
    assert probed.report["settings"] == {
        "tap-rainfocus": {},
        "target-rainfocus-attendees": {},
        "rainfocus-receiver": {},
    }
    assert "Paste under" not in probed.called.out
    assert probed.report["requests"] == 26
    assert "\n26 requests. " in probed.called.out


@pytest.mark.parametrize(
    "ways",
    [
        {},
        {"wrapper": "attendee", "token_methods": frozenset({"post"}), "stored_code": "1"},
        {"store": "v4/nowhere", "leads": None, "unknown_attendee": (500, "me@company.example")},
        {"page": b"<html>me@company.example Ada</html>"},
        {"token_methods": frozenset()},
    ],
)
def test_no_secret_no_address_and_no_value_comes_out(
    rainfocus: FakeRainFocus, run_probe: Prober, ways: dict[str, t.Any]
) -> None:
    rainfocus.reset(**ways)
    probed = run_probe(ME, environment={"LOGLEVEL": "debug"})
    told = probed.called.out + probed.called.log + json.dumps(probed.report)
    told = told.replace(str(probed.called), "")
    for secret in SECRETS:
        assert secret not in told, secret


def test_keys_that_are_no_names_of_fields_are_left_out(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    for person in rainfocus.people.values():
        person |= {
            "ada@people.example": 1,
            "1700000000000001uAjm": 2,
            "a b": 3,
            "uAjm1700000000000001": 5,
            "good_one": 4,
        }
    fields = run_probe().findings["records_key"]["facts"]["fields"]
    assert "good_one" in fields
    assert fields["email"] == ["string"]
    assert (
        not {"ada@people.example", "1700000000000001uAjm", "uAjm1700000000000001", "a b"}
        & fields.keys()
    )


def test_the_table_and_where_the_json_went(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    rainfocus.reset(leads="leads/search", denied=frozenset({"exhibitor"}))
    probed = run_probe()
    lines = probed.called.out.splitlines()
    marks = {line[:2] for line in lines if "|" in line}
    assert marks >= {"ok", "!!", "??"}
    (line,) = (line for line in lines if line.startswith("!!"))
    assert line.rstrip().endswith("| endpoints.leads.path")
    assert lines[-1].endswith("probe.json")
    assert f"{len(rainfocus.asked)} requests" in lines[-1]
    assert probed.report["requests"] == len(rainfocus.asked)


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [("attendee", "attendee"), ("session", "session"), ("lead", "lead"), ("speaker", "speaker")],
)
def test_a_denied_endpoint_says_which_to_enable(
    rainfocus: FakeRainFocus, run_probe: Prober, name: str, endpoint: str
) -> None:
    rainfocus.reset(denied=frozenset({name}))
    probed = run_probe()
    assert probed.code == 0, probed.called.log
    assert probed.tap == {}
    check = "leads" if name == "lead" else f"{name}s"
    assert probed.verdict(check) == "not decided"
    assert f"enable endpoint {endpoint}" in probed.findings[check]["seen"]


def test_another_file_is_not_replaced(
    rainfocus: FakeRainFocus, run_probe: Prober, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"mine": 1}')
    probed = run_probe(f"--report={other}")
    assert probed.code == 78
    assert "RF-107" in probed.error
    assert other.read_text() == '{"mine": 1}'
    assert rainfocus.asked == []


def test_a_report_of_before_is_replaced(
    rainfocus: FakeRainFocus, run_probe: Prober, tmp_path: Path
) -> None:
    report = tmp_path / "again.json"
    assert run_probe(f"--report={report}").code == 0
    first = report.read_bytes()
    rainfocus.reset(leads="leads/search")
    assert run_probe(f"--report={report}").code == 0
    assert report.read_bytes() != first
