"""The probe's settings: those of the connection, asked more slowly."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from rainfocus_client.auth import credentials_from_settings
from rainfocus_client.connection import Connection
from rainfocus_client.settings.checks import check_settings, unknown_settings
from rainfocus_client.settings.declarations import (
    CONNECTION_SETTINGS,
    ConnectionSettings,
    settings_schema,
)
from rainfocus_client.settings.preparation import check_variables, complete_settings
from rainfocus_client.settings.sources import environment_settings, read_config_files

from rainfocus_probe import PACKAGE

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Sequence

    from rainfocus_client.settings.declarations import JSONSchema

PREFIX = f"{PACKAGE.upper().replace('-', '_')}_"

FROM_ENVIRONMENT = "ENV"


def _with_default(name: str, value: object) -> JSONSchema:
    return {**CONNECTION_SETTINGS[name], "default": value}


SCHEMA: JSONSchema = settings_schema(
    {
        "requests_per_second": _with_default("requests_per_second", 1),
        "max_retries": _with_default("max_retries", 2),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSettings(ConnectionSettings):
    """The settings as attributes, once they are complete."""

    @property
    def pace(self) -> float:
        """Seconds from one request to the next."""
        return 1 / (self.requests_per_second or 1)


def read_settings(paths: Sequence[str], logger: logging.Logger) -> ProbeSettings:
    """Read and check the settings; secrets stay out of the log from now on.

    Args:
        paths: Config files; `ENV` stands for environment variables and `.env`.
        logger: Where a setting that has no effect is told.

    Raises:
        SettingsError: The probe cannot run with them.
    """
    files = [path for path in paths if path != FROM_ENVIRONMENT]
    counts = FROM_ENVIRONMENT in paths
    given = read_config_files(files)
    if counts:
        given |= environment_settings(SCHEMA, PREFIX)
    config = complete_settings(given, SCHEMA)
    settings = ProbeSettings.from_config(config)
    check_variables(SCHEMA, PREFIX, logger, counts=counts)
    check_settings(config, SCHEMA, PREFIX)
    Connection.from_settings(settings)
    credentials_from_settings(settings)
    for name in unknown_settings(config, SCHEMA):
        logger.warning("Setting %s is not the connection's and has no effect here.", name)
    settings.check()
    return settings
