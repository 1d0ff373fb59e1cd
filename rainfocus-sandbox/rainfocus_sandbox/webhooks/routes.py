"""The sandbox's own calls that set the Integration Profile, and let things happen."""

from __future__ import annotations

import typing as t

import orjson
from starlette.routing import Route

from rainfocus_sandbox.errors import SandboxError
from rainfocus_sandbox.server.routes import json_response

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from rainfocus_sandbox.webhooks.activities import Pushes


def push_routes(pushes: Pushes) -> list[Route]:
    """Return the routes of the Integration Profile, of the pushes, and of what makes them."""

    def answer_integration() -> Response:
        """Tell where to and by which dataflow, and none of the secrets."""
        found = pushes.outbox.integration()
        return json_response(
            found
            and {"host": found.host, "flow_id": found.flow_id, "has_token": found.token is not None}
        )

    async def integration(_request: Request) -> Response:
        return answer_integration()

    async def set_integration(request: Request) -> Response:
        try:
            pushes.to(**orjson.loads(await request.body()))
        except (TypeError, ValueError, AttributeError) as error:
            return json_response({"error": str(error)}, 400)
        return answer_integration()

    async def remove_integration(_request: Request) -> Response:
        pushes.off()
        return answer_integration()

    async def tally(_request: Request) -> Response:
        return json_response(pushes.tally())

    def route(path: str, happen: Callable[..., list[str]]) -> Route:
        async def answer(request: Request) -> Response:
            """Let it happen; nothing else is answered meanwhile."""
            try:
                made = happen(**orjson.loads(await request.body() or b"{}"))
            except (TypeError, ValueError, SandboxError) as error:
                return json_response({"error": str(error)}, 400)
            return json_response({"transmission_ids": made})

        return Route(path, answer, methods=["POST"])

    return [
        Route("/sandbox/integration", integration),
        Route("/sandbox/integration", set_integration, methods=["POST"]),
        Route("/sandbox/integration", remove_integration, methods=["DELETE"]),
        Route("/sandbox/pushes", tally),
        route("/sandbox/schedule", pushes.schedule),
        route("/sandbox/register", pushes.register),
        route("/sandbox/scan-lead", pushes.scan_lead),
    ]
