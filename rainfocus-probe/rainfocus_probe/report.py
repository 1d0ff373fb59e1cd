"""Tells what was found: a table and a block for people, JSON for the maintainers."""

from __future__ import annotations

import textwrap
import typing as t
from datetime import UTC, datetime
from importlib.metadata import version

import orjson
import yaml
from rainfocus_client.errors import FileError, SettingsError
from rainfocus_client.troubles import Trouble

from rainfocus_probe import PACKAGE
from rainfocus_probe.findings import Finding, Verdict, merged

if t.TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rainfocus_client.redaction import Redactor

FORMAT = 1
"""Of the JSON report."""

MARK = b'{"probe":'
"""What a report begins with: no other file is replaced."""

MARKS = {Verdict.VERIFIED: "ok", Verdict.DIFFERS: "!!", Verdict.OPEN: "??"}
WIDTHS = (34, 40, 30)
HEADINGS = ("assumption", "what was seen", "setting")


def table(findings: Sequence[Finding]) -> str:
    """The findings for people: a mark, the assumption, what was seen, the setting."""
    lines = [_row("  ", HEADINGS), _row("--", ["-" * width for width in WIDTHS])]
    for one in findings:
        cells = (one.assumption, one.seen, _settings_told(one))
        lines.append(_row(MARKS[one.verdict], cells))
    lines += ["", "ok: as assumed   !!: differs   ??: not decided"]
    return "\n".join(lines)


def blocks(findings: Sequence[Finding]) -> str:
    """The settings that follow, to be pasted into meltano.yml."""
    parts = []
    for plugin, settings in settings_of(findings).items():
        if plugin == "rainfocus-receiver":
            if settings:
                lines = "".join(f"    {name}={value}\n" for name, value in settings.items())
                parts.append(f"Variables of {plugin}:\n\n{lines}")
        elif settings:
            block = textwrap.indent(yaml.safe_dump(settings, sort_keys=False), "    ")
            parts.append(f"Paste under config: of {plugin}:\n\n{block}")
        else:
            parts.append(f"{plugin}: its defaults are right, as far as could be tried.\n")
    return "\n".join(parts)


def settings_of(findings: Sequence[Finding]) -> dict[str, dict[str, t.Any]]:
    """The settings that follow, by plugin."""
    return {
        "tap-rainfocus": merged(one.tap for one in findings),
        "target-rainfocus-attendees": merged(one.target for one in findings),
        "rainfocus-receiver": merged(one.receiver for one in findings),
    }


def as_json(
    findings: Sequence[Finding], requests: int, redact: Redactor, ended: str | None
) -> bytes:
    """The findings for the maintainers: no value, no address, no token.

    Args:
        findings: In their order.
        requests: How many were made.
        redact: Takes out what must not be shown, should it have got in.
        ended: Why the probe ended early; None if it did not.
    """
    settings = settings_of(findings)
    for plugin in ("tap-rainfocus", "target-rainfocus-attendees"):
        _hide_addresses(settings[plugin])
    content = {
        "probe": FORMAT,
        "version": version(PACKAGE),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "requests": requests,
        "ended_early": ended,
        "findings": [
            {
                "check": one.check,
                "assumption": one.assumption,
                "verdict": one.verdict.value,
                "seen": one.seen,
                "facts": one.facts,
            }
            for one in findings
        ],
        "settings": settings,
    }
    return redact(orjson.dumps(content).decode()).encode() + b"\n"


def check_path(path: Path) -> None:
    """Check that a report may be written there.

    Raises:
        SettingsError: There is a file that is none, or no folder.
    """
    try:
        is_another = path.exists() and not (path.is_file() and _is_report(path))
        is_there = path.resolve().parent.is_dir()
    except OSError:
        is_another, is_there = False, False
    if is_another or not is_there:
        msg = "--report names no file that can be written, or one that is no report: give another."
        raise SettingsError(msg, Trouble.OUTPUT_FILE)


def write(path: Path, content: bytes) -> None:
    """Write the report.

    Raises:
        FileError: It cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        msg = f"The report cannot be written ({error.strerror}): give another file in --report."
        raise FileError(msg, Trouble.FILE) from error


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MARK)) in {MARK, b""}


def _hide_addresses(settings: dict[str, t.Any]) -> None:
    """Say only that a token URL follows: which one stands in the finding, without host and org."""
    for name in ("token_url", "token_scope"):
        if name in settings:
            settings[name] = "[see the finding]"


def _settings_told(one: Finding) -> str:
    names = [*_dotted(one.tap), *(n for n in _dotted(one.target) if n not in _dotted(one.tap))]
    return ", ".join([*names, *one.receiver])


def _dotted(settings: t.Any, before: str = "") -> list[str]:  # noqa: ANN401
    """The names of settings, those in objects with dots."""
    if not isinstance(settings, dict):
        return [before]
    found = [
        name
        for key, value in settings.items()
        for name in _dotted(value, f"{before}.{key}" if before else str(key))
    ]
    return found or ([before] if before else [])


def _row(mark: str, cells: Sequence[str]) -> str:
    wrapped = [
        textwrap.wrap(cell, width, break_long_words=True) or [""]
        for cell, width in zip(cells, WIDTHS, strict=True)
    ]
    lines = []
    for number in range(max(map(len, wrapped))):
        parts = [
            (cell[number] if number < len(cell) else "").ljust(width)
            for cell, width in zip(wrapped, WIDTHS, strict=True)
        ]
        lines.append(f"{mark if not number else '  '}  {' | '.join(parts)}".rstrip())
    return "\n".join(lines)
