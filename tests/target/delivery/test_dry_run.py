"""A dry run: everything but the sending."""

from __future__ import annotations

import json
import typing as t

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Stored = Callable[[], dict[str, Json]]
    Singer = t.Any


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bodies.jsonl"


@pytest.fixture
def rehearsing(settings: Json, path: Path) -> Json:
    return settings | {"dry_run": True, "dry_run_path": str(path)}


def people(singer: Singer) -> list[Json]:
    return [
        singer.schema,
        singer.record(" Ada@Example.com ", firstname="Augusta", city=["Ockham"]),
        singer.state(1),
        singer.record("zoë@example.com", firstname="Zoë"),
        singer.record("ada@example.com", firstname="", lastname="Lovelace"),
        singer.state(3),
    ]


def bodies_in(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_only_a_token_is_asked_for_and_no_state_comes_out(
    call: Run, singer: Singer, rehearsing: Json, sandbox: RunningSandbox
) -> None:
    before = sandbox.store.attendees("summit26")
    ended = call(people(singer), rehearsing | {"batch_size_rows": 1})
    assert ended.code == 0
    assert ended.states == []
    (entry,) = sandbox.store.log()
    assert (entry.call, entry.status) == ("oidc/token", 200)
    assert sandbox.store.attendees("summit26") == before


def test_the_counts_say_what_would_have_happened(
    call: Run, singer: Singer, rehearsing: Json, tmp_path: Path
) -> None:
    schema = singer.schema["schema"] | {"properties": {"email": {}, "firstname": {}, "agreed": {}}}
    messages = [
        singer.schema | {"schema": schema},
        *(singer.record(f"ada{n}@example.com", agreed="yes") for n in range(1200)),
        *(singer.record(f"ada{n}@example.com", agreed="no") for n in range(7)),
        *(singer.record(f"nobody {n}", agreed="yes") for n in range(3)),
        singer.state(1),
    ]
    rejects = tmp_path / "rejects.singer"
    wanted = {"consent_field": "agreed", "rejects_path": str(rejects)}
    ended = call(messages, rehearsing | wanted)
    assert ended.code == 0
    assert ended.states == []
    (line,) = (line for line in ended.lines("INFO") if "Dry run" in line)
    assert (
        "Dry run, nothing was sent to Attendee Store summit26: 1,210 read, 1,200 would be stored, "
        "0 unchanged, 0 merged, 7 filtered, 3 invalid, 0 rejected in "
    ) in line
    kept = [json.loads(line)["record"] for line in rejects.read_text().splitlines()[1:]]
    assert [record["email"] for record in kept] == [f"nobody {n}" for n in range(3)]


def test_the_bodies_are_those_that_would_be_sent_in_the_order_of_the_input(
    call: Run, singer: Singer, rehearsing: Json, path: Path
) -> None:
    assert call(people(singer), rehearsing).code == 0
    assert bodies_in(path) == [
        {"email": "ada@example.com", "firstname": "Augusta", "lastname": "Lovelace"},
        {"email": "zoë@example.com", "firstname": "Zoë"},
    ]
    many = [singer.record(f"ada{n}@example.com", firstname=n) for n in range(1700)]
    assert call([singer.schema, *many], rehearsing).code == 0
    assert bodies_in(path) == [
        {"email": f"ada{n}@example.com", "firstname": str(n)} for n in range(1700)
    ]


def test_the_bodies_are_those_that_are_sent_without_dry_run(
    call: Run, singer: Singer, rehearsing: Json, path: Path, stored: Stored
) -> None:
    messages = [singer.schema, singer.record("ada@example.com", firstname="Ada", city=" Lehi ")]
    call(messages, rehearsing)
    (body,) = bodies_in(path)
    path.write_text("mine")
    del rehearsing["dry_run_path"]
    assert call(messages, rehearsing | {"dry_run": False}).code == 0
    assert stored()["ada@example.com"].items() >= body.items()
    assert path.read_text() == "mine"


@pytest.mark.parametrize("mode", [None, 0o644, 0o666])
def test_the_bodies_are_for_their_owner_only(
    call: Run, singer: Singer, rehearsing: Json, path: Path, mode: int | None
) -> None:
    if mode:
        path.write_text("older\n" * 100)
        path.chmod(mode)
    assert call(people(singer), rehearsing).code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(bodies_in(path)) == 2


def test_what_a_real_run_merges_is_merged(
    call: Run, singer: Singer, rehearsing: Json, path: Path, stored: Stored
) -> None:
    copies = {"people": {}, "people2": {"__source__": "people"}}
    rehearsing["stream_maps"] = copies
    people = [singer.record(f"ada{n}@example.com", firstname=n) for n in range(50)]
    messages = [singer.schema, *people]
    rehearsed = call(messages, rehearsing)
    del rehearsing["dry_run_path"]
    ended = call(messages, rehearsing | {"dry_run": False})
    assert rehearsed.code == ended.code == 0
    assert len(bodies_in(path)) == len(stored()) == 50
    real = ended.counts
    assert real["stored"] + real.get("merged", 0) == 100
    assert "100 read, 50 would be stored, 0 unchanged, 50 merged" in rehearsed.log


def test_without_a_file_for_them_the_bodies_are_nowhere(
    call: Run, singer: Singer, rehearsing: Json, tmp_path: Path
) -> None:
    ended = call(people(singer), rehearsing | {"dry_run_path": None})
    assert ended.code == 0
    names = {file.name for file in tmp_path.iterdir() if not file.name.startswith("sandbox.db")}
    assert names == {"config.json", "input.singer"}


@pytest.mark.parametrize("messages", ["nothing", "only a schema", "only invalid"])
def test_bodies_of_an_earlier_run_do_not_stay(
    call: Run, singer: Singer, rehearsing: Json, path: Path, messages: str
) -> None:
    call(people(singer), rehearsing)
    given = {"nothing": [], "only a schema": [singer.schema]}
    call(given.get(messages, [singer.schema, singer.record("nobody")]), rehearsing)
    assert path.read_text() == ""


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_nothing_personal_is_logged(run: Run, singer: Singer, rehearsing: Json, level: str) -> None:
    messages = [*people(singer), singer.record("no.address", firstname="Byron")]
    ended = run(messages, rehearsing, LOGLEVEL=level)
    assert ended.code == 65
    assert "2 would be stored, 0 unchanged, 1 merged" in ended.log
    assert "city was left out of 1 profiles" in ended.log
    words = ("ada@", "example.com", "Augusta", "Ockham", "Zoë", "Lovelace", "no.address", "Byron")
    for word in (*words, rehearsing["client_secret"], "Bearer"):
        assert word.lower() not in ended.log.lower()


def test_wrong_credentials_show(call: Run, singer: Singer, rehearsing: Json, path: Path) -> None:
    ended = call(people(singer), rehearsing | {"client_secret": "wrong-secret"})
    assert ended.code == 77
    assert "check client_id, client_secret" in ended.error
    assert "Nothing was stored." in ended.error
    assert not path.exists() or not path.read_text()


def test_in_strict_validation_a_dry_run_fails_for_what_is_invalid(
    call: Run, singer: Singer, rehearsing: Json, path: Path
) -> None:
    ended = call(people(singer), rehearsing | {"validation": "strict"})
    assert ended.code == 65
    assert "the value of city cannot be used [RF-525] (1)" in ended.error
    assert len(bodies_in(path)) == 2


def test_a_full_disk_is_one_line(call: Run, singer: Singer, rehearsing: Json) -> None:
    many = [singer.record(f"ada{n}@example.com") for n in range(3000)]
    ended = call([singer.schema, *many], rehearsing | {"dry_run_path": "/dev/full"})
    assert ended.code == 74
    assert "The bodies cannot be written (No space left on device)" in ended.error
    assert "dry_run_path" in ended.error
    ended = call(people(singer), rehearsing | {"dry_run_path": "/dev/full"})
    assert ended.code == 74
    assert "The bodies cannot be written (No space left on device)" in ended.error


def test_the_input_cannot_be_the_file_that_the_bodies_are_written_to(
    call: Run, singer: Singer, rehearsing: Json, path: Path
) -> None:
    path.write_text("".join(f"{json.dumps(message)}\n" for message in people(singer)))
    before = path.read_bytes()
    ended = call(path, rehearsing)
    assert path.read_bytes() == before
    assert ended.code == 78
    assert "The input is the file that dry_run_path names" in ended.error


def test_a_dry_run_needs_no_event_that_is_there(
    call: Run, singer: Singer, rehearsing: Json, path: Path
) -> None:
    ended = call(people(singer), rehearsing | {"event_code": "not-made-yet", "mode": "update"})
    assert ended.code == 0
    assert len(bodies_in(path)) == 2
