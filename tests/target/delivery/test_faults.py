"""Whatever goes wrong on the way, every record has its outcome, and the state never lies."""

from __future__ import annotations

import json
import random
import time
import typing as t
from collections import Counter

import pytest
from rainfocus_sandbox.faults.faults import Fault

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Json = dict[str, t.Any]
    Call = Callable[..., t.Any]
    Stored = Callable[[], dict[str, Json]]
    Singer = t.Any

STORE = "attendee/store"
TOKEN = "oidc/token"
PEOPLE = 30


def people(singer: Singer) -> list[Json]:
    """The people 1 to 30, with a state after each."""
    messages: list[Json] = [singer.schema]
    for n in range(1, PEOPLE + 1):
        messages += [singer.record(f"ada{n}@example.com", firstname=f"Ada {n}"), singer.state(n)]
    return messages


def names(first: int, last: int) -> dict[str, str]:
    return {f"ada{n}@example.com": f"Ada {n}" for n in range(first, last + 1)}


def found(stored: Stored) -> dict[str, str]:
    return {email: attendee["firstname"] for email, attendee in stored().items()}


def calls(sandbox: RunningSandbox) -> Counter[str]:
    return Counter(logged.call for logged in sandbox.store.log())


@pytest.fixture
def one_by_one(settings: Json) -> Json:
    """Settings with which it is known whom a fault strikes."""
    return settings | {"concurrency": 1, "batch_size_rows": 1, "max_retries": 1}


