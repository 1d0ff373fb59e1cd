"""Feeds captured payloads into the inbox."""

from __future__ import annotations

import typing as t
from collections import Counter
from itertools import islice

from tap_rainfocus.inbox.models import Unreadable
from tap_rainfocus.receiver.http.metrics import OUTCOMES
from tap_rainfocus.receiver.intake import outcome

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_rainfocus.inbox.models import Message
    from tap_rainfocus.inbox.store import Inbox
    from tap_rainfocus.receiver.bodies import BodyReader

LINES = 500
"""Lines committed at a time."""

_KEPT = {None, Unreadable.NO_EVENT}
"""What may be wrong with a line that is kept."""


class Replay:
    """Keeps one payload a line, counts what became of them, and notes lines that are no JSON."""

    def __init__(self, inbox: Inbox, read_body: BodyReader) -> None:
        """Keep them in `inbox`, read by `read_body`."""
        self.counts = Counter(dict.fromkeys(OUTCOMES, 0))
        self.bad: list[int] = []
        self._inbox = inbox
        self._read_body = read_body

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
            messages = self._read_body(line) if line.strip() else []
        except ValueError:
            messages = None
        if messages is None or any(message.fault not in _KEPT for message in messages):
            self.bad.append(number)
            return []
        return messages
