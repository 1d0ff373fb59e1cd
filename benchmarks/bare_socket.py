"""No HTTP client at all: one encoded request over and over, to see what the store can take."""

from __future__ import annotations

import asyncio
import sys
import typing as t
from urllib.parse import urlsplit

import orjson
from singer_input import contact
from store import ANSWER

if t.TYPE_CHECKING:
    from collections.abc import Iterator


class Sender(asyncio.Protocol):
    """Sends the next request when the last one is answered."""

    def __init__(self, request: bytes, left: Iterator[int]) -> None:
        self._request = request
        self._left = left
        self._received = 0
        self._transport: asyncio.Transport | None = None
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = t.cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received % len(ANSWER) == 0:
            self._next()

    def _next(self) -> None:
        if next(self._left, None) is None or self._transport is None:
            self.ended.set_result(None)
        else:
            self._transport.write(self._request)


async def main(api_url: str, profiles: int, concurrency: int) -> None:
    place = urlsplit(api_url)
    body = orjson.dumps(contact(0))
    request = (
        f"POST {place.path}/acme/v3/attendee/store?event=summit25 HTTP/1.1\r\n"
        f"Host: {place.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    left = iter(range(profiles))
    loop = asyncio.get_running_loop()
    senders = [
        await loop.create_connection(lambda: Sender(request, left), place.hostname, place.port)
        for _ in range(concurrency)
    ]
    await asyncio.gather(*(sender.ended for _, sender in senders))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
