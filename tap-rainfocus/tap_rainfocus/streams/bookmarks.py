"""What a state must look like, and whose bookmarks it holds."""

from __future__ import annotations

import typing as t
from collections import Counter

from rainfocus_client.errors import SettingsError

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    State: t.TypeAlias = Mapping[str, t.Any]

SOURCE = "source"
"""Key of a bookmark: host and org that it is of."""

VALUE = "replication_key_value"


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
            raise SettingsError(msg) from None
        msg = (
            "The state has no bookmarks, or they are of another version: give the last line that "
            "the loader printed, or run without state."
        )
        raise SettingsError(msg) from None
    for (stream, event), count in counts.items():
        if count > 1:
            msg = (
                f"The state has {count} bookmarks of stream {stream} for event {event}: leave the "
                "oldest one in it, or run without state."
            )
            raise SettingsError(msg)


def drop_bookmarks_of_others(state: State, source: str) -> list[str]:
    """Take the bookmarks out of a state that are of another host or org than `source`.

    One that does not say whose it is stays.

    Returns:
        The streams they were of.
    """
    dropped = []
    for stream, bookmark in _bookmarks(state):
        if bookmark.get(SOURCE, source) != source:
            for key in (SOURCE, VALUE):
                bookmark.pop(key, None)
            dropped.append(stream)
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
