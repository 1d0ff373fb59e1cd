"""The error that a user of the commands can do something about."""

from __future__ import annotations


class SandboxError(Exception):
    """One line that says what is wrong and what to do; never shown with a traceback."""


class OthersPortError(SandboxError):
    """The port is held by the sandbox of another database, which is not ours to touch."""

    def __init__(self, port: int, database: str) -> None:
        """Name the other's `database`, and the ways out."""
        super().__init__(
            f"port {port} is held by the sandbox of another database, {database}: "
            "stop it there, or choose another port with RAINFOCUS_SANDBOX_PORT or --port"
        )
