"""The error that a user of the commands can do something about."""

from __future__ import annotations


class SandboxError(Exception):
    """One line that says what is wrong and what to do; never shown with a traceback."""
