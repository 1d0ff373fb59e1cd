"""What all that asks RainFocus has in common."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    import logging

    from rainfocus_client.report import Traffic


@dataclass(frozen=True, slots=True)
class Network:
    """Who asks, how patiently, and who is told of it.

    Attributes:
        user_agent: The User-Agent header.
        timeout: Seconds to wait for a connection, and then for an answer.
        max_retries: How often a passing fault is tried again.
        traffic: Counts requests and retries.
        logger: Where retries are told.
    """

    user_agent: str
    timeout: float
    max_retries: int
    traffic: Traffic
    logger: logging.Logger
