"""How a token is got: where, by which method, and whether for a scope."""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from rainfocus_client.auth import ApiProfile, OAuth, Token, TokenKeeper
from rainfocus_client.errors import AuthenticationError, RainFocusError, SettingsError
from rainfocus_client.troubles import Trouble

from rainfocus_probe.findings import Finding, Verdict, decided
from rainfocus_probe.shapes import shape

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rainfocus_probe.asking import Reply
    from rainfocus_probe.context import Context

USUAL = "{origin}/oidc/token"
"""Where tokens are given out unless `token_url` says otherwise."""

PUBLIC_SCOPE = "openid"
"""The one scope that RainFocus' host publishes (docs/rainfocus-api.md §2.2)."""

_UNKNOWN_CLIENT = "invalid_client"
_WANTS_SCOPE = "invalid_scope"


@dataclass(frozen=True, slots=True)
class _Way:
    """A place and a manner of asking for a token.

    Attributes:
        place: The address, with what is the customer's replaced.
    """

    url: str
    place: str
    method: str
    scope: str | None


@dataclass(frozen=True, slots=True)
class _Got:
    """What a way led to."""

    way: _Way
    token: Token | None
    reply: Reply

    @property
    def error(self) -> str | None:
        """The error's name by RFC 6749, where it is one that helps."""
        error = self.reply.content.get("error")
        return error if error in {_UNKNOWN_CLIENT, _WANTS_SCOPE} else None


def check_token(context: Context) -> Iterator[Finding]:
    """Sign in; from then on the asker has credentials.

    Raises:
        AuthenticationError: A token endpoint knows the credentials not.
        SettingsError: No address is a token endpoint.
    """
    credentials = context.credentials
    if isinstance(credentials, ApiProfile):
        context.asker.credentials = credentials
        return
    tried = []
    for url, place in _places(context).items():
        got = _try_place(context, credentials, url, place)
        tried.append(got)
        if got.token:
            yield from _findings(context, got, tried)
            _sign_in(context, credentials, got)
            return
    if refused := next((got for got in tried if got.error), None):
        msg = (
            f"No token was given at any of {len(tried)} addresses; {refused.way.place} answers "
            f"with {refused.reply.told} and {refused.error}: check client_id, client_secret, "
            "environment and token_scope."
        )
        raise AuthenticationError(msg, Trouble.CREDENTIALS_REFUSED)
    answers = "; ".join(f"{got.way.place}: {got.reply.told}" for got in tried)
    msg = (
        f"None of {len(tried)} addresses gives out tokens ({answers}): set token_url to the one "
        "that came with the credentials, and check api_url."
    )
    raise SettingsError(msg, Trouble.TOKEN_URL)


def _places(context: Context) -> dict[str, str]:
    """The addresses to try, the likeliest first, and how each is told."""
    api, org = context.connection.api_url, context.connection.org_id
    parts = urlsplit(api)
    origin = f"{parts.scheme}://{parts.netloc}"
    guessed = {
        f"{origin}/oidc/token": USUAL,
        f"{origin}/oauth/token": "{origin}/oauth/token",
        f"{origin}/oauth2/token": "{origin}/oauth2/token",
        f"{api}/oauth/token": "{api_url}/oauth/token",
        f"{api}/{org}/oauth/token": "{api_url}/{org_id}/oauth/token",
    }
    own = context.connection.token_url if context.settings.token_url else None
    return ({own: guessed.get(own, "token_url as set")} if own else {}) | guessed


def _try_place(context: Context, credentials: OAuth, url: str, place: str) -> _Got:
    """Ask at an address, in each manner that it may want."""
    own = context.settings.token_scope
    scopes = list(dict.fromkeys([own, None, PUBLIC_SCOPE]))
    named = credentials.auth_method
    methods = ["post", "basic"] if named == "post" else ["basic", "post"]
    best = None
    for scope in scopes:
        for method in methods:
            got = _ask(context, credentials, _Way(url, place, method, scope))
            if got.token or not got.reply.content:
                return got
            best = got if best is None or got.error else best
            if got.error == _WANTS_SCOPE:
                break
        if best is None or best.error != _WANTS_SCOPE:
            break
    return t.cast("_Got", best)


def _ask(context: Context, credentials: OAuth, way: _Way) -> _Got:
    parameters = {key: value for key, value in credentials.parameters.items() if key != "scope"}
    scope = {"scope": way.scope} if way.scope else {}
    asking = OAuth(credentials.client_id, credentials.client_secret, way.method, parameters | scope)
    request = asking.token_request(way.url, way.method)
    reply = context.asker.ask_as_nobody(request.url, request.headers, request.form)
    token = None
    if reply.was_accepted:
        with suppress(RainFocusError):
            token = Token.from_reply(reply.body)
    return _Got(way, token, reply)


def _sign_in(context: Context, credentials: OAuth, got: _Got) -> None:
    """Let the asker use the token, and fetch another in the same way when it has expired."""
    first = [got.token]

    def fetch() -> Token:
        token = first.pop() if first else _ask(context, credentials, got.way).token
        if token is None:
            msg = "No second token was given where the first one was: check the credentials."
            raise AuthenticationError(msg, Trouble.CREDENTIALS_REFUSED)
        return token

    context.asker.credentials = TokenKeeper(fetch)


def _findings(context: Context, got: _Got, tried: list[_Got]) -> Iterator[Finding]:
    way, own = got.way, context.settings
    is_usual = way.place == USUAL
    url = {} if is_usual and own.token_url in {None, way.url} else {"token_url": way.url}
    yield Finding(
        "token_url",
        "tokens are given out at {origin}/oidc/token",
        decided(holds=is_usual),
        f"a token was given at {way.place}",
        tap=url,
        target=url,
        facts={
            "place": way.place,
            "tried": [{"place": one.way.place, **one.reply.facts} for one in tried],
            "reply": shape(got.reply.body),
        },
    )
    is_basic = way.method == "basic"
    is_right = is_basic and own.token_auth_method in {"auto", "basic"}
    method = {} if is_right else {"token_auth_method": way.method}
    yield Finding(
        "token_auth_method",
        "ID and secret are sent by HTTP Basic, or as form fields where that is refused",
        Verdict.VERIFIED,
        "HTTP Basic is taken" if is_basic else "only form fields are taken",
        tap=method,
        target=method,
        facts={"method": way.method},
    )
    scope = {"token_scope": way.scope} if way.scope or own.token_scope else {}
    public = way.scope if way.scope in {None, PUBLIC_SCOPE} else "as set"
    yield Finding(
        "token_scope",
        "no scope is needed",
        decided(holds=way.scope is None),
        "a token was given without one" if way.scope is None else f"with scope {public}",
        tap=scope,
        target=scope,
        facts={"scope": public},
    )
    lives = "expires_in" in got.reply.content
    yield Finding(
        "token_life",
        "the reply says how long a token lives",
        decided(holds=lives),
        "expires_in is there" if lives else "it does not: a new one is asked for every 5 minutes",
        facts={"expires_in": lives},
    )
