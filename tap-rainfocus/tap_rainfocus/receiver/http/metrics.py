"""What the receiver counts, for Prometheus."""

from __future__ import annotations

import re
import time
import typing as t
from contextlib import suppress

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from rainfocus_client.errors import StorageError

if t.TYPE_CHECKING:
    from collections.abc import Collection

    from tap_rainfocus.inbox.store import Inbox

OUTCOMES = ("new", "duplicate", "unreadable", "conflict")

MOST_LABELS = 100
"""Event types, and fields that are not known, that are shown."""

OTHER = "other"
"""Stands for event types beyond those, and for what does not look like one."""

MEASURED_EVERY = 60.0
"""Seconds."""

_LABEL = re.compile(r"[A-Za-z][\w.:/-]{0,79}")

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
        self._last_commit = Gauge(
            "rainfocus_receiver_last_commit_timestamp_seconds",
            "When messages were last committed to the inbox.",
            registry=self._registry,
        )
        self._events = Counter(
            "rainfocus_receiver_events",
            "New events, by their push type.",
            ["event_type"],
            registry=self._registry,
        )
        self._unknown_fields = Gauge(
            "rainfocus_receiver_unknown_field",
            "Fields of pushes that no group knows.",
            ["field"],
            registry=self._registry,
        )
        self._depth = Gauge(
            "rainfocus_receiver_inbox_messages",
            "Messages in the inbox, a minute ago at most.",
            ["kind"],
            registry=self._registry,
        )
        self._types = {OTHER: self._events.labels(OTHER)}
        self._unknown: set[str] = set()

    def answered(self, status: int) -> None:
        """Count a request."""
        self._requests.labels(status).inc()

    def committed(self, seconds: float) -> None:
        """Count a commit."""
        self._commit.observe(seconds)
        self._last_commit.set_to_current_time()

    def kept(self, outcome: str, event_type: str | None) -> None:
        """Count a message by what became of it, and a new event by its type."""
        self._messages[outcome].inc()
        if outcome == "new":
            self._event_counter(event_type).inc()

    def unknown(self, fields: Collection[str]) -> None:
        """Show the fields that no group knows."""
        for name in fields:
            if len(self._unknown) >= MOST_LABELS:
                return
            if name not in self._unknown and _LABEL.fullmatch(name):
                self._unknown.add(name)
                self._unknown_fields.labels(name).set(1)

    def deep(self, events: int, unreadable: int) -> None:
        """Show how much the inbox holds."""
        self._depth.labels("event").set(events)
        self._depth.labels("unreadable").set(unreadable)

    def _event_counter(self, event_type: str | None) -> Counter:
        """The counter of a type; looking one up by its label would take longer."""
        name = event_type or OTHER
        if name not in self._types:
            if len(self._types) > MOST_LABELS or not _LABEL.fullmatch(name):
                return self._types[OTHER]
            self._types[name] = self._events.labels(name)
        return self._types[name]

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)


class Depth:
    """How much the inbox holds, counted now and then."""

    def __init__(self, inbox: Inbox, metrics: Metrics) -> None:
        """Count in `inbox`."""
        self._inbox = inbox
        self._metrics = metrics
        self._until = 0.0

    def measure(self) -> None:
        """Count, if the last time was long ago; where that fails the last figures stay."""
        if time.monotonic() >= self._until:
            with suppress(StorageError):
                self._metrics.deep(**self._inbox.counts())
            self._until = time.monotonic() + MEASURED_EVERY
