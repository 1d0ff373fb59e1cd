"""What a plugin does with its settings before anything else."""

from __future__ import annotations

import os
import typing as t

from rainfocus_client.auth import credentials_from_settings
from rainfocus_client.connection import Connection
from rainfocus_client.redaction import Redactor, protect_logs
from rainfocus_client.settings.checks import check_settings, unknown_settings
from rainfocus_client.settings.sources import expand_variables, with_defaults

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from rainfocus_client.settings.declarations import JSONSchema

ADDRESSES = frozenset({"api_url", "token_url"})
"""Settings that may name environment variables."""


def ready_settings(  # noqa: PLR0913
    settings: Mapping[str, t.Any],
    schema: JSONSchema,
    prefix: str,
    logger: logging.Logger,
    *,
    check: bool,
    connects: bool = True,
) -> dict[str, t.Any]:
    """Complete the settings with their defaults, and keep what is secret in them out of the log.

    Args:
        settings: What the user gave.
        schema: From `settings_schema`.
        prefix: Prefix of the plugin's environment variables.
        logger: Where a misspelt setting is told.
        check: Whether they have to be good enough to run with.
        connects: Whether it is a connection to RainFocus that they have to be good enough for.

    Raises:
        SettingsError: They are to be, and are not.
    """
    ready = with_defaults(settings, schema)
    for name in ADDRESSES & ready.keys():
        ready[name] = expand_variables(ready[name], os.environ)
    declared = schema["properties"]
    protect_logs(Redactor(*(ready.get(name) for name in declared if declared[name].get("secret"))))
    if check:
        check_settings(ready, schema if connects else {**schema, "required": []}, prefix)
        if connects:
            Connection.from_settings(ready)
            credentials_from_settings(ready)
        for name in unknown_settings(ready, schema):
            logger.warning("Setting %s is not known and has no effect.", name)
    return ready
