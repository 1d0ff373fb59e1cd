"""The Attendee Store and the update."""

from __future__ import annotations

import re
import typing as t

import pytest
import requests

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from rainfocus_sandbox.testing import RunningSandbox

    Call = Callable[..., requests.Response]
    Record = dict[str, t.Any]

PROFILE = {
    "address1": "1 Main Street",
    "address2": "Floor 3",
    "city": "Reno",
    "companyname": "Acme",
    "countryid": "US",
    "email": "ann@example.com",
    "firstname": "Ann",
    "lastname": "Ace",
    "jobtitle": "Engineer",
    "phone": "+1 555 0100",
    "state": "NV",
    "zip": "89501",
}


def last(sandbox: RunningSandbox) -> Record:
    return sandbox.store.attendees("summit26")[-1]


def outcome(reply: requests.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["responseCode"]


def test_store_creates(sandbox: RunningSandbox, get: Call, post: Call) -> None:
    reply = post("attendee/store", PROFILE | {"diet": "Vegan"}).json()
    attendee_id = reply.pop("attendeeId")
    assert reply == {"responseCode": "0", "responseMessage": "Success"}
    assert re.fullmatch(r"\d{16}[0-9A-Za-z]{4}", attendee_id)

    stored = get("attendee/load", event="summit26", attendeeId=attendee_id).json()["data"]
    assert stored.pop("createDate") == stored.pop("modifiedDate")
    read_names = {"country" if k == "countryid" else k: v for k, v in PROFILE.items()}
    assert stored == read_names | {
        "attendeeId": attendee_id,
        "registered": "false",
        "checkedin": "false",
        "diet": "Vegan",
    }
    assert sandbox.store.counts()["summit26"]["attendees"] == 26


def test_store_updates_by_trimmed_lower_case_email(sandbox: RunningSandbox, post: Call) -> None:
    first = post("attendee/store", PROFILE).json()["attendeeId"]
    second = post("attendee/store", {"email": " Ann@Example.COM ", "city": "Elko"}).json()
    assert second["attendeeId"] == first
    stored = last(sandbox)
    assert (stored["email"], stored["city"]) == ("ann@example.com", "Elko")
    assert stored["jobtitle"] == "Engineer", "only the keys sent change"
    assert sandbox.store.counts()["summit26"]["attendees"] == 26


def test_store_keeps_events_apart(sandbox: RunningSandbox, post: Call) -> None:
    known = sandbox.store.attendees("summit25")[0]
    reply = post("attendee/store", {"email": known["email"]}).json()
    assert reply["attendeeId"] != known["attendeeId"]
    assert sandbox.store.attendees("summit25")[0] == known


@pytest.mark.parametrize("blank", [None, ""])
def test_store_of_a_blank_wipes(sandbox: RunningSandbox, post: Call, blank: str | None) -> None:
    post("attendee/store", PROFILE)
    post("attendee/store", {"email": PROFILE["email"], "phone": blank})
    assert last(sandbox)["phone"] == blank


@pytest.mark.parametrize("index", range(12))
def test_custom_attribute_written_replaces_the_listed_one(
    sandbox: RunningSandbox, post: Call, index: int
) -> None:
    seeded = sandbox.store.attendees("summit26")[index]
    post("attendee/store", {"email": seeded["email"], "diet": "Kosher"})
    stored = sandbox.store.attendees("summit26")[index]
    assert stored["diet"] == "Kosher"
    assert "Dietary needs" not in str(stored)
    assert "Interests" in str(stored)


@pytest.mark.parametrize(
    ("key", "label"),
    [("attributes", "name"), ("attributevalues", "attribute"), ("attributeValues", "attribute")],
)
def test_every_shape_of_custom_attributes_is_replaced(
    sandbox: RunningSandbox, post: Call, key: str, label: str
) -> None:
    shaped = {
        "attributes": [{"code": "diet", "name": "Dietary needs"}, {"code": "x", "name": "X"}],
        "attributevalues": [
            {"attribute_id": "diet", "attribute": "Dietary needs"},
            {"attribute_id": "x", "attribute": "X"},
        ],
        "attributeValues": [{"attribute": "Dietary needs"}, {"attribute": "X"}],
    }
    post("attendee/store", PROFILE | {key: shaped[key]})
    post("attendee/store", {"email": PROFILE["email"], "diet": "Kosher"})
    assert [entry[label] for entry in last(sandbox)[key]] == ["X"]


def test_written_is_found_by_since_at_once(get: Call, post: Call) -> None:
    since = get("attendee/search", event="summit26").json()["timestamp"]
    post("attendee/store", PROFILE)
    found = get("attendee/search", event="summit26", since=since).json()["results"]
    assert [record["email"] for record in found] == ["ann@example.com"]


@pytest.mark.parametrize("call", ["attendee/store", "attendee/update"])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"firstname": "Ann"}, (400, "103")),
        ({"email": None}, (400, "103")),
        ({"email": "  "}, (400, "103")),
        ({"email": "ann.example.com"}, (200, "105")),
        ({"email": "ann@"}, (200, "105")),
        ([PROFILE], (400, "100")),
        ("text", (400, "100")),
        (None, (400, "100")),
    ],
)
def test_bodies_that_are_refused(
    sandbox: RunningSandbox, post: Call, call: str, body: object, expected: tuple[int, str]
) -> None:
    assert outcome(post(call, body)) == expected
    assert sandbox.store.counts()["summit26"]["attendees"] == 25


