"""Records into the sandbox's Attendee Store, by the real command."""

from __future__ import annotations

import json
import random
import typing as t

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Stored = Callable[[], dict[str, Json]]
    Singer = t.Any

PERSONAL = ("email", "firstname", "lastname", "companyname", "jobtitle", "city")


def test_profiles_are_stored_and_accounted_for(
    run: Run, stored: Stored, singer: Singer, settings: Json
) -> None:
    people = [singer.record(f"ada{n}@example.com", firstname=f"Ada {n}") for n in range(1200)]
    ended = run([singer.schema, *people, singer.state(1200)], settings)
    assert ended.code == 0, ended.log
    assert ended.states == [{"n": 1200}]
    assert ended.summary.startswith(
        "summit26: 1,200 read, 1,200 stored, 0 unchanged, 0 merged, 0 filtered, 0 invalid, "
        "0 rejected in "
    )
    assert {email: a["firstname"] for email, a in stored().items()} == {
        f"ada{n}@example.com": f"Ada {n}" for n in range(1200)
    }


def test_a_new_version_of_a_table_deletes_nobody(
    call: Run, stored: Stored, singer: Singer, settings: Json
) -> None:
    version = {"type": "ACTIVATE_VERSION", "stream": "people", "version": 2}
    messages = [singer.schema, singer.record("ada@example.com"), version, version | {"stream": "x"}]
    ended = call([*messages, singer.state(1)], settings)
    assert ended.code == 0
    assert ended.lines("WARNING") == []
    assert ended.states == [{"n": 1}]
    assert set(stored()) == {"ada@example.com"}


def test_an_api_profile_works_as_well(
    call: Run, stored: Stored, singer: Singer, settings: Json, sandbox: RunningSandbox
) -> None:
    for name in ("client_id", "client_secret"):
        del settings[name]
    settings["api_profile"] = sandbox.api_profile
    assert call([singer.schema, singer.record("ada@example.com")], settings).code == 0
    assert set(stored()) == {"ada@example.com"}


def test_settings_come_from_the_environment_too(
    run: Run, stored: Stored, singer: Singer, settings: Json
) -> None:
    settings |= {"concurrency": 2, "requests_per_second": 500.5, "streams": ["people"]}
    environment = {
        f"TARGET_RAINFOCUS_ATTENDEES_{name.upper()}": value
        if isinstance(value, str)
        else json.dumps(value)
        for name, value in settings.items()
    }
    messages = [singer.schema, singer.record("ada@example.com")]
    ended = run(messages, {}, **environment)
    assert ended.code == 78
    assert "Setting org_id, event_code is missing" in ended.error
    ended = run(messages, None, **environment)
    assert ended.code == 0, ended.log
    assert set(stored()) == {"ada@example.com"}


def test_a_blank_wipes_nothing(call: Run, stored: Stored, singer: Singer, settings: Json) -> None:
    full = singer.record("ada@example.com", firstname="Ada", city="London", jobtitle="Countess")
    assert call([singer.schema, full], settings).code == 0
    blank = singer.record("ada@example.com", firstname="", city=None, jobtitle="  ", lastname="L.")
    assert call([singer.schema, blank], settings).code == 0
    ada = stored()["ada@example.com"]
    assert [ada.get(f) for f in ("firstname", "city", "jobtitle", "lastname")] == [
        "Ada",
        "London",
        "Countess",
        "L.",
    ]


def test_repeats_end_as_if_sent_one_at_a_time(
    run: Run, stored: Stored, singer: Singer, settings: Json
) -> None:
    draw = random.Random(7)
    records = []
    expected: dict[str, Json] = {}
    for n in range(3000):
        email = f"p{draw.randrange(40)}@example.com"
        spelling = draw.choice([email, email.upper(), f" {email}"])
        fields = {
            field: draw.choice([f"{field} {n}", f"{field} {n}", "", None])
            for field in draw.sample(PERSONAL[1:], 3)
        }
        records.append(singer.record(spelling, **fields))
        person = expected.setdefault(email, {})
        person |= {field: value for field, value in fields.items() if value}
    ended = run([singer.schema, *records, singer.state(1)], settings | {"concurrency": 16})
    assert ended.code == 0
    assert ended.states == [{"n": 1}]
    found = {
        email.lower(): {f: attendee[f] for f in PERSONAL[1:] if attendee.get(f)}
        for email, attendee in stored().items()
    }
    assert found == expected
    counts = {
        word: int(number.replace(",", ""))
        for number, word in (part.split()[:2] for part in ended.summary[10:].split(", "))
    }
    assert counts["read"] == counts["stored"] + counts["merged"] == 3000
    assert counts["merged"] > 0


def test_states_go_out_after_batches_in_order_and_once(
    run: Run, singer: Singer, settings: Json
) -> None:
    messages: list[Json] = [singer.schema]
    for n in range(1, 1001):
        messages.append(singer.record(f"ada{n}@example.com"))
        if n % 10 == 0:
            messages.append(singer.state(n))
    messages.append(singer.state(1000))
    ended = run(messages, settings | {"batch_size_rows": 100})
    marks = [state["n"] for state in ended.states]
    assert marks == sorted(set(marks))
    assert marks[-1] == 1000
    assert 5 <= len(marks) <= 11


