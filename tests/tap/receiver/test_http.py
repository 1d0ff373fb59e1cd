"""The receiver over HTTP: its replies, its refusals, and what it keeps."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import resource
import shutil
import socket
import sqlite3
import threading
import time
import typing as t
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tap_rainfocus.inbox import payloads, store
from tap_rainfocus.inbox.keeping import KeptInbox
from tap_rainfocus.receiver import intake, outage
from tap_rainfocus.receiver.http import app, protocol
from tap_rainfocus.receiver.http.server import ReceiverServer, listen
from tap_rainfocus.receiver.settings import Settings
from tap_rainfocus.tap import TapRainFocus

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import timedelta
    from pathlib import Path


INLET = "inlet-5ecret-0123456789"
TOKEN = "token-5ecret-0123456789"
HOST = "127.0.0.1"
MB = 1_048_576

EVENT = {
    "transmissionId": "1700000000000001AbCd",
    "eventType": "SessionScheduled",
    "timestamp": "2025-03-18T16:05:09.000Z",
    "attendee": {"email": "ada@example.com", "registered": "Yes"},
}


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> t.Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """A receiver that runs, and its inbox."""

    port: int
    inbox: KeptInbox
    path: Path
    token: str = ""

    def post(
        self,
        body: object,
        path: str = f"/collection/{INLET}",
        method: str = "POST",
        **headers: str,
    ) -> Reply:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request(method, path, content, **headers)

    def batch(self, body: object) -> Reply:
        return self.post(body, f"/collection/batch/{INLET}")

    def get(self, path: str) -> Reply:
        return self.request("GET", path)

    def request(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None = None, **headers: str
    ) -> Reply:
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=20)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            if self.token:
                named.setdefault("authorization", f"Bearer {self.token}")
            connection.request(method, path, body, named)
            reply = connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read())

    @property
    def ids(self) -> list[str | None]:
        return [row.transmission_id for row in self.inbox.read(0, 1000)]

    def records(self) -> list[dict[str, t.Any]]:
        """What the tap makes of the events."""
        tap = TapRainFocus(config={"inbox_url": f"sqlite:///{self.path}"})
        return [*tap.streams["experience_events"].get_records(None)]  # type: ignore[list-item]

    @property
    def metrics(self) -> dict[tuple[str, ...], float]:
        families = text_string_to_metric_families(self.get("/metrics").body.decode())
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }


@contextmanager
def running(
    path: Path, *, token: str = "", body_timeout: float = 30, **more: t.Any
) -> Iterator[Receiver]:
    settings = Settings(f"sqlite:///{path}", INLET, token, HOST, 0, **more)
    with closing(KeptInbox(settings.inbox_url)) as inbox, listen(HOST, 0) as listening:
        server = ReceiverServer(settings, inbox, body_timeout=body_timeout)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.005)
            yield Receiver(listening.getsockname()[1], inbox, path, token)
        finally:
            server.stop()
            thread.join()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with running(tmp_path / "inbox.db") as receiver:
        yield receiver


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Receiver]:
    with running(tmp_path / "inbox.db", token=TOKEN) as receiver:
        yield receiver


def test_a_single_event(receiver: Receiver) -> None:
    began = time.time_ns() // 1_000_000
    reply = receiver.post(EVENT)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json.keys() == {"inletId", "xactionId", "receivedTimeMs"}
    assert INLET not in reply.body.decode()
    assert began <= reply.json["receivedTimeMs"] <= began + 20_000
    rows = receiver.inbox.read(0, 10)
    assert [row.transmission_id for row in rows] == [EVENT["transmissionId"]]
    assert json.loads(rows[0].payload) == EVENT


def test_a_batch_has_a_result_per_message(receiver: Receiver) -> None:
    receiver.post({"transmissionId": "a", "eventType": "one"})
    messages = [
        {"transmissionId": "b"},
        {"transmissionId": "b"},
        {"transmissionId": "a", "eventType": "one", "attempt": 2},
        {"nothing": "known"},
    ]
    reply = receiver.batch({"messages": messages})
    assert reply.status == 207
    assert reply.json.keys() == {"inletId", "batchId", "receivedTimeMs", "responses"}
    first, again, beside, unknown = reply.json["responses"]
    assert first.keys() == again.keys() == beside.keys() == {"xactionId"}
    assert first != again
    assert unknown.keys() == {"statusCode", "message"}
    assert unknown["statusCode"] == 202
    assert receiver.ids == ["a", "b"]
    assert receiver.inbox.counts() == {"events": 2, "unreadable": 2}


@pytest.mark.parametrize(
    "body",
    [
        [{"transmissionId": "a"}, {"transmissionId": "b"}],
        {"messages": [{"transmissionId": "a"}, {"transmissionId": "b"}]},
    ],
)
def test_many_are_taken_wherever_they_are_sent(receiver: Receiver, body: object) -> None:
    single = receiver.post(body)
    assert (single.status, "xactionId" in single.json) == (200, True)
    assert receiver.ids == ["a", "b"]
    batch = receiver.batch(body)
    assert (batch.status, len(batch.json["responses"])) == (207, 2)
    assert receiver.ids == ["a", "b"]


def test_a_batch_of_one_and_of_none(receiver: Receiver) -> None:
    assert len(receiver.batch({"transmissionId": "a"}).json["responses"]) == 1
    assert receiver.batch({"messages": []}).json["responses"] == []
    assert receiver.post([]).status == 200
    assert receiver.ids == ["a"]


def test_the_flow_id_comes_as_header_or_in_the_query(receiver: Receiver) -> None:
    receiver.post({"transmissionId": "a"}, x_adobe_flow_id="flow-1")
    receiver.post({"transmissionId": "b"}, f"/collection/{INLET}?x-adobe-flow-id=flow%202%00")
    receiver.post({"transmissionId": "c"})
    assert [row.flow_id for row in receiver.inbox.read(0, 9)] == ["flow-1", "flow 2", None]


@pytest.mark.parametrize(
    "first",
    [
        EVENT,
        {"attendee.email": "ada@example.com", "eventType": "Registered"},
        {"lead": {"leadId": 7}},
    ],
)
def test_what_comes_twice_is_kept_once(receiver: Receiver, first: dict[str, object]) -> None:
    turned = json.dumps(dict(reversed(first.items())), indent=2).encode()
    for body in (first, first, turned):
        assert receiver.post(body).status == 200
    assert receiver.inbox.counts() == {"events": 1, "unreadable": 0}
    assert receiver.metrics["rainfocus_receiver_messages_total", "duplicate"] == 2


def test_dotted_and_nested_names_are_the_same_event(receiver: Receiver) -> None:
    receiver.post({"attendee.email": "a@example.com", "attendee": {"attendeeId": "1"}})
    receiver.post({"attendee": {"attendeeId": "1", "email": "a@example.com"}})
    receiver.post({"attendee.attendeeId": "1", "attendee.email": "a@example.com"})
    assert receiver.inbox.counts() == {"events": 1, "unreadable": 0}


def test_an_event_sent_again_later_may_have_another_timestamp(receiver: Receiver) -> None:
    receiver.post(EVENT)
    assert receiver.post({**EVENT, "timestamp": "2025-03-18T17:00:00.000Z"}).status == 200
    assert receiver.inbox.counts() == {"events": 1, "unreadable": 0}


def test_a_retry_with_a_counter_of_its_own_is_the_same_event(receiver: Receiver) -> None:
    for attempt in (1, 2, 2):
        assert receiver.post({**EVENT, "attempt": attempt}).status == 200
    (row,) = receiver.inbox.read(0, 9)
    assert json.loads(row.payload)["attempt"] == 1
    assert receiver.inbox.counts() == {"events": 1, "unreadable": 1}
    metrics = receiver.metrics
    assert metrics["rainfocus_receiver_messages_total", "conflict"] == 1
    assert metrics["rainfocus_receiver_messages_total", "duplicate"] == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"session": {"length": 60}}, {"session": {"length": 60.0, "title": None}}),
        ({"session": {"length": "60"}}, {"session.length": 60, "lead": {}, "session.code": ""}),
        ({"transmissionID": EVENT["transmissionId"]}, {"Transmission_Id": EVENT["transmissionId"]}),
        ({"attendee": {"registered": "Yes"}}, {"Attendee": [{"REGISTERED": True}]}),
        ({}, {"transmissionId": f" {EVENT['transmissionId']}\0", "eventType": "", "event": {}}),
    ],
)
def test_the_same_content_in_another_spelling_is_the_same_event(
    receiver: Receiver, one: dict[str, object], other: dict[str, object]
) -> None:
    for said in (one, other):
        assert receiver.post({"transmissionId": EVENT["transmissionId"]} | said).status == 200
    assert receiver.inbox.counts()["events"] == 1


def test_one_transmission_may_carry_several_events(receiver: Receiver) -> None:
    many = [{**EVENT, "eventType": kind} for kind in ("Scheduled", "Dropped", "Moved")]
    receiver.post(many)
    receiver.post(many[::-1])
    receiver.post(many[1])
    assert receiver.inbox.counts() == {"events": 3, "unreadable": 0}
    assert len({row.transmission_id for row in receiver.inbox.read(0, 9)}) == 1


SCHEDULED, DROPPED = ({"eventType": kind, "lead": {"leadId": 1}} for kind in ("Sched", "Drop"))


def test_without_an_id_the_time_tells_events_apart(receiver: Receiver) -> None:
    days = [
        event | {"timestamp": f"2025-03-18T1{n}:00:00Z"} for n, event in enumerate(3 * [SCHEDULED])
    ]
    for event in (*days, *days):
        receiver.post(event)
    assert receiver.inbox.counts() == {"events": 3, "unreadable": 0}


def test_without_id_and_time_that_of_receipt_tells_events_apart(receiver: Receiver) -> None:
    for event in (SCHEDULED, SCHEDULED, DROPPED):
        receiver.post(event)
    assert receiver.inbox.counts()["events"] == 2
    age(receiver, store.RETRY_WINDOW)
    for event in (SCHEDULED, SCHEDULED):
        receiver.post(event)
    assert receiver.inbox.counts() == {"events": 3, "unreadable": 0}
    age(receiver, store.RETRY_WINDOW)
    receiver.post(SCHEDULED)
    assert receiver.inbox.counts() == {"events": 4, "unreadable": 0}


def test_nothing_is_a_retry_of_what_stands_in_the_same_body(receiver: Receiver) -> None:
    body = [SCHEDULED, DROPPED, SCHEDULED]
    receiver.post(body)
    receiver.post(body)
    rows = receiver.inbox.read(0, 9)
    assert [json.loads(row.payload) for row in rows] == body
    assert len({row.received_at for row in rows}) == 3


def age(receiver: Receiver, by: timedelta) -> None:
    """Let all that has been received be older."""
    with closing(sqlite3.connect(receiver.path, timeout=20)) as connection, connection:
        seconds = f"-{by.total_seconds()} seconds"
        text = "strftime('%Y-%m-%d %H:%M:%f', received_at, ?) || '000'"
        connection.execute(f"UPDATE rainfocus_inbox SET received_at = {text}", [seconds])


def test_without_any_of_the_groups_all_that_is_said_counts(receiver: Receiver) -> None:
    for person in ("a", "b", "a"):
        receiver.post({"eventType": "x", "person": {"name": person}})
    assert receiver.inbox.counts() == {"events": 2, "unreadable": 0}


@pytest.mark.parametrize(
    "body",
    [
        *(b"7", b"null", b'"text"', b"{}", b'{"attendee": {"shoeSize": 44}}', b'[["a"]]'),
        *(b'{"data": {}}', b'{"data": {"hello": 1}}', b'{"eventType":"\\u0000"}'),
    ],
)
def test_json_that_is_no_event_is_kept_counted_and_not_read(
    receiver: Receiver, body: bytes
) -> None:
    assert receiver.post(body).status == 202
    assert receiver.ids == []
    assert receiver.inbox.counts() == {"events": 0, "unreadable": 1}
    assert receiver.metrics["rainfocus_receiver_messages_total", "unreadable"] == 1


@pytest.mark.parametrize(
    "transmission_id",
    ["x" * 100_000, "a\0b", "\U0001f600", "unreadable:1", 7, 1.5, 10**30, True, None, [], "", " "],
)
def test_any_transmission_id_is_kept(receiver: Receiver, transmission_id: object) -> None:
    for _ in range(2):
        body = {"transmissionId": transmission_id, "eventType": "A"}
        assert receiver.post(body).status == 200
    assert receiver.inbox.counts() == {"events": 1, "unreadable": 0}


@pytest.mark.parametrize(
    "body",
    [
        b'{"lead":{"note":"a\\ud83d"}}',
        b'\xef\xbb\xbf{"eventType":"A"}',
        b'{"eventType":"\\u0000x"}',
    ],
)
def test_what_is_nearly_json_is_an_event_too(receiver: Receiver, body: bytes) -> None:
    assert receiver.post(body).status == 200
    assert receiver.post(body).status == 200
    assert [row.payload.encode() for row in receiver.inbox.read(0, 9)] == [body]


ODD = {
    "not UTF-8": b'{"eventType":"\xff\xfe"}',
    "another charset": json.dumps(EVENT).encode("utf-16"),
    "a form": b"payload=%7B%22eventType%22%3A%22A%22%7D",
    "NUL": b'{"eventType":"\0"}',
    "two values": b"{}{}",
    "deep array": b"[" * 500_000,
    "deep object": b'{"a":' * 150_000,
    "deep and closed": b'{"lead":' + b"[" * 900 + b"]" * 900 + b"}",
    "deep dotted": b'{"lead.note":' + b"[" * 253 + b"]" * 253 + b"}",
    "deep as can be written": b'{"lead":' + b"[" * 250 + b"]" * 250 + b"}",
    "large exponent": b'{"eventType":1e999999999999999999999}x',
    "binary": bytes(range(256)) * 100,
    "what stands for bytes": b"data:application/octet-stream;base64,AAAA",
    "gzip, damaged": gzip.compress(b"{}")[:-8] + b"12345678",
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_what_cannot_be_understood_is_kept_as_it_came(receiver: Receiver, body: bytes) -> None:
    assert receiver.post(body).status == 202
    (told,) = receiver.batch(body).json["responses"]
    assert told["statusCode"] == 202
    assert receiver.metrics["rainfocus_receiver_messages_total", "unreadable"] == 1
    assert receiver.inbox.counts() == {"events": 0, "unreadable": 1}
    assert kept(receiver) == [body]
    assert receiver.post(EVENT).status == 200


CUT_OFF = {
    "in a name": b'{"eve',
    "in a value": b'{"eventType":',
    "in a text": b'{"transmissionId":"a","eventType":"Sch',
    "before the end": json.dumps(EVENT).encode()[:-1],
    "a list": b'[{"transmissionId":"a"},',
    "gzip": gzip.compress(json.dumps(EVENT).encode())[:-9],
}


@pytest.mark.parametrize("body", CUT_OFF.values(), ids=CUT_OFF)
def test_what_is_cut_off_is_refused_and_kept_too(receiver: Receiver, body: bytes) -> None:
    check_refusal(receiver.post(body), 400)
    assert receiver.batch(body).json["responses"][0]["statusCode"] == 400
    assert receiver.inbox.counts() == {"events": 0, "unreadable": 1}
    assert kept(receiver) == [body]


def test_a_kind_of_message_that_is_not_read_is_logged_once(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    for body in (b"ada@example.com", b"odd", b"{}", b'{"odd": 1}', ODD["not UTF-8"]):
        receiver.post(body)
    told = [line for line in caplog.messages if "is kept, but not read" in line]
    assert [line.split("(")[1].split(")")[0] for line in told] == [
        "not-json",
        "no-event",
        "not-utf-8",
    ]
    assert "ada@example.com" not in caplog.text


def kept(receiver: Receiver) -> list[bytes]:
    """The unreadable bodies."""
    with closing(sqlite3.connect(receiver.path, timeout=20)) as connection:
        rows = connection.execute("SELECT payload FROM rainfocus_inbox WHERE NOT readable")
        return [payloads.as_bytes(text) for (text,) in rows]


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_an_empty_body(receiver: Receiver, body: bytes) -> None:
    check_refusal(receiver.post(body), 400)
    assert receiver.inbox.counts() == {"events": 0, "unreadable": 0}


NAMED = {"name": "Summit"}
XDM = {"_id": "t1", "timestamp": EVENT["timestamp"], "eventType": "A"}
PERSON = {"attendee": {"email": "a@example.com"}}
FIRST, SECOND = ({"transmissionId": f"t{n}", "eventType": "A", **PERSON} for n in (1, 2))
HEADER = {"schemaRef": {"id": "https://ns.adobe.com/x"}, "flowId": "flow-9"}

WRAPPED: dict[str, tuple[object, list[str]]] = {
    "xdmEntity": ({"xdmEntity": FIRST}, ["t1"]),
    "body": ({"body": {"xdmEntity": FIRST}}, ["t1"]),
    "envelope": ({"header": HEADER, "body": {"xdmMeta": {}, "xdmEntity": FIRST}}, ["t1"]),
    "messages": (
        {"messages": [{"header": HEADER, "body": {"xdmEntity": one}} for one in (FIRST, SECOND)]},
        ["t1", "t2"],
    ),
    "tenant": ({**XDM, "_acme": {"transmissionId": "t1", **PERSON}}, ["t1"]),
    "tenant without id": ({"body": {"xdmEntity": {**XDM, "_acme": PERSON}}}, ["t1"]),
    "an entity without tenant": ({"body": {"xdmEntity": {**XDM, **PERSON}}}, ["t1"]),
    "an entity with both ids": ({"xdmEntity": {**FIRST, "_id": "t1"}}, ["t1"]),
    "an entity with a hash": ({"xdmEntity": {**FIRST, "_id": "5af0"}}, ["t1"]),
    "an event in capitals": ({"Event": FIRST}, ["t1"]),
    "data": ({"data": FIRST, "version": 2}, ["t1"]),
    "payload": ({"payload": FIRST}, ["t1"]),
    "event": ({"event": FIRST}, ["t1"]),
    "events": ({"events": [FIRST, SECOND]}, ["t1", "t2"]),
    "records in data": ({"Data": {"Events": [FIRST, SECOND]}}, ["t1", "t2"]),
    "fields outside": (
        {"transmissionId": "t1", "eventType": "A", "event": NAMED, "data": PERSON},
        ["t1"],
    ),
    "JSON in a text": ({"body": json.dumps(FIRST)}, ["t1"]),
    "a field called messages": (FIRST | {"messages": [SECOND, {"a": 1}]}, ["t1"]),
    "a field called data": (FIRST | {"data": {"attempt": 1}}, ["t1"]),
    "groups in other letters": (
        {"TransmissionID": "t1", "event_type": "A", "Attendee": PERSON["attendee"]},
        ["t1"],
    ),
}


@pytest.mark.parametrize(("body", "expected"), WRAPPED.values(), ids=WRAPPED)
def test_what_wraps_an_event_is_taken_away(
    receiver: Receiver, body: object, expected: list[str]
) -> None:
    assert receiver.post(body).status == 200
    assert receiver.ids == expected
    found = receiver.records()
    assert [one["transmissionId"] for one in found] == expected
    assert all(one["_unread"] is None for one in found)
    assert all(one["eventType"] == "A" and one["attendee"] == PERSON["attendee"] for one in found)


def test_an_entity_whose_id_is_none(receiver: Receiver) -> None:
    odd_ids: list[object] = [[], {"a": 1}, 7]
    for odd in odd_ids:
        body = {"xdmEntity": {**PERSON, "_id": "x", "transmissionId": odd}}
        assert receiver.post(body).status == 200
    assert receiver.ids == ["x", None, "7"]


ALONE: dict[str, object] = {
    "texts called messages": {"eventType": "A", "messages": ["hi", "ho"]},
    "no messages": {"eventType": "A", "messages": []},
    "the group event": {"eventType": "A", "event": NAMED},
    "the group event with a time": {"eventType": "A", "event": NAMED | {"timestamp": 1}},
    "a type of the event": {**PERSON, "event": NAMED | {"eventType": "conference"}},
}


@pytest.mark.parametrize("body", ALONE.values(), ids=ALONE)
def test_what_wraps_nothing_is_an_event_itself(receiver: Receiver, body: object) -> None:
    assert receiver.post(body).status == 200
    (row,) = receiver.inbox.read(0, 9)
    assert json.loads(row.payload) == body


def test_an_envelope_names_the_flow(receiver: Receiver) -> None:
    envelope = WRAPPED["envelope"][0]
    receiver.post(envelope)
    assert [row.flow_id for row in receiver.inbox.read(0, 9)] == ["flow-9"]
    assert json.loads(receiver.inbox.read(0, 9)[0].payload) == FIRST


def test_a_group_of_several_is_an_event_each(receiver: Receiver) -> None:
    times = [{"sessiontimeId": str(n)} for n in range(3)]
    several = {"session": [{"code": "A"}, {"code": "B"}, {"code": "C"}], "sessionTime": times}
    assert receiver.post(FIRST | several).status == 200
    found = receiver.records()
    told = [(one["session"]["code"], one["sessiontime"]["sessiontimeId"]) for one in found]
    assert told == [("A", "0"), ("B", "1"), ("C", "2")]
    assert {one["attendee"]["email"] for one in found} == {"a@example.com"}
    assert len({one["_id"] for one in found}) == 3


ELSEWHERE: dict[str, tuple[dict[str, object], dict[str, object], dict[str, object]]] = {
    "in another group": (
        {"lead": {"leadId": "L", "attendee": {"email": "b@example.com"}}},
        {"attendeeId": "A"},
        {"lead.attendee": {"email": "b@example.com"}},
    ),
    "in other letters": (
        {"Attendee": {"attendeeId": "B", "email": "b@example.com"}},
        {"attendeeId": "A"},
        {"Attendee": {"attendeeId": "B", "email": "b@example.com"}},
    ),
}


@pytest.mark.parametrize(("more", "attendee", "unread"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_two_people_are_never_mixed(
    receiver: Receiver,
    more: dict[str, object],
    attendee: dict[str, object],
    unread: dict[str, object],
) -> None:
    receiver.post({"transmissionId": "t1", "attendee": {"attendeeId": "A"}, **more})
    (record,) = receiver.records()
    assert record["attendee"] == attendee
    assert json.loads(record["_unread"]) == unread


BESIDE: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "no messages": ({"messages": [], "data": FIRST}, {}),
    "odd messages": ({"messages": [{"odd": 1}], "data": FIRST}, {}),
    "null inside": ({"transmissionId": "t1", "data": FIRST | {"transmissionId": None}}, {}),
    "a group in parts": (
        {"event": {"name": "Summit"}, "data": FIRST | {"event": {"code": "s"}}},
        {"event": {"name": "Summit", "code": "s"}},
    ),
    "in the header": (
        {"header": {"transmissionId": "t1", "eventType": "A"}, "body": PERSON},
        {},
    ),
    "a person beside": ({**PERSON, "events": [{"transmissionId": "t1", "eventType": "A"}]}, {}),
    "named in event": (
        {"event": {"name": "Summit", **FIRST}},
        {"event": {"name": "Summit"}},
    ),
}


@pytest.mark.parametrize(("body", "more"), BESIDE.values(), ids=BESIDE)
def test_what_stands_beside_a_wrapper_is_the_event_s(
    receiver: Receiver, body: dict[str, object], more: dict[str, object]
) -> None:
    assert receiver.post(body).status == 200
    (record,) = receiver.records()
    assert record["transmissionId"] == "t1"
    assert record == record | {"eventType": "A", "attendee": PERSON["attendee"]} | more


def test_a_group_that_is_none_tells_events_apart(receiver: Receiver) -> None:
    for person in ("1", "2"):
        receiver.post({"transmissionId": "t1", "attendee": [{"attendeeId": person}, None]})
    assert receiver.inbox.counts() == {"events": 2, "unreadable": 0}


@pytest.mark.parametrize("said", ["N/A", "{{now}}", " "])
def test_a_time_that_cannot_be_read_is_no_place(receiver: Receiver, said: str) -> None:
    event = SCHEDULED | {"timestamp": said}
    receiver.post(event)
    receiver.post(event)
    age(receiver, store.RETRY_WINDOW)
    receiver.post(event)
    assert receiver.inbox.counts()["events"] == 2


@pytest.mark.parametrize("said", ["null", 0, "00000000-0000-0000-0000-000000000000"])
def test_a_word_for_no_id_is_none(receiver: Receiver, said: object) -> None:
    for day in ("18", "19", "18"):
        moment = {"timestamp": f"2025-03-{day}T16:05:09.000Z"}
        receiver.post(SCHEDULED | {"transmissionId": said} | moment)
    assert receiver.inbox.counts() == {"events": 2, "unreadable": 0}


def test_what_is_not_understood_may_come_again_too(receiver: Receiver) -> None:
    odd = {"result": SCHEDULED}
    receiver.post([odd, {"result": DROPPED}, odd])
    receiver.post(odd)
    assert receiver.inbox.counts() == {"events": 0, "unreadable": 3}
    age(receiver, store.RETRY_WINDOW)
    receiver.post(odd)
    assert receiver.inbox.counts() == {"events": 0, "unreadable": 4}


def test_a_time_beyond_all_times(receiver: Receiver) -> None:
    body = [EVENT, {"transmissionId": "t2", "timestamp": "9999-12-31T23:59:60Z"}]
    assert receiver.post(body).status == 200
    assert [one["timestamp"] for one in receiver.records()][1:] == [None]


def test_many_fields_beside_many_events(receiver: Receiver) -> None:
    many: dict[str, object] = {f"field{n}": n for n in range(20_000)}
    many["data"] = [{"lead": {"leadId": n}} for n in range(100)]
    assert receiver.post(many).status == 202
    assert receiver.inbox.kinds() == {"too-large": 1}


def test_groups_that_cannot_be_told_apart_are_kept(receiver: Receiver) -> None:
    odd = {"session": [{"code": "A"}, {"code": "B"}], "lead": [{"leadId": n} for n in range(3)]}
    receiver.post(FIRST | odd)
    (record,) = receiver.records()
    assert json.loads(record["_unread"]) == odd


LINES = b"\n".join(json.dumps(one).encode() for one in (FIRST, SECOND))


def deflated(body: bytes, wbits: int) -> bytes:
    stream = zlib.compressobj(wbits=wbits)
    return stream.compress(body) + stream.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (LINES, ""),
        (LINES.replace(b"\n", b"\r\n\r\n") + b"\n", ""),
        (gzip.compress(LINES), "gzip"),
        (gzip.compress(LINES), ""),
        (gzip.compress(LINES[:100]) + gzip.compress(LINES[100:]), "x-gzip"),
        (deflated(LINES, 15), "deflate"),
        (deflated(LINES, -15), "deflate"),
    ],
)
def test_lines_and_compressed_bodies(receiver: Receiver, body: bytes, encoding: str) -> None:
    assert receiver.post(body, content_encoding=encoding).status == 200
    assert receiver.ids == ["t1", "t2"]


def test_a_line_that_is_no_json_is_kept_among_others(receiver: Receiver) -> None:
    assert receiver.post(LINES.replace(b"\n", b"\nodd\n")).status == 202
    assert receiver.ids == ["t1", "t2"]
    assert kept(receiver) == [b"odd"]


def test_what_is_large_once_it_is_not_compressed(receiver: Receiver) -> None:
    assert receiver.post(gzip.compress(event_of(MB))).status == 200
    for size in (MB + 1, 100 * MB):
        check_refusal(receiver.post(gzip.compress(b" " * size)), 413)


@pytest.mark.parametrize(
    "many", [{"session": [{"code": "A"}] * 5000}, {"events": [{"lead": {"leadId": 1}}] * 5000}]
)
def test_what_is_large_once_it_is_unfolded(receiver: Receiver, many: dict[str, object]) -> None:
    assert receiver.post({"text": "x" * 500_000, **many}).status == 202
    assert receiver.inbox.kinds() == {"too-large": 1}


def test_wrappers_in_wrappers_in_wrappers(receiver: Receiver) -> None:
    deep: object = FIRST
    for _ in range(100):
        deep = {"data": deep}
    assert receiver.post(deep).status == 202
    assert receiver.inbox.counts() == {"events": 0, "unreadable": 1}


def test_payload_key_names_one_more_wrapper(tmp_path: Path) -> None:
    with running(tmp_path / "inbox.db", payload_key="Result.records") as receiver:
        receiver.post({"result": {"records": [FIRST, SECOND]}})
        assert receiver.ids == ["t1", "t2"]


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"9" * 300, b"1" + b"0" * 300 + b".5"])
def test_a_huge_number_in_an_event(receiver: Receiver, number: bytes) -> None:
    body = b'{"transmissionId":"a","session":{"length":' + number + b"}}"
    assert receiver.post(body).status == 200
    assert receiver.inbox.read(0, 1)[0].payload.encode() == body


def check_refusal(reply: Reply, status: int) -> None:
    assert reply.status == status
    assert reply.headers["content-type"] == "application/json"
    assert reply.json.keys() == {"type", "status", "title", "report"}
    assert reply.json["status"] == status
    assert reply.json["report"]["message"].endswith(".")


@pytest.mark.parametrize("prefix", ["/collection/", "/collection/batch/"])
@pytest.mark.parametrize("inlet", ["", "wrong", INLET[:-1], INLET + "x", "%ff%00", INLET + "/"])
def test_strangers_without_the_inlet(guarded: Receiver, prefix: str, inlet: str) -> None:
    check_refusal(guarded.post(EVENT, prefix + inlet), 404)
    assert guarded.ids == []


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xff"],
)
def test_strangers_without_the_token(guarded: Receiver, authorization: str) -> None:
    reply = guarded.post(EVENT, authorization=authorization)
    check_refusal(reply, 401)
    assert reply.headers["www-authenticate"] == "Bearer"
    assert guarded.ids == []
    assert guarded.post(EVENT, authorization=f"bearer {TOKEN}").status == 200


def test_secrets_are_changed_one_sender_after_the_other(tmp_path: Path) -> None:
    old: dict[str, t.Any] = {
        "previous_inlet": "old-inlet-0123456789",
        "previous_token": "old-token-0123456789",
    }
    with running(tmp_path / "inbox.db", token=TOKEN, **old) as receiver:
        tries = [
            receiver.post(EVENT, f"/collection/{inlet}", authorization=f"Bearer {token}").status
            for inlet in (INLET, old["previous_inlet"], "other-inlet-0123456789")
            for token in (TOKEN, old["previous_token"], "other-token-0123456789")
        ]
        assert tries == [200, 200, 401, 200, 200, 401, 404, 404, 404]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_other_methods(receiver: Receiver, method: str) -> None:
    reply = receiver.post(b"", method=method)
    check_refusal(reply, 405)
    assert reply.headers["allow"] == "POST"
    check_refusal(receiver.post(b"", "/health", "PUT"), 405)


def test_other_paths(receiver: Receiver) -> None:
    for path in ("/", "/collection", f"/{INLET}", f"/collection/a/{INLET}"):
        check_refusal(receiver.post(EVENT, path), 404)


def event_of(size: int) -> bytes:
    start, end = b'{"transmissionId":"large","lead":{"note":"', b'"}}'
    return start + b"x" * (size - len(start) - len(end)) + end


def test_a_body_may_have_one_mb_and_no_byte_more(receiver: Receiver) -> None:
    check_refusal(receiver.post(event_of(MB + 1)), 413)
    assert receiver.ids == []
    assert receiver.post(event_of(MB)).status == 200
    assert receiver.ids == ["large"]


def chunks(size: int) -> Iterator[bytes]:
    body = event_of(size)
    for start in range(0, size, 30_000):
        yield body[start : start + 30_000]


def test_a_chunked_body_may_have_one_mb_and_no_byte_more(receiver: Receiver) -> None:
    path = f"/collection/{INLET}"
    check_refusal(receiver.request("POST", path, chunks(MB + 1)), 413)
    assert receiver.ids == []
    assert receiver.request("POST", path, chunks(MB)).status == 200
    assert receiver.ids == ["large"]


def test_more_messages_than_a_commit_should_have(receiver: Receiver) -> None:
    check_refusal(receiver.batch([{}] * 10_001), 413)
    assert receiver.batch([{}] * 10_000).status == 207


def raw(receiver: Receiver, *lines: str) -> socket.socket:
    connection = socket.create_connection((HOST, receiver.port), timeout=20)
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def status_of(connection: socket.socket) -> int:
    return int(connection.recv(65_536).split()[1])


@pytest.mark.parametrize(
    ("inlet", "length", "status"),
    [("wrong", 100, 404), (INLET, 100, 401), (INLET, MB + 1, 401)],
)
def test_strangers_are_refused_before_their_body_is_read(
    guarded: Receiver, inlet: str, length: int, status: int
) -> None:
    head = (f"POST /collection/{inlet} HTTP/1.1", "host: a", f"content-length: {length}")
    with raw(guarded, *head) as connection:
        assert status_of(connection) == status


def test_a_large_body_is_refused_before_it_is_read(receiver: Receiver) -> None:
    head = (f"POST /collection/{INLET} HTTP/1.1", "host: a", f"content-length: {MB + 1}")
    with raw(receiver, *head, "expect: 100-continue") as connection:
        assert status_of(connection) == 413


def test_slow_senders_do_not_keep_their_place(tmp_path: Path) -> None:
    head = (f"POST /collection/{INLET} HTTP/1.1", "host: a", "content-length: 100")
    with running(tmp_path / "inbox.db", body_timeout=0.3) as receiver:
        slow = [raw(receiver, *head) for _ in range(20)]
        for connection in slow:
            connection.sendall(b"{")
        assert receiver.post(EVENT).status == 200
        for connection in slow:
            with connection:
                assert status_of(connection) == 408
        assert receiver.post(EVENT).status == 200


def test_senders_that_hang_up_are_forgotten(receiver: Receiver) -> None:
    head = (f"POST /collection/{INLET} HTTP/1.1", "host: a", "content-length: 100")
    for _ in range(20):
        with raw(receiver, *head) as connection:
            connection.sendall(b'{"eventType"')
    with raw(receiver, "no HTTP at all") as connection:
        assert status_of(connection) == 400
    assert receiver.post(EVENT).status == 200
    assert receiver.inbox.counts() == {"events": 1, "unreadable": 0}


def test_the_same_event_from_many_at_once_is_kept_once(receiver: Receiver) -> None:
    with ThreadPoolExecutor(16) as threads:
        replies = list(threads.map(receiver.post, [EVENT] * 100))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.json["xactionId"] for reply in replies}) == 100
    assert receiver.ids == [EVENT["transmissionId"]]
    metrics = receiver.metrics
    assert metrics["rainfocus_receiver_messages_total", "new"] == 1
    assert metrics["rainfocus_receiver_messages_total", "duplicate"] == 99
    assert metrics["rainfocus_receiver_requests_total", "200"] == 100
    assert 1 <= metrics[("rainfocus_receiver_commit_seconds_count",)] <= 100


def test_metrics_of_the_inbox_and_of_what_comes(receiver: Receiver) -> None:
    began = time.time()
    first = EVENT | {"shoe": 1, "attendee": {"attendeeId": 1, "size": 2, "ada@example.com": 3}}
    for event in (first, EVENT | {"eventType": "ada@example.com"}, {"transmissionId": "x"}):
        receiver.post(event)
    receiver.post(b"odd")
    metrics = receiver.metrics
    assert metrics["rainfocus_receiver_events_total", "SessionScheduled"] == 1
    assert metrics["rainfocus_receiver_events_total", "other"] == 2
    assert metrics["rainfocus_receiver_inbox_messages", "event"] == 3
    assert metrics["rainfocus_receiver_inbox_messages", "unreadable"] == 1
    last = metrics[("rainfocus_receiver_last_commit_timestamp_seconds",)]
    assert began <= last <= time.time()
    unknown = {key[1] for key in metrics if key[0] == "rainfocus_receiver_unknown_field"}
    assert unknown == {"shoe", "attendee.size"}
    assert "ada@example.com" not in receiver.get("/metrics").body.decode()


def test_metrics_have_an_end(receiver: Receiver) -> None:
    receiver.batch([{"eventType": f"type{n}", f"field{n}": 1} for n in range(300)])
    names = [key[0] for key in receiver.metrics]
    assert names.count("rainfocus_receiver_events_total") == 101
    assert names.count("rainfocus_receiver_unknown_field") == 100


def test_an_inbox_that_cannot_be_written_and_comes_back(receiver: Receiver) -> None:
    assert receiver.get("/health").status == 200
    rename(receiver, "rainfocus_inbox_sequence", "away")
    with ThreadPoolExecutor(8) as threads:
        for reply in threads.map(receiver.post, [EVENT] * 8):
            check_refusal(reply, 503)
            assert int(reply.headers["retry-after"]) > 0
    check_refusal(receiver.batch([EVENT]), 503)
    check_health(receiver, "database")
    rename(receiver, "away", "rainfocus_inbox_sequence")
    assert receiver.get("/health").status == 200
    assert receiver.post(EVENT).status == 200
    assert receiver.ids == [EVENT["transmissionId"]]


def test_an_inbox_that_is_down_is_told_now_and_then(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "rainfocus-receiver")
    rename(receiver, "rainfocus_inbox_sequence", "away")
    for _ in range(10):
        assert receiver.post(EVENT).status == 503
    assert [message.partition(" (")[0] for message in caplog.messages] == [
        "The inbox cannot be written"
    ]
    monkeypatch.setattr(outage, "AGAIN", 0)
    assert receiver.post(EVENT).status == 503
    assert caplog.messages[1] == f"{caplog.messages[0]} It has failed 10 times more."
    rename(receiver, "away", "rainfocus_inbox_sequence")
    for _ in range(2):
        assert receiver.get("/health").status == 200
    assert caplog.messages[2:] == ["The inbox can be written again."]


def rename(receiver: Receiver, table: str, to: str) -> None:
    with closing(sqlite3.connect(receiver.path, timeout=20)) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO {to}")


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file is written beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def check_health(receiver: Receiver, cause: str) -> None:
    reply = receiver.get("/health")
    assert reply.status == 503
    assert reply.json == {"status": "The inbox cannot be written.", "cause": cause}


def test_a_full_disk_is_told_by_health(receiver: Receiver) -> None:
    assert receiver.post(EVENT).status == 200
    with full_disk(4096):
        check_health(receiver, "disk")
        check_refusal(receiver.post({**EVENT, "transmissionId": "b"}), 503)
        check_health(receiver, "disk")
    assert receiver.get("/health").status == 200
    assert receiver.post({**EVENT, "transmissionId": "b"}).status == 200
    assert receiver.ids == [EVENT["transmissionId"], "b"]


def test_health_wants_room_for_what_could_not_be_kept_last(receiver: Receiver) -> None:
    with full_disk(500_000):
        assert receiver.get("/health").status == 200
        check_refusal(receiver.post(event_of(MB)), 503)
        check_health(receiver, "disk")
    assert receiver.get("/health").status == 200
    assert receiver.post(event_of(MB)).status == 200


def test_what_cannot_be_taken_over_from_the_log_is_not_taken(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room on the disk, or in the file: both count."""
    usage = shutil.disk_usage(receiver.path.parent)
    assert receiver.post(event_of(MB)).status == 200
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        check_refusal(receiver.post(EVENT), 503)
        check_health(receiver, "disk")
        assert receiver.inbox.prune(sequence=1) == 1
        assert receiver.post(EVENT).status == 200
        assert receiver.get("/health").status == 200
        check_refusal(receiver.post(event_of(MB)), 503)
        check_health(receiver, "disk")
    assert receiver.get("/health").status == 200
    assert receiver.ids == [EVENT["transmissionId"]]


