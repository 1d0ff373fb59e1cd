"""Which body is sent for which record."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from collections import Counter

import pycountry
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from target_rainfocus_attendees.mapping.emails import is_email

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Send = Callable[..., t.Any]

ADA = "ada@example.com"
USER = "user@company.com"
BOOLEANS = (True, False)
HASH = "549c55aa4ba0976e45e55f643ed04296b6e444e4dc94a7ae473471e11ad2a860"
TEXT = {"type": ["string", "null"]}
ATTRIBUTES = [
    {"code": "diet", "name": "Diet", "value": " Vegan "},
    {"code": "seats", "name": "Seats", "value": 2},
    {"code": "member", "name": "Member", "value": False},
    {"code": "blank", "name": "Blank", "value": ""},
    {"code": "none", "name": "None", "value": None},
    "not an attribute",
]


class Sent(t.NamedTuple):
    """A dry run: how it ended, and the bodies it would have sent."""

    ended: t.Any
    bodies: list[Json]

    @property
    def dropped(self) -> Counter[str]:
        """The fields that the warnings say were left out, and how often."""
        words = [line.rpartition("| ")[2].split() for line in self.ended.lines("WARNING")]
        return Counter({word[0]: int(word[5]) for word in words if word[1:5] == LEFT_OUT})


LEFT_OUT: t.Final = ["was", "left", "out", "of"]


def schema_of(record: Json) -> Json:
    """A schema that declares the columns of a record, and what is in `attendee`."""
    return {
        "properties": {
            name: schema_of(value) if isinstance(value, dict) and name == "attendee" else {}
            for name, value in record.items()
        }
    }


def stream(name: str, *records: Json, schema: Json | None = None) -> list[Json]:
    declared = schema or schema_of(records[0])
    return [
        {"type": "SCHEMA", "stream": name, "key_properties": [], "schema": declared},
        *({"type": "RECORD", "stream": name, "record": record} for record in records),
    ]


@pytest.fixture
def send(call: Run, tmp_path: Path) -> Send:
    """Rehearse; with an API profile's token this takes no server at all."""
    path = tmp_path / "bodies.jsonl"

    def send(messages: list[Json], **settings: t.Any) -> Sent:
        ended = call(
            messages,
            {
                "org_id": "acme",
                "api_url": "http://127.0.0.1:9/api",
                "api_profile": "some-profile",
                "event_code": "summit26",
                "dry_run": True,
                "dry_run_path": str(path),
                **settings,
            },
        )
        lines = path.read_text().splitlines() if path.exists() else []
        return Sent(ended, [json.loads(line) for line in lines])

    return send


# What a record holds beside the e-mail address, what is sent beside it, and what is left out
# with a warning.
Row = tuple["Json", "Json", tuple[str, ...]]


def _named(field: str, *columns: str) -> list[Row]:
    return [({column: "Ada"}, {field: "Ada"}, ()) for column in columns]


def _bad(field: str, *values: object) -> list[Row]:
    return [({field: value}, {}, (field,)) for value in values]


def _blank(*values: object) -> list[Row]:
    return [({"city": value, "phone": "1"}, {"phone": "1"}, ()) for value in values]


def _country(code: str | None, *values: object) -> list[Row]:
    return [
        ({"country": value}, {"countryid": code} if code else {}, () if code else ("countryid",))
        for value in values
    ]


def _state(country: str, code: str | None, *values: object) -> list[Row]:
    return [
        (
            {"countryid": country, "state": value},
            {"countryid": country, "state": code} if code else {"countryid": country},
            () if code else ("state",),
        )
        for value in values
    ]


