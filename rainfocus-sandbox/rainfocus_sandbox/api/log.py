"""Middleware that writes each API call into the API log."""

from __future__ import annotations

import time
import typing as t

from rainfocus_sandbox.data.clock import now_ms
from rainfocus_sandbox.data.store import LoggedCall
from rainfocus_sandbox.faults.hangup import HANG_UP

if t.TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from rainfocus_sandbox.data.store import Store

_KEY = "rainfocus_sandbox.call"


class ApiLog:
    """Logs what passes through; the parts inside fill in what they find out about the call."""

    def __init__(self, app: ASGIApp, store: Store) -> None:
        """Log the calls of `app` in `store`."""
        self._app = app
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and log it, before the reply leaves or when there is none."""
        entry = LoggedCall(time_ms=now_ms(), method=scope["method"])
        scope[_KEY] = entry
        started = time.perf_counter()

        is_logged = False

        def log() -> None:
            nonlocal is_logged
            if is_logged:
                return
            is_logged = True
            entry.milliseconds = round((time.perf_counter() - started) * 1000, 3)
            self._store.log_call(entry)

        async def send_logged(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
                log()
            elif message["type"] == HANG_UP:
                log()
            await send(message)

        try:
            await self._app(scope, receive, send_logged)
        finally:
            log()


def entry_of(scope: Scope) -> LoggedCall:
    """Return the log entry of the request, to be filled in."""
    return t.cast("LoggedCall", scope[_KEY])
