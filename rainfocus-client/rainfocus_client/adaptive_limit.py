"""How many requests may be in flight: fewer while RainFocus is busy, more when it recovers."""

from __future__ import annotations

import time
import typing as t
from http import HTTPStatus

if t.TYPE_CHECKING:
    import logging

BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""Statuses by which RainFocus says that it is busy."""

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
    """Counts the requests in flight and says how many there may be; waiting is its user's.

    The number is halved when RainFocus says that it is busy, cut by a third, but not below a
    quarter, when its answers come in more slowly than usual, and raised by a quarter with every
    round of answers that give no cause for complaint.

    Attributes:
        limit: How many may be in flight now.
    """

    def __init__(self, most: int, doing: str, logger: logging.Logger) -> None:
        """Begin with the most.

        Args:
            most: Never more in flight than this.
            doing: What the requests are for, such as `profiles are sent`.
            logger: Where a change of direction is told.
        """
        self.limit = self._most = most
        self._doing = doing
        self._logger = logger
        self._in_flight = 0
        self._stale = 0
        self._round: list[float] = []
        self._usual = 0.0
        self._pause = 0.0
        self._resume_at = 0.0
        self._falling = False

    @property
    def is_free(self) -> bool:
        """Whether one more may be in flight."""
        return self._in_flight < self.limit

    @property
    def rest(self) -> float:
        """Seconds until the end of a pause; 0 where there is none."""
        return max(self._resume_at - time.monotonic(), 0.0)

    def pause(self, seconds: float) -> None:
        """Let no request begin for so long."""
        self._resume_at = max(self._resume_at, time.monotonic() + seconds)

    def begin(self) -> None:
        """A request goes out."""
        self._in_flight += 1

    def answered(self, seconds: float = 0.0) -> None:
        """A request was answered after so long; 0 where that says nothing of how busy it is."""
        if not self._end():
            return
        self._pause = 0.0
        self._round.append(seconds)
        if len(self._round) >= max(self.limit, ROUND):
            from statistics import median  # noqa: PLC0415, its import slows the start of the tap

            middle = median(self._round)
            self._round.clear()
            if self._usual and middle > SLOWER * self._usual + SLACK:
                least = -(-self._most // 4)
                self._fall(max(self.limit * 2 // 3, least), "answers more slowly than usual")
            elif self.limit < self._most:
                self._climb(min(self.limit + max(self.limit // 4, 1), self._most))
            self._usual = min(self._usual * DRIFT or middle, middle)

    def failed(self) -> None:
        """A request came to something that tells nothing of how busy RainFocus is."""
        self._end()

    def refused(self, retry_after: float | None, how: str = "") -> None:
        """RainFocus has said that it is busy, for how many seconds, and how it has said so."""
        is_news = self._end()
        if retry_after is not None:
            self.pause(retry_after)
        if is_news:
            if self.limit == 1:
                self._pause = min(max(2 * self._pause, SHORTEST_PAUSE), LONGEST_PAUSE)
                self.pause(self._pause)
            self._fall(max(self.limit // 2, 1), f"is busy{how and f' ({how})'}")

    def _end(self) -> bool:
        """Whether the request was begun after the last fall, and so says something new."""
        self._in_flight -= 1
        if self._stale:
            self._stale -= 1
            return False
        return True

    def _fall(self, limit: int, why: str) -> None:
        if not self._falling and self._most > 1:
            self._falling = True
            self._logger.info("RainFocus %s: fewer %s at a time.", why, self._doing)
        self.limit = limit
        self._stale = self._in_flight
        self._round.clear()

    def _climb(self, limit: int) -> None:
        if self._falling:
            self._falling = False
            self._logger.info("RainFocus has recovered: more %s at a time.", self._doing)
        self.limit = limit
