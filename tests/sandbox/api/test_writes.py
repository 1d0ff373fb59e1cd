"""The Attendee Store and the update."""

from __future__ import annotations

import hashlib
import re
import typing as t

import pytest
import requests
from rainfocus_sandbox.seed import seed
from rainfocus_sandbox.testing import SMALL

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

REFUSED_LIKE = {
    "attendee/store": {"firstname": "Ann"},
    "attendee/update": {"email": "nobody@example.com"},
}


def last(sandbox: RunningSandbox) -> Record:
    return sandbox.store.attendees("summit26")[-1]


def outcome(reply: requests.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["responseCode"]


def hash_of(email: str) -> dict[str, str]:
    return {"email_lc_sha256": hashlib.sha256(email.encode()).hexdigest()}


def listed(record: Record, code: str) -> list[Record]:
    return [entry for entry in record["attributes"] if entry["code"] == code]


def test_store_creates(sandbox: RunningSandbox, get: Call, post: Call) -> None:
    reply = post("attendee/store", PROFILE).json()
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
    assert [entry["value"] for entry in listed(stored, "diet")] == ["Kosher"]
    assert str(stored).count("Dietary needs") == 1
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
    stored = last(sandbox)
    assert [entry["value"] for entry in listed(stored, "diet")] == ["Kosher"]
    assert [entry[label] for entry in stored[key] if entry.get("code") != "diet"] == ["X"]


@pytest.mark.parametrize("call", ["attendee/store", "attendee/update"])
@pytest.mark.parametrize(
    ("sent", "value", "values"),
    [
        ("Vegan", "Vegan", ["Vegan"]),
        (7, 7, [7]),
        (0, 0, [0]),
        (1.5, 1.5, [1.5]),
        (True, True, [True]),
        (False, False, [False]),
        (["AI", "Cloud"], "AI, Cloud", ["AI", "Cloud"]),
        (["AI"], "AI", ["AI"]),
    ],
)
@pytest.mark.parametrize("code", ["interests", "codeOfTheCustomer"])
def test_custom_attributes_come_back_in_attributes(
    get: Call, post: Call, call: str, code: str, sent: object, value: object, values: list[object]
) -> None:
    post("attendee/store", PROFILE | {code: "before", "other": "stays"})
    assert outcome(post(call, {"email": PROFILE["email"], code: sent})) == (200, "0")
    (found,) = get("attendee/search", event="summit26", email=PROFILE["email"]).json()["results"]
    assert code not in found
    (entry,) = listed(found, code)
    assert re.fullmatch(r"\d{16}[0-9A-Za-z]{4}", entry.pop("attributeId"))
    assert repr(entry) == repr(
        {
            "name": {"interests": "Interests"}.get(code, code),
            "code": code,
            "value": value,
            "attributeValues": [{"value": single} for single in values],
        }
    )
    assert listed(found, "other")[0]["value"] == "stays"


@pytest.mark.parametrize("blank", [None, "", []])
def test_a_blank_wipes_a_custom_attribute(
    sandbox: RunningSandbox, post: Call, blank: t.Any
) -> None:
    post("attendee/store", PROFILE | {"diet": "Vegan", "track": "AI"})
    post("attendee/store", {"email": PROFILE["email"], "diet": blank})
    assert [entry["code"] for entry in last(sandbox)["attributes"]] == ["track"]


def test_fields_that_attendees_are_read_with_are_no_custom_attributes(
    sandbox: RunningSandbox, post: Call
) -> None:
    post("attendee/store", PROFILE | {"clientId": "c-1", "registered": "true"})
    stored = last(sandbox)
    assert (stored["clientId"], stored["registered"]) == ("c-1", "true")
    assert "attributes" not in stored


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
        ({"email": None, **hash_of("ann@example.com")}, (400, "103")),
        ({"email_lc_sha256": None}, (400, "103")),
        ({"email_lc_sha256": "ann@example.com"}, (400, "103")),
        ({"email_lc_sha256": hash_of("ann@example.com")["email_lc_sha256"].upper()}, (400, "103")),
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
    assert listed(stored, "self")[0]["value"] == "a"
    assert listed(stored, "attendee_id")[0]["value"] == "b"


@pytest.mark.parametrize("call", ["attendee/store", "attendee/update"])
def test_the_hash_of_the_email_finds_an_attendee(
    sandbox: RunningSandbox, get: Call, post: Call, call: str
) -> None:
    seeded = sandbox.store.attendees("summit26")[3]
    for person in (PROFILE | {"email": " Ann@Example.COM "}, PROFILE | {"email": "bo@example.com"}):
        stored = post("attendee/store", person).json()
        key = hash_of(person["email"].strip().lower())
        reply = post(call, key | {"city": "Elko", "diet": "Halal"}).json()
        assert reply == stored
        found = get("attendee/load", event="summit26", attendeeId=stored["attendeeId"]).json()
        assert found["data"]["email"] == person["email"].strip().lower()
        assert (found["data"]["city"], found["data"]["jobtitle"]) == ("Elko", "Engineer")
        assert "sha256" not in str(found)
    assert post(call, hash_of(seeded["email"])).json()["attendeeId"] == seeded["attendeeId"]
    assert sandbox.store.counts()["summit26"]["attendees"] == 27


@pytest.mark.parametrize(
    ("call", "refusal"), [("attendee/store", (400, "103")), ("attendee/update", (200, "110"))]
)
def test_the_hash_of_nobody_makes_no_attendee(
    sandbox: RunningSandbox, post: Call, call: str, refusal: tuple[int, str]
) -> None:
    elsewhere = sandbox.store.attendees("summit25")[0]["email"]
    without_email = {name: value for name, value in PROFILE.items() if name != "email"}
    for email in ("nobody@example.com", elsewhere):
        reply = post(call, without_email | hash_of(email))
        assert outcome(reply) == refusal
        assert reply.json() == post(call, REFUSED_LIKE[call]).json()
    assert sandbox.store.counts()["summit26"]["attendees"] == 25


def test_the_hash_follows_the_email(sandbox: RunningSandbox, post: Call) -> None:
    attendee_id = post("attendee/store", PROFILE).json()["attendeeId"]
    assert outcome(post("attendee/update", hash_of("ann@example.com"))) == (200, "0")
    post("attendee/update", {"attendeeId": attendee_id, "email": "Anna@example.com"})
    assert outcome(post("attendee/update", hash_of("ann@example.com"))) == (200, "110")
    reply = post("attendee/store", hash_of("anna@example.com"))
    assert reply.json()["attendeeId"] == attendee_id

    seed(sandbox.store, SMALL)
    assert outcome(post("attendee/update", hash_of("anna@example.com"))) == (200, "110")


def test_an_id_beside_a_hash_is_the_key(sandbox: RunningSandbox, post: Call) -> None:
    post("attendee/store", PROFILE)
    other = sandbox.store.attendees("summit26")[0]
    own = {"attendeeId": other["attendeeId"]}
    assert outcome(post("attendee/update", own | hash_of(other["email"]))) == (200, "0")
    assert outcome(post("attendee/update", own | hash_of("nobody@example.com"))) == (200, "0")
    assert outcome(post("attendee/update", own | hash_of("ann@example.com"))) == (200, "105")
