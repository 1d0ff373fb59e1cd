"""Which call reads leads: none is public."""

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

CALLS = (
    "lead/search",
    "entityDataDump/lead",
    "leads/search",
    "exhibitorLead/search",
    "leadRetrieval/search",
)
NOBODYS = "rainfocusProbe/search"
"""A call that no RainFocus has: how it is answered tells what a refusal means."""

_ASSUMPTION = "lead/search reads leads"


def check_leads(context: Context) -> Iterator[Finding]:
    """Try the calls until one is answered with a list."""
    unknown = context.known.unknown_call = context.read(NOBODYS, pageSize=1)
    yield Finding(
        "unknown_call",
        "a call that there is not is told from one that is denied",
        decided(holds=not unknown.is_denied and not unknown.is_good),
        f"a made-up call gets {unknown.told}",
        facts=unknown.facts,
    )
    tried: list[tuple[str, Reply]] = []
    for call in CALLS:
        reply = context.read(call, pageSize=1)
        found = find_records(call, reply) if reply.is_good else None
        if found is not None:
            path = {} if call == CALLS[0] else {"path": call}
            key = {"records_key": found.key} if found.needs_setting else {}
            setting = {"endpoints": {"leads": path | key}} if path | key else {}
            at = "" if found.key == usual_key(call) else f", records under {found.key}"
            yield Finding(
                "leads",
                _ASSUMPTION,
                decided(holds=not path and not key),
                f"{call} is answered{at}; {len(found.records)} came",
                tap=setting,
                facts={
                    "call": call,
                    "reply": shape(reply.body),
                    "fields": fields_of(found.records),
                    "tried": [{"call": one, **refused.facts} for one, refused in tried],
                },
            )
            return
        tried.append((call, reply))
    denied = [call for call, reply in tried if reply.is_denied]
    if denied and not unknown.is_denied:
        seen = f"the API profile has no access: enable endpoint {endpoint_name(denied[0])}"
    else:
        answers = ", ".join(sorted({reply.told for _, reply in tried}))
        seen = f"none of {len(tried)} calls is answered with leads ({answers}): deselect the stream"
    facts = {"tried": [{"call": call, **reply.facts} for call, reply in tried]}
    yield Finding("leads", _ASSUMPTION, Verdict.OPEN, seen, facts=facts)