ROWS: t.Final[list[Row]] = [
    *_named("firstname", "firstname", "FirstName", "FIRST_NAME", "first-name", "First Name"),
    *_named("firstname", "given_name", "GivenName", "fname", " f-Name_"),
    *_named("lastname", "lastname", "Last_Name", "surname", "family-name", "LName"),
    *_named("companyname", "companyname", "Company", "organization", "Organisation"),
    *_named("companyname", "EMPLOYER", "account_name", "Company Name"),
    *_named("jobtitle", "jobtitle", "Job Title", "JOB-TITLE"),
    *_named("phone", "phone", "Phone-Number", "telephone", "mobile"),
    *_named("address1", "address1", "address_1", "Address Line 1", "address"),
    *_named("address1", "street_address", "Street"),
    *_named("address2", "address2", "address_line_2", "ADDRESS-2"),
    *_named("city", "city", "Town", "locality"),
    *[({name: "Utah"}, {"state": "Utah"}, ()) for name in ("state", "Province", "state-code")],
    *_named("zip", "zip", "ZIP_Code", "postal-code", "PostCode"),
    *[({name: "de"}, {"countryid": "DE"}, ()) for name in ("countryid", "Country ID", "country")],
    *[({name: "de"}, {"countryid": "DE"}, ()) for name in ("country-code", "CountryName")],
    ({"favourite_colour": "green"}, {}, ()),
    ({"firstname": "Ada", "_sdc_extracted_at": "now"}, {"firstname": "Ada"}, ()),
    ({"fname": "worse", "firstname": "better"}, {"firstname": "better"}, ()),
    ({"lname": "worse", "surname": "better"}, {"lastname": "better"}, ()),
    ({"title": "Dr", "attendee": {"jobtitle": "better"}}, {"jobtitle": "better"}, ()),
    ({"city": "better", "attendee": {"city": "worse"}}, {"city": "better"}, ()),
    ({"attendee__city": "Lehi"}, {"city": "Lehi"}, ()),
    ({"attendee__postal_code": "1"}, {"zip": "1"}, ()),
    ({"Attendee": {"company": "Acme"}}, {}, ()),
    (
        {"attendee": {"company": "Acme", "Job-Title": "X"}},
        {"companyname": "Acme", "jobtitle": "X"},
        (),
    ),
    ({"attendee": None, "city": "Lehi"}, {"city": "Lehi"}, ()),
    ({"firstname": "  Ada \n"}, {"firstname": "Ada"}, ()),
    ({"firstname": "\u00a0Ada\u2003"}, {"firstname": "Ada"}, ()),
    ({"firstname": "Ada  Augusta"}, {"firstname": "Ada  Augusta"}, ()),
    ({"firstname": "Zoë 😀"}, {"firstname": "Zoë 😀"}, ()),
    ({"firstname": 'O\'Brien "A" \\'}, {"firstname": 'O\'Brien "A" \\'}, ()),
    *_blank("", " ", " \t\n ", "\u00a0", None),
    ({"country": " ", "state": ""}, {}, ()),
    ({"zip": 84101}, {"zip": "84101"}, ()),
    ({"zip": 84101.0}, {"zip": "84101"}, ()),
    ({"zip": "00501"}, {"zip": "00501"}, ()),
    ({"zip": " 00501 "}, {"zip": "00501"}, ()),
    ({"zip": 0}, {"zip": "0"}, ()),
    ({"zip": -1}, {"zip": "-1"}, ()),
    ({"zip": 1.5}, {"zip": "1.5"}, ()),
    ({"phone": 18015550100}, {"phone": "18015550100"}, ()),
    ({"phone": 1.801555e10}, {"phone": "18015550000"}, ()),
    ({"phone": "+1 (801) 555-0100"}, {"phone": "+1 (801) 555-0100"}, ()),
    *_bad("zip", *BOOLEANS, ["84101"], [], {"code": "84101"}, {}),
    *_bad("firstname", *BOOLEANS, ["Ada"]),
    ({"city": ["Lehi"], "zip": {}, "phone": "1"}, {"phone": "1"}, ("city", "zip")),
    *_country("US", "us", "US", " USA ", "usa", "United States", "united states of america"),
    *_country("US", "U.S.", "U.S.A."),
    *_country("GB", "UK", "uk", "GB", "GBR", "United Kingdom", "Great Britain"),
    *_country("DE", "deu", "Germany", "Federal Republic of Germany"),
    *_country("CI", "Côte d'Ivoire", "CÔTE D'IVOIRE", "cote d\u2019ivoire", "Ivory Coast"),
    *_country("NL", "Netherlands", "The Netherlands", "NLD"),
    *_country("KR", "South Korea", "Korea, Republic of"),
    *_country("RU", "Russia", "Russian Federation"),
    *_country("TR", "Turkey", "Türkiye"),
    *_country(None, "Atlantis", "EU", "XX", "USB", "Deutschland", *BOOLEANS, 1, ["US"]),
    *_country(None, "840", 840, "380", 276.0),
    *_state("US", "UT", "UT", "ut", " Utah ", "UTAH", "US-UT", "us-ut"),
    *_state("US", "DC", "District of Columbia"),
    *_state("US", "PW", "pw", "Palau"),
    *_state("US", "NY", "New York"),
    *_state("US", None, "Ontario", "US-", "US-ON", "XX", "CA-ON", 84101, *BOOLEANS),
    *_state("CA", "QC", "qc", "CA-QC", "ca-qc", "QUEBEC", "Québec"),
    *_state("CA", "NL", "Newfoundland and Labrador"),
    *_state("CA", None, "UT", "US-UT", "Utah"),
    *_state("DE", "Bayern", "Bayern", " Bayern "),
    *_state("DE", "US-UT", "US-UT"),
    *_state("GB", "ut", "ut"),
    ({"state": "Utah"}, {"state": "Utah"}, ()),
    ({"state": "us-ut"}, {"state": "UT"}, ()),
    ({"state": "CA-ON"}, {"state": "ON"}, ()),
    ({"state": "US-XX"}, {}, ("state",)),
    ({"state": "DE-BY"}, {"state": "DE-BY"}, ()),
    ({"state": "Bayern"}, {"state": "Bayern"}, ()),
    ({"state": "ut"}, {"state": "ut"}, ()),
    *[
        ({"state": value}, {}, ("state",))
        for value in ("active", "checked-in", "Pending", "XX", "DE-XX", "12", 12)
    ],
    ({"country": "France", "state": "active"}, {"countryid": "FR", "state": "active"}, ()),
    # Names that mean another thing as often.
    *[
        ({name: "Utah"}, {}, ())
        for name in ("title", "Position", "region", "StateId", "status", "attendee__title")
    ],
    ({"title": "Dr", "jobtitle": "Poet"}, {"jobtitle": "Poet"}, ()),
    # A name is better than a code, and a number is no country.
    ({"country_code": 380, "country": "Ukraine"}, {"countryid": "UA"}, ()),
    ({"countryid": "380", "countryname": "Ukraine"}, {"countryid": "UA"}, ()),
    ({"country_code": "DE", "country": "Germany"}, {"countryid": "DE"}, ()),
    ({"country_code": "DE", "country": "Atlantis"}, {"countryid": "DE"}, ()),
    ({"country_code": "DE", "country": None}, {"countryid": "DE"}, ()),
    ({"country_code": 276, "country": "Atlantis"}, {}, ("countryid",)),
    ({"company": "N/A", "employer": "Acme"}, {"companyname": "Acme"}, ()),
    (
        {"state_code": "45", "state": "Utah", "country": "US"},
        {"countryid": "US", "state": "UT"},
        (),
    ),
    ({"state": "45", "province": "Utah", "country": "US"}, {"countryid": "US", "state": "UT"}, ()),
    (
        {"state": "Utah", "state_code": "ut", "country": "US"},
        {"countryid": "US", "state": "UT"},
        (),
    ),
    # Objects and JSON texts are no values.
    ({"company": '{"id": 5}', "phone": "1"}, {"phone": "1"}, ("companyname",)),
    ({"address": '["1 Main St"]', "phone": "1"}, {"phone": "1"}, ("address1",)),
    ({"city": "[Lehi]"}, {"city": "[Lehi]"}, ()),
    # Words for nothing, and what nobody sees.
    *_blank("NULL", "#N/A", "N/A", "n/a", "nan", "NaN", "None", "-", r"\N", "#REF!", " NULL "),
    *_blank("\u200b", "\ufeff", "\x00", " \u200b\u2060 ", "\ufeffNULL", "\u3164"),
    *[({"lastname": name}, {"lastname": name}, ()) for name in ("Null", "Nan", "NA", "Dash-")],
    (
        {"firstname": "\ufeffAda\u200b", "city": "Le\x00hi"},
        {"firstname": "Ada", "city": "Lehi"},
        (),
    ),
    ({"firstname": "A\u00adda\u200d"}, {"firstname": "Ada"}, ()),
    ({"city": "می\u200cروم 👩\u200d💻"}, {"city": "می\u200cروم 👩\u200d💻"}, ()),
    # What spreadsheets do to numbers.
    ({"phone": "4.41E+11"}, {}, ("phone",)),
    ({"phone": "4.41207123456E+11"}, {"phone": "441207123456"}, ()),
    ({"phone": "441207123456.0"}, {"phone": "441207123456"}, ()),
    ({"phone": "'+441207123456"}, {"phone": "+441207123456"}, ()),
    ({"phone": '="00441207"'}, {"phone": "00441207"}, ()),
    ({"zip": "84101.0"}, {"zip": "84101"}, ()),
    ({"zip": "2134.0"}, {"zip": "2134"}, ()),
    ({"zip": "2.13E+03"}, {}, ("zip",)),
    *[
        ({"country": country, "zip": value}, {"countryid": country, "zip": code}, ())
        for country, code, *values in (
            ("US", "02134", "2134.0", "2134", 2134, 2134.0, "02134"),
            ("US", "00501", "501", 501),
            ("US", "02134-1234", "2134-1234", 21341234),
            ("US", "84101-1234", "84101-1234"),
            ("US", "841011234", 841011234),
            ("US", "A1", "A1"),
            ("DE", "01067", "1067", 1067.0),
            ("AU", "2134", 2134, "2134.0"),
            ("GB", "E1 4NS", "E1 4NS"),
        )
        for value in values
    ],
    *[
        ({"country": "US", "zip": value}, {"countryid": "US"}, ("zip",))
        for value in ("5", 21, "213412", "2.1341E+08", "1234567890")
    ],
    ({"country": "Atlantis", "state": "Utah"}, {"state": "Utah"}, ("countryid",)),
    ({"country": "Atlantis", "state": "active"}, {}, ("countryid", "state")),
    ({"country": "usa", "state": "Atlantis"}, {"countryid": "US"}, ("state",)),
]


