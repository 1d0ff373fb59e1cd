"""What writing fields into an attendee does to the record."""

from __future__ import annotations

import typing as t

from rainfocus_sandbox.attributes import BY_NAME

Record = dict[str, t.Any]

_READ_NAMES = {"countryid": "country"}
_KEYS = frozenset({"attendeeId", "event"})
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


def merge(record: Record, fields: t.Mapping[str, t.Any]) -> None:
    """Write `fields` into `record`.

    Write and read names differ: `countryid` is read back as `country` (reference §7). A key that
    is not a field of the Attendee Store is a custom attribute, named by its code.

    Assumption: a write is partial, only the keys sent change. Assumption: a null or an empty
    string sent is a real overwrite; the unforgiving reading, so that a careless sender is seen.
    """
    for name, value in fields.items():
        if name in _KEYS:
            continue
        if name not in _STORE_FIELDS:
            _forget_listed(record, name)
        record[_READ_NAMES.get(name, name)] = value


def _forget_listed(record: Record, code: str) -> None:
    """Drop the listed values of the attribute `code`, which its top-level value replaces."""
    for key in ("attributes", "attributevalues", "attributeValues"):
        if isinstance(entries := record.get(key), list):
            record[key] = [entry for entry in entries if _code(entry) != code]


def _code(entry: Record) -> str | None:
    code = entry.get("code") or entry.get("attribute_id")
    if code is None and (attribute := BY_NAME.get(entry.get("attribute", ""))):
        return attribute.code
    return code
