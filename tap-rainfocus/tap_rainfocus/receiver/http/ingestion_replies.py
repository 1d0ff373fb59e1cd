"""Replies in the shapes of Adobe's streaming ingestion, which RainFocus was made to speak with."""

from __future__ import annotations

import itertools
import secrets
import time
import typing as t
from http import HTTPStatus

import orjson

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Send

INLET_ID = "rainfocus"
"""Stands for the inlet in replies; the name in the path is a secret."""

_PROCESS = secrets.token_hex(4)
_NUMBERS = itertools.count(1)


class IngestionReply(t.NamedTuple):
    """A status, a JSON body, and headers beyond those of every reply."""

    status: int
    content: dict[str, t.Any]
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send) -> None:
        """Send it."""
        body = orjson.dumps(self.content)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *self.headers,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Refusal(Exception):  # noqa: N818
    """What a request is refused with."""

    def __init__(self, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        """Refuse with a status and a sentence that may be read by anybody."""
        super().__init__(message)
        title = HTTPStatus(status).phrase
        content = {
            "type": f"urn:rainfocus-receiver:{title.lower().replace(' ', '-')}",
            "status": status,
            "title": title,
            "report": {"message": message},
        }
        self.reply = IngestionReply(status, content, headers)


def single(status: int = HTTPStatus.OK) -> IngestionReply:
    """The reply to a request that has all been kept, with a status of success."""
    received = _now()
    content = {
        "inletId": INLET_ID,
        "xactionId": _xaction_id(received),
        "receivedTimeMs": received,
    }
    return IngestionReply(status, content)


def batch(refusals: Iterable[tuple[int, str] | None]) -> IngestionReply:
    """The reply to a batch: for each message None, or the status and sentence it is given."""
    received = _now()
    content = {
        "inletId": INLET_ID,
        "batchId": _xaction_id(received),
        "receivedTimeMs": received,
        "responses": [
            {"statusCode": refusal[0], "message": refusal[1]}
            if refusal
            else {"xactionId": _xaction_id(received)}
            for refusal in refusals
        ],
    }
    return IngestionReply(HTTPStatus.MULTI_STATUS, content)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _xaction_id(received: int) -> str:
    return f"{received}:{_PROCESS}:{next(_NUMBERS)}"
