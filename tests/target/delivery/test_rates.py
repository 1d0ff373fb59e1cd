"""Ceilings and faults together: neither a pause nor quick errors upset the pace."""

from __future__ import annotations

import asyncio
import time
import typing as t

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Json = dict[str, t.Any]
    Call = Callable[..., t.Any]
    Singer = t.Any
    Server = t.Any
    Serve = Callable[..., t.ContextManager[Server]]
    Reply = tuple[int, Json, dict[str, str]]


def people(singer: Singer, number: int) -> list[Json]:
    crowd = [singer.record(f"ada{n}@example.com") for n in range(number)]
    return [singer.schema, *crowd, singer.state(1)]


def test_the_ceiling_holds_after_a_pause_too(
    call: Call, singer: Singer, loop_server: Serve
) -> None:
    rate, number, busy, pause = 40, 80, 20, 1
    arrived: list[float] = []
    told = 0.0

    async def answer(server: Server, body: Json) -> Reply:
        nonlocal told
        arrived.append(time.monotonic())
        if len(arrived) == busy:
            told = time.monotonic()
            return 429, {}, {"Retry-After": str(pause)}
        return t.cast("Reply", server.keep(body))

    with loop_server(answer) as server:
        settings = {"requests_per_second": rate, "concurrency": 32}
        ended = call(people(singer, number), server.settings | settings)
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": number, "stored": number}
    early = [moment - told for moment in arrived if 0.1 < moment - told < 0.95 * pause]
    assert early == []
    for begin in arrived:
        assert sum(begin <= moment < begin + 0.25 for moment in arrived) <= rate / 4 + 4
    assert arrived[-1] - told < pause + 1.7 * (number - busy) / rate


@pytest.mark.parametrize(
    "fault",
    [
        (500, {}, {}),
        (400, {"responseCode": "105"}, {}),
        (200, {"responseCode": "105"}, {}),
    ],
    ids=["retried", "refused with HTTP 400", "refused with HTTP 200"],
)
def test_quick_errors_are_not_taken_for_the_usual_answer(
    call: Call, singer: Singer, loop_server: Serve, tmp_path: Path, fault: Reply
) -> None:
    faults, number, most = 40, 400, 16
    in_flight: list[int] = []

    async def answer(server: Server, body: Json) -> Reply:
        in_flight.append(server.in_flight)
        if len(in_flight) <= faults:
            return fault
        await asyncio.sleep(0.06)
        return t.cast("Reply", server.keep(body))

    with loop_server(answer) as server:
        settings = {"rejects_path": str(tmp_path / "rejects"), "concurrency": most}
        ended = call(people(singer, number), server.settings | settings)
    assert ended.code == 0, ended.log
    after = sorted(in_flight[faults + 3 * most : -most])
    assert len(after) > 200
    assert after[len(after) // 2] >= 0.4 * most
    assert "answers more slowly than usual" not in ended.log
