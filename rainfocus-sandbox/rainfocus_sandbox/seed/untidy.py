"""The untidiness of real RainFocus data, one named thing each.

Records are made tidy and then made untidy here. Each function changes one record in one way; the
tables at the end say which happen to which records, and to what share of them.
"""

from __future__ import annotations

import typing as t
from datetime import datetime

from rainfocus_sandbox.data.attributes import BY_CODE
from rainfocus_sandbox.seed.pools import COUNTRIES

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from rainfocus_sandbox.data.merge import Record

    Quirk = Callable[[Record, Random], None]

_BOOLEAN_FIELDS = ("registered", "checkedin", "published", "hotLead")
_BOOLEAN_STYLES = (("No", "Yes"), ("false", "true"), (False, True), (0, 1), (0.0, 1.0))
_NUMBER_FIELDS = ("length", "seatsRemaining")
_DATE_FIELDS = ("createDate", "modifiedDate")
_OPTIONAL_FIELDS = (
    "externalId",
    "clientId",
    "jobtitle",
    "jobTitle",
    "phone",
    "zip",
    "language",
    "regcode",
    "abstract",
    "type",
    "description",
    "url",
    "bio",
    "note",
    "source",
)
_SESSION_TIME_IDS = ("sessiontimeId", "sessionTimeID", "sessiontime_id")
_COUNTRIES = {country.alpha2: country for country in COUNTRIES}


def mixed_booleans(record: Record, rng: Random) -> None:
    """Write truth as text, a JSON boolean or a number (docs/rainfocus-api.md §4.0, Booleans)."""
    for name in _BOOLEAN_FIELDS:
        if name in record:
            style = rng.choice(_BOOLEAN_STYLES)
            record[name] = style[record[name] in {True, "true"}]


def loose_numbers(record: Record, rng: Random) -> None:
    """Write whole numbers as floats or as text (docs/rainfocus-api.md §4.0, Numbers)."""
    for holder in (record, *record.get("times", ())):
        for name in _NUMBER_FIELDS:
            if name in holder:
                holder[name] = rng.choice((float, str))(holder[name])


def missing_optional(record: Record, rng: Random) -> None:
    """Leave out a field that is not always there (docs/rainfocus-api.md §4, open schemas)."""
    del record[_optional(record, rng)]


def null_optional(record: Record, rng: Random) -> None:
    """Write null for a field that others leave out (docs/rainfocus-api.md §4, open schemas)."""
    record[_optional(record, rng)] = None


def shouted_session_id(record: Record, _rng: Random) -> None:
    """Spell `sessionId` as the widgets do, `sessionID` (docs/rainfocus-api.md §4.3)."""
    record["sessionID"] = record.pop("sessionId")


def spelled_session_time_id(record: Record, rng: Random) -> None:
    """Spell `sessionTimeId` in one of its three other ways (docs/rainfocus-api.md §4.4)."""
    for time in record["times"]:
        time[rng.choice(_SESSION_TIME_IDS)] = time.pop("sessionTimeId")


def short_session_code(record: Record, _rng: Random) -> None:
    """Call `sessionCode` just `code` (docs/rainfocus-api.md §4.3, push and widget)."""
    record["code"] = record.pop("sessionCode")


def attributes_by_label(record: Record, _rng: Random) -> None:
    """Give custom attributes by label only, as dumps do (docs/rainfocus-api.md §4.2, shape 3)."""
    record["attributeValues"] = [
        {"attribute": attribute["name"], "value": value["value"]}
        for attribute in record.pop("attributes", ())
        for value in attribute["attributeValues"]
    ]


def attributes_per_value(record: Record, _rng: Random) -> None:
    """Give custom attributes in the widget's shape (docs/rainfocus-api.md §4.2, shape 2)."""
    if "attributes" not in record:
        return
    record["attributevalues"] = [
        {
            "rf_attribute_id": attribute["attributeId"],
            "attribute_id": attribute["code"],
            "attribute": attribute["name"],
            "rf_attributevalue_id": BY_CODE[attribute["code"]].choices[value["value"]],
            "attributevalue_id": value["value"],
            "value": value["value"],
            "displayorder": float(order),
            "published": 1.0,
            "viewAccessPublic": True,
        }
        for attribute in record.pop("attributes")
        for order, value in enumerate(attribute["attributeValues"], 1)
    ]


def other_date_format(record: Record, rng: Random) -> None:
    """Write dates in another of the formats seen (docs/rainfocus-api.md §4.0, times)."""
    write = rng.choice((_with_dashes, _with_slashes, _as_epoch))
    for name in _DATE_FIELDS:
        record[name] = write(datetime.fromisoformat(record[name]))


def country_as_alpha3(record: Record, _rng: Random) -> None:
    """Give the country by its three-letter code (form not known: docs/rainfocus-api.md §4.1)."""
    if record["country"] in _COUNTRIES:
        record["country"] = _COUNTRIES[record["country"]].alpha3


def country_by_name(record: Record, _rng: Random) -> None:
    """Give the country by its English name (form not known: docs/rainfocus-api.md §4.1)."""
    if record["country"] in _COUNTRIES:
        record["country"] = _COUNTRIES[record["country"]].name


def _optional(record: Record, rng: Random) -> str:
    return rng.choice([name for name in _OPTIONAL_FIELDS if name in record])


def _with_dashes(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S")


def _with_slashes(when: datetime) -> str:
    return when.strftime("%Y/%m/%d %H:%M:%S")


def _as_epoch(when: datetime) -> str:
    return str(round(when.timestamp() * 1000))


Quirks = tuple[tuple[float, "Quirk"], ...]

ATTENDEE: Quirks = (
    (0.06, mixed_booleans),
    (0.06, missing_optional),
    (0.06, null_optional),
    (0.06, attributes_by_label),
    (0.06, attributes_per_value),
    (0.06, other_date_format),
    (0.15, country_as_alpha3),
    (0.25, country_by_name),
)
SESSION: Quirks = (
    (0.10, mixed_booleans),
    (0.10, loose_numbers),
    (0.10, missing_optional),
    (0.10, null_optional),
    (0.10, shouted_session_id),
    (0.15, spelled_session_time_id),
    (0.10, short_session_code),
    (0.85, attributes_by_label),
    (0.50, attributes_per_value),
)
EXHIBITOR: Quirks = (
    (0.10, mixed_booleans),
    (0.10, missing_optional),
    (0.10, null_optional),
    (0.85, attributes_by_label),
    (0.50, attributes_per_value),
)
LEAD: Quirks = (
    (0.06, mixed_booleans),
    (0.06, missing_optional),
    (0.06, null_optional),
    (0.06, other_date_format),
)
SPEAKER: Quirks = ((0.06, missing_optional), (0.06, null_optional))


def untidy(record: Record, quirks: Iterable[tuple[float, Quirk]], rng: Random) -> Record:
    """Apply each of `quirks` to `record` with its probability, and return it."""
    for share, quirk in quirks:
        if rng.random() < share:
            quirk(record, rng)
    return record
