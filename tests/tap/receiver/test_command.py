"""The command `rainfocus-receiver`: serving, in the background too, being killed, the inbox."""

from __future__ import annotations

import fcntl
import gzip
import http.client
import json
import os
import re
import resource
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from rainfocus_client.errors import ExitCode
from rainfocus_client.storage import database
from tap_rainfocus.inbox import payloads
from tap_rainfocus.inbox.keeping import KeptInbox
from tap_rainfocus.inbox.store import Inbox
from tap_rainfocus.receiver.__main__ import main

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_rainfocus.inbox.models import KeptRow

    from tests.conftest import InProcess

COMMAND = Path(sys.executable).parent / "rainfocus-receiver"
INLET = "inlet-5ecret-0123456789"
TOKEN = "token-5ecret-0123456789"
HOST = "127.0.0.1"
SENDERS = 8


@dataclass
class Place:
    """A folder with an inbox, and the environment that names it."""

    folder: Path
    port: int
    environment: dict[str, str]
    in_process: InProcess
    umask: int = -1

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/rainfocus-inbox.db"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def pid_file(self) -> Path:
        return self.folder / ".receiver" / "receiver.pid"

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text().split()[0])

    def run(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, in this process where it leaves none behind."""
        environment = {**self.environment, **environment}
        if arguments[0] not in {"start", "stop"}:
            ended = self.in_process(
                main, *arguments, environment=environment, folder=self.folder, stdin=stdin
            )
            return subprocess.CompletedProcess(arguments, *ended)
        return subprocess.run(
            [COMMAND, *arguments],
            cwd=self.folder,
            env=environment,
            input=stdin,
            umask=self.umask,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def health(self) -> int:
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=20)) as connection:
            connection.request("GET", "/health")
            return connection.getresponse().status

    def serve(self) -> subprocess.Popen[bytes]:
        """Start the server, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [COMMAND, "serve", "--port", str(self.port)],
                cwd=self.folder,
                env=self.environment,
                stderr=log,
            )
        until = time.monotonic() + 30
        while time.monotonic() < until and process.poll() is None:
            with suppress(OSError):
                socket.create_connection((HOST, self.port)).close()
                return process
            time.sleep(0.02)
        process.kill()
        pytest.fail(self.log)

    def post(self, number: int, shape: Callable[[int], object] | None = None) -> int:
        body = (shape or plain)(number)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=20)) as connection:
            connection.request("POST", f"/collection/{INLET}", content, authorization())
            reply = connection.getresponse()
            reply.read()
            return reply.status


def plain(number: int) -> dict[str, object]:
    return {"transmissionId": str(number), "lead": {"note": "x" * 500}}


SHAPES: tuple[Callable[[int], object], ...] = (
    plain,
    lambda number: [plain(number)],
    lambda number: {"body": {"xdmEntity": {"_id": str(number), "_acme": {"lead": {"leadId": 1}}}}},
    lambda number: gzip.compress(json.dumps({"messages": [{"data": plain(number)}]}).encode()),
    lambda number: {"transmissionId": str(number), "eventType": "A", "session": [{"code": "B"}]},
    lambda number: f"no JSON {number}".encode(),
    lambda number: b"\xff no text %d" % number,
)


def number_of(row: KeptRow) -> str:
    """The number that a row was made of, in whatever shape."""
    if row.kind == "event":
        found = re.search(r'"transmissionId":\s*"(\d+)"', row.payload)
        assert found
        return found[1]
    return payloads.as_bytes(row.payload).split()[-1].decode()


def authorization() -> dict[str, str]:
    return {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def place(tmp_path: Path, in_process: InProcess) -> Place:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAINFOCUS_")},
        "RAINFOCUS_RECEIVER_INLET": INLET,
        "RAINFOCUS_RECEIVER_TOKEN": TOKEN,
        "LOGLEVEL": "debug",
    }
    return Place(tmp_path, port, environment, in_process)


