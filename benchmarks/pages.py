"""A server of pre-encoded pages: fast enough that only the reader is measured."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import typing as t
from contextlib import contextmanager
from pathlib import Path

import orjson
from rainfocus_sandbox.data.store import Store
from rainfocus_sandbox.seed import Sizes, seed

if t.TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_SIZE = 1000
DIFFERENT_PAGES = 10


class PageServer(asyncio.Protocol):
    """Answers any request with the page that the cursor in its query names."""

    def __init__(self, bodies: list[bytes], latency: float) -> None:
        self._bodies = bodies
        self._latency = latency
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = t.cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
            target = head.split(b" ", 2)[1]
            _, _, cursor = target.partition(b"cursor=")
            number = int(cursor.split(b"&")[0] or 0)
            asyncio.get_running_loop().call_later(self._latency, self._answer, number)

    def _answer(self, number: int) -> None:
        if self._transport is not None:
            self._transport.write(self._bodies[number])


def encoded_pages(count: int, size: int) -> list[bytes]:
    """Whole HTTP replies; the sandbox's attendees, ten different pages in turn."""
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "pages.db") as store:
        seed(store, Sizes(attendees=size * DIFFERENT_PAGES))
        attendees = store.attendees("summit25")
    pages = [
        orjson.dumps(attendees[start : start + size]) for start in range(0, len(attendees), size)
    ]
    return [
        _reply(pages[number % len(pages)], number, last=number == count - 1)
        for number in range(count)
    ]


def _reply(records: bytes, number: int, *, last: bool) -> bytes:
    members = [b'"responseCode":"0","responseMessage":"Success"']
    if number == 0:
        members.append(b'"timestamp":"1680309557133"')
    if not last:
        members.append(b'"cursor":"%d"' % (number + 1))
    body = b"{%s}" % b",".join([*members, b'"results":' + records])
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


@contextmanager
def serving(pages: int, latency: float = 0.0, size: int = PAGE_SIZE) -> Iterator[str]:
    """Serve so many pages of `size` attendees, each after `latency` seconds; gives the URL."""
    command = [sys.executable, __file__, str(pages), str(latency), str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        if server.stdout is None:
            raise RuntimeError
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


async def _serve(pages: int, latency: float, size: int) -> None:
    bodies = encoded_pages(pages, size)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: PageServer(bodies, latency), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}/api", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
