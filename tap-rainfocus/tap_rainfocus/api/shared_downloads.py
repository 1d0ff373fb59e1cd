"""Downloads that several streams read are made once, as long as they are small enough to keep."""

from __future__ import annotations

import threading
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_rainfocus.api.client import Params
    from tap_rainfocus.api.pages import Page
    from tap_rainfocus.api.pagination import Downloader
    from tap_rainfocus.api.turns import Turns

MOST_KEPT = 100_000
"""Records of all that is kept; a dump for which there is no room is asked for again."""


class SharedDownloads:
    """Hands a dump to every stream that wants it and forgets it with the last one."""

    def __init__(self, downloader: Downloader, calls: Iterable[str]) -> None:
        """Expect one reader for each time a call is named in `calls`."""
        self._downloader = downloader
        self._calls = list(calls)
        self._lock = threading.Lock()
        self._room = MOST_KEPT
        self._kept: dict[tuple[t.Any, ...], list[Page]] = {}
        self._awaited: dict[tuple[t.Any, ...], int] = {}

    def pages(self, call: str, params: Params, records_key: str, turns: Turns) -> Iterator[Page]:
        """The pages of a dump, from RainFocus or as another stream has read them."""
        key = (call, records_key, *params.items())
        awaited = self._awaited.get(key, self._calls.count(call)) - 1
        self._awaited[key] = awaited
        pages = self._take(key) or self._downloader.pages(call, params, records_key, turns)
        if not awaited:
            yield from pages
            return
        kept: list[Page] | None = []
        for page in pages:
            if kept is not None:
                kept = [*kept, page] if _size(kept) + len(page.records) <= self._room else None
            yield page
        if kept:
            self._keep(key, kept)

    def _take(self, key: tuple[t.Any, ...]) -> list[Page]:
        with self._lock:
            pages = self._kept.pop(key, [])
            self._room += _size(pages)
            return pages

    def _keep(self, key: tuple[t.Any, ...], pages: list[Page]) -> None:
        with self._lock:
            if (size := _size(pages)) <= self._room:
                self._room -= size
                self._kept[key] = pages


def _size(pages: Iterable[Page]) -> int:
    return sum(len(page.records) for page in pages)
