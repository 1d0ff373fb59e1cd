"""A record that RainFocus keeps refusing is rejected; what strikes everybody stops the run."""

from __future__ import annotations

import json
import time
import typing as t
from collections import Counter
from contextlib import contextmanager

import pytest
from rainfocus_sandbox.faults.faults import Fault

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Json = dict[str, t.Any]
    Call = Callable[..., t.Any]
    Reply = tuple[int, bytes] | None
    Answer = Callable[["Server", str, int], Reply]
    Serve = Callable[[Answer], t.ContextManager["Server"]]
    Singer = t.Any
    Posts = t.Any

TAKEN = (200, b'{"responseCode": "0"}')
LOGIN_PAGE = (200, b"<html>Please sign in.</html>")
EVE = "eve@example.com"


class Server:
    """Answers with bytes as a test says, or hangs up; knows who asked how often."""

    def __init__(self, posts: Posts, answer: Answer) -> None:
        self._settings_at = posts.settings
        self.answer = answer
        self.asked: Counter[str] = Counter()
        self.stored: set[str] = set()
        self.url = ""

    def settings(self, **others: object) -> Json:
        return {**self._settings_at(self.url), "max_retries": 1, **others}


@pytest.fixture
def serve(posts: Posts) -> Serve:
    @contextmanager
    def serve(answer: Answer) -> Iterator[Server]:
        server = Server(posts, answer)

        def respond(post: t.Any) -> tuple[int, bytes, Json] | None:
            if post.path.endswith("/oidc/token"):
                return 200, b'{"access_token": "token"}', {}
            email = json.loads(post.content)["email"]
            server.asked[email] += 1
            reply = server.answer(server, email, server.asked[email])
            if reply == TAKEN:
                server.stored.add(email)
            return reply and (*reply, {})

        with posts(respond) as server.url:
            yield server

    return serve


def people(singer: Singer, *names: str) -> list[Json]:
    messages: list[Json] = [singer.schema]
    for n, name in enumerate(names, 1):
        messages += [singer.record(f"{name}@example.com"), singer.state(n)]
    return messages


def rejects(path: Path) -> dict[str, str]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    records = [line["record"] for line in lines if line["type"] == "RECORD"]
    return {record["email"]: record["_reject_code"] for record in records}


OWN: dict[str, tuple[Reply, str, int]] = {
    "500": ((500, b"{}"), "HTTP 500", 2),
    "502": ((502, b"<html>"), "HTTP 502", 2),
    "403": ((403, b"{}"), "HTTP 403", 1),
    "403 of a firewall": ((403, b"<html>Blocked."), "HTTP 403", 1),
    "404": ((404, b"{}"), "HTTP 404", 1),
    "409": ((409, b"{}"), "HTTP 409", 2),
    "413": ((413, b""), "HTTP 413", 1),
    "code 103": ((400, b'{"responseCode": "103"}'), "103", 1),
    "code 103 with 200": ((200, b'{"responseCode": "103"}'), "103", 1),
    "killed": (None, "no answer", 2),
    "no JSON": (LOGIN_PAGE, "HTTP 200", 2),
}


@pytest.mark.parametrize(("reply", "code", "asked"), OWN.values(), ids=OWN)
@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("place", [0, 2])
def test_one_record_that_is_refused_while_others_pass_is_rejected(
    call: Call,
    singer: Singer,
    serve: Serve,
    tmp_path: Path,
    reply: Reply,
    code: str,
    asked: int,
    concurrency: int,
    place: int,
) -> None:
    names = [f"ada{n}" for n in range(60)]
    names.insert(place, "eve")
    path = tmp_path / "rejects.singer"
    with serve(lambda _, email, __: reply if email == EVE else TAKEN) as server:
        settings = server.settings(rejects_path=str(path), concurrency=concurrency)
        ended = call(people(singer, *names), settings)
        assert ended.code == 0, ended.log
        assert ended.counts == {"read": 61, "stored": 60, "rejected": 1}
        assert ended.states[-1] == {"n": 61}
        assert rejects(path) == {EVE: code}
        assert server.asked.pop(EVE) == 2 * asked
        assert set(server.asked.values()) == {1}


