"""A Singer input of made-up contacts: flat, one person each, a STATE every 1,000 records."""

from __future__ import annotations

import typing as t

import orjson

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STREAM = "contacts"
RECORDS_PER_STATE = 1000
DOMAINS = 5000
PLACES = (
    ("Lehi", "UT", "84043"),
    ("Las Vegas", "NV", "89109"),
    ("Seattle", "WA", "98101"),
    ("Austin", "TX", "78701"),
)


def contact(number: int, more: int = 0) -> dict[str, str]:
    """One person, with so many more columns; no other number gives the same e-mail address."""
    city, state, postcode = PLACES[number % len(PLACES)]
    return {
        "email": f"first.last{number}@company{number % DOMAINS}.example.com",
        "firstname": f"First{number}",
        "lastname": f"Last{number}",
        "company": f"Company {number % DOMAINS}",
        "job_title": "Principal Data Engineer",
        "city": city,
        "country": "US",
        "state": state,
        "zip": postcode,
        "phone": f"+1 801 555 {number % 10000:04}",
        **{f"column_{column}": f"value {number}" for column in range(more)},
    }


def singer_input(folder: Path, records: int, more: int = 0) -> Path:
    """A file of so many records, with so many more columns; made once."""
    path = folder / f"{records}-{more}.singer"
    if not path.exists():
        with path.open("wb") as file:
            file.writelines(_lines(records, more))
    return path


def _lines(records: int, more: int) -> Iterator[bytes]:
    text = {"type": ["string", "null"]}
    schema = {"type": "object", "properties": dict.fromkeys(contact(0, more), text)}
    yield _line("SCHEMA", stream=STREAM, schema=schema, key_properties=["email"])
    for number in range(1, records + 1):
        yield _line("RECORD", stream=STREAM, record=contact(number, more))
        if number % RECORDS_PER_STATE == 0:
            yield _line("STATE", value={"bookmarks": {STREAM: {"position": number}}})


def _line(kind: str, **parts: t.Any) -> bytes:
    return orjson.dumps({"type": kind, **parts}, option=orjson.OPT_APPEND_NEWLINE)
