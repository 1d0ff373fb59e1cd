"""The two beside the receiver: one pushes like RainFocus, one reads like the tap."""

from __future__ import annotations

import asyncio
import contextlib
import io
import statistics
import time
import typing as t

import orjson
from tap_rainfocus.tap import TapRainFocus

if t.TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Event

CONNECTIONS = 32
LONGEST = 900.0
PAUSE = 0.05
GOOD = b"HTTP/1.1 200"


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    def __init__(self) -> None:
        self._reply: asyncio.Future[bytes] | None = None
        self._received = b""

    def connection_made(self, transport: t.Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= length and self._reply and not self._reply.done():
            self._reply.set_result(head)

    def connection_lost(self, error: Exception | None) -> None:
        if self._reply and not self._reply.done():
            self._reply.set_exception(error or ConnectionResetError())

    async def post(self, request: bytes) -> bytes:
        if self._transport.is_closing():
            raise ConnectionResetError
        self._received = b""
        self._reply = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._reply


def event(number: int) -> bytes:
    """A payload as it is assumed to be, about 650 bytes."""
    return orjson.dumps(
        {
            "transmissionId": f"17000000{number:08}AbCd",
            "eventType": "SessionScheduled",
            "timestamp": "2025-03-18T16:05:09.000Z",
            "event": {"name": "Example Summit"},
            "attendee": {
                "registered": "Yes",
                "attendeeId": f"16000000{number % 5000:08}EfGh",
                "externalId": f"crm-{number % 5000}",
                "clientId": "sso-42",
                "email": f"attendee{number % 5000}@example.com",
            },
            "session": {
                "sessionId": "1700000000000003IjKl",
                "externalId": "s-1",
                "code": "GS1",
                "title": "Opening",
                "length": 90,
            },
            "sessiontime": {
                "sessiontimeId": "1700000000000004MnOp",
                "startTime": "2025-03-18 09:00:00",
                "endTime": "2025-03-18 10:30:00",
                "room": "A1",
            },
        }
    )


def push(port: int, inlet: str, events: int, results: Queue[dict[str, float]]) -> None:
    """Push the events over 32 connections, each until it is answered 200."""
    results.put(asyncio.run(_push(port, inlet, events)))


async def _push(port: int, inlet: str, events: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    numbers = iter(range(events))
    latencies: list[float] = []
    retries = 0

    async def work() -> None:
        nonlocal retries
        connection = None
        for number in numbers:
            body = event(number)
            request = (
                b"POST /collection/%b HTTP/1.1\r\nhost: receiver\r\nx-adobe-flow-id: benchmark\r\n"
                b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            ) % (inlet.encode(), len(body), body)
            while True:
                began = time.perf_counter()
                try:
                    if connection is None:
                        _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
                    reply = await connection.post(request)
                except OSError:
                    connection = None
                else:
                    if reply.startswith(GOOD):
                        latencies.append(time.perf_counter() - began)
                        break
                retries += 1
                await asyncio.sleep(PAUSE)

    began = time.perf_counter()
    async with asyncio.timeout(LONGEST), asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(work())
    seconds = time.perf_counter() - began
    cuts = statistics.quantiles(latencies, n=1000)
    return {
        "seconds": seconds,
        "p50": cuts[499],
        "p99": cuts[989],
        "longest": max(latencies),
        "retries": retries,
    }


def read(url: str, finished: Event, results: Queue[dict[str, float]]) -> None:
    """Run the tap every second, each time from its last state, and once more at the end."""
    seen: list[str] = []
    state: dict[str, t.Any] = {}
    is_last = False
    while not is_last:
        is_last = finished.wait(1)
        for line in _tap(url, state).splitlines():
            message = orjson.loads(line)
            if message["type"] == "RECORD":
                seen.append(message["record"]["transmissionId"])
            elif message["type"] == "STATE":
                state = message["value"]
    results.put({"read": len(seen), "distinct": len(set(seen))})


def _tap(url: str, state: dict[str, t.Any]) -> bytes:
    """What the tap writes; in this process, since starting one takes half a second."""
    out = io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stdout(out):
        TapRainFocus(config={"inbox_url": url}, state=state).sync_all()
    return t.cast("io.BytesIO", out.buffer).getvalue()