@pytest.fixture
def serving(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    with at_a_hangup(signal.SIG_DFL):  # whatever runs the tests may ignore it
        process = place.serve()
    yield process
    process.kill()
    process.wait()


@contextmanager
def at_a_hangup(action: signal.Handlers) -> Iterator[None]:
    """What a process does at SIGHUP that is started meanwhile."""
    before = signal.signal(signal.SIGHUP, action)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.fixture
def background(place: Place) -> Iterator[Place]:
    """A place where `start` needs no options, and where nothing runs on after the test."""
    place.environment["RAINFOCUS_RECEIVER_PORT"] = str(place.port)
    yield place
    place.run("stop")
    if place.pid_file.exists():
        os.kill(place.pid, signal.SIGKILL)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with it."""
    process = subprocess.Popen(["sleep", "300"])
    yield process
    process.kill()
    process.wait()


def wait_until_closed(port: int) -> None:
    until = time.monotonic() + 20
    with suppress(OSError):
        while time.monotonic() < until:
            socket.create_connection((HOST, port)).close()
        pytest.fail("It still listens.")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def wait_until_locked(path: Path) -> None:
    until = time.monotonic() + 20
    with suppress(BlockingIOError):
        while time.monotonic() < until:
            with locked(path):
                pass
            time.sleep(0.01)
        pytest.fail("Nobody locks it.")


def spawned_by(process: subprocess.Popen[str]) -> int:
    """The child of a process, as soon as there is one."""
    while process.poll() is None:
        done = subprocess.run(
            ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False
        )
        if done.stdout:
            return int(done.stdout)
        time.sleep(0.01)
    pytest.fail("It had no child.")


def check_failure(
    done: subprocess.CompletedProcess[str], text: str, code: int = ExitCode.SETTINGS
) -> None:
    """One line, and the code of its kind."""
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1
    assert text in done.stderr


def test_killed_again_and_again_it_loses_nothing_and_doubles_nothing(place: Place) -> None:
    """What is answered is on disk; what is not answered is sent again."""
    numbers = iter(range(100_000))
    answered: list[int] = []
    again = 0
    is_over = threading.Event()

    def push() -> None:
        nonlocal again
        while not is_over.is_set():
            number = next(numbers)
            while True:
                with suppress(OSError, http.client.HTTPException):
                    if place.post(number, SHAPES[number % len(SHAPES)]) in {200, 202}:
                        break
                again += 1
                time.sleep(0.02)
            answered.append(number)

    process = place.serve()
    with ThreadPoolExecutor(SENDERS) as threads:
        pushing = [threads.submit(push) for _ in range(SENDERS)]
        try:
            for _ in range(3):
                before = len(answered)
                while len(answered) < before + 100:
                    time.sleep(0.005)
                process.kill()
                process.wait()
                with closing(KeptInbox(place.url)) as inbox:
                    kept = set(map(number_of, inbox.rows()))
                assert {str(number) for number in answered[: before + 100]} <= kept
                process = place.serve()
        finally:
            is_over.set()
            for sender in pushing:
                sender.result(timeout=30)
            process.terminate()
            code = process.wait(timeout=30)
    assert code == 0
    assert again > 0
    with closing(KeptInbox(place.url)) as inbox:
        assert sorted(map(number_of, inbox.rows())) == sorted(map(str, answered))


BODY = b'{"transmissionId":"a"}'


@contextmanager
def request_under_way(port: int) -> Iterator[socket.socket]:
    """A request that the server has accepted, and that only wants its body."""
    head = (
        f"POST /collection/{INLET} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(BODY)}\r\n"
        f"authorization: Bearer {TOKEN}\r\nexpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((HOST, port), timeout=20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        yield connection


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_under_way_is_answered_after_the_signal_to_stop(
    place: Place, serving: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    with request_under_way(place.port) as connection:
        serving.send_signal(number)
        wait_until_closed(place.port)
        connection.sendall(BODY)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert serving.wait(timeout=20) == 0
    with closing(Inbox(place.url)) as inbox:
        assert [row.transmission_id for row in inbox.read(0, 9)] == ["a"]


def test_a_hangup_that_was_to_be_ignored_is_ignored(place: Place) -> None:
    with at_a_hangup(signal.SIG_IGN):
        process = place.serve()
    try:
        process.send_signal(signal.SIGHUP)
        assert place.post(1) == 200
        process.terminate()
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()


def test_no_secret_in_the_log_at_any_level(place: Place, serving: subprocess.Popen[bytes]) -> None:
    assert place.post(1) == 200
    with closing(http.client.HTTPConnection(HOST, place.port)) as connection:
        connection.request("POST", f"/collection/{INLET}", b"{", authorization())
        assert connection.getresponse().status == 400
    with socket.create_connection((HOST, place.port), timeout=20) as stranger:
        stranger.sendall(f"POST /collection/{INLET} nonsense {TOKEN}\r\n\r\n".encode())
        assert stranger.recv(1000).startswith(b"HTTP/1.1 400")
    serving.terminate()
    assert serving.wait(timeout=20) == 0
    assert "Listening" in place.log
    assert INLET not in place.log
    assert TOKEN not in place.log


LINES = """{"transmissionId": "a"}
{"attendee.email": "a@example.com"}

not JSON
{"transmissionId": "a"}
{"transmissionId": "a", "attempt": 2}
[{"transmissionId": "b"}, {"transmissionId": "c"}]
7
{"half":
"""


def test_replay_counts_and_tells_what_is_not_json(place: Place) -> None:
    done = place.run("replay", "-", stdin=LINES)
    assert done.stdout == "4 new, 1 duplicate, 1 unreadable, 1 conflict\n"
    check_failure(done, "were left out: number 4, 9.", ExitCode.DATA)
    (place.folder / "captured.jsonl").write_text('{"transmissionId": "c"}\n{"eventType": "d"}')
    done = place.run("replay", "captured.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 new, 1 duplicate, 0 unreadable, 0 conflict\n"


AS_LARGE = "The inbox takes as much disk as before: --vacuum gives it back.\n"


def fill(place: Place, *bodies: object) -> None:
    lines = "\n".join(map(json.dumps, bodies))
    assert place.run("replay", "-", stdin=lines).returncode == 0


def test_prune_up_to_a_sequence_or_before_a_time(place: Place) -> None:
    fill(place, *({"transmissionId": n} for n in "abcde"))
    assert place.run("prune", "--read-before", "2").stdout == f"2 removed. {AS_LARGE}"
    before = ("prune", "--unread", "--read-before")
    assert place.run(*before, "2020-01-31").stdout == "0 removed.\n"
    assert place.run(*before, "2999-01-31T00:00:00+02:00").stdout == f"3 removed. {AS_LARGE}"
    check_failure(place.run(*before, "yesterday"), "--read-before is neither", ExitCode.USAGE)


TIME = ("prune", "--read-before", "2999-01-31")


def bookmark(last: object, **more: object) -> dict[str, object]:
    return {"bookmarks": {"experience_events": {"replication_key_value": last, **more}}}


@pytest.mark.parametrize("form", ["{}", '{{"singer_state": {}}}'])
def test_prune_before_a_time_leaves_what_was_not_read(place: Place, form: str) -> None:
    fill(place, *({"transmissionId": n} for n in "abcde"))
    done = place.run(*TIME)
    check_failure(done, "--state", ExitCode.USAGE)
    assert "--unread" in done.stderr
    check_failure(place.run(*TIME, "--state=s", "--unread"), "give one of them", ExitCode.USAGE)
    state = place.folder / "state.json"
    state.write_text(form.format(json.dumps(bookmark(3))))
    assert place.run(*TIME, "--state=state.json").stdout == f"3 removed. {AS_LARGE}"
    assert place.run("prune", "--read-before=5", "--state=state.json").stdout == "0 removed.\n"
    assert place.run(*TIME, "--unread").stdout == f"2 removed. {AS_LARGE}"


@pytest.mark.parametrize(
    ("text", "said", "code"),
    [
        (None, "state.json: No such file or directory.", ExitCode.FILES),
        ("{", "state.json is not JSON", ExitCode.DATA),
        ("\xff", "state.json is not JSON", ExitCode.DATA),
        ('{"bookmarks": {}}', "no bookmark of experience_events", ExitCode.DATA),
        ('{"singer_state": null}', "no bookmark of experience_events", ExitCode.DATA),
        (json.dumps(bookmark("1")), "no bookmark of experience_events", ExitCode.DATA),
        (json.dumps(bookmark(2)), "of another inbox", ExitCode.USAGE),
        (json.dumps(bookmark(1, inbox={"identity": "x"})), "of another inbox", ExitCode.USAGE),
    ],
)
def test_prune_with_a_state_that_tells_nothing(
    place: Place, text: str | None, said: str, code: int
) -> None:
    fill(place, {"transmissionId": "a"})
    if text is not None:
        (place.folder / "state.json").write_text(text, encoding="latin-1")
    check_failure(place.run(*TIME, "--state=state.json"), said, code)
    assert place.run("prune", "--read-before", "1").stdout == f"1 removed. {AS_LARGE}"


def test_prune_leaves_what_is_unreadable(place: Place) -> None:
    other = {"transmissionId": "a", "attempt": 2}
    fill(place, {"transmissionId": "a"}, 7, other, {"transmissionId": "b"})
    with closing(sqlite3.connect(place.folder / "rainfocus-inbox.db")) as connection:
        connection.execute(
            "INSERT INTO rainfocus_inbox (sequence, key, fingerprint, received_at, readable, "
            "payload) VALUES (5, 'forgotten:x', '', '2026-01-01', false, '')"
        )
        connection.execute("UPDATE rainfocus_inbox_sequence SET last = 5")
        connection.commit()
    said = f"3 removed. 2 that are unreadable were left: --unreadable removes them. {AS_LARGE}"
    assert place.run("prune", "--read-before", "5").stdout == said
    assert (
        place.run("prune", "--read-before", "5", "--unreadable").stdout == f"2 removed. {AS_LARGE}"
    )


def test_prune_gives_the_disk_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while a receiver has the inbox open; not while somebody reads it."""
    fill(place, *({"transmissionId": n, "lead": {"note": "x" * 100_000}} for n in range(20)))
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0)
    vacuum = ("prune", "--read-before", "20", "--vacuum")
    with closing(Inbox(place.url)) as inbox:
        inbox.check()
        path = place.folder / "rainfocus-inbox.db"
        size = path.stat().st_size
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM rainfocus_inbox").fetchone()
            done = place.run(*vacuum)
        assert done.stdout == "20 removed.\n"
        check_failure(done, "The inbox cannot be vacuumed (lock)", ExitCode.LATER)
        assert path.stat().st_size >= size
        done = place.run(*vacuum)
        assert (done.returncode, done.stdout, done.stderr) == (0, "0 removed.\n", "")
        assert sum(file.stat().st_size for file in place.folder.glob("*.db*")) < 200_000


def test_prune_on_a_full_disk(place: Place) -> None:
    """No file gets larger than the inbox is: there is no log in which all could be removed."""
    lines = [f'{{"transmissionId":"{n}","lead":{{"note":"{"x" * 100_000}"}}}}' for n in range(150)]
    with closing(Inbox(place.url)) as inbox:
        assert place.run("replay", "-", stdin="\n".join(lines)).returncode == 0
        size = (place.folder / "rainfocus-inbox.db").stat().st_size
        assert size > 15_000_000
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            done = place.run("prune", "--read-before", "150")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert (done.stdout, done.stderr) == (f"150 removed. {AS_LARGE}", "")
        assert inbox.counts()["events"] == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"RAINFOCUS_RECEIVER_INLET": ""}, "RAINFOCUS_RECEIVER_INLET"),
        ({"RAINFOCUS_RECEIVER_INLET": "short"}, "RAINFOCUS_RECEIVER_INLET"),
        ({"RAINFOCUS_RECEIVER_INLET": "with/slash/and/enough"}, "RAINFOCUS_RECEIVER_INLET"),
        ({"RAINFOCUS_RECEIVER_TOKEN": "two words, long enough"}, "RAINFOCUS_RECEIVER_TOKEN"),
        ({"RAINFOCUS_RECEIVER_PREVIOUS_INLET": "short"}, "Setting previous_inlet"),
        ({"RAINFOCUS_RECEIVER_PREVIOUS_TOKEN": "short"}, "Setting previous_token"),
        ({"RAINFOCUS_RECEIVER_TOKENS": TOKEN}, "is RAINFOCUS_RECEIVER_TOKEN meant?"),
        ({"RAINFOCUS_RECEIVER_INBOXURL": "x"}, "is RAINFOCUS_RECEIVER_INBOX_URL meant?"),
        (
            {"RAINFOCUS_RECEIVER_TOKEN": "", "RAINFOCUS_RECEIVER_PREVIOUS_TOKEN": "x" * 20},
            "Setting previous_token is of no use",
        ),
        ({"RAINFOCUS_RECEIVER_PORT": "many"}, "Setting port"),
        ({"RAINFOCUS_RECEIVER_HOST": "203.0.113.1"}, "Cannot listen on 203.0.113.1 port 8766: "),
        (
            {"RAINFOCUS_RECEIVER_INBOX_URL": "postgresql+psycopg://a:s3cret99@127.0.0.1:1/b"},
            "inbox",
        ),
        ({"RAINFOCUS_RECEIVER_INBOX_URL": "nonsense s3cret99"}, "inbox_url"),
    ],
)
def test_settings_that_cannot_work(place: Place, changes: dict[str, str], text: str) -> None:
    done = place.run("serve", **changes)
    check_failure(done, text)
    assert "s3cret99" not in done.stderr
    assert TOKEN not in done.stderr


