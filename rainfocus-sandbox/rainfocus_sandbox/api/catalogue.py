"""The public catalogue of each event, as its web page asks for it (docs/rainfocus-api.md §3.3).

Captured of real ones: the headers, the form, the two shapes of pages, at most 50 items on one, the
names and types of an item's fields. Assumption: of the filters only `search` and
`search.{attribute}` are heeded.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainfocus_sandbox.api.endpoint import not_found
from rainfocus_sandbox.api.envelopes import (
    JSON,
    Envelope,
    RefusalError,
    malformed,
    missing,
    success,
    unknown_profile,
)
from rainfocus_sandbox.api.log import entry_of
from rainfocus_sandbox.data import attributes
from rainfocus_sandbox.data.clock import now_ms
from rainfocus_sandbox.data.customer import WIDGETS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from starlette.types import Receive, Scope, Send

    from rainfocus_sandbox.data.customer import Widget
    from rainfocus_sandbox.data.merge import Record
    from rainfocus_sandbox.data.store import Entity, Store

_CALLS = frozenset({"search", "sessions", "exhibitors"})
_MOST, _DEFAULT = 50, 25
_ALL = 1_000_000
_ATTRIBUTES = ("attributes", "attributeValues", "attributevalues")
_NO = frozenset({"", "0", "0.0", "false", "no", "none"})
_TIME_IDS = ("sessionTimeId", "sessiontimeId", "sessionTimeID", "sessiontime_id")


class CatalogueApi:
    """Answers the calls of a catalogue's page."""

    def __init__(self, store: Store) -> None:
        """Answer from `store`."""
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request, entry = Request(scope, receive), entry_of(scope)
        if request.path_params["call"] not in _CALLS or request.method != "POST":
            await not_found()(scope, receive, send)
            return
        entry.call = request.path_params["call"]
        try:
            widget = _widget_of(request.headers)
            entry.event, entry.profile = widget.event, "catalogue"
            form = dict(parse_qsl((await request.body()).decode(errors="replace")))
            reply = self._answer(widget, entry.call, form)
        except RefusalError as refusal:
            reply = refusal.reply
        entry.code, entry.records = reply.code, reply.records
        await Response(reply.body, reply.status, media_type=JSON)(scope, receive, send)

    def _answer(self, widget: Widget, call: str, form: Mapping[str, str]) -> Envelope:
        kind = {"sessions": "session", "exhibitors": "exhibitor"}.get(call, form.get("type"))
        event = _event(self._store, widget.event)
        match kind:
            case "session":
                items = list(_sessions(self._store, event))
            case "exhibitor":
                items = list(_exhibitors(self._store, event))
            case _:
                raise malformed(parameter="type")
        found = [item for item in items if _suits(item, form)]
        start, size = _number(form, "from", 0), min(_number(form, "size", _DEFAULT), _MOST)
        shown = found[start : start + size]
        section = {
            "total": len(found),
            "numItems": len(shown),
            "from": start,
            "size": size,
            "items": shown,
            "dateHistograms": {},
        }
        facets = [_facet(one) for one in (attributes.TRACK, attributes.LEVEL)]
        page: Record = section | {"attributes": facets}
        if not start:
            page = {
                "totalSearchItems": len(found),
                "sections": True,
                "searchTimestamp": now_ms(),
                "sectionList": [{"sectionId": "1", "sectionTitle": "", **section}],
                "attributes": facets,
            }
        return success(orjson.dumps(page)[1:-1], records=len(shown))


def _widget_of(headers: Mapping[str, str]) -> Widget:
    profile_id, widget_id = headers.get("rfapiprofileid"), headers.get("rfwidgetid")
    if not profile_id:
        raise missing(parameter="apiProfile")
    for widget in WIDGETS:
        if widget.profile_id == profile_id:
            if widget_id not in {None, widget.widget_id}:
                raise malformed(parameter="widget")  # Assumption: 103, as any wrong parameter.
            return widget
    raise unknown_profile()


def _number(form: Mapping[str, str], name: str, default: int) -> int:
    text = form.get(name, "")
    return int(text) if text.isdecimal() else default


def _suits(item: Record, form: Mapping[str, str]) -> bool:
    text = f"{item.get('title', '')} {item.get('name', '')}".casefold()
    values = {(one["attribute_id"].lower(), one["value"]) for one in item["attributevalues"]}
    wanted = [
        (name.removeprefix("search.").lower(), value)
        for name, value in form.items()
        if name.startswith("search.")
    ]
    return form.get("search", "").casefold() in text and values.issuperset(wanted)


def _event(store: Store, code: str) -> Record:
    """The fields that every item has of its event.

    The id ends in the code and has 20 characters; so it was captured, mostly.
    """
    event_id = "1704880800000000000"[: 20 - len(code)] + code
    return {"eventId": event_id, "eventCode": code, "eventName": store.event_name(code)}


def _records(store: Store, event: Record, entity: Entity) -> Iterator[Record]:
    for _, body in store.page(event["eventCode"], entity, limit=_ALL):
        yield orjson.loads(body)


