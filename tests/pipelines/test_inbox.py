"""The stream experience_events reads an inbox in PostgreSQL that several receivers write."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import typing as t

import pytest
from tap_rainfocus.inbox.models import Message
from tap_rainfocus.inbox.store import Inbox

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Postgres

RECEIVERS = 3
STREAM = "experience_events"


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    postgres.run("CREATE DATABASE inbox;")
    user = f"{postgres.user}:s3cret@{postgres.host}:{postgres.port}"
    yield f"postgresql+psycopg://{user}/inbox"
    postgres.run("DROP DATABASE inbox WITH (FORCE);")


def messages(receiver: int, first: int, last: int) -> list[Message]:
    names = [f"{receiver}-{number}" for number in range(first, last)]
    return [
        Message(
            name, json.dumps({"transmissionId": name}), None, name, readable=True, fingerprint=""
        )
        for name in names
    ]


def read(folder: Path, url: str, state: object) -> tuple[list[dict[str, t.Any]], t.Any]:
    """The records and the last state of a run."""
    (folder / "config.json").write_text(json.dumps({"inbox_url": url}))
    command = [sys.executable, "-m", "tap_rainfocus", "--config", str(folder / "config.json")]
    if state:
        (folder / "state.json").write_text(json.dumps(state))
        command += ["--state", str(folder / "state.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "s3cret" not in done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    states = [message["value"] for message in found if message["type"] == "STATE"]
    return [message["record"] for message in found if message["type"] == "RECORD"], states[-1]


def test_none_is_missed_while_receivers_write(url: str, tmp_path: Path) -> None:
    ended = threading.Event()
    sent = [0] * RECEIVERS

    def receive(receiver: int) -> None:
        inbox = Inbox(url)
        while not ended.is_set():
            inbox.append(messages(receiver, sent[receiver], sent[receiver] + 5))
            sent[receiver] += 5
            time.sleep(0.01)
        inbox.close()

    Inbox(url).close()
    receivers = [threading.Thread(target=receive, args=(number,)) for number in range(RECEIVERS)]
    for thread in receivers:
        thread.start()
    found: list[dict[str, t.Any]] = []
    state = None
    try:
        for _ in range(2):
            records, state = read(tmp_path, url, state)
            found += records
    finally:
        ended.set()
        for thread in receivers:
            thread.join()
    assert found
    records, state = read(tmp_path, url, state)
    assert records
    found += records
    sequences = [record["inboxSequence"] for record in found]
    assert sequences == sorted(set(sequences))
    assert sorted(record["transmissionId"] for record in found) == sorted(
        f"{receiver}-{number}" for receiver in range(RECEIVERS) for number in range(sent[receiver])
    )
    assert state["bookmarks"][STREAM]["replication_key_value"] == sequences[-1]
    assert read(tmp_path, url, state)[0] == []
