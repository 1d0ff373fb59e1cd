"""When the seeded events take place and when people signed up for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from rainfocus_sandbox.data.customer import LAST_YEAR, THIS_YEAR, Event


@dataclass(frozen=True, slots=True)
class Plan:
    """An event, its first day, and the span in which its records were made and modified.

    Everything made lies in 2025, so that data does not depend on the day it is seeded.
    """

    event: Event
    first_day: date
    opens_ms: int
    closes_ms: int
    is_over: bool

    def made_ms(self, number: int, total: int) -> int:
        """Return when the `number`-th of `total` records was made; later ones are made later."""
        return self.opens_ms + (self.closes_ms - self.opens_ms) * number // max(total, 1)


def _ms(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


SUMMIT_25 = Plan(LAST_YEAR, date(2025, 3, 18), _ms(2025, 1, 7), _ms(2025, 3, 15), is_over=True)
SUMMIT_26 = Plan(THIS_YEAR, date(2026, 4, 21), _ms(2025, 12, 1), _ms(2025, 12, 20), is_over=False)
