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
    """A parameter, and how the event and a made-up one are answered.

    Attributes:
        is_stable: Whether the event is answered the same each time.
    """

    parameter: str
    real: Reply
    made_up: Reply | None = None
    is_stable: bool = True


def parameters(context: Context) -> list[str]:
    """Names of the parameter, the one of the settings first."""
    return list(dict.fromkeys([context.settings.event_parameter, *PARAMETERS]))


def check_event(context: Context) -> Iterator[Finding]:
    """Find out how calls name the event.

    Raises:
        RainFocusError: Nothing is answered, so that nothing more can be learned.
    """
    refused: list[tuple[str, Reply]] = []
    for number, call in enumerate(CALLS):
        is_of_attendees = number < OF_ATTENDEES
        if is_of_attendees and _is_denied(refused):
            continue
        learned = _learn(context, call)
        if isinstance(learned, Finding):
            context.known.reads = call
            context.known.attendees = call if is_of_attendees else None
            yield _of_attendees(context, refused)
            yield learned
            return
        refused.append((call, learned))
        if learned.kind == "no JSON" and not learned.is_absent:
            break
    reply = next((reply for _, reply in refused if reply.is_denied), refused[0][1])
    raise t.cast("RainFocusError", reply.failure)


def _learn(context: Context, call: str) -> Finding | Reply:
    """What a call tells of the event; its answer where that tells nothing.

    Raises:
        RainFocusError: The credentials, or the event, are refused.
    """
    nobody = context.get(call, pageSize=1)
    if nobody.is_denied or (nobody.is_absent and _is_absent(context, call)):
        return nobody
    if isinstance(nobody.failure, _NOBODYS):
        raise nobody.failure
    tried = _try_parameters(context, call, nobody)
    if denied := next((one.real for one in tried if one.real.is_denied), None):
        return denied
    told = _judged(context, nobody, tried)
    if told is None and any(one.made_up for one in tried):
        raise _unknown_event(tried)
    return told or nobody


def _is_denied(refused: list[tuple[str, Reply]]) -> bool:
    return any(reply.is_denied for _, reply in refused)


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
        differs = _print(call, real) != _print(call, made_up)
        if differs and real.is_good and made_up.is_good and nobody.is_good:
            again = context.get(call, pageSize=1, **{parameter: context.event})
            is_stable = _print(call, real) == _print(call, again)
            return [*tried, _Tried(parameter, real, made_up, is_stable)]
        tried.append(_Tried(parameter, real, made_up))
        if real.is_good and (differs or not nobody.is_good):
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
    if last and not last.is_stable:
        seen = "the same question gets another answer each time"
        return Finding("event_parameter", assumption, Verdict.OPEN, seen, facts=facts)
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


def _of_attendees(context: Context, refused: list[tuple[str, Reply]]) -> Finding:
    """What is to be said of the call for attendees."""
    assumption = f"{ATTENDEES} reads attendees"
    facts = {"tried": [{"call": call, **reply.facts} for call, reply in refused]}
    call = context.known.attendees
    if call is None:
        seen = "no call for attendees is answered"
        if _is_denied(refused):
            seen = f"the API profile has no access: enable endpoint {endpoint_name(ATTENDEES)}"
        return Finding("attendees", assumption, Verdict.OPEN, seen, facts=facts)
    setting = {} if call == ATTENDEES else {"endpoints": {"attendees": {"path": call}}}
    return Finding(
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
