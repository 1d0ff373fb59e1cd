"""The HTTP server: uvicorn, silent about requests, since their paths hold a secret."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import typing as t
from contextlib import closing, contextmanager

import uvicorn
from rainfocus_client.errors import SettingsError
from rainfocus_client.troubles import Trouble

from tap_rainfocus.inbox.store import Inbox
from tap_rainfocus.receiver.http.app import BODY_TIMEOUT, create_app
from tap_rainfocus.receiver.http.protocol import GuardedProtocol, limit_connections
from tap_rainfocus.receiver.settings import PREFIX

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from tap_rainfocus.receiver.settings import Settings

LOGGER = logging.getLogger("rainfocus-receiver")

BACKLOG = 512
GRACE = 20
"""Seconds that requests have to end after the signal to stop."""


class ReceiverServer(uvicorn.Server):
    """The receiver over an inbox."""

    def __init__(
        self, settings: Settings, inbox: Inbox, *, body_timeout: float = BODY_TIMEOUT
    ) -> None:
        """Serve with these settings."""
        super().__init__(
            uvicorn.Config(
                create_app(settings, inbox, body_timeout=body_timeout),
                http=GuardedProtocol,
                ws="none",
                access_log=False,
                log_config=None,
                log_level="warning",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Heed SIGHUP like the others, unless it was to be ignored, as under nohup."""
        with super().capture_signals():
            is_main = threading.current_thread() is threading.main_thread()
            if not is_main or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
                yield
                return
            before = signal.signal(signal.SIGHUP, self.handle_exit)
            try:
                yield
            finally:
                signal.signal(signal.SIGHUP, before)

    def stop(self) -> None:
        """Answer what has been accepted, then end."""
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop at a signal, without passing it on afterwards: this was the way to end it."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.stop()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Its connections inherit TCP_NODELAY, which asyncio sets only on sockets it made itself.

    Raises:
        SettingsError: It cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        # Python adds what it tried to the system's text.
        reason = (error.strerror or "").partition(" (while ")[0]
        msg = f"Cannot listen on {host} port {port}: {reason}. Set {PREFIX}HOST and {PREFIX}PORT."
        raise SettingsError(msg, Trouble.PORT) from error
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def serve(settings: Settings, pid_fd: int | None = None) -> None:
    """Serve until told to stop.

    Args:
        settings: What to serve with.
        pid_fd: The pid file that is to name this process once it listens, open and locked.
    """
    limit_connections()
    with (
        closing(Inbox(settings.inbox_url)) as inbox,
        listen(settings.host, settings.port) as listening,
    ):
        address = _address(listening)
        LOGGER.info("Listening on http://%s/collection/…", address)
        if pid_fd is not None:
            os.write(pid_fd, f"{os.getpid()}\n{address}\n{settings.fingerprint}\n".encode())
        ReceiverServer(settings, inbox).run(sockets=[listening])
    LOGGER.info("Stopped.")


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
