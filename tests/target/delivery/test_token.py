"""How a token is asked for: each form against an endpoint that takes no other."""

from __future__ import annotations

import json
import typing as t
from contextlib import contextmanager
from urllib.parse import parse_qsl

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Json = dict[str, t.Any]
    Call = Callable[..., t.Any]
    Singer = t.Any
    Posts = t.Any
    Takes = Callable[[bool, dict[str, str]], bool]
    Serve = Callable[..., t.ContextManager["Endpoint"]]

BASIC, POST = "basic", "post"


class Endpoint:
    """Gives a token to whoever asks in one form, and takes every profile."""

    def __init__(self, posts: Posts) -> None:
        self._settings_at = posts.settings
        self.asked: list[str] = []
        self.profiles = 0
        self.url = ""

    def settings(self, **others: object) -> Json:
        return {**self._settings_at(self.url), "max_retries": 0, **others}


@pytest.fixture
def serve(posts: Posts) -> Serve:
    @contextmanager
    def serve(takes: Takes, status: int = 401, error: str | None = None) -> Iterator[Endpoint]:
        endpoint = Endpoint(posts)

        def respond(post: t.Any) -> tuple[int, bytes, Json]:
            if post.path != "/oidc/token":
                endpoint.profiles += 1
                return 200, b'{"responseCode": "0"}', {}
            form = dict(parse_qsl(post.content.decode()))
            is_basic = post.headers.get("Authorization", "").startswith("Basic ")
            endpoint.asked.append(BASIC if is_basic else POST)
            if takes(is_basic, form):
                return 200, b'{"access_token": "token", "expires_in": 1}', {}
            return status, json.dumps({"error": error} if error else {}).encode(), {}

        with posts(respond) as endpoint.url:
            yield endpoint

    return serve


def ada(singer: Singer) -> list[Json]:
    return [singer.schema, singer.record("ada@example.com"), singer.state(1)]


def only_basic(is_basic: bool, form: dict[str, str]) -> bool:  # noqa: FBT001
    return is_basic and "client_secret" not in form


def only_post(is_basic: bool, form: dict[str, str]) -> bool:  # noqa: FBT001
    secret = {"client_id": "someone", "client_secret": "hush-hush-secret"}
    return not is_basic and form.items() >= secret.items()


@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize("error", [None, "invalid_client", "invalid_request"])
def test_where_basic_is_refused_form_fields_are_tried(
    call: Call, singer: Singer, serve: Serve, status: int, error: str | None
) -> None:
    with serve(only_post, status, error) as endpoint:
        ended = call(ada(singer), endpoint.settings())
        assert ended.code == 0, ended.log
        assert endpoint.asked == [BASIC, POST]
        assert endpoint.profiles == 1


@pytest.mark.parametrize(
    ("change", "takes", "asked", "code"),
    [
        ({}, only_basic, [BASIC], 0),
        ({"token_auth_method": "basic"}, only_post, [BASIC], 77),
        ({"token_auth_method": "post"}, only_post, [POST], 0),
        ({"token_auth_method": "post"}, only_basic, [POST], 77),
        ({}, lambda *_: False, [BASIC, POST], 77),
    ],
)
def test_the_form_is_the_one_that_is_set(
    call: Call,
    singer: Singer,
    serve: Serve,
    change: Json,
    takes: Takes,
    asked: list[str],
    code: int,
) -> None:
    with serve(takes) as endpoint:
        ended = call(ada(singer), endpoint.settings(**change))
        assert ended.code == code, ended.log
        assert endpoint.asked == asked
    assert "hush" not in ended.log


def test_a_refusal_of_another_kind_is_not_tried_again(
    call: Call, singer: Singer, serve: Serve
) -> None:
    with serve(only_post, 400, "invalid_scope") as endpoint:
        assert call(ada(singer), endpoint.settings()).code == 77
        assert endpoint.asked == [BASIC]


def test_scope_and_parameters_are_sent(call: Call, singer: Singer, serve: Serve) -> None:
    wanted = {"scope": "attendees write", "audience": "rainfocus", "grant_type": "jwt"}
    with serve(lambda _, form: form == wanted) as endpoint:
        parameters = {"audience": "rainfocus", "grant_type": "jwt"}
        settings = endpoint.settings(token_scope="attendees write", token_parameters=parameters)
        assert call(ada(singer), settings).code == 0
        text = {"token_parameters": json.dumps(parameters)}
        assert call(ada(singer), settings | text).code == 0
