"""Reads single values out of RainFocus' many spellings.

Every reader takes a value that is neither null nor empty and gives the regular form, or raises
`ValueError` where the value cannot be read. Formats: docs/rainfocus-api.md §4.0 and §4.2.
"""

from __future__ import annotations

import re
import typing as t
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import orjson

_BOOLEANS: dict[object, bool] = {
    **dict.fromkeys((True, "yes", "y", "true", "t", "on", "1", "1.0"), True),
    **dict.fromkeys((False, "no", "n", "false", "f", "off", "0", "0.0"), False),
}
_is_regular_moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z").fullmatch
_EPOCH_MS = re.compile(r"\d{12,13}")
_EPOCH = re.compile(r"\d{10}(?:\.\d*)?")
"""Seconds since 1970, from 2001 on."""

_LEAP_SECOND = re.compile(r"(.*\d\d:\d\d:)60(?!\d)(.*)")
_RFC_1123 = re.compile(
    r"(?:[A-Z][a-z]{2,8}, *)?\d{1,2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d\d:\d\d(?::\d\d)?"
    r" (?:GMT|UTC?|Z|[+-]\d{4})"
)
_DATED = re.compile(r"(?:\d{4}-\d\d-\d\d|\d{8})(?P<hour>[T ].+)?")

_VALUES = frozenset({"value", "attributeValues", "attributevalues"})
"""Keys of a custom attribute's value, or values."""

_NO_SEATS = frozenset({0, 50_000})
"""What catalogues were captured with where seats are unknown (0) or without limit."""

MAX_INTEGER = 2**53 - 1
"""The largest integer that survives every JSON reader."""


