"""Setting `store`: each form against a server that answers to no other."""

from __future__ import annotations

import json
import typing as t
from contextlib import contextmanager
from urllib.parse import parse_qsl

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Json = dict[str, t.Any]
    Call = Callable[..., t.Any]
    Singer = t.Any
    Posts = t.Any
    Takes = Callable[[str, dict[str, str], t.Any, Json], bool]
    Serve = Callable[..., t.ContextManager[Json]]

PROFILE = {"email": "ada@example.com", "countryid": "US"}
QUERY = {"event": "summit26"}
TAKEN: t.Final = (200, {"responseCode": "0"})
V3 = "/api/acme/v3/attendee/store"


@pytest.fixture
def serve(posts: Posts) -> Serve:
    @contextmanager
    def serve(takes: Takes, reply: tuple[int, Json] = TAKEN) -> Iterator[Json]:
        def respond(post: t.Any) -> tuple[int, bytes, Json]:
            status, body = reply
            if post.path == "/oidc/token":
                status, body = 200, {"access_token": "token"}
            elif not takes(
                post.path, dict(parse_qsl(post.query)), post.headers, json.loads(post.content)
            ):
                status, body = 400, {"responseCode": "27"}
            return status, json.dumps(body).encode(), {}

        with posts(respond) as url:
            yield posts.settings(url) | {"max_retries": 1}

    return serve


def ada(singer: Singer) -> list[Json]:
    schema: Json = {"properties": {"email": {}, "country": {}}}
    record = singer.record("ada@example.com", country="USA")
    return [singer.schema | {"schema": schema}, record, singer.state(1)]


FORMS: list[tuple[Json, Takes]] = [
    ({}, lambda path, query, _, body: (path, query, body) == (V3, QUERY, PROFILE)),
    (
        {"path": "v2/attendee/update"},
        lambda path, query, _, body: (
            (path, query, body) == ("/api/acme/v2/attendee/update", QUERY, PROFILE)
        ),
    ),
    (
        {"path": "/v2/attendee/store?source=etl"},
        lambda path, query, _, __: (
            path == "/api/acme/v2/attendee/store" and query == {"source": "etl", **QUERY}
        ),
    ),
    (
        {"event_parameter": "eventCode"},
        lambda _, query, __, ___: query == {"eventCode": "summit26"},
    ),
    (
        {"event_in": "body"},
        lambda path, query, _, body: (path, query, body) == (V3, {}, {**QUERY, **PROFILE}),
    ),
    (
        {"event_in": "body", "event_parameter": "eventCode", "wrapper": "attendee"},
        lambda _, query, __, body: (
            not query and body == {"eventCode": "summit26", "attendee": PROFILE}
        ),
    ),
    (
        {"event_in": "header", "event_parameter": "X-Event"},
        lambda _, query, headers, body: (
            not query and headers["X-Event"] == "summit26" and body == PROFILE
        ),
    ),
    ({"event_in": "none"}, lambda _, query, __, body: not query and body == PROFILE),
    (
        {"wrapper": "attendee"},
        lambda _, query, __, body: (query, body) == (QUERY, {"attendee": PROFILE}),
    ),
    (
        {"names": {"countryid": "countryId", "email": "emailAddress"}},
        lambda _, __, ___, body: body == {"emailAddress": "ada@example.com", "countryId": "US"},
    ),
]


@pytest.mark.parametrize(("store", "takes"), FORMS, ids=[str(store) for store, _ in FORMS])
def test_a_profile_goes_in_the_form_that_is_set(
    call: Call, singer: Singer, serve: Serve, store: Json, takes: Takes
) -> None:
    with serve(takes) as settings:
        ended = call(ada(singer), settings | {"store": store})
        assert ended.code == 0, ended.log
        assert ended.counts == {"read": 1, "stored": 1}
        assert call(ada(singer), settings | {"store": json.dumps(store)}).code == 0
        if store:
            assert call(ada(singer), settings).code == 65


CODES: list[tuple[tuple[int, Json], Json, int, str]] = [
    ((200, {"responseCode": "1"}), {"1": "stored"}, 0, "stored"),
    ((200, {"responseCode": 1}), {"1": "stored"}, 0, "stored"),
    ((409, {}), {"HTTP 409": "stored"}, 0, "stored"),
    ((500, {"responseCode": "EXISTS"}), {"EXISTS": "rejected"}, 65, "rejected"),
    ((404, {}), {"HTTP 404": "rejected"}, 65, "rejected"),
    ((200, {"responseCode": "700"}), {"700": "retry"}, 75, "unfinished"),
    ((400, {"responseCode": "27"}), {"HTTP 400": "stop"}, 78, "unfinished"),
    ((400, {"responseCode": "27"}), {"HTTP 400": "stop", "27": "stored"}, 0, "stored"),
]


@pytest.mark.parametrize(("reply", "codes", "ends", "outcome"), CODES, ids=str)
def test_a_code_means_what_is_set(
    call: Call, singer: Singer, serve: Serve, reply: tuple[int, Json], codes: Json, ends: int,
    outcome: str,
) -> None:  # fmt: skip
    with serve(lambda *_: True, reply) as settings:
        ended = call(ada(singer), settings | {"store": {"codes": codes}})
        assert ended.code == ends, ended.log
        assert ended.counts == {"read": 1, outcome: 1}


def test_a_dry_run_shows_the_form(call: Call, singer: Singer, serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "bodies"
    store = {"wrapper": "attendee", "event_in": "body", "names": {"countryid": "countryId"}}
    with serve(lambda *_: False) as settings:
        dry = {"dry_run": True, "dry_run_path": str(path), "store": store}
        assert call(ada(singer), settings | dry).code == 0
    body = {"event": "summit26", "attendee": {"email": "ada@example.com", "countryId": "US"}}
    assert json.loads(path.read_text()) == body


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ({"pth": "v2/x"}, "Setting store knows only path, event_in"),
        ({"path": "https://elsewhere/v2"}, "Setting store.path does not have a form"),
        ({"path": "v2/x y"}, "Setting store.path does not have a form"),
        ({"event_in": "cookie"}, "Setting store.event_in must be one of query, body"),
        ({"codes": {"1": "good"}}, "Setting store.codes.1 must be one of stored, rejected"),
        ({"names": {"email": ""}}, "Setting store.names.email must not be empty"),
        ("[1]", "Setting store must be of type object"),
    ],
    ids=str,
)
def test_a_form_that_cannot_work_is_told(
    call: Call, singer: Singer, serve: Serve, store: object, said: str
) -> None:
    with serve(lambda *_: True) as settings:
        ended = call(ada(singer), settings | {"store": store})
    assert ended.code == 78
    assert said in ended.error
