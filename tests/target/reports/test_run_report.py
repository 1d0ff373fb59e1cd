"""The summary for machines: every run leaves one, whole, whatever ends it."""

from __future__ import annotations

import json
import signal
import typing as t
from pathlib import Path

import jsonschema
import pytest
from rainfocus_client.errors import ExitCode

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from tests.target.conftest import Ended, Script, Singer

    Json = dict[str, t.Any]
    Call = Callable[..., Ended]
    Serve = Callable[..., t.ContextManager[Script]]

COUNTS = ("read", "stored", "unchanged", "merged", "filtered", "invalid", "rejected", "unfinished")
SCHEMA = {
    "type": "object",
    "required": ["run_id", "started_at", "ended_at", "seconds", "exit_code", "error", "dry_run"],
    "properties": {
        "started_at": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT[\d:.]+Z$"},
        "ended_at": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT[\d:.]+Z$"},
        "streams": {
            "type": "object",
            "additionalProperties": {
                "required": list(COUNTS),
                "additionalProperties": {"type": "integer", "minimum": 0},
            },
        },
        "reasons": {
            "type": "array",
            "items": {"required": ["stream", "outcome", "reason", "count"]},
        },
        "requests": {
            "required": ["made", "retries", "seconds", "seconds_between_retries"],
            "additionalProperties": {"type": "number", "minimum": 0},
        },
        "state_age_seconds": {"type": ["number", "null"], "minimum": 0},
    },
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "summary.json"


@pytest.fixture
def served(script: Serve) -> Iterator[Script]:
    busy = ["once"]

    def answer(_: Script, body: Json) -> tuple[int, Json, dict[str, str]]:
        if body.get("firstname") == "Refused":
            return 400, {"responseCode": "105"}, {}
        if body.get("firstname") == "Later" and busy:
            busy.pop()
            return 503, {}, {"Retry-After": "0"}
        return 200, {"responseCode": "0"}, {}

    with script(answer) as serving:
        yield serving


def read(path: Path) -> Json:
    found: Json = json.loads(path.read_text())
    jsonschema.validate(found, SCHEMA)
    return found


def test_it_says_what_became_of_each_stream(
    call: Call, singer: Singer, served: Script, path: Path, tmp_path: Path
) -> None:
    other = [{**message, "stream": "partners"} for message in (singer.schema,)]
    messages = [
        singer.schema,
        *other,
        singer.record("ada@example.com", firstname="Later"),
        {**singer.record("eve@example.com", firstname="Refused"), "stream": "partners"},
        {**singer.record("nobody"), "stream": "partners"},
        singer.state(1),
    ]
    settings = {"summary_path": str(path), "rejects_path": str(tmp_path / "r"), "concurrency": 1}
    ended = call(messages, served.settings | settings)
    assert ended.code == 0, ended.log
    found = read(path)
    assert found["exit_code"] == 0
    assert found["error"] is None
    assert found["events"] == ["summit26"]
    nothing = dict.fromkeys(COUNTS, 0)
    assert found["streams"] == {
        "people": nothing | {"read": 1, "stored": 1},
        "partners": nothing | {"read": 2, "invalid": 1, "rejected": 1},
    }
    assert [(why["stream"], why["outcome"], why["count"]) for why in found["reasons"]] == [
        ("partners", "invalid", 1),
        ("partners", "rejected", 1),
    ]
    assert found["requests"]["made"] == 1 + 3
    assert found["requests"]["retries"] == 1
    assert found["requests"]["bytes_sent"] > 0
    assert found["requests"]["bytes_received"] > 0
    assert found["state_age_seconds"] is not None
    assert "@" not in path.read_text()


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"event_code": ""}, ExitCode.SETTINGS, "Setting event_code must not be empty"),
        ({"api_url": "http://127.0.0.1:9/api"}, ExitCode.UNAVAILABLE, "could not be reached"),
        ({}, ExitCode.DATA, "1 records were not stored"),
    ],
)
def test_a_failed_run_leaves_one_too(
    call: Call, singer: Singer, served: Script, path: Path, change: Json, code: int, said: str
) -> None:
    settings = served.settings | {"summary_path": str(path), "max_retries": 0} | change
    if "api_url" in change:
        settings.pop("token_url", None)
    ended = call([singer.schema, singer.record("nobody"), singer.record("ada@x.org")], settings)
    assert ended.code == code
    found = json.loads(path.read_text())
    assert found["exit_code"] == code
    assert said in found["error"]
    assert found["error"] in ended.error