def _rows() -> list[Json]:
    streams = [
        stream(f"row{n}", {"email": f"p{n}@example.com", **columns})
        for n, (columns, _, _) in enumerate(ROWS)
    ]
    return [message for messages in streams for message in messages]


def test_every_row_is_sent_so(send: Send) -> None:
    assert len(ROWS) >= 80
    sent = send(_rows())
    assert sent.ended.code == 0
    assert sent.bodies == [
        {"email": f"p{n}@example.com", **body} for n, (_, body, _) in enumerate(ROWS)
    ]
    assert sent.dropped == Counter(field for _, _, dropped in ROWS for field in dropped)


def test_in_strict_validation_a_bad_value_makes_its_record_invalid(
    send: Send, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.singer"
    sent = send(_rows(), validation="strict", rejects_path=str(rejects))
    assert sent.ended.code == 0
    assert sent.bodies == [
        {"email": f"p{n}@example.com", **body}
        for n, (_, body, dropped) in enumerate(ROWS)
        if not dropped
    ]
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [
        (line["stream"], line["record"]["_reject_code"], line["record"]["_reject_reason"])
        for line in lines
        if line["type"] == "RECORD"
    ] == [
        (f"row{n}", dropped[0], f"the value of {dropped[0]} cannot be used [RF-525]")
        for n, (_, _, dropped) in enumerate(ROWS)
        if dropped
    ]
    assert not sent.dropped


def _all_rows_of_one_column(
    send: Send, column: str, pairs: list[tuple[str, str]], **others: str
) -> list[str]:
    records = [
        {"email": f"ada{n}@example.com", column: value, **others}
        for n, (value, _) in enumerate(pairs)
    ]
    sent = send(stream("people", *records))
    assert sent.ended.code == 0
    assert not sent.dropped
    field = {"country": "countryid"}.get(column, column)
    return [body[field] for body in sent.bodies]


def test_all_249_countries_are_known_by_code_and_name(send: Send) -> None:
    countries = list(pycountry.countries)
    assert len(countries) == 249
    pairs = [
        (name, country.alpha_2)
        for country in countries
        for attribute in ("alpha_2", "alpha_3", "name", "common_name", "official_name")
        if (value := getattr(country, attribute, None))
        for name in (value, value.lower(), f" {value.upper()} ")
    ]
    assert _all_rows_of_one_column(send, "country", pairs) == [code for _, code in pairs]


@pytest.mark.parametrize(("country", "count"), [("US", 57), ("CA", 13)])
def test_all_states_are_known_by_code_and_name(send: Send, country: str, count: int) -> None:
    states = [
        (state.code.removeprefix(f"{country}-"), state.name)
        for state in pycountry.subdivisions.get(country_code=country)  # type: ignore[no-untyped-call]
    ]
    assert len(states) == count
    states += {"US": [("FM", "FM"), ("MH", "MH"), ("PW", "PW")], "CA": []}[country]
    pairs = [
        (value, code)
        for code, name in states
        for known in (code, name, f"{country}-{code}")
        for value in (known, known.lower(), known.upper())
    ]
    found = _all_rows_of_one_column(send, "state", pairs, country=country)
    assert found == [code for _, code in pairs]


@pytest.mark.parametrize(
    "expression",
    ["float('inf')", "float('-inf')", "float('nan')", r"'Zo\ud83d'"],
    ids=["inf", "-inf", "nan", "surrogate"],
)
def test_a_value_that_no_request_can_carry_is_bad(send: Send, expression: str) -> None:
    messages = stream("people", {"email": ADA, "zip": "1", "city": "Lehi"})
    maps = {"people": {"zip": expression}}
    sent = send(messages, stream_maps=maps)
    assert sent.bodies == [{"email": ADA, "city": "Lehi"}]
    assert sent.dropped == {"zip": 1}
    sent = send(messages, stream_maps=maps, validation="strict")
    assert "the value of zip cannot be used [RF-525] (1)" in sent.ended.error


def test_a_stream_map_that_changes_nothing_changes_nothing(send: Send) -> None:
    messages = stream("people", {"email": ADA, "firstname": " Ada ", "city": None, "zip": 84043})
    mapped = send(messages, stream_maps={"people": {"firstname": "firstname"}})
    assert (
        send(messages).bodies
        == mapped.bodies
        == [{"email": ADA, "firstname": "Ada", "zip": "84043"}]
    )


@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", "-Infinity", "1e999", r'"Zo\ud83d"'],
    ids=["nan", "inf", "-inf", "too large", "surrogate"],
)
def test_what_python_writes_but_is_no_text_and_no_number_is_a_bad_value(
    send: Send, value: str
) -> None:
    schema, record = stream("people", {"email": ADA, "zip": "@", "city": "Lehi"})
    sent = send([schema, json.dumps(record).replace('"@"', value)])
    assert sent.ended.code == 0, sent.ended.log
    assert sent.bodies == [{"email": ADA, "city": "Lehi"}]
    assert sent.dropped == {"zip": 1}


