"""A request that a fault may strike: what is known of it, its true reply, and how to end it."""

from __future__ import annotations

import asyncio
import typing as t
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainfocus_sandbox.api.envelopes import JSON, Envelope
from rainfocus_sandbox.api.log import entry_of
from rainfocus_sandbox.faults.hangup import HANG_UP

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class TrueReply:
    """What the sandbox would answer if all were well."""

    start: Message
    body: bytes


class Exchange:
    """A request and the ways to answer it.

    Attributes:
        request: The request.
        call: The name of the call.
        profile: The name of the caller's profile; empty if the credentials are not good.
        event: The code of the event; empty if there is no such event.
    """

    def __init__(self, app: ASGIApp, call: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Stand between `app` and the client who makes `call`."""
        self.request = Request(scope, receive)
        self.call = call
        self.profile = ""
        self.event = ""
        self._entry = entry_of(scope)
        self._app = app
        self._scope = scope
        self._receive = receive
        self._send = send
        self._true_reply: TrueReply | None = None

    async def body(self) -> Mapping[str, t.Any]:
        """Return the JSON object sent; an empty one if it is something else."""
        try:
            found = orjson.loads(await self.request.body())
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}

    async def true_reply(self) -> TrueReply:
        """Carry the request out, if it is not yet, and return the reply."""
        if self._true_reply is None:
            self._true_reply = await self._carry_out(self._scope)
        return self._true_reply

    async def page(self) -> dict[str, t.Any] | None:
        """Return the page that a search would answer; none if it would be refused."""
        return _page(await self.true_reply())

    async def page_of(self, size: int) -> dict[str, t.Any]:
        """Return the page if it had been asked with another size."""
        query = dict(parse_qsl(self._scope["query_string"].decode(), keep_blank_values=True))
        query["pageSize"] = str(size)
        asked = {**self._scope, "query_string": urlencode(query).encode()}
        return _page(await self._carry_out(asked)) or {}

    async def pass_on(self) -> None:
        """Answer as if all were well."""
        if self._true_reply is None:
            await self._app(self._scope, await self._replay(), self._send)
        else:
            await self._send_raw(self._true_reply.start, self._true_reply.body)

    async def answer(self, response: Response, code: str = "") -> None:
        """Answer something else, which carries nothing out."""
        self._enter(code)
        self._entry.records = 0
        await response(self._scope, self._receive, self._send)

    async def refuse(self, reply: Envelope) -> None:
        """Answer an error envelope."""
        await self.answer(Response(reply.body, reply.status, media_type=JSON), reply.code)

    async def answer_page(self, page: dict[str, t.Any]) -> None:
        """Answer another page than the true one."""
        self._entry.records = len(page["results"])
        response = Response(orjson.dumps(page), media_type=JSON)
        await response(self._scope, self._receive, self._send)

    async def cut(self) -> None:
        """Announce all of the true reply, send half, and close the connection."""
        reply = await self.true_reply()
        await self._send_raw(reply.start, reply.body[: len(reply.body) // 2], more_body=True)
        await self._send({"type": HANG_UP})

    async def truncate(self) -> None:
        """Answer half of the true reply as if that were all."""
        reply = await self.true_reply()
        half = Response(reply.body[: len(reply.body) // 2], reply.start["status"], media_type=JSON)
        await half(self._scope, self._receive, self._send)

    async def hang_up(self) -> None:
        """Close the connection without a reply."""
        self._enter("")
        await self._send({"type": HANG_UP})

    async def client_leaves_within(self, seconds: float) -> bool:
        """Wait for `seconds`, or until the client has closed the connection."""
        try:
            async with asyncio.timeout(seconds):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        return True

    def _enter(self, code: str) -> None:
        """Enter into the log what `app`, if asked at all, would find out, and the code."""
        entry = self._entry
        entry.call, entry.profile, entry.event = self.call, self.profile, self.event
        entry.code = code

    async def _carry_out(self, scope: Scope) -> TrueReply:
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        await self._app(scope, await self._replay(), keep)
        return TrueReply(sent[0], b"".join(message.get("body", b"") for message in sent[1:]))

    async def _replay(self) -> Receive:
        """Return a `receive` that starts with the body, which has been read already."""
        waiting: list[Message] = [{"type": "http.request", "body": await self.request.body()}]

        async def receive() -> Message:
            return waiting.pop() if waiting else await self._receive()

        return receive

    async def _send_raw(self, start: Message, body: bytes, *, more_body: bool = False) -> None:
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": more_body})


def _page(reply: TrueReply) -> dict[str, t.Any] | None:
    page: dict[str, t.Any] = orjson.loads(reply.body)
    return page if "results" in page else None
