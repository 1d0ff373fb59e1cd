"""Reads a catalogue whole, though it may change meanwhile."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace
from functools import partial

from rainfocus_client.errors import DataError
from rainfocus_client.troubles import Trouble

from tap_rainfocus.api.catalogue.items import occurrence_of
from tap_rainfocus.api.pages import UncertainEndError

if t.TYPE_CHECKING:
    import logging

    from tap_rainfocus.api.catalogue.items import Key
    from tap_rainfocus.api.catalogue.pages import CataloguePage, Section
    from tap_rainfocus.api.pages import Record


MOST_PASSES = 3


class Ask(t.Protocol):
    """Asks for a page, and for one that is empty before the end again."""

    def __call__(
        self, start: int, *, section: str | None = None, total: int | None = None
    ) -> CataloguePage:
        """Ask for the items from a number on, of a section or of all.

        Args:
            start: The number.
            section: Its name, if only its items are wanted.
            total: How many there are, as far as it is known.

        Raises:
            UncertainEndError: The page stays empty.
        """


@dataclass(slots=True)
class Crawl:
    """What one pass over all pages gave.

    Attributes:
        total: How many items there are, as the site says; None where it does not.
        clock: The server's, of the first page.
        items: The occurrences that came, each once.
        received: How many came, repeated ones too.
        is_steady: Whether every page told the same total, and no item came on two of them.
        is_whole: Whether all that is there has come.
    """

    total: int | None
    clock: str | None
    items: dict[Key, Record] = field(default_factory=dict)
    received: int = 0
    is_steady: bool = True
    is_whole: bool = True

    def take(self, items: list[Record]) -> list[Key]:
        """Take over what came, and tell what it is known by."""
        keys = [*map(occurrence_of, items)]
        for key, item in zip(keys, items, strict=True):
            self.items.setdefault(key, item)
        self.received += len(items)
        return keys


class Crawler:
    """Reads all pages of a search, again where they changed while they were read."""

    def __init__(self, logger: logging.Logger, floor: float) -> None:
        """Accept no less than a share `floor` of what the site announces."""
        self._logger = logger
        self._floor = floor

    def crawl(self, call: str, ask: Ask) -> Crawl:
        """Read all that is there.

        Args:
            call: What is asked, for messages.
            ask: Asks for a page.

        Raises:
            UncertainEndError: Too little of what is announced comes.
            DataError: A page comes again instead of the next one.
            RainFocusError: What asking raises.
        """
        keys: frozenset[Key] | None = None
        for _ in range(MOST_PASSES):
            crawl = self._pass(call, ask)
            if crawl.total is not None and crawl.received < crawl.total:
                self._tell_short(call, crawl, crawl.total)
                crawl.is_whole = False
                return crawl
            if crawl.is_steady or keys == crawl.items.keys():
                return crawl
            keys = frozenset(crawl.items)
        self._logger.warning(
            "The catalogue changed while it was read, %d times: something may be missing (%s).",
            MOST_PASSES,
            call,
        )
        crawl.is_whole = False
        return crawl

    def _pass(self, call: str, ask: Ask) -> Crawl:
        page = ask(0)
        crawl = Crawl(page.total, page.clock)
        match page.sections:
            case [section]:
                single = replace(section, total=section.total or page.total)
                _read_section(call, crawl, single, ask)
            case sections if all(section.name for section in sections):
                for section in sections:
                    _read_section(call, crawl, section, partial(ask, section=section.name))
            case sections:  # what has no name can be asked for only with all the rest
                items = [item for section in sections for item in section.items]
                merged = replace(sections[0], total=page.total, items=items)
                _read_section(call, crawl, merged, ask)
        return crawl

    def _tell_short(self, call: str, crawl: Crawl, total: int) -> None:
        msg = (
            f"The catalogue gave {crawl.received:,} of the {total:,} items that it announces "
            f"({call})"
        )
        if crawl.received < self._floor * total:
            msg = (
                f"{msg}, less than catalogue_floor allows: try again later, or divide them with "
                "catalogue_search."
            )
            raise UncertainEndError(msg, Trouble.CATALOGUE_FLOOR)
        self._logger.warning("%s: what is gone from it stays in loaders.", msg)


def _read_section(call: str, crawl: Crawl, section: Section, ask: Ask) -> None:
    """Read the pages of a section, the first of which has come.

    How many items came says where the next page begins: one before the last may be shorter than
    asked (captured).
    """
    total, items = section.total, section.items
    received = 0
    known: set[Key] = set()
    last: list[Key] = []
    while True:
        keys = crawl.take(items)
        if keys and keys == last:
            if total is None:  # all there is came at once
                return
            msg = f"RainFocus answers {call} with one page again and again: it does not heed from."
            raise DataError(msg, Trouble.PAGES)
        crawl.is_steady &= known.isdisjoint(keys)
        known.update(keys)
        received, last = received + len(items), keys
        if received >= total if total is not None else not items:
            return
        try:
            page = ask(received, total=total)
        except UncertainEndError:
            return
        part = next((one for one in page.sections if one.name == section.name), page.sections[0])
        if part.total and total is not None and part.total != total:
            crawl.is_steady = False
            crawl.total = (crawl.total or 0) + part.total - total
            total = part.total
        items = part.items
