"""`--check` shows what a run would make of a file, and sends, writes and tells nothing else."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import typing as t

import pytest
from target_rainfocus_attendees.__main__ import main

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Called, InProcess

    Json = dict[str, t.Any]
    Check = Callable[..., Called]

TEXT = {"type": ["string", "null"]}
ADA: t.Final = {"email": "Zqada@zqexample.com", "city": "Zqtown", "zip": 7341}
HASH = "549c55aa4ba0976e45e55f643ed04296b6e444e4dc94a7ae473471e11ad2a860"
SENTINELS = re.compile(r"zq|7341|0976e45e55", re.IGNORECASE)
"""What the values of all records here have, and nothing else."""


def schema(stream: str, *columns: str) -> Json:
    properties = dict.fromkeys(columns, TEXT)
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}}


def records(stream: str, *fields: Json) -> list[Json]:
    return [{"type": "RECORD", "stream": stream, "record": one} for one in fields]


PEOPLE: t.Final = [schema("people", *ADA), *records("people", ADA)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


@pytest.fixture
def check(
    tmp_path: Path, folder: Path, in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> Check:
    """Run the command in this process, where nothing may connect, without credentials."""
    config = tmp_path / "config.json"

    def connect(*_: object) -> t.NoReturn:
        pytest.fail("a check connects")

    monkeypatch.setattr(socket.socket, "connect", connect)

    def check(given: object, *, name: str = "people.singer", **settings: t.Any) -> Called:
        config.write_text(json.dumps({"api_url": "http://127.0.0.1:9/api", **settings}))
        path = folder / name
        if isinstance(given, bytes):
            path.write_bytes(given)
        elif isinstance(given, list):
            path.write_text("".join(f"{json.dumps(one)}\n" for one in given))
        before = {path.name for path in folder.iterdir()}
        ended = in_process(main, "--config", str(config), "--check", name, folder=folder)
        assert {path.name for path in folder.iterdir()} == before
        assert not SENTINELS.search(ended.out + ended.log)
        return ended

    return check


def sections(ended: Called) -> dict[str, list[str]]:
    """Stream → the lines about it."""
    assert ended.code == 0, ended.log
    found: dict[str, list[str]] = {}
    for line in ended.out.splitlines():
        if line.startswith("Stream "):
            lines = found.setdefault(line.removeprefix("Stream "), [])
        elif line.startswith(" "):
            lines.append(line.removeprefix("  "))
    return found


def bodies(lines: list[str]) -> list[Json]:
    return [json.loads(line) for line in lines if line.startswith("  {")]


def error(ended: Called) -> str:
    assert ended.out == ""
    (line,) = (line for line in ended.log.splitlines() if "| INFO " not in line)
    assert "| ERROR " in line
    assert re.search(r" \[RF-\d{3}\]$", line)
    return line


def test_mapping_samples_and_reasons_are_shown(check: Check) -> None:
    columns = {"Email": TEXT, "title": TEXT, "shoe": TEXT, "country": TEXT, "country_code": TEXT}
    attributes = {"type": "object", "properties": {"attributes": {"type": "array"}}}
    given = schema("people")
    given["schema"]["properties"] = {**columns, "ok": TEXT, "attendee": attributes}
    person = {
        "Email": "Zqada.Zqbert+7341@zqexample.com",
        "country": "Austria",
        "title": "Zq",
        "shoe": 7341,
        "ok": "yes",
        "attendee": {"attributes": [{"code": "diet", "value": ["Zqé-7341", 7341, True]}]},
    }
    rows = [
        person,
        person | {"Email": "zqnobody"},
        person | {"Email": "zqnobody"},
        person | {"Email": None},
        person | {"ok": "zqno"},
        person | {"_sdc_deleted_at": "zq"},
        *[person | {"Email": f"zq{n}@zqexample.com"} for n in range(5)],
    ]
    ended = check(
        [given, *records("people", *rows)],
        extra_fields={"diet": "attendee.attributes.diet", "seat": "attendee.attributes.seat"},
        consent_field="ok",
    )
    assert ended.log == ""
    (lines,) = sections(ended).values()
    assert lines[:7] == [
        "email ← Email",
        "countryid ← country_code and country (a name before a code)",
        "diet ← attendee.attributes.diet",
        "seat ← attendee.attributes.seat",
        "consent_field ← ok",
        'May mean another thing, and not sent: title. field_map can take it: {"jobtitle": "title"}',
        "Not sent: shoe",
    ]
    body = {"email": "xx0@xxxxxxxxx.xxx", "countryid": "XX", "diet": ["Xxx-0000", 0, False]}
    assert bodies(lines) == [body | {"email": "Xxxxx.Xxxxxx+0000@xx…"}, body, body]
    assert lines[-6:] == [
        "Of 11 records 6 could be sent.",
        "2 invalid: no valid e-mail address [RF-522].",
        "1 invalid: no e-mail address [RF-521].",
        "1 filtered: no consent [RF-542].",
        "1 filtered: deleted upstream [RF-541].",
        "No record has attendee.attributes.seat, which a setting names: is the name right?",
    ]


def test_the_body_is_the_one_that_the_store_call_sends(check: Check) -> None:
    store = {"wrapper": "attendee", "event_in": "body", "names": {"email": "mail"}}
    (lines,) = sections(check(PEOPLE, store=store, event_code="summit26")).values()
    fields = {"mail": "Xxxxx@xxxxxxxxx.xxx", "city": "Xxxxxx", "zip": "0000"}
    assert bodies(lines) == [{"event": "summit26", "attendee": fields}]


@pytest.mark.parametrize("email", [HASH, HASH.upper(), ADA["email"]])
def test_a_hash_tells_nothing_of_itself(check: Check, email: str) -> None:
    given = [schema("people", "email"), *records("people", {"email": email})]
    (lines,) = sections(check(given, identity="email_lc_sha256", mode="update")).values()
    assert lines[0] == "email_lc_sha256 ← email"
    assert bodies(lines) == [{"email_lc_sha256": "x" * 20 + "…"}]


def test_what_cannot_be_used_is_counted_or_makes_the_record_invalid(check: Check) -> None:
    given = [schema("people", "email", "country"), *records("people", ADA | {"country": "Zqland"})]
    (lenient,) = sections(check(given)).values()
    assert bodies(lenient) == [{"email": "Xxxxx@xxxxxxxxx.xxx"}]
    assert "countryid was left out of 1 profiles: its value could not be used." in lenient
    (strict,) = sections(check(given, validation="strict")).values()
    assert "1 invalid: the value of countryid cannot be used [RF-525]." in strict
    assert not bodies(strict)


def test_explicit_shows_what_is_named(check: Check) -> None:
    change = {"mapping": "explicit", "field_map": {"email": "email"}}
    (lines,) = sections(check(PEOPLE, **change)).values()
    assert lines[:2] == ["email ← email", "Not sent: city, zip"]


def test_each_stream_is_shown_and_why_one_is_not_loaded(check: Check) -> None:
    given = [
        schema("sessions", "room"),
        *records("sessions", {"room": "zq"}),
        *PEOPLE,
        schema("contacts", "attendee__email"),
        *records("contacts", {"attendee__email": ADA["email"]}),
    ]
    shown = sections(check(given))
    assert list(shown) == ["people", "contacts", "sessions"]
    assert shown["contacts"][0] == "email ← attendee__email"
    assert len(bodies(shown["people"])) == len(bodies(shown["contacts"])) == 1
    (why,) = shown["sessions"]
    assert why.startswith("Not loaded: Stream sessions has no e-mail field. To name it")
    shown = sections(check(given, streams=["contacts"]))
    assert shown["people"] == ["Not loaded: Stream people is not named by setting streams."]
    assert shown["contacts"][0] == "email ← attendee__email"


def test_a_stream_map_applies_as_in_a_run(check: Check) -> None:
    maps: Json = {
        "people": {
            "__alias__": "guests",
            "__filter__": "city != 'other'",
            "email": "email",
            "city": "city.upper()",
            "__else__": None,
        },
        "sessions": None,
    }
    given = [*PEOPLE, *records("people", ADA | {"city": "other"}), schema("sessions", "email")]
    shown = sections(check(given, stream_maps=maps))
    assert shown["guests"][:2] == ["email ← email", "city ← city"]
    assert bodies(shown["guests"]) == [{"email": "Xxxxx@xxxxxxxxx.xxx", "city": "XXXXXX"}]
    assert shown["people"] == ["1 filtered: dropped by a stream map [RF-543]."]
    assert shown["sessions"] == ["Not loaded: Stream sessions is removed by a stream map."]
    absent = check(PEOPLE, stream_maps={"peeple": {"email": "'x'"}})
    assert "Stream peeple, which stream_maps names, is not in the input." in absent.log


def test_a_schema_that_changes_is_shown_as_it_is_at_last(check: Check) -> None:
    later = records("people", {"mail": ADA["email"]})
    (lines,) = sections(check([*PEOPLE, schema("people", "mail"), *later])).values()
    assert lines[0] == "email ← mail"
    assert len(bodies(lines)) == 2


MESSAGE: t.Final = schema("people", "email", "city")
BARE: t.Final = MESSAGE["schema"]
SCHEMAS: t.Final = [
    ("a message", MESSAGE, None, "people"),
    ("a message in several lines", MESSAGE, 2, "people"),
    ("a schema", BARE, None, "Guests 2026"),
    ("a schema in several lines", BARE | {"type": ["object", "null"]}, 2, "Guests 2026"),
]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\n \n"])
@pytest.mark.parametrize(
    ("value", "indent", "stream"), [case[1:] for case in SCHEMAS], ids=[case[0] for case in SCHEMAS]
)
def test_a_schema_alone_will_do(
    check: Check, value: Json, indent: int | None, stream: str, mark: bytes
) -> None:
    given = mark + json.dumps(value, indent=indent).encode()
    shown = sections(check(given, name="Guests 2026.json"))
    assert shown == {stream: ["email ← email", "city ← city"]}


UNUSABLE: t.Final = [
    ("empty", b"", "The input has no stream: give what an extractor has written"),
    ("blank", b"\n\n", "The input has no stream"),
    ("states alone", b'{"type":"STATE","value":{}}\n', "The input has no stream"),
    ("CSV", b"email,city\nZqada@zqexample.com,Zqtown\n", "neither with a Singer message nor"),
    ("binary", b"\x00\xff\x1f\n" * 999, "neither with a Singer message nor"),
    ("a long line", b"\x00" * (1 << 24) * 2, "A line of the input is too long"),
    ("a list", b'[{"email": "zq"}]', "neither with a Singer message nor"),
    ("a record alone", b'{"email": "zq"}', "neither with a Singer message nor"),
    ("cut off", b'{"properties":\n{"zq', "neither with a Singer message nor"),
    ("no properties", b'{"properties": 7341}', "neither with a Singer message nor"),
    ("a bad line", b'{"type":"STATE","value":{}}\nzq', "Line 2 of the input is not a JSON object"),
    ("no schema", json.dumps(PEOPLE[1]).encode(), "A record of stream people came before its"),
]


@pytest.mark.parametrize(
    ("content", "said"), [case[1:] for case in UNUSABLE], ids=[case[0] for case in UNUSABLE]
)
def test_a_file_that_is_none_is_one_line(check: Check, content: bytes, said: str) -> None:
    ended = check(content)
    assert ended.code == 65
    assert said in error(ended)


@pytest.mark.parametrize(
    ("name", "why"), [("absent", "No such file or directory"), (".", "Is a directory")]
)
def test_a_file_that_cannot_be_read_is_one_line(check: Check, name: str, why: str) -> None:
    ended = check(None, name=name)
    assert ended.code == 74
    assert f"{name} cannot be read ({why}): check the file that --check names." in error(ended)


SESSIONS = schema("sessions", "room", "mail_id")


@pytest.mark.parametrize("rows", [[], records("sessions", {"room": "zq"})], ids=len)
@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({}, 65, "Nothing could be loaded, and the state stays where it was: Stream sessions has"),
        ({"streams": ["people"]}, 65, "No stream that setting streams names is in the input"),
        ({"streams": ["sessions"]}, 78, "Stream sessions has no e-mail field: take it out of"),
        ({"unmapped_streams": "fail"}, 78, "unmapped_streams is fail: deselect the stream or set"),
        ({"field_map": {"email": "mail_id", "city": "town"}}, 78, "has no column town, which"),
        ({"mapping": "explicit"}, 78, "Setting mapping is explicit and field_map names no column"),
        ({"stream_maps": {"sessions": None}}, 65, "Stream sessions is removed by a stream map."),
        ({"concurrency": "many"}, 78, "Setting concurrency must be of type integer."),
    ],
    ids=str,
)
def test_what_cannot_be_loaded_ends_as_a_run_would(
    check: Check, change: Json, code: int, said: str, rows: list[Json]
) -> None:
    ended = check([SESSIONS, *rows], **change)
    assert ended.code == code
    assert said in error(ended)


def test_a_run_that_may_load_nothing_may_be_checked(check: Check) -> None:
    shown = sections(check([SESSIONS], unmapped_streams="skip"))
    assert shown["sessions"][0].startswith("Not loaded: Stream sessions has no e-mail field.")


def test_no_file_that_a_setting_names_is_touched(check: Check, folder: Path) -> None:
    summary = folder / "summary.json"
    summary.write_text('{"run_id": "of an earlier run"}')
    named = {name: name for name in ("rejects_path", "activation_log_path", "dry_run_path")}
    settings = {**named, "ledger_url": "sqlite:///ledger.db", "dry_run": True}
    given = [*PEOPLE, *records("people", {"email": "zqnobody"})]
    ended = check(given, summary_path="summary.json", **settings)
    assert ended.code == 0, ended.log
    assert summary.read_text() == '{"run_id": "of an earlier run"}'


def test_names_that_the_terminal_cannot_write_are_written_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "people.json"
    path.write_text(json.dumps({"properties": {"email": {}, "größe": {}, "☃": {}}}))
    done = subprocess.run(
        [sys.executable, "-m", "target_rainfocus_attendees", "--check", path],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode("latin-1").splitlines() == [
        "Stream people",
        r"  email \u2190 email",
        r"  Not sent: größe, \u2603",
    ]


def test_no_more_is_read_of_standard_input_than_is_looked_at(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    rows = [*PEOPLE, *records("people", *[ADA] * 998)]
    with start({}, "--check", "-") as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write("".join(f"{json.dumps(row)}\n" for row in rows))
        process.stdin.flush()  # and it stays open
        assert process.wait(30) == 0, process.stderr.read()
        out = process.stdout.read()
    assert "  Of 999 records 999 could be sent.\n" in out
    assert out.endswith("The first 1,000 lines were read, and no more.\n")


def test_a_schema_on_standard_input_has_a_name(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    with start({}, "--check=-") as process:
        out, log = process.communicate('{"properties": {"email": {}}}', timeout=30)
    assert (process.returncode, log) == (0, "")
    assert out == "Stream stdin\n  email ← email\n"


def test_there_is_one_input(folder: Path, in_process: InProcess) -> None:
    path = folder / "people.json"
    path.write_text(json.dumps(BARE))
    ended = in_process(main, "--check", str(path), "--input", str(path))
    assert ended.code == 2
    assert "--check names the input itself: leave --input out. [RF-109]" in error(ended)


@pytest.mark.parametrize(
    ("words", "reads_on"), [(("--check", "."), 0), (("--check=.",), 0), (("--check", "-"), 1)]
)
def test_a_failure_reads_on_only_where_the_input_comes_from(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], reads_on: int
) -> None:
    calls: list[None] = []
    monkeypatch.setattr("target_rainfocus_attendees.__main__.read_on", lambda: calls.append(None))
    assert in_process(main, *words).code in {65, 74}
    assert len(calls) == reads_on


def test_help_shows_it(in_process: InProcess) -> None:
    assert "--check FILE" in in_process(main, "--help").out
