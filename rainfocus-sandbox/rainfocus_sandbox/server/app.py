"""The ASGI application."""

from __future__ import annotations

import asyncio
import typing as t
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.routing import Route

from rainfocus_sandbox.api.catalogue import CatalogueApi
from rainfocus_sandbox.api.endpoint import Api, not_found
from rainfocus_sandbox.api.log import ApiLog
from rainfocus_sandbox.api.oauth import TokenEndpoint
from rainfocus_sandbox.faults.middleware import FaultGate
from rainfocus_sandbox.faults.routes import fault_routes
from rainfocus_sandbox.server.routes import control_routes
from rainfocus_sandbox.webhooks.routes import push_routes
from rainfocus_sandbox.webhooks.sender import Pusher

if t.TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from rainfocus_sandbox.data.store import Store
    from rainfocus_sandbox.faults.faults import Faults
    from rainfocus_sandbox.webhooks.activities import Pushes

_COMMIT_INTERVAL_S = 0.05


def create_app(
    store: Store,
    faults: Faults,
    pushes: Pushes,
    stop: Callable[[], None],
    date: Callable[[], str],
) -> Starlette:
    """Return the application over `store`, with `faults` and `pushes`.

    `stop` is what `POST /sandbox/stop` calls, `date` returns the `Date` of replies.

    Replies do not wait for the disk: what is written is committed on a timer, and a sandbox that
    is killed loses at most the last 50 ms. Whoever reads through the server sees it at once.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(_commit_regularly(store)),
            asyncio.create_task(Pusher(pushes.outbox).run()),
        ]
        yield
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        store.commit()

    async def answer_not_found(_request: Request, _error: Exception) -> Response:
        return not_found()

    def guarded(inner: ASGIApp) -> ASGIApp:
        return ApiLog(FaultGate(inner, store, faults, date), store)

    app = Starlette(
        routes=[
            Route("/oidc/token", guarded(TokenEndpoint(store, faults))),
            Route("/api/{call}", guarded(CatalogueApi(store))),
            Route("/api/{path:path}", guarded(Api(store))),
            *control_routes(store, faults, stop),
            *fault_routes(faults),
            *push_routes(pushes),
        ],
        exception_handlers={404: answer_not_found},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


async def _commit_regularly(store: Store) -> None:
    while True:
        await asyncio.sleep(_COMMIT_INTERVAL_S)
        store.commit()
