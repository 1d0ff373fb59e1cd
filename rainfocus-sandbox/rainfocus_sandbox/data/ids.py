"""RainFocus ids: 13-digit epoch milliseconds, 3-digit counter, 4 letters or digits."""

from __future__ import annotations

import string
import typing as t
from itertools import count
from random import Random

from rainfocus_sandbox.data.clock import now_ms

_TAIL = string.ascii_letters + string.digits
_counter = count(1)
_rng = Random()  # noqa: S311


def made_id(epoch_ms: int, counter: int, rng: Random) -> str:
    """Return the id of something made at `epoch_ms`, the `counter`-th of its kind."""
    return f"{epoch_ms:013d}{counter % 1000:03d}{''.join(rng.choices(_TAIL, k=4))}"


def new_id() -> str:
    """Return an id for something made now."""
    return made_id(now_ms(), next(_counter), _rng)


def generator(*parts: t.Hashable) -> Random:
    """Return the random generator that belongs to `parts`, the same one in every run."""
    return Random(":".join(map(str, parts)))  # noqa: S311
