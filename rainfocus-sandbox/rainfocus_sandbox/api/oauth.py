"""The token endpoint: OAuth client credentials."""

from __future__ import annotations

import base64
import typing as t
from urllib.parse import parse_qsl, unquote_plus

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainfocus_sandbox.api.endpoint import not_found
from rainfocus_sandbox.api.envelopes import JSON
from rainfocus_sandbox.api.log import entry_of
from rainfocus_sandbox.data.store import TOKEN_LIFETIME_S

if t.TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from rainfocus_sandbox.data.store import Store
    from rainfocus_sandbox.faults.faults import Faults


class TokenEndpoint:
    """Issues access tokens.

    Assumption: all of it. That OAuth (Global) profiles use client credentials is documented; the
    URL, the way the secret is sent, the lifetime and the replies are not (docs/rainfocus-api.md
    §2.2). The path is the one that the host's OIDC discovery document names, the rest is RFC 6749.
    """

    def __init__(self, store: Store, faults: Faults) -> None:
        """Issue tokens out of `store`, of the life that `faults` says."""
        self._store = store
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        response = await self._answer(request) if request.method == "POST" else not_found()
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        entry_of(request.scope).call = "oidc/token"
        form = await _form(request)
        if form.get("grant_type") != "client_credentials":
            return _json(400, {"error": "unsupported_grant_type"})
        life_s = self._faults.token_life_s
        if life_s is None:
            life_s = TOKEN_LIFETIME_S
        token = self._store.issue_token(*await client_credentials(request), life_s)
        if token is None:
            return _json(401, {"error": "invalid_client"})
        return _json(
            200,
            {"access_token": token, "token_type": "Bearer", "expires_in": int(life_s)},
        )


async def client_credentials(request: Request) -> tuple[str, str]:
    """Return id and secret as sent, in HTTP Basic or in the body."""
    form = await _form(request)
    return _basic(request) or (form.get("client_id", ""), form.get("client_secret", ""))


async def _form(request: Request) -> dict[str, str]:
    body = (await request.body()).decode(errors="replace")
    return dict(parse_qsl(body, keep_blank_values=True))


def _basic(request: Request) -> tuple[str, str] | None:
    """Return id and secret of HTTP Basic, which RFC 6749 §2.3.1 wants form-encoded."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, client_secret = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return "", ""
    return unquote_plus(client_id), unquote_plus(client_secret)


def _json(status: int, content: dict[str, t.Any]) -> Response:
    return Response(orjson.dumps(content), status, media_type=JSON)
