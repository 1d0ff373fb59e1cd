"""Finds the records in a reply, also under a key that the tap has to be told."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from rainfocus_client.errors import RainFocusError
from tap_rainfocus.api.pages import Page

from rainfocus_probe.shapes import is_name

if t.TYPE_CHECKING:
    from rainfocus_probe.asking import Reply

Record: t.TypeAlias = dict[str, t.Any]

_KNOWN = ("results", "data", "items", "sectionList")


@dataclass(frozen=True, slots=True)
class Found:
    """Records, and where they were.

    Attributes:
        key: Of the list.
        records: Those that are objects.
        needs_setting: Whether the tap finds them only where `records_key` names the key.
        page: The same as the tap reads it; None where it would not read it.
    """

    key: str
    records: list[Record]
    needs_setting: bool
    page: Page | None


def usual_key(call: str) -> str:
    """The key that the tap looks for first."""
    return "results" if call.endswith("/search") else "data"


def find_records(call: str, reply: Reply) -> Found | None:
    """The records in a reply; None where there is no list of them, or more than one."""
    body = reply.content
    usual = usual_key(call)
    known = next((key for key in (usual, *_KNOWN) if isinstance(body.get(key), list)), None)
    key = known or _only_list(body)
    if key is None:
        return None
    page = _page(call, reply, key)
    found = page.records if page else body[key]
    records = [record for record in found if isinstance(record, dict)]
    return Found(key, records, needs_setting=known is None, page=page)


def _only_list(body: Record) -> str | None:
    """The key of the one list that may be one of records."""
    lists = {key: value for key, value in body.items() if isinstance(value, list) and is_name(key)}
    filled = [key for key, value in lists.items() if value and isinstance(value[0], dict)]
    candidates = filled or list(lists)
    return candidates[0] if len(candidates) == 1 else None


def _page(call: str, reply: Reply, key: str) -> Page | None:
    try:
        return Page.from_reply(call, reply.content, reply.headers, key)
    except RainFocusError:  # such as an empty page before the end
        return None