def test_a_byte_that_is_not_utf_8_costs_its_value_only(send: Send, tmp_path: Path) -> None:
    schema, record = stream("people", {"email": ADA, "city": "K@ln", "zip": "1"})
    file = tmp_path / "latin.singer"
    lines = f"{json.dumps(schema)}\n{json.dumps(record)}\n".encode()
    file.write_bytes(lines.replace(b"@ln", b"\xf6ln"))
    sent = send(file)
    assert sent.ended.code == 0, sent.ended.log
    assert sent.bodies == [{"email": ADA, "zip": "1"}]
    assert sent.dropped == {"city": 1}


def test_what_our_own_tap_emits_is_understood(
    send: Send, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    sandbox.store.add_attendee(
        "summit26",
        ADA,
        {
            "firstname": "Ada",
            "lastname": " Lovelace ",
            "companyname": "Analytical Engines",
            "jobtitle": "Countess",
            "phone": "+44 20 7946 0000",
            "address1": "12 St James's Square",
            "address2": "",
            "city": "London",
            "state": "Greater London",
            "zip": "SW1Y 4JH",
            "country": "UK",
            "attributes": [
                {"attributeId": "1", "code": "diet", "name": "Diet", "value": "Vegan"},
                {"attributeId": "2", "code": "shirtSize", "name": "T-shirt size", "value": "L"},
            ],
        },
    )
    config = tmp_path / "tap.json"
    config.write_text(
        json.dumps(
            {
                "org_id": sandbox.org_id,
                "api_url": sandbox.api_url,
                "api_profile": sandbox.api_profile,
                "event_codes": ["summit26"],
            }
        )
    )
    tap = subprocess.run(
        [sys.executable, "-m", "tap_rainfocus", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    sent = send(
        tap.stdout.splitlines(),
        streams=["attendees"],
        extra_fields={"diet": "attendee.attributes.diet", "track": "attendee.attributes.track"},
    )
    assert sent.ended.code == 0, sent.ended.log
    assert len(sent.bodies) == len(sandbox.store.attendees("summit26"))
    assert [body for body in sent.bodies if body["email"] == ADA] == [
        {
            "email": ADA,
            "firstname": "Ada",
            "lastname": "Lovelace",
            "companyname": "Analytical Engines",
            "jobtitle": "Countess",
            "phone": "+44 20 7946 0000",
            "address1": "12 St James's Square",
            "city": "London",
            "state": "Greater London",
            "zip": "SW1Y 4JH",
            "countryid": "GB",
            "diet": "Vegan",
        }
    ]


ANYBODY: t.Final = {"attendee": {"email": ADA, "firstname": "Ada"}}


@pytest.mark.parametrize(
    ("settings", "columns", "body"),
    [
        ({}, {"mail": ADA}, {"email": ADA}),
        ({}, {"Email-Address": ADA}, {"email": ADA}),
        ({}, {"WorkEmail": ADA, "mail": "worse"}, None),
        ({}, {"email": ADA, "work_email": "worse"}, {"email": ADA}),
        (
            {},
            {"attendee__email": ADA, "attendee__firstname": "Ada"},
            {"email": ADA, "firstname": "Ada"},
        ),
        ({}, ANYBODY, {"email": ADA, "firstname": "Ada"}),
        ({}, {**ANYBODY, "firstname": "Eve"}, {"email": ADA, "firstname": "Eve"}),
        ({}, {"email": " Ada@Example.COM "}, {"email": "Ada@Example.COM"}),
        ({}, {"email": "zoë@example.net"}, {"email": "zoë@example.net"}),
        ({}, {"email": "ada+summit@mail.example.org"}, {"email": "ada+summit@mail.example.org"}),
        (
            {"stream_maps": {"people": {"firstname": "lname.upper()", "lname": None}}},
            {"email": ADA, "firstname": "x", "lname": "King"},
            {"email": ADA, "firstname": "KING"},
        ),
        (
            {"stream_maps": {"people": {"jobtitle": "'Countess'"}}},
            {"email": ADA},
            {"email": ADA, "jobtitle": "Countess"},
        ),
        (
            {"field_map": {"email": "contact", "city": "place"}},
            {
                "email": "worse@example.com",
                "contact": ADA,
                "city": "x",
                "place": "Lehi",
                "zip": "1",
            },
            {"email": ADA, "city": "Lehi", "zip": "1"},
        ),
        (
            {"field_map": {"phone": None}},
            {"email": ADA, "phone": "1", "mobile": "2", "city": "Lehi"},
            {"email": ADA, "city": "Lehi"},
        ),
        (
            {"field_map": {"email": "profile.contact.mail", "countryid": "profile.land"}},
            {"profile": {"contact": {"mail": ADA}, "land": "USA"}, "firstname": "Ada"},
            {"email": ADA, "firstname": "Ada", "countryid": "US"},
        ),
        (
            {"field_map": {"email": "person.mail"}},
            {"person.mail": ADA, "person": {"mail": "worse@example.com"}},
            {"email": ADA},
        ),
        (
            {"field_map": {"zip": "attendee.attributes.seats"}},
            {"email": ADA, "attendee": {"attributes": ATTRIBUTES}},
            {"email": ADA, "zip": "2"},
        ),
        (
            {"extra_fields": {name: f"attributes.{name}" for name in ("diet", "seats", "member")}},
            {"email": ADA, "attributes": ATTRIBUTES},
            {"email": ADA, "diet": "Vegan", "seats": 2, "member": False},
        ),
        (
            {"extra_fields": {name: f"attributes.{name}" for name in ("blank", "none", "other")}},
            {"email": ADA, "attributes": ATTRIBUTES},
            {"email": ADA},
        ),
        (
            {
                "extra_fields": {
                    "vip": "vip",
                    "points": "points",
                    "score": "score",
                    "badge": "name.badge",
                }
            },
            {"email": ADA, "vip": True, "points": 7, "score": 1.5, "name": {"badge": " A "}},
            {"email": ADA, "vip": True, "points": 7, "score": 1.5, "badge": "A"},
        ),
        (
            {"extra_fields": {"a": "a", "b": "b", "c": "c"}},
            {"email": ADA, "a": [" x ", "", 1, True], "b": [], "c": ["", " "]},
            {"email": ADA, "a": ["x", 1, True]},
        ),
        (
            {"extra_fields": {"interests": "attributes.interests"}},
            {
                "email": ADA,
                "attributes": [
                    {"code": "interests", "name": "Interests", "value": value}
                    for value in ("AI", "Cloud")
                ],
            },
            {"email": ADA, "interests": ["AI", "Cloud"]},
        ),
        (
            {"extra_fields": {"nick": "firstname"}},
            {"email": ADA, "firstname": "Ada"},
            {"email": ADA, "firstname": "Ada", "nick": "Ada"},
        ),
        (
            {"identity": "email_lc_sha256"},
            {"email": " User@Company.COM "},
            {"email_lc_sha256": HASH},
        ),
        ({"identity": "email_lc_sha256"}, {"email": HASH.upper()}, {"email_lc_sha256": HASH}),
        ({"identity": "email_lc_sha256"}, {"email": f" {HASH}\n"}, {"email_lc_sha256": HASH}),
        ({"identity": "email_lc_sha256"}, {"hashed_email": HASH}, {"email_lc_sha256": HASH}),
        ({"identity": "email_lc_sha256"}, {"Email_LC_SHA256": HASH}, {"email_lc_sha256": HASH}),
        (
            {"identity": "email_lc_sha256"},
            {"email": USER, "hashed_email": "f" * 64, "firstname": "Ada"},
            {"email_lc_sha256": HASH, "firstname": "Ada"},
        ),
        (
            {"identity": "email_lc_sha256", "field_map": {"email": "key"}},
            {"key": HASH, "email": "worse@example.com"},
            {"email_lc_sha256": HASH},
        ),
    ],
    ids=str,
)
def test_settings_and_columns_make_this_body(
    send: Send, settings: Json, columns: Json, body: Json | None
) -> None:
    sent = send(stream("people", columns), **settings)
    assert sent.bodies == ([body] if body else [])
    assert sent.ended.code == (0 if body else 65)
    assert not sent.ended.lines("WARNING")


def test_a_bad_attribute_is_left_out_and_counted(send: Send) -> None:
    emails = [f"ada{n}@example.com" for n in range(3)]
    bad = {"a": {"x": 1}, "b": [{"x": 1}], "c": [None], "d": "kept"}
    records = [{"email": email, **bad} for email in emails]
    sent = send(stream("people", *records), extra_fields={name: name for name in "abcd"})
    assert sent.bodies == [{"email": email, "d": "kept"} for email in emails]
    assert sent.dropped == {"a": 3, "b": 3, "c": 3}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"consent_field": "agreed"}, "Stream people has no column agreed, which consent_field"),
        (
            {"streams": ["people"], "field_map": {"email": "x.y"}},
            "no e-mail field x.y, which field",
        ),
    ],
    ids=str,
)
def test_a_column_without_which_nothing_would_be_sent_is_an_error(
    send: Send, setting: Json, said: str
) -> None:
    sent = send(stream("people", {"email": ADA}), **setting)
    assert sent.ended.code == 78
    assert said in sent.ended.error
    assert not sent.bodies