def test_settings_come_from_the_env_file(place: Place) -> None:
    (place.folder / ".env").write_text("RAINFOCUS_RECEIVER_INBOX_URL=sqlite:///other.db\n")
    assert place.run("replay", "-", stdin='{"eventType":"a"}').returncode == 0
    assert (place.folder / "other.db").exists()
    assert not (place.folder / "rainfocus-inbox.db").exists()


def test_without_the_extra_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from tap_rainfocus.receiver.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    check_failure(done, "install tap-rainfocus[receiver]")


def test_prune_makes_no_inbox(place: Place) -> None:
    check_failure(place.run("prune", "--read-before", "1"), "There is no inbox where inbox_url")
    assert not list(place.folder.glob("*.db"))


def test_prune_removes_nothing_by_mistake(place: Place) -> None:
    assert place.run("replay", "-", stdin='{"eventType":"a"}').returncode == 0
    for when in ("20200101", "9" * 20, "0001-01-01T00:00:00+23:00", "soon"):
        done = place.run("prune", "--read-before", when)
        check_failure(done, "--read-before is", ExitCode.USAGE)
    assert "1 removed." in place.run("prune", "--read-before", "1").stdout


def test_start_returns_when_it_answers_and_stop_when_it_is_gone(background: Place) -> None:
    place = background
    place.umask = 0
    done = place.run("start")
    assert place.health() == 200
    assert (done.returncode, done.stderr) == (0, "")
    address = f"http://{HOST}:{place.port}"
    assert done.stdout == f"The receiver listens on {address}. Its log is .receiver/receiver.log.\n"
    assert place.post(1) == 200

    made = [place.pid_file.parent, *place.pid_file.parent.iterdir()]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in made}
    assert modes == {".receiver": 0o700, "receiver.pid": 0o600, "receiver.log": 0o600}
    shown = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(place.pid)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert " serve " in shown.stdout
    log = (place.folder / ".receiver" / "receiver.log").read_text()
    assert "Listening" in log
    for text in (shown.stdout, log, place.pid_file.read_text()):
        assert INLET not in text
        assert TOKEN not in text
    assert os.getsid(place.pid) == place.pid

    first = place.pid
    done = place.run("start")
    assert (done.returncode, done.stderr, place.pid) == (0, "", first)
    assert f"runs already on {address}." in done.stdout
    for others in ({"INLET": f"{INLET}-rotated"}, {"INBOX_URL": "sqlite:///other.db"}):
        named = {f"RAINFOCUS_RECEIVER_{name}": value for name, value in others.items()}
        check_failure(place.run("start", **named), "with other settings: stop it, then start it")
    assert place.pid == first

    done = place.run("stop")
    assert (done.returncode, done.stdout) == (0, "The receiver has stopped.\n")
    with pytest.raises(ConnectionRefusedError):
        place.health()
    assert not place.pid_file.exists()
    done = place.run("stop")
    assert (done.returncode, done.stdout) == (0, "No receiver runs.\n")
    assert not place.pid_file.exists()


