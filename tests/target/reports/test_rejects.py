"""The file of records that were not stored: complete, private, and ready to be replayed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
import typing as t
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import jsonschema
import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Singer = t.Any
    Script = t.Any
    Serve = Callable[..., t.ContextManager[Script]]
    Start = Callable[..., subprocess.Popen[str]]

TEXT: t.Final = {"type": ["string", "null"]}
ORIGIN = {"_reject_org_id": "acme", "_reject_event_code": "summit26"}
REASONS = {"_reject_reason", "_reject_code", "_rejected_at", *ORIGIN}
REFUSED = (
    "RainFocus answered attendee/store with HTTP 200, code 105: the request was refused [RF-403]"
)
REPLAYED = "mend them and replay the file with --input."


def answer(_: Script, body: Json) -> tuple[int, Json, dict[str, str]]:
    """Refuse whoever is called Refused, or Unwell; quoting the address, as real servers do."""
    said = {"responseMessage": f"What is {body['email']}?"}
    if body.get("firstname") == "Refused":
        return 200, {"responseCode": "105", **said}, {}
    if body.get("firstname") == "Unwell":
        return 400, said, {}
    return 200, {"responseCode": "0"}, {}


@pytest.fixture
def served(script: Serve) -> Iterator[Script]:
    with script(answer) as serving:
        yield serving


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rejects.singer"


@pytest.fixture
def keeping(served: Script, path: Path) -> Json:
    return {**served.settings, "rejects_path": str(path)}


@pytest.fixture
def rehearsing(path: Path) -> Json:
    """A dry run with an API profile's token takes no server, and keeps what is invalid."""
    return {
        "org_id": "acme",
        "api_url": "http://127.0.0.1:9/api",
        "api_profile": "some-profile",
        "event_code": "summit26",
        "dry_run": True,
        "rejects_path": str(path),
    }


