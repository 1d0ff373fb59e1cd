"""Values, depths and refusals at the edge of what can be: none takes the run by surprise."""

from __future__ import annotations

import hashlib
import json
import typing as t

import pytest
from aiohttp import web

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Singer = t.Any
    Server = t.Any
    Serve = Callable[..., t.ContextManager[Server]]
    Reply = tuple[int, Json, dict[str, str]]

EVENT = "summit26"


NINES = int("9" * 25)


@pytest.mark.parametrize(
    ("expression", "sent"),
    [("int('9' * 25)", NINES), ("-int('9' * 25)", -NINES), ("[int('9' * 25)]", [NINES])],
)
def test_a_whole_number_may_be_of_any_size(
    call: Run, singer: Singer, loop_server: Serve, expression: str, sent: object
) -> None:
    messages = [singer.schema, singer.record("ada@example.com", city="Lehi"), singer.state(1)]
    change = {
        "extra_fields": {"badge": "badge"},
        "stream_maps": {"people": {"badge": expression}},
    }
    with loop_server() as server:
        ended = call(messages, server.settings | change)
        assert server.bodies == [{"email": "ada@example.com", "city": "Lehi", "badge": sent}]
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": 1, "stored": 1}
    assert ended.states == [{"n": 1}]
    assert not ended.lines("WARNING")


@pytest.mark.parametrize("expression", ["int(firstname)", "firstname / 2", "firstname[99]"])
def test_a_stream_map_that_fails_on_a_record_is_one_line(
    call: Run, singer: Singer, loop_server: Serve, expression: str
) -> None:
    messages = [
        singer.schema,
        singer.record("ada@example.com", firstname="Quackenbush"),
        singer.state(1),
    ]
    with loop_server() as server:
        stream_maps = {"stream_maps": {"people": {"firstname": expression}}}
        ended = call(messages, server.settings | stream_maps)
        assert server.bodies == []
    assert ended.code == 78
    assert "A stream map of stream people cannot be used on a record" in ended.error
    assert "check its expressions in stream_maps" in ended.error
    assert "Quackenbush" not in ended.log
    assert ended.states == []


@pytest.mark.parametrize("ends", [True, False])
def test_a_line_that_is_nested_too_deep_is_one_line(
    call: Run, singer: Singer, loop_server: Serve, *, ends: bool
) -> None:
    depth = 100_000
    deep = "[" * depth + ("]" * depth if ends else "")
    line = (
        f'{{"type":"RECORD","stream":"people","record":{{"email":"eve@example.com","x":{deep}}}}}'
    )
    messages = [singer.schema, singer.record("ada@example.com"), singer.state(1), line]
    with loop_server() as server:
        ended = call([*messages, singer.state(2)], server.settings)
        assert set(server.people) == {"ada@example.com"}
    assert ended.code == 65
    assert "ine 4" in ended.error
    assert len(ended.error) < 400
    assert "eve@" not in ended.log
    assert ended.states == [{"n": 1}]


def test_a_reply_that_is_nested_too_deep_is_tried_again_and_told_in_one_line(
    call: Run, singer: Singer, loop_server: Serve
) -> None:
    async def answer(server: Server, body: Json) -> Reply:
        if body["email"] == "eve@example.com":
            raise web.HTTPOk(text="[" * 200_000, content_type="application/json")
        return t.cast("Reply", server.keep(body))

    messages = [singer.schema, singer.record("ada@example.com"), singer.state(1)]
    messages += [singer.record("eve@example.com"), singer.state(2)]
    with loop_server(answer) as server:
        ended = call(messages, server.settings | {"max_retries": 1})
        sent = [body["email"] for body in server.bodies]
    assert ended.code == 75
    assert sent.count("eve@example.com") == 2
    assert "attendee/store" in ended.error
    assert len(ended.error) < 400
    assert ended.states == [{"n": 1}]


def hash_of(email: str) -> str:
    return hashlib.sha256(email.encode()).hexdigest()


@pytest.mark.parametrize("place", [0, 2, 4])
def test_the_hash_of_nobody_costs_nobody_else(
    call: Run,
    singer: Singer,
    sandbox: RunningSandbox,
    settings: Json,
    tmp_path: Path,
    place: int,
) -> None:
    rejects = tmp_path / "rejects.singer"
    emails = [attendee["email"] for attendee in sandbox.store.attendees(EVENT)][:4]
    assert len(emails) == 4
    people = [singer.record(hash_of(email), city="Lehi") for email in emails]
    nobody = hash_of("nobody@example.com")
    people.insert(place, singer.record(nobody, city="Lehi"))
    change = {"identity": "email_lc_sha256", "rejects_path": str(rejects), "concurrency": 1}
    ended = call([singer.schema, *people, singer.state(1)], settings | change)
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": 5, "stored": 4, "rejected": 1}
    assert ended.states == [{"n": 1}]
    cities = {a["email"]: a.get("city") for a in sandbox.store.attendees(EVENT)}
    assert {cities[email] for email in emails} == {"Lehi"}
    kept = [json.loads(line) for line in rejects.read_text().splitlines()]
    (record,) = (line["record"] for line in kept if line["type"] == "RECORD")
    assert record["email"] == nobody
    assert record["_reject_code"] == "103"


def test_by_address_a_missing_parameter_is_one_records_only_if_another_passes(
    call: Run, singer: Singer, loop_server: Serve
) -> None:
    async def answer(server: Server, body: Json) -> Reply:
        if body["email"].startswith("eve"):
            return 400, {"responseCode": "103"}, {}
        return t.cast("Reply", server.keep(body))

    eve, ada = singer.record("eve@example.com"), singer.record("ada@example.com")
    with loop_server(answer) as server:
        settings = server.settings | {"concurrency": 1}
        ended = call([singer.schema, eve, ada, singer.state(1)], settings)
        assert ended.code == 65
        assert "check org_id, environment, the event code" in ended.error
        assert ended.counts == {"read": 2, "stored": 1, "rejected": 1}
        assert ended.states == []
        ended = call([singer.schema, ada, singer.state(1), eve], settings)
    assert ended.code == 78
    assert ended.counts == {"read": 2, "stored": 1, "unfinished": 1}
    assert ended.states == [{"n": 1}]


def test_no_state_is_logged(run: Run, singer: Singer, loop_server: Serve) -> None:
    bookmark = {"replication_key_value": "Quackenbush"}
    state = {"type": "STATE", "value": {"bookmarks": {"people": bookmark}}}
    with loop_server() as server:
        messages = [singer.schema, singer.record("ada@example.com"), state]
        ended = run(messages, server.settings, LOGLEVEL="DEBUG")
    assert ended.code == 0
    assert ended.states == [state["value"]]
    assert ended.lines("DEBUG")
    assert "Quackenbush" not in ended.log
