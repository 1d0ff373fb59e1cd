"""What one reply of a catalogue holds (docs/rainfocus-api.md §3.3)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from rainfocus_client.errors import SettingsError
from rainfocus_client.troubles import Trouble

from tap_rainfocus.api.pages import clock_of, number

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_rainfocus.api.pages import Record


@dataclass(frozen=True, slots=True)
class Section:
    """Items that are paged together.

    Attributes:
        name: What later pages of it are asked for by; None where it has no name.
        total: How many items there are; None where it is not told.
        items: Those on this page.
    """

    name: str | None
    total: int | None
    items: list[Record]


@dataclass(frozen=True, slots=True)
class CataloguePage:
    """A reply: the first page has sections, later ones are flat, as if they were one.

    Attributes:
        sections: At least one.
        total: How many items the whole search has; None where it is not told.
        clock: The server's clock, RFC 3339 in UTC, where the reply tells it.
    """

    sections: list[Section]
    total: int | None
    clock: str | None

    @classmethod
    def from_reply(
        cls, call: str, body: Mapping[str, t.Any], headers: Mapping[str, str]
    ) -> CataloguePage:
        """Read a reply.

        Raises:
            SettingsError: It holds no list of items.
        """
        told = body.get("sectionList")
        raw = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else [body]
        sections = [
            Section(
                str(one["sectionId"]) if one.get("sectionId") else None,
                number(one.get("total")),
                [item for item in one["items"] if isinstance(item, dict)],
            )
            for one in raw
            if isinstance(one.get("items"), list)
        ]
        total = number(body.get("totalSearchItems"))
        totals = [one.total for one in sections if one.total is not None]
        if total is None and sections and len(totals) == len(sections):
            total = sum(totals)
        if not sections and not total and isinstance(told, list):
            sections = [Section(None, total, [])]
        if not sections:
            msg = (
                f"RainFocus answered {call} without a list of items: check catalogue_path and "
                "catalogue_search."
            )
            raise SettingsError(msg, Trouble.NO_RECORDS_KEY)
        return cls(sections, total, clock_of(body, headers))
