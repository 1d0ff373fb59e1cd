"""Flattened, every field is a column of its own in a database and in a CSV file."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import typing as t
from datetime import datetime

import pytest
from rainfocus_sandbox.faults.faults import Fault
from rainfocus_sandbox.testing import running

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    from tests.conftest import Postgres

FLAT = {"flattening_enabled": True, "flattening_max_depth": 1}
POSTGRES = ("meltanolabs-target-postgres==0.8.1", "target-postgres")
CSV = ("meltanolabs-target-csv==0.5.0", "target-csv")

# Each stream, and the column that has the same value as its key.
STREAMS = {
    "attendees": "attendee__attendeeId",
    "sessions": "session__sessionId",
    "session_times": "sessiontime__sessiontimeId",
    "exhibitors": "exhibitor__exhibitorId",
    "leads": "lead__leadId",
    "speakers": "speaker__speakerId",
}

EVENTS = ("summit25", "summit26")
"""Both in one table; an attendee is in both of them."""

Row: t.TypeAlias = dict[str, t.Any]
Columns: t.TypeAlias = dict[str, dict[str, t.Any]]


def extract(
    folder: Path, sandbox: RunningSandbox, more: dict[str, t.Any], *, state: str | None = None
) -> Path:
    """Run the tap and give the file it wrote."""
    folder.mkdir()
    settings = {
        "org_id": sandbox.org_id,
        "api_url": sandbox.api_url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "event_codes": list(EVENTS),
    }
    (folder / "tap.json").write_text(json.dumps(settings | more))
    command = [sys.executable, "-m", "tap_rainfocus", "--config", str(folder / "tap.json")]
    if state is not None:
        (folder / "state.json").write_text(state)
        command += ["--state", str(folder / "state.json")]
    with (folder / "messages.jsonl").open("wb") as out:
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr
    return folder / "messages.jsonl"


def load(loader: tuple[str, str], messages: Path, settings: dict[str, t.Any]) -> str:
    """Run a loader, in an environment of its own, and give the last state it printed."""
    package, command = loader
    config = messages.with_name(f"{command}.json")
    config.write_text(json.dumps(settings))
    with messages.open("rb") as stdin:
        done = subprocess.run(
            [
                *(os.environ.get("UV", "uv"), "tool", "run", "--from", package),
                *(command, "--config", config),
            ],
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def load_postgres(postgres: Postgres, schema: str, messages: Path, **more: object) -> str:
    settings = {
        "host": postgres.host,
        "port": postgres.port,
        "user": postgres.user,
        "password": "any",
        "database": postgres.database,
        "default_target_schema": schema,
    }
    return load(POSTGRES, messages, settings | more)


def records(messages: Path) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {stream: [] for stream in STREAMS}
    with messages.open(encoding="utf-8") as lines:
        for message in map(json.loads, lines):
            if message["type"] == "RECORD":
                found[message["stream"]].append(message["record"])
    return found


def tables(postgres: Postgres, schema: str) -> dict[str, dict[str, str]]:
    """The types of the columns of each table, without those that the loader adds."""
    found: dict[str, dict[str, str]] = {}
    for row in postgres.rows(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        f"WHERE table_schema = '{schema}' ORDER BY table_name, ordinal_position"
    ):
        columns = found.setdefault(row["table_name"], {})
        if not row["column_name"].startswith("_sdc_"):
            columns[row["column_name"]] = row["data_type"]
    return found


def sql_type(about: dict[str, t.Any]) -> str:
    if about.get("format") == "date-time":
        return "timestamp without time zone"
    kind = about["type"] if isinstance(about["type"], str) else about["type"][0]
    return {"integer": "bigint", "boolean": "boolean"}.get(kind, "text")


def regular(value: t.Any, about: dict[str, t.Any]) -> t.Any:
    """The value itself, however it is written."""
    if isinstance(value, str) and about.get("format") == "date-time":
        return datetime.fromisoformat(value).replace(tzinfo=None)
    if isinstance(value, str) and "array" in about["type"]:
        return json.loads(value)
    return value


def read_cell(text: str, about: dict[str, t.Any]) -> t.Any:
    """The value in a cell of a CSV file."""
    if not text:
        return None
    if "boolean" in about["type"]:
        return {"True": True, "False": False}[text]
    return int(text) if "integer" in about["type"] else text


def counts(sandbox: RunningSandbox) -> dict[str, int]:
    """How many records each stream has in all events."""
    found = sandbox.store.counts()
    return {stream: sum(found[event][stream] for event in EVENTS) for stream in STREAMS}


def by_key(rows: list[Row], columns: Columns) -> dict[tuple[str, str], Row]:
    """The rows by their key; the time of the download is another one in every run."""
    return {
        (row["event_code"], row["_id"]): {
            column: regular(row[column], about)
            for column, about in columns.items()
            if column != "timestamp"
        }
        for row in rows
    }


def flat(record: Row, columns: Columns) -> Row:
    """What the columns should hold of a record that has not been flattened."""
    found: Row = {}
    for column in columns:
        group, _, field = column.partition("__")
        found[column] = (record.get(group) or {}).get(field) if field else record[group]
    return found


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running(tmp_path_factory.mktemp("sandbox") / "rainfocus.db") as sandbox:
        # A field that only this customer's profile maps: a table has no column for it.
        somebody = sandbox.store.attendees("summit25")[0]["attendeeId"]
        sandbox.store.touch("summit25", somebody, fieldNobodyKnows="blue")
        again = sandbox.store.attendees("summit26")[0]["attendeeId"]
        sandbox.store.touch("summit26", again, attendeeId=somebody, createDate="soon")
        yield sandbox


@pytest.fixture(scope="module")
def columns() -> dict[str, Columns]:
    """The columns that each stream should get, and the schema of the field behind each."""
    command = [sys.executable, "-m", "tap_rainfocus", "--discover"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, Columns] = {}
    for stream in json.loads(done.stdout)["streams"]:
        columns = found[stream["tap_stream_id"]] = {}
        for name, about in stream["schema"]["properties"].items():
            fields = about.get("properties")
            columns |= {f"{name}__{field}": fields[field] for field in fields or ()}
            if fields is None:
                columns[name] = about
        assert "object" not in {kind for about in columns.values() for kind in about["type"]}
    assert found.keys() == {*STREAMS, "experience_events"}
    return found


@pytest.fixture(scope="module")
def expected(
    tmp_path_factory: pytest.TempPathFactory, sandbox: RunningSandbox
) -> dict[str, list[Row]]:
    """The records as they are when they are not flattened."""
    return records(extract(tmp_path_factory.mktemp("plain") / "run", sandbox, {}))


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory, sandbox: RunningSandbox) -> Path:
    return extract(tmp_path_factory.mktemp("flat") / "run", sandbox, FLAT)


@pytest.fixture(scope="module")
def loaded(postgres: Postgres, messages: Path) -> dict[str, dict[str, str]]:
    """The tables, loaded once, in the schema `rainfocus`."""
    load_postgres(postgres, "rainfocus", messages)
    return tables(postgres, "rainfocus")


@pytest.mark.parametrize("stream", STREAMS)
def test_postgres_has_a_column_per_field(
    stream: str,
    loaded: dict[str, dict[str, str]],
    postgres: Postgres,
    sandbox: RunningSandbox,
    columns: dict[str, Columns],
    expected: dict[str, list[Row]],
) -> None:
    assert loaded[stream] == {name: sql_type(about) for name, about in columns[stream].items()}
    keys = postgres.rows(
        "SELECT attname FROM pg_index JOIN pg_attribute "
        "ON attrelid = indrelid AND attnum = ANY (indkey) "
        f"WHERE indisprimary AND indrelid = 'rainfocus.{stream}'::regclass"
    )
    assert {key["attname"] for key in keys} == {"event_code", "_id"}

    rows = postgres.rows(f"SELECT * FROM rainfocus.{stream}")
    assert len(rows) == counts(sandbox)[stream]
    assert all(row[STREAMS[stream]] == row["_id"] for row in rows)
    assert all(row["timestamp"] for row in rows)
    plain = [flat(record, columns[stream]) for record in expected[stream]]
    assert by_key(rows, columns[stream]) == by_key(plain, columns[stream])


def test_postgres_keeps_groups_as_they_are(
    postgres: Postgres, tmp_path: Path, sandbox: RunningSandbox
) -> None:
    messages = extract(tmp_path / "run", sandbox, {})
    for _ in range(2):
        load_postgres(postgres, "nested", messages)
    for stream, read in records(messages).items():
        groups = [name for name, value in read[0].items() if isinstance(value, dict)]
        columns = ["event_code", "_id", "_unread", *groups]
        rows = postgres.rows(f"SELECT {', '.join(columns)} FROM nested.{stream}")
        assert len(rows) == counts(sandbox)[stream]
        kept = {(row["event_code"], row["_id"]): row for row in rows}
        assert kept == {
            (one["event_code"], one["_id"]): {name: one[name] for name in columns} for one in read
        }


def test_postgres_drops_what_is_gone_once_all_came_whole(
    postgres: Postgres, tmp_path: Path
) -> None:
    def extracted(name: str) -> Path:
        return extract(tmp_path / name, conference, FLAT | {"activate_version": True})

    def load(messages: Path, **more: object) -> tuple[int, int]:
        """The sessions that are there then, and those of them that are marked as gone."""
        load_postgres(postgres, "gone", messages, **more)
        rows = postgres.rows("SELECT * FROM gone.sessions")
        return len(rows), sum(bool(row.get("_sdc_deleted_at")) for row in rows)

    with running(tmp_path / "rainfocus.db") as conference:
        before, _ = load(extracted("first"))
        with conference.store.transaction() as database:
            database.execute(
                "DELETE FROM record WHERE position = (SELECT min(position) FROM record "
                "WHERE event = 'summit25' AND entity = 'session')"
            )
        denied = Fault("refuse_200", call="entityDataDump/session", skip=1, times=2, code="124")
        conference.faults.add(denied)
        assert load(extracted("one_event_denied")) == (before, 0)
        whole = extracted("whole")
    assert load(whole) == (before, 1)
    assert load(whole, hard_delete=True) == (before - 1, 0)


def test_postgres_can_be_asked_by_field(
    loaded: dict[str, dict[str, str]], postgres: Postgres
) -> None:
    assert loaded["sessions"]["session__length"] == "bigint"
    assert loaded["attendees"]["timestamp"] == "timestamp without time zone"
    registered = postgres.rows(
        "SELECT DISTINCT attendee__registered FROM rainfocus.attendees ORDER BY 1"
    )
    assert registered == [{"attendee__registered": "No"}, {"attendee__registered": "Yes"}]
    [longest] = postgres.rows("SELECT max(session__length) AS minutes FROM rainfocus.sessions")
    assert longest["minutes"] > 9
    diets = postgres.rows(
        "SELECT DISTINCT entry ->> 'code' AS code FROM rainfocus.attendees, "
        "jsonb_array_elements(attendee__attributes::jsonb) AS entry"
    )
    assert {"code": "diet"} in diets


def test_postgres_updates_what_it_has(
    postgres: Postgres, tmp_path: Path, columns: dict[str, Columns]
) -> None:
    with running(tmp_path / "rainfocus.db") as sandbox:
        first = extract(tmp_path / "first", sandbox, FLAT)
        state = load_postgres(postgres, "twice", first)
        of_summit25 = [r for r in records(first)["attendees"] if r["event_code"] == "summit25"]
        changed, kept, *_ = of_summit25
        new = sandbox.store.add_attendee("summit25", "new@company.com", {"firstname": "New"})
        sandbox.store.touch(
            "summit25", changed["_id"], jobtitle="Chief of Change", fieldNobodyKnows="blue"
        )
        second = extract(tmp_path / "second", sandbox, FLAT, state=state)
        load_postgres(postgres, "twice", second)
        now = counts(sandbox)

    assert {record["_id"] for record in records(second)["attendees"]} == {changed["_id"], new}
    for stream in STREAMS:
        [found] = postgres.rows(
            "SELECT count(*) AS rows, count(DISTINCT (event_code, _id)) AS keys "
            f"FROM twice.{stream}"
        )
        assert found == {"rows": now[stream], "keys": now[stream]}
        assert tables(postgres, "twice")[stream].keys() == columns[stream].keys()
    titles = {
        row["_id"]: row["attendee__jobtitle"]
        for row in postgres.rows("SELECT _id, attendee__jobtitle FROM twice.attendees")
    }
    assert titles[changed["_id"]] == "Chief of Change" != changed["attendee__jobtitle"]
    assert titles[kept["_id"]] == kept.get("attendee__jobtitle")
    assert titles[new] is None


def test_csv_has_a_column_per_field(
    messages: Path,
    tmp_path: Path,
    sandbox: RunningSandbox,
    columns: dict[str, Columns],
    expected: dict[str, list[Row]],
) -> None:
    load(CSV, messages, {"output_path": str(tmp_path)})
    for stream in STREAMS:
        with (tmp_path / f"{stream}.csv").open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = [
                {column: read_cell(row[column], about) for column, about in columns[stream].items()}
                for row in reader
            ]
        assert reader.fieldnames == list(columns[stream])
        assert len(rows) == counts(sandbox)[stream]
        plain = [flat(record, columns[stream]) for record in expected[stream]]
        assert by_key(rows, columns[stream]) == by_key(plain, columns[stream])
