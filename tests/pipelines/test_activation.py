"""People from a database and from RainFocus, written to the Attendee Store by Meltano."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pycountry
import pytest
import yaml
from rainfocus_sandbox.testing import running

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rainfocus_sandbox.testing import RunningSandbox

    from tests.conftest import Postgres

Json: t.TypeAlias = dict[str, t.Any]

REPOSITORY = yaml.safe_load((Path(__file__).parents[2] / "meltano.yml").read_text())
TAP, TARGET = "tap-rainfocus", "target-rainfocus-attendees"
READ_EVENT, WRITE_EVENT = "summit25", "summit26"

CROWD = 50_000
"""People whose rows an extractor is still writing long after the target has died."""

READ_NAMES = (
    *("address1", "address2", "city", "companyname", "country", "email"),
    *("firstname", "jobtitle", "lastname", "phone", "state", "zip"),
)
"""The Attendee Store's fields as they are read back."""

ENDED = ["Loader failed", "Block run completed", "Run completed"]
"""What Meltano says beneath a loader's last line."""

LINE = re.compile(r"^\S+ \[(\w+) *\] (\S+) *(.*)$", re.MULTILINE)
"""Time, level, who says it, and what."""

PLACES = [
    ("USA", "Utah", "84043", {"country": "US", "state": "UT", "zip": "84043"}),
    ("Canada", "on", " K1A 0B1", {"country": "CA", "state": "ON", "zip": "K1A 0B1"}),
    ("UK", None, "SW1A 1AA", {"country": "GB", "zip": "SW1A 1AA"}),
    ("de", "Bayern", "80331", {"country": "DE", "state": "Bayern", "zip": "80331"}),
    (None, "  ", "", {}),
]
"""Country, state and postal code as the table has them, and what is to be stored."""

TEST_MESSAGES: list[Json] = [
    {
        "type": "SCHEMA",
        "stream": "meltano_test_stream",
        "schema": {
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "name": {"type": "string"},
                "created_at": {"type": "string", "format": "date-time"},
            },
        },
        "key_properties": ["id"],
    },
    {
        "type": "RECORD",
        "stream": "meltano_test_stream",
        "record": {
            "id": 1,
            "name": "Meltano Test Record",
            "created_at": "2025-09-29T00:00:00Z",
        },
    },
    {"type": "STATE", "value": {"bookmarks": {"meltano_test_stream": {"last_record": 1}}}},
]
"""What `meltano config test` of Meltano 4.4.1 sends to a loader."""


class Person(t.NamedTuple):
    """A row of the table, and what the Attendee Store is to know of the person."""

    row: Json
    stored: Json


def person(number: int) -> Person:
    country, state, postal_code, place = PLACES[number % len(PLACES)]
    company = None if number % 4 == 0 else f"O'Neil & Søn {number}"
    row = {
        "ID": number,
        "E-Mail Address": f" Person{number}@Company.com ",
        "First Name": f"Zoë {number}",
        "last_name": f"Müller-{number}",
        "Company": company,
        "Country": country,
        "State": state,
        "ZIP Code": postal_code,
        "Role": f"Engineer {number}",
        "Opted In": number % 3 == 0,
        "Score": number / 8,
        "changed at": "2026-01-31 12:00:00+00",
    }
    stored = {
        "email": f"person{number}@company.com",
        "firstname": row["First Name"],
        "lastname": row["last_name"],
        **({"companyname": company} if company else {}),
        **place,
    }
    return Person(row, stored)


PEOPLE = [person(number) for number in range(1, 61)]


class Line(t.NamedTuple):
    """A line of Meltano's log."""

    level: str
    who: str
    text: str


class Ended(t.NamedTuple):
    """How a run of Meltano ended."""

    code: int
    log: str

    def beneath(self, cause: str) -> list[Line]:
        """What follows the cause, the last that the target said, without Meltano's frames."""
        assert self.code == 1
        lines = [Line(*found.groups()) for found in LINE.finditer(self.log)]
        [error] = [line for line in lines if line[:2] == ("error", TARGET)]
        assert error.text == cause
        below = lines[lines.index(error) + 1 :]
        assert TARGET not in {line.who for line in below}
        return below


