"""Feeds captured payloads into the inbox."""

from __future__ import annotations

import typing as t
from collections import Counter
from itertools import islice

from tap_rainfocus.receiver.bodies import read_messages
from tap_rainfocus.receiver.http.metrics import OUTCOMES
from tap_rainfocus.receiver.intake import outcome

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_rainfocus.inbox.models import Message
    from tap_rainfocus.inbox.store import Inbox

LINES = 500
"""Lines committed at a time."""


class Replay:
    """Keeps one payload a line, counts what became of them, and notes lines that are no JSON."""

    def __init__(self, inbox: Inbox) -> None:
        """Keep them in `inbox`."""
        self.counts = Counter(dict.fromkeys(OUTCOMES, 0))
        self.bad: list[int] = []
        self._inbox = inbox

    def feed(self, lines: Iterable[bytes]) -> None:
        """Keep what these lines hold.

        Raises:
            StorageError: The inbox cannot be written.
        """
        numbered = enumerate(lines, 1)
        while some := list(islice(numbered, LINES)):
            messages = [message for number, line in some for message in self._read(number, line)]
            kept = self._inbox.append(messages)
            self.counts.update(map(outcome, messages, kept))

    def _read(self, number: int, line: bytes) -> list[Message]:
        try:
            return read_messages(line.strip(), None) if line.strip() else []
        except ValueError:
            self.bad.append(number)
            return []