def test_that_everything_is_filtered_is_told(send: Send) -> None:
    sent = send(stream("people", {"email": ADA, "ok": "ja"}), consent_field="ok")
    (warning,) = sent.ended.lines("WARNING")
    assert "Every record was filtered: check consent_field, consent_values" in warning


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"field_map": {"town": "city"}}, "Setting field_map knows only email, firstname"),
        ({"extra_fields": {"city": "town"}}, "Setting extra_fields names city"),
        ({"extra_fields": {"email_lc_sha256": "x"}}, "Setting extra_fields names email_lc_sha256"),
        ({"extra_fields": {"Email": "x"}}, "Setting extra_fields names Email, which is the field"),
        ({"extra_fields": {"first_name": "x"}}, "names first_name, which is the field firstname"),
        ({"extra_fields": {"countryId": "x"}}, "Setting extra_fields names countryId"),
        ({"extra_fields": {"diet": ""}}, "Setting extra_fields.diet must not be empty"),
        ({"field_map": {"city": ""}}, "Setting field_map.city must not be empty"),
        ({"field_map": "city"}, "Setting field_map must be of type object"),
        ({"field_map": "{city: x}"}, "Setting field_map must be of type object"),
        ({"streams": ["people", ""]}, "Setting streams.1 must not be empty"),
        ({"streams": "[people"}, "Setting streams must be of type array"),
        ({"consent_field": ""}, "Setting consent_field must not be empty"),
        ({"consent_field": "  "}, "Setting consent_field must not be blank"),
        ({"consent_values": ["yes", ""]}, "Setting consent_values.1 "),
        ({"event_code": ""}, "Setting event_code must not be empty"),
        ({"event_code": " "}, "Setting event_code must not be blank"),
        ({"rejects_path": " "}, "Setting rejects_path must not be blank"),
        ({"consent_values": []}, "Setting consent_values must not be empty"),
        ({"validation": "lax"}, "Setting validation must be one of lenient, strict"),
        ({"identity": "phone"}, "Setting identity must be one of email, email_lc_sha256"),
        ({"field_map": {"externalId": "x"}}, "externalId, which is not the identity"),
        (
            {"identity": "externalId", "extra_fields": {"external_id": "x"}},
            "names external_id, which is the field externalId: use field_map",
        ),
    ],
    ids=str,
)
def test_a_setting_that_cannot_work_is_refused(send: Send, setting: Json, said: str) -> None:
    sent = send(stream("people", {"email": ADA}), **setting)
    assert sent.ended.code == 78
    assert said in sent.ended.error