def read_text(value: object) -> str:
    """A string; numbers become their decimal form."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case _:
            raise ValueError


def read_boolean(value: object) -> bool:
    """A boolean: Yes, "true", true, 1 and 1.0 are the same."""
    known = _BOOLEANS.get(value if isinstance(value, bool) else str(value).strip().lower())
    if known is None:
        raise ValueError
    return known


def read_yes_no(value: object) -> str:
    """`Yes` or `No`, the form of the XDM field `attendee.registered`."""
    return "Yes" if read_boolean(value) else "No"


def read_integer(value: object) -> int:
    """An integer: 60, 60.0 and "60" are the same."""
    try:
        is_none = isinstance(value, bool) or (isinstance(value, str) and "_" in value)
        number = float("" if is_none else t.cast("float", value))
    except (TypeError, OverflowError) as error:
        raise ValueError from error
    if not number.is_integer() or abs(number) > MAX_INTEGER:
        raise ValueError
    return int(number)


def read_seats(value: object) -> int:
    """A number of seats; what only looks like one cannot be read."""
    number = read_integer(value)
    if number in _NO_SEATS:
        raise ValueError
    return number


def read_moment(value: object) -> str:
    """A moment as RFC 3339 in UTC with milliseconds; without a zone it is taken as UTC."""
    if type(value) is str and _is_regular_moment(value):
        datetime.fromisoformat(value)
        return value
    moment = _parse(value)
    try:
        return rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError as error:
        raise ValueError from error


def read_push_time(value: object) -> str:
    """A moment like `read_moment`; seconds since 1970 and RFC 1123 are read as well.

    A leap second is the second after it.
    """
    if isinstance(value, str) and _is_regular_moment(value):
        return read_moment(value)
    text = str(value).strip()
    if not isinstance(value, bool) and _EPOCH.fullmatch(text):
        seconds = float(text)
        return rfc3339(datetime.fromtimestamp(seconds, UTC))
    if leap := _LEAP_SECOND.fullmatch(text):
        before = datetime.fromisoformat(read_push_time(f"{leap[1]}59{leap[2]}"))
        try:
            return rfc3339(before + timedelta(seconds=1))
        except OverflowError as error:
            raise ValueError from error
    if _RFC_1123.fullmatch(text):
        moment = parsedate_to_datetime(text)
        return rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return read_moment(value)


def read_local_time(value: object) -> str:
    """A time of the event's place, `YYYY-MM-DD HH:MM:SS`, without a zone.

    An offset is dropped, since the hour beside it is the local one; a value that ends in Z, or
    counts milliseconds, says nothing about the place and cannot be read.
    """
    moment = _parse(value)
    text = value.strip().replace("/", "-") if isinstance(value, str) else ""
    dated = _DATED.fullmatch(text.upper())
    if dated is None or not dated["hour"] or text[-1:] in "Zz":
        raise ValueError
    return moment.replace(tzinfo=None).isoformat(" ", "seconds")


def read_list(value: object) -> list[t.Any]:
    """A list as it came; a single value becomes a list of one."""
    return value if isinstance(value, list) else [value]


def read_texts(value: object) -> list[str]:
    """A list of text, without holes; a single text becomes a list of one."""
    return [read_text(item) for item in read_list(value) if item is not None]


def read_objects(value: object) -> list[dict[str, t.Any]]:
    """A list of objects as they came, without holes; what is none becomes one with a `value`.

    It may be JSON in a text.
    """
    if isinstance(value, str) and value.lstrip()[:1] in {"[", "{"}:
        with suppress(orjson.JSONDecodeError):
            value = orjson.loads(value)
    items = (item for item in read_list(value) if item is not None)
    return [item if isinstance(item, dict) else {"value": item} for item in items]


def read_attributes(value: object) -> list[dict[str, str | None]]:
    """Custom attributes as one list of code, name and value, an entry per value.

    Takes the three shapes of docs/rainfocus-api.md §4.2: `{code, name, value, attributeValues:
    [{value}]}`, `{attribute_id, attribute, value}` and `{attribute, value}`. A value that is
    neither text nor number is kept as JSON, and so is an entry of another shape.
    """
    if isinstance(value, dict) and _VALUES.isdisjoint(value):
        value = [{"code": code, "value": content} for code, content in value.items()]
    found: list[dict[str, str | None]] = []
    for item in read_list(value):
        if item is None:
            continue
        entry = item if isinstance(item, dict) else {"value": item}
        get = entry.get
        code = _text(get("code") or get("attribute_id") or get("rf_attribute_code"))
        name = _text(get("name") or get("attribute"))
        if _VALUES.isdisjoint(entry):
            is_told = all(value in {None, code, name} for value in map(_text, entry.values()))
            found.append({"code": code, "name": name, "value": None if is_told else _text(entry)})
            continue
        for inner in read_list(get("attributeValues") or get("attributevalues") or entry):
            content = inner.get("value", get("value")) if isinstance(inner, dict) else inner
            if type(content) is str:
                found.append({"code": code, "name": name, "value": content})
                continue
            for single in content if isinstance(content, list) else (content,):
                found.append({"code": code, "name": name, "value": _text(single)})  # noqa: PERF401
    return found


def read_choices(value: object) -> str:
    """The value, or values joined by "; ", of a custom attribute that is a field of its own."""
    if not isinstance(value, list | dict):
        return read_text(value)
    items = [item for item in read_list(value) if item is not None]
    if not items or any(isinstance(item, dict) and not _VALUES & item.keys() for item in items):
        raise ValueError
    return join_choices(read_attributes(items))


def join_choices(attributes: list[dict[str, str | None]]) -> str:
    """The values of some custom attributes, each once, joined by "; "."""
    return "; ".join(dict.fromkeys(entry["value"] for entry in attributes if entry["value"]))


def rfc3339(moment: datetime) -> str:
    """An aware datetime as RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_epoch_ms(value: object) -> datetime:
    """A moment from milliseconds since 1970, a number or a numeric string.

    Of fewer digits it may be seconds or a date, of more a date with its hour.
    """
    milliseconds = read_integer(value)
    if not _EPOCH_MS.fullmatch(str(milliseconds)):
        raise ValueError
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _parse(value: object) -> datetime:
    if not isinstance(value, str) or _EPOCH_MS.fullmatch(value.strip()):
        return from_epoch_ms(value)
    text = value.strip().upper().replace("/", "-")
    if not _DATED.fullmatch(text):
        raise ValueError
    return datetime.fromisoformat(text)


def _text(value: object) -> str | None:
    if value is None or type(value) is str:
        return value
    try:
        return read_text(value)
    except ValueError:
        return orjson.dumps(value).decode()
