"""Replies: the success envelope, and the refusals with their codes (docs/rainfocus-api.md §3)."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

JSON = "application/json;charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A reply: its body, and what the API log says of it."""

    body: bytes
    records: int = 0
    status: int = 200
    code: str = "0"


class RefusalError(Exception):
    """A call that is answered with an error envelope."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Refuse with HTTP `status` and responseCode `code`."""
        super().__init__(message)
        self.reply = Envelope(
            orjson.dumps({"responseCode": code, "responseMessage": message}),
            status=status,
            code=code,
        )


def success(*members: bytes, records: int) -> Envelope:
    """Return the success envelope around `members`, each a JSON `"name":value` pair."""
    envelope = b'"responseCode":"0","responseMessage":"Success"'
    return Envelope(b"{" + b",".join((envelope, *members)) + b"}", records)


def missing(*, parameter: str) -> RefusalError:
    """Refuse a call that lacks a parameter (captured, docs/rainfocus-api.md §3.2)."""
    return RefusalError(400, "103", f"Required parameter missing: {parameter}")


def malformed(*, parameter: str) -> RefusalError:
    """Refuse a parameter that cannot be read.

    Assumption: 103 is the code of any missing or invalid parameter (inferred, docs/rainfocus-api.md
    §3.2).
    """
    return RefusalError(400, "103", f"Invalid parameter: {parameter}")


def unknown_profile() -> RefusalError:
    """Refuse an `apiProfile` that does not exist.

    Code and message are from client code (docs/rainfocus-api.md §3.2). Assumption: it comes with
    HTTP 200, which nobody recorded.
    """
    return RefusalError(200, "101", "Invalid API Profile")


def bad_token() -> RefusalError:
    """Refuse a Bearer token that is unknown or has expired.

    Assumption: HTTP 401 and code 107, which client code knows for an expired `rfAuthToken`.
    """
    return RefusalError(401, "107", "Invalid or expired access token")


def wrong_environment() -> RefusalError:
    """Refuse credentials of another environment.

    Captured for `rfAuthToken`: code 103 and part of the message (docs/rainfocus-api.md §1.1, §3.2).
    Assumption: HTTP 400, as for the 103 whose status was recorded, and the same for other tokens.
    """
    return RefusalError(400, "103", "You must provide a valid userToken")


def denied(endpoint: str) -> RefusalError:
    """Refuse a call that is switched off for the profile (captured, docs/rainfocus-api.md §3.2)."""
    return RefusalError(200, "124", f"Access to API endpoint {endpoint} denied.")


def unknown_event() -> RefusalError:
    """Refuse an event that does not exist, or that the profile is not bound to.

    Assumption: status, code and message are all unknown.
    """
    return RefusalError(400, "104", "Event not found")


def unknown_attendee() -> RefusalError:
    """Refuse an attendee who does not exist.

    Assumption: status, code and message are all unknown.
    """
    return RefusalError(200, "110", "Attendee not found")


def bad_email() -> RefusalError:
    """Refuse an e-mail address that is none.

    Assumption: status, code and message are all unknown.
    """
    return RefusalError(200, "105", "Invalid email address")


def email_taken() -> RefusalError:
    """Refuse to give an attendee the e-mail address of another.

    Assumption: status, code and message are all unknown.
    """
    return RefusalError(200, "105", "Email address belongs to another attendee")


def bad_body() -> RefusalError:
    """Refuse a body that is not a JSON object.

    Assumption: status, code and message are all unknown.
    """
    return RefusalError(400, "100", "Request body is not a JSON object")
