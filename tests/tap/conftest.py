"""The tap as its users run it: the command, against a sandbox, over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import typing as t
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest
from rainfocus_sandbox.testing import running
from tap_rainfocus.__main__ import main
from tap_rainfocus.inbox import store
from tap_rainfocus.receiver.bodies import BodyReader

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import Message
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    from tests.conftest import HTTPServing, InProcess

Settings: t.TypeAlias = dict[str, t.Any]


@dataclass
class Run:
    """What one run of the command left behind."""

    code: int
    output: str
    log: str

    @cached_property
    def messages(self) -> list[dict[str, t.Any]]:
        return [json.loads(line) for line in self.output.splitlines()]

    def records(self, stream: str) -> list[dict[str, t.Any]]:
        return [
            m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream
        ]

    def schema(self, stream: str) -> dict[str, t.Any]:
        return next(
            m["schema"] for m in self.messages if m["type"] == "SCHEMA" and m["stream"] == stream
        )

    @property
    def state(self) -> dict[str, t.Any]:
        states: list[dict[str, t.Any]] = [m["value"] for m in self.messages if m["type"] == "STATE"]
        return states[-1]

    @property
    def errors(self) -> list[str]:
        found = [line for line in self.log.splitlines() if "| ERROR" in line]
        assert all(re.search(r" \[RF-\d{3}\]$", line) for line in found), self.log
        return found


TapRunner: t.TypeAlias = "Callable[..., Run]"
SettingsMaker: t.TypeAlias = "Callable[..., Settings]"
TapStarter: t.TypeAlias = "Callable[..., subprocess.Popen[str]]"
ServerMaker: t.TypeAlias = "Callable[..., Scripted]"
InboxFiller: t.TypeAlias = "Callable[..., None]"


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running(tmp_path_factory.mktemp("sandbox") / "rainfocus.db") as sandbox:
        yield sandbox


@pytest.fixture
def fresh_sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    """A sandbox of its own, for tests that change what is in it."""
    with running(tmp_path / "rainfocus.db") as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def settings_for() -> SettingsMaker:
    def make(sandbox: RunningSandbox, **more: object) -> Settings:
        return {
            "org_id": sandbox.org_id,
            "api_url": sandbox.api_url,
            "token_url": sandbox.token_url,
            "client_id": sandbox.client_id,
            "client_secret": sandbox.client_secret,
            "event_codes": ["summit25"],
            "max_retries": 1,
        } | more

    return make


@pytest.fixture(scope="session")
def settings(sandbox: RunningSandbox, settings_for: SettingsMaker) -> Settings:
    return settings_for(sandbox)


@pytest.fixture(scope="session")
def full_run(run_tap: TapRunner, settings: Settings) -> Run:
    """One undisturbed run of all streams."""
    run = run_tap(settings)
    assert run.code == 0, run.log
    return run


@pytest.fixture(scope="session")
def run_tap(tmp_path_factory: pytest.TempPathFactory, in_process: InProcess) -> TapRunner:
    """Run the command in this process."""
    catalogs: dict[str, dict[str, t.Any]] = {}

    def run(
        config: Settings | None = None,
        *arguments: str,
        state: dict[str, t.Any] | None = None,
        select: list[str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> Run:
        command = [*arguments]
        tmp_path = tmp_path_factory.mktemp("run")
        if config is not None:
            command += ["--config", _file(tmp_path / "config.json", config)]
        if state is not None:
            command += ["--state", _file(tmp_path / "state.json", state)]
        if select is not None:
            shapes = {key: (config or {}).get(key) for key in ("endpoints", "custom_attributes")}
            kind = json.dumps([select, shapes])
            if kind not in catalogs:
                catalogs[kind] = _catalog(select, in_process, *command)
            command += ["--catalog", _file(tmp_path / "catalog.json", catalogs[kind])]
        return Run(*in_process(main, *command, environment=environment))

    return run


def _file(path: Path, content: object) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def _catalog(select: list[str], in_process: InProcess, *arguments: str) -> dict[str, t.Any]:
    found = in_process(main, *arguments, "--discover")
    catalog: dict[str, t.Any] = json.loads(found.out)
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in select
    return catalog


@pytest.fixture(scope="session")
def only_attendees(
    tmp_path_factory: pytest.TempPathFactory, in_process: InProcess
) -> tuple[str, str]:
    """Arguments that select the stream attendees and no other."""
    path = tmp_path_factory.mktemp("catalog") / "catalog.json"
    return "--catalog", _file(path, _catalog(["attendees"], in_process))


@pytest.fixture
def start_tap(tmp_path: Path) -> Iterator[TapStarter]:
    """Start the command and leave it running; what still runs after the test is ended."""
    started: list[subprocess.Popen[str]] = []

    def start(
        config: Settings,
        *arguments: str,
        state: dict[str, t.Any] | None = None,
        program: tuple[str, ...] = ("-m", "tap_rainfocus"),
    ) -> subprocess.Popen[str]:
        folder = tmp_path / f"started{len(started)}"
        folder.mkdir()
        command = [sys.executable, *program, *arguments]
        command += ["--config", _file(folder / "config.json", config)]
        if state is not None:
            command += ["--state", _file(folder / "state.json", state)]
        with (folder / "log").open("w") as log:
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


@pytest.fixture(scope="session")
def fill_inbox() -> InboxFiller:
    """Put what some bodies hold into an inbox, as the receiver does."""

    read = BodyReader()

    def fill(url: str, *bodies: object) -> None:
        with closing(store.Inbox(url)) as opened:
            for body in bodies:
                opened.append(read(json.dumps(body).encode(), "flow"))

    return fill


@dataclass
class Asked:
    """A request as the scripted server saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    form: dict[str, str]


@dataclass
class Scripted:
    """A server that answers as told, and what it was asked."""

    url: str
    asked: list[Asked]

    @property
    def settings(self) -> Settings:
        """Settings for the tap, with OAuth."""
        return {
            "org_id": "acme",
            "api_url": f"{self.url}/api",
            "token_url": f"{self.url}/oidc/token",
            "client_id": "scripted-client",
            "client_secret": "scripted-secret",
            "event_codes": ["summit25"],
            "max_retries": 0,
        }


@pytest.fixture
def scripted(serve_http: HTTPServing) -> Iterator[ServerMaker]:
    """Make a server that answers each request with what a function gives for it.

    That is a status, headers and a body; a body that is not bytes is sent as JSON. Tokens are
    issued without asking the function, unless `tokens` is False.
    """
    with ExitStack() as stack:

        def make(
            answer: Callable[[Asked], tuple[int, dict[str, str], object]],
            *,
            tokens: bool = True,
        ) -> Scripted:
            asked: list[Asked] = []
            handler = _handler(asked, answer, tokens=tokens)
            server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            return Scripted(stack.enter_context(serve_http(server)), asked)

        yield make


def _handler(
    asked: list[Asked],
    answer: Callable[[Asked], tuple[int, dict[str, str], object]],
    *,
    tokens: bool,
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            url = urlsplit(self.path)
            query, form = dict(parse_qsl(url.query)), dict(parse_qsl(sent))
            request = Asked(self.command, url.path, query, self.headers, form)
            asked.append(request)
            if tokens and url.path == "/oidc/token":
                reply: tuple[int, dict[str, str], object] = 200, {}, {"access_token": "tok-en-1"}
            else:
                reply = answer(request)
            status, headers, content = reply
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    return Handler
