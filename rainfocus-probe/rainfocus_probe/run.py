"""Runs the checks in their order, and keeps what they find."""

from __future__ import annotations

import logging
import typing as t

from rainfocus_client.errors import BusyError, RetriableError
from rainfocus_client.troubles import Trouble

from rainfocus_probe import PACKAGE
from rainfocus_probe.asking import MOST_REQUESTS, MOST_SECONDS, SpentError
from rainfocus_probe.checks.changes import check_changes
from rainfocus_probe.checks.dumps import check_dumps
from rainfocus_probe.checks.events import check_event
from rainfocus_probe.checks.leads import check_leads
from rainfocus_probe.checks.pages import check_pages
from rainfocus_probe.checks.pushes import check_pushes
from rainfocus_probe.checks.refusals import check_refusals
from rainfocus_probe.checks.token import check_token
from rainfocus_probe.checks.writes import check_writes
from rainfocus_probe.findings import Finding, Verdict

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rainfocus_probe.context import Context

    Check = Callable[[Context], Iterator[Finding]]

NEEDED: tuple[Check, ...] = (check_token, check_event)
"""Without these nothing more can be learned."""

FURTHER: tuple[Check, ...] = (
    check_pages,
    check_changes,
    check_leads,
    check_dumps,
    check_refusals,
    check_writes,
)

_ENOUGH = f"The probe makes at most {MOST_REQUESTS} requests in {MOST_SECONDS:.0f} s."

logger = logging.getLogger(PACKAGE)


def run_checks(context: Context, findings: list[Finding]) -> None:
    """Run all checks.

    Args:
        context: What they work with.
        findings: Gets what is found, also where this ends early.

    Raises:
        RainFocusError: Nothing more can be learned.
    """
    findings += check_pushes(context)
    try:
        for check in NEEDED:
            _run(check, context, findings)
    except SpentError as error:
        msg = f"{_ENOUGH} The event is not answered yet: run it later."
        raise RetriableError(msg, Trouble.BUSY) from error
    for check in FURTHER:
        name = check.__name__.removeprefix("check_")
        try:
            _run(check, context, findings)
        except BusyError as error:
            findings.append(_open(name, str(error)))
        except SpentError:
            logger.warning("%s Check %s is left open.", _ENOUGH, name)
            findings.append(_open(name, "not tried to the end: enough was asked"))


def _run(check: Check, context: Context, findings: list[Finding]) -> None:
    """Run a check; what it finds before it fails is kept."""
    for finding in check(context):
        findings.append(finding)  # noqa: PERF402, one after the other


def _open(name: str, seen: str) -> Finding:
    return Finding(f"check_{name}", f"{name} can be tried", Verdict.OPEN, seen)
