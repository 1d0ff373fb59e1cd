"""What can go wrong between us and RainFocus, each with a message that is safe to log."""

from __future__ import annotations

import enum

from rainfocus_client.troubles import Trouble


class ExitCode(enum.IntEnum):
    """How a command ends, by sysexits.h, so that who runs it knows what to do.

    A signal ends it with 128 and the signal's number.
    """

    DONE = 0
    UNEXPECTED = 1
    """Our own fault."""
    USAGE = 2
    """The command line cannot work, as click says it."""
    DATA = 65
    """What was read cannot be used, or was refused record by record."""
    UNAVAILABLE = 69
    """RainFocus cannot be reached."""
    FILES = 74
    """A file or a pipe cannot be read or written."""
    LATER = 75
    """RainFocus, or a database, is busy or out of order: try again."""
    REFUSED = 77
    """The credentials, or a call, are refused."""
    SETTINGS = 78
    """The settings cannot work."""


class RainFocusError(Exception):
    """A failure the user can act on; its text is one line and holds no personal data.

    Attributes:
        exit_code: What the command ends with.
        trouble: What kind of failure it is; its code stands behind the message that ends a run.
    """

    exit_code: int = ExitCode.UNEXPECTED

    def __init__(self, message: str, trouble: Trouble) -> None:
        """Say what happened and what to do, in one line, and what kind of failure that is."""
        super().__init__(message)
        self.trouble = trouble


class SettingsError(RainFocusError):
    """The settings cannot work as they are."""

    exit_code = ExitCode.SETTINGS


class UsageError(RainFocusError):
    """The command line cannot work as it is."""

    exit_code = ExitCode.USAGE


class DataError(RainFocusError):
    """What was read cannot be used, or too little of it."""

    exit_code = ExitCode.DATA


class FileError(RainFocusError):
    """A file or a pipe cannot be read or written."""

    exit_code = ExitCode.FILES


class ClosedPipeError(FileError):
    """The next command in the pipe has ended, and says itself why."""

    def __init__(self) -> None:
        """Say where to look."""
        message = "The next command in the pipe ended early: see its messages."
        super().__init__(message, Trouble.CLOSED_PIPE)


class StorageCause(enum.StrEnum):
    """What keeps a database from being read or written."""

    DISK = "disk"
    """It is full, or out of order."""
    LOCK = "lock"
    """Another process holds it."""
    DATABASE = "database"
    """Anything else."""


_OF_STORAGE = {
    StorageCause.DISK: Trouble.DISK,
    StorageCause.LOCK: Trouble.LOCK,
    StorageCause.DATABASE: Trouble.DATABASE,
}


class StorageError(RainFocusError):
    """A database cannot be read or written now."""

    exit_code = ExitCode.LATER

    def __init__(self, message: str, cause: StorageCause = StorageCause.DATABASE) -> None:
        """Say what happened, in one line, and what kind of thing it is due to."""
        super().__init__(message, _OF_STORAGE[cause])
        self.cause = cause


class AuthenticationError(RainFocusError):
    """RainFocus does not accept the credentials."""

    exit_code = ExitCode.REFUSED


class NoTokenError(RainFocusError):
    """No access token could be got, however often it was tried; ends as its cause does."""

    def __init__(self, cause: RainFocusError) -> None:
        """Say what the cause says."""
        super().__init__(str(cause), cause.trouble)
        self.exit_code = cause.exit_code


class ForbiddenError(RainFocusError):
    """RainFocus forbids this request (HTTP 403): the profile may not make it, or not so."""

    exit_code = ExitCode.REFUSED


class EndpointDeniedError(RainFocusError):
    """The API profile may not use this call (responseCode 124)."""

    exit_code = ExitCode.REFUSED


class ParameterError(RainFocusError):
    """A required parameter is missing or wrong (responseCode 103)."""

    exit_code = ExitCode.SETTINGS


class UnexpectedReplyError(RainFocusError):
    """An answer that RainFocus gives to no call we know: most likely it is not RainFocus."""

    exit_code = ExitCode.SETTINGS


class RefusedError(RainFocusError):
    """RainFocus refused this one request; another record may pass."""

    exit_code = ExitCode.DATA


class RetriableError(RainFocusError):
    """A passing fault."""

    exit_code = ExitCode.LATER

    def __init__(self, message: str, trouble: Trouble, retry_after: float | None = None) -> None:
        """As for any, and with how many seconds the server asks us to wait."""
        super().__init__(message, trouble)
        self.retry_after = retry_after


class BusyError(RetriableError):
    """RainFocus asks everybody to wait (HTTP 429, or a `Retry-After`)."""


class UnreachableError(RetriableError):
    """No connection could be made, or it broke, or no answer came."""

    exit_code = ExitCode.UNAVAILABLE


class NotConnectedError(UnreachableError):
    """No connection could be made: no request was sent."""


class TokenRefusedError(RainFocusError):
    """The access token is no longer good (HTTP 401 or responseCode 107)."""

    exit_code = ExitCode.REFUSED
