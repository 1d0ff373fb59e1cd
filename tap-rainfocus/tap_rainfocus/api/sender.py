"""Sends HTTP requests: one session and one rate limit for all streams."""

from __future__ import annotations

import logging
import math
import secrets
import time
import typing as t
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import uuid4

import requests
import urllib3
from rainfocus_client.adaptive_limit import BUSY
from rainfocus_client.errors import BusyError, DataError, RetriableError
from rainfocus_client.lenient_json import parse_body
from rainfocus_client.network.proxies import find_proxy
from rainfocus_client.responses import judge
from rainfocus_client.troubles import Trouble

from tap_rainfocus.api.transport import failure, http_session

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyrate_limiter import Limiter

    from tap_rainfocus.api.network import Network

READ_AT_ONCE = 1 << 17
"""Bytes; requests' own slices of 10 KiB take longer than the network."""

WHOLE_ANSWER = 10
"""How many request timeouts a whole answer may take, if it keeps coming."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP reply as it came, and the token that was sent for it."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    token: str | None = field(repr=False, default=None)

    def body(self, call: str) -> dict[str, t.Any]:
        """The body, if RainFocus did what it was asked.

        Args:
            call: What was asked, for messages.

        Raises:
            RainFocusError: See `rainfocus_client.responses.judge`.
        """
        try:
            return judge(call, self.status, parse_body(self.content), self.headers)
        except RetriableError as later:
            if self.status in BUSY:
                raise BusyError(str(later), later.trouble, later.retry_after) from None
            raise


class Sender:
    """Sends requests within the rate limit. Safe to use from threads."""

    def __init__(
        self,
        network: Network,
        *urls: str,
        connections: int,
        requests_per_second: float | None,
        most_bytes: int | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            network: Who asks.
            urls: What will be asked.
            connections: How many are kept open.
            requests_per_second: At most; None for no limit.
            most_bytes: Of the body of an answer; None for no limit.

        Raises:
            SettingsError: A variable of the environment cannot be used.
        """
        self._network = network
        self._most_bytes = most_bytes
        self._limiter = _limiter(requests_per_second) if requests_per_second else None
        self._session = http_session(*urls, connections=connections)
        headers = {"User-Agent": network.user_agent, "Accept": "application/json"}
        self._session.headers.update(headers)
        self._trace = uuid4().hex

    def keep_pace(self, rest: Callable[[], bool] = lambda: False) -> None:
        """Wait until the rate limit lets a request through.

        Args:
            rest: Waits for the end of a pause and says whether there was one.
        """
        if self._limiter:
            self._limiter.try_acquire("rainfocus")
            while rest():
                self._limiter.try_acquire("rainfocus")

    def send(
        self,
        method: str,
        url: str,
        identity: dict[str, str],
        token: str | None = None,
        **content: t.Any,  # noqa: ANN401
    ) -> Answer:
        """Send a request once.

        Args:
            method: Of HTTP.
            url: Where to.
            identity: Headers that say who asks.
            token: The token in them, if there is one.
            content: As for requests: `params` or `data`.

        Raises:
            UnreachableError: No answer came.
            DataError: It is larger than it may be.
            RainFocusError: No answer will come, however often it is tried.
        """
        proxy = find_proxy(url)
        began = time.monotonic()
        sent, body = 0, b""
        try:
            with self._session.request(
                method,
                url,
                headers={"traceparent": self._traceparent()},
                auth=_Identity(identity),
                timeout=self._network.timeout,
                proxies={"all": proxy.url} if proxy else {},
                allow_redirects=False,
                stream=True,
                **content,
            ) as response:
                sent = len(response.request.body or b"")
                if proxy and response.status_code == requests.codes.proxy_authentication_required:
                    raise proxy.refusal(urlsplit(url).netloc, response.status_code)
                body = self._read(response.raw)
                return Answer(response.status_code, response.headers, body, token)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise failure(urlsplit(url).netloc, proxy, error, self._network.timeout) from error
        finally:
            seconds = time.monotonic() - began
            self._network.traffic.asked(seconds=seconds, sent=sent, received=len(body))

    def _read(self, raw: urllib3.BaseHTTPResponse) -> bytes:
        """The whole body, in pieces as they come, so that a dripping server is noticed."""
        deadline = time.monotonic() + WHOLE_ANSWER * self._network.timeout
        pieces = []
        left = self._most_bytes
        while piece := raw.read1(READ_AT_ONCE, decode_content=True):
            pieces.append(piece)
            left = None if left is None else left - len(piece)
            if left is not None and left < 0:
                msg = f"An answer is larger than {self._most_bytes:,} bytes: it is left unread."
                raise DataError(msg, Trouble.UNEXPECTED_REPLY)
            if time.monotonic() > deadline:
                raise urllib3.exceptions.TimeoutError
        return b"".join(pieces)

    def _traceparent(self) -> str:
        """A W3C trace context: one trace for the run, a span for the request."""
        return f"00-{self._trace}-{secrets.token_hex(8)}-01"


class _Identity(requests.auth.AuthBase):
    """Puts headers on a request in the place where requests would look for a netrc file."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


def _limiter(requests_per_second: float) -> Limiter:
    from pyrate_limiter import Limiter, Rate  # noqa: PLC0415, a limit is rare, its import slow

    logging.getLogger("pyrate_limiter").setLevel(logging.WARNING)
    # Without a buffer: the default one makes the limit a third lower than it says.
    return Limiter(Rate(1, math.ceil(1000 / requests_per_second)), buffer_ms=0)
