"""What one reply to a read call holds: records, the way to the next page, the server's clock."""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from rainfocus_client.errors import RainFocusError, RetriableError

from tap_rainfocus.values import read_moment, rfc3339

if t.TYPE_CHECKING:
    from collections.abc import Mapping

Record: t.TypeAlias = dict[str, t.Any]

_RECORDS_KEYS = ("results", "data", "items")
_TOTALS = ("total", "totalSearchItems")
_ENVELOPE = frozenset({"responseCode", "responseMessage", "timestamp", "cursor"})


class UncertainEndError(RetriableError):
    """A page that a cursor led to is empty and leads nowhere: the end, or throttling."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a download.

    Attributes:
        records: The records as they came.
        cursor: What to send for the next page; None at the end.
        clock: The server's clock, RFC 3339 in UTC, where the reply tells it.
    """

    records: list[Record]
    cursor: str | None
    clock: str | None

    @classmethod
    def from_reply(
        cls, call: str, body: Mapping[str, t.Any], headers: Mapping[str, str], records_key: str
    ) -> Page:
        """Read a reply (`results`, `cursor`, `timestamp`: rainfocus-api.md §3.1 and §5).

        Raises:
            RetriableError: The page is empty though a cursor or a total says otherwise. Captured
                on the web catalogue as the sign of throttling.
            RainFocusError: No list of records can be found.
        """
        records = _records(body, records_key)
        if records is None:
            msg = (
                f"RainFocus answered {call} without a list of records: "
                "name its key in the setting endpoints (records_key)."
            )
            raise RainFocusError(msg)
        cursor = str(body["cursor"]) if body.get("cursor") else None
        if not records and (cursor or any(body.get(total) for total in _TOTALS)):
            msg = f"RainFocus answered {call} with an empty page before the end: it is throttling."
            raise RetriableError(msg)
        return cls(records, cursor, _clock(body, headers))


def _records(body: Mapping[str, t.Any], records_key: str) -> list[Record] | None:
    """The records, in any of the envelopes that RainFocus' surfaces use (§3.1)."""
    for key in (records_key, *_RECORDS_KEYS):
        if _are_objects(body.get(key)):
            return _present(body[key])
    if _are_objects(body.get("sectionList")):
        lists = [section.get("items") or [] for section in _present(body["sectionList"])]
        if all(map(_are_objects, lists)):
            return [record for records in lists for record in _present(records)]
    nothing_else = "responseCode" in body and not body.keys() - _ENVELOPE
    return [] if nothing_else else None


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and all(item is None or isinstance(item, dict) for item in value)


def _present(records: list[Record | None]) -> list[Record]:
    return [record for record in records if record is not None]


def _clock(body: Mapping[str, t.Any], headers: Mapping[str, str]) -> str | None:
    with suppress(KeyError, ValueError):
        return read_moment(body["timestamp"])
    with suppress(KeyError, ValueError):
        return rfc3339(parsedate_to_datetime(headers["Date"]))
    return None