def lines_of(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def records_of(path: Path) -> list[Json]:
    return [line["record"] for line in lines_of(path) if line["type"] == "RECORD"]


def check_singer(path: Path) -> None:
    """Every RECORD comes after a SCHEMA of its stream, and is as the last one says."""
    schemas: dict[str, Json] = {}
    assert path.read_bytes().endswith(b"\n")
    for line in lines_of(path):
        if line["type"] == "SCHEMA":
            jsonschema.Draft7Validator.check_schema(line["schema"])
            schemas[line["stream"]] = line["schema"]
        else:
            assert line["type"] == "RECORD"
            jsonschema.validate(line["record"], schemas[line["stream"]])


def mixed(singer: Singer) -> list[Json]:
    return [
        singer.schema,
        singer.record("ada@example.com", firstname="Ada"),
        singer.state(1),
        singer.record("nobody", firstname="Secretive"),
        singer.state(2),
        singer.record("eve@example.com", firstname="Refused", city="Lehi"),
        singer.state(3),
        singer.record("una@example.com", firstname="Unwell"),
        singer.state(4),
        singer.record("bob@example.com", firstname="Bob"),
        singer.record(None),
        singer.state(5),
    ]


def test_what_is_not_stored_is_kept_as_singer_lines_with_reasons(
    call: Run, singer: Singer, keeping: Json, path: Path
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    ended = call(mixed(singer), keeping)
    assert ended.code == 0, ended.log
    assert ended.states[-1] == {"n": 5}
    check_singer(path)
    schema, *_ = lines_of(path)
    declared = {
        "properties": {**singer.schema["schema"]["properties"], **schema["schema"]["properties"]}
    }
    assert schema == singer.schema | {"schema": declared}
    assert set(declared["properties"]) - set(singer.schema["schema"]["properties"]) == REASONS
    kept = {record.get("firstname"): record for record in records_of(path)}
    for record in kept.values():
        moment = datetime.fromisoformat(record.pop("_rejected_at"))
        assert before <= moment <= datetime.now(UTC)
        assert {column: record.pop(column) for column in ORIGIN} == ORIGIN
    refused = "RainFocus answered attendee/store with HTTP {}: the request was refused [RF-403]"
    assert kept == {
        "Secretive": {
            "email": "nobody",
            "firstname": "Secretive",
            "_reject_reason": "no valid e-mail address [RF-522]",
            "_reject_code": "email",
        },
        "Refused": {
            "email": "eve@example.com",
            "firstname": "Refused",
            "city": "Lehi",
            "_reject_reason": refused.format("200, code 105"),
            "_reject_code": "105",
        },
        "Unwell": {
            "email": "una@example.com",
            "firstname": "Unwell",
            "_reject_reason": refused.format("400"),
            "_reject_code": "HTTP 400",
        },
        None: {
            "email": None,
            "_reject_reason": "no e-mail address [RF-521]",
            "_reject_code": "email",
        },
    }


def test_the_log_groups_the_reasons_and_names_the_file(
    call: Run, singer: Singer, keeping: Json, path: Path
) -> None:
    messages = [*mixed(singer), *mixed(singer), singer.record("someone")]
    ended = call(messages, keeping | {"concurrency": 1})
    assert not ended.lines("ERROR")
    warnings = [line.rpartition("| ")[2] for line in ended.lines("WARNING")]
    assert warnings[0] == "3 invalid: no valid e-mail address [RF-522]."
    assert set(warnings[1:-1]) == {
        f"2 rejected: {REFUSED}.",
        f"2 rejected: {REFUSED.replace('200, code 105', '400')}.",
        "2 invalid: no e-mail address [RF-521].",
    }
    assert warnings[-1].startswith("9 records were not stored (5 invalid, 4 rejected): ")
    assert warnings[-1].endswith(f" They are in {path}: {REPLAYED}")


def test_the_file_is_for_its_owner_only(
    call: Run, singer: Singer, keeping: Json, path: Path
) -> None:
    mask = os.umask(0)
    try:
        call(mixed(singer), keeping)
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o600


def test_there_is_no_file_when_there_is_nothing_to_put_in(
    call: Run, singer: Singer, keeping: Json, path: Path
) -> None:
    ended = call([singer.schema, singer.record("ada@example.com")], keeping)
    assert ended.code == 0
    assert not path.exists()


def test_no_state_comes_out_before_the_rejects_behind_it_are_in_the_file(
    start: Start, singer: Singer, rehearsing: Json, served: Script, path: Path
) -> None:
    settings = rehearsing | served.settings | {"dry_run": False, "batch_size_rows": 1}
    del settings["api_profile"]
    with start(settings) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{json.dumps(singer.schema)}\n")
        for n in range(1, 101):
            people = [singer.record(f"ada{n}@example.com"), singer.record(f"nobody {n}")]
            for message in [*people, singer.state(n)]:
                process.stdin.write(f"{json.dumps(message)}\n")
        process.stdin.close()
        given = []
        while line := process.stdout.readline():
            given.append(json.loads(line)["n"])
            assert path.read_bytes().count(b"\n") > given[-1]
        assert process.wait(timeout=10) == 0
    assert given[-1] == 100
    assert len(given) > 1


def test_the_original_is_kept_and_not_what_a_stream_map_made_of_it(
    call: Run, singer: Singer, keeping: Json, path: Path
) -> None:
    maps = {"people": {"email": "email.lower()", "firstname": "lastname", "lastname": None}}
    messages = [
        singer.schema,
        singer.record("ada@example.com", lastname="Ada"),
        singer.record("NOBODY", lastname="Refused"),
        singer.record("EVE@example.com", lastname="Refused"),
    ]
    ended = call(messages, keeping | {"stream_maps": maps})
    assert ended.code == 0, ended.log
    kept = [{k: v for k, v in record.items() if k not in REASONS} for record in records_of(path)]
    assert kept == [message["record"] for message in messages[2:]]
    check_singer(path)


@pytest.mark.parametrize("by", ["aliasing", "copying"])
def test_a_stream_that_a_map_renames_is_kept_under_its_own_name(
    call: Run, singer: Singer, keeping: Json, path: Path, by: str
) -> None:
    maps: Json = {"people": {"__alias__": "persons"}}
    if by == "copying":
        maps = {"persons": {"__source__": "people"}, "people": None}
    messages = [singer.schema, singer.record("ada@example.com"), singer.record("nobody")]
    ended = call(messages, keeping | {"stream_maps": maps})
    assert ended.code == 0, ended.log
    assert [line["stream"] for line in lines_of(path)] == ["people", "people"]


def test_the_file_can_be_mended_and_replayed(
    call: Run, singer: Singer, keeping: Json, served: Script, path: Path, tmp_path: Path
) -> None:
    strict = {
        "type": "object",
        "additionalProperties": False,
        "required": ["email"],
        "properties": singer.schema["schema"]["properties"],
    }
    first, *rest = mixed(singer)
    call([first | {"schema": strict}, *rest], keeping)
    check_singer(path)
    mended = path.read_text().replace('"Refused"', '"Eve"').replace('"nobody"', '"nob@example.com"')
    path.write_text(mended)
    served.bodies.clear()
    again = tmp_path / "again.singer"
    ended = call(path, keeping | {"rejects_path": str(again)})
    assert ended.code == 0, ended.log
    assert {"email": "eve@example.com", "firstname": "Eve", "city": "Lehi"} in served.bodies
    assert {"email": "nob@example.com", "firstname": "Secretive"} in served.bodies
    assert len(served.bodies) == 3
    check_singer(again)
    assert [line["type"] for line in lines_of(again)] == ["SCHEMA", "RECORD", "RECORD"]
    assert {record["email"] for record in records_of(again)} == {"una@example.com", None}
    assert "nothing is sent of" not in ended.log


WHOLE: t.Final = (
    b'{"type":"SCHEMA","stream":"old","key_properties":[],"schema":{"properties":{}}}\n'
)
LONG: t.Final = b'{"type":"RECORD","x":"' + b"y" * (3 << 20) + b'"}'
RECORD: t.Final = b'{"type":"RECORD","stream":"old","record":{"name":"Zo\xc3\xab"}}\n'


@pytest.mark.parametrize(
    ("there", "left"),
    [
        (b"", b""),
        (WHOLE, WHOLE),
        (WHOLE + RECORD, WHOLE + RECORD),
        (WHOLE + RECORD[:-1], WHOLE + RECORD),
        (WHOLE + RECORD[:-2], WHOLE),
        (WHOLE + RECORD[:-6], WHOLE),
        (WHOLE + RECORD + RECORD[:1], WHOLE + RECORD),
        (RECORD[:30], b""),
        (WHOLE + LONG[:-1], WHOLE),
        (WHOLE + LONG, WHOLE + LONG + b"\n"),
    ],
    ids=["empty", "schema", "record", "no line feed", "no brace", "half a character", "one byte",
         "only a torn line", "long torn line", "long line, no line feed"],
)  # fmt: skip
def test_a_file_that_is_there_is_added_to_and_a_torn_last_line_is_cut_off(
    call: Run, singer: Singer, rehearsing: Json, path: Path, there: bytes, left: bytes
) -> None:
    path.write_bytes(there)
    messages = [singer.schema, singer.record("ada@example.com"), singer.record("nobody")]
    assert call(messages, rehearsing).code == 0
    content = path.read_bytes()
    assert content.startswith(left)
    added = [json.loads(line) for line in content[len(left) :].splitlines()]
    assert [line["type"] for line in added] == ["SCHEMA", "RECORD"]
    assert added[1]["record"]["email"] == "nobody"


def test_a_second_run_adds_its_own_schema(
    call: Run, singer: Singer, rehearsing: Json, path: Path
) -> None:
    messages = [singer.schema, singer.record("ada@example.com"), singer.record("nobody")]
    call(messages, rehearsing)
    before = path.read_bytes()
    call(messages, rehearsing)
    assert path.read_bytes().startswith(before)
    assert [line["type"] for line in lines_of(path)] == ["SCHEMA", "RECORD"] * 2


def test_each_record_stands_under_the_schema_it_came_with(
    call: Run, singer: Singer, rehearsing: Json, path: Path
) -> None:
    def people(column: str, *, batches: int) -> list[Json]:
        properties = {"email": TEXT, column: TEXT}
        schema = {"properties": properties, "required": [column], "additionalProperties": False}
        person = singer.record("nobody", **{column: "x"})
        return [singer.schema | {"schema": schema}, *[person] * batches]

    messages = [
        *people("firstname", batches=3),
        *people("lastname", batches=2),
        *people("lastname", batches=1),
        *people("firstname", batches=1),
        singer.record("ada@example.com", firstname="Ada"),
    ]
    for size in (1, 500):
        path.unlink(missing_ok=True)
        assert call(messages, rehearsing | {"batch_size_rows": size}).code == 0
        check_singer(path)
        kinds = "".join(line["type"][0] for line in lines_of(path))
        assert kinds == "SRRRSRRRSR"


def test_two_runs_at_once_add_whole_lines_each_under_its_schema(
    start: Start, singer: Singer, rehearsing: Json, path: Path
) -> None:
    def give(process: subprocess.Popen[str], *messages: Json) -> None:
        assert process.stdin
        process.stdin.writelines(f"{json.dumps(message)}\n" for message in messages)
        process.stdin.flush()

    def wait_for(schemas: int) -> None:
        end = time.monotonic() + 20
        while not (path.exists() and path.read_bytes().count(b'"SCHEMA"') >= schemas):
            assert time.monotonic() < end
            time.sleep(0.005)

    settings = rehearsing | {"batch_size_rows": 1}
    columns = ("firstname", "lastname")
    with start(settings) as one, start(settings) as other:
        runs = list(zip((one, other), columns, strict=True))
        for process, column in runs:
            properties = {"email": TEXT, column: TEXT}
            schema = {"properties": properties, "required": [column], "additionalProperties": False}
            valid = singer.record("ada@example.com", **{column: "x"})
            bad = singer.record("nobody", **{column: "0"})
            give(process, singer.schema | {"schema": schema}, valid, bad)
        wait_for(schemas=2)
        for n in range(1, 150):
            for process, column in runs:
                give(process, singer.record("nobody", **{column: f"{n}{'x' * n}"}))
        for process, _ in runs:
            process.communicate(timeout=20)
            assert process.returncode == 0
    check_singer(path)
    kept = records_of(path)
    for column in columns:
        values = [record[column] for record in kept if column in record]
        assert values == [f"{n}{'x' * n}" for n in range(150)]
    assert sum(line["type"] == "SCHEMA" for line in lines_of(path)) > 2


@pytest.mark.parametrize("most", [0, 2])
@pytest.mark.parametrize("word", ["invalid", "rejected"])
@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "not kept"])
def test_more_rejects_than_allowed_stop_the_run(
    call: Run, singer: Singer, keeping: Json, path: Path, most: int, word: str, *, is_kept: bool
) -> None:
    def bad(n: int) -> Json:
        email = f"eve{n}@example.com" if word == "rejected" else f"nobody {n}"
        return t.cast("Json", singer.record(email, firstname="Refused"))

    settings = keeping | {"max_rejects": most, "concurrency": 1, "batch_size_rows": 1}
    settings |= {} if is_kept else {"rejects_path": None}
    good = [singer.record("ada@example.com"), singer.state(1)]
    some = [singer.schema, *good, *(bad(n) for n in range(most)), singer.state(2)]
    ended = call(some, settings)
    assert ended.code == (0 if is_kept or not most else 65)
    assert "ore than max_rejects" not in ended.log
    path.unlink(missing_ok=True)
    rest = [message for n in range(1000) for message in (bad(n), singer.state(n + 3))]
    ended = call([*some, *rest], settings)
    assert ended.code == 65
    assert f"More than max_rejects ({most}) records are not stored." in ended.error
    assert int(ended.summary.split()[1]) < 50
    marks = [state["n"] for state in ended.states]
    if is_kept:
        assert len(records_of(path)) >= most + max(0, marks[-1] - 2)
    else:
        assert marks[-1] == (1 if most else 2)


