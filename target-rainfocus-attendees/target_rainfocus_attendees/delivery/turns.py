"""Turns to make a request, for the workers of one loop: as many as the adaptive limit says."""

from __future__ import annotations

import asyncio
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rainfocus_client.adaptive_limit import AdaptiveLimit


class Turns:
    """Who wants to make a request takes a turn, and gives it back when that has ended."""

    def __init__(
        self, limit: AdaptiveLimit, wait_for: Callable[[Awaitable[object]], Awaitable[None]]
    ) -> None:
        """Give out as many as the limit says; to be made inside the loop that uses it.

        Args:
            limit: Learns from its user what came of each request.
            wait_for: Waits, unless there is a halt.
        """
        self._limit = limit
        self._wait_for = wait_for
        self._issued = limit.limit
        self._turns = asyncio.Semaphore(self._issued)

    async def take(self) -> None:
        """Wait for a turn."""
        if self._turns.locked():
            await self._wait_for(self._turns.acquire())
        else:
            await self._turns.acquire()
        await self.rest()
        self._limit.begin()

    async def rest(self) -> bool:
        """Wait for the end of a pause, and say whether there was one."""
        rested = False
        while seconds := self._limit.rest:
            await self._wait_for(asyncio.sleep(seconds))
            rested = True
        return rested

    def give_back(self) -> None:
        """Give a turn back, once the limit knows what came of it."""
        self._issued -= 1
        while self._issued < self._limit.limit:
            self._issued += 1
            self._turns.release()
