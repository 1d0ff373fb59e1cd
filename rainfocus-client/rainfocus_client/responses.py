"""What a reply of RainFocus means: done, later, not this record, new token, or stop."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from http import HTTPStatus

from rainfocus_client.errors import (
    AuthenticationError,
    BusyError,
    EndpointDeniedError,
    ForbiddenError,
    ParameterError,
    RainFocusError,
    RefusedError,
    RetriableError,
    TokenRefusedError,
    UnexpectedReplyError,
)
from rainfocus_client.retry import parse_retry_after
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Mapping

SUCCESS_CODE = "0"

LATER = frozenset({408, 409, 425, 429})
"""4xx that mean "later"; every 5xx does too."""

_ID = re.compile(r"[0-9A-Za-z_-]{4,64}")

NO = frozenset({"false", "0", "no"})
NOTHING = frozenset({"", "false", "0", "no", "none", "null"})

ERRORS = ("error", "errors")
SAYING = frozenset({"success", *ERRORS})
"""The keys by which a reply can say no, whatever its code; most replies have none of them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on HTTP status or responseCode, what it is, and what the user should do."""

    error: type[RainFocusError]
    trouble: Trouble
    advice: str
    codes: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()

    def matches(self, status: int, code: str | None) -> bool:
        """Whether a reply with this status and code falls under the rule."""
        return code in self.codes or status in self.statuses


RULES = (
    # Codes 103 and 124 are captured, 101 and 107 come from client code (docs/rainfocus-api.md
    # §3.2).
    Rule(
        EndpointDeniedError,
        Trouble.ENDPOINT_DENIED,
        "the API profile has no access to endpoint {endpoint}: "
        "enable it under Integration Suite > API Profiles.",
        codes=frozenset({"124"}),
    ),
    Rule(
        AuthenticationError,
        Trouble.CREDENTIALS_REFUSED,
        "this API profile is not known: check api_profile and environment.",
        codes=frozenset({"101"}),
    ),
    Rule(
        TokenRefusedError,
        Trouble.TOKEN_REFUSED,
        "the access token is not accepted: check the credentials and environment.",
        codes=frozenset({"107"}),
        statuses=frozenset({HTTPStatus.UNAUTHORIZED}),
    ),
    Rule(
        ParameterError,
        Trouble.PARAMETER,
        "a required parameter is missing or belongs to another environment: "
        "check org_id, environment, the event code, event_parameter and the credentials.",
        codes=frozenset({"103"}),
    ),
    Rule(
        ForbiddenError,
        Trouble.FORBIDDEN,
        "access is forbidden: check the API profile's rights and its IP allow-list.",
        statuses=frozenset({HTTPStatus.FORBIDDEN}),
    ),
    Rule(
        UnexpectedReplyError,
        Trouble.NO_SUCH_ADDRESS,
        "there is no such address: check api_url (it ends in /api), environment and org_id, and "
        "that this RainFocus has the call.",
        statuses=frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}),
    ),
    Rule(
        RetriableError,
        Trouble.BUSY,
        "the server cannot answer now: try again later, or set requests_per_second.",
        statuses=frozenset(LATER | set(range(500, 600))),
    ),
)


def judge(call: str, status: int, body: object, headers: Mapping[str, str]) -> dict[str, t.Any]:
    """Give the reply's body if RainFocus did what it was asked.

    Success is HTTP 2xx with a JSON object that says nothing else: no `responseCode` but "0"
    (captured: refusals come with HTTP 200 as well as with HTTP 400), and neither `success: false`
    nor an `error` (assumed).

    Args:
        call: The call, such as `attendee/search`, for the message.
        status: The HTTP status.
        body: The parsed JSON body, or None where it is not JSON.
        headers: The reply's headers, looked up without regard to case.

    Raises:
        EndpointDeniedError: The API profile may not use the call.
        ParameterError: A parameter is missing, or a token of another environment was sent.
        AuthenticationError: The credentials are not accepted.
        ForbiddenError: The request is forbidden.
        TokenRefusedError: The token is no longer good; a new one may be.
        RetriableError: RainFocus is busy or away; the same request may succeed later.
        RefusedError: This one request was refused.
        UnexpectedReplyError: Anything else.
    """
    envelope = body if isinstance(body, dict) else None
    code = response_code(body)
    accepted = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    if accepted and envelope is not None and code in {None, SUCCESS_CODE}:
        if _says_no(envelope):
            raise refusal(call, status, code)
        return envelope
    for rule in RULES:
        if rule.matches(status, code):
            raise _error(rule, call, status, code, headers)
    if accepted and envelope is None:
        raise RetriableError(
            reply_text(call, status, code, "the reply is not a JSON object: check api_url."),
            Trouble.NOT_JSON,
        )
    if accepted or status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
        raise refusal(call, status, code)
    raise UnexpectedReplyError(
        reply_text(call, status, code, "this was not expected: check api_url and environment."),
        Trouble.UNEXPECTED_REPLY,
    )


def refusal(call: str, status: int, code: str | None) -> RefusedError:
    """The refusal of one request."""
    return RefusedError(reply_text(call, status, code, "the request was refused."), Trouble.REFUSED)


def response_code(body: object) -> str | None:
    """The code of a reply, or of an object in it, as digits; None where it has none.

    What is no number says only that something is wrong, and is not shown: it is `unknown`.
    """
    if isinstance(body, dict) and body.get("responseCode") == SUCCESS_CODE:
        return SUCCESS_CODE
    codes = (part.get("responseCode") for part in _parts(body))
    code = next((code for code in codes if code is not None), None)
    if code is None:
        return None
    digits = str(int(code)) if isinstance(code, float) and code.is_integer() else str(code)
    return digits if re.fullmatch(r"[0-9]{1,6}", digits) else "unknown"


def attendee_id(body: object) -> str | None:
    """The attendee that a reply names, as that to a v2 update does (docs/rainfocus-api.md §7)."""
    parts = [body, *body.values()] if isinstance(body, dict) else []
    found = (part.get("attendeeId") for part in parts if isinstance(part, dict))
    ids = (str(one) for one in found if isinstance(one, str | int) and one is not True)
    return next((one for one in ids if _ID.fullmatch(one)), None)


def _parts(body: object) -> list[dict[str, t.Any]]:
    """A reply and, where it has no code of its own, the objects right in it."""
    if not isinstance(body, dict):
        return []
    if "responseCode" in body:
        return [body]
    return [body, *(part for part in body.values() if isinstance(part, dict))]


def _says_no(body: dict[str, t.Any]) -> bool:
    return any(_is_no(part) for part in _parts(body) if not SAYING.isdisjoint(part))


def _is_no(part: dict[str, t.Any]) -> bool:
    return str(part.get("success", "true")).strip().lower() in NO or any(
        bool(part.get(key)) and str(part[key]).strip().lower() not in NOTHING for key in ERRORS
    )


def endpoint_name(call: str) -> str:
    """The name of a call as the API profile lists it: `attendee/search` → `attendee`.

    Inferred from the one captured refusal (`Access to API endpoint session denied.`).
    """
    first, _, rest = call.partition("/")
    return rest if first == "entityDataDump" else first


def _error(
    rule: Rule, call: str, status: int, code: str | None, headers: Mapping[str, str]
) -> RainFocusError:
    message = reply_text(call, status, code, rule.advice.format(endpoint=endpoint_name(call)))
    if rule.error is RetriableError:
        retry_after = parse_retry_after(headers)
        is_busy = status == HTTPStatus.TOO_MANY_REQUESTS or retry_after is not None
        return (BusyError if is_busy else RetriableError)(message, rule.trouble, retry_after)
    return rule.error(message, rule.trouble)


def reply_text(call: str, status: int, code: str | None, advice: str) -> str:
    """One line that says what was answered to which call, and what the user should do."""
    shown = f"HTTP {status}" if code is None else f"HTTP {status}, code {code}"
    return f"RainFocus answered {call} with {shown}: {advice}"