def test_if_all_fail_the_run_fails_though_they_are_kept(
    call: Run, singer: Singer, keeping: Json, path: Path
) -> None:
    messages = [singer.schema, *(singer.record(f"nobody {n}") for n in range(3)), singer.state(1)]
    ended = call(messages, keeping)
    assert ended.code == 65
    assert f"no valid e-mail address [RF-522] (3). They are in {path}: {REPLAYED}" in ended.error
    assert len(records_of(path)) == 3
    refused = singer.record("eve@example.com", firstname="Refused")
    ended = call([singer.schema, refused], keeping)
    assert ended.code == 65
    assert "check first that event_code" in ended.error
    assert len(records_of(path)) == 4


def test_states_pass_what_is_kept(call: Run, singer: Singer, keeping: Json) -> None:
    ended = call(mixed(singer), keeping | {"batch_size_rows": 1, "concurrency": 1})
    assert ended.code == 0
    assert ended.states[-1] == {"n": 5}


def test_a_hopeless_event_leaves_the_file_alone(
    call: Run, singer: Singer, keeping: Json, path: Path
) -> None:
    people = [
        message
        for n in range(60)
        for message in (singer.record(f"eve{n}@example.com", firstname="Refused"), singer.state(n))
    ]
    ended = call([singer.schema, *people], keeping | {"batch_size_rows": 1})
    assert ended.code == 65
    assert "check first that event_code" in ended.error
    assert ended.states == []
    assert not path.exists()
    path.write_bytes(WHOLE)
    call([singer.schema, singer.record("nobody"), *people], keeping)
    assert path.read_bytes().startswith(WHOLE)
    assert [record["email"] for record in records_of(path)] == ["nobody"]


