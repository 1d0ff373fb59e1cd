"""Counts what became of the records, and says so in one line."""

from __future__ import annotations

import time
import typing as t
from collections import Counter

if t.TYPE_CHECKING:
    from collections.abc import Iterable

ALL_REJECTED = 50
"""Rejections in a row, from the start, that mean it is not the records."""

CHECK_EVENT = (
    "RainFocus refused every profile: check that event_code is an event of this organisation."
)


class Summary:
    """The outcomes of a run."""

    def __init__(self, event_code: str) -> None:
        """Start counting, and the clock."""
        self._title = f"Attendee Store {event_code}"
        self._started = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._skipped = 0

    @property
    def stored(self) -> int:
        """Profiles that are stored."""
        return self._counts["stored"]

    @property
    def not_stored(self) -> int:
        """Records that will not be stored."""
        return self._counts["invalid"] + self._counts["rejected"]

    @property
    def hopeless(self) -> bool:
        """Whether so much was rejected, and nothing stored, that it cannot be the records."""
        return not self.stored and self._counts["rejected"] >= ALL_REJECTED

    def read(self, dropped: Iterable[str] = ()) -> None:
        """Count a record, and the fields that had to be left out of it."""
        self._counts["read"] += 1
        self._dropped.update(dropped)

    def skipped(self) -> None:
        """Count a record of a stream that is not loaded."""
        self._skipped += 1

    def store(self, records: int) -> None:
        """Count records that were stored as one profile."""
        self._counts["stored"] += 1
        self._counts["merged"] += records - 1

    def invalid(self, reason: str) -> None:
        """Count a record that could not be sent."""
        self._not_stored("invalid", reason)

    def rejected(self, reason: str) -> None:
        """Count a record that RainFocus refused."""
        self._not_stored("rejected", reason)

    def line(self) -> str:
        """What a run comes to."""
        counts = self._counts
        seconds = time.monotonic() - self._started
        outcomes = ("stored", "merged", "invalid", "rejected")
        parts = [f"{counts[word]:,} {word}" for word in ("read", *outcomes)]
        if unfinished := counts["read"] - sum(counts[word] for word in outcomes):
            parts.append(f"{unfinished:,} unfinished")
        line = (
            f"{self._title}: {', '.join(parts)} in {seconds:,.1f} s "
            f"({counts['read'] / max(seconds, 0.001):,.0f} a second)."
        )
        return (
            f"{line} {self._skipped:,} records of other streams skipped." if self._skipped else line
        )

    def warnings(self) -> list[str]:
        """One line for each field that had to be left out of some profiles."""
        return [
            f"{field} was left out of {count:,} profiles: its value could not be used."
            for field, count in sorted(self._dropped.items())
        ]

    def failure(self) -> str:
        """Why records were not stored, by reason, in one line."""
        counts = self._counts
        reasons = "; ".join(f"{why} ({count:,})" for why, count in self._reasons.most_common())
        line = (
            f"{self.not_stored:,} records were not stored ({counts['invalid']:,} invalid, "
            f"{counts['rejected']:,} rejected): {reasons}. "
            "The state stays before the first of them."
        )
        return f"{CHECK_EVENT} {line}" if counts["rejected"] and not self.stored else line

    def _not_stored(self, outcome: str, reason: str) -> None:
        self._counts[outcome] += 1
        self._reasons[reason.rstrip(".")] += 1
