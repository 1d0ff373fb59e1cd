"""Where most values take a shorter way, it leads to where the long one does."""

from __future__ import annotations

import re
import typing as t
from unittest import mock

from hypothesis import example, given
from hypothesis import strategies as st
from rainfocus_client.persons.texts import visible
from target_rainfocus_attendees.mapping import numerals
from target_rainfocus_attendees.mapping.columns import EMAIL, SYNONYMS
from target_rainfocus_attendees.mapping.numerals import entity_id, phone_number, postal_code
from target_rainfocus_attendees.mapping.profiles import ProfileReader, Rules
from target_rainfocus_attendees.mapping.texts import NULL_VALUES, to_text

RULES: t.Final = Rules(identity=EMAIL, strict=False, null_values=frozenset(NULL_VALUES))

countries = st.sampled_from((None, "US", "DE", "GB"))
numbers = st.text("0123456789+-.eE=\"' \u0663", max_size=12)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(allow_nan=False),
    st.text(max_size=8),
    numbers,
    st.sampled_from(
        ("US", "Utah", "ada@example.com", "N/A", '{"a": 1}', "[]", " \u200b", "\ud800")
    ),
    st.lists(st.integers(), max_size=1),
)


@given(st.text())
@example("\u200b")
@example(" \x7fAda\t")
def test_a_text_is_what_people_see_of_it(text: str) -> None:
    assert to_text(text, frozenset()) == visible(text)


@given(numbers)
@example("'123")
@example('="0123"')
@example("1.0")
@example("1E+2")
def test_a_number_that_looks_whole_needs_no_repair(text: str) -> None:
    found = phone_number(text), entity_id(text)
    with mock.patch.object(numerals, "_MANGLED", re.compile("")):
        assert (phone_number(text), entity_id(text)) == found


@given(st.text("0123456789\u0663", min_size=1, max_size=10), countries)
@example("84043", "US")
@example("4043", "US")
def test_a_whole_postal_code_is_as_one_with_a_point(digits: str, country: str | None) -> None:
    assert postal_code(digits, country) == postal_code(f"{digits}.0", country)


@given(st.fixed_dictionaries(dict.fromkeys(SYNONYMS.keys() - {EMAIL}, values)))
def test_a_column_at_the_top_is_read_as_one_inside(record: dict[str, t.Any]) -> None:
    address = {EMAIL: "ada@example.com"}
    flat = ProfileReader({field: ((field,),) for field in SYNONYMS}, {}, RULES)
    deep = ProfileReader({field: (("attendee", field),) for field in SYNONYMS}, {}, RULES)
    assert flat.read(address | record) == deep.read({"attendee": address | record})
