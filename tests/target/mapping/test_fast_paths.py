"""Where most values take a shorter way, it leads to where the long one does."""

from __future__ import annotations

import typing as t

from hypothesis import example, given
from hypothesis import strategies as st
from rainfocus_client.persons.texts import visible
from target_rainfocus_attendees.mapping.columns import EMAIL, SYNONYMS
from target_rainfocus_attendees.mapping.profiles import ProfileReader, Rules
from target_rainfocus_attendees.mapping.texts import NULL_VALUES, to_text

RULES: t.Final = Rules(identity=EMAIL, strict=False, null_values=frozenset(NULL_VALUES))

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


@given(st.fixed_dictionaries(dict.fromkeys(SYNONYMS.keys() - {EMAIL}, values)))
def test_a_column_at_the_top_is_read_as_one_inside(record: dict[str, t.Any]) -> None:
    address = {EMAIL: "ada@example.com"}
    flat = ProfileReader({field: ((field,),) for field in SYNONYMS}, {}, RULES)
    deep = ProfileReader({field: (("attendee", field),) for field in SYNONYMS}, {}, RULES)
    assert flat.read(address | record) == deep.read({"attendee": address | record})
