"""What RainFocus can be read through, as streams see it."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tap_rainfocus.api.pages import Page
    from tap_rainfocus.api.turns import Turns

    Download: t.TypeAlias = Callable[[Turns], Iterable[Page]]
    """Gives the pages of a download, and takes turns with others."""


class Source(t.Protocol):
    """Where one stream comes from."""

    @property
    def call(self) -> str:
        """What is asked; those of one call share a download."""

    @property
    def is_searched(self) -> bool:
        """Whether it is read page by page and can be asked for changes; else in one piece."""

    @property
    def floor(self) -> float | None:
        """The share of the records of the last run below which a run must not end well.

        None where the records are not counted.
        """

    def download(self, event: str | None, since: int | None, *, is_trial: bool) -> Download:
        """Get ready to read one event, or all there is.

        Args:
            event: Its code.
            since: What has changed since then, in milliseconds since 1970; None for all.
            is_trial: Whether one record is enough.
        """


class Surface(t.Protocol):
    """Where the streams of a run come from."""

    @property
    def origin(self) -> str:
        """Whose the bookmarks are."""

    @property
    def events(self) -> Sequence[str]:
        """The events that can be asked for one by one."""

    def source(self, stream: str, path: str) -> Source | None:
        """Where a stream comes from; None where there is no such thing here.

        Args:
            stream: Its name.
            path: The call of v3 that it is read with.
        """
