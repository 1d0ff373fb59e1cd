"""From a record to the profile that is sent: trimmed, checked, without a single blank."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass
from decimal import Decimal

from rainfocus_client.lenient_json import LEAST_INTEGER, MOST_INTEGER

from target_rainfocus_attendees.mapping.columns import COUNTRY, EMAIL, STATE, value_at
from target_rainfocus_attendees.mapping.emails import hash_email, is_email, is_hash
from target_rainfocus_attendees.mapping.regions import country_code, state_code

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_rainfocus_attendees.mapping.columns import Columns, Path
    from target_rainfocus_attendees.mapping.consent import Consent

Fields: t.TypeAlias = dict[str, t.Any]

HASHED_EMAIL = "email_lc_sha256"
"""The identity that Adobe's destination lists beside the address (docs/rainfocus-api.md §7); that
a request carries it under this name is assumed."""


class InvalidProfileError(Exception):
    """A record cannot be sent; the text says why and holds no value."""

    def __init__(self, field: str, reason: str) -> None:
        """Name the field that is to blame."""
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class Profile:
    """What is sent for one person.

    Attributes:
        identity: What makes two records the same person: the address in lower case, or its hash.
        fields: Attendee Store field → value, never blank.
        dropped: Fields whose value could not be used.
    """

    identity: str
    fields: Fields
    dropped: tuple[str, ...] = ()


class ProfileReader:
    """Reads profiles out of the records of one stream."""

    def __init__(
        self,
        columns: Columns,
        extra: Columns,
        *,
        hashed: bool,
        strict: bool,
        consent: Consent | None = None,
    ) -> None:
        """Know where the fields are and what to make of them.

        Args:
            columns: Where the Attendee Store's fields are.
            extra: Where other fields are, by the names they are sent under.
            hashed: Whether a hash is sent in place of the e-mail address.
            strict: Whether a value that cannot be used makes the record invalid.
            consent: What makes a record one that may be sent; None if all may.
        """
        self._email = columns[EMAIL]
        texts = [(field, path) for field, path in columns.items() if field != EMAIL]
        self._flat = [(field, path[0]) for field, path in texts if len(path) == 1]
        self._deep = [(field, path) for field, path in texts if len(path) > 1]
        self._extra = list(extra.items())
        self._hashed = hashed
        self._strict = strict
        self._consent = consent
        self._sought: list[Path] = []
        self._reads = False

    def look_out_for(self, paths: Iterable[Path]) -> None:
        """Note at which of these paths no record has a value: no schema promises them."""
        self._sought = list(paths)

    @property
    def never_found(self) -> list[Path]:
        """Those of them at which there was none so far; empty before the first record."""
        return self._sought if self._reads else []

    def may_send(self, record: Mapping[str, t.Any]) -> bool:
        """Whether there is the consent that is asked for."""
        return self._consent is None or self._consent.given(record)

    def read(self, record: Mapping[str, t.Any]) -> Profile:
        """Read the profile out of a record.

        A blank is left out, so that it never wipes what a registrant has entered. An optional
        value that cannot be used is left out and named in `dropped`, or, when validation is
        strict, makes the record invalid.

        Raises:
            InvalidProfileError: The record cannot be sent.
        """
        identity, fields = self._identify(value_at(record, self._email))
        dropped: list[str] = []
        for field, key in self._flat:
            value = record.get(key)
            if value is not None:
                _set(fields, field, _text(value), dropped)
        for field, path in self._deep:
            value = value_at(record, path)
            if value is not None:
                _set(fields, field, _text(value), dropped)
        for field, path in self._extra:
            value = value_at(record, path)
            if value is not None:
                _set(fields, field, _attribute(value), dropped)
        self._reads = True
        if self._sought:
            self._sought = [path for path in self._sought if value_at(record, path) is None]
        _use_codes(fields, dropped)
        if dropped and self._strict:
            msg = f"the value of {dropped[0]} cannot be used"
            raise InvalidProfileError(dropped[0], msg)
        return Profile(identity, fields, tuple(dropped))

    def _identify(self, value: object) -> tuple[str, Fields]:
        text = _text(value) if value is not None else ""
        if not text:
            raise InvalidProfileError(EMAIL, "no e-mail address")
        if is_hash(text):
            if not self._hashed:
                msg = "the e-mail address is a hash, which identity email does not take"
                raise InvalidProfileError(EMAIL, msg)
        elif not is_email(text):
            raise InvalidProfileError(EMAIL, "no valid e-mail address")
        if self._hashed:
            hashed = hash_email(text)
            return hashed, {HASHED_EMAIL: hashed}
        return text.lower(), {EMAIL: text}


def merge_profiles(profiles: Iterable[Profile]) -> Fields:
    """The fields that one person's profiles amount to: the last value of each wins."""
    merged: Fields = {}
    for profile in profiles:
        merged |= profile.fields
    return merged


def _set(fields: Fields, field: str, value: object, dropped: list[str]) -> None:
    if value is None:
        dropped.append(field)
    elif value not in ("", []):
        fields[field] = value


def _text(value: object) -> str | None:
    """A text or number as trimmed text, or None where it is neither."""
    if isinstance(value, str):
        text = value.strip()
        return text if text.isascii() or _is_unicode(text) else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if not math.isfinite(value):
        return None
    return str(int(value) if value == int(value) else value)


def _attribute(value: object) -> object:
    """A custom attribute's value: text, number, boolean or a list of them, else None."""
    if isinstance(value, list):
        values = [_attribute(one) for one in value]
        return None if None in values else [one for one in values if one not in ("", [])]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool | int) and LEAST_INTEGER <= value <= MOST_INTEGER:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _use_codes(fields: Fields, dropped: list[str]) -> None:
    """Put codes for country and state; take out, and name, what has none."""
    country = fields.get(COUNTRY)
    if country is not None:
        country = _replace(fields, COUNTRY, country_code(country), dropped)
    if STATE in fields:
        _replace(fields, STATE, state_code(fields[STATE], country), dropped)


def _replace(fields: Fields, field: str, code: str | None, dropped: list[str]) -> str | None:
    if code is None:
        del fields[field]
        dropped.append(field)
    else:
        fields[field] = code
    return code
