"""What is shown of speakers, within sessions and by themselves.

A captured public reply holds the private registration answers of its speakers, and sessions that
are not published (docs/rainfocus-api.md §4.3): both come out only where that is asked for.
"""

from __future__ import annotations

import typing as t
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

from tap_rainfocus.schema.names import fold_key
from tap_rainfocus.schema.values import read_boolean, read_objects
from tap_rainfocus.schema.xdm import SPEAKER

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_rainfocus.schema.xdm import Group

_ANSWERS = frozenset({"attributes", "attributevalues", "customattributes"})
_SESSIONS = frozenset({"session", "sessions"})
_PUBLISHED = "published"

_folded = lru_cache(maxsize=1024)(fold_key)


@dataclass(frozen=True, slots=True)
class SpeakerView:
    """What is shown of speakers.

    Attributes:
        answers: Their custom attributes.
        unpublished: Sessions of theirs that are not published.
    """

    answers: bool = False
    unpublished: bool = False

    def apply(self, group: Group) -> Group:
        """A group that may tell of speakers, with what is shown of them."""
        shown = group.reading("participants", self.read_speakers).reading(
            "sessions", self.read_sessions
        )
        if self.answers:
            return shown
        private = {"attributes"} if group.name == SPEAKER.name else set()
        return replace(shown.hiding(private), read_unknown=self.read_unknown)

    def read_unknown(self, value: object) -> object:
        """What no group declares: speakers may stand in it, under whatever name.

        Raises:
            ValueError: It is nested too deep.
        """
        with _not_too_deep():
            return self._shown(value)

    def read_speakers(self, value: object) -> list[dict[str, t.Any]]:
        """Speakers, with what is shown of them.

        Raises:
            ValueError: They are nested too deep.
        """
        with _not_too_deep():
            return [self._speaker(speaker) for speaker in read_objects(value)]

    def read_sessions(self, value: object) -> list[dict[str, t.Any]]:
        """The sessions of a speaker that are shown, `published` as a boolean.

        Raises:
            ValueError: They are nested too deep.
        """
        with _not_too_deep():
            sessions = [self._regular(session) for session in read_objects(value)]
        return [session for session in sessions if self.unpublished or _is_shown(session)]

    def _speaker(self, speaker: dict[str, t.Any]) -> dict[str, t.Any]:
        return {
            key: self.read_sessions(value) if value and _folded(key) in _SESSIONS else value
            for key, value in self._regular(speaker).items()
        }

    def _regular(self, fields: dict[str, t.Any]) -> dict[str, t.Any]:
        """The fields that are shown, `published` as a boolean."""
        return {
            key: _boolean(value) if _folded(key) == _PUBLISHED else self._shown(value)
            for key, value in fields.items()
            if self.answers or _folded(key) not in _ANSWERS
        }

    def _shown(self, value: object) -> object:
        if self.answers:
            return value
        match value:
            case dict():
                return {k: self._shown(v) for k, v in value.items() if _folded(k) not in _ANSWERS}
            case list():
                return [self._shown(inner) for inner in value]
            case _:
                return value


@contextmanager
def _not_too_deep() -> Iterator[None]:
    try:
        yield
    except RecursionError as error:
        raise ValueError from error


def _boolean(value: object) -> object:
    try:
        return read_boolean(value)
    except ValueError:
        return value


def _is_shown(session: dict[str, t.Any]) -> bool:
    return not any(value is False for key, value in session.items() if _folded(key) == _PUBLISHED)
