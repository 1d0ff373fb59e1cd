"""The command `rainfocus-receiver`: serving, stopping, being killed, prune and replay."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from tap_rainfocus.inbox import Inbox

if t.TYPE_CHECKING:
    from collections.abc import Iterator

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

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/rainfocus-inbox.db"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def run(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

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

    def post(self, number: int) -> int:
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=20)) as connection:
            body = json.dumps({"transmissionId": str(number), "lead": {"note": "x" * 500}})
            connection.request("POST", f"/collection/{INLET}", body, authorization())
            reply = connection.getresponse()
            reply.read()
            return reply.status


def authorization() -> dict[str, str]:
    return {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAINFOCUS_")},
        "RAINFOCUS_RECEIVER_INLET": INLET,
        "RAINFOCUS_RECEIVER_TOKEN": TOKEN,
        "LOGLEVEL": "debug",
    }
    return Place(tmp_path, port, environment)


@pytest.fixture
def serving(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    process = place.serve()
    yield process
    process.kill()
    process.wait()


def wait_until_closed(port: int) -> None:
    until = time.monotonic() + 20
    with suppress(OSError):
        while time.monotonic() < until:
            socket.create_connection((HOST, port)).close()
        pytest.fail("It still listens.")


def check_failure(done: subprocess.CompletedProcess[str], text: str) -> None:
    """One line, and exit code 1."""
    assert done.returncode == 1
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
                    if place.post(number) == 200:
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
                with closing(Inbox(place.url)) as inbox:
                    kept = {row.transmission_id for row in inbox.read(0, 100_000)}
                assert {str(number) for number in answered[: before + 100]} <= kept
                process = place.serve()
        finally:
            is_over.set()
            for sender in pushing:
                sender.result(timeout=30)
            process.terminate()
    assert process.wait(timeout=30) == 0
    assert again > 0
    with closing(Inbox(place.url)) as inbox:
        kept_ids = [row.transmission_id for row in inbox.read(0, 100_000)]
    assert sorted(kept_ids, key=str) == sorted(map(str, answered))


def test_a_request_under_way_is_answered_after_the_signal_to_stop(
    place: Place, serving: subprocess.Popen[bytes]
) -> None:
    body = b'{"transmissionId":"a"}'
    head = (
        f"POST /collection/{INLET} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n"
        f"authorization: Bearer {TOKEN}\r\nexpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((HOST, place.port), timeout=20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        serving.send_signal(signal.SIGTERM)
        wait_until_closed(place.port)
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert serving.wait(timeout=20) == 0
    with closing(Inbox(place.url)) as inbox:
        assert [row.transmission_id for row in inbox.read(0, 9)] == ["a"]


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
{"transmissionId": "a", "eventType": "Other"}
[{"transmissionId": "b"}, {"transmissionId": "c"}]
7
{"half":
"""


def test_replay_counts_and_tells_what_is_not_json(place: Place) -> None:
    done = place.run("replay", "-", stdin=LINES)
    assert done.stdout == "4 new, 1 duplicate, 1 unreadable, 1 conflict\n"
    check_failure(done, "were left out (2): 4, 9.")
    (place.folder / "captured.jsonl").write_text('{"transmissionId": "c"}\n{"eventType": "d"}')
    done = place.run("replay", "captured.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 new, 1 duplicate, 0 unreadable, 0 conflict\n"


def test_prune_up_to_a_sequence_or_before_a_time(place: Place) -> None:
    with closing(Inbox(place.url)):
        pass
    place.run("replay", "-", stdin="".join(f'{{"transmissionId":"{n}"}}\n' for n in range(5)))
    assert place.run("prune", "--read-before", "2").stdout == "2 removed.\n"
    assert place.run("prune", "--read-before", "2020-01-31").stdout == "0 removed.\n"
    assert place.run("prune", "--read-before", "2999-01-31T00:00:00+02:00").stdout == "3 removed.\n"
    check_failure(place.run("prune", "--read-before", "yesterday"), "--read-before is neither")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"RAINFOCUS_RECEIVER_INLET": ""}, "RAINFOCUS_RECEIVER_INLET"),
        ({"RAINFOCUS_RECEIVER_INLET": "short"}, "RAINFOCUS_RECEIVER_INLET"),
        ({"RAINFOCUS_RECEIVER_INLET": "with/slash/and/enough"}, "RAINFOCUS_RECEIVER_INLET"),
        ({"RAINFOCUS_RECEIVER_TOKEN": "two words, long enough"}, "RAINFOCUS_RECEIVER_TOKEN"),
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


@pytest.mark.parametrize("when", ["20200101", "9" * 20, "0001-01-01T00:00:00+23:00", "soon"])
def test_prune_removes_nothing_by_mistake(place: Place, when: str) -> None:
    assert place.run("replay", "-", stdin='{"eventType":"a"}').returncode == 0
    check_failure(place.run("prune", "--read-before", when), "--read-before is")
    assert "1 removed." in place.run("prune", "--read-before", "1").stdout