def test_start_does_not_take_another_receiver_for_its_own(
    background: Place, serving: subprocess.Popen[bytes], stranger: subprocess.Popen[bytes]
) -> None:
    """Neither one that has the port, nor one that an old pid file seems to tell of."""
    place = background
    place.pid_file.parent.mkdir()
    place.pid_file.write_text(f"{stranger.pid}\n{HOST}:{place.port}\n")
    check_failure(
        place.run("start"),
        f"Cannot listen on {HOST} port {place.port}: Address already in use. "
        "Set RAINFOCUS_RECEIVER_HOST and RAINFOCUS_RECEIVER_PORT. [RF-701]\n",
    )
    assert not place.pid_file.exists()
    assert (serving.poll(), stranger.poll(), place.health()) == (None, None, 200)


@pytest.mark.parametrize(
    ("changes", "text", "code"),
    [
        (
            {"RAINFOCUS_RECEIVER_INBOX_URL": "postgresql+psycopg://a:s3cret99@127.0.0.1:1/b"},
            "Setting inbox_url cannot be used",
            ExitCode.SETTINGS,
        ),
        (
            {"RAINFOCUS_RECEIVER_HOST": 70 * "ä"},
            "Unexpected TypeError in ",
            ExitCode.UNEXPECTED,
        ),
    ],
)
def test_start_says_why_the_receiver_ended(
    background: Place, changes: dict[str, str], text: str, code: int
) -> None:
    background.umask = 0o777
    done = background.run("start", **changes)
    check_failure(done, text, code)
    assert done.stderr.count(" | ") == 3
    assert "s3cret99" not in done.stderr + (background.pid_file.parent / "receiver.log").read_text()
    folder = background.pid_file.parent
    assert [path.name for path in folder.iterdir()] == ["receiver.log"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "receiver.log").stat().st_mode) == 0o600


