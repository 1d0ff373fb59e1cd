"""Asks RainFocus one thing at a time, seldom and not forever, and tells what it answered."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus

import tenacity
from rainfocus_client.adaptive_limit import BUSY
from rainfocus_client.auth import ApiProfile
from rainfocus_client.errors import (
    BusyError,
    DataError,
    EndpointDeniedError,
    RainFocusError,
    TokenRefusedError,
)
from rainfocus_client.lenient_json import parse_body
from rainfocus_client.responses import judge, reply_text, response_code
from rainfocus_client.retry import parse_retry_after, policy
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from rainfocus_client.auth import TokenKeeper
    from tap_rainfocus.api.network import Network
    from tap_rainfocus.api.sender import Answer, Sender

MOST_REQUESTS = 150
"""Requests of one probe, tokens and retries among them."""

MOST_SECONDS = 600.0
"""How long one probe may ask."""

MOST_BYTES = 64 << 20
"""Of the body of one answer."""

MOST_WAIT = 60.0
"""Seconds that RainFocus can have the probe wait before it asks again."""

_ABSENT = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})


class SpentError(Exception):
    """No more may be asked in this probe."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered; of it only status, code and kind are ever told.

    Attributes:
        status: Of HTTP.
        body: The JSON value, or None.
        kind: `object`, `JSON`, `no JSON`, `empty` or `too large`.
        failure: Why the tap would not take it; None if it would.
        headers: Of the reply.
    """

    status: int
    body: object = field(repr=False)
    kind: str
    failure: RainFocusError | None
    headers: Mapping[str, str] = field(repr=False)

    @property
    def is_good(self) -> bool:
        """Whether RainFocus did what it was asked."""
        return self.failure is None

    @property
    def is_denied(self) -> bool:
        """Whether the API profile may not use the call."""
        return isinstance(self.failure, EndpointDeniedError)

    @property
    def is_absent(self) -> bool:
        """Whether there is no such call."""
        return self.status in _ABSENT

    @property
    def was_accepted(self) -> bool:
        """Whether HTTP says that all is well."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def code(self) -> str | None:
        """Its responseCode, in digits."""
        return response_code(self.body)

    @property
    def content(self) -> dict[str, t.Any]:
        """The body, where it is an object; else nothing."""
        return self.body if isinstance(self.body, dict) else {}

    @property
    def told(self) -> str:
        """Status and code, for people."""
        code = f", code {self.code}" if self.code is not None else ""
        kind = "" if self.kind == "object" else f" ({self.kind})"
        return f"HTTP {self.status}{code}{kind}"

    @property
    def facts(self) -> dict[str, t.Any]:
        """Status, code and kind, for machines."""
        return {"status": self.status, "code": self.code, "body": self.kind}


class Asker:
    """Makes requests, tries again what is passing, and counts.

    Attributes:
        credentials: Say who asks, once they are known.
    """

    def __init__(self, sender: Sender, network: Network) -> None:
        """Prepare; nothing is sent yet."""
        self._sender = sender
        self._network = network
        self._ends = time.monotonic() + MOST_SECONDS
        self.credentials: ApiProfile | TokenKeeper | None = None

    @property
    def requests(self) -> int:
        """How many requests were made."""
        return self._network.traffic.requests

    def ask(self, method: str, url: str, call: str, **content: t.Any) -> Reply:  # noqa: ANN401
        """Ask with credentials.

        Args:
            method: Of HTTP.
            url: Where to.
            call: What is asked, for messages.
            content: As for requests: `params`, `data`, `headers`.

        Raises:
            SpentError: No more may be asked.
            BusyError: RainFocus is busy, after all retries.
            UnreachableError: No answer came, after all retries.
        """
        reply = self._signed(method, url, call, None, content)
        if isinstance(reply.failure, TokenRefusedError) and not self._is_profile:
            return self._signed(method, url, call, self._token, content)
        return reply

    def ask_as_nobody(self, url: str, headers: dict[str, str], form: dict[str, str]) -> Reply:
        """Send a form, as for a token.

        Raises:
            SpentError: No more may be asked.
            BusyError: The server is busy, after all retries.
            UnreachableError: No answer came, after all retries.
        """
        return self._send("POST", url, "the request for a token", headers, {"data": form})

    def sleep(self, seconds: float) -> None:
        """Wait, as long as there is time."""
        time.sleep(max(min(seconds, self._ends - time.monotonic()), 0))

    @cached_property
    def _is_profile(self) -> bool:
        return isinstance(self.credentials, ApiProfile)

    def _signed(
        self, method: str, url: str, call: str, refused: str | None, content: dict[str, t.Any]
    ) -> Reply:
        if isinstance(self.credentials, ApiProfile):
            identity = self.credentials.headers()
        elif self.credentials:
            self._token = self.credentials.get(refused=refused)
            identity = {"Authorization": f"Bearer {self._token}"}
        else:
            identity = {}
        further = dict(content)
        return self._send(method, url, call, identity | further.pop("headers", {}), further)

    def _send(
        self, method: str, url: str, call: str, headers: dict[str, str], content: dict[str, t.Any]
    ) -> Reply:
        network = self._network

        def attempt() -> Answer:
            if self.requests >= MOST_REQUESTS or time.monotonic() > self._ends:
                raise SpentError
            self._sender.keep_pace()
            answer = self._sender.send(method, url, headers, **content)
            if answer.status in BUSY:
                wait = min(parse_retry_after(answer.headers) or 0.0, MOST_WAIT)
                text = reply_text(call, answer.status, None, "it is busy: run the probe later.")
                raise BusyError(text, Trouble.BUSY, wait)
            return answer

        again = policy(network.max_retries, network.logger, network.traffic)
        try:
            answer = tenacity.Retrying(**again, sleep=self.sleep)(attempt)
        except DataError as error:
            return Reply(HTTPStatus.OK, None, "too large", error, {})
        return _reply(call, answer)


def _reply(call: str, answer: Answer) -> Reply:
    body = parse_body(answer.content)
    if isinstance(body, dict):
        kind = "object"
    elif not answer.content.strip():
        kind = "empty"
    else:
        kind = "JSON" if body is not None else "no JSON"
    failure = None
    try:
        judge(call, answer.status, body, answer.headers)
    except RainFocusError as error:
        failure = error
    return Reply(answer.status, body, kind, failure, answer.headers)
