"""Downloads that several streams read are made once."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_rainfocus.api.client import Params
    from tap_rainfocus.api.pages import Page
    from tap_rainfocus.api.pagination import Downloader


class SharedDownloads:
    """Hands a dump to every stream that wants it and forgets it with the last one."""

    def __init__(self, downloader: Downloader, calls: Iterable[str]) -> None:
        """Expect one reader for each time a call is named in `calls`."""
        self._downloader = downloader
        self._calls = list(calls)
        self._kept: dict[tuple[t.Any, ...], tuple[list[Page], int]] = {}

    def pages(self, call: str, params: Params, records_key: str) -> Iterable[Page]:
        """The pages of a dump, from RainFocus or as another stream has read them."""
        key = (call, records_key, *params.items())
        pages, readers = self._kept.pop(key, (None, self._calls.count(call)))
        if pages is None:
            if readers == 1:
                return self._downloader.pages(call, params, records_key)
            pages = list(self._downloader.pages(call, params, records_key))
        if readers > 1:
            self._kept[key] = (pages, readers - 1)
        return pages