def test_without_a_column_for_the_address_a_stream_is_skipped(send: Send) -> None:
    messages = stream("people", {"email": ADA})
    for field_map in ({"email": None}, {"email": "contact"}):
        sent = send(messages, field_map=field_map)
        assert sent.bodies == []
        (warning,) = sent.ended.lines("WARNING")
        assert "Stream people has no e-mail field" in warning
        assert sent.ended.code == 65


@pytest.mark.parametrize(
    ("settings", "agreed", "is_sent"),
    [
        ({}, "yes", True),
        ({}, " YES ", True),
        ({}, True, True),
        ({}, 1, True),
        ({}, "1", True),
        ({}, "True", True),
        ({}, "no", False),
        ({}, "", False),
        ({}, None, False),
        ({}, False, False),
        ({}, 0, False),
        ({}, ["yes"], False),
        ({}, {"yes": True}, False),
        ({"consent_values": ["Opt-In"]}, "opt-in", True),
        ({"consent_values": ["Opt-In"]}, "yes", False),
        ({"consent_values": [True]}, True, True),
        ({"consent_values": [True]}, "TRUE", True),
        ({"consent_values": [True]}, 1, False),
        ({"consent_values": [2]}, 2, True),
        ({"consent_values": [2]}, "2", True),
        ({"consent_values": [2]}, 1, False),
        ({"consent_field": "answers.news"}, [{"code": "news", "value": "Yes"}], True),
        ({"consent_field": "answers.news"}, [{"code": "news", "value": "No"}], False),
        ({"consent_field": "answers.news"}, [{"code": "diet", "value": "Yes"}], False),
        ({"consent_field": "answers.news"}, {"news": "Yes"}, True),
    ],
    ids=repr,
)
def test_only_who_agreed_is_sent(
    send: Send,
    settings: Json,
    agreed: object,
    is_sent: bool,  # noqa: FBT001
) -> None:
    field = settings.get("consent_field", "agreed")
    record = {"email": ADA, field.partition(".")[0]: agreed}
    sent = send(stream("people", record), **{"consent_field": field, **settings})
    assert sent.ended.code == 0
    assert sent.bodies == ([{"email": ADA}] if is_sent else [])
    assert f"{1 - is_sent} filtered, 0 invalid" in sent.ended.log


