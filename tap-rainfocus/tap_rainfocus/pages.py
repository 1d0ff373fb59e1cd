"""What one reply to a read call holds: records, the way to the next page, the server's clock."""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from rainfocus_client.errors import RainFocusError, RetriableError

from tap_rainfocus.values import from_epoch_ms, rfc3339

if t.TYPE_CHECKING:
    from collections.abc import Mapping

Record: t.TypeAlias = dict[str, t.Any]

_RECORDS_KEYS = ("results", "data", "items")
_ENVELOPE = frozenset({"responseCode", "responseMessage", "timestamp", "cursor"})


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
            RetriableError: The page is empty though a cursor says more is to come. Captured on
                the web catalogue as the sign of throttling.
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
        if cursor and not records:
            msg = f"RainFocus answered {call} with an empty page before the end: it is throttling."
            raise RetriableError(msg)
        return cls(records, cursor, _clock(body, headers))


def _records(body: Mapping[str, t.Any], records_key: str) -> list[Record] | None:
    """The records, in any of the envelopes that RainFocus' surfaces use (§3.1)."""
    for key in (records_key, *_RECORDS_KEYS):
        if _are_objects(body.get(key)):
            return t.cast("list[Record]", body[key])
    if _are_objects(body.get("sectionList")):
        lists = [section.get("items") or [] for section in body["sectionList"]]
        if all(map(_are_objects, lists)):
            return [record for records in lists for record in records]
    return None if body.keys() - _ENVELOPE else []


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _clock(body: Mapping[str, t.Any], headers: Mapping[str, str]) -> str | None:
    with suppress(KeyError, ValueError):
        return rfc3339(from_epoch_ms(body["timestamp"]))
    with suppress(KeyError, ValueError):
        return rfc3339(parsedate_to_datetime(headers["Date"]))
    return None
