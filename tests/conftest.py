"""Shared by all tests: among it a PostgreSQL, Debian's, run on a port of its own."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import typing as t
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from http.server import ThreadingHTTPServer

    HTTPServing = Callable[[ThreadingHTTPServer], t.ContextManager[str]]
    InProcess = Callable[..., "Called"]

# Tests start dozens of commands; without bytecode each would compile all its imports again, and
# without a buffer what goes wrong when one is written out at the end would not show.
for variable in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
    os.environ.pop(variable, None)

REQUIRED = "RAINFOCUS_TEST_POSTGRES"
"""Environment variable of .ci/run: without PostgreSQL the tests fail instead of being skipped."""

PHASES: t.Final = ("setup", "call", "teardown")

HOST = "127.0.0.1"
OWNER = "postgres"


@pytest.fixture(scope="module", autouse=True)
def _spared_what_was_there() -> Iterator[None]:
    """Let the collector look only at what is new: that takes it a millisecond a test."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _nothing_left_behind(
    _spared_what_was_there: None, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Collect garbage: what a test leaves open or pending fails that test, not a later one."""
    yield
    gc.collect()
    told = [
        record.getMessage()
        for when in PHASES
        for record in caplog.get_records(when)
        if record.name == "asyncio" and record.levelno >= logging.ERROR
    ]
    assert told == []


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: a test waits for half of its time."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, half of it in one worker and half in another.

    A worker starts with a row of tests: the first with the first ones, another in the middle.
    """
    pipelines = [item for item in items if "pipelines" in item.path.parts]
    apart = [item for item in pipelines if item.path.stem == "test_activation"]
    others = [item for item in items if item not in pipelines]
    together = [item for item in pipelines if item not in apart]
    before = len(items) // 2 - len(together)
    items[:] = [*together, *others[:before], *apart, *others[before:]]


class Called(t.NamedTuple):
    """How a command ended that was run in this process."""

    code: int
    out: str
    log: str


@pytest.fixture(scope="session")
def in_process() -> InProcess:
    """Run a command's `main` in this process, which takes a tenth of the time of a new one."""

    def call(
        main: Callable[[], t.NoReturn],
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        stdin: str = "",
    ) -> Called:
        given, out, log = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(3))
        given.write(stdin)
        given.seek(0)
        root, numbers = logging.getLogger(), (signal.SIGINT, signal.SIGTERM)
        logging_before = root.handlers[:], root.level, logging.getLogRecordFactory()
        signals_before = [signal.getsignal(number) for number in numbers]
        with (
            pytest.MonkeyPatch.context() as changed,
            patch.dict(os.environ, environment or {}),  # and without what a .env adds, afterwards
            redirect_stdout(out),
            redirect_stderr(log),
        ):
            changed.setattr(sys, "argv", ["command", *arguments])
            changed.setattr(sys, "stdin", given)
            changed.chdir(folder or Path())
            root.handlers.clear()
            changed.setattr(sys, "excepthook", sys.excepthook)
            try:
                with pytest.raises(SystemExit) as ended:
                    main()
            finally:
                logging.captureWarnings(capture=False)
                root.handlers[:], level, factory = logging_before
                root.setLevel(level)
                logging.setLogRecordFactory(factory)
                for number, handler in zip(numbers, signals_before, strict=True):
                    signal.signal(number, handler)
        assert isinstance(ended.value.code, int)
        return Called(ended.value.code, _written(out), _written(log))

    return call


def _written(file: io.TextIOWrapper) -> str:
    file.flush()
    return t.cast("io.BytesIO", file.buffer).getvalue().decode()


@pytest.fixture
def structured(tmp_path: Path) -> dict[str, str]:
    """The environment in which a plugin logs JSON lines, as under Meltano."""
    path = tmp_path / "log.json"
    formatter = {"()": "singer_sdk.logging.StructuredFormatter"}
    handler = {"class": "logging.StreamHandler", "formatter": "x", "stream": "ext://sys.stderr"}
    path.write_text(
        json.dumps(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {"x": formatter},
                "handlers": {"x": handler},
                "root": {"level": "INFO", "handlers": ["x"]},
            }
        )
    )
    return {"SINGER_SDK_LOG_CONFIG": str(path)}


