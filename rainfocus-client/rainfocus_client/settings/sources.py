"""Where settings come from: config files, environment variables and `.env`, defaults."""

from __future__ import annotations

import json
import os
import typing as t
from contextlib import suppress
from pathlib import Path

from dotenv import find_dotenv, load_dotenv
from dotenv.variables import parse_variables

from rainfocus_client.errors import SettingsError
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rainfocus_client.settings.declarations import JSONSchema

EMPTY_VALUES = {"string", "array"}
"""Types that have an empty value; others are not set where their variable is empty."""

COLLECTIONS = {"array", "object"}


def read_json_object(what: str, text: str | bytes) -> dict[str, t.Any]:
    """Read a file's content that must be one JSON object.

    Raises:
        SettingsError: The content is no JSON object; `what` names the file for the user.
    """
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        msg = f"{what} is not one JSON object: check the file."
        raise SettingsError(msg, Trouble.CONFIG_FILE)
    return value


def read_config_files(paths: Iterable[str]) -> dict[str, t.Any]:
    """Read config files, the later ones first.

    Raises:
        SettingsError: One cannot be read as a JSON object.
    """
    settings: dict[str, t.Any] = {}
    for path in paths:
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"Config file {path} cannot be read: check that it is there, and a text file."
            raise SettingsError(msg, Trouble.CONFIG_FILE) from error
        settings |= read_json_object(f"Config file {path}", text)
    return settings


def environment_settings(schema: JSONSchema, prefix: str) -> dict[str, t.Any]:
    """The settings in environment variables and in the `.env` file of this folder.

    Raises:
        SettingsError: The `.env` file cannot be read.
    """
    path = find_dotenv(usecwd=True)
    try:
        load_dotenv(path)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"File {path} cannot be read: check that it is a text file in UTF-8."
        raise SettingsError(msg, Trouble.CONFIG_FILE) from error
    return settings_from_environment(schema, prefix, os.environ)


def settings_from_environment(
    schema: JSONSchema, prefix: str, environment: Mapping[str, str]
) -> dict[str, t.Any]:
    """The settings in environment variables, `{prefix}{SETTING}`.

    Values of other types than string are JSON, lists and objects also what `read_collection`
    takes. What cannot be read stays a string, for `check_settings` to complain about.
    """
    found: dict[str, t.Any] = {}
    for name, declared in schema["properties"].items():
        text = environment.get(prefix + name.upper())
        kinds = _kinds(declared)
        if text or (text is not None and EMPTY_VALUES & kinds):
            found[name] = _value(text, kinds)
    return found


def _kinds(declared: JSONSchema) -> set[str]:
    kinds = declared.get("type", ())
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _value(text: str, kinds: set[str]) -> object:
    if "string" in kinds:
        return text
    if kinds & COLLECTIONS:
        return read_collection(text, kinds)
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_collection(text: str, kinds: set[str]) -> object:
    """A list or object as text: JSON, or `a,b,c`, or `name=value,name=value`.

    Args:
        text: What was given.
        kinds: JSON schema types, of which `array` or `object` is one.

    Returns:
        The list or object; the text where it is none.
    """
    with suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, list | dict):
            return value
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if text.lstrip().startswith(("[", "{")):
        return text
    if "array" in kinds:
        return parts
    pairs = [part.partition("=") for part in parts]
    if not all(equals for _, equals, _ in pairs):
        return text
    return {name.strip(): value.strip() for name, _, value in pairs}


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
        kinds = _kinds(schema["properties"].get(name, {}))
        # Meltano hands numbers, lists and objects from the environment on as text.
        if isinstance(value, str) and "number" in kinds:
            with suppress(ValueError):
                given[name] = float(value)
        if isinstance(value, str) and kinds & COLLECTIONS and "string" not in kinds:
            given[name] = read_collection(value, kinds)
        # To JSON schema 8.0 is an integer, to Python it is not.
        if isinstance(value, float) and "integer" in kinds and value.is_integer():
            given[name] = int(value)
    return defaults | given
