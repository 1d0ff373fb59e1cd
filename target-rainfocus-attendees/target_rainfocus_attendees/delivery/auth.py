"""The headers that say who we are, renewed when RainFocus no longer takes them."""

from __future__ import annotations

import asyncio
import typing as t
from urllib.parse import urlencode

from rainfocus_client.auth import OAuth, TokenExchange, TokenKeeper
from rainfocus_client.errors import NoTokenError, RetriableError
from yarl import URL

if t.TYPE_CHECKING:
    from rainfocus_client.auth import Credentials, Token

    from target_rainfocus_attendees.delivery.transport import Transport

Headers: t.TypeAlias = dict[str, str]

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Authorization:
    """Holds the credentials, and for OAuth the one access token of the process."""

    def __init__(self, credentials: Credentials, token_url: str, transport: Transport) -> None:
        """Fetch tokens at `token_url`; to be made inside the loop that uses it."""
        self._credentials = credentials
        if isinstance(credentials, OAuth):
            self._exchange = TokenExchange(credentials, token_url)
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._failure: RetriableError | None = None
        self._keeper = TokenKeeper(self._fetch)

    async def headers(self, refused: Headers | None = None) -> Headers:
        """The headers for a request.

        Args:
            refused: Headers that RainFocus has just refused; a token in them is not used again.

        Raises:
            NoTokenError: No token could be got, now or before.
            RainFocusError: There will be none.
        """
        if not isinstance(self._credentials, OAuth):
            return self._credentials.headers()
        token = self._keeper.current()
        if token is None or _bearer(token) == refused:
            # One worker at a time: if all of them waited in threads, none would be left for the
            # exchange itself, which resolves the host name in one.
            async with self._lock:
                token = await asyncio.to_thread(self._keeper.get, refused=token)
        return _bearer(token)

    def _fetch(self) -> Token:
        """Get a token; called by the keeper, in a thread beside the loop.

        It is asked for until the retries are used up, and not again: others wait for it too.
        """
        if self._failure:
            raise NoTokenError(self._failure)
        asked = asyncio.run_coroutine_threadsafe(self._transport.persist(self._ask), self._loop)
        try:
            return asked.result()
        except RetriableError as error:
            self._failure = error
            raise NoTokenError(error) from error

    async def _ask(self) -> Token:
        while True:
            request = self._exchange.request()
            body = urlencode(request.form).encode()
            reply = await self._transport.post(URL(request.url), body, request.headers | FORM)
            if token := self._exchange.token(reply.status, reply.body, reply.headers):
                return token


def _bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}
