"""What is sent for a record."""

from __future__ import annotations

import typing as t
from decimal import Decimal

import pytest
from target_rainfocus_attendees.columns import find_columns
from target_rainfocus_attendees.profile import InvalidProfileError, Profile, ProfileReader

ADA = "ada@example.com"
BAD: t.Any = object()
SETTINGS = {"identity": "email", "validation": "lenient"}


def read_profile(values: dict[str, t.Any], columns: dict[str, tuple[str, ...]]) -> Profile:
    return ProfileReader(columns, {}, SETTINGS).read(values)


def profile_of(values: dict[str, t.Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Read `values` by a schema that declares exactly them."""
    columns = find_columns(schema_of(values), {})
    profile = read_profile(values, columns)
    return profile.fields, profile.dropped


def schema_of(values: dict[str, t.Any]) -> dict[str, t.Any]:
    return {
        "properties": {
            name: schema_of(value) if isinstance(value, dict) and name == "attendee" else {}
            for name, value in values.items()
        }
    }


@pytest.mark.parametrize(
    ("column", "value", "field", "sent"),
    [
        ("firstname", "Ada", "firstname", "Ada"),
        ("First Name", "  Ada \n", "firstname", "Ada"),
        ("first_name", "Ada", "firstname", "Ada"),
        ("FIRSTNAME", "Ada", "firstname", "Ada"),
        ("given-name", "Ada", "firstname", "Ada"),
        ("fname", "Ada", "firstname", "Ada"),
        ("surname", "Lovelace", "lastname", "Lovelace"),
        ("familyName", "Lovelace", "lastname", "Lovelace"),
        ("company_name", "Acme", "companyname", "Acme"),
        ("organisation", "Acme", "companyname", "Acme"),
        ("accountName", "Acme", "companyname", "Acme"),
        ("job_title", "Countess", "jobtitle", "Countess"),
        ("title", "Countess", "jobtitle", "Countess"),
        ("phone_number", "+1 801 555 0100", "phone", "+1 801 555 0100"),
        ("mobile", 8015550100, "phone", "8015550100"),
        ("address_line_1", "1 Main St", "address1", "1 Main St"),
        ("street", "1 Main St", "address1", "1 Main St"),
        ("address_2", "Suite 5", "address2", "Suite 5"),
        ("town", "Lehi", "city", "Lehi"),
        ("postal_code", "00501", "zip", "00501"),
        ("zip", 1234, "zip", "1234"),
        ("zip", 84101.0, "zip", "84101"),
        ("zip", Decimal("84101.00"), "zip", "84101"),
        ("zip", Decimal("1.5"), "zip", "1.5"),
        ("zip", True, "zip", BAD),
        ("zip", ["84101"], "zip", BAD),
        ("zip", {"code": "84101"}, "zip", BAD),
        ("zip", float("inf"), "zip", BAD),
        ("city", "", "city", None),
        ("city", " \t ", "city", None),
        ("city", None, "city", None),
        ("country", "us", "countryid", "US"),
        ("country", "USA", "countryid", "US"),
        ("country_code", "deu", "countryid", "DE"),
        ("country", "united states", "countryid", "US"),
        ("country_name", "United States of America", "countryid", "US"),
        ("country", "South Korea", "countryid", "KR"),
        ("countryId", "UK", "countryid", "GB"),
        ("countryid", "Atlantis", "countryid", BAD),
        ("state", "Bavaria", "state", "Bavaria"),
        ("state", "US-UT", "state", "UT"),
        ("favourite_colour", "green", "favourite_colour", None),
    ],
)
def test_a_value_is_sent_so(column: str, value: object, field: str, sent: t.Any) -> None:
    fields, dropped = profile_of({"email": ADA, column: value})
    expected = {} if sent is BAD or sent is None else {field: sent}
    assert fields == {"email": ADA, **expected}
    assert dropped == ((field,) if sent is BAD else ())


@pytest.mark.parametrize(
    ("country", "state", "sent"),
    [
        ("USA", "utah", "UT"),
        ("US", "ut", "UT"),
        ("US", "US-UT", "UT"),
        ("US", "pw", "PW"),
        ("US", "District of Columbia", "DC"),
        ("CA", "Ontario", "ON"),
        ("CAN", "ca-qc", "QC"),
        ("US", "Ontario", None),
        ("US", "US-", None),
        ("CA", "UT", None),
        ("DE", "Bayern", "Bayern"),
        ("DE", "US-UT", "US-UT"),
        (None, "Utah", "Utah"),
    ],
)
def test_a_state_is_a_code_where_it_has_one(
    country: str | None, state: str, sent: str | None
) -> None:
    fields, dropped = profile_of({"email": ADA, "country": country, "state": state})
    assert fields.get("state") == sent
    assert dropped == (() if sent else ("state",))


@pytest.mark.parametrize(
    ("email", "identity"),
    [
        (ADA, ADA),
        ("  Ada@Example.COM ", ADA),
        ("ada+summit@mail.example.org", "ada+summit@mail.example.org"),
        ("zoë@example.net", "zoë@example.net"),
    ],
)
def test_an_address_is_sent_as_given_and_identifies_in_lower_case(
    email: str, identity: str
) -> None:
    profile = read_profile({"email": email}, {"email": ("email",)})
    assert profile.fields == {"email": email.strip()}
    assert profile.identity == identity


@pytest.mark.parametrize(
    "email",
    [None, "", "  ", "ada", "ada@", "@example.com", "a da@example.com", "ada@example", True, [ADA]],
)
def test_a_record_without_a_valid_address_is_invalid_and_is_not_quoted(email: object) -> None:
    with pytest.raises(InvalidProfileError, match=r"^no (valid )?e-mail address$"):
        read_profile({"email": email}, {"email": ("email",)})


def test_what_our_tap_emits_is_found_in_the_attendee_object() -> None:
    record = {
        "_id": "1",
        "event": {"code": "summit25", "name": "Summit"},
        "session": {"title": "Keynote"},
        "attendee": {"email": ADA, "country": "USA", "state": "UT", "jobtitle": None},
    }
    assert profile_of(record) == ({"email": ADA, "countryid": "US", "state": "UT"}, ())


def test_an_own_name_beats_a_synonym_and_the_top_level_beats_the_group() -> None:
    columns = find_columns(
        schema_of(
            {
                "company": "a",
                "mail": "b",
                "city": "c",
                "attendee": {"companyname": "d", "email": "e", "city": "f", "organization": "g"},
            }
        ),
        {},
    )
    assert columns == {
        "email": ("attendee", "email"),
        "companyname": ("attendee", "companyname"),
        "city": ("city",),
    }


def test_a_column_of_objects_is_no_field() -> None:
    schema = {
        "properties": {
            "email": {"type": ["null", "string"]},
            "address": {"type": ["object", "null"]},
            "street": {"type": "string"},
        }
    }
    assert find_columns(schema, {}) == {"email": ("email",), "address1": ("street",)}


def test_a_missing_group_is_a_record_without_an_address() -> None:
    with pytest.raises(InvalidProfileError):
        read_profile({"attendee": None}, {"email": ("attendee", "email")})


TEXT = {"type": ["string", "null"]}


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"properties": {"email": True}}, ("email",)),
        ({"properties": {"email": {}}}, ("email",)),
        ({"properties": {"attendee__email": TEXT}}, ("attendee__email",)),
        (
            {
                "properties": {
                    "attendee": {"anyOf": [{"properties": {"email": TEXT}}, {"type": "null"}]}
                }
            },
            ("attendee", "email"),
        ),
        ({"properties": {"attendee": True, "email": False}}, None),
    ],
    ids=["true", "empty", "flattened by our tap", "alternatives", "false"],
)
def test_every_form_of_schema_is_understood(
    schema: dict[str, t.Any], path: tuple[str, ...] | None
) -> None:
    assert find_columns(schema, {}).get("email") == path
