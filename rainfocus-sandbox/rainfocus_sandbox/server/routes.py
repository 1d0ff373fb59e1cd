"""The sandbox's own calls below `/sandbox/`, which RainFocus does not have."""

from __future__ import annotations

import os
import typing as t
from importlib.metadata import version

import orjson
from starlette.responses import Response
from starlette.routing import Route

from rainfocus_sandbox.errors import SandboxError
from rainfocus_sandbox.seed import Sizes, seed

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request

    from rainfocus_sandbox.data.store import Store
    from rainfocus_sandbox.faults.faults import Faults

NAME = "rainfocus-sandbox"


def control_routes(store: Store, faults: Faults, stop: Callable[[], None]) -> list[Route]:
    """Return the routes that watch and steer the sandbox; `stop` ends the server."""
    database = full_path(store.database)

    async def health(_request: Request) -> Response:
        return json_response({"name": NAME, "version": version(NAME), "database": database})

    async def counts(_request: Request) -> Response:
        return json_response(store.counts())

    async def log(request: Request) -> Response:
        limit = request.query_params.get("limit", "100")
        if not limit.isdecimal():
            return json_response({"error": "limit is not a number"}, 400)
        return json_response({"summary": store.log_summary(), "calls": store.log(int(limit))})

    async def stop_server(_request: Request) -> Response:
        stop()
        return json_response({})

    async def reset(request: Request) -> Response:
        """Seed anew, without faults; nothing else is answered meanwhile."""
        faults.clear()
        seed(store, Sizes(**orjson.loads(await request.body() or b"{}")))
        return json_response(store.counts())

    return [
        Route("/sandbox/health", health),
        Route("/sandbox/counts", counts),
        Route("/sandbox/log", log),
        Route("/sandbox/stop", stop_server, methods=["POST"]),
        Route("/sandbox/reset", reset, methods=["POST"]),
    ]


def full_path(database: Path) -> str:
    """Return the one absolute path that every name of `database` leads to, as text for JSON.

    Raises:
        SandboxError: The name is relative to a folder that has been deleted.
    """
    try:
        path = os.path.realpath(os.fsencode(database))
    except FileNotFoundError as error:
        message = "this folder has been deleted: name the database in full with --database"
        raise SandboxError(message) from error
    return path.decode(errors="backslashreplace")


def json_response(content: object, status: int = 200) -> Response:
    """Answer `content` as JSON."""
    return Response(orjson.dumps(content), status, media_type="application/json")