def test_who_does_not_say_anything_has_not_agreed_and_is_not_checked_either(send: Send) -> None:
    schema = schema_of({"email": "", "agreed": ""})
    records = [{"email": ADA}, {"email": "nobody"}, {"email": USER, "agreed": "yes"}]
    sent = send(stream("people", *records, schema=schema), consent_field="agreed")
    assert sent.bodies == [{"email": USER}]
    assert "2 filtered, 0 invalid" in sent.ended.log


NO_ADDRESS: t.Final = (None, "", "  ", True, [ADA], {"a": ADA})
NO_VALID_ADDRESS: t.Final = (
    "ada", "ada@", "@example.com", "a da@example.com", "ada@example", "ada@@example.com",
    "ada@example..com", ".ada@example.com", "ada@example.com, eve@example.com",
    "Ada <ada@example.com>", "ada@exa_mple.com", "ada@-example.com", "ada@localhost",
    "mailto:ada@example.com", f"a@{'b' * 250}.com", 42,
    f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.example.com", HASH[1:], HASH + "a",
)  # fmt: skip
ONLY_A_HASH: t.Final = (HASH, HASH.upper())


def test_a_record_without_a_valid_address_is_invalid_and_is_not_quoted(
    send: Send, tmp_path: Path
) -> None:
    reasons = {
        "no e-mail address [RF-521]": NO_ADDRESS,
        "no valid e-mail address [RF-522]": NO_VALID_ADDRESS,
        "the e-mail address is a hash, which identity email does not take [RF-523]": ONLY_A_HASH,
    }
    emails = [(email, reason) for reason, emails in reasons.items() for email in emails]
    rejects = tmp_path / "rejects.singer"
    messages = stream("people", {"email": USER}, *({"email": email} for email, _ in emails))
    sent = send(messages, rejects_path=str(rejects))
    assert sent.bodies == [{"email": USER}]
    for reason, bad in reasons.items():
        assert f"{len(bad)} invalid: {reason}." in sent.ended.log
    records = [json.loads(line)["record"] for line in rejects.read_text().splitlines()[1:]]
    assert [(one["email"], one["_reject_reason"]) for one in records] == emails
    assert {one["_reject_code"] for one in records} == {"email"}
    for word in ("ada@", "@exa", "ada@example", "eve@", "Ada <", HASH[1:9], "bbb"):
        assert word not in sent.ended.log


