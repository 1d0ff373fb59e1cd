"""Seeding: a believable conference, the same one for the same seed and sizes."""

from __future__ import annotations

from rainfocus_sandbox.seed.conference import seed
from rainfocus_sandbox.seed.sizes import Sizes

__all__ = ["Sizes", "seed"]
