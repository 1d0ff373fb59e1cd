"""Puts the hours of a session time on its date.

The forms are those of dumps and of captured catalogues (docs/rainfocus-api.md §4.4): a date and
hours beside it, in 24 or 12 hours. The order of day and month is the site's own.
"""

from __future__ import annotations

import re
import typing as t
from datetime import date, datetime, timedelta

from tap_rainfocus.schema.names import fold_key
from tap_rainfocus.schema.values import read_integer, read_moment

if t.TYPE_CHECKING:
    from collections.abc import Mapping

DATE_ORDERS = ("dmy", "mdy")

NOON, MIDNIGHT, SIXTY = 12, (24, 0, 0), 60

CLOCK_SHIFT = timedelta(hours=1)
"""What clocks go back by in autumn: an end may stand so much before its start."""

_DAY = timedelta(days=1)
_NAMES = frozenset(
    {"date", "enddate", "endtime", "length", "starttime", "utcendtime", "utcstarttime"}
)
_ISO_DATE = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_DATE = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})")
_HOUR = re.compile(
    r"(\d{1,2})(?::(\d\d)(?::(\d\d)(?:\.0+)?)?)?\s*(?:([ap])\.?m\.?)?", re.IGNORECASE
)
_HALF = re.compile(r"\d\s*[ap]\.?m", re.IGNORECASE)


def placed_hours(time: Mapping[str, t.Any], date_order: str | None = None) -> dict[str, str]:
    """The start and end of a raw session time as `YYYY-MM-DD HH:MM:SS`, under the names they have.

    What has more than one reading is left out, and so is what is complete as it is.

    Args:
        time: As it came.
        date_order: Which of `DATE_ORDERS` the site has, where that is known.
    """
    try:
        return _placed(time, date_order)
    except OverflowError:
        return {}


def _placed(time: Mapping[str, t.Any], date_order: str | None) -> dict[str, str]:
    keys = {fold_key(key): key for key in time if fold_key(key) in _NAMES}
    raw = {name: time[key] for name, key in keys.items()}
    day = _date(raw.get("date"), date_order)
    start_day, start_hour = _parts(raw.get("starttime"), date_order)
    end_day, end_hour = _parts(raw.get("endtime"), date_order)
    in_halves = any(_HALF.search(hour) for hour in (start_hour, end_hour))
    start = _moment(start_day or day, start_hour, in_halves=in_halves)
    said_day = _date(raw.get("enddate"), date_order)
    end = _moment(end_day or said_day or day, end_hour, in_halves=in_halves)
    if start and end and not end_day:
        end = _settled(end, start, _length(raw), is_dated=said_day not in {None, day})
    placed = {"starttime": start, "endtime": end}
    return {keys[name]: f"{moment}" for name, moment in placed.items() if moment}


def _settled(
    end: datetime, start: datetime, length: timedelta | None, *, is_dated: bool
) -> datetime | None:
    """An end on the day that the length says, or else the first one that is possible."""
    for possible in (end, end + _DAY, end - _DAY) if length else ():
        if possible - start == length:
            return possible
    if end >= start or is_dated or (length and start + length == end + CLOCK_SHIFT):
        return end
    return end + _DAY if start - end >= CLOCK_SHIFT else None


def _length(raw: Mapping[str, t.Any]) -> timedelta | None:
    try:
        start, end = (read_moment(raw[name]) for name in ("utcstarttime", "utcendtime"))
    except (KeyError, ValueError):
        pass
    else:
        return datetime.fromisoformat(end) - datetime.fromisoformat(start)
    try:
        return timedelta(minutes=read_integer(raw["length"]))
    except (KeyError, OverflowError, ValueError):
        return None


def _parts(value: object, date_order: str | None) -> tuple[date | None, str]:
    """The date that a time has in front of its hour, and the hour."""
    text = value.strip() if isinstance(value, str) else ""
    first, _, rest = text.partition(" ")
    day = _date(first, date_order)
    return (day, rest.strip()) if day else (None, text)


def _moment(day: date | None, text: str, *, in_halves: bool) -> datetime | None:
    """An hour on its day; without AM or PM it has two readings beside one that says which."""
    hour = _HOUR.fullmatch(text)
    if day is None or hour is None or not (hour[2] or hour[4]):
        return None
    number, half = int(hour[1]), (hour[4] or "").lower()
    if half and number <= NOON:
        number = number % NOON + (NOON if half == "p" else 0)
    elif half == "a" or (in_halves and number <= NOON):
        return None
    minute, second = int(hour[2] or 0), int(hour[3] or 0)
    if (number, minute, second) > MIDNIGHT or max(minute, second) >= SIXTY:
        return None
    try:
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001, the event's local time
        return midnight + timedelta(hours=number, minutes=minute, seconds=second)
    except OverflowError:
        return None


def _date(value: object, date_order: str | None) -> date | None:
    """The one day that a date can mean."""
    if not isinstance(value, str):
        return None
    if iso := _ISO_DATE.fullmatch(value.strip()):
        return _day(*map(int, iso.groups()))
    found = _DATE.fullmatch(value.strip())
    if found is None:
        return None
    first, second, year = map(int, found.groups())
    readings = {"dmy": _day(year, second, first), "mdy": _day(year, first, second)}
    if date_order:
        return readings[date_order]
    possible = {day for day in readings.values() if day}
    return possible.pop() if len(possible) == 1 else None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
