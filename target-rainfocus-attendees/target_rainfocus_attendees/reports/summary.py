"""Counts what became of the records, and says so in one line."""

from __future__ import annotations

import math
import time
import typing as t
from collections import Counter, defaultdict

from rainfocus_client.troubles import Trouble

from target_rainfocus_attendees.models import Outcome, Reason
from target_rainfocus_attendees.reports.pace import Pace

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from target_rainfocus_attendees.models import Underway

OUTCOMES = tuple(Outcome)[:6]
"""A record that was read ends as one of these."""

ALWAYS_TOLD = (Outcome.STORED, Outcome.REJECTED)
"""Outcomes that the line on a terminal counts also where there is none."""

MAPPED_AWAY = Reason("dropped by a stream map", Trouble.MAPPED_AWAY)

SKIPPED = Reason("of a stream that is not loaded", Trouble.NOT_LOADED)
"""Reason for which a record is filtered; the summary line counts it by itself."""


class Summary:
    """The outcomes of a run."""

    def __init__(self, event_code: str, *, dry_run: bool) -> None:
        """Start counting, and the clock."""
        self._event_code = event_code
        self._dry_run = dry_run
        self._title = f"Attendee Store {event_code}"
        if dry_run:
            self._title = f"Dry run, nothing was sent to {self._title}"
        self._labels = {Outcome.STORED: "would be stored"} if dry_run else {}
        self._started = time.monotonic()
        self._read = 0
        self._pace = Pace()
        self._counts: Counter[Outcome] = Counter()
        self._by_stream: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._reasons: Counter[tuple[str, Outcome, str]] = Counter()
        self._dropped: Counter[str] = Counter()
        self._differing: Counter[str] = Counter()
        self._loaded = 0
        self._skipped = 0
        self._passed_over = 0

    @property
    def stored(self) -> int:
        """Profiles that are stored."""
        return self._counts[Outcome.STORED]

    @property
    def succeeded(self) -> bool:
        """Whether anybody is in RainFocus as they should be."""
        return bool(self._counts[Outcome.STORED] or self._counts[Outcome.UNCHANGED])

    @property
    def not_stored(self) -> int:
        """Records that will not be stored."""
        return self._counts[Outcome.INVALID] + self._counts[Outcome.REJECTED]

    @property
    def loaded(self) -> int:
        """Records of streams that are loaded, as they come through the stream maps."""
        return self._loaded

    @property
    def tried(self) -> int:
        """Records that were read and not filtered; some may be on their way yet."""
        return self._read - self._counts[Outcome.FILTERED]

    @property
    def unfinished(self) -> int:
        """Records without an outcome."""
        return self._read - self._counts.total()

    @property
    def all_sent_rejected(self) -> bool:
        """Whether all that was sent was rejected."""
        return bool(self._counts[Outcome.REJECTED]) and not self.succeeded

    def read(self, stream: str, *, is_loaded: bool) -> None:
        """Count a record, and whether it is one to be loaded."""
        self._read += 1
        self._loaded += is_loaded
        self._by_stream[stream]["read"] += 1

    def passed_over(self) -> None:
        """Count a record that came after the limit."""
        self._passed_over += 1

    def dropped(self, fields: Iterable[str]) -> None:
        """Count fields that had to be left out of a record."""
        self._dropped.update(fields)

    def differed(self, fields: Iterable[str]) -> None:
        """Count fields, with their columns, that held different values in one record."""
        self._differing.update(fields)

    def ended(self, stream: str, outcome: Outcome, reason: Reason | None) -> None:
        """Count what became of a record, and why."""
        self._counts[outcome] += 1
        self._by_stream[stream][outcome] += 1
        if reason:
            self._reasons[stream, outcome, str(reason)] += 1
        self._skipped += reason is SKIPPED

    def line(self) -> str:
        """What a run comes to."""
        counts = self._counts
        seconds = time.monotonic() - self._started
        parts = [f"{self._read:,} read"]
        parts += [
            f"{counts[outcome]:,} {self._labels.get(outcome, outcome)}" for outcome in OUTCOMES
        ]
        if self.unfinished:
            parts.append(f"{self.unfinished:,} unfinished")
        line = (
            f"{self._title}: {', '.join(parts)} in {seconds:,.1f} s "
            f"({self._read / max(seconds, 0.001):,.0f} a second)."
        )
        if self._passed_over:
            line += (
                f" {self._passed_over:,} more came after the limit; the state stays before them."
            )
        if self._skipped:
            line += f" Of the filtered, {self._skipped:,} are of streams that are not loaded."
        return line

    def so_far(self, underway: Underway) -> str:
        """How far a run has got, in a line that is kept up to date: short, the news first."""
        counts = self._counts
        title = f"Dry run of {self._event_code}" if self._dry_run else self._event_code
        if seconds := math.ceil(underway.pause):
            title += f", waiting for RainFocus ({seconds} s)"
        parts = [f"{self._read:,} read"]
        parts += [
            f"{counts[outcome]:,} {self._labels.get(outcome, outcome)}"
            for outcome in OUTCOMES
            if counts[outcome] or outcome in ALWAYS_TOLD
        ]
        parts.append(f"{self._pace(counts.total()):,.0f} a second")
        if not self._dry_run:
            parts.append(f"{underway.in_flight} in flight")
        return f"{title}: {', '.join(parts)}"

    def warnings(self) -> list[str]:
        """One line for each thing that was left out, of some profiles or altogether."""
        filtered = self._counts[Outcome.FILTERED] - self._skipped
        nothing = (
            "Every record was filtered: check consent_field, consent_values, stream_maps, and the "
            "columns that say what was deleted."
        )
        return [
            *[nothing] * (filtered > 0 and filtered + self._skipped == self._read),
            *(
                f"{field} was left out of {count:,} profiles: its value could not be used."
                for field, count in sorted(self._dropped.items())
            ),
            *(
                f"{field}: the columns had different values in {count:,} records, and one was "
                "sent. field_map can name the right one."
                for field, count in sorted(self._differing.items())
            ),
        ]

    def reasons(self, *outcomes: Outcome) -> list[str]:
        """One line for each reason of these outcomes, the most frequent first."""
        return [
            f"{count:,} {outcome}: {reason}."
            for (outcome, reason), count in self._reasons_of(*outcomes)
        ]

    def failure(self) -> str:
        """Why records were not stored, in one line; empty if all are."""
        if not self.not_stored:
            return ""
        counts = self._counts
        refused = self._reasons_of(Outcome.INVALID, Outcome.REJECTED)
        reasons = "; ".join(f"{reason} ({count:,})" for (_, reason), count in refused)
        return (
            f"{self.not_stored:,} records were not stored ({counts[Outcome.INVALID]:,} invalid, "
            f"{counts[Outcome.REJECTED]:,} rejected): {reasons}."
        )

    def numbers(self) -> dict[str, object]:
        """The same for machines: counts by stream and outcome, reasons, fields left out."""
        return {
            "events": [self._event_code],
            "dry_run": self._dry_run,
            "after_limit": self._passed_over,
            "streams": {
                stream: {
                    "read": counts["read"],
                    **{str(outcome): counts[outcome] for outcome in OUTCOMES},
                    "unfinished": 2 * counts["read"] - counts.total(),
                }
                for stream, counts in self._by_stream.items()
            },
            "reasons": [
                {"stream": stream, "outcome": outcome, "reason": reason, "count": count}
                for (stream, outcome, reason), count in self._reasons.most_common()
            ],
            "left_out": dict(self._dropped),
            "differing": dict(self._differing),
        }

    def _reasons_of(self, *outcomes: Outcome) -> list[tuple[tuple[Outcome, str], int]]:
        found: Counter[tuple[Outcome, str]] = Counter()
        for (_, outcome, reason), count in self._reasons.items():
            if outcome in outcomes and reason != str(SKIPPED):
                found[outcome, reason] += count
        return found.most_common()
