"""The summary for machines: what was read, asked and refused."""

from __future__ import annotations

import json
import typing as t

from rainfocus_client.errors import ExitCode

if t.TYPE_CHECKING:
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    from tests.tap.conftest import Settings, SettingsMaker, TapRunner


def test_it_says_what_was_read_of_each_stream(
    run_tap: TapRunner, settings: Settings, tmp_path: Path, structured: dict[str, str]
) -> None:
    path = tmp_path / "summary.json"
    run = run_tap(settings | {"summary_path": str(path)}, environment=structured)
    assert run.code == 0, run.log
    found = json.loads(path.read_text())
    assert (found["exit_code"], found["error"]) == (0, None)
    assert found["events"] == settings["event_codes"]
    read = {stream: counts["read"] for stream, counts in found["streams"].items()}
    assert read == {stream: len(run.records(stream)) for stream in read}
    assert read["attendees"] > 0
    assert found["requests"]["made"] >= 6
    assert found["requests"]["bytes_received"] > 1000
    assert found["state_age_seconds"] >= 0
    lines = [json.loads(line) for line in run.log.splitlines()]
    (summary,) = [line for line in lines if line["message"].startswith("Read from ")]
    assert summary["extra"]["streams"] == found["streams"]
    metrics = [line["metric_info"] for line in lines if line["message"] == "METRIC"]
    counted = {
        metric["tags"]["stream"]: metric["value"]
        for metric in metrics
        if metric["metric"] == "record_count"
    }
    assert counted == read
    assert {m["tags"]["stream"] for m in metrics if m["metric"] == "sync_duration"} == set(read)


def test_it_names_what_was_refused(
    run_tap: TapRunner,
    fresh_sandbox: RunningSandbox,
    settings_for: SettingsMaker,
    tmp_path: Path,
) -> None:
    path = tmp_path / "summary.json"
    fresh_sandbox.store.deny("oauth-global", "entityDataDump/speaker")
    run = run_tap(settings_for(fresh_sandbox, summary_path=str(path)))
    assert run.code == 0, run.log
    (reason,) = json.loads(path.read_text())["reasons"]
    assert (reason["stream"], reason["outcome"], reason["count"]) == ("speakers", "refused", 1)
    assert "code 124" in reason["reason"]


def test_a_run_that_fails_leaves_one_too(
    run_tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "summary.json"
    run = run_tap(settings | {"summary_path": str(path), "client_secret": "wrong-secret"})
    assert run.code == ExitCode.REFUSED
    found = json.loads(path.read_text())
    assert found["exit_code"] == ExitCode.REFUSED
    assert "check client_id, client_secret" in found["error"]
    assert not any(counts["read"] for counts in found["streams"].values())
