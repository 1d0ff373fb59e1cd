"""What one reply to a read call holds: records, the way to the next page, the server's clock."""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import chain

from rainfocus_client.errors import BusyError, DataError, SettingsError
from rainfocus_client.troubles import Trouble

from tap_rainfocus.schema.values import read_integer, read_moment, rfc3339

if t.TYPE_CHECKING:
    from collections.abc import Mapping

Record: t.TypeAlias = dict[str, t.Any]

_RECORDS_KEYS = ("results", "data")
_TOTALS = ("total", "totalSearchItems", "totalCount", "totalRecords", "totalResults")
_CURSORS = ("cursor", "nextId")
_CLOCKS = ("timestamp", "searchTimestamp")
_ENVELOPE = frozenset(
    {"responseCode", "responseMessage", "timestamp", "event", *_CURSORS, *_TOTALS}
)


class UncertainEndError(BusyError):
    """A page that a cursor led to is empty and leads nowhere: the end, or throttling."""


class Cursor(t.NamedTuple):
    """What leads to the next page, and the name under which it came and is sent back."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a download.

    Attributes:
        records: The records as they came, all or nearly all of them objects.
        cursor: What to send for the next page; None at the end.
        clock: The server's clock, RFC 3339 in UTC, where the reply tells it.
        total: How many records the whole download has, where the reply tells it, else 0.
        event: The code of the event that the records are of, where the reply tells it.
        is_whole: Whether nothing is known to be missing.
    """

    records: list[t.Any]
    cursor: Cursor | None
    clock: str | None
    total: int = 0
    event: str | None = None
    is_whole: bool = True

    @classmethod
    def from_reply(
        cls, call: str, body: Mapping[str, t.Any], headers: Mapping[str, str], records_key: str
    ) -> Page:
        """Read a reply (`results`, `cursor`, `timestamp`: docs/rainfocus-api.md §3.1 and §5).

        A bulk read pages by `nextId` instead (captured key; that it is sent back under the same
        name is assumed).

        Raises:
            BusyError: The page is empty though a cursor or a total says otherwise. Captured
                on the web catalogue as the sign of throttling.
            SettingsError: No list of records can be found.
        """
        records = _records(body, records_key)
        if records is None:
            msg = (
                f"RainFocus answered {call} without a list of records: "
                "name its key in the setting endpoints (records_key)."
            )
            raise SettingsError(msg, Trouble.NO_RECORDS_KEY)
        cursor = _cursor(call, body)
        total = _total(body)
        if not records and (cursor or total):
            msg = (
                f"RainFocus answered {call} with an empty page before the end, a sign of "
                "throttling: try again later, or set requests_per_second."
            )
            raise BusyError(msg, Trouble.EMPTY_PAGE)
        return cls(records, cursor, clock_of(body, headers), total, _event(body))


def _records(body: Mapping[str, t.Any], records_key: str) -> list[t.Any] | None:
    """The records, in any envelope that RainFocus uses (docs/rainfocus-api.md §3.1)."""
    named = (body[key] for key in (records_key, *_RECORDS_KEYS) if isinstance(body.get(key), list))
    own = next(named, None)
    lists = [body.get("items"), _in_sections(body)] if own is None else [own]
    usable = [*filter(_are_objects, lists)]
    nothing_else = "responseCode" in body and not body.keys() - _ENVELOPE
    found = next(filter(None, usable), usable[0] if usable else [] if nothing_else else None)
    if found is None and own and any(isinstance(record, dict) for record in own):
        found = own
    return None if found is None else [record for record in found if record is not None]


def _in_sections(body: Mapping[str, t.Any]) -> list[Record] | None:
    items = [section.get("items") or [] for section in _sections(body)]
    return [*chain(*items)] if items and all(map(_are_objects, items)) else None


def _sections(body: Mapping[str, t.Any]) -> list[Record]:
    sections = body.get("sectionList")
    return [section for section in sections if section] if _are_objects(sections) else []


def _total(body: Mapping[str, t.Any]) -> int:
    in_sections = sum(_most_told(section) for section in _sections(body))
    return max(_most_told(body), in_sections)


def _most_told(source: Mapping[str, t.Any]) -> int:
    return max((number(source.get(key)) or 0 for key in _TOTALS), default=0)


def number(value: object) -> int | None:
    """A whole number in any spelling; None where it is none."""
    with suppress(ValueError):
        return read_integer(value.replace(",", "") if isinstance(value, str) else value)
    return None


def _cursor(call: str, body: Mapping[str, t.Any]) -> Cursor | None:
    for name in _CURSORS:
        if value := body.get(name):
            if not isinstance(value, str | int):
                msg = f"RainFocus answered {call} with a {name} that is neither text nor number."
                raise DataError(msg, Trouble.PAGES)
            return Cursor(name, str(value))
    return None


def _event(body: Mapping[str, t.Any]) -> str | None:
    """The event's code, where the reply names it."""
    event = body.get("event")
    code = event.get("code") if isinstance(event, dict) else event
    return str(code) if isinstance(code, str | int) and code else None


def _are_objects(value: object) -> t.TypeGuard[list[Record | None]]:
    return isinstance(value, list) and all(item is None or isinstance(item, dict) for item in value)


def clock_of(body: Mapping[str, t.Any], headers: Mapping[str, str]) -> str | None:
    """The server's clock when it made a reply, RFC 3339 in UTC, where it tells it."""
    for name in _CLOCKS:
        with suppress(KeyError, ValueError):
            return read_moment(body[name])
    with suppress(KeyError, ValueError):
        return rfc3339(parsedate_to_datetime(headers["Date"]))
    return None
