"""What one reply to a read call holds: records, the way to the next page, the server's clock."""

from __future__ import annotations

import re
import typing as t
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import chain

from rainfocus_client.errors import RetriableError, SettingsError
from rainfocus_client.lenient_json import parse_body

from tap_rainfocus.schema.values import read_moment, rfc3339

if t.TYPE_CHECKING:
    from collections.abc import Mapping

Record: t.TypeAlias = dict[str, t.Any]

_RECORDS_KEYS = ("results", "data", "items")
_TOTALS = ("total", "totalSearchItems")
_CURSOR = re.compile(rb'"cursor"\s*:\s*("(?:[^"\\]|\\.)+")')
_ENVELOPE = frozenset({"responseCode", "responseMessage", "timestamp", "cursor"})

LARGE = 1 << 16
"""Bytes from which parsing a page takes long enough to ask for the next one before."""


class UncertainEndError(RetriableError):
    """A page that a cursor led to is empty and leads nowhere: the end, or throttling."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a download.

    Attributes:
        records: The records as they came.
        cursor: What to send for the next page; None at the end.
        clock: The server's clock, RFC 3339 in UTC, where the reply tells it.
        total: How many records the whole download has, where the reply tells it, else 0.
    """

    records: list[Record]
    cursor: str | None
    clock: str | None
    total: int = 0

    @classmethod
    def from_reply(
        cls, call: str, body: Mapping[str, t.Any], headers: Mapping[str, str], records_key: str
    ) -> Page:
        """Read a reply (`results`, `cursor`, `timestamp`: docs/rainfocus-api.md §3.1 and §5).

        Raises:
            RetriableError: The page is empty though a cursor or a total says otherwise. Captured
                on the web catalogue as the sign of throttling.
            SettingsError: No list of records can be found.
        """
        records = _records(body, records_key)
        if records is None:
            msg = (
                f"RainFocus answered {call} without a list of records: "
                "name its key in the setting endpoints (records_key)."
            )
            raise SettingsError(msg)
        cursor = str(body["cursor"]) if body.get("cursor") else None
        total = _total(body)
        if not records and (cursor or total):
            msg = (
                f"RainFocus answered {call} with an empty page before the end, a sign of "
                "throttling: try again later, or set requests_per_second."
            )
            raise RetriableError(msg)
        return cls(records, cursor, _clock(body, headers), total)


def guess_cursor(content: bytes) -> str | None:
    """The cursor of a large page that has not been parsed yet: it stands beside the records."""
    if len(content) < LARGE:
        return None
    first, last = content.find(b"["), content.rfind(b"]")
    found = _CURSOR.search(content, 0, max(first, 0)) or _CURSOR.search(content, last)
    return t.cast("str | None", parse_body(found[1])) if found else None


def _records(body: Mapping[str, t.Any], records_key: str) -> list[Record] | None:
    """The records, in any envelope that RainFocus uses (docs/rainfocus-api.md §3.1)."""
    lists = [body[key] for key in (records_key, *_RECORDS_KEYS) if _are_objects(body.get(key))]
    if sections := [section.get("items") or [] for section in _sections(body)]:
        lists += [[*chain(*sections)]] if all(map(_are_objects, sections)) else []
    nothing_else = "responseCode" in body and not body.keys() - _ENVELOPE
    found = next(filter(None, lists), lists[0] if lists else [] if nothing_else else None)
    return None if found is None else [record for record in found if record is not None]


def _sections(body: Mapping[str, t.Any]) -> list[Record]:
    sections = body.get("sectionList")
    return [section for section in sections if section] if _are_objects(sections) else []


def _total(body: Mapping[str, t.Any]) -> int:
    told = [source.get(key) for source in (body, *_sections(body)) for key in _TOTALS]
    return max((int(total) for total in told if isinstance(total, int | float)), default=0)


def _are_objects(value: object) -> t.TypeGuard[list[Record]]:
    return isinstance(value, list) and all(item is None or isinstance(item, dict) for item in value)


def _clock(body: Mapping[str, t.Any], headers: Mapping[str, str]) -> str | None:
    with suppress(KeyError, ValueError):
        return read_moment(body["timestamp"])
    with suppress(KeyError, ValueError):
        return rfc3339(parsedate_to_datetime(headers["Date"]))
    return None