@pytest.mark.parametrize("email", ["nobody", None, "ada@example", HASH[1:]])
def test_in_hashed_identity_an_address_must_still_be_one(send: Send, email: str | None) -> None:
    sent = send(stream("people", {"email": email}), identity="email_lc_sha256")
    assert sent.bodies == []
    assert "valid" in sent.ended.error


def test_columns_that_nothing_is_sent_of_are_named_once(send: Send) -> None:
    record = {
        "email": ADA,
        "mail": USER,
        "shoe_size": 42,
        "_sdc_batched_at": "now",
        "vip": True,
        "agreed": "yes",
        "attendee": {"city": "Lehi", "badge": "B", "attributes": []},
        "event": {"code": "summit26"},
        "event_code": "summit26",
        "_unread": None,
    }
    schema, one = stream("people", record)
    sent = send(
        [schema, one, one, schema, one], extra_fields={"vip": "vip"}, consent_field="agreed"
    )
    (line,) = (line for line in sent.ended.lines("INFO") if "nothing is sent of" in line)
    assert line.endswith(
        "Stream people: nothing is sent of mail, shoe_size, attendee.badge, attendee.attributes, "
        "event. field_map and extra_fields can name them."
    )
    assert "B" not in sent.bodies[0].values()


@pytest.mark.parametrize(
    ("schema", "record", "body"),
    [
        ({"properties": {"email": True}}, {"email": ADA}, {"email": ADA}),
        ({"properties": {"email": {}}}, {"email": ADA}, {"email": ADA}),
        (
            {
                "properties": {
                    "attendee": {"anyOf": [{"properties": {"email": TEXT}}, {"type": "null"}]}
                }
            },
            {"attendee": {"email": ADA}},
            {"email": ADA},
        ),
        (
            {
                "properties": {
                    "email": TEXT,
                    "address": {"type": ["object", "null"]},
                    "street": TEXT,
                }
            },
            {"email": ADA, "address": {"street": "x"}, "street": "1 Main St"},
            {"email": ADA, "address1": "1 Main St"},
        ),
        ({"properties": {"email": TEXT}}, {"email": ADA, "city": "undeclared"}, {"email": ADA}),
        (
            {"properties": {"email": TEXT, "attendee": True}},
            {"email": ADA, "attendee": 1},
            {"email": ADA},
        ),
    ],
    ids=["true", "empty", "alternatives", "object column", "undeclared column", "any attendee"],
)
def test_every_form_of_schema_is_understood(
    send: Send, schema: Json, record: Json, body: Json
) -> None:
    assert send(stream("people", record, schema=schema)).bodies == [body]


_ATOMS = st.sampled_from(
    ["a", "Z9", "-", "_", "+", "'", "!", "%", ".", "..", "@", " ", "\u00eb", "x" * 30]
)
_LABELS = st.sampled_from(
    ["example", "com", "test", "localhost", "xn--mnchen-3ya", "xn--a", "-a", "a-", "a--b", "1", ""]
) | st.sampled_from(["a_b", "invalid", "onion", "arpa", "m\u00fcnchen", "b" * 63, "b" * 64])


@given(
    local=st.lists(_ATOMS, max_size=5).map("".join),
    domain=st.lists(_LABELS, max_size=5).map(".".join),
)
@hypothesis_settings(max_examples=250, deadline=None)
def test_plain_addresses_are_judged_as_the_library_judges_them(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        assert not is_email(address)
    else:
        assert is_email(address)