def test_rejects_before_the_first_success_are_kept_all_the_same(
    call: Run, singer: Singer, keeping: Json, path: Path
) -> None:
    people = [singer.record(f"eve{n}@example.com", firstname="Refused") for n in range(45)]
    messages = [singer.schema, *people, singer.record("ada@example.com"), singer.state(1)]
    ended = call(messages, keeping | {"concurrency": 1})
    assert ended.code == 0, ended.log
    assert ended.states == [{"n": 1}]
    assert len(records_of(path)) == 45


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_no_value_gets_into_the_log(run: Run, singer: Singer, keeping: Json, level: str) -> None:
    messages = [*mixed(singer), singer.record("cy@example.com", zip="1", city=["Atlantis"])]
    ended = run(messages, keeping | {"validation": "strict"}, LOGLEVEL=level)
    assert ended.code == 0, ended.log
    assert "the value of city cannot be used" in ended.log
    for word in (
        "nobody",
        "Secretive",
        "eve@",
        "example.com",
        "Unwell",
        "Atlantis",
        "Lehi",
        "What is",
    ):
        assert word not in ended.log


@pytest.mark.parametrize("name", ["no such folder/rejects.singer", "."])
@pytest.mark.parametrize("setting", ["rejects_path", "activation_log_path", "dry_run_path"])
def test_a_file_that_cannot_be_written_is_one_line_before_anything_is_sent(
    call: Run, singer: Singer, served: Script, tmp_path: Path, name: str, setting: str
) -> None:
    settings = served.settings | {setting: str(tmp_path / name)}
    ended = call(mixed(singer), settings | {"dry_run": setting == "dry_run_path"})
    assert ended.code == 78
    assert f"Setting {setting} names no file that can be written" in ended.error
    assert ended.states == []
    assert not served.bodies
    assert not served.tokens