def test_body_that_is_no_json(sandbox: RunningSandbox) -> None:
    reply = requests.post(
        f"{sandbox.api_url}/acme/v3/attendee/store?event=summit26",
        data="email=ann@example.com",
        headers={"apiProfile": sandbox.api_profile},
        timeout=10,
    )
    assert outcome(reply) == (400, "100")


def test_update_by_email_or_id(sandbox: RunningSandbox, post: Call) -> None:
    attendee_id = post("attendee/store", PROFILE).json()["attendeeId"]
    by_email = post("attendee/update", {"email": "ANN@example.com", "city": "Elko"}).json()
    assert by_email["attendeeId"] == attendee_id
    post("attendee/update", {"attendeeId": attendee_id, "countryid": "CA"})
    stored = last(sandbox)
    assert (stored["city"], stored["country"], stored["email"]) == ("Elko", "CA", "ann@example.com")


def test_update_by_id_may_change_the_email(sandbox: RunningSandbox, post: Call) -> None:
    attendee_id = post("attendee/store", PROFILE).json()["attendeeId"]
    post("attendee/update", {"attendeeId": attendee_id, "email": "Anna@example.com"})
    assert last(sandbox)["email"] == "anna@example.com"
    again = post("attendee/store", {"email": "anna@example.com"}).json()
    assert again["attendeeId"] == attendee_id


def test_update_never_takes_the_email_of_another(sandbox: RunningSandbox, post: Call) -> None:
    post("attendee/store", PROFILE)
    other = sandbox.store.attendees("summit26")[0]["attendeeId"]
    body = {"attendeeId": other, "email": PROFILE["email"]}
    assert outcome(post("attendee/update", body)) == (200, "105")


@pytest.mark.parametrize("key", [{"email": "nobody@example.com"}, {"attendeeId": "nobody"}])
def test_update_of_nobody(post: Call, key: dict[str, str]) -> None:
    assert outcome(post("attendee/update", key)) == (200, "110")


def test_attributes_named_like_our_arguments(sandbox: RunningSandbox, post: Call) -> None:
    post("attendee/store", PROFILE)
    post("attendee/store", {"email": PROFILE["email"], "self": "a", "attendee_id": "b"})
    stored = last(sandbox)
    assert (stored["self"], stored["attendee_id"]) == ("a", "b")
