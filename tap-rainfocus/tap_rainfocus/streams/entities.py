"""The streams, a class each."""

from __future__ import annotations

import datetime as dt
import re
import typing as t

from typing_extensions import override

from tap_rainfocus.schema import xdm
from tap_rainfocus.schema.normalization import Normalizer, fold_key
from tap_rainfocus.schema.values import read_list
from tap_rainfocus.streams.base import RainFocusStream

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_rainfocus.api.pages import Record
    from tap_rainfocus.schema.normalization import Groups
    from tap_rainfocus.tap import TapRainFocus

_HOUR = re.compile(r"\s*(\d{1,2})(:\d\d(?::\d\d)?)\s*")
_SEATS = frozenset({"capacity", "registered", "seatsRemaining"})


class Attendees(RainFocusStream):
    """Attendees (call seen in v3 client code)."""

    name = "attendees"
    path = "attendee/search"
    groups = (xdm.ATTENDEE,)


class Sessions(RainFocusStream):
    """Sessions of every status, published or not (call of a working client)."""

    name = "sessions"
    path = "entityDataDump/session"
    groups = (xdm.SESSION,)


class SessionTimes(RainFocusStream):
    """The scheduled times, from the same download as the sessions."""

    name = "session_times"
    path = "entityDataDump/session"
    groups = (
        xdm.SESSIONTIME,
        xdm.SESSION.only("sessionId", "externalId", "code", "title"),
    )

    def __init__(self, tap: TapRainFocus) -> None:
        """Prepare to read the session that a time belongs to."""
        super().__init__(tap)
        self._read_session = Normalizer((xdm.SESSION,))

    @override
    def parts(self, raw: Record) -> Iterable[Record]:
        session = self._read_session(raw)["session"]
        about = {key: session.get(key) for key in ("sessionId", "externalId", "code", "title")}
        for time in read_list(session.get("times") or []):
            if not isinstance(time, dict):
                self.tap.warn_once("A time of a session is not an object and is left out.")
                continue
            yield {**time, **_on_date(time), "session": about}

    @override
    def stable_content(self, shaped: Groups) -> object:
        # The seat counts change from hour to hour.
        time = shaped["sessiontime"]
        stable = {key: value for key, value in time.items() if key not in _SEATS}
        return [shaped["session"], stable]


class Exhibitors(RainFocusStream):
    """Exhibitors (call of a working client)."""

    name = "exhibitors"
    path = "entityDataDump/exhibitor"
    groups = (xdm.EXHIBITOR,)


class Leads(RainFocusStream):
    """Leads. No public source shows a call that reads them: this one is assumed by its name."""

    name = "leads"
    path = "lead/search"
    groups = (xdm.LEAD, xdm.ATTENDEE, xdm.EXHIBITOR)


class Speakers(RainFocusStream):
    """Speakers (call of a working client); XDM has no group for them."""

    name = "speakers"
    path = "entityDataDump/speaker"
    groups = (xdm.SPEAKER,)


def _on_date(time: Record) -> Record:
    """The hours of a session time put on its date; an end before the start is the next day's."""
    found = {
        fold_key(key): key for key in time if fold_key(key) in {"date", "starttime", "endtime"}
    }
    date = time.get(found.get("date", ""))
    hours = {name: _hour(time.get(found.get(name, ""))) for name in ("starttime", "endtime")}
    try:
        day = dt.date.fromisoformat(date.replace("/", "-")) if isinstance(date, str) else None
    except ValueError:
        day = None
    if day is None:
        return {}
    start, end = hours["starttime"], hours["endtime"]
    next_day = day + dt.timedelta(days=1)
    placed = {"starttime": day, "endtime": next_day if start and end and end < start else day}
    return {found[name]: f"{placed[name]} {hour}" for name, hour in hours.items() if hour}


def _hour(value: object) -> str | None:
    """An hour of the day such as 9:00, as 09:00; None for anything else."""
    hour = _HOUR.fullmatch(value) if isinstance(value, str) else None
    return f"{int(hour[1]):02}{hour[2]}" if hour else None


STREAMS: tuple[type[RainFocusStream], ...] = (
    Attendees,
    Sessions,
    SessionTimes,
    Exhibitors,
    Leads,
    Speakers,
)
