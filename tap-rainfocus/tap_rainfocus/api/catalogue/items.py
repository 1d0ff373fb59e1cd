"""What the items of a catalogue are, and what several of them say of one thing.

An item is a session or one occurrence of it, an exhibitor or a speaker (docs/rainfocus-api.md
§3.3): which, its id tells.
"""

from __future__ import annotations

import enum
import typing as t

import orjson

from tap_rainfocus.schema.names import fold_key
from tap_rainfocus.schema.unread import as_text

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_rainfocus.api.pages import Record

    Key: t.TypeAlias = tuple[object, ...]

_TIMES = "times"
_TIME_ID = "sessionTimeID"
_OF_TIME = (_TIME_ID, "utcStartTime", "utcEndTime")
"""What an item that is an occurrence says of it, besides what stands in its times."""

_OCCURRENCE = ("es_metadata_id", _TIME_ID, "language", "eventCode", "eventId")


class Kind(enum.StrEnum):
    """What an item is, as the form field `type` asks for it."""

    SESSION = "session"
    EXHIBITOR = "exhibitor"
    SPEAKER = "speaker"


_IDS = {"sessionid": Kind.SESSION, "exhibitorid": Kind.EXHIBITOR, "speakerid": Kind.SPEAKER}
"""The keys, folded, that tell what an item is."""


def kind_of(item: Record, asked: Kind) -> Kind:
    """What an item is; what was asked for, where it does not say."""
    ids = {fold_key(key) for key in item}
    return next((kind for key, kind in _IDS.items() if key in ids), asked)


def occurrence_of(item: Record) -> Key:
    """What tells an item from all others."""
    if (identity := _id(item)) is None:
        return (_content(item),)
    return (identity, *(_plain(item.get(name)) for name in _OCCURRENCE))


def united(items: Iterable[Record], asked: Kind) -> list[Record]:
    """One record for each session, exhibitor or speaker of an event, with all that is said of it.

    The first item counts; what others add to its lists, or say where it is silent, is added.

    Args:
        items: Occurrences, each once.
        asked: What was asked for.
    """
    found: dict[Key, Record] = {}
    for item in items:
        key: Key = (kind_of(item, asked), _plain(item.get("eventCode")), _id(item))
        key = key if key[-1] is not None else occurrence_of(item)
        one = _with_times(item)
        found[key] = _merged(found[key], one) if key in found else one
    return [*found.values()]


def _id(item: Record) -> object:
    found = (value for key, value in item.items() if fold_key(key) in _IDS)
    return next((_plain(value) for value in found if value not in (None, "")), None)


def _plain(value: object) -> object:
    return value if value is None else str(value)


def _with_times(item: Record) -> Record:
    """An occurrence as a session that has it among its times."""
    if not item.get(_TIME_ID):
        return item
    times = item.get(_TIMES)
    times = times if isinstance(times, list) else []
    own = {name: item[name] for name in _OF_TIME if name in item}
    named = {str(time.get(_TIME_ID)) for time in times if isinstance(time, dict)}
    times = times if str(item[_TIME_ID]) in named else [*times, own]
    return {key: value for key, value in item.items() if key not in _OF_TIME} | {_TIMES: times}


def _merged(one: Record, other: Record) -> Record:
    merged = dict(one)
    for name, value in other.items():
        before = merged.get(name)
        if before in (None, ""):
            merged[name] = value
        elif isinstance(before, list) and isinstance(value, list):
            known = {_part(part) for part in before}
            merged[name] = [*before, *(part for part in value if _part(part) not in known)]
    return merged


def _part(part: object) -> object:
    """What tells a part of a list from the others; a time's free seats change by the minute."""
    if isinstance(part, dict) and part.get(_TIME_ID):
        return str(part[_TIME_ID])
    return _content(part)


def _content(value: object) -> object:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # nested too deep
        return as_text({"": value})
