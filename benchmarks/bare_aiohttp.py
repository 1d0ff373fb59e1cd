"""No target at all: aiohttp sends the same profile over and over, so many at a time."""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import orjson
from singer_input import contact


async def main(api_url: str, profiles: int, concurrency: int) -> None:
    url = f"{api_url}/acme/v3/attendee/store"
    headers = {"apiProfile": "x", "Content-Type": "application/json"}
    left = iter(range(profiles))
    body = orjson.dumps(contact(0))
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
    ) as session:

        async def worker() -> None:
            for _ in left:
                async with session.post(url, data=body, params={"event": "summit25"}) as reply:
                    orjson.loads(await reply.read())

        await asyncio.gather(*(worker() for _ in range(concurrency)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
