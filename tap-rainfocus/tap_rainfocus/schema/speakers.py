"""What is shown of speakers, wherever they stand.

A captured public reply holds the private registration answers of its speakers, and sessions that
are not published (docs/rainfocus-api.md §4.3): both come out only where that is asked for.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from functools import lru_cache

from tap_rainfocus.schema import xdm
from tap_rainfocus.schema.names import fold_key
from tap_rainfocus.schema.unread import TOO_DEEP
from tap_rainfocus.schema.values import read_boolean, read_objects

_OTHERS = frozenset({xdm.ATTENDEE.name, xdm.LEAD.name})
"""The groups that tell of people who are no speakers."""

_PERSON = frozenset(
    {
        *("bio", "firstname", "fullname", "globalfullname", "jobtitle", "lastname"),
        *("speakerid", "speakerrole", "userref"),
    }
)
"""Keys, folded, by which an object is known as a speaker."""

_SPEAKERS = ("participant", "presenter", "speaker")
"""Words in a key, folded, under which speakers stand."""

_PUBLISHED = frozenset({"published", "ispublished"})

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

    def apply(self, group: xdm.Group) -> xdm.Group:
        """A group, with what is shown of the speakers in it."""
        if group.name in _OTHERS:
            return group
        for field in group.fields:
            if field.kind.read is read_objects:
                is_of_speakers = field.name in {"participants", "sessions"}
                read = self.read_speakers if is_of_speakers else self.read_others
                group = group.reading(field.name, read)
        if group.name != xdm.SPEAKER.name:
            return replace(group, read_unknown=self.read_unknown)
        shown = group if self.answers else group.hiding({"attributes"})
        return replace(shown, read_unknown=self.read_unknown_of_speaker)

    def read_speakers(self, value: object) -> list[dict[str, t.Any]]:
        """Speakers, or what is a speaker's, with what is shown of it."""
        objects = read_objects(value)
        return t.cast("list[dict[str, t.Any]]", self._read(objects, in_speaker=True))

    def read_others(self, value: object) -> list[dict[str, t.Any]]:
        """Objects in which there may be speakers."""
        objects = read_objects(value)
        return t.cast("list[dict[str, t.Any]]", self._read(objects, in_speaker=False))

    def read_unknown(self, value: object) -> object:
        """What no group declares: speakers may stand in it, under whatever name."""
        return self._read(value, in_speaker=False)

    def read_unknown_of_speaker(self, value: object) -> object:
        """The same of what stands in a speaker."""
        return self._read(value, in_speaker=True)

    def _read(self, value: object, *, in_speaker: bool) -> object:
        if not isinstance(value, dict | list):
            return value
        try:
            return self._shown(value, in_speaker=in_speaker)
        except RecursionError:
            return [{"value": TOO_DEEP}]

    def _shown(self, value: object, *, in_speaker: bool) -> object:
        match value:
            case dict():
                inside = in_speaker or any(_folded(key) in _PERSON for key in value)
                return {
                    key: self._field(_folded(key), inner, in_speaker=inside)
                    for key, inner in value.items()
                    if self.answers or not (inside and "attribute" in _folded(key))
                }
            case list():
                shown = (self._shown(inner, in_speaker=in_speaker) for inner in value)
                return [one for one in shown if not in_speaker or self._is_shown(one)]
            case _:
                return value

    def _field(self, name: str, value: object, *, in_speaker: bool) -> object:
        if name in _PUBLISHED:
            return _boolean(value)
        of_speakers = any(word in name for word in _SPEAKERS)
        return self._shown(value, in_speaker=in_speaker or of_speakers)

    def _is_shown(self, one: object) -> bool:
        """Whether an object in a list is no session, or one that is published."""
        if self.unpublished or not isinstance(one, dict):
            return True
        told = [value for key, value in one.items() if _folded(key) in _PUBLISHED]
        is_session = not any(_folded(key) in _PERSON - {"speakerrole"} for key in one)
        return not is_session or all(value is None or value is True for value in told)


def _boolean(value: object) -> object:
    """Whether something is published; as it came where that cannot be read."""
    if isinstance(value, str) and value.strip().casefold() == "published":
        return True
    try:
        return None if value is None else read_boolean(value)
    except ValueError:
        return value
