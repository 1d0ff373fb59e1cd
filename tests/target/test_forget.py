"""`forget` removes one person from what the target keeps, and nobody else."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import typing as t
from contextlib import closing

import pytest
from rainfocus_client.persons.person import Person
from rainfocus_client.storage.database import Database
from target_rainfocus_attendees.__main__ import main
from target_rainfocus_attendees.delivery.ledger import TABLES, Claim, Ledger, Route, Settlement
from target_rainfocus_attendees.reports import removal

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Called, InProcess

    Json = dict[str, t.Any]
    Call = Callable[..., t.Any]
    Forget = Callable[..., Called]
    Singer = t.Any
    Server = t.Any
    Serve = Callable[..., t.ContextManager[t.Any]]

ADA = "ada@example.com"
HASH = hashlib.sha256(ADA.encode()).hexdigest()
SCHEMA = '{"type":"SCHEMA","stream":"people","schema":{"title":"ada@example.com"}}'
KEY = "1736208000000000uAjm"
TABLE = "rainfocus_attendee_ledger"


@pytest.fixture
def forget(tmp_path: Path, in_process: InProcess) -> Forget:
    """Run the command in this process; whom it forgets is told nowhere."""

    def forget(settings: Json, *arguments: str, **environment: str) -> Called:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(settings))
        words = ("forget", "--config", str(config), *arguments)
        ended = in_process(main, *words, environment=environment)
        told = (ended.out + ended.log).lower()
        assert "traceback" not in told
        for word in ("ada@example.com", "xada", KEY.lower(), HASH):
            assert word not in told
        return ended

    return forget


@pytest.fixture
def rejects(tmp_path: Path) -> Path:
    return tmp_path / "rejects.singer"


@pytest.fixture
def server(loop_server: Serve) -> Iterator[Server]:
    with loop_server() as serving:
        yield serving


def row(**fields: object) -> str:
    return json.dumps({"type": "RECORD", "stream": "people", "record": fields}, ensure_ascii=False)


def write(path: Path, *lines: str) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def error(ended: Called) -> str:
    (line,) = (line for line in ended.log.splitlines() if "| ERROR " in line)
    return line.partition("target-rainfocus-attendees")[2].partition("| ")[2]


THEIRS: list[Json] = [
    {"email": ADA},
    {"email": " ADA@Example.com "},
    {"any": {"thing": [{"deep": ADA}]}},
    {"email": HASH},
    {"email": HASH.upper()},
    {"note": "Please call <Ada@example.com>, today."},
    {"note": "mailto:ada@example.com?subject=x"},
    {"note": "'ada@example.com'"},
    {"page": "https://example.org/?to=ada@example.com&x=1"},
    {"page": "https://example.org/?to=ada%40example.com"},
    {"note": "bob@example.com,ada@example.com"},
    {"note": f"known as {HASH}."},
    {"_unread": json.dumps({"attendee.notes": "call\nada@example.com"})},
    {"email": "ada\u200b@example.com"},
    {ADA: 1},
]

OTHERS: list[Json] = [
    {"email": "xada@example.com"},
    {"email": "x.ada@example.com"},
    {"email": "x-ada@example.com"},
    {"email": "x+ada@example.com"},
    {"email": "o'ada@example.com"},
    {"email": "ada+x@example.com"},
    {"email": "ada@example.com.au"},
    {"email": "ada@example.community"},
    {"email": "ada@sub.example.com"},
    {"email": "ada@example.co"},
    {"email": f"{HASH}0"},
    {"note": "ada at example.com", "email": None, "n": 1.5, "b": True},
]


@pytest.mark.parametrize("given", [ADA, "  Ada@EXAMPLE.com ", HASH, HASH.upper()])
def test_the_records_of_a_person_are_removed_and_no_others(
    forget: Forget, rejects: Path, given: str
) -> None:
    write(rejects, SCHEMA, *(row(**fields) for pair in zip(THEIRS, OTHERS) for fields in pair),  # noqa: B905
          *(row(**fields) for fields in THEIRS[len(OTHERS):]), "")  # fmt: skip
    ended = forget({"rejects_path": str(rejects)}, "--email", given)
    assert ended == (0, f"Removed {len(THEIRS)} records of rejects.singer.\n", "")
    left = "".join(f"{line}\n" for line in (SCHEMA, *(row(**fields) for fields in OTHERS), ""))
    assert rejects.read_text() == left


def test_an_address_in_another_alphabet_is_found_however_it_is_spelled(
    forget: Forget, rejects: Path
) -> None:
    spellings = ["jose\u0301@m\u00fcller.example", "JOS\u00c9@xn--mller-kva.example"]
    others = [row(email="jos\u00e9@muller.example"), row(note="\ud83d@ \udcff \u00e9 @")]
    for given in spellings:
        write(rejects, *(row(email=spelling, note="") for spelling in spellings))
        with rejects.open("a") as file:
            file.writelines(f"{json.dumps(json.loads(other))}\n" for other in others)
        ended = forget({"rejects_path": str(rejects)}, "--email", given)
        assert (ended.code, ended.out) == (0, "Removed 2 records of rejects.singer.\n")
        assert len(rejects.read_text().splitlines()) == 2


def test_an_id_is_found_in_columns_of_ids(forget: Forget, rejects: Path) -> None:
    others = [row(zip="4711"), row(attendeeId="47110"), row(city="4711 Town", size=4711)]
    theirs = [
        row(attendee={"attendeeId": "4711"}),
        row(attendee__attendeeid=" 4711 "),
        row(_id=4711.0),
        row(number="4711"),
        row(_unread=json.dumps({"attendee.attendeeId": 4711})),
        json.dumps({"identity": hashlib.sha256(b"4711").hexdigest()}),
        "cut off 4711,",
    ]
    write(rejects, *others, *theirs)
    settings = {
        "rejects_path": str(rejects),
        "extra_fields": {"externalId": "crm.number"},
    }
    ended = forget(settings, "--attendee-id", "4711")
    assert ended == (0, "Removed 7 records of rejects.singer.\n", "")
    assert rejects.read_text().splitlines() == others


def test_address_and_id_go_together(forget: Forget, rejects: Path) -> None:
    write(rejects, row(email=ADA), row(attendee={"attendeeId": KEY}), row(email="bob@example.com"))
    ended = forget({"rejects_path": str(rejects)}, "--email", ADA, "--attendee-id", KEY)
    assert ended == (0, "Removed 2 records of rejects.singer.\n", "")
    assert rejects.read_text() == row(email="bob@example.com") + "\n"


def test_a_line_that_cannot_be_read_stays_unless_it_holds_the_address(
    forget: Forget, rejects: Path
) -> None:
    cut = rejects.with_name("rejects.singer.cut")
    rejects.write_bytes(b'my notes\n{"email":"ada@example.com\n\xff\xfe caf\xe9\n\n{"no":"end"}')
    cut.write_bytes(b'{"email":"xada@example.com\n{"email":"ADA@example.com","city\n')
    ended = forget({"rejects_path": str(rejects)}, "--email", ADA)
    assert ended.code == 0
    assert ended.out == "Removed 1 record of rejects.singer, 1 record of rejects.singer.cut.\n"
    assert "rejects.singer: 2 lines could not be read, and stay" in ended.log
    assert "rejects.singer.cut: 1 line could not be read, and stay" in ended.log
    assert rejects.read_bytes() == b'my notes\n\xff\xfe caf\xe9\n\n{"no":"end"}'
    assert cut.read_bytes() == b'{"email":"xada@example.com\n'


def test_whatever_a_load_leaves_of_a_person_is_removed(
    call: Call, forget: Forget, singer: Singer, server: Server, rejects: Path, tmp_path: Path
) -> None:
    log, bodies = tmp_path / "activations.jsonl", tmp_path / "bodies.jsonl"
    settings = server.settings | {
        "ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}",
        "rejects_path": str(rejects),
        "activation_log_path": str(log),
        "summary_path": str(tmp_path / "summary.json"),
    }
    people = [singer.record(email, firstname="A") for email in ("Ada@Example.com", "bob@x.org")]
    refused = [singer.record("", lastname=name) for name in (ADA, "bob@x.org")]
    messages = [singer.schema, *people, *refused, singer.state(1)]
    assert call(messages, settings).code == 0
    dry = settings | {"dry_run": True, "dry_run_path": str(bodies), "ledger_url": None}
    assert call(messages, dry).code == 0
    summary = (tmp_path / "summary.json").read_bytes()

    ended = forget(settings | {"dry_run": True, "dry_run_path": str(bodies)}, "--email", ADA)
    assert (ended.code, ended.log) == (0, "")
    assert ended.out == (
        "Removed 1 entry of the ledger, 2 records of rejects.singer, 1 line of activations.jsonl, "
        "1 line of bodies.jsonl.\n"
    )
    for path in (rejects, log, bodies):
        assert "ada" not in path.read_text().lower()
        assert HASH not in path.read_text()
    assert rejects.read_text().count("bob@x.org") == 2
    assert "bob@x.org" in bodies.read_text()
    assert (tmp_path / "summary.json").read_bytes() == summary
    assert call(messages, settings).counts == {"read": 4, "stored": 1, "unchanged": 1, "invalid": 2}


def test_without_credentials_and_with_settings_from_the_environment(
    in_process: InProcess, rejects: Path, tmp_path: Path
) -> None:
    write(rejects, row(email=ADA))
    environment = {"TARGET_RAINFOCUS_ATTENDEES_REJECTS_PATH": "rejects.singer"}
    words = ("forget", "--config=ENV", f"--email={ADA}")
    ended = in_process(main, *words, environment=environment, folder=tmp_path)
    assert ended == (0, "Removed 1 record of rejects.singer.\n", "")


@pytest.mark.parametrize("identity", ["email", "email_lc_sha256", "attendeeId"])
def test_the_ledger_forgets_one_person_of_this_event(
    call: Call, forget: Forget, singer: Singer, server: Server, ledger_url: str, identity: str
) -> None:
    settings = server.settings | {"ledger_url": ledger_url, "identity": identity}
    column, value = ("attendeeId", KEY) if identity == "attendeeId" else ("email", ADA)
    server.answer = stored
    if identity == "attendeeId":
        settings |= {"streams": ["people"]}
    properties = singer.schema["schema"]["properties"] | {"attendeeId": {"type": "string"}}
    schema = singer.schema | {"schema": {"properties": properties}}
    people = [
        {"type": "RECORD", "stream": "people", "record": {column: name}}
        for name in (value, value.replace("7", "8").replace("ada", "bob"))
    ]
    other = settings | {"event_code": "summit25"}
    for event in (settings, other):
        assert call([schema, *people], event).counts == {"read": 2, "stored": 2}
    option = "--attendee-id" if identity == "attendeeId" else "--email"
    assert forget(settings, option, value) == (0, "Removed 1 entry of the ledger.\n", "")
    assert forget(settings, option, value).code == 65
    assert call([schema, *people], other).counts == {"read": 2, "unchanged": 2}
    assert call([schema, *people], settings).counts == {"read": 2, "stored": 1, "unchanged": 1}


async def stored(*_: object) -> tuple[int, Json, dict[str, str]]:
    return 200, {"responseCode": "0"}, {}


def test_nothing_of_an_entry_is_left_in_the_files_of_sqlite(
    call: Call, forget: Forget, singer: Singer, server: Server, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    connect: Callable[..., sqlite3.Connection] = sqlite3.dbapi2.connect

    def as_most_are_built(*args: t.Any, **kwargs: t.Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)
        connection.execute("PRAGMA secure_delete=OFF")
        return connection

    monkeypatch.setattr(sqlite3.dbapi2, "connect", as_most_are_built)
    path = tmp_path / "ledger.db"
    settings = server.settings | {"ledger_url": f"sqlite:///{path}"}
    for value in ("A", "B"):  # pages divide, and entries are written anew
        people = [singer.record(f"ada{n}@example.com", firstname=value) for n in range(800)]
        assert call([singer.schema, *people], settings).code == 0
    place = f"{server.url}/api/acme/v3/attendee {settings['event_code']}"
    found = []
    # Whoever has it open keeps its write-ahead log.
    with closing(sqlite3.connect(path)) as other:
        for n in range(0, 800, 100):
            identity = hashlib.sha256(f"ada{n}@example.com".encode()).hexdigest()
            key = hashlib.sha256(f"{place}\n{identity}".encode()).hexdigest()
            query = f"SELECT fingerprint FROM {TABLE} WHERE identity = ?"
            (fingerprint,) = other.execute(query, [key]).fetchone()
            found += [key.encode(), fingerprint.encode()]
            ended = forget(settings, "--email", f"ada{n}@example.com")
            assert ended.out == "Removed 1 entry of the ledger.\n"
        left = b"".join(file.read_bytes() for file in tmp_path.glob("ledger.db*"))
        assert other.execute(f"SELECT count(*) FROM {TABLE}").fetchone() == (792,)
    assert [text for text in found if text in left] == []


def test_a_write_ahead_log_that_others_need_is_told(
    call: Call, forget: Forget, singer: Singer, server: Server, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("rainfocus_client.storage.database.BUSY_TIMEOUT", 0)
    path = tmp_path / "ledger.db"
    settings = server.settings | {"ledger_url": f"sqlite:///{path}"}
    assert call([singer.schema, singer.record(ADA)], settings).code == 0
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute(f"SELECT * FROM {TABLE}").fetchall()
        ended = forget(settings, "--email", ADA)
    assert ended.code == 75
    assert error(ended) == (
        "The ledger is in use, and its write-ahead log still holds what was removed: run this "
        "again. [RF-606]"
    )


def test_who_is_on_the_way_is_not_forgotten_until_they_have_arrived(
    call: Call, run: Call, forget: Forget, singer: Singer, loop_server: Serve, ledger_url: str,
    rejects: Path,
) -> None:  # fmt: skip
    arrived, go_on = threading.Event(), threading.Event()

    async def answer(server: Server, body: Json) -> tuple[int, Json, dict[str, str]]:
        arrived.set()
        await asyncio.to_thread(go_on.wait)
        return t.cast("tuple[int, Json, dict[str, str]]", server.keep(body))

    write(rejects, row(email=ADA))
    messages = [singer.schema, singer.record(ADA), singer.state(1)]
    loads = []
    with loop_server(answer) as server:
        settings = server.settings | {"ledger_url": ledger_url}
        load = threading.Thread(target=lambda: loads.append(run(messages, settings)))
        load.start()
        try:
            assert arrived.wait(30)
            ended = forget(settings | {"rejects_path": str(rejects)}, "--email", ADA)
        finally:
            go_on.set()
            load.join()
        assert ended.code == 75
        assert error(ended) == (
            "A load sends this person at this moment, or was cut off while it did: try again, in "
            "49 minutes at the latest. [RF-605]"
        )
        assert rejects.read_text()
        assert [load.code for load in loads] == [0]
        assert forget(settings, "--email", ADA).out == "Removed 1 entry of the ledger.\n"
        assert call(messages, settings).counts == {"read": 1, "stored": 1}


def test_a_claim_older_than_what_was_forgotten_writes_nothing_down(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    database = Database("ledger", url)
    database.create(TABLES)
    with closing(Ledger(database, Route("place", "way", lease=-2))) as ledger:
        late, new = ({"firstname": value} for value in "AB")
        (claim,) = ledger.claim([ledger.entry(ADA, late)])
        assert isinstance(claim, Claim)
        assert ledger.forget([HASH]) == 1
        ledger.claim([ledger.entry(ADA, new)])
        ledger.settle([Settlement(claim, stored=True)])
        assert ledger.known([ledger.entry(ADA, late)]) == [None]


def test_what_a_load_adds_meanwhile_is_kept(
    forget: Forget, run: Call, singer: Singer, server: Server, rejects: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    write(rejects, row(email=ADA), row(email="bob"))
    copy, loads = removal._copy, []  # noqa: SLF001
    messages = [singer.schema, singer.record("ok@example.com"), singer.record("eve")]
    settings = server.settings | {"rejects_path": str(rejects)}
    load = threading.Thread(target=lambda: loads.append(run(messages, settings)))

    def slow(*args: t.Any) -> t.Any:
        load.start()
        while not server.bodies:
            time.sleep(0.01)
        time.sleep(1)
        return copy(*args)

    monkeypatch.setattr(removal, "_copy", slow)
    ended = forget({"rejects_path": str(rejects)}, "--email", ADA)
    load.join()
    assert (ended.code, loads[0].code) == (0, 0)
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [line.get("record", {}).get("email") for line in lines] == ["bob", None, "eve"]


def test_a_file_that_a_run_writes_all_the_time_stays(
    forget: Forget, rejects: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "PATIENCE", 0.1)
    bodies = tmp_path / "bodies.jsonl"
    for path in (rejects, bodies):
        write(path, row(email=ADA))
    settings = {
        "rejects_path": str(rejects),
        "dry_run": True,
        "dry_run_path": str(bodies),
    }
    with bodies.open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        ended = forget(settings, "--email", ADA)
    assert ended.code == 75
    assert error(ended) == (
        "A run is writing to bodies.jsonl: try again when it has ended. "
        "Removed before that: 1 record of rejects.singer. [RF-605]"
    )
    assert forget(settings, "--email", ADA).out == "Removed 1 line of bodies.jsonl.\n"


def test_a_dry_run_holds_its_bodies(
    forget: Forget, start: Call, singer: Singer, server: Server, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(removal, "PATIENCE", 0.1)
    bodies = tmp_path / "bodies.jsonl"
    dry = server.settings | {"dry_run": True, "dry_run_path": str(bodies), "concurrency": 1}
    with start(dry) as process:
        crowd = [singer.record(f"ada{n}@example.com") for n in range(100)]
        for message in (singer.schema, *crowd):
            process.stdin.write(f"{json.dumps(message)}\n")
        process.stdin.flush()
        while not bodies.exists():
            time.sleep(0.01)
        assert forget(dry, "--email", "ada1@example.com").code == 75
        process.communicate(timeout=30)
    assert forget(dry, "--email", "ada1@example.com").code == 0


def test_permissions_and_links_stay_and_nothing_is_left_beside(
    forget: Forget, rejects: Path, tmp_path: Path
) -> None:
    real = tmp_path / "elsewhere" / "real.singer"
    real.parent.mkdir()
    rejects.symlink_to(real)
    left_over = real.with_name(".real.singer.forget")
    for mode in (0o600, 0o640):
        write(real, row(email=ADA), row(email="bob"))
        left_over.write_text("of one that was killed")
        real.chmod(mode)
        if os.geteuid() == 0:
            os.chown(real, 1234, 4321)
        before = real.stat()
        assert forget({"rejects_path": str(rejects)}, "--email", ADA).code == 0
        assert real.read_text() == row(email="bob") + "\n"
        after = real.stat()
        assert stat.S_IMODE(after.st_mode) == mode
        assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
        assert rejects.is_symlink()
        assert list(real.parent.iterdir()) == [real]


def test_where_nobody_is_found_the_file_is_not_touched(forget: Forget, rejects: Path) -> None:
    write(rejects, row(email="bob"))
    before = rejects.stat()
    assert forget({"rejects_path": str(rejects)}, "--email", ADA).code == 65
    after = rejects.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_whatever_stops_it_the_file_is_the_old_or_the_new_one(
    forget: Forget, rejects: Path, tmp_path: Path, number: signal.Signals
) -> None:
    others = "".join(f"{row(email=f'bob{n}@example.com')}\n" for n in range(5_000))
    old = f"{row(email=ADA)}\n{others}"
    half = tmp_path / ".rejects.singer.forget"
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"rejects_path": str(rejects)}))
    command = [sys.executable, "-m", "target_rainfocus_attendees", "forget"]
    command += ["--config", str(config), "--email", ADA]
    rejects.write_text(old)
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while not (half.exists() and half.stat().st_size):
            assert process.poll() is None
        assert stat.S_IMODE(half.stat().st_mode) == 0o600
        process.send_signal(number)
        _, log = process.communicate(timeout=30)
    assert rejects.read_text() == old
    assert b"Traceback" not in log
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert not half.exists()
    assert forget({"rejects_path": str(rejects)}, "--email", ADA).code == 0
    assert rejects.read_text() == others
    assert not half.exists()


def test_who_is_not_there_is_one_line(forget: Forget, rejects: Path, tmp_path: Path) -> None:
    write(rejects, row(email="bob@example.com"))
    settings = {
        "rejects_path": str(rejects),
        "org_id": "acme",
        "event_code": "summit26",
        "ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}",
        "activation_log_path": str(tmp_path / "activations.jsonl"),
    }
    ended = forget(settings, "--email", ADA, LOGLEVEL="debug")
    assert (ended.code, ended.out) == (65, "")
    assert error(ended) == (
        "Nothing is kept of this person in the ledger (which is not there), rejects.singer, "
        "activations.jsonl (which is not there). [RF-509]"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "rejects.singer"}


def test_a_file_that_cannot_be_replaced_is_one_line(forget: Forget, tmp_path: Path) -> None:
    path = tmp_path / ("r" * 250)
    write(path, row(email=ADA))
    ended = forget({"rejects_path": str(path)}, "--email", ADA)
    assert ended.code == 74
    assert error(ended) == (
        "The rejects cannot be written (File name too long): check rejects_path. [RF-601]"
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"org_id": "acme"},
            "None of ledger_url, rejects_path, activation_log_path, dry_run_path is set",
        ),
        (
            {"ledger_url": "sqlite:///ledger.db", "org_id": "acme"},
            "Setting event_code is missing: the ledger knows people by organisation and event.",
        ),
        ({"reject_path": "x"}, "Setting reject_path is not known: is rejects_path meant?"),
    ],
)
def test_settings_that_cannot_work_are_one_line(forget: Forget, settings: Json, said: str) -> None:
    ended = forget(settings, "--email", ADA)
    assert (ended.code, ended.out) == (78, "")
    assert error(ended).startswith(said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Give --email, --attendee-id or both."),
        (["--email", "ada"], "neither an e-mail address nor its SHA-256"),
        (["--attendee-id", " "], "it is blank"),
        ([ADA], "give the address with --email"),
        (["--email", "bob@example.com", ADA], "give the address with --email"),
    ],
)
def test_a_wrong_command_line_is_told_without_the_address(
    forget: Forget, rejects: Path, words: list[str], said: str
) -> None:
    write(rejects, row(email=ADA))
    ended = forget({"rejects_path": str(rejects)}, *words)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.log
    assert rejects.read_text()


def test_help_names_it(in_process: InProcess) -> None:
    assert "target-rainfocus-attendees forget --help" in in_process(main, "--help").out
    assert "--attendee-id ID" in in_process(main, "forget", "--help").out


def test_no_text_is_too_long_to_be_looked_through() -> None:
    person = Person(ADA, KEY, [])
    began = time.monotonic()
    for text in ("x" * 3_000_000, "a=" * 300_000 + "@b.c", "a@" * 100_000):
        assert not person.is_in({"a": text})
        assert not person.is_in_text(text)
        assert person.is_in({"a": f"{text} {ADA}"})
    assert time.monotonic() - began < 30