PASSING = {
    "429 with seconds": Fault("retry_after_seconds", skip=5, seconds=1),
    "429 with a date": Fault("retry_after_date", skip=5, seconds=1),
    "429 without a wait": Fault("server_error", skip=5, times=2, status=429),
    "500": Fault("server_error", skip=5, times=2, status=500),
    "502": Fault("server_error", skip=5, status=502),
    "503": Fault("server_error", skip=5, times=3, status=503),
    "408": Fault("server_error", skip=5, status=408),
    "dropped before it was taken": Fault("drop", skip=5, times=2),
    "dropped after it was taken": Fault("drop_after", skip=5, times=2),
    "cut": Fault("cut", skip=5, times=2),
    "timeout": Fault("slow", skip=5, seconds=5),
    "not JSON": Fault("html", skip=5, times=2),
    "half of the JSON": Fault("truncated_json", skip=5, times=2),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_passes_costs_nothing_but_another_request(
    call: Call,
    stored: Stored,
    singer: Singer,
    settings: Json,
    sandbox: RunningSandbox,
    fault: Fault,
) -> None:
    sandbox.faults.add(fault)
    began = time.monotonic()
    if fault.kind == "slow":
        settings |= {"request_timeout": 0.5}
    ended = call(people(singer), settings | {"batch_size_rows": 5})
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": PEOPLE, "stored": PEOPLE}
    assert ended.states[-1] == {"n": PEOPLE}
    assert found(stored) == names(1, PEOPLE)
    assert sandbox.faults.struck() == {fault.kind: fault.times}
    assert calls(sandbox) == {TOKEN: 1, STORE: PEOPLE + (fault.times or 0)}
    assert not ended.lines("ERROR")
    (warning,) = ended.lines("WARNING")
    assert "Trying again in" in warning
    if fault.kind.startswith("retry_after"):
        assert time.monotonic() - began > 1


def test_a_token_that_expires_in_the_middle_is_renewed_once(
    call: Call, stored: Stored, singer: Singer, settings: Json, sandbox: RunningSandbox
) -> None:
    sandbox.faults.add(Fault("expired_token", skip=10))
    ended = call(people(singer), settings)
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": PEOPLE, "stored": PEOPLE}
    assert ended.states[-1] == {"n": PEOPLE}
    assert found(stored) == names(1, PEOPLE)
    asked = calls(sandbox)
    assert asked[TOKEN] == 2
    assert PEOPLE < asked[STORE] <= PEOPLE + settings.get("concurrency", 8)
    assert not ended.lines("WARNING")


QUEUED = 4
"""Profiles that wait behind the first: each is tried once, in case only the first is to blame."""

LASTING = {
    "429": (Fault("retry_after_seconds", skip=5, times=None, seconds=0), 75, "HTTP 429", 2),
    "500": (Fault("server_error", skip=5, times=None), 75, "HTTP 500", 2 + QUEUED),
    "dropped": (Fault("drop", skip=5, times=None), 69, "could not be reached", 2 + QUEUED),
    "timeout": (
        Fault("slow", skip=5, times=None, seconds=5),
        69,
        "did not answer in time",
        2 + QUEUED,
    ),
    "not JSON": (Fault("html", skip=5, times=None), 75, "not a JSON object", 2 + QUEUED),
    "denied": (Fault("denied", skip=5, times=None), 77, "no access to endpoint attendee", 1),
    "wrong environment": (Fault("wrong_environment", skip=5, times=None), 78, "code 103", 5),
    "token": (Fault("expired_token", skip=5, times=None), 77, "token is not accepted", 2),
}


@pytest.mark.parametrize(("fault", "code", "said", "asked"), LASTING.values(), ids=LASTING)
def test_what_does_not_pass_ends_the_run_where_it_can_be_resumed(
    call: Call,
    stored: Stored,
    singer: Singer,
    one_by_one: Json,
    sandbox: RunningSandbox,
    tmp_path: Path,
    fault: Fault,
    code: int,
    said: str,
    asked: int,
) -> None:
    sandbox.faults.add(fault)
    rejects = tmp_path / "rejects.singer"
    settings = one_by_one | {"rejects_path": str(rejects)}
    if fault.kind == "slow":
        settings |= {"request_timeout": 0.3}
    ended = call(people(singer), settings)
    assert ended.code == code
    assert said in ended.error
    assert "5 profiles were stored; run again to resume from the last state." in ended.error
    assert ended.states[-1] == {"n": 5}
    assert ended.counts["stored"] == 5
    assert ended.counts["read"] == 5 + ended.counts["unfinished"]
    assert calls(sandbox)[STORE] == 5 + asked
    taken = 6 + QUEUED if fault.kind == "slow" else 5
    assert found(stored) == names(1, taken)
    assert not rejects.exists()

    sandbox.faults.clear()
    messages = people(singer)
    ended = call([messages[0], *messages[1 + 2 * 5 :]], settings)
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": PEOPLE - 5, "stored": PEOPLE - 5}
    assert ended.states[-1] == {"n": PEOPLE}
    assert found(stored) == names(1, PEOPLE)


REFUSALS = {
    "HTTP 200": (Fault("refuse_200", skip=5, times=2), "HTTP 200, code 27", "27"),
    "HTTP 400": (Fault("refuse_400", skip=5, times=2, code="105"), "HTTP 400, code 105", "105"),
    "unknown event": (Fault("unknown_event", skip=5, times=2), "HTTP 400, code 104", "104"),
    "HTTP 422": (Fault("server_error", skip=5, times=2, status=422), "HTTP 422", "HTTP 422"),
}


@pytest.mark.parametrize(("fault", "said", "code"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_holds_the_state_and_is_not_repeated(
    call: Call,
    stored: Stored,
    singer: Singer,
    one_by_one: Json,
    sandbox: RunningSandbox,
    fault: Fault,
    said: str,
    code: str,
) -> None:
    sandbox.faults.add(fault)
    ended = call(people(singer), one_by_one)
    assert ended.code == 65
    assert f"{said}: the request was refused [RF-403] (2)" in ended.error
    assert "ada" not in ended.log
    assert ended.counts == {"read": PEOPLE, "stored": PEOPLE - 2, "rejected": 2}
    assert ended.states[-1] == {"n": 5}
    assert found(stored) == names(1, 5) | names(8, PEOPLE)
    assert calls(sandbox)[STORE] == PEOPLE
    assert code in said


@pytest.mark.parametrize(("fault", "said", "code"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_goes_to_the_rejects_and_the_state_passes(
    call: Call,
    stored: Stored,
    singer: Singer,
    one_by_one: Json,
    sandbox: RunningSandbox,
    tmp_path: Path,
    fault: Fault,
    said: str,
    code: str,
) -> None:
    sandbox.faults.add(fault)
    rejects = tmp_path / "rejects.singer"
    ended = call(people(singer), one_by_one | {"rejects_path": str(rejects)})
    assert ended.code == 0, ended.log
    assert any(
        f"2 rejected: RainFocus answered {STORE} with {said}" in w for w in ended.lines("WARNING")
    )
    assert ended.counts == {"read": PEOPLE, "stored": PEOPLE - 2, "rejected": 2}
    assert ended.states[-1] == {"n": PEOPLE}
    assert found(stored) == names(1, 5) | names(8, PEOPLE)
    assert calls(sandbox)[STORE] == PEOPLE
    kept = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [message["type"] for message in kept] == ["SCHEMA", "RECORD", "RECORD"]
    records = [message["record"] for message in kept[1:]]
    assert {r["email"]: r["firstname"] for r in records} == names(6, 7)
    assert {r["_reject_code"] for r in records} == {code}


def test_an_unknown_event_from_the_start_blames_nobody(
    call: Call,
    stored: Stored,
    singer: Singer,
    settings: Json,
    sandbox: RunningSandbox,
    tmp_path: Path,
) -> None:
    sandbox.faults.add(Fault("unknown_event", times=None))
    rejects = tmp_path / "rejects.singer"
    messages = [singer.schema]
    for n in range(1, 501):
        messages += [singer.record(f"ada{n}@example.com"), singer.state(n)]
    settings |= {"rejects_path": str(rejects), "batch_size_rows": 1}
    ended = call(messages, settings)
    assert ended.code == 65
    assert "check first that event_code is an event of this organisation" in ended.error
    assert "Nothing was stored." in ended.error
    assert ended.states == []
    assert stored() == {}
    assert not rejects.exists()
    assert calls(sandbox)[STORE] < 150


def test_all_that_passes_at_once_changes_nothing(
    run: Call, stored: Stored, singer: Singer, settings: Json, sandbox: RunningSandbox
) -> None:
    draw = random.Random(3)
    kinds: tuple[t.Any, ...] = (
        "server_error",
        "drop",
        "drop_after",
        "cut",
        "html",
        "truncated_json",
    )
    sandbox.faults.latency(0, 0.01)
    sandbox.faults.add(
        *(Fault(kind, skip=draw.randrange(150)) for kind in kinds for _ in range(4)),
        Fault("retry_after_seconds", skip=50),
        Fault("retry_after_date", skip=100),
        Fault("server_error", skip=200, status=503),
        Fault("slow", skip=20, times=2, seconds=8),
        Fault("expired_token", skip=150),
        Fault("server_error", call=TOKEN),
    )
    expected: dict[str, Json] = {}
    messages: list[Json] = [singer.schema]
    for n in range(600):
        known = list(expected)[-40:]
        email = draw.choice(known) if known and draw.random() < 0.1 else f"p{n}@example.com"
        fields = {draw.choice(("firstname", "lastname", "city")): f"value {n}"}
        expected.setdefault(email, {}).update(fields)
        spelling = draw.choice((email, email.upper(), f" {email} "))
        messages += [singer.record(spelling, **fields), singer.state(n)]
    settings |= {"concurrency": 16, "request_timeout": 2, "batch_size_rows": 50}
    ended = run(messages, settings)
    assert ended.code == 0, ended.log
    assert sandbox.faults.left() == []
    assert set(sandbox.faults.struck()) >= {*kinds, "slow", "expired_token", "retry_after_date"}
    counts = ended.counts
    assert counts.pop("stored") + counts.pop("merged", 0) == counts.pop("read") == 600
    assert counts == {}
    assert ended.states[-1] == {"n": 599}
    assert {
        email: {f: a[f] for f in ("firstname", "lastname", "city") if f in a}
        for email, a in stored().items()
    } == expected
