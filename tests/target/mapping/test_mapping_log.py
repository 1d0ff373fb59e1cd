"""The log says which column feeds which field; with mapping explicit only what is named does."""

from __future__ import annotations

import json
import typing as t

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Script = t.Any
    Serve = Callable[..., t.ContextManager[Script]]

ADA = "ada@example.com"
HASH = "549c55aa4ba0976e45e55f643ed04296b6e444e4dc94a7ae473471e11ad2a860"
RECORD: t.Final = {
    "Email": ADA,
    "First Name": "Ada",
    "company": "",
    "Company": "Acme",
    "country": "Austria",
    "country_code": "AT",
    "title": "Dr",
    "opt_in": "yes",
    "shoe_size": 42,
    "attendee": {"attributes": [{"code": "diet", "value": "Vegan"}]},
}


@pytest.fixture
def served(script: Serve) -> Iterator[Script]:
    with script(lambda *_: (200, {"responseCode": "0"}, {})) as serving:
        yield serving


def schema(*columns: str, **changes: object) -> Json:
    declared: Json = {name: {} for name in columns}
    if "attendee" in declared:
        declared["attendee"] = {"type": "object", "properties": {"attributes": {"type": "array"}}}
    return {"type": "SCHEMA", "stream": "people", "schema": {"properties": declared}, **changes}


def record(fields: Json) -> Json:
    return {"type": "RECORD", "stream": "people", "record": fields}


def mapping(ended: t.Any, stream: str = "people") -> list[str]:
    """What the lines say that tell which column feeds which field."""
    lines = [line for line in ended.lines("INFO") if "←" in line]
    return [line.partition(f"Stream {stream}: ")[2] for line in lines]


NAMED: t.Final = {
    "extra_fields": {"diet": "attendee.attributes.diet"},
    "consent_field": "opt_in",
}


def test_the_log_says_which_column_feeds_which_field(call: Run, served: Script) -> None:
    ended = call([schema(*RECORD), record(RECORD)], served.settings | NAMED)
    assert ended.code == 0, ended.log
    (line,) = mapping(ended)
    assert line == (
        "email ← Email, firstname ← First Name, "
        "companyname ← company and Company (the first with a value), "
        "countryid ← country_code and country (a name before a code), "
        "diet ← attendee.attributes.diet, consent_field ← opt_in."
    )
    (warning,) = ended.lines("WARNING")
    assert "Stream people: title may mean another thing and so is not sent." in warning
    (unsent,) = (line for line in ended.lines("INFO") if "nothing is sent of" in line)
    assert "nothing is sent of shoe_size. field_map" in unsent  # and title is told once


def test_the_line_comes_again_when_the_schema_changes(call: Run, served: Script) -> None:
    one, other = schema("Email"), schema("Email", "city")
    person = record({"Email": ADA, "city": "Rome"})
    ended = call([one, person, one, person, other, person, other], served.settings)
    assert ended.code == 0, ended.log
    assert mapping(ended) == ["email ← Email.", "email ← Email, city ← city."]


@pytest.mark.parametrize(
    ("identity", "column", "said"),
    [
        ("email_lc_sha256", "email_hash", "email_lc_sha256 ← email_hash, city ← city."),
        ("attendeeId", "Attendee ID", "attendeeId ← Attendee ID, city ← city."),
    ],
)
def test_the_identity_comes_first_under_the_name_it_is_sent_by(
    call: Run, served: Script, identity: str, column: str, said: str
) -> None:
    change = {"identity": identity, "mode": "update", "streams": ["people"]}
    messages = [schema("city", column), record({"city": "Rome", column: HASH})]
    ended = call(messages, served.settings | change)
    assert mapping(ended) == [said]
    assert identity in served.bodies[0]


def test_names_however_odd_stay_in_their_line(call: Run, served: Script) -> None:
    odd = ["City\n2026-01-01 | ERROR | x", "a, b", " ", "x ← y", 'q"', "\u202eemag", "größe"]
    named = {f"n{number}": name for number, name in enumerate(odd)}
    messages = [schema("Email", *odd, stream="peo\nple"), schema("Email", "a\nb")]
    ended = call(messages, served.settings | {"extra_fields": named, "streams": ["peo\nple"]})
    assert ended.code == 0, ended.log
    (line,) = mapping(ended, r'"peo\nple"')
    columns = [part.partition(" ← ")[2] for part in line.removesuffix(".").split(", n")]
    assert columns[-1] == "größe"
    assert [json.loads(column) for column in columns[1:-1]] == odd[:-1]
    assert "\u202e" not in ended.log
    ended = call([schema("Email", "a\nb", '"c"')], served.settings)
    assert r'nothing is sent of "a\nb", "\"c\"". field_map' in ended.log


def test_of_many_columns_the_first_are_named(call: Run, served: Script) -> None:
    ended = call([schema("Email", *(f"c{n}" for n in range(40)))], served.settings)
    (line,) = (line for line in ended.lines("INFO") if "nothing is sent of" in line)
    assert "c28, c29 and 10 more. field_map" in line


def test_explicit_sends_only_what_is_named(call: Run, served: Script) -> None:
    change = NAMED | {"mapping": "explicit", "field_map": {"email": "Email", "jobtitle": "title"}}
    refusing = record(RECORD | {"opt_in": "no", "Email": "eve@example.com"})
    ended = call([schema(*RECORD), record(RECORD), refusing], served.settings | change)
    assert ended.code == 0, ended.log
    assert served.bodies == [{"email": ADA, "jobtitle": "Dr", "diet": "Vegan"}]
    assert ended.counts == {"read": 2, "stored": 1, "filtered": 1}
    (line,) = mapping(ended)
    assert line == (
        "email ← Email, jobtitle ← title, diet ← attendee.attributes.diet, consent_field ← opt_in."
    )
    assert not ended.lines("WARNING")
    unsent = "First Name, company, Company, country, country_code, shoe_size"
    assert f"nothing is sent of {unsent}. field_map and extra_fields can name them." in ended.log


@pytest.mark.parametrize("field_map", [{}, {"city": "city"}, {"email": None}], ids=str)
@pytest.mark.parametrize(
    ("identity", "field"),
    [("email", "email"), ("email_lc_sha256", "email"), ("externalId", "externalId")],
)
def test_explicit_wants_the_column_of_the_identity(
    call: Run, served: Script, field_map: Json, identity: str, field: str
) -> None:
    change = {"mapping": "explicit", "field_map": field_map, "identity": identity}
    messages = [schema("email", "externalId", "city"), record({"email": ADA, "externalId": "1"})]
    ended = call(messages, served.settings | change | {"streams": ["people"]})
    assert ended.code == 78
    assert f"Setting mapping is explicit and field_map names no column for {field}" in ended.error
    assert f'add {{"{field}": "column"}} to field_map. [RF-106]' in ended.error
    assert served.bodies == []


def test_explicit_takes_no_stream_whose_column_has_another_name(call: Run, served: Script) -> None:
    change = {"mapping": "explicit", "field_map": {"email": "Mail"}}
    ended = call([schema("email"), record({"email": ADA})], served.settings | change)
    assert ended.code == 65
    assert "Stream people has no e-mail field Mail, which field_map names" in ended.error
    assert served.bodies == []
