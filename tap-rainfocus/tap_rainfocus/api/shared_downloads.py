"""Downloads that several streams read are made once, as long as they are small enough to keep."""

from __future__ import annotations

import threading
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from tap_rainfocus.api.pages import Page

MOST_KEPT = 100_000
"""Records of all that is kept; a download for which there is no room is made again."""


class SharedDownloads:
    """Hands a download to every stream that wants it and forgets it with the last one."""

    def __init__(self, calls: Callable[[], Iterable[str]]) -> None:
        """Expect one reader for each time that `calls`, once it is asked, names a call."""
        self._calls = calls
        self._lock = threading.Lock()
        self._room = MOST_KEPT
        self._kept: dict[Hashable, list[Page]] = {}
        self._awaited: dict[Hashable, int] = {}

    def pages(
        self, call: str, params: Hashable, download: Callable[[], Iterable[Page]]
    ) -> Iterator[Page]:
        """The pages of a download, from RainFocus or as another stream has read them.

        Args:
            call: What is asked for.
            params: What tells downloads with one call apart.
            download: Makes it.
        """
        key = (call, params)
        awaited = self._awaited.get(key, [*self._calls()].count(call)) - 1
        self._awaited[key] = awaited
        pages = self._take(key) or download()
        if awaited <= 0:
            yield from pages
            return
        kept: list[Page] | None = []
        for page in pages:
            if kept is not None:
                kept = [*kept, page] if _size(kept) + len(page.records) <= self._room else None
            yield page
        if kept:
            self._keep(key, kept)

    def _take(self, key: Hashable) -> list[Page]:
        with self._lock:
            pages = self._kept.pop(key, [])
            self._room += _size(pages)
            return pages

    def _keep(self, key: Hashable, pages: list[Page]) -> None:
        with self._lock:
            if (size := _size(pages)) <= self._room:
                self._room -= size
                self._kept[key] = pages


def _size(pages: Iterable[Page]) -> int:
    return sum(len(page.records) for page in pages)
