"""The API of an organisation, version 3."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import cached_property, partial
from urllib.parse import urlsplit

from rainfocus_client.auth import credentials_from_settings
from rainfocus_client.connection import Connection

from tap_rainfocus.api.attempts import Attempts
from tap_rainfocus.api.client import RainFocusClient
from tap_rainfocus.api.pagination import Downloader
from tap_rainfocus.api.sender import Sender
from tap_rainfocus.api.shared_downloads import SharedDownloads

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_rainfocus.api.network import Network
    from tap_rainfocus.api.pages import Page
    from tap_rainfocus.api.surface import Download
    from tap_rainfocus.api.turns import Turns
    from tap_rainfocus.settings import TapSettings

DUMP_PAGE_SIZE = 100_000
"""A working client asks dumps for this many; without it they seem to be cut off."""


class V3:
    """Every stream of an organisation, event by event."""

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
        """Host and org."""
        host = urlsplit(Connection.from_settings(self.settings).api_url).netloc.lower()
        return f"{host}/{self.settings.org_id}"

    @property
    def events(self) -> Sequence[str]:
        """Those of the settings."""
        return self.settings.events

    def source(self, stream: str, path: str) -> V3Source:
        """Where a stream comes from, as the setting `endpoints` says or by default."""
        named = self.settings.endpoints.get(stream, {})
        call = named.get("path", path).strip("/")
        key = named.get("records_key") or ("results" if call.endswith("/search") else "data")
        return V3Source(self, call, key)

    @cached_property
    def downloader(self) -> Downloader:
        """What all streams read through."""
        settings = self.settings
        connection = Connection.from_settings(settings)
        sender = Sender(
            self._network,
            connection.api_url,
            connection.token_url,
            connections=settings.concurrency,
            requests_per_second=settings.requests_per_second,
        )
        client = RainFocusClient(connection, credentials_from_settings(settings), sender)
        is_alone = min(settings.concurrency, len(settings.events)) <= 1
        return Downloader(client, Attempts(self._network, tells_all=is_alone))


@dataclass(frozen=True, slots=True)
class V3Source:
    """A call, and the key of its records."""

    surface: V3
    call: str
    records_key: str
    floor = None

    @property
    def is_searched(self) -> bool:
        """Search calls have pages and heed `since`."""
        return self.call.endswith("/search")

    def download(self, event: str | None, since: int | None, *, is_trial: bool) -> Download:
        """Get ready to read one event, or the one that the profile is bound to."""
        settings = self.surface.settings
        size = settings.page_size if self.is_searched else DUMP_PAGE_SIZE
        params: dict[str, str | int] = {"pageSize": 1 if is_trial else size}
        if event:
            params[settings.event_parameter] = event
        if since is not None:
            params["since"] = since
        return partial(self._pages, params)

    def _pages(self, params: dict[str, str | int], turns: Turns) -> Iterable[Page]:
        def read() -> Iterator[Page]:
            return self.surface.downloader.pages(self.call, params, self.records_key, turns)

        if self.is_searched:
            return read()
        return self.surface.shared.pages(self.call, (self.records_key, *params.items()), read)
