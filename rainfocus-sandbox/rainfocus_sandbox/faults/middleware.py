"""Middleware in which the faults strike."""

from __future__ import annotations

import asyncio
import math
import typing as t
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

from starlette.responses import Response

from rainfocus_sandbox.api import envelopes
from rainfocus_sandbox.api.calls import CALLS
from rainfocus_sandbox.api.endpoint import call_of, is_bearer, profile_of
from rainfocus_sandbox.api.envelopes import RefusalError
from rainfocus_sandbox.api.oauth import client_credentials
from rainfocus_sandbox.data.customer import PROFILES
from rainfocus_sandbox.faults.exchange import Exchange
from rainfocus_sandbox.faults.faults import PAGE_KINDS, TOKEN_CALL
from rainfocus_sandbox.faults.pages import bent_page, can_bend

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from rainfocus_sandbox.data.store import Store
    from rainfocus_sandbox.faults.faults import ArmedFault, Fault, Faults

_HTML = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


class FaultGate:
    """Lets requests pass to an application, unless a fault strikes."""

    def __init__(self, app: ASGIApp, store: Store, faults: Faults, date: Callable[[], str]) -> None:
        """Guard `app` over `store`; `date` is the `Date` of replies."""
        self._app = app
        self._store = store
        self._faults = faults
        self._date = date

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, rightly or not."""
        if not self._faults.armed:
            await self._app(scope, receive, send)
            return
        if delay := self._faults.delay():
            await asyncio.sleep(delay)
        call = _call_of(scope)
        waiting = self._faults.waiting(call) if call else []
        if not (call and waiting):
            await self._app(scope, receive, send)
            return
        exchange = Exchange(self._app, call, scope, receive, send)
        await self._identify(exchange)
        fault = await self._choose(waiting, exchange)
        if fault is None:
            await exchange.pass_on()
        else:
            await self._strike(fault, exchange)

    async def _identify(self, exchange: Exchange) -> None:
        """Find out who calls and for which event."""
        request = exchange.request
        if exchange.call == TOKEN_CALL:
            exchange.profile = await _profile_of_client(request)
            return
        event = request.query_params.get("event", (await exchange.body()).get("event"))
        try:
            profile = profile_of(self._store, request)
        except RefusalError:
            return
        exchange.profile = profile.name
        event = event or profile.event
        if isinstance(event, str) and self._store.has_event(event):
            exchange.event = event

    async def _choose(self, waiting: list[ArmedFault], exchange: Exchange) -> Fault | None:
        for armed in waiting:
            if await _suits(armed.fault, exchange) and self._faults.strike(armed):
                return armed.fault
        return None

    async def _strike(self, fault: Fault, exchange: Exchange) -> None:
        match fault.kind:
            case "retry_after_seconds" | "retry_after_date" | "server_error" | "html":
                await exchange.answer(self._page_for_people(fault))
            case "drop":
                await exchange.hang_up()
            case "drop_after":
                await exchange.true_reply()
                await exchange.hang_up()
            case "cut":
                await exchange.cut()
            case "truncated_json":
                await exchange.truncate()
            case "slow":
                await exchange.true_reply()
                if await exchange.client_leaves_within(fault.seconds):
                    await exchange.hang_up()
                else:
                    await exchange.pass_on()
            case kind if kind in PAGE_KINDS:
                await exchange.answer_page(await bent_page(kind, exchange))
            case _:
                await exchange.refuse(await self._refusal(fault, exchange))

    def _page_for_people(self, fault: Fault) -> Response:
        """Return a reply that is not JSON."""
        wait = math.ceil(fault.seconds)
        match fault.kind:
            case "retry_after_seconds":
                status, title, headers = 429, "Too Many Requests", {"Retry-After": str(wait)}
            case "retry_after_date":
                then = parsedate_to_datetime(self._date()) + timedelta(seconds=wait)
                date = format_datetime(then, usegmt=True)
                status, title, headers = 429, "Too Many Requests", {"Retry-After": date}
            case "html":
                status, title, headers = 200, "Maintenance", {}
            case _:
                status, title, headers = fault.status, f"Error {fault.status}", {}
        return Response(_HTML.format(title), status, headers, media_type="text/html")

    async def _refusal(self, fault: Fault, exchange: Exchange) -> envelopes.Envelope:
        """Return the error envelope of `fault`."""
        match fault.kind:
            case "expired_token":
                self._store.expire_tokens()
                refusal = envelopes.bad_token()
            case "wrong_environment":
                refusal = envelopes.wrong_environment()
            case "denied":
                refusal = envelopes.denied(CALLS[exchange.call].endpoint)
            case "unknown_event":
                refusal = envelopes.unknown_event()
            case kind:
                body = await exchange.body()
                email = body.get("email") or body.get("email_lc_sha256", "")
                refusal = RefusalError(
                    200 if kind == "refuse_200" else 400, fault.code, f"Refused on demand: {email}"
                )
        return refusal.reply


def _call_of(scope: Scope) -> str | None:
    if scope["path"] == f"/{TOKEN_CALL}":
        return TOKEN_CALL if scope["method"] == "POST" else None
    return call_of(scope)


async def _suits(fault: Fault, exchange: Exchange) -> bool:
    """Tell whether this request, of a call that the fault is about, is one that it can strike."""
    if fault.profile not in {None, exchange.profile}:
        return False
    if fault.kind == "expired_token":
        return is_bearer(exchange.request) and bool(exchange.profile)
    return fault.kind not in PAGE_KINDS or await can_bend(fault.kind, exchange)


async def _profile_of_client(request: Request) -> str:
    client_id, _ = await client_credentials(request)
    return next((p.name for p in PROFILES if p.client_id and p.client_id == client_id), "")
