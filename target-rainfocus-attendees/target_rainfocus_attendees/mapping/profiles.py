"""From a record to the profile that is sent: trimmed, checked, without a single blank."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass
from decimal import Decimal

from rainfocus_client.persons.identities import hash_email, is_hash, mailbox
from rainfocus_client.troubles import Trouble

from target_rainfocus_attendees.mapping.columns import (
    COUNTRY,
    EMAIL,
    HASHED_EMAIL,
    PHONE,
    STATE,
    ZIP,
    identity_field,
    value_at,
)
from target_rainfocus_attendees.mapping.deletions import is_deleted
from target_rainfocus_attendees.mapping.emails import is_email
from target_rainfocus_attendees.mapping.numerals import entity_id, phone_number, postal_code
from target_rainfocus_attendees.mapping.regions import (
    STATE_COUNTRIES,
    country_code,
    is_country_name,
    state_code,
)
from target_rainfocus_attendees.mapping.texts import is_json_document, to_text
from target_rainfocus_attendees.models import Reason

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from target_rainfocus_attendees.mapping.columns import Columns, Path
    from target_rainfocus_attendees.mapping.consent import Consent

Fields: t.TypeAlias = dict[str, t.Any]

DELETED = Reason("deleted upstream", Trouble.DELETED)
NO_CONSENT = Reason("no consent", Trouble.NO_CONSENT)

MOST_EXACT = 1 << 53
"""From here on a number with a point or an exponent may stand for several whole ones."""


class InvalidProfileError(Exception):
    """A record cannot be sent."""

    def __init__(self, field: str, reason: str, trouble: Trouble) -> None:
        """Say why, without any value, and name the field that is to blame."""
        super().__init__(reason)
        self.field = field
        self.reason = Reason(reason, trouble)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is made of values.

    Attributes:
        identity: What says who somebody is, as the setting names it.
        strict: Whether a value that cannot be used makes the record invalid.
        null_values: Words for nothing.
    """

    identity: str
    strict: bool
    null_values: AbstractSet[str]


class Profile(t.NamedTuple):
    """What one record says of one person.

    Attributes:
        identity: What makes two records the same person: the mailbox, its hash, or an id.
        fields: Attendee Store field → value, never blank; state and postal code as they came,
            for what they mean depends on a country that another record may hold.
        dropped: Fields whose value could not be used.
        differing: Fields, with their columns, which held different values.
    """

    identity: str
    fields: Fields
    dropped: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()


