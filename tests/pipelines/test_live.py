"""The whole way of an experience event, as `meltano run live` shows it."""

from __future__ import annotations

import json
import sys
import typing as t
from collections import Counter
from pathlib import Path

import jsonschema
from rainfocus_sandbox.webhooks.outbox import Outbox

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.pipelines.conftest import Project

MADE = {"SessionScheduled": 200, "AttendeeRegistered": 50, "LeadScanned": 50}
SIZES = {"ATTENDEES": 120, "SESSIONS": 30, "EXHIBITORS": 12, "LEADS": 40, "SPEAKERS": 20}
TAP = Path(sys.executable).parent / "tap-rainfocus"


def test_live(project: Project, schemas: Callable[[Path], dict[str, t.Any]]) -> None:
    sizes = {f"RAINFOCUS_SANDBOX_{name}": str(size) for name, size in SIZES.items()}
    log = project.meltano("run", "live", **sizes)
    assert "Traceback" not in log
    assert "0 events wait, 300 were sent; 0 attempts failed" in log
    events = project.output("experience_events")
    assert Counter(event["eventType"] for event in events) == MADE
    assert len({event["_id"] for event in events}) == 300
    validator = jsonschema.Draft202012Validator(schemas(TAP)["experience_events"])
    for event in events:
        validator.validate(event)

    with project.store() as store:
        assert Outbox(store).is_empty()
        known = {person["attendeeId"]: person["email"] for person in store.attendees("summit25")}
        leads = [json.loads(body) for _, body in store.page("summit25", "lead", limit=-1)]
    assert {event["event"]["name"] for event in events} == {"Acme Summit 2025"}
    for event in events:
        assert event["attendee"]["email"] == known[event["attendee"]["attendeeId"]]
    scans = {event["lead"]["leadId"]: event for event in events if event.get("lead")}
    assert list(scans) != []
    assert set(scans) == {lead["leadId"] for lead in leads[SIZES["LEADS"] :]}

    left = [path for path in project.folder.rglob("*.pid") if ".meltano" not in path.parts]
    assert left == []
