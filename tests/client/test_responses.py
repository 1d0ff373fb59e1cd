"""The judgement of replies, the waits between retries, and the life of a token."""

from __future__ import annotations

import logging
import threading
import time
import typing as t
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st
from rainfocus_client.auth import Token, TokenKeeper, judge_token
from rainfocus_client.errors import (
    AuthenticationError,
    BusyError,
    EndpointDeniedError,
    ForbiddenError,
    ParameterError,
    RainFocusError,
    RefusedError,
    RetriableError,
    SettingsError,
    TokenRefusedError,
    UnexpectedReplyError,
)
from rainfocus_client.report import Traffic
from rainfocus_client.responses import endpoint_name, judge, response_code
from rainfocus_client.retry import MAX_RETRY_AFTER, parse_retry_after, policy
from rainfocus_client.troubles import Trouble


def envelope(code: str, message: str = "x") -> dict[str, str]:
    return {"responseCode": code, "responseMessage": message}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, envelope("0")),
        (201, {"attendeeId": "1"}),
        (200, {"results": []}),
        (200, {"responseCode": 0}),
        (200, {"responseCode": 0.0}),
        (200, {"success": True, "error": None, "errors": []}),
        (200, {"success": "true", "error": "", "errors": {}}),
        (200, {"responseCode": "0", "attendee": {"responseCode": "27", "error": "none"}}),
    ],
)
def test_success(status: int, body: dict[str, t.Any]) -> None:
    assert judge("attendee/search", status, body, {}) is body


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (200, envelope("124"), EndpointDeniedError, "endpoint attendee: enable it under"),
        (400, envelope("124"), EndpointDeniedError, "endpoint attendee: enable it under"),
        (200, envelope("101"), AuthenticationError, "check api_profile and environment"),
        (400, envelope("103"), ParameterError, "check org_id, environment, the event code"),
        (200, envelope("107"), TokenRefusedError, "check the credentials and environment"),
        (401, None, TokenRefusedError, "check the credentials and environment"),
        (403, None, ForbiddenError, "IP allow-list"),
        (404, None, UnexpectedReplyError, "check api_url"),
        (200, envelope("27"), RefusedError, "the request was refused"),
        (400, envelope("27"), RefusedError, "the request was refused"),
        (400, None, RefusedError, "the request was refused"),
        (422, envelope("0"), RefusedError, "the request was refused"),
        (200, {"success": False}, RefusedError, "the request was refused"),
        (200, {"success": "FALSE"}, RefusedError, "the request was refused"),
        (200, envelope("0") | {"success": 0}, RefusedError, "the request was refused"),
        (200, {"error": "x"}, RefusedError, "the request was refused"),
        (200, {"errors": [{"message": "x"}]}, RefusedError, "the request was refused"),
        (200, {"result": envelope("27")}, RefusedError, "code 27: the request was refused"),
        (200, {"result": envelope("124")}, EndpointDeniedError, "endpoint attendee: enable it"),
        (200, {"result": {"success": False}}, RefusedError, "the request was refused"),
        (200, None, RetriableError, "the reply is not a JSON object: check api_url"),
        (200, ["a"], RetriableError, "the reply is not a JSON object"),
        (408, None, RetriableError, "try again later"),
        (409, None, RetriableError, "try again later"),
        (425, None, RetriableError, "try again later"),
        (429, None, BusyError, "try again later"),
        (500, envelope("0"), RetriableError, "try again later"),
        (503, None, RetriableError, "try again later"),
        (302, None, UnexpectedReplyError, "this was not expected"),
        (418, None, UnexpectedReplyError, "this was not expected"),
    ],
)
def test_refusals(status: int, body: object, error: type[RainFocusError], says: str) -> None:
    with pytest.raises(RainFocusError) as refusal:
        judge("attendee/search", status, body, {})
    assert type(refusal.value) is error
    assert says in str(refusal.value)
    assert f"HTTP {status}" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_refusal_never_quotes_the_reply() -> None:
    with pytest.raises(RefusedError) as refusal:
        judge("attendee/store", 400, envelope("user.company", "user@company.com is no good"), {})
    assert "company" not in str(refusal.value)


