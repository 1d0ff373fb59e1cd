"""An Attendee Store that takes anything: cheap enough that only the sender is measured."""

from __future__ import annotations

import asyncio
import json
import re
import selectors
import subprocess
import sys
import typing as t
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from urllib.request import ProxyHandler, build_opener

if t.TYPE_CHECKING:
    from collections.abc import Iterator

STORED = b'{"responseCode":"0"}'
END_OF_HEAD = b"\r\n\r\n"
CONTENT_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")


@dataclass(slots=True)
class Clock:
    """What the server saw: how many requests, from the first request to the last answer."""

    requests: int = 0
    first: float = 0.0
    last: float = 0.0
    waited: float = 0.0

    @property
    def rate(self) -> float:
        """Requests per second; neither start-up nor end of the sender counts."""
        return self.requests / (self.last - self.first)

    @property
    def latency(self) -> float:
        """Seconds an answer really took: timers of a busy machine are late."""
        return self.waited / self.requests


@dataclass(frozen=True, slots=True)
class Store:
    """A store that is running."""

    api_url: str

    def clock(self) -> Clock:
        """What it saw since the last call."""
        with build_opener(ProxyHandler({})).open(f"{self.api_url}/clock") as reply:
            return Clock(**json.load(reply))


class StoreServer(asyncio.Protocol):
    """Answers every POST `latency` seconds after it is complete, and GET with the clock."""

    clock = Clock()

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = t.cast("asyncio.Transport", transport)  # asyncio sets TCP_NODELAY

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(END_OF_HEAD)
        if end < 0:
            return
        length = CONTENT_LENGTH.search(self._buffer, 0, end)
        if len(self._buffer) < end + len(END_OF_HEAD) + int(length[1] if length else 0):
            return
        asked = self._buffer.startswith(b"GET")
        self._buffer = b""
        if asked:
            self._tell()
        else:
            self._take()

    def _tell(self) -> None:
        self._answer(encoded(json.dumps(asdict(self.clock)).encode()))
        StoreServer.clock = Clock()

    def _take(self) -> None:
        now = self._loop.time()
        self.clock.first = self.clock.first or now
        if self._latency:
            self._loop.call_at(now + self._latency, self._stored, now)
        else:
            self._stored(now)

    def _stored(self, since: float) -> None:
        self._answer(ANSWER)
        clock = self.clock
        clock.last = self._loop.time()
        clock.waited += clock.last - since
        clock.requests += 1

    def _answer(self, reply: bytes) -> None:
        if self._transport is not None:
            self._transport.write(reply)


def encoded(body: bytes) -> bytes:
    """A whole HTTP reply."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d" % len(body)
    return head + END_OF_HEAD + body


ANSWER = encoded(STORED)


@contextmanager
def serving(latency: float = 0.0) -> Iterator[Store]:
    """Run a store in a process of its own, which answers after `latency` seconds."""
    command = [sys.executable, __file__, str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        if server.stdout is None:
            raise RuntimeError
        try:
            yield Store(server.stdout.readline().strip())
        finally:
            server.terminate()


async def _serve(latency: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: StoreServer(latency), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}/api", flush=True)
    await server.serve_forever()


def _exact_loop() -> asyncio.AbstractEventLoop:
    """A loop whose timers are not rounded up to a millisecond, as those with epoll are."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=_exact_loop) as runner:
        runner.run(_serve(float(sys.argv[1])))
