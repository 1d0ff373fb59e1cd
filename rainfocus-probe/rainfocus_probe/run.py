"""Runs the checks in their order, and keeps what they find."""

from __future__ import annotations

import logging
import typing as t

from rainfocus_client.errors import BusyError, SettingsError
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
            for finding in check(context):
                findings.append(finding)
        for check in FURTHER:
            _try(check, context, findings)
    except SpentError as error:
        if not context.known.event_parameter and len(findings) == 0:
            msg = "The probe asked as often as it may, and learned nothing: is RainFocus there?"
            raise SettingsError(msg, Trouble.BUSY) from error
        logger.warning(
            "The probe ended early: it makes at most %d requests in %d s.",
            MOST_REQUESTS,
            MOST_SECONDS,
        )


def _try(check: Check, context: Context, findings: list[Finding]) -> None:
    """Run a check that others do not need; where RainFocus is busy it stays open."""
    try:
        findings.extend(check(context))
    except BusyError as error:
        name = check.__name__.removeprefix("check_")
        findings.append(Finding(name, f"{name} can be tried", Verdict.OPEN, str(error)))