@pytest.mark.parametrize("way", ["argument", "redirection", "link"])
def test_the_file_that_rejects_are_added_to_cannot_be_the_input(
    call: Run, singer: Singer, keeping: Json, served: Script, path: Path, tmp_path: Path, way: str
) -> None:
    call(mixed(singer), keeping)
    before = path.read_bytes()
    served.bodies.clear()
    if way == "redirection":
        config = tmp_path / "config.json"
        with path.open() as file:
            ended = subprocess.run(
                [sys.executable, "-m", "target_rainfocus_attendees", "--config", str(config)],
                stdin=file, capture_output=True, text=True, timeout=20, check=False,
            )  # fmt: skip
        code, log = ended.returncode, ended.stderr
    else:
        link = tmp_path / "link"
        link.symlink_to(path)
        code, _, log = call(path if way == "argument" else link, keeping)
    assert code == 78
    assert "The input is the file that rejects_path names: give this run another one." in log
    assert len(log.splitlines()) == 1
    assert not served.bodies
    assert path.read_bytes() == before


def pipe(path: Path, config: Path) -> tuple[int, str]:
    """Replay a file of rejects through a pipe."""
    with path.open("rb") as file:
        cat = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
    with cat:
        ended = subprocess.run(
            [sys.executable, "-m", "target_rainfocus_attendees", "--config", str(config)],
            stdin=cat.stdout, capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
    return ended.returncode, ended.stderr


def test_the_file_that_rejects_are_added_to_cannot_come_through_a_pipe(
    call: Run, singer: Singer, keeping: Json, served: Script, path: Path, tmp_path: Path
) -> None:
    call(mixed(singer), keeping)
    before = path.read_bytes()
    served.bodies.clear()
    code, log = pipe(path, tmp_path / "config.json")
    assert code == 78
    assert "The input is the file that rejects_path names: give this run another one." in log
    assert not served.bodies
    assert path.read_bytes() == before

    mended = tmp_path / "mended"
    path.rename(mended)
    code, log = pipe(mended, tmp_path / "config.json")
    assert code == 65  # nothing was mended, and so nothing was stored
    assert len(records_of(path)) == 4


@pytest.mark.parametrize("change", [{"event_code": "summit27"}, {"org_id": "other"}])
def test_rejects_are_replayed_only_where_they_belong(
    call: Run, singer: Singer, keeping: Json, served: Script, path: Path, tmp_path: Path,
    change: Json,
) -> None:  # fmt: skip
    call(mixed(singer), keeping)
    mended = tmp_path / "mended"
    mended.write_text(path.read_text().replace("Refused", "Mended"))
    served.bodies.clear()
    again = keeping | {"rejects_path": None}
    ended = call(mended, again | change)
    assert ended.code == 78
    assert "that another event or organisation rejected: replay them there" in ended.error
    assert not served.bodies

    ended = call(mended, again | change | {"replay_elsewhere": True})
    assert ended.counts["stored"] == 1
    ended = call(mended, again)
    assert ended.counts["stored"] == 1
    assert not any("older versions" in line for line in ended.lines("WARNING"))


def test_rejects_that_do_not_say_where_they_belong_are_taken_with_a_warning(
    call: Run, singer: Singer, keeping: Json, path: Path, tmp_path: Path
) -> None:
    call(mixed(singer), keeping)
    lines = lines_of(path)
    for line in lines:
        for column in ORIGIN:
            line.get("record", {}).pop(column, None)
    mended = tmp_path / "mended"
    text = "".join(f"{json.dumps(line)}\n" for line in lines).replace("Refused", "Mended")
    mended.write_text(text)
    ended = call(mended, keeping | {"rejects_path": None, "event_code": "summit27"})
    assert ended.counts["stored"] == 1
    assert sum("is event_code the right one?" in line for line in ended.lines("WARNING")) == 1


def test_an_empty_line_in_a_mended_file_is_nothing(
    call: Run, singer: Singer, keeping: Json, path: Path, tmp_path: Path
) -> None:
    call(mixed(singer), keeping)
    mended = tmp_path / "mended"
    text = path.read_text().replace("Refused", "Mended").replace("\n", "\r\n \n\n")
    mended.write_text(f"\n{text}")
    ended = call(mended, keeping | {"rejects_path": None})
    assert ended.counts["stored"] == 1
    mended.write_text("\n\n{}\n")
    assert "Line 3 of the input lacks type" in call(mended, keeping).log


NUMBERS = (
    '{"z": 123456789012345678901234567890, "a": 0.1234567890123456789, "m": 1e400,'
    ' "b": -12345678901234567.89, "s": "\\ud800"}'
)


def exactly(text: str) -> t.Any:
    """A JSON value with its numbers as they are written, and its keys in their order."""
    return json.loads(
        text,
        parse_int=str,
        parse_float=lambda number: str(Decimal(number)),
        object_pairs_hook=lambda pairs: [list(pair) for pair in pairs],
    )


def test_numbers_keep_every_digit(
    keeping: Json, served: Script, path: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text"
    text.write_text(
        '{"type": "SCHEMA", "stream": "people", "key_properties": [],'
        ' "schema": {"properties": {"email": {}, "x": {}}}}\n'
        '{"type": "RECORD", "stream": "people", "record": {"email": "nobody", "x": X}}\n'
        '{"type": "RECORD", "stream": "people", "record": {"email": "a@example.com", "x": X}}\n'
        '{"type": "STATE", "value": {"x": X}}\n'.replace("X}", f"{NUMBERS}}}")
    )
    whole = {f"n{key}": f"x.{key}" for key in "zabm"}
    config = tmp_path / "config.json"
    config.write_text(json.dumps(keeping | {"extra_fields": whole}))
    ended = subprocess.run(
        [sys.executable, "-m", "target_rainfocus_attendees", "--config", str(config),
         "--input", str(text)],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert exactly(ended.stdout) == [["x", exactly(NUMBERS)]]
    written = [line for line in path.read_text().splitlines() if '"RECORD"' in line]
    (kept,) = (value for key, value in exactly(written[0]) if key == "record")
    assert dict(kept)["x"] == exactly(NUMBERS)
    sent = {
        key: value for key, value in exactly(served.contents[0].decode()) if key.startswith("n")
    }
    given = dict(exactly(NUMBERS))
    assert sent == {f"n{key}": given[key] for key in "zabm"}


@pytest.mark.parametrize("size", [1, 500])
def test_a_full_disk_is_one_line_and_no_state_passes_what_is_not_kept(
    call: Run, singer: Singer, served: Script, size: int
) -> None:
    settings = served.settings | {"rejects_path": "/dev/full", "batch_size_rows": size}
    ended = call(mixed(singer), settings)
    assert ended.code == 74
    assert (
        "The rejects cannot be written (No space left on device): check rejects_path" in ended.error
    )
    assert ended.states in ([], [{"n": 1}])
    assert len(ended.lines("INFO")) <= 2


def test_a_disk_that_fills_up_in_the_middle_loses_nothing(
    singer: Singer, keeping: Json, path: Path, tmp_path: Path
) -> None:
    config, text = tmp_path / "config.json", tmp_path / "input.singer"
    config.write_text(json.dumps(keeping | {"batch_size_rows": 10}))

    def messages(first: int) -> Iterator[Json]:
        yield singer.schema
        for n in range(first, 201):
            yield singer.record(f"ada{n}@example.com")
            yield singer.record(f"nobody {n}", city="x" * 50)
            yield singer.state(n)

    def load(first: int, *, limit: int) -> tuple[int, list[Json], str]:
        text.write_text("".join(f"{json.dumps(message)}\n" for message in messages(first)))
        ended = subprocess.run(
            # Without -B Python would leave modules that are cut off at the limit in its cache.
            [sys.executable, "-B", "-m", "target_rainfocus_attendees", "--config", str(config),
             "--input", str(text)],
            capture_output=True, text=True, timeout=30, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )  # fmt: skip
        return (
            ended.returncode,
            [json.loads(line) for line in ended.stdout.splitlines()],
            ended.stderr,
        )

    code, states, log = load(1, limit=30_000)
    assert code == 74
    assert log.count("| ERROR ") == 1
    assert "The rejects cannot be written (File too large): check rejects_path" in log
    reached = states[-1]["n"]
    assert 0 < reached < 200
    assert path.stat().st_size <= 30_000
    code, states, log = load(reached + 1, limit=10_000_000)
    assert code == 0, log
    assert states[-1] == {"n": 200}
    check_singer(path)
    assert {record["email"] for record in records_of(path)} == {
        f"nobody {n}" for n in range(1, 201)
    }