def test_no_state_passes_an_invalid_record_and_the_rest_is_delivered(
    call: Run, stored: Stored, singer: Singer, settings: Json
) -> None:
    ended = call(
        [
            singer.schema,
            singer.record("ada1@example.com"),
            singer.state(1),
            singer.record("nobody", firstname="Secretive"),
            singer.state(2),
            singer.record("ada3@example.com"),
            singer.state(3),
            singer.record(None),
            singer.state(4),
        ],
        settings | {"batch_size_rows": 1},
    )
    assert ended.code == 65
    assert ended.states == [{"n": 1}]
    assert set(stored()) == {"ada1@example.com", "ada3@example.com"}
    assert (
        "4 read, 2 stored, 0 unchanged, 0 merged, 0 filtered, 2 invalid, 0 rejected"
        in ended.summary
    )
    assert (
        "2 records were not stored (2 invalid, 0 rejected): no valid e-mail address [RF-522] (1); "
        "no e-mail address [RF-521] (1). The state stays before the first of them; "
        "set rejects_path to keep them in a file."
    ) in ended.error


def test_a_bad_optional_value_is_left_out_and_counted(
    call: Run, stored: Stored, singer: Singer, settings: Json
) -> None:
    people = [singer.record(f"ada{n}@example.com", city=["Atlantis"]) for n in range(3)]
    ended = call([singer.schema, *people], settings)
    assert ended.code == 0
    (warning,) = ended.lines("WARNING")
    assert "city was left out of 3 profiles" in warning
    assert "Atlantis" not in ended.log
    assert not any(attendee.get("city") for attendee in stored().values())


OTHERS: t.Final = [
    {
        "type": "SCHEMA",
        "stream": "sessions",
        "key_properties": ["id"],
        "schema": {"properties": {"id": {"type": "string"}, "title": {"type": "string"}}},
    },
    {"type": "RECORD", "stream": "sessions", "record": {"id": "1", "title": "Keynote"}},
]


def test_a_stream_without_an_address_is_skipped_with_a_warning(
    call: Run, stored: Stored, singer: Singer, settings: Json
) -> None:
    messages = [*OTHERS, singer.schema, singer.record("ada@example.com"), singer.state(1)]
    ended = call(messages, settings)
    assert ended.code == 0
    (warning,) = ended.lines("WARNING")
    assert "Stream sessions has no e-mail field: its records are skipped." in warning
    assert "2 read, 1 stored, 0 unchanged, 0 merged, 1 filtered" in ended.summary
    assert ended.summary.endswith("Of the filtered, 1 are of streams that are not loaded.")
    assert ended.states == [{"n": 1}]
    assert set(stored()) == {"ada@example.com"}


def test_a_stream_without_an_address_can_be_an_error(call: Run, settings: Json) -> None:
    ended = call(OTHERS, settings | {"unmapped_streams": "fail"})
    assert ended.code == 78
    assert "Stream sessions has no e-mail field, and unmapped_streams is fail" in ended.error


def test_only_the_streams_asked_for_are_loaded(
    call: Run, stored: Stored, singer: Singer, settings: Json
) -> None:
    other = json.loads(json.dumps([singer.schema, singer.record("no@example.com")]))
    for message in other:
        message["stream"] = "others"
    messages = [*other, *OTHERS, singer.schema, singer.record("ada@example.com")]
    ended = call(messages, settings | {"streams": ["people"], "unmapped_streams": "fail"})
    assert ended.code == 0
    assert not ended.lines("WARNING")
    assert ended.summary.endswith("Of the filtered, 2 are of streams that are not loaded.")
    assert set(stored()) == {"ada@example.com"}
    ended = call(OTHERS, settings | {"streams": ["sessions"]})
    assert ended.code == 78
    assert "take it out of setting streams" in ended.error


def test_stream_maps_name_the_fields(
    call: Run, stored: Stored, singer: Singer, settings: Json
) -> None:
    maps = {"people": {"firstname": "lastname.upper()", "lastname": None}}
    messages = [singer.schema, singer.record("ada@example.com", firstname="x", lastname="King")]
    assert call(messages, settings | {"stream_maps": maps}).code == 0
    assert stored()["ada@example.com"]["firstname"] == "KING"


def test_a_file_can_be_the_input(
    start: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    stored: Stored,
    singer: Singer,
    settings: Json,
) -> None:
    file = tmp_path / "people.singer"
    file.write_text(
        f"{json.dumps(singer.schema)}\n{json.dumps(singer.record('ada@example.com'))}\n"
    )
    with start(settings, "--input", str(file)) as process:
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert set(stored()) == {"ada@example.com"}


def test_about_lists_only_settings_that_do_something(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    with start({}, "--about", "--format=json") as process:
        out, _ = process.communicate(timeout=30)
    about = json.loads(out)
    assert about["capabilities"] == ["about", "stream-maps", "structured-logging"]
    names = set(about["settings"]["properties"])
    assert {"org_id", "event_code", "concurrency", "batch_size_rows", "stream_maps"} <= names
    assert not names & {"load_method", "add_record_metadata", "validate_records", "batch_config"}


def test_a_run_says_little(run: Run, singer: Singer, settings: Json) -> None:
    ended = run([singer.schema, singer.record("ada@example.com"), singer.state(1)], settings)
    assert len(ended.log.splitlines()) <= 3, ended.log


def test_nothing_personal_and_no_secret_is_logged_even_at_debug_level(
    run: Run, singer: Singer, settings: Json
) -> None:
    people = [
        singer.record(
            f"ada{n}@example.com", firstname="Augusta", lastname="Lovelace", city=["Ockham"]
        )
        for n in range(20)
    ]
    messages = [singer.schema, *people, singer.record("no.address", firstname="Byron")]
    ended = run(messages, settings, LOGLEVEL="DEBUG")
    assert ended.code == 65
    secret = settings["client_secret"]
    for word in ("ada", "Augusta", "Lovelace", "Ockham", "Byron", "no.address", secret, "Bearer"):
        assert word not in ended.log.replace("metadata", ""), word
