"""How the event is named, and whether it is named at all."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

import orjson
from rainfocus_client.errors import (
    AuthenticationError,
    DataError,
    ForbiddenError,
    RainFocusError,
    SettingsError,
    TokenRefusedError,
)
from rainfocus_client.responses import endpoint_name
from rainfocus_client.troubles import Trouble

from rainfocus_probe.context import ATTENDEES
from rainfocus_probe.findings import Finding, Verdict, decided
from rainfocus_probe.records import find_records

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rainfocus_probe.asking import Reply
    from rainfocus_probe.context import Context

PARAMETERS = ("event", "eventCode", "eventId", "event_code")
"""Names of the parameter, the likeliest first."""

CALLS = (
    ATTENDEES,
    "attendees/search",
    "entityDataDump/attendee",
    "entityDataDump/session",
    "entityDataDump/exhibitor",
)
"""Calls to learn from; the first three are of attendees."""

ASSUMED = "event"
OF_ATTENDEES = 3

_NOBODYS = (AuthenticationError, ForbiddenError, TokenRefusedError)


@dataclass(frozen=True, slots=True)
class _Tried:
    """A parameter, and how the event and a made-up one are answered."""

    parameter: str
    real: Reply
    made_up: Reply | None = None


def parameters(context: Context) -> list[str]:
    """Names of the parameter, the one of the settings first."""
    return list(dict.fromkeys([context.settings.event_parameter, *PARAMETERS]))


def check_event(context: Context) -> Iterator[Finding]:
    """Find out how calls name the event.

    Raises:
        RainFocusError: Nothing is answered, so that nothing more can be learned.
    """
    nothing: list[tuple[str, Reply]] = []
    denied: list[str] = []
    for number, call in enumerate(CALLS):
        if denied and number < OF_ATTENDEES:
            continue
        nobody = context.get(call, pageSize=1)
        if nobody.is_absent and _is_absent(context, call):
            nothing.append((call, nobody))
            continue
        if isinstance(nobody.failure, _NOBODYS):
            raise nobody.failure
        tried = [] if nobody.is_denied else _try_parameters(context, call, nobody)
        if nobody.is_denied or any(one.real.is_denied for one in tried):
            denied.append(call)
            nothing.append((call, nobody))
            continue
        told = _judged(context, nobody, tried)
        if told is None:
            nothing.append((call, nobody))
            if any(one.made_up for one in tried):
                raise _unknown_event(tried)
            if nobody.kind == "no JSON":
                break
            continue
        context.known.reads = call
        if number < OF_ATTENDEES:
            context.known.attendees = call
        yield from _of_attendees(context, denied, nothing)
        yield told
        return
    call, reply = next(((c, r) for c, r in nothing if r.is_denied), nothing[0])
    raise t.cast("RainFocusError", reply.failure)


def _is_absent(context: Context, call: str) -> bool:
    """Whether a call is not there, also when an event is named."""
    return context.get(call, pageSize=1, **{parameters(context)[0]: context.event}).is_absent


def _try_parameters(context: Context, call: str, nobody: Reply) -> list[_Tried]:
    """Ask with each parameter until one is heeded, or surely none will be."""
    tried: list[_Tried] = []
    for parameter in parameters(context):
        real = context.get(call, pageSize=1, **{parameter: context.event})
        if real.is_denied:
            return [_Tried(parameter, real)]
        if not real.is_good and _print(call, real) == _print(call, nobody):
            tried.append(_Tried(parameter, real))
            continue
        made_up = context.get(call, pageSize=1, **{parameter: context.made_up})
        tried.append(_Tried(parameter, real, made_up))
        if real.is_good and (_print(call, real) != _print(call, made_up) or not nobody.is_good):
            return tried
    return tried


def _judged(context: Context, nobody: Reply, tried: list[_Tried]) -> Finding | None:
    """What follows from the answers; None where no call was answered well."""
    assumption = f"calls name the event in the parameter {ASSUMED}"
    facts = {
        "without": nobody.facts,
        "tried": [
            {
                "parameter": one.parameter,
                "event": one.real.facts,
                "made_up_event": one.made_up.facts if one.made_up else None,
            }
            for one in tried
        ],
    }
    last = tried[-1] if tried else None
    if last and last.made_up and last.real.is_good and _differ(last, nobody):
        context.known.event_parameter = last.parameter
        context.known.wrong_event = last.made_up
        is_set = context.settings.event_parameter == last.parameter
        is_right = is_set and last.parameter == ASSUMED
        setting = {} if is_right else {"event_parameter": last.parameter}
        return Finding(
            "event_parameter",
            assumption,
            decided(holds=last.parameter == ASSUMED),
            f"{last.parameter} is heeded: a made-up event gets {last.made_up.told}",
            tap=setting,
            target=setting,
            facts=facts,
        )
    if not nobody.is_good:
        return None
    if _has_records(nobody):
        return Finding(
            "event_parameter",
            assumption,
            Verdict.DIFFERS,
            "no parameter is heeded, and calls are answered without: the profile has one event",
            tap={"event_codes": []},
            facts=facts,
        )
    return Finding(
        "event_parameter",
        assumption,
        Verdict.OPEN,
        "every event, also a made-up one, is answered with nothing: name one that has attendees",
        facts=facts,
    )


def _of_attendees(
    context: Context, denied: list[str], nothing: list[tuple[str, Reply]]
) -> Iterator[Finding]:
    """What is to be said of the call for attendees."""
    assumption = f"{ATTENDEES} reads attendees"
    facts = {"tried": [{"call": call, **reply.facts} for call, reply in nothing]}
    call = context.known.attendees
    if call is None:
        name = endpoint_name(ATTENDEES)
        seen = (
            f"the API profile has no access: enable endpoint {name}"
            if denied
            else "no call for attendees is answered"
        )
        yield Finding("attendees", assumption, Verdict.OPEN, seen, facts=facts)
    else:
        setting = {} if call == ATTENDEES else {"endpoints": {"attendees": {"path": call}}}
        yield Finding(
            "attendees",
            assumption,
            decided(holds=call == ATTENDEES),
            f"{call} is answered",
            tap=setting,
            facts=facts,
        )


def _unknown_event(tried: list[_Tried]) -> RainFocusError:
    one = next(one for one in tried if one.made_up)
    if isinstance(one.real.failure, DataError):  # larger than the probe reads
        return one.real.failure
    msg = (
        f"The event of --event is answered like a made-up one ({one.real.told}, as {one.parameter}"
        "): check that the code is right, and that the API profile may use the event."
    )
    return SettingsError(msg, Trouble.EVENT_CODE)


def _differ(one: _Tried, nobody: Reply) -> bool:
    assert one.made_up  # noqa: S101
    return not nobody.is_good or _print("", one.real) != _print("", one.made_up)


def _has_records(reply: Reply) -> bool:
    found = find_records("", reply)
    return bool(found and found.records)


def _print(call: str, reply: Reply) -> object:
    """What tells one answer from another."""
    found = find_records(call, reply) if reply.is_good else None
    try:
        records = orjson.dumps(found.records, option=orjson.OPT_SORT_KEYS) if found else None
    except TypeError:  # nested too deep
        records = None
    return (reply.status, reply.code, reply.is_good, records)
