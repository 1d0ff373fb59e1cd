"""A Singer stream of what became of each record, with no one's name in it."""

from __future__ import annotations

import hashlib
import json
import stat
import time
import typing as t
from collections import Counter
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest
from rainfocus_sandbox.faults.faults import Fault

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Json = dict[str, t.Any]
    Call = Callable[..., t.Any]
    Singer = t.Any
    Script = t.Any
    Serve = Callable[..., t.ContextManager[Script]]

STORED: t.Final[tuple[int, dict[str, t.Any], dict[str, str]]] = 200, {"responseCode": "0"}, {}

HEAD = {"type": "SCHEMA", "stream": "rainfocus_activations"}


def lines(path: Path) -> list[Json]:
    """The records of a log, each checked against the schema before it."""
    found, schema = [], None
    for line in path.read_text().splitlines():
        message = json.loads(line)
        assert message["stream"] == "rainfocus_activations"
        if message["type"] == "SCHEMA":
            assert message["key_properties"] == ["run_id", "record"]
            schema = message["schema"]
            continue
        assert schema is not None
        assert message["record"].keys() == schema["properties"].keys()
        jsonschema.Draft202012Validator(schema).validate(message["record"])
        found.append(message["record"])
    keys = [(one["run_id"], one["record"]) for one in found]
    assert len(keys) == len(set(keys))
    return found


def hashed(email: str) -> str:
    return hashlib.sha256(email.encode()).hexdigest()


