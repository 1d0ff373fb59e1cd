"""As many profiles at a time as RainFocus can take, and no more."""

from __future__ import annotations

import asyncio
import time
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Singer = t.Any
    Server = t.Any
    Serve = Callable[..., t.ContextManager[Server]]
    Reply = tuple[int, Json, dict[str, str]]

CONCURRENCY = 16


def people(singer: Singer, number: int) -> list[Json]:
    crowd = [singer.record(f"ada{n}@example.com") for n in range(number)]
    return [singer.schema, *crowd, singer.state(1)]


def directions(log: str) -> list[str]:
    """Each time that the log says where the number in flight goes."""
    told = [line for line in log.splitlines() if "profiles are sent at a time" in line]
    return [line.partition("RainFocus ")[2] for line in told]


def test_fewer_are_in_flight_after_a_429_and_more_again_later(
    run: Run, singer: Singer, loop_server: Serve
) -> None:
    first = 200
    in_flight: list[int] = []
    refused = alone = last = 0

    async def answer(server: Server, body: Json) -> Reply:
        nonlocal refused, alone, last
        in_flight.append(server.in_flight)
        is_busy = len(in_flight) >= first and alone < 3
        await asyncio.sleep(0.02)
        if is_busy:
            refused += 1
            alone = alone + 1 if in_flight[-1] == 1 else 0
            last = len(in_flight)
            return 429, {}, {}
        return t.cast("Reply", server.keep(body))

    with loop_server(answer) as server:
        ended = run(people(singer, 900), server.settings | {"concurrency": CONCURRENCY})
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": 900, "stored": 900}
    assert max(in_flight) == max(in_flight[50:first]) == CONCURRENCY
    # A sender that did not slow down would have been refused hundreds of times.
    assert CONCURRENCY < refused < 80
    assert alone == 3
    assert max(in_flight[last:]) == CONCURRENCY
    # A busy machine may make the answers slow as well.
    told = [line for line in directions(ended.log) if "slowly" not in line]
    assert list(dict.fromkeys(told)) == [
        "is busy (HTTP 429): fewer profiles are sent at a time.",
        "has recovered: more profiles are sent at a time.",
    ]


def test_fewer_are_in_flight_when_answers_get_slow_and_more_again_later(
    run: Run, singer: Singer, loop_server: Serve
) -> None:
    first, slow = 200, 95
    in_flight: list[int] = []

    async def answer(server: Server, body: Json) -> Reply:
        number = len(in_flight)
        in_flight.append(server.in_flight)
        await asyncio.sleep(0.2 if first <= number < first + slow else 0.02)
        return t.cast("Reply", server.keep(body))

    with loop_server(answer) as server:
        ended = run(people(singer, 700), server.settings | {"concurrency": CONCURRENCY})
    assert ended.code == 0, ended.log
    assert max(in_flight) == max(in_flight[50:first]) == CONCURRENCY
    assert max(in_flight[first + slow - 8 : first + slow]) <= CONCURRENCY // 2
    assert max(in_flight[-150:]) == CONCURRENCY
    assert directions(ended.log) == [
        "answers more slowly than usual: fewer profiles are sent at a time.",
        "has recovered: more profiles are sent at a time.",
    ]


def test_steady_answers_change_nothing(run: Run, singer: Singer, loop_server: Serve) -> None:
    latency, number = 0.05, 320
    arrived: list[float] = []

    async def answer(server: Server, body: Json) -> Reply:
        arrived.append(time.monotonic())
        await asyncio.sleep(latency)
        return t.cast("Reply", server.keep(body))

    with loop_server(answer) as server:
        ended = run(people(singer, number), server.settings | {"concurrency": CONCURRENCY})
    assert ended.code == 0
    assert directions(ended.log) == []
    assert arrived[-1] - arrived[0] < 1.5 * latency * number / CONCURRENCY


def test_the_ceiling_is_one_for_all_workers_and_their_repeats(
    call: Run, singer: Singer, loop_server: Serve
) -> None:
    rate, number = 60, 100
    arrived: list[float] = []

    async def answer(server: Server, body: Json) -> Reply:
        arrived.append(time.monotonic())
        await asyncio.sleep(0.1)
        if len(arrived) % 10 == 0:
            return 500, {}, {}
        return t.cast("Reply", server.keep(body))

    with loop_server(answer) as server:
        settings = server.settings | {"concurrency": CONCURRENCY, "requests_per_second": rate}
        ended = call(people(singer, number), settings)
    assert ended.code == 0, ended.log
    assert len(arrived) > number * 1.05
    for begin in arrived:
        assert sum(begin <= moment < begin + 0.5 for moment in arrived) <= rate / 2 + 4
    assert arrived[90] - arrived[0] < 1.5 * 90 / rate


def test_all_workers_keep_the_time_that_one_was_told_to_wait(
    call: Run, singer: Singer, loop_server: Serve
) -> None:
    arrived: list[float] = []
    told = 0.0

    async def answer(server: Server, body: Json) -> Reply:
        nonlocal told
        number = len(arrived)
        arrived.append(time.monotonic())
        await asyncio.sleep(0.01)
        if number == 100:
            told = time.monotonic()
            return 429, {}, {"Retry-After": "1"}
        return t.cast("Reply", server.keep(body))

    with loop_server(answer) as server:
        ended = call(people(singer, 300), server.settings | {"concurrency": CONCURRENCY})
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": 300, "stored": 300}
    # Some may have been on their way.
    after = [moment - told for moment in arrived if moment > told + 0.05]
    assert len(after) > 150
    assert 1 <= min(after) < 1.5
