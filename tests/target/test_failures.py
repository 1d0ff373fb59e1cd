"""What a user sees when something is wrong: one line that says what to do."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Singer = t.Any
    Script = t.Any
    Serve = Callable[..., t.ContextManager[Script]]

STORED: t.Final[tuple[int, dict[str, t.Any], dict[str, str]]] = 200, {"responseCode": "0"}, {}


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (
            {"event_code": "nowhere"},
            65,
            "check first that event_code is an event of this organisation",
        ),
        ({"client_secret": "wrong-secret"}, 77, "check client_id, client_secret"),
        ({"client_secret": None}, 78, "OAuth needs both client_id and client_secret"),
        ({"client_id": None, "client_secret": None}, 78, "No credentials are set"),
        (
            {"client_id": None, "client_secret": None, "api_profile": "nope"},
            77,
            "check api_profile",
        ),
        ({"api_profile": "sandboxprofile"}, 78, "Two kinds of credentials are set"),
        ({"org_id": "other"}, 78, "check org_id"),
        ({"org_id": ""}, 78, "Setting org_id must not be empty"),
        ({"api_url": "localhost:99"}, 78, "Setting api_url is not a web address"),
        ({"token_url": "http://u:p@localhost/x"}, 78, "Setting token_url is not a web address"),
        ({"concurrency": 0}, 78, "Setting concurrency must be at least 1"),
        ({"event_code": ""}, 78, "Setting event_code must not be empty"),
    ],
)
def test_a_wrong_setting_is_one_line(
    call: Run, singer: Singer, settings: Json, change: Json, code: int, said: str
) -> None:
    messages = [singer.schema, singer.record("ada@example.com", firstname="Ada"), singer.state(1)]
    ended = call(messages, settings | change)
    assert ended.code == code
    assert said in ended.error
    assert ended.states == []
    assert "ada@" not in ended.log


def test_a_wrong_event_ends_a_long_run_early(run: Run, singer: Singer, settings: Json) -> None:
    people = [singer.record(f"ada{n}@example.com") for n in range(2000)]
    ended = run([singer.schema, *people, singer.state(1)], settings | {"event_code": "nowhere"})
    assert ended.code == 65
    assert "check first that event_code" in ended.error
    assert "HTTP 400, code 104" in ended.error
    read = int(ended.summary.split()[1].replace(",", ""))
    assert read < 200
    assert ended.states == []


def test_a_denied_endpoint_is_named(
    call: Run, singer: Singer, settings: Json, sandbox: RunningSandbox
) -> None:
    sandbox.store.deny("oauth-global", "attendee/store")
    ended = call([singer.schema, singer.record("ada@example.com")], settings)
    assert ended.code == 77
    assert "no access to endpoint" in ended.error
    assert "Nothing was stored." in ended.error


@pytest.mark.parametrize("retries", [0, 1])
def test_a_dead_server_is_tried_again_as_often_as_set(
    call: Run, singer: Singer, settings: Json, retries: int
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings |= {"api_url": f"http://127.0.0.1:{closed.getsockname()[1]}/api"}
    settings |= {"max_retries": retries}
    ended = call([singer.schema, singer.record("ada@example.com"), singer.state(1)], settings)
    assert ended.code == 69
    assert "RainFocus could not be reached" in ended.error
    assert len(ended.lines("WARNING")) == retries
    assert ended.states == []
    assert (
        "1 read, 0 stored, 0 unchanged, 0 merged, 0 filtered, 0 invalid, 0 rejected, 1 unfinished"
        in ended.summary
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ada.secret@example.com", "Line 4 of the input is not a JSON object"),
        ("[1]", "Line 4 of the input is not a JSON object"),
        ('{"stream": "people", "record": {"email": "ada.secret@example.com"}}', "lacks type"),
        ('{"type": "RECORD", "stream": "people", "x": "ada.secret@example.com"}', "lacks record"),
        ('{"type": "GREETING", "x": "ada.secret"}', "Line 4 of the input is a message of an unk"),
        ('{"type": "STATE", "x": "ada.secret"}', "Line 4 of the input lacks value, or has it"),
        ('{"type": "BATCH", "stream": "people", "manifest": ["ada"]}', "holds BATCH messages"),
        ('{"type": ["STATE"], "x": "ada.secret"}', "Line 4 of the input lacks type"),
        ('{"type": "SCHEMA", "stream": "x", "schema": {}}', "lacks properties"),
        (
            '{"type": "RECORD", "stream": "strangers", "record": {"email": "ada.secret"}}',
            "A record of stream strangers came before its schema",
        ),
        ('{"type": "RECORD", "stream": "people", "record": "ada.secret"}', "lacks record"),
    ],
)
def test_a_broken_message_is_not_quoted_and_what_came_before_is_kept(
    call: Run, singer: Singer, settings: Json, line: str, said: str
) -> None:
    before = [singer.schema, singer.record("ada@example.com"), singer.state(1)]
    ended = call([*before, line, singer.record("eve@example.com")], settings)
    assert ended.code == 65
    assert said in ended.error
    assert "ada" not in ended.log
    assert ended.states == [{"n": 1}]
    assert "1 read, 1 stored" in ended.summary


def test_a_missing_key_is_named_without_its_record(
    call: Run, singer: Singer, settings: Json
) -> None:
    schema = singer.schema | {"key_properties": ["id"]}
    ended = call([schema, singer.record("ada@example.com")], settings)
    assert ended.code == 65
    assert "A record of stream people lacks its key id." in ended.error


def test_a_fault_on_the_way_says_how_far_it_got(call: Run, singer: Singer, script: Serve) -> None:
    def answer(_: Script, body: Json) -> tuple[int, Json, dict[str, str]]:
        return STORED if int(body["firstname"]) <= 50 else (403, {}, {})

    with script(answer) as served:
        messages = [singer.schema]
        for n in range(1, 201):
            messages += [singer.record(f"ada{n}@example.com", firstname=n), singer.state(n)]
        ended = call(messages, served.settings | {"batch_size_rows": 10})
    assert ended.code == 77
    assert "access is forbidden" in ended.error
    assert "50 profiles were stored; run again to resume from the last state." in ended.error
    assert ended.states[-1] == {"n": 50}
    assert len(served.bodies) <= 50 + 5 * 8


def test_only_the_refused_record_holds_the_state_back(
    call: Run, singer: Singer, serve_but_refuse: Callable[[str], t.ContextManager[Script]]
) -> None:
    with serve_but_refuse("eve@example.com") as script:
        messages: list[Json] = [singer.schema]
        for n, name in enumerate(("ada", "bob", "eve", "fay"), 1):
            messages += [singer.record(f"{name}@example.com"), singer.state(n)]
        ended = call(messages, script.settings | {"batch_size_rows": 1})
    assert ended.code == 65
    assert ended.states[-1] == {"n": 2}
    assert (
        "4 read, 3 stored, 0 unchanged, 0 merged, 0 filtered, 0 invalid, 1 rejected"
        in ended.summary
    )
    assert "HTTP 200, code 105: the request was refused [RF-403] (1)." in ended.error
    assert "event_code" not in ended.error


@pytest.fixture
def serve_but_refuse(script: Serve) -> Callable[[str], t.ContextManager[Script]]:
    def serve(email: str) -> t.ContextManager[Script]:
        def answer(_: Script, body: Json) -> tuple[int, Json, dict[str, str]]:
            if body["email"] == email or body.get("firstname") == "Refused":
                return 200, {"responseCode": "105", "responseMessage": f"no {email}"}, {}
            return STORED

        return script(answer)

    return serve


def test_a_refusal_of_merged_records_costs_only_the_one_that_is_refused(
    call: Run, singer: Singer, script: Serve
) -> None:
    gate = threading.Event()
    kept: Json = {}

    def answer(script: Script, body: Json) -> tuple[int, Json, dict[str, str]]:
        if len(script.bodies) == 1:
            gate.wait(0.5)
        if body.get("firstname") == "Refused":
            return 400, {"responseCode": "105"}, {}
        kept.update(body)
        return STORED

    with script(answer) as served:
        messages = [
            singer.schema,
            singer.record("ada@example.com", firstname="Ada"),
            singer.record("ada@example.com", lastname="Byron"),
            singer.record("ada@example.com", firstname="Refused"),
            singer.record("ada@example.com", lastname="Lovelace"),
        ]
        ended = call(messages, served.settings)
    assert ended.code == 65
    assert (
        "4 read, 3 stored, 0 unchanged, 0 merged, 0 filtered, 0 invalid, 1 rejected"
        in ended.summary
    )
    assert (kept["firstname"], kept["lastname"]) == ("Ada", "Lovelace")


def test_a_request_is_what_the_readme_says(call: Run, singer: Singer, script: Serve) -> None:
    with script(lambda *_: STORED) as served:
        people = [singer.record("Ada@Example.com", firstname=" Ada ", city="", lastname=None)]
        ended = call([singer.schema, *people], served.settings | {"event_parameter": "eventCode"})
    assert ended.code == 0
    assert served.bodies == [{"email": "Ada@Example.com", "firstname": "Ada"}]
    assert served.queries == ["eventCode=summit26"]


def test_a_server_that_is_busy_is_asked_again(call: Run, singer: Singer, script: Serve) -> None:
    def answer(script: Script, _: Json) -> tuple[int, Json, dict[str, str]]:
        return (429, {}, {"Retry-After": "1"}) if len(script.bodies) == 1 else STORED

    with script(answer) as served:
        began = time.monotonic()
        ended = call([singer.schema, singer.record("ada@example.com")], served.settings)
    assert ended.code == 0
    assert time.monotonic() - began > 1
    assert len(served.bodies) == 2
    assert "1 read, 1 stored" in ended.summary


def test_a_token_is_renewed_once_for_all_workers(call: Run, singer: Singer, script: Serve) -> None:
    def answer(_: Script, body: Json) -> tuple[int, Json, dict[str, str]]:
        time.sleep(0.01)
        return STORED if body["_"] == "Bearer token-2" else (401, {"responseCode": "107"}, {})

    with script(answer) as served:
        people = [singer.record(f"ada{n}@example.com") for n in range(40)]
        ended = call([singer.schema, *people], served.settings)
    assert ended.code == 0, ended.log
    assert served.tokens == 2
    assert "40 read, 40 stored" in ended.summary


def test_a_token_that_stays_refused_ends_the_run(call: Run, singer: Singer, script: Serve) -> None:
    with script(lambda *_: (401, {}, {})) as served:
        ended = call([singer.schema, singer.record("ada@example.com")], served.settings)
    assert ended.code == 77
    assert "the access token is not accepted" in ended.error
    assert len(served.bodies) == 2


def test_requests_keep_to_the_ceiling(call: Run, singer: Singer, script: Serve) -> None:
    with script(lambda *_: STORED) as served:
        began = time.monotonic()
        people = [singer.record(f"ada{n}@example.com") for n in range(11)]
        ended = call([singer.schema, *people], served.settings | {"requests_per_second": 10})
    assert ended.code == 0
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_lets_requests_finish_and_writes_the_state(
    start: Callable[..., subprocess.Popen[str]],
    singer: Singer,
    script: Serve,
    number: signal.Signals,
    code: int,
) -> None:
    arrived = threading.Event()

    def answer(_: Script, body: Json) -> tuple[int, Json, dict[str, str]]:
        if body["email"] == "slow@example.com":
            arrived.set()
            time.sleep(0.5)
        return STORED

    messages = [
        singer.schema,
        singer.record("ada@example.com"),
        singer.state(1),
        singer.record("slow@example.com"),
        singer.state(2),
    ]
    with script(answer) as served, start(served.settings) as process:
        assert process.stdin
        process.stdin.write("".join(f"{json.dumps(message)}\n" for message in messages))
        process.stdin.flush()
        assert arrived.wait(10)
        time.sleep(0.1)
        process.send_signal(number)
        out, log = process.communicate(timeout=10)
    assert process.returncode == code
    assert [json.loads(line) for line in out.splitlines()] == [{"n": 2}]
    assert "2 read, 2 stored" in log
    assert log.count("| ERROR ") == 1
    assert "run again to resume" in log


def test_a_signal_ends_the_wait_for_a_busy_server(
    start: Callable[..., subprocess.Popen[str]], singer: Singer, script: Serve
) -> None:
    arrived = threading.Event()

    def answer(*_: object) -> tuple[int, Json, dict[str, str]]:
        arrived.set()
        return 503, {}, {"Retry-After": "200"}

    messages = [singer.schema, singer.record("ada@example.com"), singer.state(1)]
    with script(answer) as served, start(served.settings) as process:
        assert process.stdin
        process.stdin.write("".join(f"{json.dumps(message)}\n" for message in messages))
        process.stdin.flush()
        assert arrived.wait(10)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=5)
    assert process.returncode == 143
    assert out == ""
    assert "1 unfinished" in log


def test_a_signal_ends_a_run_whose_queue_is_full(
    start: Callable[..., subprocess.Popen[str]], singer: Singer, script: Serve
) -> None:
    def answer(*_: object) -> tuple[int, Json, dict[str, str]]:
        time.sleep(0.1)
        return STORED

    lines = [json.dumps(singer.schema)]
    for n in range(1, 1001):
        lines += [json.dumps(singer.record(f"ada{n}@example.com")), json.dumps(singer.state(n))]

    def stop() -> None:
        while not served.bodies:
            time.sleep(0.02)
        time.sleep(0.5)
        process.terminate()

    with script(answer) as served, start(served.settings) as process:
        assert process.stdin
        threading.Thread(target=stop, daemon=True).start()
        out, log = process.communicate("\n".join(lines), timeout=20)
    assert process.returncode == 143
    last = json.loads(out.splitlines()[-1])["n"]
    assert f"{last:,} stored" in log
    assert len(served.bodies) == last
    assert log.count("| ERROR ") == 1


def test_an_output_that_nobody_reads_any_more_is_an_error(
    start: Callable[..., subprocess.Popen[str]], singer: Singer, settings: Json
) -> None:
    with start(settings) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        for message in (singer.schema, singer.record("ada@example.com"), singer.state(1)):
            process.stdin.write(f"{json.dumps(message)}\n")
        process.stdin.close()
        log = process.stderr.read()
    assert process.returncode == 74
    assert "The next command in the pipe ended early" in log
    assert "Traceback" not in log


def test_a_closed_standard_input_is_told(settings: Json, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(settings))
    command = shlex.join(
        [sys.executable, "-m", "target_rainfocus_attendees", "--config", f"{config}"]
    )
    for more in ("", "--check -"):
        ended = subprocess.run(
            ["/bin/sh", "-c", f"{command} {more} <&-"], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 65
        assert "Standard input is closed" in ended.stderr
        assert "Traceback" not in ended.stderr