def test_each_record_has_its_line(
    call: Call, singer: Singer, settings: Json, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    path = tmp_path / "activations.jsonl"
    settings |= {
        "activation_log_path": str(path),
        "rejects_path": str(tmp_path / "rejects.singer"),
        "concurrency": 1,
        "summary_path": str(tmp_path / "summary.json"),
    }
    sandbox.faults.add(
        Fault("retry_after_seconds", skip=1, seconds=0),
        Fault("server_error", skip=1),
        Fault("refuse_200", skip=2),
        Fault("refuse_400", skip=2, code="105"),
        Fault("expired_token", skip=2),
    )
    began = datetime.now(UTC)
    people = [singer.record(f" Ada{n}@Example.com", firstname="Augusta") for n in range(7)]
    ended = call([singer.schema, *people, singer.record("nobody")], settings)
    assert ended.code == 0
    found = sorted(lines(path), key=lambda line: line["record"])
    assert [line["record"] for line in found] == list(range(1, 9))
    assert {line["stream"] for line in found} == {"people"}
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert {line["run_id"] for line in found} == {summary["run_id"]}
    assert {(line["org_id"], line["event_code"]) for line in found} == {
        (settings["org_id"], settings["event_code"])
    }
    *sent, invalid = found
    assert [line["identity"] for line in sent] == [hashed(f"ada{n}@example.com") for n in range(7)]
    told = [
        (line["outcome"], line["reason_code"], line["status"], line["response_code"])
        for line in sent
    ]
    assert sorted(told, key=str) == sorted(
        [("stored", None, 200, "0")] * 5
        + [("rejected", "RF-403", 200, "27"), ("rejected", "RF-403", 400, "105")],
        key=str,
    )
    assert sorted(line["attempts"] for line in sent) == [1] * 5 + [2, 3]
    stored = {a["attendeeId"]: a["email"] for a in sandbox.store.attendees(settings["event_code"])}
    for line in sent:
        at = datetime.fromisoformat(line["at"])
        assert began - timedelta(seconds=1) < at <= datetime.now(UTC)
        assert 0 < line["milliseconds"] < 60_000
        if line["outcome"] == "stored":
            assert hashed(stored[line["attendee_id"]].strip().lower()) == line["identity"]
        else:
            assert line["attendee_id"] is None
    assert invalid | {"at": 0} == invalid | {
        "at": 0,
        "outcome": "invalid",
        "reason_code": "RF-522",
        "field": "email",
        "identity": None,
        "attempts": 0,
        "status": None,
        "milliseconds": None,
    }
    text = path.read_text().lower()
    for word in ("ada", "@", "example", "augusta", "nobody", settings["client_secret"]):
        assert word not in text.replace("rainfocus_attendees", ""), word


def test_all_outcomes_are_in_it(call: Call, singer: Singer, script: Serve, tmp_path: Path) -> None:
    def answer(_: Script, body: Json) -> tuple[int, Json, dict[str, str]]:
        if body["email"] == "first@example.com":
            time.sleep(0.3)  # meanwhile the others are read, and wait together
        if body.get("city") == "Refused":
            return 400, {"responseCode": "105"}, {}
        return 200, {"responseCode": "0", "attendeeId": "1619119968857001fvLB"}, {}

    path = tmp_path / "activations.jsonl"
    other = {"type": "SCHEMA", "stream": "rooms", "schema": {"properties": {"name": {}}}}
    messages = [singer.schema, other | {"key_properties": []}]
    messages += [singer.record("first@example.com"), singer.record("sam@example.com")]
    messages += [singer.record("bob@example.com", city=city) for city in ("Rome", "Paris")]
    messages += [singer.record("eve@example.com", city="Refused"), singer.record("nobody")]
    messages += [singer.record("old@example.com", _sdc_deleted_at="2026-01-01T00:00:00Z")]
    messages += [{"type": "RECORD", "stream": "rooms", "record": {"name": "A"}}]
    with script(answer) as served:
        settings = served.settings | {
            "activation_log_path": str(path),
            "ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}",
            "rejects_path": str(tmp_path / "rejects.singer"),
            "concurrency": 2,
        }
        known = [singer.schema, singer.record("sam@example.com")]
        assert call(known, settings | {"activation_log_path": None}).code == 0
        ended = call(messages, settings)
    assert ended.code == 0
    found = sorted(lines(path), key=lambda line: line["record"])
    assert [(line["outcome"], line["reason_code"], line["attempts"]) for line in found] == [
        ("stored", None, 1),
        ("unchanged", None, 0),
        ("merged", None, 0),
        ("stored", None, 1),
        ("rejected", "RF-403", 1),
        ("invalid", "RF-522", 0),
        ("filtered", "RF-541", 0),
        ("filtered", "RF-544", 0),
    ]
    assert [line["attendee_id"] for line in found if line["outcome"] == "stored"] == [
        "1619119968857001fvLB"
    ] * 2
    assert found[6]["identity"] == hashed("old@example.com")
    assert found[7]["identity"] is None
    assert {name: n for name, n in ended.counts.items() if name != "read"} == dict(
        Counter(line["outcome"] for line in found)
    )


def test_a_dry_run_activates_nobody(
    call: Call, singer: Singer, settings: Json, tmp_path: Path
) -> None:
    path = tmp_path / "activations.jsonl"
    settings |= {"activation_log_path": str(path), "dry_run": True}
    assert call([singer.schema, singer.record("ada@example.com")], settings).code == 0
    assert not path.exists()


def test_a_last_line_that_was_cut_off_costs_no_other(
    call: Call, singer: Singer, settings: Json, tmp_path: Path
) -> None:
    path = tmp_path / "activations.jsonl"
    settings |= {"activation_log_path": str(path)}
    for n in range(2):
        assert call([singer.schema, singer.record(f"ada{n}@example.com")], settings).code == 0
        whole = path.read_bytes()
        path.write_bytes(whole[:-20])
    assert call([singer.schema, singer.record("bob@example.com")], settings).code == 0
    assert [line["identity"] for line in lines(path)] == [hashed("bob@example.com")]
    assert len((tmp_path / "activations.jsonl.cut").read_text().splitlines()) == 2


@pytest.mark.parametrize("content", ['{"at": "2026-11-22", "identity": "x"}\n', "name,email\n"])
def test_another_file_is_left_as_it_is(
    call: Call,
    singer: Singer,
    settings: Json,
    sandbox: RunningSandbox,
    tmp_path: Path,
    content: str,
) -> None:
    path = tmp_path / "activations.jsonl"
    path.write_text(content)
    settings |= {"activation_log_path": str(path)}
    ended = call([singer.schema, singer.record("ada@example.com")], settings)
    assert ended.code == 78
    assert "activation_log_path names a file that is no activation log" in ended.error
    assert path.read_text() == content
    assert sandbox.store.log() == []


def test_the_file_is_private_and_added_to(
    call: Call, singer: Singer, settings: Json, tmp_path: Path
) -> None:
    path = tmp_path / "activations.jsonl"
    settings |= {"activation_log_path": str(path)}
    for n in range(1, 3):
        assert call([singer.schema, singer.record(f"ada{n}@example.com")], settings).code == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [line["identity"] for line in lines(path)] == [
            hashed(f"ada{k}@example.com") for k in range(1, n + 1)
        ]


def test_a_log_that_is_replaced_during_a_run_gets_what_comes_then(
    call: Call, singer: Singer, script: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "activations.jsonl"

    def answer(*_: object) -> tuple[int, Json, dict[str, str]]:
        other = tmp_path / "other"
        other.touch()
        other.replace(path)
        return STORED

    with script(answer) as served:
        settings = served.settings | {"activation_log_path": str(path)}
        assert call([singer.schema, singer.record("ada@example.com")], settings).code == 0
    assert [line["identity"] for line in lines(path)] == [hashed("ada@example.com")]


def test_a_log_that_cannot_be_written_is_an_error_before_anything_is_sent(
    call: Call, singer: Singer, settings: Json, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    settings |= {"activation_log_path": str(tmp_path / "nowhere" / "log.jsonl")}
    ended = call([singer.schema, singer.record("ada@example.com")], settings)
    assert ended.code == 78
    assert "activation_log_path" in ended.error
    assert sandbox.store.log() == []


def test_a_refused_profile_of_several_records_has_a_line_for_each(
    call: Call, singer: Singer, script: Serve, tmp_path: Path
) -> None:
    def answer(_: Script, body: Json) -> tuple[int, Json, dict[str, str]]:
        if body["email"] == "first@example.com":
            time.sleep(0.3)  # meanwhile the others are read, and wait together
        if body.get("companyname") == "Refused":
            return 400, {"responseCode": "105"}, {}
        return STORED

    path = tmp_path / "activations.jsonl"
    messages = [singer.schema, singer.record("first@example.com")]
    messages += [singer.record("ada@example.com", companyname="Refused")]
    messages += [singer.record("ada@example.com", companyname="Mills")]
    messages += [singer.record("ada@example.com", city="Ockham", companyname="Refused")]
    with script(answer) as served:
        settings = served.settings | {"activation_log_path": str(path), "concurrency": 2}
        ended = call(messages, settings)
    assert ended.counts == {"read": 4, "stored": 2, "rejected": 2}
    told = [
        (line["outcome"], line["status"], line["attempts"])
        for line in lines(path)
        if line["identity"] == hashed("ada@example.com")
    ]
    assert told == [("rejected", 400, 1), ("stored", 200, 1), ("rejected", 400, 1)]


def test_a_record_without_an_outcome_has_no_line(
    call: Call, singer: Singer, script: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "activations.jsonl"
    with script(lambda *_: (503, {}, {})) as served:
        settings = served.settings | {"activation_log_path": str(path), "max_retries": 1}
        ended = call([singer.schema, singer.record("ada@example.com")], settings)
    assert ended.code == 75
    assert path.read_text() == ""
