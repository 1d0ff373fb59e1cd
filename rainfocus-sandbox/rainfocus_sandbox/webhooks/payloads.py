"""Attendee experience events, as an Integration Profile pushes them (docs/rainfocus-api.md §6).

Assumption: the payload has never been captured. Its fields are documented, their nesting is
inferred from the dots in their names, and a body is one event.
"""

from __future__ import annotations

import typing as t

from rainfocus_sandbox.data.clock import iso, now_ms
from rainfocus_sandbox.data.ids import new_id

if t.TYPE_CHECKING:
    from rainfocus_sandbox.data.merge import Record

SESSION_SCHEDULED = "SessionScheduled"
# Assumption: `SessionScheduled` is the only name that is public; these two are made up after it.
ATTENDEE_REGISTERED = "AttendeeRegistered"
LEAD_SCANNED = "LeadScanned"

_TRUE = frozenset({"true", "yes", "1", "1.0"})
_SESSION_ID = ("sessionId", "sessionID")
_SESSION_CODE = ("sessionCode", "code")
_SESSION_TIME_ID = ("sessionTimeId", "sessiontimeId", "sessionTimeID", "sessiontime_id")


def event_of(push_type: str, event_name: str, **groups: Record) -> Record:
    """Return the event that happens now; every one has a `transmissionId` of its own."""
    return {
        "transmissionId": new_id(),
        "eventType": push_type,
        "timestamp": iso(now_ms()),
        "event": {"name": event_name},
        **groups,
    }


def attendee_group(attendee: Record) -> Record:
    """Return what an event tells of an attendee."""
    is_registered = str(attendee.get("registered")).lower() in _TRUE
    return {
        "registered": "Yes" if is_registered else "No",
        **_known(attendee, "attendeeId", "externalId", "clientId", "email"),
    }


def session_group(session: Record) -> Record:
    """Return what an event tells of a session."""
    return {
        "sessionId": session_id(session),
        **_known(session, "externalId"),
        "code": _spelled(session, _SESSION_CODE),
        **_known(session, "title"),
        "length": int(float(session["length"])),
    }


def session_time_group(time: Record) -> Record:
    """Return what an event tells of a session time, in the local time of the event."""
    return {
        "sessiontimeId": _spelled(time, _SESSION_TIME_ID),
        "startTime": f"{time['date']} {time['startTime']}:00",
        "endTime": f"{time['date']} {time['endTime']}:00",
        **_known(time, "room"),
    }


def exhibitor_group(exhibitor: Record) -> Record:
    """Return what an event tells of an exhibitor."""
    return _known(exhibitor, "exhibitorId", "externalId", "name")


def lead_group(lead: Record) -> Record:
    """Return what an event tells of a lead."""
    return _known(lead, "leadId", "note")


def session_id(session: Record) -> str:
    """Return the id of a session, however it is spelled."""
    return _spelled(session, _SESSION_ID)


def _spelled(record: Record, names: tuple[str, ...]) -> str:
    return str(next(record[name] for name in names if name in record))


def _known(record: Record, *names: str) -> Record:
    return {name: record[name] for name in names if record.get(name) is not None}
