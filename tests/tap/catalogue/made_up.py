"""Public catalogues with the structure of real ones; every value in them is made up."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from itertools import chain

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.tap.conftest import Asked

    Item = dict[str, t.Any]
    Reply = tuple[int, dict[str, str], object]

MOST_ON_A_PAGE = 50
QUESTION = "Do you need a ramp?"
BAD_HTML = "<p>Unclosed <b>bold <br>A&amp;amp;B caf\u00e9\u00a0&nbsp; &lt;i&gt; <li>one"


def identity(number: int, tail: str = "aB3x") -> str:
    return f"{1789000000000 + number:013d}001{tail}"


def session(number: int, event: str = "acme26", **more: t.Any) -> Item:
    """A session as captured most often: all keys that every item had."""
    key, code = identity(number), f"BRK{100 + number}"
    event_id = f"{178900000000100000000:d}"[: 20 - len(event)] + event
    return {
        "sessionID": key,
        "externalID": key,
        "abbreviation": code,
        "code": code,
        "code_id": code.lower(),
        "codeParts": {"alpha0": "BRK", "numeric1": str(100 + number)},
        "title": f"Talk {number}",
        "title_sort": f"talk {number}",
        "abstract": BAD_HTML,
        "type": "Breakout Session",
        "type_displayorder": 9999.0,
        "status": "Accepted",
        "published": 1.0,
        "length": 45.0,
        "language": "en",
        "modified": "2026-09-29T05:47:15Z",
        "eventId": event_id,
        "eventCode": event,
        "eventName": f"World of {event}",
        "es_metadata_id": f"{key}_{event_id}_en",
        "useWaitingList": "1",
        "waitlistLimit": "5",
        "viewAccessPublic": True,
        "viewAccess": [],
        "highlight": {},
        "times": [time(number)],
        "attributevalues": [value(place) for place in range(3)],
        "participants": [participant(number % 40, event_id, key, code)],
    } | more


def time(number: int, *, hour: int = 9) -> Item:
    return {
        "sessionTimeID": identity(number * 10 + hour, "cD4y"),
        "sessionID": identity(number),
        "date": "2026-10-20",
        "endDate": "2026-10-20",
        "dateFormatted": "Tuesday, October 20",
        "startTime": f"{hour:02}:45",
        "endTime": f"{hour + 1:02}:30",
        "startTimeFormatted": f"{hour:02}:45 AM",
        "utcStartTime": f"2026/10/20 {hour + 7}:45:00",
        "utcEndTime": f"2026/10/20 {hour + 8}:30:00",
        "length": 45.0,
        "room": "Hall 3 | North ",
        "roomId": identity(3, "eF5z"),
        "capacity": "120",
        "seatsRemaining": 28,
        "startEndTimeSort": "1560",
        "dayName": "Tuesday",
    }


def value(place: int) -> Item:
    return {
        "attribute": f"Track {place}",
        "attribute_id": f"Track{place}",
        "rf_attribute_id": identity(place, "gH6a"),
        "value": "Data ",
        "attributevalue_id": f"option_{1789000000000 + place}",
        "displayorder": 3.0,
        "published": 1.0,
        "dataForm": "1789000000T0123456789",
        "viewAccess": [],
    }


def participant(number: int, event_id: str, session_id: str, code: str) -> Item:
    person = identity(number, "kL8c")
    return {
        "speakerId": f"{person}_{event_id}",
        "userRef": person,
        "firstName": "Sam",
        "lastName": f"Sample {number}",
        "fullName": f"Sam Sample {number}",
        "companyName": "Acme",
        "jobTitle": "",
        "globalJobtitle": "Engineer",
        "bio": "<p>\u2026</p>",
        "roles": "Primary Speaker",
        "published": 1.0,
        "displayorder": 0.0,
        "Speaker-Photo-Published": "Published",
        "attributevalues": [
            {"attributeDisplayName": QUESTION, "attribute_id": "needs", "value": "Yes, a ramp"}
        ],
        "session": [
            {
                "sessionID": session_id,
                "abbreviation": code,
                "title": "Talk",
                "speakerRole": "Primary Speaker",
                "status": "Accepted",
                "published": "true",
            },
            {"sessionID": identity(9_999), "title": "Hidden talk", "published": "false"},
        ],
    }


def exhibitor(number: int) -> Item:
    return {
        "exhibitorID": identity(number, "xH1b"),
        "name": f"Company {number}",
        "description": "" if number % 10 == 0 else BAD_HTML,
        "url": "" if number % 3 == 0 else "https://company.example.com",
        "status": "Approved",
        "testRecord": False,
        "eventCode": "acme26",
        "booths": [{"booth": f"{place}"} for place in range(number % 32)],
        "attributevalues": [value(0)],
    }


@dataclass
class Site:
    """A server that answers as a catalogue was captured, page by page.

    Attributes:
        sections: Their ids, or None, and what is in them.
        more: What further searches give: type → items, in one section.
        before: Called before each reply with the form, to change something.
        shortest: Items of a page that is not the last, where it is shorter than asked.
        extra: Further keys of the first page.
        total: What is announced, where it is not the number of items.
    """

    sections: Sequence[tuple[str | None, list[Item]]]
    more: dict[str, list[Item]] = field(default_factory=dict)
    before: Callable[[dict[str, str]], object] = lambda _: None
    page_size: int = MOST_ON_A_PAGE
    extra: Item = field(default_factory=dict)
    total: int | None = None
    forms: list[dict[str, str]] = field(default_factory=list)

    def answer(self, asked: Asked) -> Reply:
        form = asked.form
        if asked.headers["rfApiProfileId"] != "profile-1":
            return 200, {}, {"responseCode": "101", "responseMessage": "Invalid API Profile"}
        self.forms.append(form)
        if reply := self.before(form):
            return t.cast("Reply", reply)
        told = self.sections if form["type"] == "session" else None
        sections = told or [("1", self.more.get(form["type"], []))]
        start, size = int(form["from"]), min(int(form["size"]), self.page_size)
        good = {"responseCode": "0", "responseMessage": "Success"}
        if start == 0 and "sectionId" not in form:
            total = sum(len(items) for _, items in sections)
            page = good | {
                "totalSearchItems": self._told(total),
                "sections": True,
                "sectionList": [
                    {"sectionId": name, "sectionTitle": "", **self._page(items, 0, size)}
                    for name, items in sections
                ],
                **self.extra,
            }
        else:
            wanted = [items for name, items in sections if form.get("sectionId") in {None, name}]
            page = good | self._page([*chain(*wanted)], start, size)
        return 200, {}, page | {"attributes": [{"id": f"track{n}"} for n in range(18)]}

    def _told(self, total: int) -> int:
        return self.total if self.total and total else total

    def _page(self, items: list[Item], start: int, size: int) -> Item:
        shown = items[start : start + size]
        return {
            "total": self._told(len(items)),
            "numItems": len(shown),
            "from": start,
            "size": size,
            "items": shown,
            "dateHistograms": {},
        }
