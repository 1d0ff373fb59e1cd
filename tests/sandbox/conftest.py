from __future__ import annotations

import random
import socket
import subprocess
import sys
import typing as t
from contextlib import suppress

import pytest
import requests
from rainfocus_sandbox.seed import seed
from rainfocus_sandbox.testing import SMALL, RunningSandbox, running

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running(tmp_path_factory.mktemp("sandbox") / "sandbox.db") as running_sandbox:
        yield running_sandbox


@pytest.fixture
def sandbox(running_sandbox: RunningSandbox) -> RunningSandbox:
    """The sandbox of this session, as if fresh."""
    running_sandbox.faults.clear()
    seed(running_sandbox.store, SMALL)
    return running_sandbox


@pytest.fixture
def get(sandbox: RunningSandbox) -> Callable[..., requests.Response]:
    """Call the API with GET: `get("attendee/search", event="summit25")`."""

    def call(
        call: str, *, headers: dict[str, str] | None = None, **query: str | int
    ) -> requests.Response:
        return requests.get(
            f"{sandbox.api_url}/acme/v3/{call}",
            params=query,
            headers={"apiProfile": sandbox.api_profile} if headers is None else headers,
            timeout=10,
        )

    return call


@pytest.fixture
def post(sandbox: RunningSandbox) -> Callable[..., requests.Response]:
    """Call the API with POST for summit26: `post("attendee/store", {"email": ...})`."""

    def call(call: str, body: object, **query: str) -> requests.Response:
        return requests.post(
            f"{sandbox.api_url}/acme/v3/{call}",
            params=query or {"event": "summit26"},
            json=body,
            headers={"apiProfile": sandbox.api_profile},
            timeout=10,
        )

    return call


@pytest.fixture
def get_token(sandbox: RunningSandbox) -> Callable[[], str]:
    """Sign in with the client credentials."""

    def call() -> str:
        reply = requests.post(
            sandbox.token_url,
            data={"grant_type": "client_credentials"},
            auth=(sandbox.client_id, sandbox.client_secret),
            timeout=10,
        )
        return str(reply.json()["access_token"])

    return call


@pytest.fixture
def port() -> int:
    """A free port, below those that other tests at the same time are given by the system."""
    draw = random.SystemRandom()  # the other is seeded anew for each test
    while True:
        number = draw.randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", number)):
            return number


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "made" / "sandbox.db"


@pytest.fixture
def command(database: Path, port: int) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Run the command on `database` and `port`, and stop what it leaves running."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "rainfocus_sandbox",
                f"--database={database}",
                f"--port={port}",
                *arguments,
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    yield run
    run("stop")
