"""The README's first command, as a stranger types it, twice."""

from __future__ import annotations

import re
import typing as t

import jsonschema

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.pipelines.conftest import Project

ATTENDEES = 600


def test_demo_twice(project: Project, schemas: Callable[[Path], dict[str, t.Any]]) -> None:
    log = project.meltano("run", "demo", RAINFOCUS_SANDBOX_ATTENDEES=str(ATTENDEES))
    with project.store() as store:
        counts = store.counts()["summit25"]
        last_year = {attendee["email"].lower() for attendee in store.attendees("summit25")}
        this_year = {attendee["email"].lower() for attendee in store.attendees("summit26")}
        calls_before = len(store.log())
    assert len(last_year) == ATTENDEES
    assert last_year <= this_year

    tap = project.folder / ".meltano/extractors/tap-rainfocus/venv/bin/tap-rainfocus"
    for stream, schema in schemas(tap).items():
        if stream == "experience_events":
            continue
        records = project.output(stream)
        assert len(records) == counts[stream] > 0
        assert len({record["_id"] for record in records}) == len(records)
        validator = jsonschema.Draft202012Validator(schema)
        for record in records:
            validator.validate(record)

    assert "Traceback" not in log
    ours = [line for line in log.splitlines() if "rainfocus" in line]
    assert not [line for line in ours if re.search(r"warning|error", line, re.IGNORECASE)]
    assert f"{ATTENDEES} read, {ATTENDEES} stored" in log
    last_words = "\n".join(ours[-10:])
    assert f"{ATTENDEES} output/sandbox/attendees.jsonl" in last_words
    assert "Next: your own RainFocus" in ours[-1]

    second = project.meltano("run", "demo")
    assert len(project.output("attendees")) == ATTENDEES
    assert "0 read, 0 stored" in second
    with project.store() as store:
        again = [entry.call for entry in store.log()[calls_before:]]
    assert "attendee/store" not in again
    assert again.count("attendee/search") == 2