class ProfileReader:
    """Reads profiles out of the records of one stream."""

    def __init__(
        self,
        columns: Columns,
        extra: Mapping[str, Path],
        rules: Rules,
        consent: Consent | None = None,
    ) -> None:
        """Know where the fields are and what to make of them.

        Args:
            columns: Where the Attendee Store's fields are.
            extra: Where other fields are, by the names they are sent under.
            rules: What is made of the values.
            consent: What makes a record one that may be sent; None if all may.
        """
        self._key = identity_field(rules.identity)
        self._key_path = columns[self._key][0]
        self._identify = self._identify_by_email if self._key == EMAIL else self._identify_by_id
        others = {field: paths for field, paths in columns.items() if field != self._key}
        single = [(field, paths[0]) for field, paths in others.items() if len(paths) == 1]
        self._flat = [
            (field, path[0], _READERS.get(field, _plain))
            for field, path in single
            if len(path) == 1
        ]
        self._deep = [(field, path) for field, path in single if len(path) > 1]
        self._several = [
            (field, f"{field} ({', '.join('.'.join(path) for path in paths)})", paths)
            for field, paths in sorted(others.items(), key=lambda item: item[0] != COUNTRY)
            if len(paths) > 1
        ]
        self._extra = list(extra.items())
        self._rules = rules
        self._nulls = rules.null_values
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

    def why_filtered(
        self, record: Mapping[str, t.Any], original: Mapping[str, t.Any]
    ) -> Reason | None:
        """Why a record is not to be sent, whatever is in its fields; None if it may be.

        Args:
            record: After the stream maps.
            original: Before them.
        """
        if is_deleted(original, self._nulls):
            return DELETED
        return NO_CONSENT if self._consent and not self._consent.given(record) else None

    def identity(self, record: Mapping[str, t.Any]) -> str | None:
        """Who a record is about; None where it does not say."""
        try:
            return self._identify(value_at(record, self._key_path))[0]
        except InvalidProfileError:
            return None

    def read(self, record: Mapping[str, t.Any]) -> Profile:
        """Read the profile out of a record.

        A blank is left out, so that it never wipes what a registrant has entered. An optional
        value that cannot be used is left out and named in `dropped`, or, when validation is
        strict, makes the record invalid.

        Raises:
            InvalidProfileError: The record cannot be sent.
        """
        identity, fields = self._identify(value_at(record, self._key_path))
        dropped: list[str] = []
        self._set_flat(fields, record, dropped)
        for field, path in self._deep:
            value = value_at(record, path)
            if value is not None:
                _set(fields, field, self._value(field, value), dropped)
        differing = tuple(self._set_of_several(fields, record, dropped)) if self._several else ()
        for field, path in self._extra:
            value = value_at(record, path)
            if value is not None:
                _set(fields, field, _attribute(value, self._nulls), dropped)
        self._reads = True
        if self._sought:
            self._sought = [path for path in self._sought if value_at(record, path) is None]
        if self._rules.strict and (unusable := [*dropped, *make_regular(dict(fields))]):
            msg = f"the value of {unusable[0]} cannot be used"
            raise InvalidProfileError(unusable[0], msg, Trouble.BAD_VALUE)
        return Profile(identity, fields, tuple(dropped), differing)

    def _identify_by_id(self, value: object) -> tuple[str, Fields]:
        text = to_text(value, self._nulls) if value is not None else ""
        if not text:
            raise InvalidProfileError(self._key, f"no {self._key}", Trouble.NO_ID)
        whole = entity_id(text)
        if whole is None or (
            isinstance(value, float | Decimal) and abs(float(value)) >= MOST_EXACT
        ):
            msg = f"the {self._key} has lost digits, as in a spreadsheet"
            raise InvalidProfileError(self._key, msg, Trouble.LOST_DIGITS)
        return whole, {self._key: whole}

    def _identify_by_email(self, value: object) -> tuple[str, Fields]:
        text = to_text(value, self._nulls) if value is not None else ""
        if not text:
            raise InvalidProfileError(EMAIL, "no e-mail address", Trouble.NO_ID)
        hashed = self._rules.identity == HASHED_EMAIL
        if is_hash(text):
            if not hashed:
                msg = "the e-mail address is a hash, which identity email does not take"
                raise InvalidProfileError(EMAIL, msg, Trouble.HASH_FOR_EMAIL)
        elif not is_email(text):
            raise InvalidProfileError(EMAIL, "no valid e-mail address", Trouble.NO_EMAIL)
        if hashed:
            digest = hash_email(text)
            return digest, {HASHED_EMAIL: digest}
        return mailbox(text), {EMAIL: text}

    def _value(self, field: str, value: object) -> str | None:
        text = to_text(value, self._nulls)
        return _READERS.get(field, _plain)(text) if text else text

    def _set_flat(self, fields: Fields, record: Mapping[str, t.Any], dropped: list[str]) -> None:
        """Set fields that one column at the top holds: nearly all of most records."""
        for field, key, read in self._flat:
            value = record.get(key)
            if value is None:
                continue
            text = to_text(value, self._nulls)
            if text:
                text = read(text)
            if text:
                fields[field] = text
            elif text is None:
                dropped.append(field)

    def _set_of_several(
        self, fields: Fields, record: Mapping[str, t.Any], dropped: list[str]
    ) -> Iterator[str]:
        """Set fields that more than one column holds; give those with different values.

        The first value that can be used is taken; for countries, a name before any code.
        """
        for field, label, paths in self._several:
            given = [value for path in paths if (value := value_at(record, path)) is not None]
            if field == COUNTRY:
                given.sort(key=lambda value: not is_country_name(str(value).strip()))
            values = [self._value(field, value) for value in given]
            usable = [value for value in values if value]
            if field == STATE:
                country = fields.get(COUNTRY)
                usable.sort(key=lambda value: state_code(value, country) is None)
            if usable:
                fields[field] = usable[0]
                if not all(_agree(field, usable[0], value) for value in usable):
                    yield label
            elif None in values:
                dropped.append(field)


def merge_profiles(profiles: Iterable[Profile]) -> tuple[Fields, list[str]]:
    """What one person's profiles amount to, and which fields are left out of it.

    The last value of each field wins; states and postal codes are read with the country that
    then is theirs.
    """
    merged: Fields = {}
    for profile in profiles:
        merged |= profile.fields
    return merged, make_regular(merged)


def make_regular(fields: Fields) -> list[str]:
    """Make state and postal code those of the country; take out, and name, what is none."""
    country = fields.get(COUNTRY)
    dropped: list[str] = []
    if STATE in fields:
        _replace(fields, STATE, state_code(fields[STATE], country), dropped)
    if ZIP in fields:
        _replace(fields, ZIP, postal_code(fields[ZIP], country), dropped)
    return dropped


def _address(text: str) -> str | None:
    return text if is_email(text) else None


def _plain(text: str) -> str | None:
    return None if text[0] in "{[" and is_json_document(text) else text


_READERS: dict[str, Callable[[str], str | None]] = {
    COUNTRY: country_code,
    PHONE: phone_number,
    EMAIL: _address,
}
"""What makes a field's text regular, and None of one that cannot be used; `_plain` for others."""


def _agree(field: str, one: str, other: str) -> bool:
    if one.casefold() == other.casefold():
        return True
    return field == STATE and any(
        state_code(one, country) == state_code(other, country) is not None
        for country in STATE_COUNTRIES
    )


def _set(fields: Fields, field: str, value: object, dropped: list[str]) -> None:
    if value is None:
        dropped.append(field)
    elif value not in ("", []):
        fields[field] = value


def _attribute(value: object, null_values: AbstractSet[str]) -> object:
    """A custom attribute's value: text, number, boolean or a list of them, else None."""
    if isinstance(value, list):
        values = [_attribute(one, null_values) for one in value]
        return None if None in values else [one for one in values if one not in ("", [])]
    if isinstance(value, str):
        return to_text(value, null_values)
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return None


def _replace(fields: Fields, field: str, code: str | None, dropped: list[str]) -> None:
    if code is None:
        del fields[field]
        dropped.append(field)
    else:
        fields[field] = code
