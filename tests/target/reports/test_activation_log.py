"""One line for each profile that was sent, with no one's name in it."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import time
import typing as t
from datetime import UTC, datetime, timedelta

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

NAMES = {
    "at", "identity", "outcome", "records", "status", "responseCode", "attempts", "milliseconds",
}  # fmt: skip
STORED: t.Final[tuple[int, dict[str, t.Any], dict[str, str]]] = 200, {"responseCode": "0"}, {}


def lines(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def hashed(email: str) -> str:
    return hashlib.sha256(email.encode()).hexdigest()


def test_each_profile_that_was_sent_has_its_line(
    call: Call, singer: Singer, settings: Json, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    path = tmp_path / "activations.jsonl"
    settings |= {"activation_log_path": str(path), "concurrency": 1}
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
    assert ended.code == 65
    found = lines(path)
    assert all(set(line) == NAMES for line in found)
    assert [line["identity"] for line in found] == [hashed(f"ada{n}@example.com") for n in range(7)]
    told = [
        (line["outcome"], line["records"], line["status"], line["responseCode"], line["attempts"])
        for line in found
    ]
    assert sorted(told) == sorted(
        [("stored", 1, 200, "0", 1)] * 3
        + [("stored", 1, 200, "0", 3), ("stored", 1, 200, "0", 2)]
        + [("rejected", 1, 200, "27", 1), ("rejected", 1, 400, "105", 1)]
    )
    for line in found:
        at = datetime.fromisoformat(line["at"])
        assert began - timedelta(seconds=1) < at <= datetime.now(UTC)
        assert 0 < line["milliseconds"] < 60_000
    assert sum(line["attempts"] for line in found) == sum(
        logged.call == "attendee/store" for logged in sandbox.store.log()
    )
    text = path.read_text().lower()
    for word in ("ada", "@", "example", "augusta", "nobody", settings["client_secret"]):
        assert word not in text, word


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


def test_merged_records_share_a_line_and_a_refused_one_is_split(
    call: Call, singer: Singer, script: Serve, tmp_path: Path
) -> None:
    def answer(_: Script, body: Json) -> tuple[int, Json, dict[str, str]]:
        if body["email"] == "first@example.com":
            # Meanwhile the others are read, and wait together.
            time.sleep(0.3)
        if body.get("companyname") == "Refused":
            return 400, {"responseCode": "105"}, {}
        return STORED

    path = tmp_path / "activations.jsonl"
    messages = [singer.schema, singer.record("first@example.com")]
    messages += [singer.record("bob@example.com", city=city) for city in ("Rome", "Paris")]
    messages += [singer.record("ada@example.com", companyname="Refused")]
    messages += [singer.record("ada@example.com", companyname="Mills")]
    messages += [singer.record("ada@example.com", city="Ockham", companyname="Refused")]
    with script(answer) as served:
        settings = served.settings | {"activation_log_path": str(path), "concurrency": 2}
        ended = call(messages, settings)
    assert ended.counts == {"read": 6, "stored": 3, "merged": 1, "rejected": 2}
    told = [
        (line["outcome"], line["records"], line["status"])
        for line in lines(path)
        if line["identity"] == hashed("ada@example.com")
    ]
    assert told == [
        ("split", 0, 400),
        ("rejected", 1, 400),
        ("stored", 1, 200),
        ("rejected", 1, 400),
    ]


def test_what_was_sent_without_an_outcome_is_in_it_too(
    call: Call, singer: Singer, script: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "activations.jsonl"
    with script(lambda *_: (503, {}, {})) as served:
        settings = served.settings | {"activation_log_path": str(path), "max_retries": 1}
        ended = call([singer.schema, singer.record("ada@example.com")], settings)
    assert ended.code == 75
    (line,) = lines(path)
    assert re.fullmatch(r"[0-9a-f]{64}", line["identity"])
    assert line["outcome"] == "unfinished"
    assert (line["records"], line["status"], line["attempts"]) == (0, 503, 2)


def test_who_is_unchanged_was_not_sent_and_has_no_line(
    call: Call, singer: Singer, settings: Json, tmp_path: Path
) -> None:
    path = tmp_path / "activations.jsonl"
    settings |= {
        "activation_log_path": str(path),
        "ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}",
    }
    for _ in range(2):
        assert call([singer.schema, singer.record("ada@example.com")], settings).code == 0
    assert len(lines(path)) == 1
