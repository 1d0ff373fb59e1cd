"""The ASGI application."""

from __future__ import annotations

import asyncio
import hmac
import logging
import typing as t
from contextlib import asynccontextmanager, suppress
from functools import cache
from http import HTTPStatus
from urllib.parse import parse_qs

from rainfocus_client.errors import StorageError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_rainfocus.inbox.models import Unreadable
from tap_rainfocus.receiver.bodies import (
    MOST_BYTES,
    MOST_MESSAGES,
    BodyReader,
    TooLargeError,
    TooManyMessagesError,
)
from tap_rainfocus.receiver.http import ingestion_replies
from tap_rainfocus.receiver.http.ingestion_replies import IngestionReply, Refusal
from tap_rainfocus.receiver.http.metrics import Depth, Metrics
from tap_rainfocus.receiver.intake import Intake, NoRoomError, Reservation

if t.TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from tap_rainfocus.inbox.models import Message
    from tap_rainfocus.inbox.store import Inbox
    from tap_rainfocus.receiver.settings import Settings

LOGGER = logging.getLogger("rainfocus-receiver")

BODY_TIMEOUT = 30.0
MESSAGE_OVERHEAD = 1024
"""Bytes of memory that a message takes beside its text."""

REMARKS = dict.fromkeys(
    Unreadable, (202, "It is kept, but not read: it is no experience event.")
) | {Unreadable.CUT_OFF: (400, "It ends early: send it again whole. What has come is kept.")}
"""What is said of a message that is no event: a status and a sentence."""

FLOW_ID = b"x-adobe-flow-id"
RETRY_AFTER = (b"retry-after", b"5")
CLOSE = (b"connection", b"close")


