"""The public catalogue of an event as a source of streams."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from functools import cached_property, partial
from urllib.parse import urlencode, urlsplit

from rainfocus_client.connection import api_url
from rainfocus_client.errors import EndpointDeniedError, SettingsError
from rainfocus_client.troubles import Trouble

from tap_rainfocus.api.attempts import Attempts
from tap_rainfocus.api.catalogue.client import CatalogueClient
from tap_rainfocus.api.catalogue.crawl import Crawler
from tap_rainfocus.api.catalogue.items import Kind, kind_of, united
from tap_rainfocus.api.catalogue.speakers import speakers_in
from tap_rainfocus.api.pages import Page, UncertainEndError
from tap_rainfocus.api.sender import Sender
from tap_rainfocus.api.shared_downloads import SharedDownloads

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_rainfocus.api.catalogue.client import Form
    from tap_rainfocus.api.catalogue.pages import CataloguePage
    from tap_rainfocus.api.network import Network
    from tap_rainfocus.api.pages import Record
    from tap_rainfocus.api.surface import Download
    from tap_rainfocus.api.turns import Turns
    from tap_rainfocus.settings import TapSettings

MOST_ON_A_PAGE = 50
"""What is given at most, whatever is asked (captured)."""

REQUESTS_PER_SECOND = 1.0
"""What a public page is asked at most, unless a setting says otherwise."""

MOST_SAID = 200
"""Characters of what a catalogue says that a message quotes."""

_SEARCH = "search"

_STREAMS = {
    "sessions": Kind.SESSION,
    "session_times": Kind.SESSION,
    "speakers": Kind.SPEAKER,
    "exhibitors": Kind.EXHIBITOR,
}


class Catalogue:
    """Sessions with their times and speakers, and exhibitors, of one catalogue."""

    def __init__(
        self, settings: TapSettings, network: Network, calls: Callable[[], Iterable[str]]
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            settings: Complete and checked.
            network: Who asks.
            calls: The calls of all streams that will be read.
        """
        self.settings = settings
        self._network = network
        self.shared = SharedDownloads(calls)

    @cached_property
    def origin(self) -> str:
        """Host, the ids of the catalogue and what is wanted of it."""
        settings = self.settings
        ids = f"{settings.catalogue_profile_id}/{settings.catalogue_widget_id or ''}"
        wanted = {**settings.catalogue_search, "event_codes": sorted(settings.events)}
        search = urlencode(sorted(wanted.items()), doseq=True)
        return f"{urlsplit(api_url(settings)).netloc.lower()}/{ids}?{search}"

    @property
    def events(self) -> Sequence[str]:
        """None: a catalogue has its own, and all of them come at once."""
        return ()

    def source(self, stream: str, path: str) -> CatalogueSource | None:
        """Where a stream comes from; attendees and leads are not public."""
        del path
        if (given := _STREAMS.get(stream)) is None:
            return None
        named = self.settings.endpoints.get(stream, {}).get("path")
        own = _SEARCH if given is Kind.EXHIBITOR else self.settings.catalogue_path
        has_own_call = named or given is Kind.EXHIBITOR
        return CatalogueSource(self, named or own, given if has_own_call else Kind.SESSION, given)

    @cached_property
    def client(self) -> CatalogueClient:
        """What asks."""
        settings, address = self.settings, api_url(self.settings)
        rate = settings.requests_per_second or REQUESTS_PER_SECOND
        sender = Sender(self._network, address, connections=1, requests_per_second=rate)
        profile_id = t.cast("str", settings.catalogue_profile_id)
        return CatalogueClient(address, profile_id, settings.catalogue_widget_id, sender)

    @cached_property
    def attempts(self) -> Attempts:
        """What asks again."""
        return Attempts(self._network, tells_all=True)

    @cached_property
    def crawler(self) -> Crawler:
        """What reads all pages."""
        return Crawler(self._network.logger, self.settings.catalogue_floor)

    def warn_of_nothing(self) -> None:
        """Say that there are no sessions: there may be none yet, or the ids are wrong."""
        self._network.logger.warning(
            "The catalogue holds no sessions: check catalogue_profile_id, catalogue_widget_id and "
            "catalogue_search, or try again when the programme is out."
        )

    def of_events(self, items: list[Record]) -> list[Record]:
        """The items of the events that are to be read.

        Raises:
            SettingsError: There are items, but none of these events.
        """
        wanted = {code.casefold() for code in self.settings.events}
        told = [str(item.get("eventCode") or "") for item in items]
        kept = [
            item
            for item, code in zip(items, told, strict=True)
            if not wanted or not code or code.casefold() in wanted
        ]
        if items and not kept:
            found = " ".join(", ".join(sorted(set(told))).split())
            msg = (
                f"The catalogue is of {found[:MOST_SAID]}: correct catalogue_profile_id, or "
                "event_codes, which names other events."
            )
            raise SettingsError(msg, Trouble.CATALOGUE)
        return kept


