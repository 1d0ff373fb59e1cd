"""The sandbox's own calls that set faults."""

from __future__ import annotations

import typing as t

import orjson
from starlette.routing import Route

from rainfocus_sandbox.faults.faults import Fault
from rainfocus_sandbox.server.routes import json_response

if t.TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from rainfocus_sandbox.faults.faults import Faults


def fault_routes(faults: Faults) -> list[Route]:
    """Return the routes below `/sandbox/faults`; each answers the faults that are left."""

    async def left(_request: Request) -> Response:
        return json_response(faults.left())

    async def add(request: Request) -> Response:
        """Set a list of faults instead of those set, or a single one behind them."""
        try:
            asked = orjson.loads(await request.body())
            if isinstance(asked, list):
                faults.replace([Fault(**fields) for fields in asked])
            else:
                faults.add(Fault(**asked))
        except (AttributeError, TypeError, ValueError) as error:
            return json_response({"error": str(error)}, 400)
        return json_response(faults.left())

    async def clear(_request: Request) -> Response:
        faults.clear()
        return json_response(faults.left())

    return [
        Route("/sandbox/faults", left),
        Route("/sandbox/faults", add, methods=["POST"]),
        Route("/sandbox/faults", clear, methods=["DELETE"]),
    ]