def create_app(
    settings: Settings, inbox: Inbox, *, body_timeout: float = BODY_TIMEOUT
) -> Starlette:
    """The application that takes messages into `inbox`."""
    metrics = Metrics()
    intake = Intake(inbox, metrics)
    read_body = BodyReader(settings.payload_key)
    depth = Depth(inbox, metrics)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        committing = asyncio.create_task(intake.run())
        yield
        committing.cancel()
        with suppress(asyncio.CancelledError):
            await committing

    async def health(_request: Request) -> Response:
        try:
            await intake.keep([])
        except StorageError as error:
            content = {"status": "The inbox cannot be written.", "cause": error.cause}
            return JSONResponse(content, 503)
        return JSONResponse({"status": "ok"})

    async def show_metrics(_request: Request) -> Response:
        metrics.unknown(read_body.unknown)
        await asyncio.to_thread(depth.measure)
        return Response(metrics.text(), 200, {"content-type": metrics.content_type})

    async def refuse(_request: Request, error: Exception) -> Response:
        known = t.cast("HTTPException", error)
        reply = Refusal(known.status_code, f"{known.detail}.").reply
        metrics.answered(known.status_code)
        tell_once(known.status_code, "Nothing is taken at this path in this way.")
        return JSONResponse(reply.content, reply.status, known.headers)

    def collection(*, is_batch: bool) -> Collection:
        return Collection(settings, read_body, intake, body_timeout, is_batch=is_batch)

    app = Starlette(
        routes=[
            Route("/collection/{inlet}", collection(is_batch=False)),
            Route("/collection/batch/{inlet}", collection(is_batch=True)),
            Route("/health", health),
            Route("/metrics", show_metrics),
        ],
        exception_handlers={HTTPException: refuse},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


class Collection:
    """Takes what is POSTed; everything is checked in the order in which it costs least."""

    def __init__(
        self,
        settings: Settings,
        read_body: BodyReader,
        intake: Intake,
        body_timeout: float,
        *,
        is_batch: bool,
    ) -> None:
        """Let those in who know the inlet, and the token if there is one."""
        self._inlets = [inlet.encode() for inlet in settings.inlets]
        self._tokens = [token.encode() for token in settings.tokens]
        self._read_body = read_body
        self._intake = intake
        self._metrics = intake.metrics
        self._body_timeout = body_timeout
        self._is_batch = is_batch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            reply = await self._reply(scope, receive)
        except Refusal as refusal:
            reply = refusal.reply
            if not isinstance(refusal.__cause__, StorageError):
                tell_once(reply.status, str(refusal))
        except ClientDisconnect:
            return
        self._metrics.answered(reply.status)
        await reply.send(send)

    async def _reply(self, scope: Scope, receive: Receive) -> IngestionReply:
        headers = dict(scope["headers"])
        self._admit(scope, headers)
        if b"upgrade" in headers:
            # The parser drops the body of such a request.
            raise Refusal(503, "Send it without an Upgrade header.", CLOSE)
        with self._intake.place() as place:
            try:
                body = await self._body(headers, receive, place)
                messages = self._messages(body, scope, headers)
                unfolded = sum(len(message.payload) + MESSAGE_OVERHEAD for message in messages)
                place.take(max(unfolded - len(body), 0))
                if messages:
                    await self._intake.keep(messages)
            except NoRoomError as error:
                raise Refusal(503, "Too many requests wait: try later.", RETRY_AFTER) from error
            except StorageError as error:
                raise Refusal(503, "Try again later.", RETRY_AFTER) from error
        remarks = [REMARKS[message.fault] if message.fault else None for message in messages]
        if self._is_batch:
            return ingestion_replies.batch(remarks)
        told = [remark for remark in remarks if remark]
        status, sentence = max(told, default=(200, ""))
        if status >= HTTPStatus.BAD_REQUEST:
            raise Refusal(status, sentence)
        return ingestion_replies.single(status)

    def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        if not _is_one_of(scope["path_params"]["inlet"].encode(), self._inlets):
            raise Refusal(404, "This inlet is not known.")
        if self._tokens:
            scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
            if not _is_one_of(token.strip(), self._tokens) or scheme.lower() != b"bearer":
                raise Refusal(401, "A Bearer token is wanted.", (b"www-authenticate", b"Bearer"))
        if scope["method"] != "POST":
            raise Refusal(405, "Use POST.", (b"allow", b"POST"))

    def _messages(self, body: bytes, scope: Scope, headers: dict[bytes, bytes]) -> list[Message]:
        if not body or body.isspace():
            raise Refusal(400, "The body is empty.")
        encoding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
        try:
            return self._read_body(body, _flow_id(scope, headers), encoding)
        except TooLargeError as error:
            raise _too_large() from error
        except TooManyMessagesError as error:
            raise Refusal(413, f"More than {MOST_MESSAGES:,} messages.") from error

    async def _body(
        self, headers: dict[bytes, bytes], receive: Receive, place: Reservation
    ) -> bytes:
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            raise _too_large()
        try:
            async with asyncio.timeout(self._body_timeout):
                return b"".join([chunk async for chunk in _chunks(receive, place)])
        except TimeoutError as error:
            raise Refusal(408, "The body took too long.", CLOSE) from error


def _is_one_of(given: bytes, secrets: list[bytes]) -> bool:
    """Whether it is one of these, without telling by the time which."""
    return any([hmac.compare_digest(given, secret) for secret in secrets])  # noqa: C419, all of them


@cache
def tell_once(status: int, why: str) -> None:
    """Tell in the log that a request was refused, at the first of each kind.

    Args:
        status: Of the reply.
        why: A sentence that says nothing of the request.
    """
    told = f"{why[0].lower()}{why[1:]}"
    msg = "A request was refused with %s: %s Others like it are counted in /metrics only."
    LOGGER.warning(msg, status, told)


async def _chunks(receive: Receive, place: Reservation) -> AsyncIterator[bytes]:
    size, more = 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > MOST_BYTES:
            raise _too_large()
        place.take(len(chunk))
        yield chunk
        more = event.get("more_body", False)


def _flow_id(scope: Scope, headers: dict[bytes, bytes]) -> str | None:
    found = headers.get(FLOW_ID, b"").decode("latin-1")
    if not found and FLOW_ID in scope["query_string"].lower():
        query = parse_qs(scope["query_string"].decode("latin-1"))
        names = {name.lower(): values[0] for name, values in query.items()}
        found = names.get(FLOW_ID.decode(), "")
    return found.replace("\0", "") or None


def _too_large() -> Refusal:
    return Refusal(413, f"The body is larger than {MOST_BYTES:,} bytes.")