@dataclass(frozen=True, slots=True)
class CatalogueSource:
    """A search, and what of its items is the stream's.

    Attributes:
        path: The call.
        asked: What is asked for, unless the setting `catalogue_search` says otherwise.
        given: What the stream holds: speakers stand in sessions, too.
    """

    surface: Catalogue
    path: str
    asked: Kind
    given: Kind
    is_searched = False

    @property
    def form(self) -> Form:
        """The fields of the form, without those for paging."""
        return {"type": self.asked.value, **self.surface.settings.catalogue_search}

    @property
    def call(self) -> str:
        """Path and type."""
        return f"{self.path} {self.form['type']}"

    @property
    def floor(self) -> float:
        """As the setting says."""
        return self.surface.settings.catalogue_floor

    def download(self, event: str | None, since: int | None, *, is_trial: bool) -> Download:
        """Get ready to read all there is."""
        del event, since
        return partial(self._pages, is_trial)

    def _pages(self, is_trial: bool, turns: Turns) -> Iterator[Page]:  # noqa: FBT001, of a partial
        def read() -> Iterator[Page]:
            yield self._first(turns) if is_trial else self._whole(turns)

        for page in self.surface.shared.pages(self.call, is_trial, read):
            yield replace(page, records=self._own(page.records))

    def _own(self, records: list[Record]) -> list[Record]:
        kinds = [kind_of(one, self.asked) for one in records]
        own = [one for one, kind in zip(records, kinds, strict=True) if kind is self.given]
        if self.given is Kind.SPEAKER:
            others = (one for one, kind in zip(records, kinds, strict=True) if kind is Kind.SESSION)
            return speakers_in(others, own)
        return own

    def _first(self, turns: Turns) -> Page:
        page = self._ask(turns, 1, 0)
        items = [item for section in page.sections for item in section.items]
        return self._page(items, page.clock, is_whole=False)

    def _whole(self, turns: Turns) -> Page:
        size = min(self.surface.settings.page_size, MOST_ON_A_PAGE)
        crawl = self.surface.crawler.crawl(self.call, partial(self._ask, turns, size))
        if not crawl.items and self.asked is Kind.SESSION:
            self.surface.warn_of_nothing()
        return self._page([*crawl.items.values()], crawl.clock, is_whole=crawl.is_whole)

    def _page(self, items: list[Record], clock: str | None, *, is_whole: bool) -> Page:
        events = self.surface.settings.events
        records = united(self.surface.of_events(items), self.asked)
        event = events[0] if len(events) == 1 else None
        return Page(records, None, clock, event=event, is_whole=is_whole)

    def _ask(
        self,
        turns: Turns,
        size: int,
        start: int,
        *,
        section: str | None = None,
        total: int | None = None,
    ) -> CataloguePage:
        named = {"sectionId": section} if section else {}
        form = {**self.form, **named, "from": start, "size": size}

        def attempt() -> CataloguePage:
            try:
                page = self.surface.client.ask(self.path, form, turns.rest)
            except SettingsError as refusal:
                if self.given is Kind.EXHIBITOR:  # many catalogues have sessions alone
                    raise EndpointDeniedError(str(refusal), refusal.trouble) from None
                raise
            told = page.total or total or 0
            if told > start and not any(one.items for one in page.sections):
                msg = (
                    f"RainFocus answered {self.call} with an empty page before the end, a sign of "
                    "throttling: try again later, or lower requests_per_second."
                )
                raise UncertainEndError(msg, Trouble.EMPTY_PAGE)
            return page

        return self.surface.attempts.make(attempt, turns)
