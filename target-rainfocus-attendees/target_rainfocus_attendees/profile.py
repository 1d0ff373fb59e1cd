"""From a record to the profile that is sent: trimmed, checked, without a single blank."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass
from decimal import Decimal

from email_validator import EmailNotValidError, validate_email

from target_rainfocus_attendees.columns import COUNTRY, EMAIL, STATE
from target_rainfocus_attendees.places import country_code, state_code

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_rainfocus_attendees.columns import Columns, Path


class InvalidProfileError(Exception):
    """A record cannot be sent; the text says why and holds no value."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is sent for one person.

    Attributes:
        identity: What makes two records the same person: the e-mail address in lower case.
        fields: Attendee Store field → value, never blank.
        dropped: Fields whose value could not be used.
    """

    identity: str
    fields: dict[str, str]
    dropped: tuple[str, ...] = ()


def read_profile(record: Mapping[str, t.Any], columns: Columns) -> Profile:
    """Read the profile out of a record.

    A blank is left out, so that it never wipes what a registrant has entered; an optional
    value that cannot be used is left out and named in `dropped`.

    Raises:
        InvalidProfileError: There is no valid e-mail address.
    """
    fields: dict[str, str] = {}
    dropped = []
    for field, path in columns.items():
        text = _text(_value(record, path))
        if text is None:
            dropped.append(field)
        elif text:
            fields[field] = text
    if not _is_email(fields.get(EMAIL)):
        msg = "no valid e-mail address"
        raise InvalidProfileError(msg)
    dropped += _use_codes(fields)
    return Profile(fields[EMAIL].lower(), fields, tuple(dropped))


def merge(profiles: Iterable[Profile]) -> dict[str, str]:
    """The fields that one person's profiles amount to: the last value of each wins."""
    merged: dict[str, str] = {}
    for profile in profiles:
        merged |= profile.fields
    return merged


def _value(record: Mapping[str, t.Any], path: Path) -> object:
    value: t.Any = record
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: object) -> str | None:
    """A text or number as trimmed text, nothing as an empty one, anything else as None."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if not math.isfinite(value):
        return None
    return str(int(value) if value == int(value) else value)


def _is_email(text: str | None) -> bool:
    if not text:
        return False
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def _use_codes(fields: dict[str, str]) -> list[str]:
    """Put codes for country and state; take out, and name, what has none."""
    dropped: list[str] = []
    if COUNTRY in fields:
        _replace(fields, COUNTRY, country_code(fields[COUNTRY]), dropped)
    if STATE in fields:
        _replace(fields, STATE, state_code(fields[STATE], fields.get(COUNTRY)), dropped)
    return dropped


def _replace(fields: dict[str, str], field: str, code: str | None, dropped: list[str]) -> None:
    if code is None:
        del fields[field]
        dropped.append(field)
    else:
        fields[field] = code
