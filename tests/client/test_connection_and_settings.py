"""Addresses, credentials and settings."""

from __future__ import annotations

import base64
import typing as t

import pytest
from rainfocus_client.auth import ApiProfile, OAuth, credentials_from_settings
from rainfocus_client.connection import Connection
from rainfocus_client.errors import SettingsError
from rainfocus_client.settings.checks import check_settings, unknown_settings
from rainfocus_client.settings.declarations import ConnectionSettings, settings_schema
from rainfocus_client.settings.sources import (
    expand_variables,
    read_config_files,
    settings_from_environment,
    with_defaults,
)

if t.TYPE_CHECKING:
    from pathlib import Path

SCHEMA = settings_schema({"event_codes": {"type": "array", "items": {"type": "string"}}})


def read(settings: dict[str, str]) -> ConnectionSettings:
    return ConnectionSettings.from_config(with_defaults(settings, SCHEMA))


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "https://events.rainfocus.com/api/acme/v3/attendee/search"),
        ({"environment": "prod"}, "https://events.rainfocus.com/api/acme/v3/attendee/search"),
        ({"environment": "stg"}, "https://events-stg.rainfocus.com/api/acme/v3/attendee/search"),
        ({"environment": "dev"}, "https://events-dev.rainfocus.com/api/acme/v3/attendee/search"),
        (
            {"environment": "stg", "api_url": "https://www.example.com/max-api/"},
            "https://www.example.com/max-api/acme/v3/attendee/search",
        ),
    ],
)
def test_call_address(settings: dict[str, str], url: str) -> None:
    assert (
        Connection.from_settings(read({"org_id": "acme", **settings})).url("attendee/search") == url
    )


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "https://events.rainfocus.com/oidc/token"),
        ({"environment": "stg"}, "https://events-stg.rainfocus.com/oidc/token"),
        ({"api_url": "http://127.0.0.1:8765/api"}, "http://127.0.0.1:8765/oidc/token"),
        ({"token_url": "https://login.example.com/t"}, "https://login.example.com/t"),
    ],
)
def test_token_address(settings: dict[str, str], url: str) -> None:
    assert Connection.from_settings(read({"org_id": "acme", **settings})).token_url == url


@pytest.mark.parametrize(
    "settings",
    [
        {"org_id": "a/b"},
        {"org_id": "a b"},
        {"environment": "stg.evil.com/"},
        {"api_url": "ftp://host/api"},
        {"api_url": "https:///api"},
        {"api_url": "https://user:secret@host/api"},
        {"api_url": "https://host/api?x=1"},
        {"api_url": "https://ho st/api"},
        {"api_url": "https://host:/api"},
        {"token_url": "host/token"},
    ],
)
def test_malformed_addresses_are_refused_without_being_shown(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refusal:
        Connection.from_settings(read({"org_id": "acme", **settings}))
    assert next(iter(settings)) in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("address", "expanded"),
    [
        ("http://127.0.0.1:${PORT:-8765}/api", "http://127.0.0.1:9000/api"),
        ("http://127.0.0.1:${OTHER:-8765}/api", "http://127.0.0.1:8765/api"),
        ("http://127.0.0.1:${EMPTY:-8765}/api", "http://127.0.0.1:8765/api"),
        ("http://127.0.0.1:${OTHER}/api", "http://127.0.0.1:/api"),
        ("https://${PORT}.example.com/$PORT", "https://9000.example.com/$PORT"),
        (None, None),
    ],
)
def test_addresses_may_name_variables(address: str | None, expanded: str | None) -> None:
    assert expand_variables(address, {"PORT": "9000", "EMPTY": ""}) == expanded


def test_an_api_profile_travels_as_a_header() -> None:
    credentials = credentials_from_settings(read({"api_profile": "abc123"}))
    assert isinstance(credentials, ApiProfile)
    assert credentials.headers() == {"apiProfile": "abc123"}
    assert "abc123" not in repr(credentials)


