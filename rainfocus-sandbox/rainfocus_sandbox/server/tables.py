"""The tables that the commands print."""

from __future__ import annotations

import typing as t
from collections import defaultdict

from rainfocus_sandbox.data.clock import iso

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rainfocus_sandbox.data.store import LoggedCall, LoggedOutcome
    from rainfocus_sandbox.faults.faults import Fault
    from rainfocus_sandbox.webhooks.outbox import Tally


def table(rows: Iterable[Sequence[object]]) -> str:
    """Align `rows`, the first of which is the heading; numbers stand right."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    is_number = [all(cell.isdigit() for cell in column[1:]) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, is_number, strict=True)
        ).rstrip()
        for row in texts
    )


def counts_table(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Show what every event has."""
    names = list(next(iter(counts.values()), {}))
    return table(
        [["event", *names], *([event, *of.values()] for event, of in counts.items())],
    )


def attendee_counts(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Show in one line how many attendees every event has."""
    return ", ".join(f"{event} ({of['attendees']} attendees)" for event, of in counts.items())


def faults_table(faults: Iterable[Fault]) -> str:
    """Show what can still go wrong."""
    return table(
        [
            ["kind", "call", "profile", "times", "skip"],
            *(
                [f.kind, f.call or "every", f.profile or "every", f.times or "always", f.skip]
                for f in faults
            ),
        ]
    )


def integration_line(found: Mapping[str, t.Any] | None) -> str:
    """Show where events are pushed to, without the secrets."""
    if found is None:
        return "No integration is set: nothing is pushed."
    token = "with a Bearer token" if found["has_token"] else "without a token"
    return f"Events are pushed to {found['host']}, dataflow {found['flow_id']}, {token}."


def tally_line(tally: Tally) -> str:
    """Show what has become of the pushes."""
    last = f", the last one with {tally.last_failure}" if tally.last_failure else ""
    return (
        f"{tally.waiting} events wait, {tally.sent} were sent; {tally.failed} attempts failed{last}"
    )


def log_table(summary: Iterable[LoggedOutcome]) -> str:
    """Show per call and event how often it was called and how that ended."""
    groups = defaultdict(list)
    for outcome in summary:
        groups[outcome.call, outcome.event].append(outcome)
    rows = [
        [
            call,
            event or "-",
            sum(o.calls for o in outcomes),
            sum(o.records for o in outcomes),
            sum(o.calls for o in outcomes if _is_refused(o.status, o.code)),
            ", ".join(f"{o.calls} x {_outcome(o.status, o.code)}" for o in outcomes),
        ]
        for (call, event), outcomes in groups.items()
    ]
    return table([["call", "event", "calls", "records", "refused", "outcomes"], *rows])


def log_lines(calls: Iterable[LoggedCall]) -> str:
    """Show calls one by one."""
    return table(
        [
            ["time", "method", "call", "event", "profile", "outcome", "records", "ms"],
            *(
                [
                    iso(c.time_ms),
                    c.method,
                    c.call,
                    c.event or "-",
                    c.profile or "-",
                    _outcome(c.status, c.code),
                    c.records,
                    f"{c.milliseconds:.1f}",
                ]
                for c in calls
            ),
        ]
    )


def _is_refused(status: int, code: str) -> bool:
    return status != 200 or code not in {"", "0"}  # noqa: PLR2004


def _outcome(status: int, code: str) -> str:
    if not _is_refused(status, code):
        return "ok"
    if not status:
        return "no reply"
    return f"HTTP {status} code {code}" if code else f"HTTP {status}"
