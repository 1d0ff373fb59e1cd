"""JSON that comes as bytes is read as JSON that comes as text."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st
from rainfocus_client.lenient_json import parse_json

numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)
texts = st.text('0123456789eE.+-:,[ "\\', max_size=24).map(json.dumps)
blanks = st.sampled_from(("", " ", "\t", " \n "))
documents = st.recursive(
    numbers | texts,
    lambda inner: (
        st.builds(
            lambda values, blank: f"[{blank}{f'{blank},{blank}'.join(values)}]",
            st.lists(inner, max_size=3),
            blanks,
        )
        | st.builds(lambda key, blank, value: f"{{{key}:{blank}{value}}}", texts, blanks, inner)
    ),
)


@given(documents)
@example("[1e2]")
@example('{"a":-1.5E-3}')
@example('{"a": 12345678901234567}')
@example("[0.1234567890123456789]")
@example('{"a": "1e5", "b": NaN}')
@example("[1e]")
@example('{",0E":0.0}')
def test_bytes_are_read_as_text_is(text: str) -> None:
    assert _read(text.encode()) == _read(text)


def _read(text: bytes | str) -> str:
    try:
        return repr(parse_json(text))
    except ValueError:
        return "no JSON"