def test_an_older_one_does_not_outlive_the_start_of_a_run(
    start: Callable[..., subprocess.Popen[str]], singer: Singer, served: Script, path: Path
) -> None:
    path.write_text('{"run_id":"of an earlier run"}\n')
    process = start(served.settings | {"summary_path": str(path)})
    assert process.stdin
    assert process.stdout
    for message in (singer.schema, singer.record("ada@example.com"), singer.state(1)):
        process.stdin.write(f"{json.dumps(message)}\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == {"n": 1}
    assert not path.exists()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143
    found = read(path)
    assert found["exit_code"] == 143
    assert found["streams"]["people"]["stored"] == 1


def test_no_other_file_is_replaced(
    call: Call, singer: Singer, served: Script, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    ended = call([singer.schema], served.settings | {"summary_path": str(config)})
    assert ended.code == 78
    assert "Setting summary_path names a file that is no summary: give another." in ended.error
    assert json.loads(config.read_text())["summary_path"] == str(config)


def test_a_file_that_the_run_made_is_not_replaced_either(
    call: Call, singer: Singer, served: Script, tmp_path: Path
) -> None:
    rejects, cut = tmp_path / "rejects.singer", tmp_path / "rejects.singer.cut"
    rejects.write_text('{"type": "REC')
    settings = served.settings | {"summary_path": str(cut), "rejects_path": str(rejects)}
    ended = call([singer.schema, singer.record("ada@example.com"), singer.record("x")], settings)
    assert ended.code == ExitCode.FILES
    assert "summary_path names a file of this run" in ended.error
    assert cut.read_text() == '{"type": "REC\n'


@pytest.mark.parametrize("setting", ["summary_path", "rejects_path", "activation_log_path"])
def test_the_ledger_is_no_other_file_of_the_run(
    call: Call, singer: Singer, served: Script, path: Path, setting: str
) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    settings = served.settings | {setting: str(link), "ledger_url": f"sqlite:///{path}"}
    ended = call([singer.schema, singer.record("ada@example.com")], settings)
    assert ended.code == ExitCode.SETTINGS
    assert f"Settings {setting} and ledger_url name the same file" in ended.error
    assert not served.bodies


@pytest.mark.parametrize("name", ["no such folder/summary.json", "."])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_sent(
    call: Call, singer: Singer, served: Script, tmp_path: Path, name: str
) -> None:
    settings = served.settings | {"summary_path": str(tmp_path / name)}
    ended = call([singer.schema, singer.record("ada@example.com")], settings)
    assert ended.code == ExitCode.SETTINGS
    assert "Setting summary_path names no file that can be written" in ended.error
    assert not served.tokens


def test_a_full_disk_is_told_and_leaves_no_half(
    call: Call, singer: Singer, served: Script, tmp_path: Path
) -> None:
    link = tmp_path / "summary.json"
    link.symlink_to("/dev/full")
    settings = served.settings | {"summary_path": str(link)}
    ended = call([singer.schema, singer.record("ada@example.com"), singer.state(1)], settings)
    assert ended.code == ExitCode.FILES
    assert "The summary cannot be written (No space left on device)" in ended.error
    assert ended.states == [{"n": 1}]
    assert Path("/dev/full").is_char_device()


def test_the_structured_log_carries_the_same_numbers(
    run: Call, singer: Singer, served: Script, path: Path, structured: dict[str, str]
) -> None:
    people = [singer.record(f"ada{n}@example.com") for n in range(3)]
    settings = served.settings | {"summary_path": str(path)}
    ended = run([singer.schema, *people, singer.state(1)], settings, **structured)
    assert ended.code == 0, ended.log
    lines = [json.loads(line) for line in ended.log.splitlines()]
    (summary,) = [line for line in lines if line["message"].startswith("Attendee Store")]
    found = read(path)
    for key in ("run_id", "streams", "reasons", "events", "dry_run"):
        assert summary["extra"][key] == found[key]
    (metric,) = [line["metric_info"] for line in lines if line["message"] == "METRIC"]
    assert (metric["metric"], metric["value"]) == ("record_count", 3)
    assert metric["tags"]["stream"] == "people"
    plain = run([singer.schema, *people], settings)
    assert "METRIC" not in plain.log
