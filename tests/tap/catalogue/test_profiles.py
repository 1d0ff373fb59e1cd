"""Catalogues of six kinds of customers, and what the streams make of them."""

from __future__ import annotations

import typing as t

import pytest

from tests.tap.catalogue.made_up import (
    BAD_HTML,
    Site,
    exhibitor,
    identity,
    participant,
    session,
    time,
    value,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.tap.catalogue.conftest import Read
    from tests.tap.catalogue.made_up import Item


def large() -> Site:
    """As Splunk: 211 items on five pages, 25 values each, facets on every page."""
    items = [session(n, attributevalues=[value(v % 9) for v in range(25)]) for n in range(211)]
    return Site([("1", items)])


def occurrences() -> Site:
    """As Cisco: hits are occurrences, with waiting lists and a clock."""
    items = []
    for number in range(60):
        for hour in (9, 14)[: 1 + number % 2]:
            when = time(number, hour=hour)
            name = f"st_{when['sessionTimeID']}_1789_en"
            items.append(session(number, times=[when], es_metadata_id=name, testRecord=False))
    return Site([("1", items)], extra={"searchTimestamp": 1790000000123})


def small() -> Site:
    """As AWS: many small items, few speakers, repeats are sessions of their own."""
    items = []
    for number in range(330):
        own: Item = {} if number % 12 == 0 else {"participants": []}
        tail = "-R1" if number % 50 == 49 else ""
        items.append(session(number, code=f"ABC{number}{tail}", attributevalues=[], **own))
    return Site([("1", items)])


def sections() -> Site:
    """As Esri: several sections, sessions in two of them, no participants on some; exhibitors."""
    one = [session(n, times=[time(n) | {"capacity": "0"}]) for n in range(70)]
    other = [session(n) for n in range(60, 120)]
    for item in other[:12]:
        del item["participants"]
    return Site(
        [("dev", one), ("partner", other)],
        more={"exhibitor": [exhibitor(n) for n in range(321)]},
    )


def hourly() -> Site:
    """As GitHub: a section for each hour; an item names its time, and lists all of them."""
    hours: dict[int, list[Item]] = {hour: [] for hour in range(9, 17)}
    for number in range(120):
        own = [time(number, hour=hour) for hour in (9 + number % 8, 9 + (number + 3) % 8)]
        for one in own[: 1 + number % 2]:
            about = {name: one[name] for name in ("sessionTimeID", "utcStartTime", "utcEndTime")}
            listed = own[: 1 + number % 2]
            hours[int(one["startTime"][:2])].append(
                session(number, times=listed, es_metadata_id=None, **about)
            )
    return Site(
        [(f"{hour}", items) for hour, items in hours.items()], extra={"nestedSections": True}
    )


def two_events() -> Site:
    """As SAP: two events, published 1, empty biographies, rows without usable times."""
    items = []
    for number in range(120):
        event = "te26" if number % 2 else "te26v"
        about = session(number, event, published=1)
        about["participants"] = [
            participant(number, about["eventId"], "", "")
            | {"bio": "", "session": [{"speakerRole": "Speaker"}]}
        ]
        if number in {17, 18}:
            about["times"] = [{"sessionTimeID": identity(number, "allD"), "time": "All day"}]
        items.append(about)
    return Site([("1", items)])


@pytest.mark.parametrize(
    ("make", "sessions", "times"),
    [
        (large, 211, 211),
        (occurrences, 60, 90),
        (small, 330, 330),
        (sections, 120, 120),
        (hourly, 120, 180),
        (two_events, 120, 120),
    ],
)
def test_every_session_time_and_speaker_comes_once(
    read: Read, make: Callable[[], Site], sessions: int, times: int
) -> None:
    site = make()
    expected = {
        (item["eventCode"], one["speakerId"])
        for _, items in site.sections
        for item in items
        for one in item.get("participants", ())
    }
    run = read(site)
    assert run.code == 0, run.log
    assert len(run.records("sessions")) == sessions
    assert len(run.records("session_times")) == times
    speakers = run.records("speakers")
    assert {(one["event_code"], one["speaker"]["speakerId"]) for one in speakers} == expected
    # `_check` has seen that no key came twice.


def test_one_crawl_serves_all_streams_of_sessions(read: Read) -> None:
    site = large()
    assert read(site).code == 0
    asked = [(one["type"], one["from"], one["size"]) for one in site.forms]
    assert asked == [
        ("exhibitor", "0", "50"),
        *(("session", str(start), "50") for start in (0, 50, 100, 150, 200)),
    ]


def test_sections_are_paged_by_their_ids(read: Read) -> None:
    site = sections()
    read(site)
    more = [one for one in site.forms if one["type"] == "session" and one["from"] != "0"]
    assert [(one["sectionId"], one["from"]) for one in more] == [("dev", "50"), ("partner", "50")]
    assert all("sectionId" not in one for one in site.forms if one["type"] == "exhibitor")


def test_a_session_reads_like_that_of_v3(read: Read) -> None:
    run = read(large())
    one = next(one for one in run.records("sessions") if one["session"]["code"] == "BRK107")
    assert one["event_code"] == "acme26"
    assert one["_id"] == identity(7)
    assert one["event"]["name"] == "World of acme26"
    fields = one["session"]
    assert fields["abstract"] == BAD_HTML
    assert (fields["length"], fields["published"], fields["status"]) == (45, True, "Accepted")
    assert fields["attributes"][0]["code"] == "Track0"
    (when,) = [
        when["sessiontime"]
        for when in run.records("session_times")
        if when["session"]["sessionId"] == identity(7)
    ]
    assert when["startTime"] == "2026-10-20 09:45:00"
    assert when["utcStartTime"] == "2026-10-20T16:45:00.000Z"
    assert when["endTime"] == "2026-10-20 10:30:00"
    assert (when["length"], when["capacity"], when["seatsRemaining"]) == (45, 120, 28)


def test_occurrences_become_times_of_one_session(read: Read) -> None:
    run = read(hourly())
    one = next(one for one in run.records("sessions") if one["_id"] == identity(1))
    assert [when["sessionTimeID"] for when in one["session"]["times"]] == [
        time(1, hour=10)["sessionTimeID"],
        time(1, hour=13)["sessionTimeID"],
    ]
    assert "utcStartTime" not in one["session"]


def test_an_occurrence_that_lists_no_times_is_one(read: Read) -> None:
    about = {name: time(1)[name] for name in ("sessionTimeID", "utcStartTime", "utcEndTime")}
    run = read(Site([("1", [session(1, times=[], **about)])]))
    (when,) = run.records("session_times")
    assert when["_id"] == time(1)["sessionTimeID"]
    assert when["sessiontime"]["utcStartTime"] == "2026-10-20T16:45:00.000Z"


def test_speakers_have_the_sessions_they_speak_in(read: Read) -> None:
    run = read(large())
    speaker = next(
        one["speaker"]
        for one in run.records("speakers")
        if one["speaker"]["attendeeId"] == identity(7, "kL8c")
    )
    # 211 sessions, 40 people.
    spoken = [identity(number) for number in range(7, 211, 40)]
    assert [one["sessionID"] for one in speaker["sessions"]] == spoken
    assert {one["speakerRole"] for one in speaker["sessions"]} == {"Primary Speaker"}
    assert speaker["jobTitle"] == "Engineer"  # from globalJobtitle
    assert "roles" not in speaker


def test_a_cut_list_of_sessions_is_made_whole(read: Read) -> None:
    run = read(two_events())
    speakers = run.records("speakers")
    assert len(speakers) == 120
    assert all(len(one["speaker"]["sessions"]) == 1 for one in speakers)
    assert all(one["speaker"]["sessions"][0]["title"] for one in speakers)
    assert {one["event_code"] for one in speakers} == {"te26", "te26v"}


def test_kinds_in_one_reply_go_to_their_streams(read: Read) -> None:
    known = session(1)["participants"][0]["speakerId"]
    speaker = {"speakerId": known, "fullName": "Sam S. Sample", "bio": "", "eventCode": "acme26"}
    mixed = [session(1), exhibitor(1), session(2), exhibitor(2) | {"sessions": []}, speaker]
    site = Site([("all", mixed[:3]), ("rest", mixed[3:])], more={"exhibitor": []})
    run = read(site, catalogue_search={"type": "session"})
    assert len(run.records("sessions")) == 2
    assert len(run.records("exhibitors")) == 2
    speakers = {one["_id"]: one["speaker"] for one in run.records("speakers")}
    assert len(speakers) == 2
    assert speakers[known]["fullName"] == "Sam S. Sample"
    assert speakers[known]["bio"] == "<p>\u2026</p>"
    assert [one["sessionID"] for one in speakers[known]["sessions"]] == [identity(1)]
    assert len([one for one in site.forms if one["from"] == "0"]) == 1


def test_exhibitors_read_like_those_of_v3(read: Read) -> None:
    run = read(sections())
    records = run.records("exhibitors")
    assert len(records) == 321
    one = next(one for one in records if one["_id"] == identity(33, "xH1b"))
    assert one["exhibitor"]["name"] == "Company 33"
    assert one["exhibitor"]["booth"] == [{"booth": "0"}]


def test_one_event_is_read_of_two(read: Read) -> None:
    run = read(two_events(), event_codes=["te26"])
    assert {one["event_code"] for one in run.records("sessions")} == {"te26"}
    assert len(run.records("sessions")) == 60


def test_an_item_without_event_is_of_the_one_that_is_named(read: Read) -> None:
    item = session(1)
    del item["eventCode"], item["eventName"]
    run = read(Site([("1", [item])]), event_codes=["acme26"])
    assert run.records("sessions")[0]["event_code"] == "acme26"
    (speaker,) = run.records("speakers")
    assert speaker["event_code"] == "acme26"


def test_items_without_ids_come_once(read: Read) -> None:
    nameless = session(1)
    for name in ("sessionID", "es_metadata_id"):
        del nameless[name]
    site = Site([("1", [nameless, session(2), dict(nameless)])])
    run = read(site)
    assert run.code == 0
    assert len(run.records("sessions")) == 2


def test_a_speaker_of_two_events_is_one_of_each(read: Read) -> None:
    """Where ids are a person's, and say nothing of the event."""
    items = [session(1, "te26"), session(2, "te26v")]
    for item in items:
        item["participants"] = [participant(1, "x", item["sessionID"], "") | {"speakerId": "spk-1"}]
    run = read(Site([("1", items)]))
    found = [(one["event_code"], one["_id"]) for one in run.records("speakers")]
    assert sorted(found) == [("te26", "spk-1"), ("te26v", "spk-1")]


def test_a_session_without_event_code_comes_once(read: Read) -> None:
    """Of a shared session two events tell different ids of theirs, and no code."""
    items = [session(1), session(1) | {"eventId": "another", "es_metadata_id": "another"}]
    for item in items:
        del item["eventCode"]
    run = read(Site([("1", items[:1]), ("2", items[1:])]))
    assert len(run.records("sessions")) == 1


@pytest.mark.parametrize("odd", [["a"], {"a": 1}, 7, 7.5, True])
def test_odd_ids_end_nothing(read: Read, odd: object) -> None:
    item = session(1) | {"sessionTimeID": odd, "eventCode": odd}
    item["participants"][0] |= {"speakerId": odd, "session": [{"sessionID": odd}]}
    run = read(Site([("1", [item, session(2), {"sessionID": odd, "title": "x"}])]))
    assert run.code == 0, run.log
    assert len(run.records("sessions")) >= 2
