"""Settings that cannot work are told in one line, before anything is sent."""

from __future__ import annotations

import json
import typing as t

import pytest
from rainfocus_client.settings.sources import read_config_files

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
        ({"ledger_url": "sqlite://"}, "names no file: give it as sqlite:///ledger.db"),
        ({"ledger_url": "sqlite:///:memory:"}, "Setting ledger_url names no file"),
        ({"ledger_url": "sqlite:///file::memory:?uri=true"}, "Setting ledger_url names no file"),
        ({"ledger_url": "sqlite:///file:x?mode=memory&uri=true"}, "names no file"),
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


PREFIX = "TARGET_RAINFOCUS_ATTENDEES_"


@pytest.mark.parametrize("source", ["variables", "file"])
@pytest.mark.parametrize(
    ("name", "meant"),
    [("CONSENT_FEILD", "CONSENT_FIELD"), ("DRYRUN", "DRY_RUN"), ("REJECT_PATH", "REJECTS_PATH")],
)
def test_a_misspelt_variable_is_refused_wherever_settings_come_from(
    call: Run,
    singer: Singer,
    served: Script,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    meant: str,
    source: str,
) -> None:
    monkeypatch.setenv(PREFIX + name, "Quackenbush")
    settings: Json | None = served.settings
    if source == "variables":
        for setting, value in served.settings.items():
            monkeypatch.setenv(PREFIX + setting.upper(), value)
        settings = None
    ended = call(messages(singer), settings)
    assert ended.code == 78
    assert f"Variable {PREFIX}{name} sets nothing: is {PREFIX}{meant} meant?" in ended.error
    assert "Quackenbush" not in ended.log
    assert (ended.states, served.bodies) == ([], [])


def test_variables_of_presets_and_of_meltano_are_let_be(
    call: Run, singer: Singer, served: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting, value in served.settings.items():
        monkeypatch.setenv(PREFIX + setting.upper(), value)
    for name in (
        "EVENTS_TOKEN_AUTH_METHOD",  # of a loader that inherits, and is called ...-events
        "_LOG_PARSER",
        "EVENTS__SELECT",
        "LOGLEVEL",
        "EVENTS_LOGLEVEL",
    ):
        monkeypatch.setenv(PREFIX + name, "info")
    ended = call(messages(singer), None)
    assert ended.code == 0, ended.log
    assert not ended.lines("WARNING")
    # Meltano's way to export what is inside of an object.
    monkeypatch.setenv(f"{PREFIX}FIELD_MAP_A", "x")
    monkeypatch.setenv(f"{PREFIX}CRM_OWNER", "Quackenbush")
    assert not call(messages(singer), served.settings).lines("WARNING")
    ended = call(messages(singer), None)
    assert ended.code == 0, ended.log
    crm, field_map = ended.lines("WARNING")
    assert f"Variable {PREFIX}CRM_OWNER is no setting and has no effect." in crm
    assert f"Variable {PREFIX}FIELD_MAP_A is no setting" in field_map
    assert "Quackenbush" not in ended.log


@pytest.mark.parametrize(
    "change",
    [
        {"streams": "people, others", "field_map": "firstname=city, city=firstname"},
        {"streams": '["people"]', "field_map": '{"firstname": "city", "city": "firstname"}'},
    ],
    ids=str,
)
@pytest.mark.parametrize("source", ["variables", "file"])
def test_lists_and_objects_may_be_text(
    call: Run,
    singer: Singer,
    served: Script,
    monkeypatch: pytest.MonkeyPatch,
    change: Json,
    source: str,
) -> None:
    settings: Json | None = served.settings | change
    if source == "variables":
        for setting, value in (served.settings | change).items():
            monkeypatch.setenv(PREFIX + setting.upper(), value)
        settings = None
    person = singer.record("ada@example.com", firstname="London", city="Ada")
    ended = call([singer.schema, person], settings)
    assert ended.code == 0, ended.log
    assert served.bodies == [{"email": "ada@example.com", "firstname": "Ada", "city": "London"}]


@pytest.mark.parametrize("setting", ["rejects_path", "activation_log_path", "dry_run_path"])
def test_the_config_file_is_no_file_to_write(
    call: Run, singer: Singer, served: Script, tmp_path: Path, setting: str
) -> None:
    config = tmp_path / "config.json"
    link = tmp_path / "link"
    link.symlink_to(config)
    change = {setting: str(link), "dry_run": setting == "dry_run_path"}
    ended = call([*messages(singer), singer.record("nobody")], served.settings | change)
    assert ended.code == 78
    assert f"Setting {setting} names the config file" in ended.error
    assert json.loads(config.read_text())["event_code"] == "summit26"
    assert served.bodies == []


def test_a_config_file_may_begin_with_a_byte_order_mark(served: Script, tmp_path: Path) -> None:
    marked = tmp_path / "marked.json"
    marked.write_text(json.dumps(served.settings), encoding="utf-8-sig")
    assert read_config_files([str(marked)]) == served.settings


def test_an_env_file_that_is_no_text_is_named(
    run: Run, singer: Singer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes("TARGET_RAINFOCUS_ATTENDEES_ORG_ID=Zürich".encode("latin-1"))
    ended = run(messages(singer), None)
    assert ended.code == 78
    assert ".env cannot be read: check that it is a text file in UTF-8." in ended.error


def test_a_map_for_a_stream_that_does_not_come_is_warned_about(
    call: Run, singer: Singer, served: Script
) -> None:
    maps = {"peeple": {"firstname": "'x'"}, "peo*": {"firstname": "'y'"}}
    ended = call(messages(singer), served.settings | {"stream_maps": maps})
    assert ended.code == 0, ended.log
    (warning,) = ended.lines("WARNING")
    assert "Stream peeple, which stream_maps names, is not in the input." in warning
    assert {body["firstname"] for body in served.bodies} == {"y"}


def test_an_address_that_is_left_out_on_purpose_is_called_so(
    call: Run, singer: Singer, served: Script
) -> None:
    ended = call(messages(singer), served.settings | {"field_map": {"email": None}})
    assert "Stream people has no e-mail field, since field_map leaves it out" in ended.log
    assert "hashes" not in ended.log


def test_that_the_token_url_is_assumed_is_told_once(
    call: Run, singer: Singer, settings: Json
) -> None:
    url = settings.pop("token_url")
    messages = [singer.schema, singer.record("ada@example.com"), singer.state(1)]
    ended = call(messages, settings)
    assert ended.code == 0, ended.log
    (warning,) = ended.lines("WARNING")
    assert f"Setting token_url is not set: that a token can be had at {url} is assumed." in warning
    assert not call(messages, settings | {"token_url": url}).lines("WARNING")
