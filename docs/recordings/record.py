"""Records what the target draws on a terminal: `uv run python docs/recordings/record.py`.

It loads made-up people into a sandbox that takes its time, refuses two of them, and asks once to
be left alone for three seconds. The recording is of asciinema's version 2: `asciinema play` shows
it.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tempfile
import termios
import time
import typing as t
from pathlib import Path

from rainfocus_sandbox.faults.faults import Fault
from rainfocus_sandbox.testing import running

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rainfocus_sandbox.testing import RunningSandbox

RECORDING = Path(__file__).with_name("live-line.cast")
COLUMNS, ROWS = 120, 12
PEOPLE = 1200
PROMPT = "$ some-tap | target-rainfocus-attendees --config config.json >> state.jsonl\r\n"


def main() -> None:
    """Write the recording."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "sandbox.db") as sandbox:
        sandbox.faults.latency(0.03, 0.03)
        sandbox.faults.add(
            Fault("refuse_400", call="attendee/store", times=2, skip=200),
            Fault("retry_after_seconds", call="attendee/store", times=8, skip=700, seconds=3),
        )
        prepare(Path(folder), sandbox)
        shown = list(watch(Path(folder)))
    head = {"version": 2, "width": COLUMNS, "height": ROWS, "title": "A load, on a terminal"}
    events = [[0.0, "o", PROMPT], *([round(moment, 3), "o", text] for moment, text in shown)]
    RECORDING.write_text("".join(f"{json.dumps(line)}\n" for line in (head, *events)))


def prepare(folder: Path, sandbox: RunningSandbox) -> None:
    """Leave config and input there."""
    config = {
        "org_id": sandbox.org_id,
        "event_code": "summit26",
        "api_url": sandbox.api_url,
        "token_url": sandbox.token_url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "rejects_path": "rejects.singer",
    }
    (folder / "config.json").write_text(json.dumps(config))
    schema = {"properties": {"email": {"type": "string"}}}
    messages: list[dict[str, object]] = [
        {"type": "SCHEMA", "stream": "people", "schema": schema, "key_properties": []}
    ]
    messages += [
        {"type": "RECORD", "stream": "people", "record": {"email": f"user{n}@company.com"}}
        for n in range(PEOPLE)
    ]
    text = "".join(f"{json.dumps(message)}\n" for message in messages)
    (folder / "input.singer").write_text(text)


def watch(folder: Path) -> Iterator[tuple[float, str]]:
    """What the target writes to its terminal, and after how many seconds."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (ROWS, COLUMNS))
    with (folder / "input.singer").open() as given:
        process = subprocess.Popen(
            [sys.executable, "-m", "target_rainfocus_attendees", "--config", "config.json"],
            cwd=folder,
            env=os.environ | {"TERM": "xterm"},
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=slave,
        )
    os.close(slave)
    began = time.monotonic()
    try:
        while some := os.read(master, 1 << 16):
            yield time.monotonic() - began, some.decode()
    except OSError:  # nobody has the terminal open any more
        os.close(master)
    if process.wait():
        sys.exit(f"The load ended with code {process.returncode}.")


if __name__ == "__main__":
    main()
