"""The stream maps of meltano.yml that keep personal data from a loader."""

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import Path

import jsonschema
import pytest
import yaml
from rainfocus_sandbox.testing import running
from tap_rainfocus.__main__ import main
from tap_rainfocus.inbox.models import Message
from tap_rainfocus.inbox.store import Inbox

if t.TYPE_CHECKING:
    from tests.conftest import InProcess

MELTANO = yaml.safe_load((Path(__file__).parents[2] / "meltano.yml").read_text())
PRESETS = {
    plugin["name"]: plugin["config"]["stream_maps"]
    for plugin in MELTANO["plugins"]["extractors"]
    if "stream_maps" in plugin.get("config", {})
}


def test_there_is_one_that_hashes_and_one_that_drops() -> None:
    assert list(PRESETS) == ["tap-rainfocus-hashed", "tap-rainfocus-anonymous"]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_lets_nothing_personal_out(
    preset: str, tmp_path: Path, in_process: InProcess
) -> None:
    with running(tmp_path / "rainfocus.db") as sandbox:
        added = {"contactEmail": "new.field@example.com"}
        for entity in ("attendee", "lead", "session", "exhibitor"):
            sandbox.store.touch_record("summit25", entity, 1, **added)
        config = tmp_path / "config.json"
        settings = {
            "org_id": sandbox.org_id,
            "api_url": sandbox.api_url,
            "api_profile": sandbox.api_profile,
            "event_codes": ["summit25"],
            "stream_maps": PRESETS[preset],
        }
        config.write_text(json.dumps(settings))
        done = in_process(main, "--config", str(config))
        assert done.code == 0, done.log
        people = sandbox.store.attendees("summit25")
    for person in people:
        personal = {
            "new.field@example.com",
            person["email"],
            f"{person['firstname']} {person['lastname']}",
        }
        personal |= {person[field] for field in ("phone", "address1") if person.get(field)}
        for value in personal:
            assert json.dumps(value)[1:-1] not in done.out
            assert value not in done.out

    validators: dict[str, jsonschema.Draft202012Validator] = {}
    hashes: set[str] = set()
    seen: set[str] = set()
    for message in map(json.loads, done.out.splitlines()):
        if message["type"] == "SCHEMA":
            validators[message["stream"]] = jsonschema.Draft202012Validator(message["schema"])
        elif message["type"] == "RECORD":
            validators[message["stream"]].validate(message["record"])
            seen.add(message["stream"])
            if message["stream"] == "attendees":
                hashes.add(message["record"]["attendee"].get("email"))
    assert seen == {"attendees", "leads", "sessions", "session_times", "exhibitors"}
    expected = {hashlib.sha256(person["email"].lower().encode()).hexdigest() for person in people}
    assert hashes == (expected if preset == "tap-rainfocus-hashed" else {None})


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_lets_no_event_out(preset: str, tmp_path: Path, in_process: InProcess) -> None:
    event = {"transmissionId": "t1", "contact": "ada@example.com"}
    url = f"sqlite:///{tmp_path / 'inbox.db'}"
    inbox = Inbox(url)
    inbox.append([Message("t1", json.dumps(event), None, "t1", readable=True, fingerprint="")])
    inbox.close()
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"inbox_url": url, "stream_maps": PRESETS[preset]}))
    done = in_process(main, "--config", str(config))
    assert done.code == 0, done.log
    assert {json.loads(line)["type"] for line in done.out.splitlines()} == {"STATE"}