@pytest.mark.parametrize(
    ("call", "name"), [("attendee/search", "attendee"), ("entityDataDump/session", "session")]
)
def test_endpoint_name(call: str, name: str) -> None:
    assert endpoint_name(call) == name


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": "invalid_client"}, AuthenticationError),
        (401, {"error": "invalid_client"}, AuthenticationError),
        (429, None, RetriableError),
        (502, None, RetriableError),
        (404, None, SettingsError),
        (200, None, RetriableError),
        (200, {"token": "x"}, AuthenticationError),
    ],
)
def test_token_refusals(status: int, body: object, error: type[RainFocusError]) -> None:
    with pytest.raises(RainFocusError) as refusal:
        judge_token(status, body, {})
    assert type(refusal.value) is error


@pytest.mark.parametrize(("life", "kept"), [(3600, 3540), (20, 18), ("40", 36), (None, 270)])
def test_a_token_is_renewed_before_it_expires(life: object, kept: float) -> None:
    token = judge_token(200, {"access_token": "abc", "expires_in": life}, {})
    assert token.renew_at - time.monotonic() == pytest.approx(kept, abs=0.5)
    assert "abc" not in repr(token)


def test_a_token_is_never_fetched_twice_at_the_same_moment() -> None:
    fetched: list[int] = []

    def fetch() -> Token:
        fetched.append(1)
        time.sleep(0.05)
        return Token(f"token{len(fetched)}", time.monotonic() + 60)

    keeper = TokenKeeper(fetch)
    assert keeper.current() is None
    threads = [threading.Thread(target=keeper.get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1
    assert keeper.get(refused="token1") == "token2"
    # Others that were refused with the old one take the new one.
    assert keeper.get(refused="token1") == "token2"
    assert keeper.current() == "token2"


def test_a_stale_token_is_not_given_out() -> None:
    keeper = TokenKeeper(lambda: Token("old", time.monotonic() - 1))
    keeper.get()
    assert keeper.current() is None


NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "86400"}, MAX_RETRY_AFTER),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        (
            {
                "Retry-After": format_datetime(NOW + timedelta(seconds=9), usegmt=True),
                "Date": format_datetime(NOW, usegmt=True),
            },
            9,
        ),
        (
            {
                "Retry-After": format_datetime(NOW - timedelta(seconds=9), usegmt=True),
                "Date": format_datetime(NOW, usegmt=True),
            },
            0,
        ),
    ],
)
def test_retry_after_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(headers) == seconds


def test_retry_after_as_a_date_without_the_servers_clock() -> None:
    later = datetime.now(UTC) + timedelta(seconds=30)
    assert parse_retry_after({"Retry-After": format_datetime(later)}) == pytest.approx(30, abs=2)


def waits(error: RainFocusError, max_retries: int = 4) -> list[float]:
    slept: list[float] = []

    def fail() -> None:
        raise error

    retrying = tenacity.Retrying(
        **policy(max_retries, logging.getLogger("x"), Traffic()), sleep=slept.append
    )
    with pytest.raises(type(error)):
        retrying(fail)
    return slept


def test_retries_are_bounded_jittered_and_capped() -> None:
    slept = waits(RetriableError("x", Trouble.BUSY), 12)
    assert len(slept) == 12
    assert all(0 <= wait <= 30 for wait in slept)
    assert slept != waits(RetriableError("x", Trouble.BUSY), 12)


def test_the_server_is_given_the_time_it_asks_for() -> None:
    assert all(wait >= 20 for wait in waits(RetriableError("x", Trouble.BUSY, retry_after=20)))


def test_what_does_not_pass_is_not_retried() -> None:
    assert waits(RefusedError("x", Trouble.REFUSED)) == []
    assert waits(AuthenticationError("x", Trouble.CREDENTIALS_REFUSED)) == []


def test_each_retry_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    waits(RetriableError("The server sighs.", Trouble.BUSY), 2)
    assert len(caplog.messages) == 2
    assert caplog.messages[0].startswith("The server sighs. Trying again in ")
    assert caplog.messages[0].endswith("(attempt 2 of 3).")


says = st.sampled_from(
    (None, "", "0", 0, "true", True, "false", False, "No", "none", "denied", 105)
)


@given(
    st.fixed_dictionaries(
        {"responseCode": st.sampled_from(("0", 0, 0.0, "105", 105, "odd", "", None))},
        optional={"success": says, "error": says, "errors": says, "id": says},
    )
)
def test_a_reply_means_what_it_means_inside_an_object(body: dict[str, t.Any]) -> None:
    def meaning(reply: object) -> object:
        try:
            judge("attendee/store", 200, reply, {})
        except RainFocusError as error:
            return repr(error)
        return None

    assert response_code(body) == response_code({"reply": body})
    assert meaning(body) == meaning({"reply": body})
