"""The settings that the tap and the target share, declared once as JSON schema."""

from __future__ import annotations

import difflib
import json
import typing as t
from contextlib import suppress
from pathlib import Path

import jsonschema
from dotenv.variables import parse_variables

from rainfocus_client.errors import SettingsError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

JSONSchema: t.TypeAlias = dict[str, t.Any]

CONNECTION_SETTINGS: dict[str, JSONSchema] = {
    "org_id": {
        "type": "string",
        "minLength": 1,
        "title": "Organization ID",
        "description": "The organisation's id, the path segment after /api/ in its API addresses.",
    },
    "environment": {
        "type": "string",
        "default": "prod",
        "title": "Environment",
        "description": (
            "RainFocus environment, such as prod or stg. prod is events.rainfocus.com, "
            "any other name is events-{environment}.rainfocus.com."
        ),
    },
    "api_url": {
        "type": ["string", "null"],
        "minLength": 1,
        "title": "API URL",
        "description": (
            "Address of the API up to and with /api, for vanity hosts and the sandbox. "
            "Overrides environment. May name environment variables, as ${NAME:-default}."
        ),
    },
    "client_id": {
        "type": ["string", "null"],
        "title": "Client ID",
        "description": "Client ID of an API profile of type OAuth (Global).",
    },
    "client_secret": {
        "type": ["string", "null"],
        "secret": True,
        "writeOnly": True,
        "title": "Client secret",
        "description": "Client secret of an API profile of type OAuth (Global).",
    },
    "token_url": {
        "type": ["string", "null"],
        "minLength": 1,
        "title": "Token URL",
        "description": (
            "Where client credentials are exchanged for a token. RainFocus does not publish it: "
            "the default, {scheme and host of the API}/oidc/token, is not verified."
        ),
    },
    "token_auth_method": {
        "type": "string",
        "enum": ["basic", "post"],
        "default": "basic",
        "title": "Token authentication method",
        "description": (
            "How client ID and secret reach the token endpoint: basic (HTTP Basic) or post "
            "(form fields). Which one RainFocus wants is not public."
        ),
    },
    "api_profile": {
        "type": ["string", "null"],
        "secret": True,
        "writeOnly": True,
        "title": "API profile token",
        "description": "Token of an API profile, instead of client ID and secret.",
    },
    "event_parameter": {
        "type": "string",
        "minLength": 1,
        "default": "event",
        "title": "Event parameter",
        "description": (
            "Name of the request parameter that carries the event code. RainFocus does not "
            "publish the v3 name: the default is taken from v2 and not verified."
        ),
    },
    "requests_per_second": {
        "type": ["number", "null"],
        "exclusiveMinimum": 0,
        "title": "Requests per second",
        "description": "Ceiling for calls to RainFocus, over all streams. Not set: no ceiling.",
    },
    "max_retries": {
        "type": "integer",
        "minimum": 0,
        "default": 6,
        "title": "Retries",
        "description": "How often a request that failed for a passing reason is sent again.",
    },
    "request_timeout": {
        "type": "number",
        "exclusiveMinimum": 0,
        "default": 60,
        "title": "Request timeout",
        "description": "Seconds to wait for RainFocus to connect, and then to answer.",
    },
}


EMPTY_VALUES = {"string", "array"}
"""Types that have an empty value; others are not set where their variable is empty."""


