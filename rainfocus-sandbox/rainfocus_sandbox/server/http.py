"""The HTTP server: uvicorn on a socket of 127.0.0.1."""

from __future__ import annotations

import socket
import typing as t
from contextlib import suppress

import uvicorn

from rainfocus_sandbox.data.store import Store
from rainfocus_sandbox.errors import SandboxError
from rainfocus_sandbox.faults.faults import Faults
from rainfocus_sandbox.faults.hangup import HangUpProtocol
from rainfocus_sandbox.seed import Sizes, seed
from rainfocus_sandbox.server.app import create_app
from rainfocus_sandbox.webhooks.activities import Pushes

if t.TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
DEFAULT_PORT = 8765


class SandboxServer(uvicorn.Server):
    """The server over a store."""

    def __init__(self, store: Store) -> None:
        """Serve `store`, without an access log: its query strings would hold e-mail addresses."""
        self.faults = Faults()
        self.pushes = Pushes(store)
        app = create_app(store, self.faults, self.pushes, self.stop, self.date)
        super().__init__(
            uvicorn.Config(
                app,
                http=HangUpProtocol,
                access_log=False,
                log_config=None,
                timeout_graceful_shutdown=1,
                ws="none",
            )
        )

    def stop(self) -> None:
        """Finish what is being answered, then end."""
        self.should_exit = True

    def date(self) -> str:
        """Return the `Date` that replies carry now."""
        return dict(self.server_state.default_headers)[b"date"].decode()


def listen(port: int) -> socket.socket:
    """Return a socket that listens on `port`, or on any free one for 0.

    Connections inherit TCP_NODELAY from it; asyncio sets that only on sockets it made itself, and
    without it each small reply waits 40 ms for an acknowledgement.

    Raises:
        SandboxError: The port is taken.
    """
    try:
        listening = socket.create_server((HOST, port), backlog=512)
    except OSError as error:
        raise port_taken(port) from error
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def port_taken(port: int) -> SandboxError:
    """Return the error about a port that something else holds."""
    return SandboxError(
        f"port {port} is taken by something that is not a sandbox: "
        "stop that, or choose another port with --port"
    )


def open_seeded(database: Path, sizes: Sizes) -> Store:
    """Open `database`, and seed it if nothing is in it."""
    store = Store(database)
    try:
        if not store.seeded():
            seed(store, sizes)
    except BaseException:
        store.close()
        raise
    return store


def serve(database: Path, port: int, sizes: Sizes) -> None:
    """Serve `database` until told to stop.

    The port is taken before the seeding, so that two servers never seed one database.
    """
    with (
        listen(port) as listening,
        open_seeded(database, sizes) as store,
        suppress(KeyboardInterrupt),
    ):
        SandboxServer(store).run(sockets=[listening])
