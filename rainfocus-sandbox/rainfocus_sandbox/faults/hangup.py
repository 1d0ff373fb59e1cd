"""Closing a connection without a reply, which ASGI has no message for."""

from __future__ import annotations

import typing as t

from uvicorn.protocols.http.h11_impl import H11Protocol

if t.TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HANG_UP = "rainfocus_sandbox.hang_up"


class HangUpProtocol(H11Protocol):
    """HTTP for applications that may send the message `HANG_UP` at any point of a reply.

    What was sent before reaches the client, nothing comes after it.
    """

    def connection_made(  # type: ignore[override] # as in the base
        self, transport: asyncio.Transport
    ) -> None:
        """Give the application of this connection the means to close it."""
        super().connection_made(transport)
        self.app = t.cast("t.Any", _hanging_up(t.cast("ASGIApp", self.app), transport))


def _hanging_up(app: ASGIApp, transport: asyncio.Transport) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_or_hang_up(message: Message) -> None:
            if message["type"] != HANG_UP:
                await send(message)
                return
            transport.close()
            # Until uvicorn knows, it would miss the reply and make one of its own.
            while (await receive())["type"] != "http.disconnect":
                pass

        await app(scope, receive, send_or_hang_up)

    return answer
