"""Python's collector of cycles, for commands that make many objects and hardly a cycle."""

from __future__ import annotations

import gc

OBJECTS = 100_000
"""New ones, roughly, before it looks through them: each record is some, and is gone by then."""


def collect_rarely() -> None:
    """Look no more at what is there now, and seldom at what comes.

    With its own thresholds the collector takes a third of the time in which a page is parsed.
    """
    gc.freeze()
    gc.set_threshold(OBJECTS, 50, 100)
