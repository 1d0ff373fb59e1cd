"""Reads from RainFocus over HTTP: one client for all streams of a run."""

from __future__ import annotations

import secrets
import threading
import typing as t
from concurrent.futures import Future
from urllib.parse import urlsplit
from uuid import uuid4

import orjson
import requests
import tenacity
from rainfocus_client.credentials import ApiProfile, TokenKeeper
from rainfocus_client.errors import RainFocusError, RetriableError, TokenRefusedError
from rainfocus_client.judgement import judge, judge_token
from rainfocus_client.retry import policy

from tap_rainfocus.pages import Page, UncertainEndError

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Generator, Mapping

    from pyrate_limiter import Limiter
    from rainfocus_client.connection import Connection
    from rainfocus_client.credentials import Credentials, OAuth, Token

P = t.ParamSpec("P")
T = t.TypeVar("T")
Params: t.TypeAlias = "Mapping[str, str | int]"


class RainFocusClient:
    """Calls RainFocus with credentials, retries and a rate limit. Safe to use from threads."""

    def __init__(  # noqa: PLR0913
        self,
        connection: Connection,
        credentials: Credentials,
        *,
        timeout: float,
        max_retries: int,
        requests_per_second: float | None,
        user_agent: str,
        logger: logging.Logger,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            connection: Where to call.
            credentials: Who is calling.
            timeout: Seconds to wait for a connection, and then for an answer.
            max_retries: How often a passing fault is tried again.
            requests_per_second: Ceiling over everything this client sends; None for none.
            user_agent: The User-Agent header.
            logger: Where retries are told.
        """
        self._connection = connection
        self._credentials = credentials
        self._timeout = timeout
        self._limiter = _limiter(requests_per_second) if requests_per_second else None
        self._retry = policy(max_retries, logger)
        self.retries = 0
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": user_agent, "Accept": "application/json"})
        self._trace = uuid4().hex
        self._tokens = TokenKeeper(self._fetch_token)

    def pages(self, call: str, params: Params, records_key: str) -> Generator[Page]:
        """Every page of a download; the next one is fetched while the caller works on the last.

        Raises:
            UncertainEndError: A page that should hold records stays empty.
            RainFocusError: See `rainfocus_client.judgement.judge` and `Page.from_reply`.
        """
        ahead = _in_background(self._page, call, params, records_key)
        seen: set[str] = set()
        asked: str | None = None
        before: Page | None = None
        while True:
            page = ahead.result()
            if before and page.records == before.records:
                return
            if page.cursor:
                # A cursor that comes back may stand for a scroll, or be the echo of a last page.
                before = page if page.cursor == asked else None
                if page.cursor in seen and not before:
                    msg = f"RainFocus answers {call} with cursors that go round in circles."
                    raise RainFocusError(msg)
                seen.add(page.cursor)
                asked = page.cursor
                ahead = _in_background(self._page, call, {**params, "cursor": asked}, records_key)
            yield page
            if not page.cursor:
                return

    def _page(self, call: str, params: Params, records_key: str) -> Page:
        def attempt() -> Page:
            body, headers = self._get(call, params)
            page = Page.from_reply(call, body, headers, records_key)
            if "cursor" in params and not page.records:
                msg = f"RainFocus answered {call} with an empty last page: the end, or throttling."
                raise UncertainEndError(msg)
            return page

        retrying = tenacity.Retrying(**self._retry)
        try:
            return retrying(attempt)
        finally:
            self.retries += retrying.statistics["attempt_number"] - 1

    def _get(self, call: str, params: Params) -> tuple[dict[str, t.Any], Mapping[str, str]]:
        if isinstance(self._credentials, ApiProfile):
            return self._get_as(call, params, self._credentials.headers())
        token = self._tokens.current() or self._tokens.get()
        try:
            return self._get_as(call, params, _bearer(token))
        except TokenRefusedError:
            token = self._tokens.get(refused=token)
            return self._get_as(call, params, _bearer(token))

    def _get_as(
        self, call: str, params: Params, identity: dict[str, str]
    ) -> tuple[dict[str, t.Any], Mapping[str, str]]:
        response = self._send(
            "GET", self._connection.url(call), params=params, auth=_Identity(identity)
        )
        return judge(
            call, response.status_code, _json(response), response.headers
        ), response.headers

    def _traceparent(self) -> str:
        """A W3C trace context: one trace for the run, a span for the request."""
        return f"00-{self._trace}-{secrets.token_hex(8)}-01"

    def _fetch_token(self) -> Token:
        request = t.cast("OAuth", self._credentials).token_request(self._connection.token_url)
        response = self._send(
            "POST", request.url, data=request.form, auth=_Identity(request.headers)
        )
        return judge_token(response.status_code, _json(response), response.headers)

    def _send(self, method: str, url: str, **kwargs: t.Any) -> requests.Response:  # noqa: ANN401
        if self._limiter:
            self._limiter.try_acquire("rainfocus")
        try:
            return self._session.request(
                method,
                url,
                headers={"traceparent": self._traceparent()},
                timeout=self._timeout,
                allow_redirects=False,
                **kwargs,
            )
        except requests.exceptions.SSLError as error:
            msg = f"{_host(url)} does not prove who it is (TLS): check api_url and the CA bundle."
            raise RainFocusError(msg) from error
        except requests.Timeout as error:
            msg = f"{_host(url)} did not answer within {self._timeout:g} s (request_timeout)."
            raise RetriableError(msg) from error
        except requests.RequestException as error:
            msg = f"{_host(url)} cannot be reached: check api_url, environment and the network."
            raise RetriableError(msg) from error


def _in_background(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Work in a thread that, unlike an executor's, never keeps the process from ending."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


class _Identity(requests.auth.AuthBase):
    """Puts headers on a request in the place where requests would look for a netrc file."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _json(response: requests.Response) -> object:
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None


def _limiter(requests_per_second: float) -> Limiter:
    from pyrate_limiter import Limiter, Rate  # noqa: PLC0415, a limit is rare, its import slow

    return Limiter(Rate(1, max(1, round(1000 / requests_per_second))))