def test_health_leaves_nothing_behind(receiver: Receiver) -> None:
    assert receiver.get("/health").status == 200
    assert receiver.post(EVENT).status == 200
    with closing(sqlite3.connect(receiver.path)) as connection:
        rows = connection.execute("SELECT sequence, transmission_id FROM rainfocus_inbox")
        assert rows.fetchall() == [(1, EVENT["transmissionId"])]


@pytest.mark.parametrize("with_another", [False, True])
def test_an_inbox_that_is_taken_away_under_a_receiver(
    receiver: Receiver, *, with_another: bool
) -> None:
    receiver.post(EVENT)
    path = receiver.path.rename(receiver.path.with_name("away"))
    if with_another:
        shutil.copy(path, receiver.path)
    assert receiver.post({"transmissionId": "x"}).status == 503
    health = receiver.get("/health")
    assert (health.status, health.json["cause"]) == (503, "database")


def test_too_many_that_wait_are_sent_away(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "ROOM", 50_000)
    bodies = [
        {"transmissionId": str(number), "lead": {"note": "x" * 10_000}} for number in range(9)
    ]
    with (
        closing(sqlite3.connect(receiver.path, isolation_level=None)) as writer,
        ThreadPoolExecutor(9) as threads,
    ):
        writer.execute("BEGIN IMMEDIATE")
        replies = [threads.submit(receiver.post, body) for body in bodies]
        while sum(reply.done() for reply in replies) < 5:
            time.sleep(0.01)
        check_refusal(next(reply.result() for reply in replies if reply.done()), 503)
        writer.execute("COMMIT")
        statuses = sorted(reply.result().status for reply in replies)
    assert statuses == [200] * 4 + [503] * 5
    assert len(receiver.ids) == 4
    assert {receiver.post(body).status for body in bodies} == {200}
    assert len(receiver.ids) == 9


