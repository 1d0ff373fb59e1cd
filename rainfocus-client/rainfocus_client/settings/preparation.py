"""What a plugin does with its settings before anything else."""

from __future__ import annotations

import os
import typing as t

from rainfocus_client.auth import OAuth, credentials_from_settings
from rainfocus_client.connection import Connection
from rainfocus_client.redaction import Redactor, protect_logs
from rainfocus_client.settings.checks import (
    check_settings,
    unknown_settings,
    unknown_variables,
)
from rainfocus_client.settings.sources import expand_variables, with_defaults

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from rainfocus_client.settings.declarations import ConnectionSettings, JSONSchema

ASSUMED = (
    "Setting token_url is not set: that a token can be had at %s is assumed. The right address "
    "comes with the credentials of the API profile."
)

ADDRESSES = frozenset({"api_url", "token_url"})
"""Settings that may name environment variables."""


def complete_settings(given: Mapping[str, t.Any], schema: JSONSchema) -> dict[str, t.Any]:
    """The settings with their defaults; what is secret in them stays out of the log from now on.

    Args:
        given: What the user gave.
        schema: From `settings_schema`.
    """
    config = with_defaults(given, schema)
    for name in ADDRESSES & config.keys():
        config[name] = expand_variables(config[name], os.environ)
    declared = schema["properties"]
    secrets = (config.get(name) for name in declared if declared[name].get("secret"))
    protect_logs(Redactor(*(secret for secret in secrets if not _is_plain_path(secret))))
    return config


def _is_plain_path(secret: object) -> bool:
    """Whether it is the URL of a file: there is no password in it, and messages quote its form."""
    return isinstance(secret, str) and secret.startswith("sqlite:") and "@" not in secret


def check_completely(
    config: Mapping[str, t.Any],
    settings: ConnectionSettings,
    schema: JSONSchema,
    prefix: str,
    logger: logging.Logger,
) -> None:
    """Check that a plugin can run with its settings.

    Args:
        config: From `complete_settings`.
        settings: The same, as attributes.
        schema: From `settings_schema`.
        prefix: Prefix of the plugin's environment variables.
        logger: Where a setting that has no effect is told.

    Raises:
        SettingsError: The plugin cannot run with its settings.
    """
    check_settings(config, schema if settings.connects else {**schema, "required": []}, prefix)
    if settings.connects:
        connection = Connection.from_settings(settings)
        credentials = credentials_from_settings(settings)
        if isinstance(credentials, OAuth) and not settings.token_url:
            logger.warning(ASSUMED, connection.token_url)
    for name in unknown_settings(config, schema):
        logger.warning("Setting %s is not known and has no effect.", name)
    settings.check()


def check_variables(
    schema: JSONSchema, prefix: str, logger: logging.Logger, *, counts: bool
) -> None:
    """Check that no environment variable is a misspelt setting: Meltano hands all of them on.

    Args:
        schema: From `settings_schema`.
        prefix: Prefix of the plugin's environment variables.
        logger: Where a variable that has no effect is told, if they count.
        counts: Whether settings are taken from variables.

    Raises:
        SettingsError: A variable is most likely misspelt.
    """
    for name in unknown_variables(os.environ, schema, prefix):
        if counts:
            logger.warning("Variable %s is no setting and has no effect.", name)
