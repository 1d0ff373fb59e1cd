"""Shared by all tests."""

from __future__ import annotations

import os

# Tests start dozens of commands; without bytecode each would compile all its imports again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
