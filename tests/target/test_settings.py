"""Settings that cannot work are told in one line, before anything is sent."""

from __future__ import annotations

import typing as t

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Singer = t.Any
    Script = t.Any
    Serve = Callable[..., t.ContextManager[Script]]

LONG = "Quackenbush" * 30


def stored(*_: object) -> tuple[int, Json, dict[str, str]]:
    return 200, {"responseCode": "0"}, {}


@pytest.fixture
def served(script: Serve) -> Iterator[Script]:
    with script(stored) as serving:
        yield serving


def messages(singer: Singer) -> list[Json]:
    people = [singer.record(f"ada{n}@example.com", firstname="Ada") for n in range(20)]
    return [singer.schema, *people, singer.state(1)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"concurrency": 8.5}, "Setting concurrency must be of type integer."),
        ({"concurrency": "many"}, "Setting concurrency must be of type integer."),
        ({"client_secret": 5}, "Setting client_secret must be of type string."),
        ({"client_secret": ["a"]}, "Setting client_secret must be of type string."),
        ({"client_id": 5}, "Setting client_id must be of type string."),
        (
            {"client_id": None, "client_secret": None, "api_profile": 5},
            "Setting api_profile must be of type string.",
        ),
        ({"api_url": ""}, "Setting api_url must not be empty."),
        ({"token_url": ""}, "Setting token_url must not be empty."),
        ({"stream_maps": {"people": LONG}}, "Setting stream_maps.people does not have a form"),
        ({"stream_maps": {"people": {"firstname": [LONG]}}}, "Setting stream_maps.people"),
        ({"stream_maps": LONG}, "Setting stream_maps must be of type object."),
        ({"stream_maps": {"__else__": "people"}}, "Setting stream_maps.__else__ does not have a"),
        ({"stream_maps": {"people": {"__else__": 5}}}, "Setting stream_maps.people does not have"),
        ({"stream_maps": {"__other__": None}}, "A stream map cannot be used"),
        ({"consent_feild": "consent"}, "consent_feild is not known: is consent_field meant?"),
        ({"reject_path": "x"}, "Setting reject_path is not known: is rejects_path meant?"),
        ({"dry_run_path": "bodies"}, "dry_run_path is set and dry_run is not: set both"),
        (
            {"rejects_path": "same", "activation_log_path": "./same"},
            "Settings rejects_path and activation_log_path name the same file",
        ),
        (
            {"dry_run": True, "dry_run_path": "same", "rejects_path": "same"},
            "Settings rejects_path and dry_run_path name the same file",
        ),
        ({"ledger_url": "sqlite://"}, "Setting ledger_url names no file"),
        ({"ledger_url": "sqlite:///:memory:"}, "Setting ledger_url names no file"),
        ({"ledger_url": 5}, "Setting ledger_url must be of type string."),
        ({"ledger_url": ["sqlite://"]}, "Setting ledger_url must be of type string."),
    ],
)
def test_what_cannot_work_is_one_line_and_nothing_is_sent(
    call: Run,
    singer: Singer,
    served: Script,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Json,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    ended = call(messages(singer), served.settings | change)
    assert ended.code == 78
    assert said in ended.error
    assert len(ended.log.splitlines()) == 1
    assert len(ended.error) < 300
    assert "Quackenbush" not in ended.log
    assert ended.states == []
    assert served.bodies == []
    made = {path.name for path in tmp_path.iterdir()} - before
    assert made <= {"config.json", "input.singer"}


@pytest.mark.parametrize("number", [8.0, 8])
def test_a_whole_number_may_be_written_with_a_point(
    call: Run, singer: Singer, served: Script, number: float
) -> None:
    settings = {"concurrency": number, "batch_size_rows": number, "max_retries": number}
    ended = call(messages(singer), served.settings | settings)
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": 20, "stored": 20}


def test_a_name_that_is_like_no_other_is_warned_about(
    call: Run, singer: Singer, served: Script
) -> None:
    ended = call(messages(singer), served.settings | {"crm_owner": "Quackenbush"})
    assert ended.code == 0
    assert ended.counts == {"read": 20, "stored": 20}
    (warning,) = ended.lines("WARNING")
    assert "Setting crm_owner is not known and has no effect." in warning
    assert "Quackenbush" not in ended.log


def test_the_log_level_may_be_empty(run: Run, singer: Singer, served: Script) -> None:
    ended = run(messages(singer), served.settings, LOGLEVEL="")
    assert ended.code == 0, ended.log
    assert ended.counts == {"read": 20, "stored": 20}


@pytest.mark.parametrize("name", ["LOGLEVEL", "TARGET_RAINFOCUS_ATTENDEES_LOGLEVEL"])
def test_a_log_level_that_is_none_is_one_line(
    run: Run, singer: Singer, served: Script, name: str
) -> None:
    ended = run(messages(singer), served.settings, **{name: "verbose"})
    assert ended.code == 78
    assert f" {name} is not a level: give debug, info, warning or error." in ended.error
    assert len(ended.log.splitlines()) == 1
    assert ended.states == []
    assert served.bodies == []
