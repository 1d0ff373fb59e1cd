"""Takes the speakers out of the sessions that they speak in."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_rainfocus.api.pages import Record

    Key: t.TypeAlias = tuple[str | None, ...]

_OF_SESSION = frozenset({"displayorder", "roles"})
"""What a participant's copy says of the session that it stands in."""

_OF_EVENT = ("eventCode", "eventName")

_GLOBAL = {
    "firstName": "globalFirstname",
    "lastName": "globalLastname",
    "fullName": "globalFullName",
    "companyName": "globalCompany",
    "jobTitle": "globalJobtitle",
    "bio": "globalBio",
}
"""What stands in for a field that is empty in the event: some fill in only these."""


def speakers_in(sessions: Iterable[Record], own: Iterable[Record] = ()) -> list[Record]:
    """Each speaker of an event once, with the sessions that they speak in.

    A participant's own list holds other sessions of theirs, too, and may be cut to the role.

    Args:
        sessions: As they came.
        own: Speakers that came by themselves; what they say counts more.
    """
    found: dict[Key, Record] = {}
    for session in sessions:
        for participant in _objects(session.get("participants")):
            speaker = found.setdefault(
                _identity(participant, session), _speaker(participant, session)
            )
            _add_sessions(speaker["session"], session, participant)
    for one in own:
        speaker = found.setdefault(_identity(one, one), {"session": {}})
        speaker |= {key: value for key, value in one.items() if key != "session" and value != ""}
        speaker["session"] |= _listed(one)
    return [{**speaker, "session": [*speaker["session"].values()]} for speaker in found.values()]


def _identity(person: Record, session: Record) -> Key:
    names = ("speakerId", "userRef")
    own = next((str(person[name]) for name in names if person.get(name)), None)
    told = (own,) if own else (None, str(person.get("fullName")), str(person.get("companyName")))
    return str(session.get("eventCode")), *told


def _speaker(participant: Record, session: Record) -> Record:
    own = {key: value for key, value in participant.items() if key not in _OF_SESSION}
    for name, other in _GLOBAL.items():
        if own.get(name) in (None, "") and own.get(other):
            own[name] = own[other]
    event = {name: session[name] for name in _OF_EVENT if session.get(name)}
    return {**event, **own, "session": {}}


def _add_sessions(known: dict[str, Record], session: Record, participant: Record) -> None:
    here = str(session.get("sessionID"))
    listed = _listed(participant)
    of_here = {
        "sessionID": session.get("sessionID"),
        "abbreviation": session.get("code") or session.get("abbreviation"),
        "title": session.get("title"),
        "speakerRole": participant.get("roles"),
        "status": session.get("status"),
        "published": session.get("published"),
    }
    said = {name: value for name, value in of_here.items() if value is not None}
    for key, one in {**listed, here: {**said, **listed.get(here, {})}}.items():
        known.setdefault(key, one)


def _listed(person: Record) -> dict[str, Record]:
    """The sessions that a person lists, by their ids."""
    listed = _objects(person.get("session"))
    return {str(one["sessionID"]): one for one in listed if one.get("sessionID")}


def _objects(value: object) -> Iterator[Record]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())