def test_metrics_are_prometheus_text(receiver: Receiver) -> None:
    receiver.post(EVENT)
    reply = receiver.get("/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=")
    names = {family.name for family in text_string_to_metric_families(reply.body.decode())}
    assert names >= {
        "rainfocus_receiver_messages",
        "rainfocus_receiver_requests",
        "rainfocus_receiver_commit_seconds",
    }


def test_no_secret_and_no_payload_in_the_log(
    guarded: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stranger = replace(guarded, token="")
    for body in (EVENT, b"{", event_of(MB + 1), b""):
        guarded.post(body)
        guarded.batch(body)
        stranger.post(body)
        stranger.post(body, "/collection/wrong-inlet-by-mistake")
    with raw(guarded, f"POST /collection/{INLET} HTTP/9.9", f"authorization: {TOKEN}", "x") as bad:
        bad.recv(65_536)
    rename(guarded, "rainfocus_inbox", "away")
    assert guarded.post({**EVENT, "transmissionId": "other"}).status == 503
    assert "inbox cannot be written" in caplog.text
    for text in (INLET, TOKEN, "ada@example.com", "wrong-inlet-by-mistake", "/collection"):
        assert text not in caplog.text


def test_the_first_refusal_of_each_kind_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.tell_once.cache_clear()
    with running(tmp_path / "inbox.db", token=TOKEN, body_timeout=0.3) as receiver:
        for _ in range(2):
            receiver.post(EVENT, "/collection/wrong-inlet")
            receiver.post(EVENT, authorization="Bearer wrong-token")
            receiver.post(EVENT, method="PUT")
            receiver.post(b'{"wrong-body')
            receiver.post(event_of(MB + 1))
            receiver.post(EVENT, f"/collection/{INLET}/")
            receiver.batch([{}] * 10_001)
            receiver.post(EVENT, upgrade="h2c")
            head = (f"POST /collection/{INLET} HTTP/1.1", "host: a", "content-length: 100")
            with raw(receiver, *head, f"authorization: Bearer {TOKEN}") as slow:
                assert status_of(slow) == 408
            with monkeypatch.context() as full:
                full.setattr(intake, "ROOM", 10)
                assert receiver.post(EVENT).status == 503
    refusals = [message for message in caplog.messages if "was refused" in message]
    told = [message.split()[5].rstrip(":") for message in refusals]
    assert told == ["404", "401", "405", "400", "413", "404", "413", "503", "408", "503"]
    assert refusals[1] == (
        "A request was refused with 401: a Bearer token is wanted. "
        "Others like it are counted in /metrics only."
    )
    for text in (INLET, TOKEN, "wrong", "/collection"):
        assert text not in caplog.text


def is_closed(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


HEAD = b"POST /collection/stranger HTTP/1.1\r\nHost: x\r\n"


def test_a_head_that_never_ends_is_given_up(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.3)
    with (
        socket.create_connection((HOST, receiver.port)) as silent,
        socket.create_connection((HOST, receiver.port)) as slow,
    ):
        slow.sendall(HEAD)
        assert is_closed(silent, 5)
        assert is_closed(slow, 5)
    assert receiver.post(EVENT).status == 200


def test_a_head_that_is_too_long_is_cut_off(receiver: Receiver) -> None:
    with socket.create_connection((HOST, receiver.port)) as connection:
        with suppress(OSError):
            connection.sendall(HEAD + b"X: ")
            for _ in range(100):
                connection.sendall(b"a" * 65536)
        assert is_closed(connection, 5)
    assert receiver.post(EVENT).status == 200


def test_a_long_body_is_no_long_head(receiver: Receiver) -> None:
    assert receiver.post(EVENT | {"text": "a" * 900_000}).status == 200


def test_connections_beyond_the_most_are_closed(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol.GuardedProtocol, "most_connections", 3)
    held = [socket.create_connection((HOST, receiver.port)) for _ in range(3)]
    with socket.create_connection((HOST, receiver.port)) as fourth:
        assert is_closed(fourth, 5)
    held.pop().close()
    until = time.monotonic() + 5
    while time.monotonic() < until:
        with suppress(OSError):
            if receiver.post(EVENT).status == 200:
                break
    else:
        pytest.fail("no connection was let in again")
    for connection in held:
        connection.close()


def test_a_body_that_the_parser_drops_is_not_taken_for_one_that_is_not_json(
    receiver: Receiver,
) -> None:
    headers = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c"}
    assert receiver.post(EVENT, **headers).status == 503
    assert receiver.post(EVENT).status == 200


def test_long_numbers_keep_their_digits(receiver: Receiver) -> None:
    numbers = [123456789012345678901, 123456789012345678902]
    for number in numbers:
        assert receiver.post(EVENT | {"transmissionId": number}).status == 200
    assert receiver.ids == [str(number) for number in numbers]
    assert receiver.post({"eventType": 10**400}).status == 200
    assert receiver.post(b"9" * 1_000_000).status == 202
    assert receiver.inbox.counts() == {"events": 3, "unreadable": 1}
    bad_neighbour = EVENT | {"transmissionId": "long", "n": 10**30, "s": "\ud800"}
    body = [EVENT, bad_neighbour]
    assert [set(found) for found in receiver.batch(body).json["responses"]] == [{"xactionId"}] * 2


def test_a_dotted_name_beside_its_empty_group_is_an_event(receiver: Receiver) -> None:
    assert receiver.post({"attendee": None, "attendee.email": "ada@example.com"}).status == 200
    assert receiver.inbox.counts() == {"events": 1, "unreadable": 0}


def test_an_inbox_that_takes_too_long_is_answered_503(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "COMMIT_TIMEOUT", 0.3)
    with closing(sqlite3.connect(receiver.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert receiver.post(EVENT).status == 503
        check_health(receiver, "lock")
        other.execute("ROLLBACK")
    assert receiver.post(EVENT).status == 200
    assert receiver.ids == [EVENT["transmissionId"]]
