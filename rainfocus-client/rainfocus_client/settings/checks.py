"""Whether settings can work; what is said of them never shows a value."""

from __future__ import annotations

import difflib
import typing as t

import jsonschema

from rainfocus_client.errors import SettingsError
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rainfocus_client.settings.declarations import JSONSchema


def check_settings(settings: Mapping[str, t.Any], schema: JSONSchema, env_prefix: str) -> None:
    """Hold settings against their schema.

    Args:
        settings: What the user gave.
        schema: From `settings_schema`.
        env_prefix: Prefix of the plugin's environment variables, for the message.

    Raises:
        SettingsError: A setting does not match its schema; the text names each fault and never
            shows a value.
    """
    validator = jsonschema.Draft202012Validator(schema)
    faults = {_fault(error, env_prefix) for error in validator.iter_errors(settings)}
    faults |= {
        f"Setting {name} must not be blank"
        for name, value in settings.items()
        if isinstance(value, str) and value and not value.strip()
    }
    if faults:
        raise SettingsError("; ".join(sorted(faults)) + ".", Trouble.SETTING)


def _fault(error: jsonschema.ValidationError, env_prefix: str) -> str:
    name = ".".join(str(part) for part in error.absolute_path)
    wanted: t.Any = error.validator_value
    match error.validator:
        case "required":
            given = t.cast("dict[str, t.Any]", error.instance)
            # In the order in which they are declared: the SDK may sort those that are required.
            declared = t.cast("JSONSchema", error.schema)["properties"]
            missing = [key for key in declared if key in wanted and key not in given]
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
        case "anyOf" | "oneOf" | "not" | "pattern":
            rule = "does not have a form that is allowed"
        case _:
            rule = f"is not valid ({error.validator}: {wanted})"
    return f"Setting {name} {rule}"


def unknown_settings(settings: Iterable[str], schema: JSONSchema) -> list[str]:
    """The names in the settings that mean nothing.

    Raises:
        SettingsError: A name is most likely misspelt.
    """
    unknown = sorted(set(settings) - schema["properties"].keys())
    for name in unknown:
        if meant := _meant(name, schema):
            msg = f"Setting {name} is not known: is {meant} meant?"
            raise SettingsError(msg, Trouble.UNKNOWN_SETTING)
    return unknown


def unknown_variables(variables: Iterable[str], schema: JSONSchema, env_prefix: str) -> list[str]:
    """The environment variables that are named like a setting and set none.

    Let be are those of another plugin whose name begins alike, and of its settings: Meltano
    exports what a preset inherits, and what is inside of objects. `__` is in Meltano's own.

    Args:
        variables: Names of variables.
        schema: From `settings_schema`.
        env_prefix: Prefix of the plugin's environment variables.

    Raises:
        SettingsError: A name is most likely misspelt.
    """
    declared = schema["properties"]
    objects = tuple(
        f"{name}_" for name, about in declared.items() if "object" in about.get("type", "")
    )
    others = tuple(f"_{name}" for name in (*declared, "loglevel"))
    unknown = []
    for variable in sorted(variables):
        name = variable.removeprefix(env_prefix).lower()
        if not variable.startswith(env_prefix) or name in {*declared, "loglevel"}:
            continue
        if "__" in variable or name.endswith(others):
            continue
        meant = None if name.startswith(objects) else _meant(name, schema)
        if meant:
            msg = f"Variable {variable} sets nothing: is {env_prefix}{meant.upper()} meant?"
            raise SettingsError(msg, Trouble.UNKNOWN_SETTING)
        unknown.append(variable)
    return unknown


def _meant(name: str, schema: JSONSchema) -> str | None:
    close = difflib.get_close_matches(name, schema["properties"], n=1, cutoff=0.8)
    return close[0] if close else None
