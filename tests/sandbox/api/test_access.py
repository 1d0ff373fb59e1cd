"""Who may call what: tokens, profiles, events, switches."""

from __future__ import annotations

import typing as t

import pytest
import requests
from rainfocus_sandbox.data.customer import EVENT_API_PROFILE
from rainfocus_sandbox.testing import running

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    Call = Callable[..., requests.Response]

GRANT = {"grant_type": "client_credentials"}


def refusal(reply: requests.Response) -> tuple[int, str, str]:
    assert reply.headers["content-type"] == "application/json;charset=UTF-8"
    envelope = reply.json()
    assert envelope.keys() == {"responseCode", "responseMessage"}
    return reply.status_code, envelope["responseCode"], envelope["responseMessage"]


@pytest.mark.parametrize("place", ["basic", "body"])
def test_token_by_basic_or_in_the_body(sandbox: RunningSandbox, place: str) -> None:
    secret = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    reply = requests.post(
        sandbox.token_url,
        data=GRANT | secret if place == "body" else GRANT,
        auth=(sandbox.client_id, sandbox.client_secret) if place == "basic" else None,
        timeout=10,
    )
    assert reply.status_code == 200
    answer = reply.json()
    assert answer.pop("access_token")
    assert answer == {"token_type": "Bearer", "expires_in": 3600}


@pytest.mark.parametrize("authorization", [None, "Basic !", "Basic c2FuZGJveC1jbGllbnQ6bm8="])
def test_bad_secret_is_an_invalid_client(
    sandbox: RunningSandbox, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    reply = requests.post(sandbox.token_url, data=GRANT, headers=headers, timeout=10)
    assert (reply.status_code, reply.json()) == (401, {"error": "invalid_client"})


@pytest.mark.parametrize("form", [{}, {"grant_type": "password"}])
def test_other_grants_are_unsupported(sandbox: RunningSandbox, form: dict[str, str]) -> None:
    reply = requests.post(
        sandbox.token_url, data=form, auth=(sandbox.client_id, sandbox.client_secret), timeout=10
    )
    assert (reply.status_code, reply.json()) == (400, {"error": "unsupported_grant_type"})


def test_bearer_token_opens_the_api_until_it_expires(
    sandbox: RunningSandbox, get: Call, get_token: Callable[[], str]
) -> None:
    headers = {"Authorization": f"Bearer {get_token()}"}
    reply = get("attendee/search", headers=headers, event="summit25")
    assert reply.json()["responseCode"] == "0"

    sandbox.store.expire_tokens()
    reply = get("attendee/search", headers=headers, event="summit25")
    assert refusal(reply)[:2] == (401, "107")


@pytest.mark.parametrize("token", ["nosuch", "sandboxprofile"])
def test_unknown_bearer_token_is_refused(get: Call, token: str) -> None:
    reply = get("attendee/search", headers={"Authorization": f"Bearer {token}"}, event="summit25")
    assert refusal(reply)[:2] == (401, "107")


def test_tokens_outlive_a_restart(tmp_path: Path) -> None:
    with running(tmp_path / "sandbox.db") as first:
        token = first.store.issue_token(first.client_id, first.client_secret)
    with running(tmp_path / "sandbox.db") as second:
        reply = requests.get(
            f"{second.api_url}/acme/v3/attendee/search?event=summit25",
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
        assert reply.status_code == 200


def test_no_credentials(get: Call) -> None:
    assert refusal(get("attendee/search", headers={}, event="summit25")) == (
        400,
        "103",
        "Required parameter missing: apiProfile",
    )


def test_unknown_api_profile_is_refused_with_http_200(get: Call) -> None:
    reply = get("attendee/search", headers={"apiProfile": "nosuch"}, event="summit25")
    assert refusal(reply) == (200, "101", "Invalid API Profile")


def test_global_profile_must_name_the_event(get: Call) -> None:
    assert refusal(get("attendee/search")) == (400, "103", "Required parameter missing: event")


def test_unknown_event(get: Call) -> None:
    reply = get("attendee/search", event="summit24")
    assert refusal(reply) == (400, "104", "Event not found")


def test_event_bound_profile_needs_no_event_and_sees_no_other(get: Call) -> None:
    headers = {"apiProfile": EVENT_API_PROFILE}
    own = get("attendee/search", headers=headers).json()
    assert own["results"] == get("attendee/search", event="summit25").json()["results"]
    other = get("attendee/search", headers=headers, event="summit26")
    assert refusal(other)[:2] == (400, "104")


def test_event_in_the_body(post: Call, sandbox: RunningSandbox) -> None:
    reply = requests.post(
        f"{sandbox.api_url}/acme/v3/attendee/store",
        json={"event": "summit26", "email": "new@example.com"},
        headers={"apiProfile": sandbox.api_profile},
        timeout=10,
    )
    assert reply.json()["responseCode"] == "0"
    stored = sandbox.store.attendees("summit26")[-1]
    assert stored["email"] == "new@example.com"
    assert "event" not in stored
    assert refusal(post("attendee/store", {"event": 5, "email": "a@b"}, x=""))[:2] == (400, "104")


def test_wrong_org(sandbox: RunningSandbox) -> None:
    reply = requests.get(
        f"{sandbox.api_url}/other/v3/attendee/search",
        headers={"apiProfile": sandbox.api_profile},
        timeout=10,
    )
    assert refusal(reply)[:2] == (400, "103")


@pytest.mark.parametrize(
    "path",
    [
        "/api/acme/v3/nosuch/search",
        "/api/acme/v3/attendee/store",
        "/api/acme/v2/attendee/search",
        "/api",
        "/nosuch",
    ],
)
def test_unknown_path(sandbox: RunningSandbox, path: str) -> None:
    reply = requests.get(sandbox.url + path, timeout=10)
    assert (reply.status_code, reply.content) == (404, b"Error")
    assert reply.headers["content-type"] == "text/html"


@pytest.mark.parametrize(
    ("call", "endpoint"),
    [
        ("attendee/search", "attendee"),
        ("attendee/load", "attendee"),
        ("lead/search", "lead"),
        ("entityDataDump/session", "session"),
        ("entityDataDump/exhibitor", "exhibitor"),
        ("entityDataDump/speaker", "speaker"),
    ],
)
def test_a_call_switched_off_is_refused_with_http_200(
    sandbox: RunningSandbox, get: Call, call: str, endpoint: str
) -> None:
    sandbox.store.deny("api-global", call)
    message = f"Access to API endpoint {endpoint} denied."
    assert refusal(get(call, event="summit25")) == (200, "124", message)

    bound = get(call, headers={"apiProfile": EVENT_API_PROFILE}, attendeeId="x")
    assert bound.json()["responseCode"] != "124"
    sandbox.store.allow("api-global", call)
    assert get(call, event="summit25").json()["responseCode"] != "124"


@pytest.mark.parametrize(
    ("call", "endpoint"),
    [("attendee/store", "attendeeStore"), ("attendee/update", "attendeeUpdate")],
)
def test_a_write_switched_off(
    sandbox: RunningSandbox, post: Call, call: str, endpoint: str
) -> None:
    sandbox.store.deny("api-global", call)
    message = f"Access to API endpoint {endpoint} denied."
    assert refusal(post(call, {"email": "a@example.com"})) == (200, "124", message)
    assert sandbox.store.counts()["summit26"]["attendees"] == 25


def test_switches_know_the_profiles(sandbox: RunningSandbox) -> None:
    with pytest.raises(KeyError):
        sandbox.store.deny("nosuch", "attendee/search")
