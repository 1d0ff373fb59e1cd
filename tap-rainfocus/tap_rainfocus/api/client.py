"""Asks the API of an organisation: one client, with one token, for all streams."""

from __future__ import annotations

import typing as t

from rainfocus_client.auth import ApiProfile, TokenExchange, TokenKeeper
from rainfocus_client.lenient_json import parse_body

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rainfocus_client.auth import Credentials, Token
    from rainfocus_client.connection import Connection

    from tap_rainfocus.api.sender import Answer, Sender

Params: t.TypeAlias = "Mapping[str, str | int]"


class RainFocusClient:
    """Makes calls with credentials. Safe to use from threads."""

    def __init__(self, connection: Connection, credentials: Credentials, sender: Sender) -> None:
        """Prepare; nothing is sent yet."""
        self._connection = connection
        self._credentials = credentials
        self._sender = sender
        if not isinstance(credentials, ApiProfile):
            self._exchange = TokenExchange(credentials, connection.token_url)
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
            self._sender.keep_pace(rest)
            return self._sender.send("GET", url, self._credentials.headers(), params=params)
        token = self._tokens.get(refused=refused)
        identity = {"Authorization": f"Bearer {token}"}
        self._sender.keep_pace(rest)
        return self._sender.send("GET", url, identity, token, params=params)

    def _fetch_token(self) -> Token:
        while True:
            request = self._exchange.request()
            self._sender.keep_pace()
            answer = self._sender.send("POST", request.url, request.headers, data=request.form)
            token = self._exchange.token(answer.status, parse_body(answer.content), answer.headers)
            if token:
                return token
