"""Asks RainFocus over HTTP: one client, with one token and one rate limit, for all streams."""

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
from rainfocus_client.auth import ApiProfile, TokenExchange, TokenKeeper, credentials_from_settings
from rainfocus_client.connection import Connection
from rainfocus_client.lenient_json import parse_body
from rainfocus_client.network.proxies import find_proxy

from tap_rainfocus.api.transport import failure, http_session

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyrate_limiter import Limiter
    from rainfocus_client.auth import Token
    from rainfocus_client.report import Traffic
    from rainfocus_client.settings.declarations import ConnectionSettings

READ_AT_ONCE = 1 << 17
"""Bytes; requests' own slices of 10 KiB take longer than the network."""

WHOLE_ANSWER = 10
"""How many request timeouts a whole answer may take, if it keeps coming."""

Params: t.TypeAlias = "Mapping[str, str | int]"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP reply as it came, and the token that was sent for it."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    token: str | None = field(repr=False, default=None)


class RainFocusClient:
    """Sends requests with credentials, within the rate limit. Safe to use from threads."""

    def __init__(
        self,
        settings: ConnectionSettings,
        user_agent: str,
        traffic: Traffic,
        connections: int,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            settings: Complete and checked.
            user_agent: The User-Agent header.
            traffic: Counts the requests.
            connections: How many are kept open.

        Raises:
            SettingsError: A setting or a variable of the environment cannot be used.
        """
        self._connection = Connection.from_settings(settings)
        self._credentials = credentials_from_settings(settings)
        self._timeout = settings.request_timeout
        rate = settings.requests_per_second
        self._limiter = _limiter(rate) if rate else None
        self._session = http_session(
            self._connection.api_url, self._connection.token_url, connections=connections
        )
        self._session.headers.update({"User-Agent": user_agent, "Accept": "application/json"})
        self._trace = uuid4().hex
        self._traffic = traffic
        if not isinstance(self._credentials, ApiProfile):
            self._exchange = TokenExchange(self._credentials, self._connection.token_url)
        self._tokens = TokenKeeper(self._fetch_token)

    def get(
        self, call: str, params: Params, rest: Callable[[], bool], *, refused: str | None = None
    ) -> Answer:
        """Make a read call once.

        Args:
            call: Such as `attendee/search`.
            params: The query.
            rest: Waits for the end of a pause and says whether there was one.
            refused: A token that RainFocus does not take any more.

        Raises:
            UnreachableError: No answer came.
            RainFocusError: No answer will come, however often it is tried.
        """
        url = self._connection.url(call)
        if isinstance(self._credentials, ApiProfile):
            self._keep_pace(rest)
            return self._send("GET", url, self._credentials.headers(), params=params)
        token = self._tokens.get(refused=refused)
        identity = {"Authorization": f"Bearer {token}"}
        self._keep_pace(rest)
        return self._send("GET", url, identity, token, params=params)

    def _keep_pace(self, rest: Callable[[], bool] = lambda: False) -> None:
        if self._limiter:
            self._limiter.try_acquire("rainfocus")
            while rest():
                self._limiter.try_acquire("rainfocus")

    def _fetch_token(self) -> Token:
        while True:
            request = self._exchange.request()
            self._keep_pace()
            answer = self._send("POST", request.url, request.headers, data=request.form)
            token = self._exchange.token(answer.status, parse_body(answer.content), answer.headers)
            if token:
                return token

    def _send(
        self,
        method: str,
        url: str,
        identity: dict[str, str],
        token: str | None = None,
        **content: t.Any,  # noqa: ANN401
    ) -> Answer:
        proxy = find_proxy(url)
        began = time.monotonic()
        sent, body = 0, b""
        try:
            with self._session.request(
                method,
                url,
                headers={"traceparent": self._traceparent()},
                auth=_Identity(identity),
                timeout=self._timeout,
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
            raise failure(urlsplit(url).netloc, proxy, error, self._timeout) from error
        finally:
            seconds = time.monotonic() - began
            self._traffic.asked(seconds=seconds, sent=sent, received=len(body))

    def _read(self, raw: urllib3.BaseHTTPResponse) -> bytes:
        """The whole body, in pieces as they come, so that a dripping server is noticed."""
        deadline = time.monotonic() + WHOLE_ANSWER * self._timeout
        pieces = []
        while piece := raw.read1(READ_AT_ONCE, decode_content=True):
            pieces.append(piece)
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
