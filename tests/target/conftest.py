from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import typing as t
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiohttp import web
from rainfocus_sandbox.seed import Sizes
from rainfocus_sandbox.testing import running
from target_rainfocus_attendees.__main__ import main

if t.TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from email.message import Message

    from rainfocus_sandbox.testing import RunningSandbox

    from tests.conftest import HTTPServing, InProcess, Postgres

Json: t.TypeAlias = dict[str, t.Any]

LOGGER = logging.getLogger("loop server")
EVENT = "summit26"
COMMAND = [sys.executable, "-m", "target_rainfocus_attendees"]
TEXT = {"type": ["string", "null"]}
FIELDS = ("email", "firstname", "lastname", "companyname", "jobtitle", "city")
SCHEMA = {
    "type": "SCHEMA",
    "stream": "people",
    "key_properties": [],
    "schema": {"properties": dict.fromkeys(FIELDS, TEXT)},
}


class Ended(t.NamedTuple):
    """How a run of the command ended."""

    code: int
    states: list[Json]
    log: str

    def lines(self, level: str) -> list[str]:
        return [line for line in self.log.splitlines() if f"| {level} " in line]

    @property
    def error(self) -> str:
        errors = self.lines("ERROR")
        assert len(errors) == 1, self.log
        assert "Traceback" not in self.log, self.log
        assert re.search(r" \[RF-\d{3}\]$", errors[0]), self.log
        return errors[0]

    @property
    def summary(self) -> str:
        (line,) = (line for line in self.lines("INFO") if "Attendee Store" in line)
        return line.partition("| Attendee Store ")[2]

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of the summary line that are not 0."""
        parts = self.summary.partition(": ")[2].partition(" in ")[0].split(", ")
        numbers = {word: int(n.replace(",", "")) for n, word in (part.split() for part in parts)}
        return {word: number for word, number in numbers.items() if number}


def record(email: object, **fields: object) -> Json:
    return {"type": "RECORD", "stream": "people", "record": {"email": email, **fields}}


def state(value: int) -> Json:
    return {"type": "STATE", "value": {"n": value}}


def _lines(messages: Iterable[Json | str]) -> str:
    return "".join(f"{m if isinstance(m, str) else json.dumps(m)}\n" for m in messages)


class Singer(t.NamedTuple):
    """The making of input."""

    schema: Json
    record: Callable[..., Json]
    state: Callable[[int], Json]


@pytest.fixture
def singer() -> Singer:
    return Singer(SCHEMA, record, state)


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Undo what a target in this process does to signals and logging."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    factory = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sizes = Sizes(attendees=5, sessions=5, exhibitors=2, leads=2, speakers=2)
    with running(tmp_path / "sandbox.db", sizes=sizes) as started:
        yield started


@pytest.fixture
def settings(sandbox: RunningSandbox) -> Json:
    return {
        "org_id": sandbox.org_id,
        "api_url": sandbox.api_url,
        "token_url": sandbox.token_url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "event_code": EVENT,
    }


@pytest.fixture
def stored(sandbox: RunningSandbox) -> Callable[[], dict[str, Json]]:
    """What this test has stored, by e-mail address."""
    before = {attendee["email"] for attendee in sandbox.store.attendees(EVENT)}

    def read() -> dict[str, Json]:
        attendees = sandbox.store.attendees(EVENT)
        return {a["email"]: a for a in attendees if a["email"] not in before}

    return read


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """One table in PostgreSQL serves all tests: the address of the store tells them apart."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return f"postgresql+psycopg://{server.user}@{server.host}:{server.port}/{server.database}"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command; what still runs after the test is ended."""
    started: list[subprocess.Popen[str]] = []

    def start(settings: Json | None, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(settings))
        process = subprocess.Popen(
            [*COMMAND, "--config", str(config) if settings is not None else "ENV", *arguments],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def run(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., Ended]:
    def run(messages: Iterable[Json | str], settings: Json | None, **environment: str) -> Ended:
        with start(settings, **environment) as process:
            out, log = process.communicate(_lines(messages), timeout=30)
        return Ended(process.returncode, [json.loads(line) for line in out.splitlines()], log)

    return run


@pytest.fixture
def call(tmp_path: Path, in_process: InProcess) -> Callable[..., Ended]:
    """Run the command in this process, on messages or a file of them."""

    def call(messages: Iterable[Json | str] | Path, settings: Json | None) -> Ended:
        config, text = tmp_path / "config.json", tmp_path / "input.singer"
        config.write_text(json.dumps(settings))
        given = str(config) if settings is not None else "ENV"
        if isinstance(messages, Path):
            text = messages
        else:
            text.write_text(_lines(messages))
        code, out, log = in_process(main, "--config", given, "--input", str(text))
        return Ended(code, [json.loads(line) for line in out.splitlines()], log)

    return call


def settings_for(url: str) -> Json:
    return {
        "org_id": "acme",
        "api_url": f"{url}/api",
        "token_url": f"{url}/oidc/token",
        "client_id": "someone",
        "client_secret": "hush-hush-secret",
        "event_code": EVENT,
    }


class Script:
    """A server that answers `attendee/store` as a test says; the sandbox never misbehaves."""

    def __init__(self, answer: Callable[[Script, Json], tuple[int, Json, dict[str, str]]]) -> None:
        self.answer = answer
        self.bodies: list[Json] = []
        self.contents: list[bytes] = []
        self.tokens = 0
        self.queries: list[str] = []
        self.lock = threading.Lock()

    @property
    def settings(self) -> Json:
        return settings_for(self.url)

    url = ""


class Post(t.NamedTuple):
    """A POST as a server saw it."""

    path: str
    query: str
    headers: Message
    content: bytes


class Posts:
    """Runs a server that answers each POST with status, body and headers, or hangs up."""

    def __init__(self, serve_http: HTTPServing) -> None:
        self._serve_http = serve_http

    @contextmanager
    def __call__(
        self, answer: Callable[[Post], tuple[int, bytes, dict[str, str]] | None]
    ) -> Iterator[str]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                path, _, query = self.path.partition("?")
                reply = answer(Post(path, query, self.headers, content))
                if reply is None:
                    self.close_connection = True
                    return
                status, body, headers = reply
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != HTTPStatus.NO_CONTENT:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        with self._serve_http(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
            yield url

    settings = staticmethod(settings_for)


@pytest.fixture
def posts(serve_http: HTTPServing) -> Posts:
    return Posts(serve_http)


@pytest.fixture
def script(posts: Posts) -> Callable[..., t.ContextManager[Script]]:
    @contextmanager
    def serve(
        answer: Callable[[Script, Json], tuple[int, Json, dict[str, str]]],
    ) -> Iterator[Script]:
        script = Script(answer)

        def respond(post: Post) -> tuple[int, bytes, dict[str, str]]:
            headers: dict[str, str] = {}
            if post.path.endswith("/oidc/token"):
                with script.lock:
                    script.tokens += 1
                status, body = 200, {"access_token": f"token-{script.tokens}"}
            else:
                sent = json.loads(post.content)
                with script.lock:
                    script.bodies.append(sent)
                    script.contents.append(post.content)
                    script.queries.append(post.query)
                authorization = post.headers.get("Authorization", "")
                status, body, headers = script.answer(script, sent | {"_": authorization})
            return status, json.dumps(body).encode(), headers

        with posts(respond) as script.url:
            yield script

    return serve


Reply: t.TypeAlias = tuple[int, Json, dict[str, str]]


class LoopServer:
    """An Attendee Store in memory, in a loop of its own: for what threads are too slow for.

    Everything but `url` and what is read after the run belongs to the loop.
    """

    def __init__(self, answer: Callable[[LoopServer, Json], Awaitable[Reply]]) -> None:
        self.answer = answer
        self.people: dict[str, Json] = {}
        self.bodies: list[Json] = []
        self.in_flight = 0
        self.tokens = 0
        self.url = ""

    @property
    def settings(self) -> Json:
        return settings_for(self.url)

    def keep(self, body: Json) -> Reply:
        """Store a profile as RainFocus would."""
        self.people.setdefault(body["email"].strip().lower(), {}).update(body)
        return 200, {"responseCode": "0"}, {}

    async def open(self) -> None:
        LOGGER.disabled = False
        server = web.Server(self._handle, access_log=None, logger=LOGGER)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def close(self) -> None:
        """Hang up on everybody, and listen no more."""
        LOGGER.disabled = True
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if request.path.endswith("/oidc/token"):
            self.tokens += 1
            return web.json_response({"access_token": "token"})
        body = await request.json()
        self.bodies.append(body)
        self.in_flight += 1
        try:
            status, reply, headers = await self.answer(self, body)
        finally:
            self.in_flight -= 1
        return web.json_response(reply, status=status, headers=headers)


async def _keep(server: LoopServer, body: Json) -> Reply:
    return server.keep(body)


@pytest.fixture
def loop_server() -> Callable[..., t.ContextManager[LoopServer]]:
    @contextmanager
    def serve(
        answer: Callable[[LoopServer, Json], Awaitable[Reply]] = _keep,
    ) -> Iterator[LoopServer]:
        server, ended = LoopServer(answer), asyncio.Event()
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_run, args=(loop, server, ended))
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(server.open(), loop).result()
            yield server
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join()

    return serve


def _run(loop: asyncio.AbstractEventLoop, server: LoopServer, ended: asyncio.Event) -> None:
    """Run a server until its end; then none of its tasks is left, answered or not."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(ended.wait())
        runner.run(server.close())
