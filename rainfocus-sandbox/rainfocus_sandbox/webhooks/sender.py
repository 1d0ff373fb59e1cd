"""The pusher: POSTs what waits in the outbox, and tries again until it is taken."""

from __future__ import annotations

import asyncio
import random
import typing as t

if t.TYPE_CHECKING:
    from aiohttp import ClientSession

    from rainfocus_sandbox.webhooks.integration import Integration
    from rainfocus_sandbox.webhooks.outbox import Outbox

_AT_ONCE = 8
_POLL_S = 0.05
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0
_rng = random.Random()  # noqa: S311


class Pusher:
    """Pushes the events of an outbox in their order, a few at a time.

    Assumption: how RainFocus retries is not public (docs/rainfocus-api.md §6). Here an event is
    tried until it is answered with 2xx, with the same `transmissionId`; one that is refused for
    ever holds one of the few places for ever.
    """

    def __init__(self, outbox: Outbox) -> None:
        """Push what waits in `outbox`."""
        self._outbox = outbox
        self._held: set[str] = set()

    async def run(self) -> None:
        """Push until cancelled; what has not been taken then goes on waiting in the outbox."""
        await self._next()
        # Imported late: most sandboxes never push, and it takes as long as the rest of the start.
        from aiohttp import ClientSession  # noqa: PLC0415

        places = asyncio.Semaphore(_AT_ONCE)
        async with ClientSession() as http, asyncio.TaskGroup() as pushing:
            while True:
                await places.acquire()
                transmission_id = await self._next()
                self._held.add(transmission_id)
                task = pushing.create_task(self._deliver(http, transmission_id))
                task.add_done_callback(lambda _: places.release())

    async def _next(self) -> str:
        while True:
            if self._outbox.integration():
                transmission_id = self._outbox.first(self._held)
                if transmission_id is not None:
                    return transmission_id
            await asyncio.sleep(_POLL_S)

    async def _deliver(self, http: ClientSession, transmission_id: str) -> None:
        """Try until the endpoint has taken the event, or nobody wants it pushed any more."""
        try:
            while (body := self._outbox.body(transmission_id)) is not None:
                integration = self._outbox.integration()
                if integration is None:
                    return
                failure = await _post(http, integration, body)
                if failure is None:
                    self._outbox.sent(transmission_id)
                    return
                attempts = self._outbox.failed(transmission_id, failure)
                await asyncio.sleep(_wait_after(attempts))
        finally:
            self._held.discard(transmission_id)


async def _post(http: ClientSession, integration: Integration, body: bytes) -> str | None:
    """Send a push; return what went wrong, in words that hold no secret, or nothing."""
    from aiohttp import ClientError, ClientTimeout  # noqa: PLC0415

    try:
        async with http.post(
            integration.url,
            data=body,
            headers=integration.headers,
            allow_redirects=False,
            timeout=ClientTimeout(total=integration.timeout),
        ) as reply:
            await reply.read()
            return None if reply.ok and reply.status < 300 else f"HTTP {reply.status}"  # noqa: PLR2004
    except TimeoutError:
        return f"no reply within {integration.timeout:g} seconds"
    except (ClientError, OSError, ValueError) as error:  # the last: a host that no name can have
        return type(error).__name__


def _wait_after(attempts: int) -> float:
    """Return how long to wait after so many failures: twice as long each time, capped, and jitter.

    The exponent is capped as well, or the power would outgrow a float one day.
    """
    longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(attempts, 10))
    return _rng.uniform(longest / 2, longest)
