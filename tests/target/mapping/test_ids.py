"""Who is known by RainFocus' own ids, with an address or without."""

from __future__ import annotations

import json
import typing as t

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Singer = t.Any
    Serve = Callable[..., t.ContextManager[t.Any]]

EVENT: t.Final = "summit26"
ID = "1619119968857001fvLB"
PEOPLE: Json = {"streams": ["people"]}
DAMAGED = "the externalId has lost digits, as in a spreadsheet [RF-524]"


def schema_of(*records: Json) -> Json:
    return {
        "properties": {
            name: schema_of(value) if isinstance(value, dict) else {}
            for record in records
            for name, value in record.items()
        }
    }


def stream(*records: Json) -> list[Json]:
    schema = schema_of(*records)
    return [
        {"type": "SCHEMA", "stream": "people", "key_properties": [], "schema": schema},
        *({"type": "RECORD", "stream": "people", "record": record} for record in records),
        {"type": "STATE", "value": {"n": 1}},
    ]


async def take(server: t.Any, body: Json) -> tuple[int, Json, Json]:  # noqa: ARG001
    return 200, {"responseCode": "0"}, {}


@pytest.mark.parametrize(
    ("settings", "record", "body"),
    [
        (
            {"identity": "externalId"},
            {"external_id": f" {ID} ", "first_name": "Ada"},
            {"externalId": ID, "firstname": "Ada"},
        ),
        (
            {"identity": "externalId"},
            {"externalId": 42, "email": "Ada@example.com"},
            {"externalId": "42", "email": "Ada@example.com"},
        ),
        ({"identity": "externalId"}, {"externalId": "42.0"}, {"externalId": "42"}),
        ({"identity": "externalId"}, {"externalId": 42.0}, {"externalId": "42"}),
        ({"identity": "externalId"}, {"externalId": "5E12"}, {"externalId": "5E12"}),
        ({"identity": "externalId"}, {"externalId": "0042"}, {"externalId": "0042"}),
        ({"identity": "externalId"}, {"externalId": 1 << 70}, {"externalId": str(1 << 70)}),
        (
            {"identity": "externalId", "field_map": {"externalId": "crm.id"}},
            {"crm": {"id": "7"}, "externalId": "8"},
            {"externalId": "7"},
        ),
        (
            {"identity": "attendeeId"},
            {"attendee": {"attendeeId": ID, "city": "Lehi"}},
            {"attendeeId": ID, "city": "Lehi"},
        ),
        ({"identity": "attendeeId"}, {"attendee__attendee_id": ID}, {"attendeeId": ID}),
    ],
    ids=str,
)
def test_an_id_says_who_somebody_is(
    call: Run, loop_server: Serve, settings: Json, record: Json, body: Json
) -> None:
    with loop_server(take) as server:
        ended = call(stream(record), server.settings | settings | PEOPLE)
    assert ended.code == 0, ended.log
    assert server.bodies == [body]
    assert ended.states == [{"n": 1}]
    assert not ended.lines("WARNING")


def test_ids_that_differ_in_case_are_two_people_and_equal_ones_one(
    call: Run, loop_server: Serve, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    change = {
        **PEOPLE,
        "identity": "externalId",
        "ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}",
        "activation_log_path": str(log),
    }
    people = stream({"externalId": "x1"}, {"externalId": "X1"})
    with loop_server(take) as server:
        ended = [call(people, server.settings | change) for _ in range(2)]
    assert [one.code for one in ended] == [0, 0]
    assert [one.counts for one in ended] == [
        {"read": 2, "stored": 2},
        {"read": 2, "unchanged": 2},
    ]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    people = [line["record"]["identity"] for line in lines if line["type"] == "RECORD"]
    assert len(people) == 4
    assert len(set(people)) == 2
    assert {len(identity) for identity in people} == {64}


def test_what_is_no_id_and_what_is_no_address_beside_one(
    call: Run, loop_server: Serve, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.singer"
    bad = [None, "", " ", "N/A", True, ["x"], "1.61912E+15", 1.61911996885700123e17]
    reasons = ["no externalId [RF-521]"] * 6 + [DAMAGED] * 2
    records: list[Json] = [
        {"externalId": "1", "email": "nobody"},
        *({"externalId": one} for one in bad),
    ]
    with loop_server(take) as server:
        change = PEOPLE | {"identity": "externalId", "rejects_path": str(rejects)}
        ended = call(stream(*records), server.settings | change)
    assert ended.code == 0, ended.log
    assert server.bodies == [{"externalId": "1"}]
    assert "email was left out of 1" in ended.log
    kept = [json.loads(line) for line in rejects.read_text().splitlines()]
    found = [one["record"] for one in kept if one["type"] == "RECORD"]
    assert [one["_reject_reason"] for one in found] == reasons
    assert {one["_reject_code"] for one in found} == {"externalId"}


def test_a_stream_without_the_id_is_an_error_with_the_line_that_would_name_it(
    call: Run, loop_server: Serve
) -> None:
    with loop_server(take) as server:
        settings = server.settings | PEOPLE | {"identity": "externalId"}
        ended = call(stream({"email": "ada@example.com", "crm_id": "7"}), settings)
    assert ended.code == 78
    assert ended.states == []
    assert "Stream people has no externalId field" in ended.error
    assert 'field_map: {"externalId": "crm_id"}' in ended.error
    assert not server.bodies


@pytest.mark.parametrize("identity", ["externalId", "attendeeId"])
def test_which_streams_are_of_people_must_be_said(
    call: Run, loop_server: Serve, identity: str
) -> None:
    with loop_server(take) as server:
        ended = call(stream({identity: "7"}), server.settings | {"identity": identity})
    assert ended.code == 78
    assert f"Setting identity is {identity} and streams is not set" in ended.error
    assert not server.bodies


def test_the_sandbox_updates_an_attendee_by_id(
    call: Run, sandbox: RunningSandbox, settings: Json, tmp_path: Path
) -> None:
    ada = sandbox.store.add_attendee(EVENT, "ada@example.com", {"city": "London"})
    change = PEOPLE | {
        "identity": "attendeeId",
        "mode": "update",
        "rejects_path": str(tmp_path / "rejects.singer"),
    }
    people = stream({"attendee_id": ada, "city": "Lehi"}, {"attendee_id": "nobody"})
    ended = call(people, settings | change)
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": 2, "stored": 1, "rejected": 1}
    cities = {a["attendeeId"]: a["city"] for a in sandbox.store.attendees(EVENT) if "city" in a}
    assert cities[ada] == "Lehi"


def test_a_store_that_asks_for_the_address_rejects_whoever_has_none(
    call: Run, sandbox: RunningSandbox, settings: Json, tmp_path: Path
) -> None:
    change = PEOPLE | {
        "identity": "externalId",
        "rejects_path": str(tmp_path / "rejects.singer"),
        "concurrency": 1,
    }
    people = stream({"externalId": "1", "email": "ada@example.com"}, {"externalId": "2"})
    ended = call(people, settings | change)
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": 2, "stored": 1, "rejected": 1}
    assert "ada@example.com" in {a["email"] for a in sandbox.store.attendees(EVENT)}