@dataclass(frozen=True)
class Postgres:
    """Where the server answers; it trusts everybody on this machine."""

    programs: Path
    port: int
    host: str = HOST
    user: str = OWNER
    database: str = "postgres"

    def rows(self, query: str) -> list[dict[str, t.Any]]:
        """What a query gives."""
        found = self.run(f"SELECT row_to_json(found) FROM ({query}) AS found")
        return [json.loads(line) for line in found.split("\n") if line]

    def run(self, script: str) -> str:
        """What psql prints when it runs some SQL."""
        done = subprocess.run(
            [
                self.programs / "psql",
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--set=ON_ERROR_STOP=1",
                f"--host={self.host}",
                f"--port={self.port}",
                f"--username={self.user}",
                f"--dbname={self.database}",
            ],
            input=script,
            env={**os.environ, "PGCLIENTENCODING": "UTF8"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    programs = _programs()
    if programs is None:
        message = "PostgreSQL is not installed: apt-get install postgresql (Debian package)"
        if os.environ.get(REQUIRED):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    with socket.socket() as free:
        free.bind((HOST, 0))
        server = Postgres(programs, free.getsockname()[1])
    folder = Path(tempfile.mkdtemp(prefix="rainfocus-postgres-"))
    try:
        if _is_root():
            shutil.chown(folder, OWNER)
        yield from _run(server, folder)
    finally:
        shutil.rmtree(folder)


def _run(server: Postgres, folder: Path) -> Iterator[Postgres]:
    data = folder / "data"
    _call(
        folder,
        server.programs / "initdb",
        f"--pgdata={data}",
        f"--username={server.user}",
        "--auth=trust",
        "--encoding=UTF8",
        "--no-locale",
        "--no-sync",
    )
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(f"listen_addresses = '{server.host}'\n")
        settings.write(f"port = {server.port}\n")
        settings.write(f"unix_socket_directories = '{folder}'\n")
        settings.write("fsync = off\n")
        settings.write("timezone = 'UTC'\n")  # not that of this machine
    control = (server.programs / "pg_ctl", f"--pgdata={data}", "--wait", "--timeout=30")
    try:
        _call(folder, *control, f"--log={folder / 'log'}", "start")
        yield server
    finally:
        if (data / "postmaster.pid").exists():
            _call(folder, *control, "--mode=fast", "stop")


def _call(folder: Path, *command: str | Path) -> None:
    """Run a program of PostgreSQL, which refuses to run as root."""
    owner = OWNER if _is_root() else None
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
        user=owner,
        group=owner,
        extra_groups=[] if owner else None,
    )
    log = folder / "log"
    server_log = log.read_text() if log.exists() else ""
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{server_log}"


def _programs() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps one per version, beside the PATH."""
    if _is_root() and not any(user.pw_name == OWNER for user in pwd.getpwall()):
        return None
    versions = [
        programs
        for programs in Path("/usr/lib/postgresql").glob("*/bin")
        if programs.parent.name.isdigit() and (programs / "initdb").exists()
    ]
    if versions:
        return max(versions, key=lambda programs: int(programs.parent.name))
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _is_root() -> bool:
    return os.geteuid() == 0


@pytest.fixture(scope="session")
def serve_http() -> HTTPServing:
    """Runs a server until the block ends, and with it its connections and threads end."""

    @contextmanager
    def serve(server: ThreadingHTTPServer) -> Iterator[str]:
        accepted: list[socket.socket] = []
        process = server.process_request

        def process_request(request: t.Any, client_address: t.Any) -> None:
            accepted.append(request)
            process(request, client_address)

        server.process_request = process_request  # type: ignore[method-assign]
        server.daemon_threads = False  # others are not waited for
        tell = server.handle_error

        def handle_error(request: t.Any, client_address: t.Any) -> None:
            if not isinstance(sys.exception(), OSError):  # a client may go when it likes
                tell(request, client_address)

        server.handle_error = handle_error  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            for connection in accepted:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            server.server_close()

    return serve