def test_start_tries_nothing_with_settings_that_cannot_work(background: Place) -> None:
    done = background.run("start", RAINFOCUS_RECEIVER_INLET="")
    check_failure(done, "RAINFOCUS_RECEIVER_INLET")
    assert not background.pid_file.parent.exists()


def test_start_needs_no_standard_files(background: Place) -> None:
    command = f"{COMMAND} start <&- >&- 2>&-"
    done = subprocess.run(
        ["sh", "-c", command], cwd=background.folder, env=background.environment, check=False
    )
    assert done.returncode == 0
    assert background.health() == 200
    assert background.run("stop").returncode == 0


def test_start_says_that_the_receiver_was_killed(background: Place) -> None:
    starting = background.popen("start")
    os.kill(spawned_by(starting), signal.SIGKILL)
    said, _ = starting.communicate(timeout=30)
    assert "The receiver ended with code -9 without a word" in said
    assert starting.returncode == 137


def test_start_ends_what_does_not_get_ready_in_time(background: Place) -> None:
    starting = background.popen("start", "--wait", "2")
    spawned = spawned_by(starting)
    os.kill(spawned, signal.SIGSTOP)
    said, _ = starting.communicate(timeout=30)
    assert said.endswith("The receiver does not answer in time. Allow more with --wait. [RF-703]\n")
    assert starting.returncode == 75
    assert not background.pid_file.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(spawned, 0)