class Project:
    """A Meltano project with the plugins of ours that the tests' own environment has."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.folder = folder
        definition = {
            "project_id": REPOSITORY["project_id"],
            "send_anonymous_usage_stats": False,
            "default_environment": "test",
            "environments": [{"name": "test"}],
            "plugins": {
                "extractors": [
                    ours("extractors", TAP, event_codes=[READ_EVENT]) | {"select": ["attendees.*"]},
                    *taps_postgres(postgres),
                ],
                "loaders": [ours("loaders", TARGET, event_code=WRITE_EVENT)],
                "mappers": [MAPPER],
            },
        }
        (folder / "meltano.yml").write_text(yaml.safe_dump(definition))

    def meltano(self, sandbox: RunningSandbox, *arguments: str, **environment: str) -> Ended:
        settings = {
            "ORG_ID": sandbox.org_id,
            "API_URL": sandbox.api_url,
            "CLIENT_ID": sandbox.client_id,
            "CLIENT_SECRET": sandbox.client_secret,
        }
        variables = {
            f"{plugin}_{name}": value
            for plugin in ("TAP_RAINFOCUS", "TARGET_RAINFOCUS_ATTENDEES")
            for name, value in settings.items()
        }
        done = subprocess.run(
            [os.environ.get("UV", "uv"), "tool", "run", "meltano@4.4.1", *arguments],
            cwd=self.folder,
            env={**os.environ, "NO_COLOR": "1", **variables, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return Ended(done.returncode, done.stdout)

    def run(self, sandbox: RunningSandbox, *blocks: str) -> Ended:
        ended = self.meltano(sandbox, "run", *blocks)
        assert ended.code == 0, ended.log
        assert "Traceback" not in ended.log
        return ended


MAPPER = {
    "name": "meltano-map-transformer",
    "namespace": "meltano_map_transformer",
    "pip_url": "meltano-map-transform==0.12.3",
    "executable": "meltano-map-transform",
    "mappings": [
        {
            "name": "invited",
            "config": {
                "stream_maps": {
                    "activation-people": {
                        "__filter__": "record['Opted In']",
                        "jobtitle": "record['Role']",
                        "Role": None,
                    }
                }
            },
        }
    ],
}


def ours(kind: str, name: str, **config: object) -> Json:
    """A plugin of this repository as its meltano.yml has it, from this environment."""
    [plugin] = [plugin for plugin in REPOSITORY["plugins"][kind] if plugin["name"] == name]
    installed = {key: value for key, value in plugin.items() if key != "pip_url"}
    return installed | {"executable": str(Path(sys.executable).with_name(name)), "config": config}


def taps_postgres(postgres: Postgres) -> list[Json]:
    """The extractor for PostgreSQL, once for each table."""
    config = {
        "host": postgres.host,
        "port": postgres.port,
        "user": postgres.user,
        "password": "any",
        "database": postgres.database,
        "filter_schemas": ["activation"],
    }
    kinds = {"port": "integer", "filter_schemas": "array"}
    people = {
        "name": "tap-postgres",
        "namespace": "tap_postgres",
        "pip_url": "meltanolabs-tap-postgres==0.10.0",
        "executable": "tap-postgres",
        "capabilities": ["catalog", "discover", "state", "structured-logging"],
        "settings": [{"name": name, "kind": kinds.get(name, "string")} for name in config],
        "config": config,
        "select": ["activation-people.*"],
    }
    crowd = {
        "name": "tap-crowd",
        "inherit_from": "tap-postgres",
        "select": ["activation-crowd.*"],
    }
    return [people, crowd]


def literal(value: t.Any) -> str:
    """A value as SQL has it; PostgreSQL reads any type from text."""
    if value is None:
        return "NULL"
    return "'" + str(value).replace("'", "''") + "'"


@pytest.fixture(scope="module")
def project(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Project:
    rows = (", ".join(map(literal, each.row.values())) for each in PEOPLE)
    postgres.run(
        f"""
        CREATE SCHEMA activation;
        CREATE TABLE activation.people (
            "ID" integer PRIMARY KEY, "E-Mail Address" text, "First Name" text, last_name text,
            "Company" text, "Country" text, "State" text, "ZIP Code" text, "Role" text,
            "Opted In" boolean, "Score" numeric, "changed at" timestamptz
        );
        INSERT INTO activation.people VALUES ({"), (".join(rows)});
        CREATE TABLE activation.crowd AS
            SELECT 'person' || n || '@company.com' AS email, repeat('x', 200) AS company
            FROM generate_series(1, {CROWD}) AS n;
        """
    )
    return Project(tmp_path_factory.mktemp("activation"), postgres)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    with running(tmp_path / "rainfocus.db") as sandbox:
        yield sandbox


def calls(sandbox: RunningSandbox) -> list[str]:
    return [entry.call for entry in sandbox.store.log()]


def attendees(sandbox: RunningSandbox, event: str = WRITE_EVENT) -> dict[str, Json]:
    return {attendee["email"]: attendee for attendee in sandbox.store.attendees(event)}


def profile(attendee: Json) -> Json:
    """What of an attendee can have come from the target."""
    return {name: attendee[name] for name in READ_NAMES if name in attendee}


def carried(attendee: Json) -> Json:
    """What the target makes of an attendee of another event."""
    title = attendee.get("jobtitle") or attendee.get("jobTitle")
    fields = profile(attendee | {"jobtitle": title})
    found = {name: text for name, value in fields.items() if (text := (value or "").strip())}
    if "country" in found:
        found["country"] = pycountry.countries.lookup(found["country"]).alpha_2
    return found


def without_time(found: dict[str, Json]) -> dict[str, Json]:
    return {email: a | {"modifiedDate": None} for email, a in found.items()}


def test_config_test_writes_nothing(project: Project, sandbox: RunningSandbox) -> None:
    before = attendees(sandbox)
    ended = project.meltano(sandbox, "config", "test", TARGET)
    # Meltano says so when a loader has taken its test messages, whatever became of them; then
    # 4.4.1 stops the process, which has ended, and fails.
    assert "Test data was written to your target system" in ended.log
    assert ended.code == 0 or "ProcessLookupError" in ended.log
    assert calls(sandbox) == []
    assert attendees(sandbox) == before


def test_the_messages_of_config_test_are_skipped_with_a_warning(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    settings = {
        "org_id": sandbox.org_id,
        "api_url": sandbox.api_url,
        "token_url": sandbox.token_url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "event_code": WRITE_EVENT,
    }
    config.write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "target_rainfocus_attendees", "--config", config],
        input="".join(f"{json.dumps(message)}\n" for message in TEST_MESSAGES),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [warning] = [line for line in done.stderr.splitlines() if "WARNING" in line]
    assert "Stream meltano_test_stream has no e-mail field: its records are skipped." in warning
    assert not [word for word in ("error", "exception") if word in done.stderr.lower()]
    assert calls(sandbox) == []


def test_a_table_becomes_attendees_and_a_second_run_changes_nothing(
    project: Project, sandbox: RunningSandbox
) -> None:
    before = attendees(sandbox)
    first = project.run(sandbox, "tap-postgres", TARGET)
    after = attendees(sandbox)
    assert "60 read, 60 stored" in first.log
    assert calls(sandbox).count("attendee/store") == len(PEOPLE)
    added = {email: profile(a) for email, a in after.items() if email not in before}
    assert added == {each.stored["email"]: each.stored for each in PEOPLE}
    assert {email: after[email] for email in before} == before

    project.run(sandbox, "tap-postgres", TARGET)
    assert calls(sandbox).count("attendee/store") == 2 * len(PEOPLE)
    assert without_time(attendees(sandbox)) == without_time(after)


def test_a_mapper_in_between_renames_and_filters(project: Project, sandbox: RunningSandbox) -> None:
    before = attendees(sandbox)
    project.run(sandbox, "tap-postgres", "invited", TARGET)
    added = {e: profile(a) for e, a in attendees(sandbox).items() if e not in before}
    assert added == {
        each.stored["email"]: each.stored | {"jobtitle": each.row["Role"]}
        for each in PEOPLE
        if each.row["Opted In"]
    }


def test_one_event_s_attendees_become_the_next_one_s(
    project: Project, sandbox: RunningSandbox
) -> None:
    last_year, before = attendees(sandbox, READ_EVENT), attendees(sandbox)
    project.run(sandbox, TAP, TARGET)
    after = attendees(sandbox)
    assert after.keys() == last_year.keys() | before.keys()
    for email, attendee in after.items():
        if email in last_year:
            known = profile(before.get(email, {}))
            assert profile(attendee) == known | carried(last_year[email])
        else:
            assert attendee == before[email]
    assert attendees(sandbox, READ_EVENT) == last_year


def test_a_target_that_dies_under_a_busy_extractor_tells_why(
    project: Project, sandbox: RunningSandbox
) -> None:
    before = attendees(sandbox)
    secret = "a-wrong-secret"
    ended = project.meltano(
        sandbox, "run", "tap-crowd", TARGET, TARGET_RAINFOCUS_ATTENDEES_CLIENT_SECRET=secret
    )
    below = ended.beneath(
        "RainFocus answered the request for a token with HTTP 401: the credentials are not "
        "accepted: check client_id, client_secret, environment, token_url and token_auth_method. "
        "Nothing was stored. [RF-201]"
    )
    # On a busy machine Meltano may find the broken pipe before the loader's exit code, and then
    # shows frames of its own.
    assert "Run completed" in [line.text for line in below if line.who == "meltano"]
    assert not any("Traceback" in line for line in ended.log.splitlines() if TARGET in line)
    assert secret not in ended.log
    assert attendees(sandbox) == before


def test_a_target_that_dies_after_the_extractor_tells_why(
    project: Project, sandbox: RunningSandbox
) -> None:
    before = attendees(sandbox)
    sandbox.store.deny("oauth-global", "attendee/store")
    sandbox.faults.latency(0.3)
    ended = project.meltano(sandbox, "run", "tap-postgres", TARGET)
    below = ended.beneath(
        "RainFocus answered attendee/store with HTTP 200, code 124: the API profile has no "
        "access to endpoint attendee: enable it under Integration Suite > API Profiles. "
        "Nothing was stored. [RF-204]"
    )
    assert [line.text for line in below] == ENDED
    assert "Traceback" not in ended.log
    assert attendees(sandbox) == before
