"""What can go wrong between us and RainFocus, each with a message that is safe to log."""

from __future__ import annotations


class RainFocusError(Exception):
    """A failure the user can act on; its text is one line and holds no personal data."""


class SettingsError(RainFocusError):
    """The settings cannot work as they are."""


class AuthenticationError(RainFocusError):
    """RainFocus does not accept the credentials."""


class EndpointDeniedError(RainFocusError):
    """The API profile may not use this call (responseCode 124)."""


class ParameterError(RainFocusError):
    """A required parameter is missing or wrong (responseCode 103)."""


class RefusedError(RainFocusError):
    """RainFocus refused this one request; another record may pass."""


class RetriableError(RainFocusError):
    """A passing fault."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Say what happened, in one line, and how many seconds the server asks us to wait."""
        super().__init__(message)
        self.retry_after = retry_after


class UnreachableError(RetriableError):
    """No connection could be made, or it broke, or no answer came."""


class TokenRefusedError(RainFocusError):
    """The access token is no longer good (HTTP 401 or responseCode 107)."""