@pytest.mark.parametrize("command", ["start", "stop"])
def test_one_start_or_stop_at_a_time(place: Place, command: str) -> None:
    place.pid_file.parent.mkdir()
    with locked(place.pid_file.parent):
        done = place.run(command, "--wait", "1")
    text = "Another start or stop is under way in .receiver: try again."
    check_failure(done, text, ExitCode.LATER)


def test_an_answer_that_the_inbox_cannot_be_written_is_none(background: Place) -> None:
    with closing(sqlite3.connect(background.folder / "rainfocus-inbox.db")) as inbox:
        inbox.execute("CREATE TABLE rainfocus_inbox_sequence (id INTEGER, last INTEGER)")
    log = background.pid_file.with_name("receiver.log")
    log.parent.mkdir()
    log.write_text("then | ERROR | rainfocus-receiver | An old story.\n")
    done = background.run("start", "--wait", "4")
    text = "It said last: The inbox cannot be written (NoResultFound): check inbox_url."
    check_failure(done, text, ExitCode.LATER)
    with pytest.raises(ConnectionRefusedError):
        background.health()
    assert not background.pid_file.exists()
    assert "An old story." in log.read_text()


def test_of_two_starts_at_once_one_wins(background: Place) -> None:
    both = [background.popen("start") for _ in range(2)]
    said = sorted(process.communicate(timeout=30)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert [f" on http://{HOST}:{background.port}. " in line for line in said] == [True, True]
    assert said[0].startswith("The receiver listens")
    assert said[1].startswith("The receiver runs already")


def test_what_a_killed_receiver_left_behind_counts_for_nothing(
    background: Place, stranger: subprocess.Popen[bytes]
) -> None:
    assert background.run("start").returncode == 0
    killed = background.pid_file.read_text()
    os.kill(background.pid, signal.SIGKILL)
    wait_until_closed(background.port)
    assert background.pid_file.read_text() == killed
    assert "listens on" in background.run("start").stdout
    assert background.health() == 200

    os.kill(background.pid, signal.SIGKILL)
    wait_until_closed(background.port)
    background.pid_file.write_text(f"{stranger.pid}\n{HOST}:{background.port}\n")
    assert background.run("stop").stdout == "No receiver runs.\n"
    assert stranger.poll() is None


def test_stop_lets_requests_end(background: Place) -> None:
    assert background.run("start").returncode == 0
    with request_under_way(background.port) as connection:
        done = background.run("stop", "--wait", "1")
        text = "still runs after 1 seconds: allow more with --wait."
        check_failure(done, text, ExitCode.LATER)
        starting = background.popen("start")
        wait_until_locked(background.pid_file.parent)
        connection.sendall(BODY)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    # It did not take the one that was about to end for one that runs.
    assert starting.communicate(timeout=30)[0].startswith("The receiver listens on")
    assert background.health() == 200


def test_stop_finds_a_receiver_whose_start_was_killed(background: Place) -> None:
    starting = background.popen("start")
    spawned_by(starting)
    starting.kill()
    starting.communicate()
    assert background.run("stop").stdout == "The receiver has stopped.\n"
    with pytest.raises(ConnectionRefusedError):
        background.health()


def test_start_and_stop_whatever_the_surroundings(background: Place) -> None:
    """A folder from .env that cannot be printed, and a module in the way."""
    place = background
    (place.folder / ".env").write_text("RAINFOCUS_RECEIVER_FOLDER=受信\n", encoding="utf-8")
    (place.folder / "click.py").write_text("raise SystemExit(7)\n")
    surroundings = {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1"}
    done = place.run("start", **surroundings)
    assert done.stdout.endswith("Its log is 受信/receiver.log.\n")
    assert place.health() == 200
    assert place.run("stop", "--folder", "other").stdout == "No receiver runs.\n"
    assert place.health() == 200
    assert place.run("stop", **surroundings).stdout == "The receiver has stopped.\n"
    names = [path.name for path in place.folder.iterdir() if path.is_dir()]
    assert names == ["受信"]


def test_a_folder_that_cannot_be_made(place: Place) -> None:
    (place.folder / "file").write_text("")
    done = place.run("start", "--folder", "file")
    text = "Cannot make the folder file: File exists. Set RAINFOCUS_RECEIVER_FOLDER or --folder."
    check_failure(done, text, ExitCode.FILES)


def test_serve_writes_no_pid_file(place: Place, serving: subprocess.Popen[bytes]) -> None:
    assert serving.poll() is None
    assert not place.pid_file.parent.exists()
    assert place.run("stop").stdout == "No receiver runs.\n"
    assert not place.pid_file.parent.exists()


def test_other_commands_do_without_locks() -> None:
    program = (
        "import sys; sys.modules['fcntl'] = None; sys.argv[1:] = ['prune', '--help']\n"
        "from tap_rainfocus.receiver.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
