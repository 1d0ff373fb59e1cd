"""The v3 API: who calls, may they, for which event; then the call itself."""

from __future__ import annotations

import re
import typing as t

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainfocus_sandbox.api.calls import CALLS, Arguments, Call
from rainfocus_sandbox.api.envelopes import (
    JSON,
    Envelope,
    RefusalError,
    bad_body,
    bad_token,
    denied,
    malformed,
    missing,
    unknown_event,
    unknown_profile,
)
from rainfocus_sandbox.api.log import entry_of
from rainfocus_sandbox.data.customer import ORG_ID

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from rainfocus_sandbox.data.customer import APIProfile
    from rainfocus_sandbox.data.store import LoggedCall, Store

_PATH = re.compile(r"/api/[^/]+/v3/(?P<call>[^/]+/[^/]+)")


class Api:
    """Answers everything below `/api/`."""

    def __init__(self, store: Store) -> None:
        """Answer from `store`."""
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        name = call_of(scope)
        if name is None:
            await not_found()(scope, receive, send)
            return
        entry = entry_of(scope)
        entry.call = name
        try:
            reply = await self._answer(CALLS[name], Request(scope, receive), entry)
        except RefusalError as refusal:
            reply = refusal.reply
        entry.code = reply.code
        entry.records = reply.records
        await Response(reply.body, reply.status, media_type=JSON)(scope, receive, send)

    async def _answer(self, call: Call, request: Request, entry: LoggedCall) -> Envelope:
        if request.scope["path"].split("/")[2] != ORG_ID:
            raise malformed(
                parameter="orgId"
            )  # Assumption: a wrong org is a wrong parameter, code 103.
        profile = profile_of(self._store, request)
        entry.profile = profile.name
        if self._store.is_denied(profile.name, entry.call):
            raise denied(call.endpoint)
        body = _json_object(await request.body()) if call.method == "POST" else {}
        entry.event = self._event(profile, request.query_params.get("event", body.get("event")))
        return call.answer(self._store, Arguments(entry.event, request.query_params, body))

    def _event(self, profile: APIProfile, named: object) -> str:
        """Return the event of a call, named by it or given by the profile.

        Assumption: the parameter's name is `event`, in the query or in the body, and a profile
        bound to one event does not see the others.
        """
        code = named or profile.event
        if not code:
            raise missing(parameter="event")
        if (
            not isinstance(code, str)
            or profile.event not in {None, code}
            or not self._store.has_event(code)
        ):
            raise unknown_event()
        return code


def call_of(scope: Scope) -> str | None:
    """Return the name of the call, or nothing when there is no such call."""
    path = _PATH.fullmatch(scope["path"])
    call = CALLS.get(path["call"]) if path else None
    return path["call"] if path and call and call.method == scope["method"] else None


def profile_of(store: Store, request: Request) -> APIProfile:
    """Return the profile behind the Bearer token, else behind the `apiProfile` header.

    Raises:
        RefusalError: There is none.
    """
    if is_bearer(request):
        profile = store.profile_of_access_token(_authorization(request)[1].strip())
        if profile is None:
            raise bad_token()
        return profile
    api_token = request.headers.get("apiprofile")
    if not api_token:
        raise missing(parameter="apiProfile")
    profile = store.profile_of_api_token(api_token)
    if profile is None:
        raise unknown_profile()
    return profile


def is_bearer(request: Request) -> bool:
    """Tell whether the caller uses a Bearer token, good or not."""
    return _authorization(request)[0].lower() == "bearer"


def _authorization(request: Request) -> tuple[str, str]:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme, token


def not_found() -> Response:
    """Answer an unknown path (captured outside `/api`, docs/rainfocus-api.md §3.2).

    Assumption: it is the same below `/api`, and for a known path with another method.
    """
    return Response("Error", 404, headers={"content-type": "text/html"})


def _json_object(body: bytes) -> Mapping[str, t.Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_body() from error
    if not isinstance(found, dict):
        raise bad_body()
    return found
