"""What writing fields into an attendee does to the record."""

from __future__ import annotations

import typing as t

from rainfocus_sandbox.data.attributes import BY_NAME, attribute_of, listed

Record = dict[str, t.Any]

_READ_NAMES = {"countryid": "country"}
_KEYS = frozenset({"attendeeId", "email_lc_sha256", "event"})
_LISTS = ("attributes", "attributevalues", "attributeValues")
_STORE_FIELDS = frozenset(
    {
        "address1",
        "address2",
        "city",
        "companyname",
        "countryid",
        "email",
        "firstname",
        "lastname",
        "jobtitle",
        "phone",
        "state",
        "zip",
    }
)
_OTHER_FIELDS = frozenset(
    {
        "checkedin",
        "checkinDate",
        "checkinTime",
        "clientId",
        "country",
        "externalId",
        "language",
        "regcode",
        "registered",
        "registeredDate",
        "registeredTime",
    }
)
_FIELDS = _STORE_FIELDS | _OTHER_FIELDS | frozenset(_LISTS)


def merge(record: Record, fields: t.Mapping[str, t.Any]) -> None:
    """Write `fields` into `record`.

    Write and read names differ: `countryid` is read back as `country` (docs/rainfocus-api.md §7). A
    key that is not a field of an attendee is a custom attribute, named by its code.

    Assumption: the fields are those of the Attendee Store and those that attendees are read with.
    Assumption: a custom attribute is read back in `attributes`, whichever shape the others have,
    its value of the type that was sent; a list is as many values.
    Assumption: a write is partial, only the keys sent change. Assumption: a null or an empty
    string sent is a real overwrite; the unforgiving reading, so that a careless sender is seen.
    """
    for name, value in fields.items():
        if name in _KEYS:
            continue
        if name in _FIELDS:
            record[_READ_NAMES.get(name, name)] = value
        else:
            _forget_listed(record, name)
            _list(record, name, value)


def _list(record: Record, code: str, value: object) -> None:
    values = value if isinstance(value, list) else [value]
    if not values or value in (None, ""):
        return
    if not isinstance(record.get("attributes"), list):
        record["attributes"] = []
    record["attributes"].append(listed(attribute_of(code), *values))


def _forget_listed(record: Record, code: str) -> None:
    """Drop the listed values of the attribute `code`, which those sent replace."""
    for key in _LISTS:
        if isinstance(entries := record.get(key), list):
            record[key] = [entry for entry in entries if _code(entry) != code]


def _code(entry: Record) -> str | None:
    code = entry.get("code") or entry.get("attribute_id")
    if code is None and (attribute := BY_NAME.get(entry.get("attribute", ""))):
        return attribute.code
    return code
