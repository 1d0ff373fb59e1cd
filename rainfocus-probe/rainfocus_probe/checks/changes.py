"""Whether `since` is heeded, and whether it includes the very millisecond."""

from __future__ import annotations

import typing as t
from contextlib import suppress
from datetime import datetime

from tap_rainfocus.schema.values import read_moment

from rainfocus_probe.findings import Finding, Verdict, decided
from rainfocus_probe.records import find_records

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rainfocus_probe.asking import Reply
    from rainfocus_probe.context import Context
    from rainfocus_probe.records import Record

CHANGED = ("modifieddate", "lastmodified", "lastmodifieddate", "modified", "updateddate")
"""Fields, folded, that say when a record has changed."""

IDS = ("attendeeid", "id")

DAY = 86_400_000
SECOND = 1000
SOME = 100
"""Records that are looked through for the one that changed."""


def check_changes(context: Context) -> Iterator[Finding]:
    """Ask for changes: since tomorrow, and around the moment of a known one."""
    call = context.known.attendees
    sample = context.known.sample
    if call is None or not sample:
        return
    clock = context.known.clock
    yield Finding(
        "clock",
        "the first page has RainFocus' clock in timestamp",
        decided(holds=clock is not None),
        "it is there, in milliseconds" if clock else "it is not: the HTTP header Date is taken",
        facts={"timestamp": clock is not None},
    )
    moments = _moments(sample)
    newest = max(moments, default=None)
    tomorrow = max(clock or 0, newest[0] if newest else 0) + DAY
    if tomorrow == DAY:
        yield Finding(
            "since", "since is heeded", Verdict.OPEN, "no time is known to ask about", facts={}
        )
        return
    later = context.read(call, since=tomorrow, pageSize=1)
    came = _count(call, later)
    heeded = later.is_good and came == 0
    yield Finding(
        "since",
        "since, in milliseconds, asks for changes",
        decided(holds=heeded),
        "since tomorrow nothing has changed"
        if heeded
        else f"since tomorrow: {later.told}, {came} came; select replication-method FULL_TABLE",
        facts={"tomorrow": later.facts, "came": came},
    )
    if heeded:
        yield _inclusive(context, call, newest)


def _inclusive(context: Context, call: str, newest: tuple[int, str] | None) -> Finding:
    """Whether the change of a moment comes when changes since that moment are asked for."""
    assumption = "since includes the very millisecond"
    if newest is None:
        return Finding("since_includes", assumption, Verdict.OPEN, "no record says when it changed")
    moment, attendee = newest
    at = _has(context, call, moment, attendee)
    # What is shown may be rounded: then it cannot be told.
    if at:
        is_exact = not _has(context, call, moment + 1, attendee)
        verdict = Verdict.VERIFIED if is_exact else Verdict.OPEN
        seen = "a change of that moment comes" if is_exact else "changes are shown rounded"
        return Finding("since_includes", assumption, verdict, seen, facts={"includes": is_exact})
    if _has(context, call, moment - 1, attendee):
        return Finding(
            "since_includes",
            assumption,
            Verdict.DIFFERS,
            "a change of that moment does not come, one of a millisecond later does",
            tap={"lookback": 1},
            facts={"includes": False},
        )
    return Finding(
        "since_includes", assumption, Verdict.OPEN, "a known change was not found", facts={}
    )


def _has(context: Context, call: str, since: int, attendee: str) -> bool:
    found = find_records(call, context.read(call, since=since, pageSize=SOME))
    return found is not None and any(_id(record) == attendee for record in found.records)


def _moments(sample: list[Record]) -> list[tuple[int, str]]:
    """When records changed, and whose they are; only those that say it to the millisecond."""
    found = []
    for record in sample:
        by_name = {key.lower(): value for key, value in record.items()}
        attendee = _id(record)
        for name in CHANGED:
            with suppress(KeyError, ValueError):
                moment = datetime.fromisoformat(read_moment(by_name[name]))
                milliseconds = round(moment.timestamp() * SECOND)
                if attendee and milliseconds % SECOND:
                    found.append((milliseconds, attendee))
                break
    return found


def _id(record: Record) -> str | None:
    by_name = {key.lower(): value for key, value in record.items()}
    found = next((by_name[name] for name in IDS if by_name.get(name)), None)
    return None if found is None else str(found)


def _count(call: str, reply: Reply) -> int:
    found = find_records(call, reply) if reply.is_good else None
    return len(found.records) if found else 0
