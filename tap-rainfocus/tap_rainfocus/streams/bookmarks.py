"""The bookmarks of a state: what they must look like, whose they are, and those of one stream."""

from __future__ import annotations

import typing as t
from collections import Counter

from rainfocus_client.errors import SettingsError
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    State: t.TypeAlias = Mapping[str, t.Any]

SOURCE = "source"
"""Key of a bookmark: host and org that it is of."""

VALUE = "replication_key_value"

_KEY = "replication_key"

_COUNT = "count"


class Bookmarks:
    """The bookmarks of one stream: one for each event that has one, or one for all."""

    def __init__(self, entry: dict[str, t.Any], key: str, source: str) -> None:
        """Take over a stream's entry of the state.

        Args:
            entry: It is written into.
            key: The replication key.
            source: Host and org that the bookmarks are of.
        """
        self._entry = entry
        self._marks = {_KEY: key, SOURCE: source}
        self._by_event = {one["context"]["event"]: one for one in _partitions(entry)}

    def value(self, event: str | None) -> t.Any:  # noqa: ANN401
        """Where the last run ended; None where there was none, or it had another key."""
        bookmark = self._by_event.get(event, {}) if event else self._entry
        return bookmark.get(VALUE) if bookmark.get(_KEY) == self._marks[_KEY] else None

    @property
    def count(self) -> int:
        """How many raw records the last run had, if it was counted."""
        count = self._entry.get(_COUNT, 0)
        return count if isinstance(count, int) else 0

    def keep_count(self, count: int) -> None:
        """How many raw records there were, for the next run to compare with."""
        self._entry.update({SOURCE: self._marks[SOURCE], _COUNT: count})

    def move(self, event: str | None, value: object) -> None:
        """Where the next run begins."""
        bookmark = self._entry
        if event and not (bookmark := self._by_event.get(event, {})):
            bookmark["context"] = {"event": event}
            self._by_event[event] = bookmark
            self._entry.setdefault("partitions", []).append(bookmark)
        bookmark.update({**self._marks, VALUE: value})


def check_state(state: State) -> None:
    """Check a state before anything is done with it.

    Raises:
        SettingsError: It is not one of this tap, or says two things about one event.
    """
    try:
        events = [
            (stream, partition["context"]["event"])
            for stream, bookmark in state["bookmarks"].items()
            for partition in _partitions(bookmark)
        ]
        counts = Counter(events)
    except (AttributeError, KeyError, TypeError):
        if state.get("type") == "STATE":
            msg = "The state is a whole STATE message: give what is under its value."
            raise SettingsError(msg, Trouble.STATE) from None
        msg = (
            "The state has no bookmarks, or they are of another version: give the last line that "
            "the loader printed, or run without state."
        )
        raise SettingsError(msg, Trouble.STATE) from None
    for (stream, event), count in counts.items():
        if count > 1:
            msg = (
                f"The state has {count} bookmarks of stream {stream} for event {event}: leave the "
                "oldest one in it, or run without state."
            )
            raise SettingsError(msg, Trouble.STATE)


def keep_bookmarks_of(source: str, state: State) -> list[str]:
    """Leave in a state the bookmarks of one host and org, and no event that has none.

    One that does not say whose it is stays.

    Returns:
        The streams whose bookmarks were of others.
    """
    dropped = []
    for stream, bookmark in _bookmarks(state):
        if bookmark.get(SOURCE, source) != source:
            for key in (SOURCE, VALUE, _COUNT):
                bookmark.pop(key, None)
            dropped.append(stream)
    for entry in state.get("bookmarks", {}).values():
        if "partitions" in entry:
            entry["partitions"] = [one for one in entry["partitions"] if VALUE in one]
    return [*dict.fromkeys(dropped)]


def _partitions(bookmark: Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    partitions = bookmark.get("partitions", [])
    if not isinstance(partitions, list):
        raise TypeError
    return partitions


def _bookmarks(state: State) -> Iterator[tuple[str, dict[str, t.Any]]]:
    for stream, bookmark in state.get("bookmarks", {}).items():
        for one in (bookmark, *_partitions(bookmark)):
            yield stream, one
