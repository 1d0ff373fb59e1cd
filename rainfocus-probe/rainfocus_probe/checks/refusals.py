"""How wrong requests are answered."""

from __future__ import annotations

import typing as t

from rainfocus_client.errors import ParameterError, RefusedError

from rainfocus_probe.findings import Finding, Verdict, decided

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rainfocus_probe.asking import Reply
    from rainfocus_probe.context import Context

_OTHERS = frozenset({"0", "101", "103", "107", "124", "unknown"})
"""Codes that are not one profile's, or none."""

NOBODY = "0000000000000000prob"
"""An attendee's id that nobody has, in the form of one."""


def check_refusals(context: Context) -> Iterator[Finding]:
    """Ask wrongly: for an event, an attendee and with a value that cannot be."""
    if wrong_event := context.known.wrong_event:
        yield _told("wrong_event", "a wrong event", wrong_event)
    unknown = context.read("attendee/load", attendeeId=NOBODY)
    yield _told("unknown_attendee", "an unknown attendee", unknown, decides=True)
    bad = context.read(context.known.reads, pageSize="many")
    yield _told("bad_value", "a value that cannot be", bad)


def _told(check: str, what: str, reply: Reply, *, decides: bool = False) -> Finding:
    """The refusal, and whether the plugins take it for one of this one request.

    Args:
        check: Its name.
        what: What was wrong.
        reply: The answer.
        decides: Whether its code is one that the target may meet for a profile.
    """
    assumption = f"{what} is refused, for this request alone"
    if reply.is_good:
        seen = f"it is not refused ({reply.told})"
        return Finding(check, assumption, Verdict.DIFFERS, seen, facts=reply.facts)
    is_known = isinstance(reply.failure, RefusedError | ParameterError)
    codes = codes_for(reply) if decides else {}
    return Finding(
        check,
        assumption,
        decided(holds=is_known),
        reply.told,
        target={"store": {"codes": codes}} if codes else {},
        facts=reply.facts,
    )


def codes_for(reply: Reply) -> dict[str, str]:
    """What `store.codes` has to say of a refusal that is one profile's; nothing if it is known."""
    if reply.is_good or isinstance(reply.failure, RefusedError) or reply.code in _OTHERS:
        return {}
    return {reply.code: "rejected"} if reply.code else {}
