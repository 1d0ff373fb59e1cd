"""The calls for sessions, exhibitors and speakers, and how much comes of one."""

from __future__ import annotations

import typing as t

from rainfocus_client.responses import endpoint_name

from rainfocus_probe.findings import Finding, Verdict, decided
from rainfocus_probe.records import find_records, usual_key
from rainfocus_probe.shapes import fields_of, shape

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rainfocus_probe.asking import Reply
    from rainfocus_probe.context import Context

ENTITIES = {
    "session": ("sessions", "session_times"),
    "exhibitor": ("exhibitors",),
    "speaker": ("speakers",),
}
"""Name in the call → streams that are read by it."""

DUMP_SIZE = 100_000
"""What the tap asks for."""


def check_dumps(context: Context) -> Iterator[Finding]:
    """Ask for one record of each entity, and for all sessions with and without a size."""
    for entity, streams in ENTITIES.items():
        yield _call(context, entity, streams)
    if finding := _size(context):
        yield finding


def _call(context: Context, entity: str, streams: tuple[str, ...]) -> Finding:
    assumption = f"entityDataDump/{entity} reads {streams[0]}"
    tried: list[tuple[str, Reply]] = []
    for call in (f"entityDataDump/{entity}", f"{entity}/search", f"{entity}s/search"):
        reply = context.read(call, pageSize=1)
        found = find_records(call, reply) if reply.is_good else None
        if found is not None:
            path = {} if not tried else {"path": call}
            key = {"records_key": found.key} if found.needs_setting else {}
            at = "" if found.key == usual_key(call) else f", records under {found.key}"
            told = dict.fromkeys(streams, path | key)
            setting = {"endpoints": told} if path | key else {}
            return Finding(
                streams[0],
                assumption,
                decided(holds=not setting),
                f"{call} is answered{at}",
                tap=setting,
                facts={
                    "call": call,
                    "reply": shape(reply.body),
                    "fields": fields_of(found.records),
                },
            )
        tried.append((call, reply))
        if reply.is_denied and not _means_nothing(context, reply):
            break
    first = tried[-1][1]
    seen = f"it is not answered with {streams[0]} ({first.told})"
    if first.is_denied:
        seen = f"the API profile has no access: enable endpoint {endpoint_name(tried[-1][0])}"
    facts = {"tried": [{"call": call, **reply.facts} for call, reply in tried]}
    return Finding(streams[0], assumption, Verdict.OPEN, seen, facts=facts)


def _means_nothing(context: Context, reply: Reply) -> bool:
    """Whether calls that there are not are answered the same."""
    unknown = context.known.unknown_call
    return unknown is not None and (unknown.status, unknown.code) == (reply.status, reply.code)


def _size(context: Context) -> Finding | None:
    """How many sessions come with the size that the tap asks for, and without."""
    call = "entityDataDump/session"
    whole = context.read(call, pageSize=DUMP_SIZE)
    found = find_records(call, whole) if whole.is_good else None
    assumption = f"pageSize={DUMP_SIZE} gets a whole dump"
    if found is None:
        if whole.is_denied or whole.is_absent:
            return None
        if whole.kind == "too large":
            seen = "the answer is larger than the probe reads"
            return Finding("dump_size", assumption, Verdict.OPEN, seen, facts=whole.facts)
        return _searched(context, assumption, whole)
    bare = context.read(call)
    bare_found = find_records(call, bare) if bare.is_good else None
    count = len(found.records)
    bare_count = len(bare_found.records) if bare_found else 0
    return Finding(
        "dump_size",
        assumption,
        decided(holds=count >= bare_count),
        f"{count:,} sessions with it, {bare_count:,} without",
        facts={"with": count, "without": bare_count},
    )


def _searched(context: Context, assumption: str, whole: Reply) -> Finding:
    """What to do where the tap's dumps are refused: search calls have pages."""
    refused = f"it is refused ({whole.told})"
    paths: dict[str, dict[str, str]] = {}
    for entity, streams in ENTITIES.items():
        call = f"{entity}/search"
        reply = context.read(call, pageSize=1)
        if reply.is_good and find_records(call, reply) is not None:
            paths |= {stream: {"path": call} for stream in streams}
    if not paths:
        return Finding("dump_size", assumption, Verdict.OPEN, refused, facts=whole.facts)
    return Finding(
        "dump_size",
        assumption,
        Verdict.DIFFERS,
        f"{refused}; search calls are answered",
        tap={"endpoints": paths},
        facts=whole.facts,
    )
