"""When to try again: jittered, capped, and never sooner than the server asks."""

from __future__ import annotations

import time
import typing as t
from email.utils import parsedate_to_datetime

import tenacity

from rainfocus_client.errors import RetriableError

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from rainfocus_client.report import Traffic

MAX_BACKOFF = 30.0
"""Seconds: the longest wait of our own choosing."""

MAX_RETRY_AFTER = 300.0
"""Seconds: the longest wait a server can ask for."""


SECONDS_BETWEEN_WARNINGS = 10.0


class Policy(t.TypedDict):
    """Arguments for `tenacity.Retrying` and `tenacity.AsyncRetrying` alike."""

    stop: tenacity.stop.stop_base
    wait: t.Callable[[tenacity.RetryCallState], float]
    retry: tenacity.retry_if_exception_type
    before_sleep: t.Callable[[tenacity.RetryCallState], None]
    reraise: bool


def policy(
    max_retries: int, logger: logging.Logger, traffic: Traffic, *, tells_all: bool = True
) -> Policy:
    """Retry `RetriableError`, at most `max_retries` times, and say so in the log.

    The last error is raised when the retries are used up.

    Args:
        max_retries: How often an action is tried again.
        logger: Where retries are told.
        traffic: Where they are counted.
        tells_all: Whether each is told. Many workers meet the same fault at once: then it is
            told once in some seconds.
    """
    silent_until = 0.0

    def note(state: tenacity.RetryCallState) -> None:
        nonlocal silent_until
        wait = state.next_action.sleep if state.next_action else 0.0
        traffic.waited(wait)
        now = time.monotonic()
        if now < silent_until:
            return
        silent_until = 0.0 if tells_all else now + SECONDS_BETWEEN_WARNINGS
        logger.warning(
            "%s Trying again in %.1f s (attempt %d of %d).",
            _failure(state),
            wait,
            state.attempt_number + 1,
            max_retries + 1,
        )

    return Policy(
        stop=tenacity.stop_after_attempt(max_retries + 1),
        wait=_wait,
        retry=tenacity.retry_if_exception_type(RetriableError),
        before_sleep=note,
        reraise=True,
    )


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by a reply's `Retry-After`, in either of its forms (RFC 9110 §10.2.3).

    An HTTP date is measured against the reply's own `Date` where there is one, so that a wrong
    clock on this machine does no harm.
    """
    value = (headers.get("Retry-After") or "").strip()
    if value.isdecimal():
        return min(float(value), MAX_RETRY_AFTER)
    until = _http_date(value)
    if until is None:
        return None
    now = _http_date(headers.get("Date") or "") or time.time()
    return min(max(until - now, 0.0), MAX_RETRY_AFTER)


def _http_date(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=MAX_BACKOFF)


def _failure(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _wait(state: tenacity.RetryCallState) -> float:
    asked = getattr(_failure(state), "retry_after", None) or 0.0
    return max(asked, _backoff(state))
