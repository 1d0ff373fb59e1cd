"""What the store holds is what sending one record at a time would have left."""

from __future__ import annotations

import asyncio
import random
import typing as t
from collections import Counter

import pytest
from rainfocus_sandbox.faults.faults import Fault

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from rainfocus_sandbox.testing import RunningSandbox

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Stored = Callable[[], dict[str, Json]]
    Singer = t.Any
    Server = t.Any
    Serve = Callable[..., t.ContextManager[Server]]

RECORDS = 2000
FIELDS = ("firstname", "lastname", "companyname", "city")


@pytest.mark.parametrize("seed", [1, 2])
def test_repeats_among_many_in_flight_end_as_if_sent_one_at_a_time(
    run: Run, stored: Stored, singer: Singer, settings: Json, sandbox: RunningSandbox, seed: int
) -> None:
    draw = random.Random(seed)
    expected: dict[str, Json] = {}
    messages: list[Json] = [singer.schema]
    repeats = 0
    for n in range(RECORDS):
        email = f"p{n}@example.com"
        if expected and draw.random() < 0.1:
            email = draw.choice(list(expected)[-90:])
            repeats += 1
        fields = {field: draw.choice((f"{n}", f"{n}", "", None)) for field in FIELDS}
        person = expected.setdefault(email, {})
        person |= {field: value for field, value in fields.items() if value}
        messages.append(singer.record(draw.choice((email, email.upper(), f" {email}\t")), **fields))
    assert repeats > RECORDS / 12
    sandbox.faults.latency(0, 0.05)
    kinds: tuple[t.Any, ...] = ("server_error", "drop", "drop_after", "truncated_json")
    sandbox.faults.add(
        *(Fault(draw.choice(kinds), skip=draw.randrange(40)) for _ in range(RECORDS // 40)),
        *(Fault("retry_after_seconds", skip=skip, seconds=0) for skip in (300, 1200)),
    )
    ended = run([*messages, singer.state(1)], settings | {"concurrency": 64})
    assert ended.code == 0, ended.log
    assert ended.states == [{"n": 1}]
    assert sandbox.faults.struck().total() == RECORDS // 40 + 2
    counts = ended.counts
    assert counts.pop("stored") + counts.pop("merged") == counts.pop("read") == RECORDS
    assert counts == {}
    assert {
        email: {field: a[field] for field in FIELDS if a.get(field)}
        for email, a in stored().items()
    } == expected


def test_one_person_is_never_in_flight_twice(run: Run, singer: Singer, loop_server: Serve) -> None:
    draw = random.Random(5)
    now: Counter[str] = Counter()
    most: Counter[str] = Counter()

    async def answer(server: Server, body: Json) -> tuple[int, Json, dict[str, str]]:
        identity = body["email"].lower()
        now[identity] += 1
        most[identity] = max(most[identity], now[identity])
        most["all"] = max(most["all"], server.in_flight)
        await asyncio.sleep(draw.uniform(0, 0.05))
        now[identity] -= 1
        if draw.random() < 0.02:
            return 500, {}, {}
        return t.cast("tuple[int, Json, dict[str, str]]", server.keep(body))

    people = []
    expected = {}
    for n in range(1200):
        email = f"p{draw.randrange(n - 90, n) if n > 90 and n % 10 == 0 else n}@example.com"
        if n >= 1000:
            email = f"q{n % 7}@example.com"
        spelling = draw.choice((email, email.upper(), f" {email}"))
        people.append(singer.record(spelling, firstname=str(n)))
        expected[email] = str(n)
    with loop_server(answer) as server:
        ended = run([singer.schema, *people], server.settings | {"concurrency": 64})
    assert ended.code == 0, ended.log
    assert most.pop("all") > 48
    assert set(most.values()) == {1}
    assert {email: person["firstname"] for email, person in server.people.items()} == expected
