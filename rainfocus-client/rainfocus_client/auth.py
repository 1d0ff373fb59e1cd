"""Who we are to RainFocus: one kind of credentials, and one access token for the whole process."""

from __future__ import annotations

import base64
import threading
import time
import typing as t
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

from rainfocus_client.errors import AuthenticationError, RetriableError, SettingsError
from rainfocus_client.responses import LATER, reply_text
from rainfocus_client.retry import parse_retry_after
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rainfocus_client.settings.declarations import ConnectionSettings

DEFAULT_TOKEN_LIFE = 300.0
"""Seconds a token is used when the server does not say how long it lives (assumed)."""

_RENEW_AHEAD = 60.0
_RENEW_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class ApiProfile:
    """The token of an API profile, sent as the `apiProfile` header (working client, v2)."""

    token: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        """The headers that carry these credentials."""
        return {"apiProfile": self.token}


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A form POST that asks for an access token."""

    url: str
    headers: dict[str, str] = field(repr=False)
    form: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class OAuth:
    """Client credentials of an "OAuth (Global)" profile (AEP destination page).

    How the token is asked for is not public; RFC 6749 §2.3.1 and §4.4 are assumed.
    """

    client_id: str
    client_secret: str = field(repr=False)
    auth_method: str = "auto"
    parameters: Mapping[str, str] = field(default_factory=dict)

    def token_request(self, token_url: str, method: str) -> TokenRequest:
        """The request that exchanges these credentials for a token.

        Args:
            token_url: Where tokens are given out.
            method: How ID and secret get there: `basic`, or `post` in form fields.
        """
        form = {"grant_type": "client_credentials", **self.parameters}
        headers = {"Accept": "application/json"}
        if method == "post":
            form |= {"client_id": self.client_id, "client_secret": self.client_secret}
        else:
            pair = f"{quote(self.client_id, safe='')}:{quote(self.client_secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return TokenRequest(token_url, headers, form)


Credentials: t.TypeAlias = ApiProfile | OAuth


def credentials_from_settings(settings: ConnectionSettings) -> Credentials:
    """Read the credentials: either `api_profile`, or `client_id` and `client_secret`.

    Raises:
        SettingsError: No credentials are set, or both kinds, or only half of one kind.
    """
    api_profile = settings.api_profile
    client_id, client_secret = settings.client_id, settings.client_secret
    if api_profile and (client_id or client_secret):
        msg = (
            "Two kinds of credentials are set: keep either api_profile, "
            "or client_id and client_secret."
        )
        raise SettingsError(msg, Trouble.NO_CREDENTIALS)
    if api_profile:
        if " " in api_profile or not (api_profile.isascii() and api_profile.isprintable()):
            msg = "Setting api_profile holds a character no token has: was it copied whole?"
            raise SettingsError(msg, Trouble.NO_CREDENTIALS)
        return ApiProfile(api_profile)
    if client_id and client_secret:
        scope = {"scope": settings.token_scope} if settings.token_scope else {}
        parameters = scope | dict(settings.token_parameters)
        return OAuth(client_id, client_secret, settings.token_auth_method, parameters)
    if client_id or client_secret:
        msg = "OAuth needs both client_id and client_secret: set the one that is missing."
        raise SettingsError(msg, Trouble.NO_CREDENTIALS)
    msg = "No credentials are set: give client_id and client_secret, or api_profile."
    raise SettingsError(msg, Trouble.NO_CREDENTIALS)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and the moment, in `time.monotonic()` seconds, to replace it."""

    value: str = field(repr=False)
    renew_at: float

    @classmethod
    def from_reply(cls, body: object) -> Token:
        """Read the token endpoint's reply (RFC 6749 §5.1, assumed).

        Raises:
            AuthenticationError: The reply holds no token.
        """
        value = body.get("access_token") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(value, str) or not value:
            msg = "The token endpoint answered without an access_token: check token_url."
            raise AuthenticationError(msg, Trouble.TOKEN_URL)
        try:
            life = float(body.get("expires_in") or DEFAULT_TOKEN_LIFE)
        except (TypeError, ValueError):
            life = DEFAULT_TOKEN_LIFE
        ahead = min(_RENEW_AHEAD, life * _RENEW_SHARE)
        return cls(value, time.monotonic() + life - ahead)


class TokenExchange:
    """Exchanges client credentials for tokens; remembers the way that the endpoint takes."""

    def __init__(self, credentials: OAuth, token_url: str) -> None:
        """With `auto`, HTTP Basic is tried first, then form fields (RFC 6749 §2.3.1)."""
        self._credentials = credentials
        self._token_url = token_url
        method = credentials.auth_method
        self._methods = ["basic", "post"] if method == "auto" else [method]

    def request(self) -> TokenRequest:
        """The request for a token."""
        return self._credentials.token_request(self._token_url, self._methods[0])

    def token(self, status: int, body: object, headers: Mapping[str, str]) -> Token | None:
        """The token in the reply to `request`; None where that is to be made anew at once.

        Raises:
            AuthenticationError: The credentials are not accepted.
            RetriableError: RainFocus is busy or away; the same request may succeed later.
            SettingsError: The token URL is none.
        """
        if len(self._methods) > 1 and _knows_no_client(status, body):
            del self._methods[0]
            return None
        token = judge_token(status, body, headers)
        del self._methods[1:]
        return token


class TokenKeeper:
    """Holds the one token of a process; fetches it when needed, never twice at once."""

    def __init__(self, fetch: Callable[[], Token]) -> None:
        """Keep tokens that `fetch` gets; it may raise any `RainFocusError`."""
        self._fetch = fetch
        self._lock = threading.Lock()
        self._token: Token | None = None

    def current(self) -> str | None:
        """The token in hand if it is still fresh; never fetches, never waits."""
        token = self._token
        return token.value if token and time.monotonic() < token.renew_at else None

    def get(self, *, refused: str | None = None) -> str:
        """A fresh token, fetched if need be.

        Args:
            refused: A token that RainFocus has just refused; it is not given out again.

        Raises:
            AuthenticationError: The credentials are not accepted.
        """
        with self._lock:
            value = self.current()
            if value is None or value == refused:
                self._token = self._fetch()
                value = self._token.value
            return value


def judge_token(status: int, body: object, headers: Mapping[str, str]) -> Token:
    """Give the token in the token endpoint's reply (RFC 6749 §5, assumed).

    Raises:
        AuthenticationError: The credentials are not accepted.
        RetriableError: RainFocus is busy or away; the same request may succeed later.
        SettingsError: The token URL is none.
    """
    call = "the request for a token"
    if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise AuthenticationError(
            reply_text(
                call,
                status,
                None,
                "the credentials are not accepted: check client_id, client_secret, environment, "
                "token_url and token_auth_method.",
            ),
            Trouble.CREDENTIALS_REFUSED,
        )
    if status in LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise RetriableError(
            reply_text(call, status, None, "try again later."),
            Trouble.BUSY,
            parse_retry_after(headers),
        )
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise SettingsError(reply_text(call, status, None, "check token_url."), Trouble.TOKEN_URL)
    if not isinstance(body, dict):
        advice = "the reply is not a JSON object: check token_url."
        raise RetriableError(reply_text(call, status, None, advice), Trouble.TOKEN_URL)
    return Token.from_reply(body)


def _knows_no_client(status: int, body: object) -> bool:
    """Whether an endpoint says that it found no credentials, or not those of a client."""
    error = body.get("error") if isinstance(body, dict) else None
    is_refused = status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED}
    return is_refused and error in {None, "invalid_client", "invalid_request"}