@pytest.mark.parametrize("token", ["abc def", "abcdef\n", "abc\u2026def"])
def test_an_api_profile_that_was_not_copied_whole(token: str) -> None:
    with pytest.raises(SettingsError, match="was it copied whole"):
        credentials_from_settings(read({"api_profile": token}))


def test_basic_authentication_of_the_token_request() -> None:
    credentials = credentials_from_settings(read({"client_id": "my:id", "client_secret": "p@ss"}))
    assert isinstance(credentials, OAuth)
    request = credentials.token_request("https://host/token", "basic")
    assert request.form == {"grant_type": "client_credentials"}
    # RFC 6749 §2.3.1: both parts are form-encoded first.
    expected = base64.b64encode(b"my%3Aid:p%40ss").decode()
    assert request.headers["Authorization"] == f"Basic {expected}"
    assert "p@ss" not in repr(credentials) + repr(request)


def test_post_authentication_of_the_token_request() -> None:
    request = OAuth("id", "secret").token_request("https://host/token", "post")
    assert request.form == {
        "grant_type": "client_credentials",
        "client_id": "id",
        "client_secret": "secret",
    }
    assert "Authorization" not in request.headers


def test_faults_of_settings_are_named_without_values() -> None:
    with pytest.raises(SettingsError) as refusal:
        check_settings({"client_secret": 12345, "max_retries": -1}, SCHEMA, "TAP_")
    assert str(refusal.value) == (
        "Setting client_secret must be of type string; Setting max_retries must be at least 0; "
        "Setting org_id is missing: set it in the config or as TAP_ORG_ID."
    )


def test_settings_from_the_environment_have_their_types() -> None:
    environment = {
        "TAP_ORG_ID": "42",
        "TAP_MAX_RETRIES": "3",
        "TAP_REQUESTS_PER_SECOND": "2.5",
        "TAP_EVENT_CODES": '["a", "b"]',
        "TAP_REQUEST_TIMEOUT": "soon",
        "TAP_API_PROFILE": "",
        "OTHER": "x",
    }
    assert settings_from_environment(SCHEMA, "TAP_", environment) == {
        "org_id": "42",
        "max_retries": 3,
        "requests_per_second": 2.5,
        "event_codes": ["a", "b"],
        "request_timeout": "soon",
        "api_profile": "",
    }
    assert settings_from_environment(SCHEMA, "TAP_", {"TAP_MAX_RETRIES": ""}) == {}


@pytest.mark.parametrize(
    ("text", "codes"),
    [("a,b", ["a", "b"]), (" a , b ", ["a", "b"]), ("2025", ["2025"]), ("", []), ('["a"]', ["a"])],
)
def test_a_list_in_the_environment(text: str, codes: list[str]) -> None:
    found = settings_from_environment(SCHEMA, "TAP_", {"TAP_EVENT_CODES": text})
    assert found == {"event_codes": codes}


def test_a_number_that_comes_as_text_is_read() -> None:
    settings = with_defaults({"requests_per_second": "2.5", "request_timeout": "soon"}, SCHEMA)
    assert settings["requests_per_second"] == 2.5
    assert settings["request_timeout"] == "soon"


def test_a_misspelt_setting_is_found() -> None:
    assert unknown_settings({"org_id": "acme", "page_sze": 1}, SCHEMA) == ["page_sze"]


def test_config_files_are_merged_and_named_when_they_cannot_be_read(tmp_path: Path) -> None:
    for name, text in {
        "a.json": '{"x": 1, "y": 1}',
        "b.json": '{"y": 2}',
        "bad.json": "[1]",
    }.items():
        (tmp_path / name).write_text(text)
    files = [str(tmp_path / name) for name in ("a.json", "b.json")]
    assert read_config_files(files) == {"x": 1, "y": 2}
    for name in ("bad.json", "missing.json"):
        with pytest.raises(SettingsError, match=name):
            read_config_files([str(tmp_path / name)])


def test_defaults_fill_what_is_missing_or_null() -> None:
    settings = with_defaults({"org_id": "acme", "max_retries": None, "api_url": None}, SCHEMA)
    assert settings["max_retries"] == 6
    assert settings["environment"] == "prod"
    assert "api_url" not in settings
