"""What a connection may take before it has said what it wants: some time, and some memory."""

from __future__ import annotations

import resource
import typing as t
from contextlib import suppress

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if t.TYPE_CHECKING:
    import asyncio

HEAD_TIMEOUT = 30.0
"""Seconds for the head of a request, from its first byte or the connection's beginning."""

MOST_HEAD = 1 << 16
"""Bytes that may come while a head is not complete."""

SPARE_FILES = 64
"""File descriptors that are left for what is not a connection."""


class GuardedProtocol(HttpToolsProtocol):
    """HTTP/1.1 that closes a connection whose head is too slow or too long, or one too many."""

    most_connections = 1000

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience: asyncio.TimerHandle | None = None
        self._head = 0
        if len(self.connections) > self.most_connections:
            transport.abort()
            return
        self._await_head()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self._patience:
            if self._head > MOST_HEAD:
                self.transport.abort()
                return
            self._head += len(data)
        super().data_received(data)

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    @override
    def on_headers_complete(self) -> None:
        self._forget_head()
        super().on_headers_complete()

    def _await_head(self) -> None:
        if self._patience is None:
            self._head = 0
            self._patience = self.loop.call_later(HEAD_TIMEOUT, self.transport.abort)

    def _forget_head(self) -> None:
        if self._patience:
            self._patience.cancel()
            self._patience = None


def limit_connections() -> None:
    """Let as many connections in as there are file descriptors for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = GuardedProtocol.most_connections + SPARE_FILES
    if soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        GuardedProtocol.most_connections = min(wanted, soft) - SPARE_FILES
