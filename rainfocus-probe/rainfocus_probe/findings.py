"""What was found: an assumption, what was seen instead or as well, and the settings that follow."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Settings: t.TypeAlias = "Mapping[str, t.Any]"


class Verdict(enum.StrEnum):
    """What is to be said of an assumption."""

    VERIFIED = "verified"
    DIFFERS = "differs"
    OPEN = "not decided"


@dataclass(frozen=True, slots=True)
class Finding:
    """One assumption, tried.

    Attributes:
        check: Its name, for machines.
        assumption: The same for people.
        verdict: Whether it holds.
        seen: What was seen, in words that hold nothing of anybody.
        tap: Settings of tap-rainfocus that follow; none where its defaults are right.
        target: Those of target-rainfocus-attendees.
        receiver: Variables of rainfocus-receiver.
        facts: What was seen, for machines: names of fields, types, counts, codes.
    """

    check: str
    assumption: str
    verdict: Verdict
    seen: str
    tap: Settings = field(default_factory=dict)
    target: Settings = field(default_factory=dict)
    receiver: Settings = field(default_factory=dict)
    facts: Settings = field(default_factory=dict)


def decided(*, holds: bool) -> Verdict:
    """The verdict on an assumption that could be decided."""
    return Verdict.VERIFIED if holds else Verdict.DIFFERS


def merged(parts: Iterable[Settings]) -> dict[str, t.Any]:
    """All settings as one; objects of one name are joined."""
    whole: dict[str, t.Any] = {}
    for part in parts:
        for name, value in part.items():
            before = whole.get(name)
            known = before if isinstance(before, dict) else {}
            whole[name] = merged((known, value)) if isinstance(value, dict) else value
    return whole
