"""What the receiver counts, for Prometheus."""

from __future__ import annotations

import typing as t

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

if t.TYPE_CHECKING:
    from collections.abc import Iterable

OUTCOMES = ("new", "duplicate", "unreadable", "conflict")

COMMIT_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counters of one application."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        """Begin at zero, with every outcome shown from the start."""
        self._registry = CollectorRegistry()
        messages = Counter(
            "rainfocus_receiver_messages",
            "Messages committed to the inbox.",
            ["outcome"],
            registry=self._registry,
        )
        self._messages = {outcome: messages.labels(outcome) for outcome in OUTCOMES}
        self._requests = Counter(
            "rainfocus_receiver_requests",
            "Requests to the collection, by the status of their reply.",
            ["status"],
            registry=self._registry,
        )
        self._commit = Histogram(
            "rainfocus_receiver_commit_seconds",
            "Time that a commit to the inbox takes.",
            buckets=COMMIT_BUCKETS,
            registry=self._registry,
        )

    def answered(self, status: int) -> None:
        """Count a request."""
        self._requests.labels(status).inc()

    def committed(self, seconds: float) -> None:
        """Count a commit."""
        self._commit.observe(seconds)

    def kept(self, outcomes: Iterable[str]) -> None:
        """Count messages by what became of them."""
        for outcome in outcomes:
            self._messages[outcome].inc()

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
