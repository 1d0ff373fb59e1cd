"""HTTP as the target needs it: a POST, tried again while it is worth it, that can be halted."""

from __future__ import annotations

import asyncio
import time
import typing as t
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version

import aiohttp
import tenacity
from rainfocus_client.errors import BusyError, NotConnectedError, RetriableError, UnreachableError
from rainfocus_client.lenient_json import parse_body
from rainfocus_client.network.certificates import tls_context, tls_failure
from rainfocus_client.network.proxies import find_proxy
from rainfocus_client.troubles import Trouble
from yarl import URL

from target_rainfocus_attendees import PACKAGE

if t.TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping

    from rainfocus_client.errors import RainFocusError
    from rainfocus_client.network.proxies import Proxy
    from rainfocus_client.report import Traffic
    from rainfocus_client.retry import Policy

T = t.TypeVar("T")

EVERYBODYS = (BusyError, NotConnectedError)
"""Passing faults that no single request is to blame for."""

NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)

PROXY_UNREACHABLE = (aiohttp.ClientProxyConnectionError, aiohttp.ConnectionTimeoutError)

PROXY_AUTHORIZATION = "Proxy-Authorization"


class Way(t.NamedTuple):
    """How a host is reached.

    Attributes:
        proxy: What stands between, if anything.
        headers: Of every request.
        arguments: Of aiohttp's request.
    """

    proxy: Proxy | None
    headers: dict[str, str]
    arguments: dict[str, t.Any]


class HaltedError(Exception):
    """No request is made any more."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered; `body` is None where it is not JSON."""

    status: int
    body: object
    headers: Mapping[str, str]
    is_empty: bool


class Transport:
    """A pool of connections that all retries, waits and faults go through.

    Attributes:
        in_flight: Requests without an answer yet.
    """

    def __init__(
        self, *, connections: int, timeout: float, policy: Policy, traffic: Traffic
    ) -> None:
        """Open no connection yet.

        Args:
            connections: How many may be open at a time.
            timeout: Seconds to wait for a connection, and then for an answer.
            policy: When to try again.
            traffic: Counts the requests.
        """
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            timeout=aiohttp.ClientTimeout(
                total=2 * timeout, sock_connect=timeout, sock_read=timeout
            ),
            headers={"User-Agent": f"{PACKAGE}/{version(PACKAGE)}", "Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._policy = policy
        self._traffic = traffic
        self._ways: dict[URL, Way] = {}
        self._tls: ssl.SSLContext | None = None
        self._halted = asyncio.Event()
        self.in_flight = 0
        self._waits: list[float] = []

    @property
    def pause(self) -> float:
        """Seconds until the next request is tried again, where none is in flight; else 0."""
        ends = min(self._waits, default=0.0)
        return 0.0 if self.in_flight else max(ends - time.monotonic(), 0.0)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def halt(self) -> None:
        """Let running requests finish, begin none, and end every wait."""
        self._halted.set()

    async def persist(self, action: Callable[[], Awaitable[T]], *, is_probe: bool = False) -> T:
        """Try an action until it succeeds, cannot succeed, or has been tried often enough.

        Args:
            action: Raises a `RetriableError` where it is to be tried again.
            is_probe: Whether it is tried again only where that is due to no request of its own.

        Raises:
            HaltedError: The transport was halted before the end.
        """
        failures: list[RetriableError] = []
        try:
            return await action()
        except RetriableError as error:
            failures.append(error)

        async def attempt() -> T:  # the first one has been made, without tenacity's costs
            if failures:
                raise failures.pop()
            return await action()

        policy = self._policy
        if is_probe:
            policy = policy | {"retry": tenacity.retry_if_exception_type(EVERYBODYS)}
        return await tenacity.AsyncRetrying(**policy, sleep=self._sleep)(attempt)

    async def wait_for(self, waiting: Awaitable[object]) -> None:
        """Wait for something other than a request.

        Raises:
            HaltedError: The transport was halted before the end.
        """
        task = asyncio.ensure_future(waiting)
        halted = asyncio.ensure_future(self._halted.wait())
        await asyncio.wait({task, halted}, return_when=asyncio.FIRST_COMPLETED)
        halted.cancel()
        task.cancel()
        if self._halted.is_set():
            raise HaltedError

    async def post(self, url: URL, body: bytes, headers: dict[str, str]) -> Response:
        """Send `body` once.

        Raises:
            NotConnectedError: No connection could be made.
            UnreachableError: No answer came.
            SettingsError: The server, or a proxy, cannot be spoken to as things are.
            HaltedError: The transport was halted before the request.
        """
        if self._halted.is_set():
            raise HaltedError
        way = self._way(url)
        began = time.monotonic()
        content = b""
        self.in_flight += 1
        try:
            async with self._session.post(
                url,
                data=body,
                headers=headers | way.headers,
                allow_redirects=False,
                **way.arguments,
            ) as response:
                if way.proxy and response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                    raise way.proxy.refusal(url.authority, response.status)
                content = await response.read()
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise _failure(url.authority, way.proxy, error) from error
        finally:
            self.in_flight -= 1
            seconds = time.monotonic() - began
            self._traffic.asked(seconds=seconds, sent=len(body), received=len(content))
        is_empty = not content.strip()
        return Response(response.status, parse_body(content), response.headers, is_empty)

    def _way(self, url: URL) -> Way:
        """How an address is reached.

        aiohttp's own `trust_env` asks the environment in a thread for every request, which takes
        longer than the request.
        """
        if url not in self._ways:
            self._ways[url] = self._find_way(url)
        return self._ways[url]

    def _find_way(self, url: URL) -> Way:
        proxy = find_proxy(str(url))
        arguments: dict[str, t.Any] = {}
        headers: dict[str, str] = {}
        if url.scheme == "https":
            self._tls = self._tls or tls_context()
            arguments["ssl"] = self._tls
        if proxy:
            address = URL(proxy.url)
            arguments["proxy"] = address.with_user(None)
            if authorization := aiohttp.BasicAuth.from_url(address):
                headers = {PROXY_AUTHORIZATION: authorization.encode()}
        if headers and url.scheme == "https":  # for the proxy, not for who is behind it
            return Way(proxy, {}, arguments | {"proxy_headers": headers})
        return Way(proxy, headers, arguments)

    async def _sleep(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        self._waits.append(ends)
        try:
            await self.wait_for(asyncio.sleep(seconds))
        finally:
            self._waits.remove(ends)


def _failure(host: str, proxy: Proxy | None, error: Exception) -> RainFocusError:
    """What is to be told of a request that got no answer."""
    if proxy and isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy.refusal(host, error.status)
    if proxy and isinstance(error, PROXY_UNREACHABLE):
        return proxy.failure()
    if told := tls_failure(host, error):
        return told
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        msg = f"{host} did not answer in time: check request_timeout."
        return UnreachableError(msg, Trouble.TIMEOUT)
    # Its own text may quote the address with its query.
    msg = (
        f"RainFocus could not be reached ({type(error).__name__}): "
        "check api_url, token_url and the network."
    )
    is_sent = not isinstance(error, NEVER_CONNECTED)
    return (UnreachableError if is_sent else NotConnectedError)(msg, Trouble.UNREACHABLE)
