"""The streams, a class each."""

from __future__ import annotations

import typing as t
from itertools import chain

from typing_extensions import override

from tap_rainfocus.schema import xdm
from tap_rainfocus.schema.names import fold_key
from tap_rainfocus.schema.normalization import Normalizer
from tap_rainfocus.schema.session_times import placed_hours
from tap_rainfocus.schema.values import read_list, read_text
from tap_rainfocus.streams.polled import RainFocusStream

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_rainfocus.api.pages import Record
    from tap_rainfocus.api.surface import Source
    from tap_rainfocus.schema.destinations import Shaped
    from tap_rainfocus.tap import TapRainFocus

_OF_SESSION = ("sessionId", "externalId", "code", "title")
_CHANGING = ("capacity", "enrolled", "event", "registered", "seats", "waitlist")
"""Words in the keys, folded, of what changes though the session time stays."""


class Attendees(RainFocusStream):
    """Attendees (call seen in v3 client code)."""

    name = "attendees"
    path = "attendee/search"
    groups = (xdm.ATTENDEE,)
    identifiers = (("attendee.email",),)


class Sessions(RainFocusStream):
    """Sessions of every status, published or not (call of a working client)."""

    name = "sessions"
    path = "entityDataDump/session"
    groups = (xdm.SESSION,)
    identifiers = (("session.code", "session.externalId"),)


class SessionTimes(RainFocusStream):
    """The scheduled times, from the same download as the sessions."""

    name = "session_times"
    path = "entityDataDump/session"
    groups = (xdm.SESSIONTIME, xdm.SESSION.only(*_OF_SESSION))

    def __init__(self, tap: TapRainFocus, source: Source) -> None:
        """Prepare to read the session that a time belongs to."""
        super().__init__(tap, source)
        session = xdm.SESSION.only(*_OF_SESSION, "times").reading("times", read_list)
        self._read_session = Normalizer((session, xdm.EVENT))

    @override
    def parts(self, raw: Record) -> Iterable[Record]:
        groups, unread = self._read_session(raw)
        session = groups["session"]
        about = {
            "session": {
                name: unread.get(f"session.{name}", session.get(name)) for name in _OF_SESSION
            },
            "event": groups.get("event", {}),
        }
        lists = [read_list(session[key] or []) for key in session if fold_key(key) == "times"]
        for time in chain(*lists):
            if isinstance(time, dict):
                yield time | {
                    name: _merged(time.get(name), fields) for name, fields in about.items()
                }
            elif time is not None:
                yield {"sessiontime": time} | about

    @override
    def shape(self, raw: Record) -> Shaped:
        return self.normalize({**raw, **placed_hours(raw, self.tap.settings.date_order)})

    @override
    def stable_content(self, raw: Record) -> object:
        # The seat counts change from hour to hour, and a title now and then.
        session = next(filter(None, map(raw["session"].get, _OF_SESSION)), None)
        time = {
            fold_key(key): _plain(value)
            for key, value in raw.items()
            if value not in (None, "") and not any(word in fold_key(key) for word in _CHANGING)
        }
        return time | {"session": session}


class Exhibitors(RainFocusStream):
    """Exhibitors (call of a working client)."""

    name = "exhibitors"
    path = "entityDataDump/exhibitor"
    groups = (xdm.EXHIBITOR,)
    identifiers = (("exhibitor.code", "exhibitor.externalId"),)


class Leads(RainFocusStream):
    """Leads. No public source shows a call that reads them: this one is assumed by its name."""

    name = "leads"
    path = "lead/search"
    groups = (xdm.LEAD, xdm.ATTENDEE, xdm.EXHIBITOR)
    identifiers = (
        ("attendee.attendeeId", "attendee.email"),
        ("exhibitor.exhibitorId", "exhibitor.externalId", "exhibitor.name"),
    )


class Speakers(RainFocusStream):
    """Speakers (call of a working client); XDM has no group for them."""

    name = "speakers"
    path = "entityDataDump/speaker"
    groups = (xdm.SPEAKER,)
    identifiers = (("speaker.attendeeId", "speaker.email"),)


def _plain(value: object) -> object:
    """The same for 60, 60.0 and "60"."""
    try:
        return read_text(value)
    except ValueError:
        return value


def _merged(own: object, fields: Record) -> Record:
    """What a time says of its session or event, below what the session itself says."""
    said = {key: value for key, value in fields.items() if value is not None}
    return own | said if isinstance(own, dict) else said


STREAMS: tuple[type[RainFocusStream], ...] = (
    Attendees,
    Sessions,
    SessionTimes,
    Exhibitors,
    Leads,
    Speakers,
)
