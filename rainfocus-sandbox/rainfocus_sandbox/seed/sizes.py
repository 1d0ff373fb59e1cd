"""How large a conference to make."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The size of last year's event, and the seed that all data is drawn from."""

    seed: int = 2025
    attendees: int = 10_000
    sessions: int = 300
    exhibitors: int = 150
    leads: int = 2_000
    speakers: int = 200