def settings_schema(own: Mapping[str, JSONSchema], *, required: tuple[str, ...] = ()) -> JSONSchema:
    """The settings of a plugin: the connection's and its own."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {**CONNECTION_SETTINGS, **own},
        "required": ["org_id", *required],
    }


def check_settings(settings: Mapping[str, t.Any], schema: JSONSchema, env_prefix: str) -> None:
    """Hold settings against their schema.

    Args:
        settings: What the user gave.
        schema: From `settings_schema`.
        env_prefix: Prefix of the plugin's environment variables, for the message.

    Raises:
        SettingsError: Something is wrong; the text names each fault and never shows a value.
    """
    validator = jsonschema.Draft202012Validator(schema)
    faults = sorted({_fault(error, env_prefix) for error in validator.iter_errors(settings)})
    if faults:
        raise SettingsError("; ".join(faults) + ".")


def _fault(error: jsonschema.ValidationError, env_prefix: str) -> str:
    name = ".".join(str(part) for part in error.absolute_path)
    wanted: t.Any = error.validator_value
    match error.validator:
        case "required":
            missing = [
                key for key in wanted if key not in t.cast("dict[str, t.Any]", error.instance)
            ]
            name = ", ".join(missing)
            where = " and ".join(f"{env_prefix}{key.upper()}" for key in missing)
            rule = f"is missing: set it in the config or as {where}"
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else [k for k in wanted if k != "null"]
            rule = f"must be of type {' or '.join(kinds)}"
        case "enum":
            rule = f"must be one of {', '.join(map(str, wanted))}"
        case "minimum":
            rule = f"must be at least {wanted}"
        case "maximum":
            rule = f"must be at most {wanted}"
        case "exclusiveMinimum":
            rule = f"must be greater than {wanted}"
        case "additionalProperties":
            known = t.cast("JSONSchema", error.schema)["properties"]
            rule = f"knows only {', '.join(known)}"
        case "minLength" | "minItems":
            rule = "must not be empty"
        case "anyOf" | "oneOf" | "not":
            rule = "does not have a form that is allowed"
        case _:
            rule = f"is not valid ({error.validator}: {wanted})"
    return f"Setting {name} {rule}"


def unknown_settings(settings: Mapping[str, t.Any], schema: JSONSchema) -> list[str]:
    """The names in the settings that mean nothing.

    Raises:
        SettingsError: One is most likely misspelt.
    """
    unknown = sorted(settings.keys() - schema["properties"].keys())
    for name in unknown:
        if close := difflib.get_close_matches(name, schema["properties"], n=1, cutoff=0.8):
            msg = f"Setting {name} is not known: is {close[0]} meant?"
            raise SettingsError(msg)
    return unknown


def read_json_object(what: str, text: str | bytes) -> dict[str, t.Any]:
    """Read a file's content that must be one JSON object.

    Raises:
        SettingsError: It is not; `what` names the file for the user.
    """
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        msg = f"{what} is not one JSON object: check the file."
        raise SettingsError(msg)
    return value


def read_config_files(paths: Iterable[str]) -> dict[str, t.Any]:
    """Read config files, the later ones first.

    Raises:
        SettingsError: One cannot be read as a JSON object.
    """
    settings: dict[str, t.Any] = {}
    for path in paths:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"Config file {path} cannot be read: check that it is there, and a text file."
            raise SettingsError(msg) from error
        settings |= read_json_object(f"Config file {path}", text)
    return settings


def settings_from_environment(
    schema: JSONSchema, prefix: str, environment: Mapping[str, str]
) -> dict[str, t.Any]:
    """The settings in environment variables, `{prefix}{SETTING}`.

    Values of other types than string are JSON; a list may also be given as `a,b,c`. What cannot
    be read stays a string, for `check_settings` to complain about.
    """
    found: dict[str, t.Any] = {}
    for name, declared in schema["properties"].items():
        text = environment.get(prefix + name.upper())
        kinds = declared.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if text or (text is not None and EMPTY_VALUES & set(kinds)):
            found[name] = _value(text, kinds)
    return found


def _value(text: str, kinds: list[str]) -> object:
    if "string" in kinds:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if "array" in kinds and not isinstance(value, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return value


def expand_variables(value: object, environment: Mapping[str, str]) -> object:
    """A text with `${NAME}` and `${NAME:-default}` replaced; one that is empty counts as not set.

    Meltano knows no default for a variable that is not set.
    """
    if not isinstance(value, str):
        return value
    given = {name: text for name, text in environment.items() if text}
    return "".join(part.resolve(given) for part in parse_variables(value))


def with_defaults(settings: Mapping[str, t.Any], schema: JSONSchema) -> dict[str, t.Any]:
    """The settings with the schema's defaults where nothing, or null, was given."""
    defaults = {
        name: declared["default"]
        for name, declared in schema["properties"].items()
        if "default" in declared
    }
    given = {name: value for name, value in settings.items() if value is not None}
    for name, value in given.items():
        kinds = schema["properties"].get(name, {}).get("type", ())
        # Meltano hands numbers from the environment on as text.
        if isinstance(value, str) and "number" in kinds:
            with suppress(ValueError):
                given[name] = float(value)
        # To JSON schema 8.0 is an integer, to Python it is not.
        if isinstance(value, float) and "integer" in kinds and value.is_integer():
            given[name] = int(value)
    return defaults | given
