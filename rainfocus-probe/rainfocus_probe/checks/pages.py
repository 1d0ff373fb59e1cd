"""How pages come: their size, the way to the next one, where the records are."""

from __future__ import annotations

import re
import typing as t

from rainfocus_probe.context import ATTENDEES
from rainfocus_probe.findings import Finding, Verdict, decided
from rainfocus_probe.records import find_records, usual_key
from rainfocus_probe.shapes import fields_of, is_name, shape

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rainfocus_probe.asking import Reply
    from rainfocus_probe.context import Context
    from rainfocus_probe.records import Found

PAGE_SIZE = 1000
"""What the tap asks for unless told otherwise."""

SMALLER = (500, 200, 100, 50)
LARGEST = 100_000

KNOWN = ("cursor", "nextId")
_LIKE_A_CURSOR = re.compile(r"(?i)cursor|next|scroll|continu|page.?token|offset")


def check_pages(context: Context) -> Iterator[Finding]:
    """Read attendees: a page of one, the one behind it, and one as large as the tap wants it."""
    call = context.known.attendees
    if call is None:
        return
    reply = context.read(call, pageSize=1)
    found = find_records(call, reply) if reply.is_good else None
    yield _records(call, reply, found)
    if found is None:
        return
    usual, size = yield from _page_size(context, call)
    context.known.sample = usual.records if usual else found.records
    yield from _next_page(context, call, reply, found, usual, size)


def _records(call: str, reply: Reply, found: Found | None) -> Finding:
    usual = usual_key(call)
    assumption = f"records of {call} are under {usual}"
    if found is None:
        return Finding(
            "records_key",
            assumption,
            Verdict.OPEN,
            f"no list of records in the reply ({reply.told})",
            facts={"reply": shape(reply.body)},
        )
    stream = {"path": call} if call != ATTENDEES else {}
    setting = {"endpoints": {"attendees": stream | {"records_key": found.key}}}
    return Finding(
        "records_key",
        assumption,
        decided(holds=found.key == usual),
        f"they are under {found.key}",
        tap=setting if found.needs_setting else {},
        facts={"reply": shape(reply.body), "fields": fields_of(found.records)},
    )


def _page_size(context: Context, call: str) -> t.Generator[Finding, None, tuple[Found | None, int]]:
    """Find a page size that is taken; give the page, and the size."""
    refused: list[tuple[int, Reply]] = []
    for size in (PAGE_SIZE, *SMALLER):
        reply = context.read(call, pageSize=size)
        if reply.is_good:
            found = find_records(call, reply)
            context.known.clock = _number(reply.content.get("timestamp"))
            count = len(found.records) if found else 0
            yield Finding(
                "page_size",
                f"a page may have {PAGE_SIZE} records",
                decided(holds=size == PAGE_SIZE),
                f"pageSize={size} is taken; {count} came",
                tap={} if size == PAGE_SIZE else {"page_size": size},
                facts={"asked": size, "came": count, "refused": [r.facts for _, r in refused]},
            )
            return found, size
        refused.append((size, reply))
    yield Finding(
        "page_size",
        f"a page may have {PAGE_SIZE} records",
        Verdict.OPEN,
        f"pages of {PAGE_SIZE} to {SMALLER[-1]} are refused ({refused[-1][1].told})",
        facts={"refused": [reply.facts for _, reply in refused]},
    )
    return None, 0


def _next_page(  # noqa: PLR0913, PLR0917
    context: Context, call: str, reply: Reply, first: Found, usual: Found | None, size: int
) -> Iterator[Finding]:
    more = len(usual.records) if usual else 0
    most = max(more, len(first.records))
    heeded = len(first.records) <= 1 < most
    yield Finding(
        "page_size_heeded",
        "pageSize is heeded",
        decided(holds=heeded) if most > 1 else Verdict.OPEN,
        f"pageSize=1 gives {len(first.records)}, pageSize={size} gives {more}",
        facts={"of_1": len(first.records), f"of_{size}": more},
    )
    assumption = "the next page comes by cursor (or nextId)"
    name = next((name for name in KNOWN if reply.content.get(name)), None)
    if name:
        second = context.read(call, pageSize=1, **{name: str(reply.content[name])})
        then = find_records(call, second) if second.is_good else None
        follows = then is not None and then.records not in ([], first.records)
        yield Finding(
            "next_page",
            assumption,
            decided(holds=follows),
            f"{name} leads to another page"
            if follows
            else f"{name} does not lead on ({second.told}): one page has to hold all",
            tap={} if follows else {"page_size": LARGEST},
            facts={"name": name, "second": second.facts, "is_another": follows},
        )
        return
    if not heeded:
        yield Finding(
            "next_page", assumption, Verdict.OPEN, "all records came in the first page", facts={}
        )
        return
    other = next(
        (
            key
            for key, value in reply.content.items()
            if is_name(key) and value and isinstance(value, str | int) and _is_cursor(key)
        ),
        None,
    )
    seen = f"it may come by {other}, which the tap cannot follow" if other else "none is offered"
    large = context.read(call, pageSize=LARGEST)
    yield Finding(
        "next_page",
        assumption,
        Verdict.DIFFERS,
        f"{seen}: one page has to hold all" if large.is_good else f"{seen} ({large.told})",
        tap={"page_size": LARGEST} if large.is_good else {},
        facts={"name": other, "largest": large.facts},
    )


def _is_cursor(key: str) -> bool:
    return _LIKE_A_CURSOR.search(key) is not None


def _number(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isdecimal() and len(text) == len("1700000000000") else None
