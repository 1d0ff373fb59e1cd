"""The sandbox's own calls below `/sandbox/`, which RainFocus does not have."""

from __future__ import annotations

import typing as t
from importlib.metadata import version

import orjson
from starlette.responses import Response
from starlette.routing import Route

from rainfocus_sandbox.seed import Sizes, seed

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from rainfocus_sandbox.store import Store

NAME = "rainfocus-sandbox"


def control_routes(store: Store, stop: Callable[[], None]) -> list[Route]:
    """Return the routes that watch and steer the sandbox; `stop` ends the server."""

    async def health(_request: Request) -> Response:
        return _json({"name": NAME, "version": version(NAME)})

    async def counts(_request: Request) -> Response:
        return _json(store.counts())

    async def log(request: Request) -> Response:
        limit = request.query_params.get("limit", "100")
        if not limit.isdecimal():
            return _json({"error": "limit is not a number"}, 400)
        return _json(store.log(int(limit)))

    async def stop_server(_request: Request) -> Response:
        stop()
        return _json({})

    async def reset(request: Request) -> Response:
        """Seed anew; nothing else is answered meanwhile."""
        seed(store, Sizes(**orjson.loads(await request.body() or b"{}")))
        return _json(store.counts())

    return [
        Route("/sandbox/health", health),
        Route("/sandbox/counts", counts),
        Route("/sandbox/log", log),
        Route("/sandbox/stop", stop_server, methods=["POST"]),
        Route("/sandbox/reset", reset, methods=["POST"]),
    ]


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
