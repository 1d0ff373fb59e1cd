"""How many requests may be in flight: fewer while RainFocus is busy, more when it recovers."""

from __future__ import annotations

import asyncio
import statistics
import time
import typing as t

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable

ROUND = 8
"""Answers, at least, that are looked at together."""

SLOWER = 2.0
SLACK = 0.02
"""Seconds: answers are slow when they take this times as long as usual, and this much more."""

DRIFT = 1.03
"""How much more a round what is usual may become, so that a new pace becomes the usual one."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
"""Seconds without a request when one at a time is still too much."""


class AdaptiveLimit:
    """Gives out turns: a request takes one and gives it back with what came of it.

    The number of turns is halved when RainFocus says that it is busy, cut by a third, but not below
    a quarter, when its answers come in more slowly than usual, and raised by a quarter with every
    round of answers that give no cause for complaint.
    """

    def __init__(
        self,
        most: int,
        wait_for: Callable[[Awaitable[object]], Awaitable[None]],
        logger: logging.Logger,
    ) -> None:
        """Begin with all turns; to be made inside the loop that uses it.

        Args:
            most: Never more in flight than this.
            wait_for: Waits, unless there is a halt.
            logger: Where a change of direction is told.
        """
        self._most = self._limit = self._issued = most
        self._wait_for = wait_for
        self._logger = logger
        self._turns = asyncio.Semaphore(most)
        self._in_flight = 0
        self._stale = 0
        self._round: list[float] = []
        self._usual = 0.0
        self._pause = 0.0
        self._resume_at = 0.0
        self._falling = False

    async def turn(self) -> None:
        """Wait for a turn."""
        if self._turns.locked():
            await self._wait_for(self._turns.acquire())
        else:
            await self._turns.acquire()
        await self.rest()
        self._in_flight += 1

    async def rest(self) -> bool:
        """Wait for the end of a pause, and say whether there was one."""
        rested = False
        while (seconds := self._resume_at - time.monotonic()) > 0:
            await self._wait_for(asyncio.sleep(seconds))
            rested = True
        return rested

    def answered(self, seconds: float) -> None:
        """Give a turn back after an answer that took so long."""
        if not self._give_back():
            return
        self._pause = 0.0
        self._round.append(seconds)
        if len(self._round) >= max(self._limit, ROUND):
            median = statistics.median(self._round)
            self._round.clear()
            if self._usual and median > SLOWER * self._usual + SLACK:
                least = -(-self._most // 4)
                self._fall(max(self._limit * 2 // 3, least), "answers more slowly than usual")
            elif self._limit < self._most:
                self._climb(min(self._limit + max(self._limit // 4, 1), self._most))
            self._usual = min(self._usual * DRIFT or median, median)

    def failed(self) -> None:
        """Give a turn back after something that tells nothing of how busy RainFocus is."""
        self._give_back()

    def refused(self, status: int, retry_after: float | None) -> None:
        """Give a turn back after RainFocus has said that it is busy, and for how many seconds."""
        is_news = self._give_back()
        if retry_after is not None:
            self._resume(retry_after)
        if is_news:
            if self._limit == 1:
                self._pause = min(max(2 * self._pause, SHORTEST_PAUSE), LONGEST_PAUSE)
                self._resume(self._pause)
            self._fall(max(self._limit // 2, 1), f"is busy (HTTP {status})")

    def _give_back(self) -> bool:
        """Whether the request was begun after the last fall, and so says something new."""
        self._in_flight -= 1
        if self._issued > self._limit:
            self._issued -= 1
        else:
            self._turns.release()
        if self._stale:
            self._stale -= 1
            return False
        return True

    def _resume(self, seconds: float) -> None:
        self._resume_at = max(self._resume_at, time.monotonic() + seconds)

    def _fall(self, limit: int, why: str) -> None:
        if not self._falling:
            self._falling = True
            self._logger.info("RainFocus %s: fewer profiles are sent at a time.", why)
        self._limit = limit
        self._stale = self._in_flight
        self._round.clear()

    def _climb(self, limit: int) -> None:
        if self._falling:
            self._falling = False
            self._logger.info("RainFocus has recovered: more profiles are sent at a time.")
        self._limit = limit
        while self._issued < limit:
            self._issued += 1
            self._turns.release()