def test_a_refused_record_of_several_blames_only_itself(
    call: Call, singer: Singer, serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "rejects.singer"
    messages = people(singer, "ada", "eve", "eve", "bob", "eve", "fay", *"gh")

    def answer(_: Server, email: str, times: int) -> Reply:
        if email == "ada@example.com":
            time.sleep(0.1)  # so that the others wait together
        # Two tries of all, twice; two tries of the first, twice: then the other two pass.
        return (403, b"") if email == EVE and times <= 4 else TAKEN

    with serve(answer) as server:
        settings = server.settings(rejects_path=str(path), concurrency=1)
        ended = call(messages, settings)
        assert server.asked[EVE] == 6
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": 8, "stored": 7, "rejected": 1}
    assert ended.states[-1] == {"n": 8}
    assert rejects(path) == {EVE: "HTTP 403"}


@pytest.mark.parametrize("reply", [(500, b""), (403, b""), (404, b"<html>"), None, LOGIN_PAGE])
@pytest.mark.parametrize("passing", [0, 20])
def test_an_outage_is_one_stop_and_fills_no_rejects(
    call: Call, singer: Singer, serve: Serve, tmp_path: Path, reply: Reply, passing: int
) -> None:
    path = tmp_path / "rejects.singer"
    names = [f"ada{n}" for n in range(200)]

    def answer(server: Server, _: str, __: int) -> Reply:
        return TAKEN if server.asked.total() <= passing else reply

    with serve(answer) as server:
        settings = server.settings(rejects_path=str(path), concurrency=4, batch_size_rows=1)
        ended = call(people(singer, *names), settings)
        assert ended.code in {69, 75, 77, 78}
        assert ended.counts["stored" if passing else "unfinished"] >= passing
        assert "rejected" not in ended.counts
        assert not path.exists()
        assert len(server.asked) <= passing + 5 * 4
        unsafe = min(int(email[3:-12]) for email in set(server.asked) - server.stored)
        assert all(state["n"] <= unsafe for state in ended.states)


def test_an_outage_that_ends_is_blamed_on_nobody(
    call: Call, singer: Singer, serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "rejects.singer"

    def answer(server: Server, _: str, __: int) -> Reply:
        return (500, b"") if 10 <= server.asked.total() < 28 else TAKEN

    with serve(answer) as server:
        settings = server.settings(rejects_path=str(path), concurrency=4)
        ended = call(people(singer, *(f"ada{n}" for n in range(100))), settings)
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": 100, "stored": 100}
    assert ended.states[-1] == {"n": 100}


def test_the_last_record_alone_is_not_blamed(call: Call, singer: Singer, serve: Serve) -> None:
    with serve(lambda _, email, __: (500, b"") if email == EVE else TAKEN) as server:
        settings = server.settings(concurrency=1, batch_size_rows=1)
        ended = call(people(singer, "ada", "bob", "eve"), settings)
    assert ended.code == 75
    assert "HTTP 500" in ended.error
    assert ended.counts == {"read": 3, "stored": 2, "unfinished": 1}
    assert ended.states[-1] == {"n": 2}


def test_who_is_suspected_and_then_withdrawn_holds_nothing_up(
    start: Callable[..., subprocess.Popen[str]], singer: Singer, serve: Serve
) -> None:
    messages = people(singer, "eve", "eve")
    messages[3]["record"]["_sdc_deleted_at"] = "2026-11-22T00:00:00Z"
    with serve(lambda _, __, ___: (403, b"")) as server:
        process = start(server.settings())
        assert process.stdin
        process.stdin.write("".join(f"{json.dumps(m)}\n" for m in messages[:3]))
        process.stdin.flush()
        while not server.asked:
            time.sleep(0.01)
        time.sleep(0.1)
        out, log = process.communicate(f"{json.dumps(messages[3])}\n{json.dumps(messages[4])}\n")
        assert server.asked[EVE] == 1
    assert process.returncode == 0, log
    assert json.loads(out) == {"n": 2}
    assert "2 filtered" in log


@pytest.mark.parametrize("body", [b"", b"{}", b'{"responseCode": "27"}'])
def test_an_update_of_nobody_is_the_records_fault(
    call: Call, singer: Singer, serve: Serve, tmp_path: Path, body: bytes
) -> None:
    path = tmp_path / "rejects.singer"
    with serve(lambda _, email, __: TAKEN if email == EVE else (404, body)) as server:
        settings = server.settings(mode="update", rejects_path=str(path))
        ended = call(people(singer, *(f"ada{n}" for n in range(99)), "eve"), settings)
        assert ended.code == 0, ended.log
        assert ended.counts == {"read": 100, "stored": 1, "rejected": 99}
        assert set(server.asked.values()) == {1}


@pytest.mark.parametrize("reply", [(200, b""), (201, b""), (202, b" \n"), (204, b"")])
def test_a_success_needs_no_body(call: Call, singer: Singer, serve: Serve, reply: Reply) -> None:
    with serve(lambda _, __, ___: reply) as server:
        ended = call(people(singer, "ada", "bob"), server.settings())
        assert set(server.asked.values()) == {1}
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": 2, "stored": 2}


NOT_TAKEN = [
    b'{"success": false}',
    b'{"responseCode": "0", "success": "false"}',
    b'{"error": "no such field"}',
    b'{"errors": [{"field": "email"}]}',
    b'{"result": {"responseCode": "27"}}',
    b'{"response": {"success": false}}',
]


@pytest.mark.parametrize("body", NOT_TAKEN)
def test_a_200_that_says_no_is_a_refusal(
    call: Call, singer: Singer, serve: Serve, body: bytes
) -> None:
    with serve(lambda _, email, __: (200, body) if email == EVE else TAKEN) as server:
        ended = call(people(singer, "ada", "eve", "bob"), server.settings())
        assert set(server.asked.values()) == {1}
    assert ended.code == 65
    assert ended.counts == {"read": 3, "stored": 2, "rejected": 1}


@pytest.mark.parametrize("kind", ["server_error", "drop", "html"])
def test_a_token_endpoint_that_is_down_is_asked_as_often_as_the_setting_says(
    call: Call, singer: Singer, settings: Json, sandbox: RunningSandbox, kind: t.Any
) -> None:
    call_ = "oidc/token"
    sandbox.faults.add(Fault(kind, call=call_, times=None))
    ended = call(people(singer, *(f"ada{n}" for n in range(50))), settings | {"max_retries": 2})
    assert ended.code in {69, 75}
    assert sum(logged.call == call_ for logged in sandbox.store.log()) == 3


def test_a_token_endpoint_that_dies_in_mid_run_is_not_asked_for_each_record(
    call: Call, singer: Singer, settings: Json, sandbox: RunningSandbox
) -> None:
    sandbox.faults.add(
        Fault("expired_token", skip=20, times=None),
        Fault("server_error", call="oidc/token", skip=1, times=None),
    )
    ended = call(people(singer, *(f"ada{n}" for n in range(100))), settings | {"max_retries": 2})
    assert ended.code == 75
    assert "the request for a token" in ended.error
    assert sum(logged.call == "oidc/token" for logged in sandbox.store.log()) == 1 + 3


def test_a_signal_is_heeded_while_somebody_is_suspected(
    start: Callable[..., subprocess.Popen[str]], singer: Singer, serve: Serve
) -> None:
    with serve(lambda _, __, ___: (500, b"")) as server:
        process = start(server.settings(max_retries=9))
        assert process.stdin
        process.stdin.write("".join(f"{json.dumps(m)}\n" for m in people(singer, "eve")))
        process.stdin.flush()
        while server.asked[EVE] < 3:
            time.sleep(0.01)
        process.terminate()
        began = time.monotonic()
        assert process.wait(timeout=10) == 143
        assert time.monotonic() - began < 2
