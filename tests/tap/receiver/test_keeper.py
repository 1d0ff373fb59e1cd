"""What the keeper of an inbox can do with it: look, export, judge again, check a sample, forget."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import sqlite3
import stat
import typing as t
from contextlib import closing
from dataclasses import dataclass

import jsonschema
import pytest
from rainfocus_client.errors import ExitCode
from tap_rainfocus.inbox.keeping import KeptInbox
from tap_rainfocus.inbox.models import Judged
from tap_rainfocus.receiver.__main__ import main
from tap_rainfocus.receiver.bodies import BodyReader
from tap_rainfocus.schema import xdm

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Called, InProcess, Postgres

    TapRunner = Callable[..., t.Any]

LOOKED = (
    "{} looked at: {} with events that the tap reads next, {} with events that are there already, "
    "{} as before.\n"
)
STREAM = "experience_events"
ADA, BOB = "ada@example.com", "bob@example.com"
EVENT: dict[str, t.Any] = {
    "transmissionId": "t1",
    "eventType": "SessionScheduled",
    "timestamp": "2025-03-18T16:05:09.000Z",
    "attendee": {"attendeeId": "A1234567", "email": ADA},
}
VALIDATOR = jsonschema.Draft202012Validator(
    xdm.experience_schema(xdm.EXPERIENCE),
    format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
)


@dataclass
class Keeper:
    """An inbox, and commands for it."""

    url: str
    folder: Path
    in_process: InProcess

    def run(self, *arguments: str, stdin: str = "", **settings: str) -> Called:
        environment = {"RAINFOCUS_RECEIVER_INBOX_URL": self.url, **settings}
        return self.in_process(
            main, *arguments, environment=environment, folder=self.folder, stdin=stdin
        )

    def fill(self, *bodies: object) -> None:
        """Have the receiver keep these, bytes as they are, else as JSON."""
        read = BodyReader()
        with closing(KeptInbox(self.url)) as inbox:
            for body in bodies:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                inbox.append(read(content, "flow"))

    def kinds(self) -> list[str]:
        with closing(KeptInbox(self.url)) as inbox:
            return [row.kind for row in inbox.rows()]


@pytest.fixture
def keeper(tmp_path: Path, in_process: InProcess) -> Keeper:
    return Keeper(f"sqlite:///{tmp_path}/inbox.db", tmp_path, in_process)


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest, keeper: Keeper) -> Iterator[Keeper]:
    """A keeper of an inbox in each kind of database."""
    if request.param == "sqlite":
        yield keeper
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    postgres.run("CREATE DATABASE keeper")
    at = f"{postgres.user}@{postgres.host}:{postgres.port}"
    yield Keeper(f"postgresql+psycopg://{at}/keeper", keeper.folder, keeper.in_process)
    postgres.run("DROP DATABASE keeper")


def check_failure(done: Called, text: str, code: int) -> None:
    assert done.code == code
    assert len(done.log.splitlines()) == 1, done.log
    assert text in done.log


def test_status(either: Keeper, run_tap: TapRunner) -> None:
    odd = {"transmissionId": "t3", "eventType": f"{BOB} was here"}
    either.fill(EVENT, EVENT | {"attempt": 2}, {"transmissionId": "t2"}, odd, 7, b"text", b"\xff")
    first = either.run("status")
    assert (first.code, first.log) == (0, "")
    lines = dict(line.split(": ", 1) for line in first.out.splitlines())
    size = lines.pop("On the disk")
    assert 0 < float(size.removesuffix(" MB")) < 1
    assert lines == {
        "Events": "3 (1 SessionScheduled, 1 ?, 1 without a type)",
        "Not read": "3 (1 no-event, 1 not-json, 1 not-utf-8)",
        "Conflicts": "1",
        "Last sequence": "7",
    }
    state = either.folder / "state.json"
    read = run_tap({"inbox_url": either.url})
    state.write_text(json.dumps({"singer_state": read.state}))
    assert either.run("status", "--state", "state.json").out.endswith("Unread by the tap: 0\n")
    either.fill({"transmissionId": "t8"}, {"transmissionId": "t9"})
    told = either.run("status", "--state", "state.json").out.splitlines()[-1]
    assert told.startswith("Unread by the tap: 2, the oldest with sequence 8, received 20")


def test_an_inbox_that_was_put_back_is_not_what_the_state_read(
    keeper: Keeper, run_tap: TapRunner
) -> None:
    file, backup = keeper.folder / "inbox.db", keeper.folder / "backup.db"
    keeper.fill({"transmissionId": "a"})
    shutil.copy(file, backup)
    keeper.fill({"transmissionId": "b"}, {"transmissionId": "c"})
    state = run_tap({"inbox_url": keeper.url}).state
    (keeper.folder / "state.json").write_text(json.dumps(state))
    shutil.copy(backup, file)
    keeper.fill(*({"transmissionId": f"new {n}"} for n in range(9)))
    prune = ("prune", "--read-before", "2999-01-01")
    for command in (("status",), prune):
        check_failure(keeper.run(*command, "--state", "state.json"), "this one was put back", 2)
    assert len(keeper.kinds()) == 10


def test_a_state_that_is_none(keeper: Keeper) -> None:
    keeper.fill(EVENT)
    (keeper.folder / "bad.json").write_text("{")
    check_failure(keeper.run("status", "--state", "bad.json"), "bad.json is not JSON", 65)
    missing = keeper.run("status", "--state", "missing.json")
    assert missing.code != 0
    assert len(missing.log.splitlines()) == 1


@pytest.mark.parametrize("command", ["status", "list", "export", "judge", "forget"])
def test_there_has_to_be_an_inbox(keeper: Keeper, command: str) -> None:
    more = ["--email", ADA] if command == "forget" else []
    check_failure(keeper.run(command, *more), "There is no inbox where inbox_url", 78)
    assert list(keeper.folder.iterdir()) == []


def test_list_shows_why_and_names_but_no_values(keeper: Keeper) -> None:
    assert keeper.run("replay", "-").code == 0
    assert keeper.run("list").out == ""
    keeper.fill(EVENT, {"result": [ADA], ADA: 1}, f"hello {ADA}".encode(), b"[" * 10)
    done = keeper.run("list")
    assert (done.code, done.log) == (0, "")
    head, *rows = [line.split() for line in done.out.splitlines()]
    assert head == ["sequence", "received", "kind", "bytes", "fields"]
    assert [(row[0], *row[2:]) for row in rows] == [
        ("2", "no-event", "53", "result,", "?"),
        ("3", "not-json", "21"),
        ("4", "cut-off", "10"),
    ]
    assert ADA not in done.out


def test_export_gives_back_what_came(keeper: Keeper) -> None:
    bodies = [b'{"odd": 1}', b"text", b"\xff\x00"]
    keeper.fill(EVENT, *bodies)
    lines = [json.loads(line) for line in keeper.run("export").out.splitlines()]
    assert [line["kind"] for line in lines] == ["no-event", "not-json", "not-utf-8"]
    assert {line["flow_id"] for line in lines} == {"flow"}
    kept = [
        line["payload"].encode() if "payload" in line else base64.b64decode(line["payload_base64"])
        for line in lines
    ]
    assert kept == bodies
    assert keeper.run("export", "3", "--output", "some.jsonl").out == ""
    some = keeper.folder / "some.jsonl"
    assert [json.loads(line)["sequence"] for line in some.read_text().splitlines()] == [3]
    assert stat.S_IMODE(some.stat().st_mode) == 0o600
    again = keeper.run("export", "--output", "some.jsonl")
    check_failure(again, "Cannot write some.jsonl: File exists.", ExitCode.FILES)
    check_failure(keeper.run("export", "1"), "No unread message has sequence 1", 65)


def test_judge_lets_out_what_can_be_read_now(keeper: Keeper, run_tap: TapRunner) -> None:
    wrapped = {"result": {"hits": [EVENT, EVENT | {"transmissionId": "t2"}]}}
    keeper.fill(EVENT, wrapped, {"odd": 1}, EVENT | {"attempt": 2})
    first = run_tap({"inbox_url": keeper.url})
    done = keeper.run("judge")
    assert done.out == LOOKED.format("3 messages were", 0, 0, 3)
    assert keeper.kinds() == ["event", "no-event", "no-event", "conflict"]

    key = {"RAINFOCUS_RECEIVER_PAYLOAD_KEY": "result.hits"}
    check_failure(keeper.run("judge", "9", **key), "No unread message has sequence 9", 65)
    done = keeper.run("judge", "2", **key)
    assert done.out == LOOKED.format("1 message was", 1, 0, 0)
    keeper.fill(wrapped)
    assert keeper.run("judge", **key).out == LOOKED.format("3 messages were", 0, 1, 2)
    assert keeper.kinds() == ["event", "no-event", "conflict", "event"]
    assert keeper.kinds() == ["event", "no-event", "conflict", "event"]
    then = run_tap({"inbox_url": keeper.url}, state=first.state)
    assert [one["transmissionId"] for one in then.records(STREAM)] == ["t2"]


def test_judge_keeps_the_time_of_receipt(keeper: Keeper, run_tap: TapRunner) -> None:
    keeper.fill({"result": {"lead": {"leadId": 1}}})
    with closing(KeptInbox(keeper.url)) as inbox:
        (before,) = inbox.rows()
        assert keeper.run("judge", RAINFOCUS_RECEIVER_PAYLOAD_KEY="result").code == 0
        (after,) = inbox.rows()
    assert (after.received_at, after.sequence, after.kind) == (before.received_at, 2, "event")
    (record,) = run_tap({"inbox_url": keeper.url}).records(STREAM)
    received = before.received_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert record["timestamp"] == received


def test_judge_takes_no_retry_for_an_event(keeper: Keeper) -> None:
    event = {"eventType": "A", "lead": {"leadId": 1}}
    keeper.fill(event, event | {"attempt": 2}, {"result": event}, {"result": event, "attempt": 2})
    with closing(sqlite3.connect(keeper.folder / "inbox.db")) as connection, connection:
        long_ago = "strftime('%Y-%m-%d %H:%M:%f', received_at, '-1 hour') || '000'"
        connection.execute(f"UPDATE rainfocus_inbox SET received_at = {long_ago}")
    for _ in range(2):
        assert keeper.run("judge", RAINFOCUS_RECEIVER_PAYLOAD_KEY="result").code == 0
        assert sorted(keeper.kinds()) == ["conflict", "event"]


def test_judge_brings_nobody_back(keeper: Keeper) -> None:
    keeper.fill({"result": EVENT})
    with closing(KeptInbox(keeper.url)) as inbox:
        (row,) = inbox.rows()
        assert keeper.run("forget", "--email", ADA).code == 0
        messages = BodyReader("result")(row.payload.encode())
        assert inbox.judge(row, messages) is Judged.UNREAD
    assert keeper.kinds() == []


def test_prune_by_time_leaves_the_row_that_the_bookmark_knows(
    keeper: Keeper, run_tap: TapRunner
) -> None:
    keeper.fill({"result": EVENT})
    with closing(sqlite3.connect(keeper.folder / "inbox.db")) as connection, connection:
        connection.execute("UPDATE rainfocus_inbox SET received_at = '2020-01-01 00:00:00.000000'")
    keeper.fill(*({"transmissionId": f"n{n}"} for n in range(3)))
    assert keeper.run("judge", RAINFOCUS_RECEIVER_PAYLOAD_KEY="result").code == 0
    run = run_tap({"inbox_url": keeper.url})
    (keeper.folder / "state.json").write_text(json.dumps(run.state))
    old = keeper.run("prune", "--read-before", "2021-01-01", "--state", "state.json")
    assert old.out == "0 removed.\n"
    again = run_tap({"inbox_url": keeper.url}, state=run.state)
    assert again.records(STREAM) == []


PERSON = {"attendee": {"email": ADA, "attendeeId": "A1234567"}}
SAMPLES: dict[str, tuple[str, int, list[str]]] = {
    "pretty-printed": (json.dumps(EVENT, indent=2), 1, ["attendee.attendeeId", "timestamp"]),
    "lines": (f"{json.dumps(EVENT)}\n{json.dumps(EVENT)}\n", 2, ["attendee.email"]),
    "a list": (json.dumps([EVENT, EVENT | {"eventType": "B"}]), 2, ["eventType"]),
    "Adobe's envelope": (
        json.dumps({"header": {}, "body": {"xdmEntity": {"_id": "t1", "_acme": PERSON}}}, indent=4),
        1,
        ["attendee.email", "transmissionId"],
    ),
    "messages": (json.dumps({"messages": [{"body": {"xdmEntity": EVENT}}]}), 1, ["eventType"]),
    "dotted": (json.dumps({"Attendee.email": ADA, "session_code": "GS1"}), 1, ["session.code"]),
    "data": (json.dumps({"data": EVENT}), 1, ["attendee.email"]),
    "with a mark in front": ("\ufeff" + json.dumps(EVENT), 1, ["attendee.email"]),
}


@pytest.mark.parametrize(("sample", "events", "fields"), SAMPLES.values(), ids=SAMPLES)
def test_check_tells_what_would_be_read(
    keeper: Keeper, sample: str, events: int, fields: list[str]
) -> None:
    (keeper.folder / "sample.json").write_text(sample)
    done = keeper.run("check", "sample.json")
    assert (done.code, done.log) == (0, "")
    assert done.out.endswith(f"{events} of {events} message{'s' * (events > 1)} would be read.\n")
    told = next(line for line in done.out.splitlines() if " of the 23 fields: " in line)
    assert set(fields) <= set(told.partition(": ")[2].split(", "))
    record, _ = json.JSONDecoder().raw_decode(done.out[done.out.index("{\n") :])
    VALIDATOR.validate(record)
    assert record["attendee"]["email"] == ADA
    assert not list(keeper.folder.glob("*.db"))


def test_check_names_what_is_not_known_or_not_readable(keeper: Keeper) -> None:
    sample = EVENT | {"shoe": 43, "session": {"length": "long", "colour": "red", "abstract": "x"}}
    out = keeper.run("check", "-", stdin=json.dumps([sample, {"odd": 1}])).out
    assert "Message 1: an event, SessionScheduled.\n" in out
    assert "  Not known, passed through: session.colour, shoe\n" in out
    assert "  Not readable, kept in _unread: session.length\n" in out
    assert "Message 2: not read (no-event).\n" in out
    assert out.endswith("1 of 2 messages would be read.\n")


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        ("hello", "- cannot be read as JSON (not-json)"),
        ('{"eventType": ', "- cannot be read as JSON (cut-off)"),
        ("", "- is empty or too large"),
        (" " * 1_048_577, "- is empty or too large"),
        ('{"odd": {"eventType": "A"}}', "RAINFOCUS_RECEIVER_PAYLOAD_KEY"),
    ],
)
def test_a_sample_that_is_none(keeper: Keeper, sample: str, told: str) -> None:
    check_failure(keeper.run("check", "-", stdin=sample), told, ExitCode.DATA)


OTHERS: list[object] = [
    {"transmissionId": "o1", "attendee": {"attendeeId": "B1", "email": BOB}},
    {"transmissionId": "o2", "attendee": {"email": f"x{ADA}"}},
    {"transmissionId": "o3", "session": {"length": 1, "code": "A1234567"}, "paid": "A1234567"},
    {"odd": BOB},
    f"hello {ADA}.au".encode(),
]
ADAS: list[object] = [
    EVENT,
    EVENT | {"attempt": 2},
    {"transmissionId": "a1", "Attendee.Email": ADA.upper()},
    {"transmissionId": "a2", "attendee": {"attendeeId": "A1234567"}},
    {"transmissionId": "a3", "lead": {"note": f"write to <{ADA}>, soon"}},
    {"odd": [{"contact": ADA}]},
    f"email={ADA}&event=x".encode(),
    b"email=ada%40example.com&event=x",
    b'{"attendee": {"email": "ada\\u0040example.com", "att',
    "Zo\u00eb, ada@example.com".encode("latin-1"),
    f"to {ADA}".encode("utf-16"),
    b"\xff" + ADA.encode(),
    gzip.compress(json.dumps(EVENT | {"padding": os.urandom(999).hex()}).encode())[:-20],
]


def test_forget_takes_one_person_out_and_no_other(either: Keeper, run_tap: TapRunner) -> None:
    either.fill(*OTHERS[:3], *ADAS, *OTHERS[3:])
    before = run_tap({"inbox_url": either.url})
    done = either.run("forget", "--email", f" {ADA.title()} ")
    assert (done.code, done.log) == (0, "")
    assert done.out == "Removed 4 events and 9 messages that are not read from the inbox.\n"
    with closing(KeptInbox(either.url)) as inbox:
        left = [row.sequence for row in inbox.rows()]
        assert left == [1, 2, 3, 17, 18]
        assert inbox.last() == 18
    check_failure(either.run("forget", "--email", ADA), "holds nothing of this person", 65)

    then = run_tap({"inbox_url": either.url}, state=before.state)
    assert then.records(STREAM) == []
    assert "is read from its beginning" not in then.log
    pruned = either.run("prune", "--read-before", "18", "--unreadable")
    assert pruned.out.startswith("18 removed.")


def test_forget_by_id(keeper: Keeper) -> None:
    keeper.fill(*OTHERS, *ADAS)
    done = keeper.run("forget", "--attendee-id", "A1234567")
    assert done.out == "Removed 2 events and 2 messages that are not read from the inbox.\n"


def test_what_is_forgotten_is_in_no_file_any_more(keeper: Keeper) -> None:
    keeper.fill(*ADAS[:5], *OTHERS[:1])
    with closing(KeptInbox(keeper.url)) as inbox:
        inbox.last()
        assert keeper.run("forget", "--email", ADA).code == 0
        held = b"".join(path.read_bytes() for path in keeper.folder.glob("inbox.db*"))
    assert ADA.encode() not in held.lower()
    assert BOB.encode() in held


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Give --email, --attendee-id or both"),
        (["--email", "ada"], "neither an e-mail address nor its SHA-256"),
        (["--attendee-id", " "], "it is blank"),
        ([ADA], "words that belong to no option"),
    ],
)
def test_whom_to_forget_has_to_be_said(keeper: Keeper, arguments: list[str], told: str) -> None:
    keeper.fill(EVENT)
    done = keeper.run("forget", *arguments)
    assert done.code == ExitCode.USAGE
    assert told in done.log
    assert ADA not in done.log
    assert keeper.kinds() == ["event"]
