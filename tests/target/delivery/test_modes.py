"""upsert makes and changes attendees, update changes only those there are."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from rainfocus_sandbox.testing import RunningSandbox

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Stored = Callable[[], dict[str, Json]]
    Singer = t.Any
    Serve = Callable[..., t.ContextManager[t.Any]]

EVENT: t.Final = "summit26"
ABSENT: t.Final = (
    "RainFocus answered attendee/update with HTTP 200, code 110: the request was refused [RF-403]"
)


@pytest.fixture
def there(sandbox: RunningSandbox, stored: Stored) -> Stored:
    """Ada is an attendee; gives what this test has stored."""
    fields = {"firstname": "Ada", "city": "London", "companyname": "Analytical Engines"}
    sandbox.store.add_attendee(EVENT, "ada@example.com", fields)
    return stored


@pytest.fixture
def updating(settings: Json, tmp_path: Path) -> Json:
    return settings | {"mode": "update", "rejects_path": str(tmp_path / "rejects.singer")}


def rejects_of(settings: Json) -> list[Json]:
    lines = Path(settings["rejects_path"]).read_text(encoding="utf-8").splitlines()
    messages = [json.loads(line) for line in lines]
    return [message["record"] for message in messages if message["type"] == "RECORD"]


def fields_of(attendee: Json) -> Json:
    names = ("email", "firstname", "lastname", "city", "companyname")
    return {name: attendee[name] for name in names if name in attendee}


@pytest.mark.parametrize("mode", ["upsert", "update"])
def test_an_attendee_who_is_there_is_changed_in_what_is_sent(
    call: Run, singer: Singer, updating: Json, there: Stored, sandbox: RunningSandbox, mode: str
) -> None:
    there_before = sandbox.store.attendee_id(EVENT, "ada@example.com")
    ada = singer.record(" ADA@example.com", lastname="King", city="Ockham", companyname=" ")
    ended = call([singer.schema, ada, singer.state(1)], updating | {"mode": mode})
    assert ended.code == 0, ended.log
    assert ended.states == [{"n": 1}]
    (attendee,) = there().values()
    assert fields_of(attendee) == {
        "email": "ada@example.com",
        "firstname": "Ada",
        "lastname": "King",
        "city": "Ockham",
        "companyname": "Analytical Engines",
    }
    assert attendee["attendeeId"] == there_before
    call_of = {"upsert": "attendee/store", "update": "attendee/update"}
    assert [entry.call for entry in sandbox.store.log()][1:] == [call_of[mode]]


def test_upsert_makes_who_is_not_there(
    call: Run, singer: Singer, settings: Json, there: Stored
) -> None:
    ended = call([singer.schema, singer.record("eve@example.com", firstname="Eve")], settings)
    assert ended.code == 0
    assert fields_of(there()["eve@example.com"]) == {"email": "eve@example.com", "firstname": "Eve"}


def test_update_rejects_who_is_not_there_and_makes_nobody(
    call: Run, singer: Singer, updating: Json, there: Stored
) -> None:
    messages = [
        singer.schema,
        singer.record("eve@example.com", firstname="Eve"),
        singer.record("ada@example.com", city="Ockham"),
        singer.state(1),
    ]
    ended = call(messages, updating)
    assert ended.code == 0, ended.log
    assert ended.states == [{"n": 1}]
    assert f"1 rejected: {ABSENT}" in ended.log
    assert set(there()) == {"ada@example.com"}
    assert there()["ada@example.com"]["city"] == "Ockham"
    (record,) = rejects_of(updating)
    assert record["email"] == "eve@example.com"
    assert (record["_reject_code"], record["_reject_reason"]) == ("110", ABSENT)


def test_without_a_file_for_them_the_absent_hold_the_state_back(
    call: Run, singer: Singer, updating: Json, there: Stored
) -> None:
    messages = [
        singer.schema,
        singer.record("ada@example.com", city="Ockham"),
        singer.state(1),
        singer.record("eve@example.com"),
        singer.state(2),
        singer.record("ada@example.com", lastname="King"),
        singer.state(3),
    ]
    ended = call(messages, updating | {"rejects_path": None, "batch_size_rows": 1})
    assert ended.code == 65
    assert f"{ABSENT} (1)" in ended.error
    assert ended.states[-1] == {"n": 1}
    assert there()["ada@example.com"]["lastname"] == "King"


@pytest.mark.parametrize("size", [1, 500])
def test_sixty_absent_ones_do_not_stop_an_update(
    call: Run, singer: Singer, updating: Json, there: Stored, size: int
) -> None:
    absent = [singer.record(f"eve{n}@example.com") for n in range(60)]
    ada = singer.record("ada@example.com", city="Ockham")
    messages = [singer.schema, *absent, singer.state(1), ada, singer.state(2)]
    ended = call(messages, updating | {"batch_size_rows": size})
    assert ended.code == 0, ended.log
    assert ended.states[-1] == {"n": 2}
    assert f"60 rejected: {ABSENT}" in ended.log
    assert "61 read, 1 stored, 0 unchanged, 0 merged" in ended.summary
    assert sorted(record["email"] for record in rejects_of(updating)) == sorted(
        record["record"]["email"] for record in absent
    )
    assert {email: one["city"] for email, one in there().items()} == {"ada@example.com": "Ockham"}


def test_an_update_of_absent_people_only_fails_and_keeps_them(
    call: Run, singer: Singer, updating: Json, there: Stored
) -> None:
    absent = [singer.record(f"eve{n}@example.com") for n in range(60)]
    ended = call([singer.schema, *absent], updating)
    assert ended.code == 65
    assert f"{ABSENT} (60)" in ended.error
    assert len(rejects_of(updating)) == 60
    assert set(there()) == {"ada@example.com"}


def test_each_record_of_somebody_absent_is_rejected_for_itself(
    call: Run, singer: Singer, updating: Json, there: Stored
) -> None:
    absent = [singer.record("eve@example.com", city=f"Town {n}") for n in range(40)]
    ended = call([singer.schema, singer.record("ada@example.com"), *absent], updating)
    assert ended.code == 0, ended.log
    assert (
        "41 read, 1 stored, 0 unchanged, 0 merged, 0 filtered, 0 invalid, 40 rej" in ended.summary
    )
    assert [record["city"] for record in rejects_of(updating)] == [f"Town {n}" for n in range(40)]
    assert set(there()) == {"ada@example.com"}


def test_the_call_that_is_not_enabled_is_named(
    call: Run, singer: Singer, updating: Json, sandbox: RunningSandbox
) -> None:
    sandbox.store.deny("oauth-global", "attendee/update")
    ended = call([singer.schema, singer.record("ada@example.com")], updating)
    assert ended.code == 77
    assert "no access to endpoint" in ended.error
    assert "attendee/update" in ended.error


def test_the_event_goes_along_with_an_update(call: Run, singer: Singer, script: Serve) -> None:
    with script(lambda *_: (200, {"responseCode": "0"}, {})) as served:
        wanted = {"mode": "update", "event_parameter": "eventCode"}
        ended = call([singer.schema, singer.record("ada@example.com")], served.settings | wanted)
    assert ended.code == 0
    assert served.bodies == [{"email": "ada@example.com"}]
    assert served.queries == ["eventCode=summit26"]


def test_no_other_mode_is_known(call: Run, singer: Singer, settings: Json) -> None:
    ended = call([singer.schema], settings | {"mode": "insert"})
    assert ended.code == 78
    assert "Setting mode must be one of upsert, update" in ended.error
