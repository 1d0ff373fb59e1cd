"""Replies that no sandbox gives: odd envelopes, cursors and clocks, from a scripted server."""

from __future__ import annotations

import json
import threading
import time
import typing as t
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice
from urllib.parse import parse_qs, urlsplit

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Answer = Callable[[str, dict[str, str]], object]
    TapRunner = Callable[..., t.Any]

STATE = {
    "bookmarks": {
        "attendees": {
            "partitions": [
                {
                    "context": {"event": "e1"},
                    "replication_key": "timestamp",
                    "replication_key_value": "2020-01-01T00:00:00.000Z",
                }
            ]
        }
    }
}
OLD = "2020-01-01T00:00:00.000Z"


@contextmanager
def serving(answer: Answer) -> Iterator[dict[str, t.Any]]:
    """Serve what `answer` makes of path and query; gives settings for the tap."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            reply = answer(url.path.rpartition("/v3/")[2], query)
            self.send_response(200)
            if isinstance(reply, Generator):
                self.send_header("Content-Length", "100000")
                self.end_headers()
                with suppress(OSError):
                    self.wfile.writelines(reply)
                return
            body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False  # others are not waited for
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield {
                "org_id": "acme",
                "api_url": f"http://127.0.0.1:{server.server_port}/api",
                "api_profile": "someprofile",
                "event_codes": ["e1"],
                "max_retries": 1,
            }
        finally:
            server.shutdown()
            thread.join()


def bookmark(run: t.Any) -> str:
    value: str = run.state["bookmarks"]["attendees"]["partitions"][0]["replication_key_value"]
    return value


def page(*ids: str, **more: object) -> dict[str, object]:
    return {"responseCode": "0", "results": [{"attendeeId": i} for i in ids], **more}


def read(run_tap: TapRunner, answer: Answer, stream: str = "attendees", **more: object) -> t.Any:
    with serving(answer) as settings:
        return run_tap(settings | more, state=STATE, select=[stream])


def ids(run: t.Any, stream: str = "attendees") -> list[str]:
    return [record["_id"] for record in run.records(stream)]


def test_a_scroll_keeps_its_cursor(run_tap: TapRunner) -> None:
    asked: list[str | None] = []

    def answer(_: str, query: dict[str, str]) -> object:
        asked.append(query.get("cursor"))
        if len(asked) == 5:
            return page("a5")
        return page(f"a{len(asked)}", cursor="SCROLL", timestamp="1680309557133")

    run = read(run_tap, answer)
    assert run.code == 0, run.log
    assert ids(run) == ["a1", "a2", "a3", "a4", "a5"]


def test_a_last_page_that_echoes_its_cursor(run_tap: TapRunner) -> None:
    def answer(_: str, query: dict[str, str]) -> object:
        if "cursor" in query:
            return page("a2", cursor="C")
        return page("a1", cursor="C", timestamp="1680309557133")

    run = read(run_tap, answer)
    assert run.code == 0, run.log
    assert ids(run) == ["a1", "a2"]
    assert bookmark(run) == "2023-04-01T00:39:17.133Z"


@pytest.mark.parametrize("kind", ["keys in another order", "nested too deep"])
def test_a_last_page_that_is_the_same_again(run_tap: TapRunner, kind: str) -> None:
    deep = json.loads("[" * 300 + "]" * 300)
    last: dict[str, object] = {"attendeeId": "a2", "x": deep if "deep" in kind else "1"}
    orders = cycle([last, dict(reversed(last.items()))])
    pages = islice(orders, 50)

    def answer(_: str, query: dict[str, str]) -> object:
        if "cursor" not in query:
            return page("a1", cursor="C", timestamp="1680309557133")
        return {"responseCode": "0", "cursor": "C", "results": [next(pages)]}

    run = read(run_tap, answer)
    assert run.code == 0, run.log
    assert ids(run) == ["a1", "a2"]


def test_cursors_that_go_round_in_circles(run_tap: TapRunner) -> None:
    def answer(_: str, query: dict[str, str]) -> object:
        cursor = query.get("cursor", "")
        return page(f"after {cursor}", cursor="B" if cursor == "A" else "A")

    run = read(run_tap, answer)
    assert run.code == 65
    assert "round in circles" in run.errors[0]
    assert bookmark(run) == OLD


def test_an_empty_last_page_may_be_throttling(run_tap: TapRunner) -> None:
    def answer(_: str, query: dict[str, str]) -> object:
        return page() if "cursor" in query else page("a1", cursor="C", timestamp="1680309557133")

    run = read(run_tap, answer)
    assert run.code == 0, run.log
    assert ids(run) == ["a1"]
    assert bookmark(run) == OLD
    assert "The bookmark stays" in run.log


def test_a_server_that_does_not_heed_its_own_cursor(run_tap: TapRunner) -> None:
    run = read(run_tap, lambda *_: page("a1", cursor="C", timestamp="1680309557133"))
    assert run.code == 65
    assert "does not heed its own cursor" in run.errors[0]
    assert bookmark(run) == OLD


def test_next_id_leads_on_like_a_cursor(run_tap: TapRunner) -> None:
    asked: list[dict[str, str]] = []
    filler = {"filler": "x" * 70_000}  # from this size on the next page is asked for ahead

    def answer(_: str, query: dict[str, str]) -> object:
        asked.append(query)
        more = {"nextId": "N"} if len(asked) == 1 else {}
        return page(f"a{len(asked)}", timestamp="1680309557133", **more) | filler

    run = read(run_tap, answer)
    assert run.code == 0, run.log
    assert ids(run) == ["a1", "a2"]
    assert [query.get("nextId") for query in asked] == [None, "N"]
    assert bookmark(run) == "2023-04-01T00:39:17.133Z"


@pytest.mark.parametrize("count", [2**64, 10**30, -(2**63) - 1])
@pytest.mark.parametrize("odd", ["NaN", '"\\ud83d"'], ids=["NaN", "half a pair"])
def test_a_number_beyond_64_bits_keeps_its_digits(run_tap: TapRunner, count: int, odd: str) -> None:
    body = f'{{"results":[{{"attendeeId":{count},"badge":{{"n":[{count},{odd}]}}}}]}}'
    run = read(run_tap, lambda *_: body.encode())
    assert run.code == 0, run.log
    attendee = run.records("attendees")[0]["attendee"]
    assert attendee["attendeeId"] == str(count)
    assert attendee["badge"]["n"][0] == str(count)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ({"responseCode": "0", "total": 500, "results": []}, 75),
        ({"responseCode": "0", "total": "500", "results": []}, 75),
        ({"responseCode": "0", "total": "5"}, 75),
        ({"responseCode": "0", "results": [], "cursor": {"deep": []}}, 65),
        ({"responseCode": "0", "totalSearchItems": 500, "sectionList": [{"items": []}]}, 75),
        ({"responseCode": "0", "results": [], "cursor": "C"}, 75),
        ({}, 78),
        ({"responseCode": "0", "people": [{"attendeeId": "1"}]}, 78),
        ({"responseCode": "0", "results": ["a"]}, 78),
    ],
    ids=[
        "total",
        "total as text",
        "total alone",
        "no cursor",
        "sections",
        "cursor",
        "nothing",
        "another key",
        "not objects",
    ],
)
def test_a_reply_without_the_records_it_should_have_is_an_error(
    run_tap: TapRunner, reply: dict[str, object], code: int
) -> None:
    run = read(run_tap, lambda *_: reply)
    assert run.code == code
    assert len(run.errors) == 1
    assert bookmark(run) == OLD


@pytest.mark.parametrize(
    "reply",
    [
        {"results": [{"attendeeId": "1"}]},
        {"responseCode": "0", "data": [{"attendeeId": "1"}]},
        {"responseCode": "0", "items": [{"attendeeId": "1"}, None], "total": 1},
        {"responseCode": "0", "sectionList": [{"items": [{"attendeeId": "1"}]}, {"total": 0}]},
    ],
    ids=["results", "data", "items", "sections"],
)
def test_every_envelope_is_read(run_tap: TapRunner, reply: dict[str, object]) -> None:
    run = read(run_tap, lambda *_: reply)
    assert run.code == 0, run.log
    assert ids(run) == ["1"]


def test_nobody_changed(run_tap: TapRunner) -> None:
    said = {"responseCode": "0", "event": "e1", "nextId": None, "timestamp": "1680309557133"}
    run = read(run_tap, lambda *_: said)
    assert run.code == 0, run.log
    assert ids(run) == []
    assert bookmark(run) == OLD  # it may be throttling: the next run asks again


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("1680309557133", "2023-04-01T00:39:17.133Z"),
        (1680309557133, "2023-04-01T00:39:17.133Z"),
        ("2023-04-01T00:39:17Z", "2023-04-01T00:39:17.000Z"),
    ],
    ids=repr,
)
def test_only_the_first_page_tells_the_time(
    run_tap: TapRunner, timestamp: object, expected: str
) -> None:
    def answer(_: str, query: dict[str, str]) -> object:
        if "cursor" in query:
            return page("a2", timestamp="1999999999999")
        return page("a1", cursor="C", timestamp=timestamp)

    run = read(run_tap, answer)
    assert bookmark(run) == expected
    assert {record["timestamp"] for record in run.records("attendees")} == {expected}


def test_a_record_without_an_id_is_kept(run_tap: TapRunner) -> None:
    people = [{"email": "a@b.c"}, {"email": "d@e.f"}]
    first = read(run_tap, lambda *_: {"responseCode": "0", "results": people})
    again = read(run_tap, lambda *_: {"responseCode": "0", "results": people[::-1]})
    assert len(set(ids(first))) == 2
    assert set(ids(first)) == set(ids(again))
    assert first.log.count("came without attendeeId") == 1


def test_session_times_in_every_form(run_tap: TapRunner) -> None:
    sessions = [
        {
            "sessionId": "1",
            "Times": [
                {
                    "sessionTimeID": "t1",
                    "date": "2026-10-27",
                    "startTime": "09:00",
                    "endTime": "9:30",
                },
                {"date": "2026-10-27", "starttime": "09:00", "room": "A", "seatsRemaining": 5},
                {"date": "2026-10-28", "starttime": " 09:00", "room": "A"},
                None,
            ],
        },
        {"sessionCode": "S2", "times": [{"date": "2026-10-27", "startTime": "09:00", "room": "A"}]},
        {"sessionId": "3", "times": "TBD"},
        {"sessionId": "4", "times": {"sessiontimeId": "t4"}},
    ]
    run = read(run_tap, lambda *_: {"responseCode": "0", "data": sessions}, "session_times")
    assert run.code == 0, run.log
    times = run.records("session_times")
    assert len(times) == 6
    assert len({record["_id"] for record in times}) == 6
    assert times[0]["sessiontime"]["startTime"] == "2026-10-27 09:00:00"
    assert times[0]["sessiontime"]["endTime"] == "2026-10-27 09:30:00"
    assert times[2]["sessiontime"]["startTime"] == "2026-10-28 09:00:00"
    assert times[4]["_unread"] == '{"sessiontime":"TBD"}'

    sessions[0]["Times"][1]["seatsRemaining"] = 4  # type: ignore[index]
    later = read(run_tap, lambda *_: {"responseCode": "0", "data": sessions}, "session_times")
    assert ids(later, "session_times") == ids(run, "session_times")


def test_an_event_that_is_denied_does_not_hide_another(run_tap: TapRunner) -> None:
    def answer(_: str, query: dict[str, str]) -> object:
        if query["event"] == "e1":
            return {"responseCode": "124", "responseMessage": "Access denied."}
        return page("a1")

    run = read(run_tap, answer, event_codes=["e1", "e2"])
    assert run.code == 0, run.log
    assert ids(run) == ["a1"]
    assert "Stream attendees of e1 is skipped" in run.log


def test_custom_attributes_of_groups_that_have_none(run_tap: TapRunner) -> None:
    lead = {"leadId": "l", "attributes": [{"attribute": "tier", "value": "hot"}]}
    run = read(
        run_tap,
        lambda *_: {"responseCode": "0", "results": [lead]},
        "leads",
        custom_attributes=["tier"],
    )
    assert run.code == 0, run.log
    assert run.records("leads")[0]["lead"] == lead


def test_the_run_ends_with_a_state(run_tap: TapRunner) -> None:
    run = read(
        run_tap, lambda *_: {"responseCode": "0", "data": [{"exhibitorId": "1"}]}, "exhibitors"
    )
    assert [message["type"] for message in run.messages][-2:] != ["STATE", "RECORD"]
    assert run.messages[-1]["type"] == "STATE"


def test_fewer_records_than_announced_keep_the_bookmark(run_tap: TapRunner) -> None:
    run = read(run_tap, lambda *_: page("a1", timestamp="1680309557133", total=299))
    assert run.code == 0, run.log
    assert ids(run) == ["a1"]
    assert bookmark(run) == OLD
    assert "1 of 299 records" in run.log


def test_a_dump_that_is_cut_off_fails(run_tap: TapRunner) -> None:
    dump = {"responseCode": "0", "total": "3", "data": [{"exhibitorId": "1"}]}
    run = read(run_tap, lambda *_: dump, "exhibitors")
    assert run.code == 75
    assert "1 of 3 records" in run.errors[0]


@pytest.mark.parametrize(
    "reply",
    [
        {"total": "1,000", "results": [{"attendeeId": "1"}]},
        {"totalCount": 3, "results": [{"attendeeId": "1"}]},
        {
            "sectionList": [
                {"total": 2, "items": [{"attendeeId": "1"}]},
                {"total": 2, "items": [{"attendeeId": "2"}, {"attendeeId": "3"}]},
            ]
        },
        {"total": 10, "cursor": "C", "results": [{"attendeeId": "1"}]},
    ],
    ids=["thousands", "another key", "sections", "an echoed cursor"],
)
def test_less_than_was_told_keeps_the_bookmark(
    run_tap: TapRunner, reply: dict[str, object]
) -> None:
    def answer(_: str, query: dict[str, str]) -> object:
        first = (
            {"results": [{"attendeeId": "0"}]}
            if "cursor" in reply and not query.get("cursor")
            else {}
        )
        return {"responseCode": "0", "timestamp": "1680309557133"} | reply | first

    run = read(run_tap, answer)
    assert run.code == 0, run.log
    assert bookmark(run) == OLD


def test_no_results_are_none_whatever_other_list_there_is(run_tap: TapRunner) -> None:
    for key in ("results", "data"):
        reply = {"responseCode": "0", key: [], "items": [{"attendeeId": "1"}]}
        assert ids(read(run_tap, lambda *_, reply=reply: reply)) == []


def test_an_empty_list_hides_no_other(run_tap: TapRunner) -> None:
    reply = {"responseCode": "0", "items": [], "sectionList": [{"items": [{"attendeeId": "1"}]}]}
    assert ids(read(run_tap, lambda *_: reply)) == ["1"]


def test_custom_attributes_of_every_kind(run_tap: TapRunner) -> None:
    people = [
        {"attendeeId": "1", "attributes": [{"code": "registered", "value": "long"}]},
        {"attendeeId": "2", "姓名": "Li"},
        {"attendeeId": "3", "diet": ["Vegan", "Halal"], "shoe": [{"value": "43"}]},
    ]
    codes = ["registered", "食事", "diet", "shoe"]
    run = read(
        run_tap, lambda *_: {"responseCode": "0", "results": people}, custom_attributes=codes
    )
    one, two, three = (record["attendee"] for record in run.records("attendees"))
    assert "registered" not in one
    assert two == {"attendeeId": "2", "姓名": "Li"}
    assert (three["diet"], three["shoe"]) == ("Vegan; Halal", "43")


def test_a_session_past_midnight_and_a_room_that_looks_like_an_hour(run_tap: TapRunner) -> None:
    late = {
        "sessiontimeId": "t",
        "date": "2026-10-27",
        "startTime": "23:00",
        "endTime": "01:00",
        "utcStartTime": "02:00",
        "room": "10:30",
    }
    sessions = [{"sessionId": "1", "times": [late]}]
    run = read(run_tap, lambda *_: {"responseCode": "0", "data": sessions}, "session_times")
    found = run.records("session_times")[0]["sessiontime"]
    assert found["startTime"] == "2026-10-27 23:00:00"
    assert found["endTime"] == "2026-10-28 01:00:00"
    assert found["utcStartTime"] is None
    assert found["room"] == "10:30"


def test_batch_messages_do_not_pass_stream_maps_by(run_tap: TapRunner, tmp_path: t.Any) -> None:
    batches = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": f"file://{tmp_path}"},
    }
    maps = {"attendees": {"attendee": None}}
    run = read(run_tap, lambda *_: page("a1"), batch_config=batches, stream_maps=maps)
    assert run.code == 0, run.log
    assert "attendee" not in run.records("attendees")[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'\xef\xbb\xbf{"results":[{"attendeeId":"1","firstname":"A"}]}', "A"),
        (b'{"results":[{"attendeeId":"1","firstname":"A\\ud83d"}]}', "A"),
        (b'{"results":[{"attendeeId":"1","firstname":"A\\u0000\\\\u0000"}]}', "A\\u0000"),
        (b'{"results":[{"attendeeId":"1","firstname":"Zo\xeb"}]}', "Zo\ufffd"),
    ],
    ids=["byte order mark", "half a pair", "NUL", "Latin-1"],
)
def test_text_that_is_not_quite_right(run_tap: TapRunner, body: bytes, name: str) -> None:
    run = read(run_tap, lambda *_: body)
    assert run.code == 0, run.log
    assert run.records("attendees")[0]["attendee"]["firstname"] == name


def test_a_dripping_server_is_noticed(run_tap: TapRunner) -> None:
    def drip(_: str, __: dict[str, str]) -> object:
        return (b" " for _ in iter(lambda: time.sleep(0.05), 1))

    began = time.monotonic()
    run = read(run_tap, drip, request_timeout=0.1, max_retries=0)
    assert run.code == 69
    assert "did not answer within 0.1 s" in run.errors[0]
    assert time.monotonic() - began < 10


def test_a_cursor_within_a_record_is_no_cursor(run_tap: TapRunner) -> None:
    asked: list[str] = []
    long = {"attendeeId": "1", "cursor": "nope", "filler": "x" * 70_000}

    def answer(_: str, query: dict[str, str]) -> object:
        asked.append(query.get("cursor", ""))
        return {"responseCode": "0", "results": [long]}

    assert ids(read(run_tap, answer)) == ["1"]
    assert asked == [""]


def test_a_start_date_does_not_pass_a_bookmark_by(run_tap: TapRunner) -> None:
    since: list[str] = []

    def answer(_: str, query: dict[str, str]) -> object:
        since.append(query["since"])
        return page("a1")

    read(run_tap, answer, start_date="2024-01-01T00:00:00Z")
    assert since == ["1577836800000"]


def test_a_denial_in_the_middle_of_a_download_fails(run_tap: TapRunner) -> None:
    def answer(_: str, query: dict[str, str]) -> object:
        return {"responseCode": "124"} if "cursor" in query else page("a1", cursor="C")

    run = read(run_tap, answer)
    assert run.code == 77
    assert "endpoint attendee: enable it" in run.errors[0]
    assert bookmark(run) == OLD


def test_a_refusal_without_an_event_names_the_setting(run_tap: TapRunner) -> None:
    run = read(run_tap, lambda *_: {"responseCode": "27"}, event_codes=[])
    assert run.code == 78
    assert "Check event_codes, which names none" in run.errors[0]


def test_a_stream_map_can_rely_on_every_group(run_tap: TapRunner) -> None:
    maps = {"leads": {"attendee": "{'attendeeId': attendee.get('attendeeId')}"}}
    leads = {"responseCode": "0", "results": [{"leadId": "l"}]}
    run = read(run_tap, lambda *_: leads, "leads", stream_maps=maps)
    assert run.code == 0, run.log
    assert run.records("leads")[0]["attendee"] == {"attendeeId": None}