def _sessions(store: Store, event: Record) -> Iterator[Record]:
    speakers: dict[str, list[Record]] = defaultdict(list)
    for speaker in _records(store, event, "speaker"):
        for session in speaker["sessions"]:
            speakers[session["sessionId"]].append(speaker)
    for session in _records(store, event, "session"):
        if _is_yes(session.get("published")):
            identity = session.get("sessionId") or session["sessionID"]
            yield _session(session, identity, event, speakers[identity])


def _session(session: Record, identity: str, event: Record, speakers: list[Record]) -> Record:
    code = session.get("sessionCode") or session["code"]
    return event | {
        "sessionID": identity,
        "externalID": identity,
        "code": code,
        "abbreviation": code,
        "code_id": code.lower(),
        "title": session["title"],
        "title_sort": session["title"].lower(),
        "abstract": session.get("abstract") or "",
        "type": session.get("type") or "",
        "status": session["status"],
        "published": 1.0,
        "testRecord": False,
        "length": float(session["length"]),
        "language": "en",
        "useWaitingList": "0",
        "waitlistLimit": "0",
        "viewAccessPublic": True,
        "es_metadata_id": f"{identity}_{event['eventId']}_en",
        "times": [_time(time, identity) for time in session["times"]],
        "attributevalues": _values(session),
        "participants": [_participant(one, event, place) for place, one in enumerate(speakers)],
    }


def _time(time: Record, session_id: str) -> Record:
    day = time["date"].replace("-", "")
    return {
        "sessionTimeID": next(time[name] for name in _TIME_IDS if name in time),
        "sessionID": session_id,
        "date": time["date"],
        "endDate": time["date"],
        "dateFormatted": time["dayDisplayName"],
        "dayName": time["dayDisplayName"].partition(",")[0],
        "daySort": day,
        "dayTimeSort": f"{day}t{time['startTime'].replace(':', '')}",
        "startTime": time["startTime"],
        "endTime": time["endTime"],
        "utcStartTime": time["utcStartTime"],
        "utcEndTime": time["utcEndTime"],
        "length": float(time["length"]),
        "room": time["room"],
        "roomId": time["roomId"],
        "capacity": time["capacity"],
        "seatsRemaining": int(float(time["seatsRemaining"])),
        "inPersonTime": True,
        "virtualTime": False,
    }


def _participant(speaker: Record, event: Record, place: int) -> Record:
    return {
        "speakerId": f"{speaker['speakerId']}_{event['eventId']}",
        "userRef": speaker["speakerId"],
        "eventId": event["eventId"],
        "firstName": speaker["firstName"],
        "lastName": speaker["lastName"],
        "fullName": speaker["fullName"],
        "companyName": speaker["companyName"],
        "jobTitle": speaker.get("jobTitle") or "",
        "bio": speaker.get("bio") or "",
        "roles": "Speaker",
        "published": 1.0,
        "displayorder": float(place),
        "session": [
            {
                "sessionID": session["sessionId"],
                "title": session["title"],
                "status": session["status"],
                "speakerRole": "Speaker",
                "published": "true" if session["published"] else "false",
            }
            for session in speaker["sessions"]
        ],
    }


def _exhibitors(store: Store, event: Record) -> Iterator[Record]:
    for one in _records(store, event, "exhibitor"):
        if _is_yes(one.get("published")):
            yield event | {
                "exhibitorID": one["exhibitorId"],
                "name": one["name"],
                "description": one.get("description") or "",
                "url": one.get("url") or "",
                "status": "Approved",
                "testRecord": False,
                "booths": [{"booth": booth["name"]} for booth in one["booth"]],
                "attributevalues": _values(one),
            }


def _values(record: Record) -> list[Record]:
    """One entry a value, whichever shape the record has its custom attributes in."""
    return [
        {
            "attribute": attribute.name,
            "attribute_id": attribute.code,
            "rf_attribute_id": attribute.attribute_id,
            "value": value,
            "attributevalue_id": attribute.choices.get(value, value),
            "displayorder": float(place),
            "published": 1.0,
            "viewAccessPublic": True,
        }
        for attribute, values in _attributes(record)
        for place, value in enumerate(values, 1)
    ]


def _attributes(record: Record) -> Iterator[tuple[attributes.Attribute, list[str]]]:
    for entry in (one for key in _ATTRIBUTES for one in record.get(key) or ()):
        code = entry.get("code") or entry.get("attribute_id")
        attribute = attributes.BY_CODE[code] if code else attributes.BY_NAME[entry["attribute"]]
        listed: Iterable[Record] = entry.get("attributeValues", [entry])
        yield attribute, [value["value"] for value in listed]


def _facet(attribute: attributes.Attribute) -> Record:
    return {
        "id": attribute.code.lower(),
        "name": attribute.name,
        "rf_attribute_id": attribute.attribute_id,
        "values": [
            {"id": identity, "name": name, "checked": False}
            for name, identity in attribute.choices.items()
        ],
    }


def _is_yes(value: object) -> bool:
    return str(value).lower() not in _NO
