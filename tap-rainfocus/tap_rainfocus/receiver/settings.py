"""The receiver's settings, from the environment and `.env`."""

from __future__ import annotations

import hashlib
import logging
import re
import typing as t
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from rainfocus_client.errors import SettingsError
from rainfocus_client.redaction import Redactor, protect_logs
from rainfocus_client.settings.checks import check_settings
from rainfocus_client.settings.preparation import check_variables
from rainfocus_client.settings.sources import environment_settings, with_defaults
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from rainfocus_client.settings.declarations import JSONSchema

LOGGER = logging.getLogger("rainfocus-receiver")

PREFIX = "RAINFOCUS_RECEIVER_"

SCHEMA: JSONSchema = {
    "type": "object",
    "properties": {
        "inbox_url": {"type": "string", "minLength": 1, "default": "sqlite:///rainfocus-inbox.db"},
        "inlet": {"type": "string"},
        "token": {"type": "string"},
        "previous_inlet": {"type": "string", "default": ""},
        "previous_token": {"type": "string", "default": ""},
        "payload_key": {"type": "string", "default": ""},
        "host": {"type": "string", "minLength": 1, "default": "127.0.0.1"},
        "port": {"type": "integer", "minimum": 0, "maximum": 65535, "default": 8766},
    },
}

FOLDER_SCHEMA: JSONSchema = {
    "type": "object",
    "properties": {"folder": {"type": "string", "minLength": 1, "default": ".receiver"}},
}

_ALL: JSONSchema = {"properties": {**SCHEMA["properties"], **FOLDER_SCHEMA["properties"]}}

_INLET = re.compile(r"[A-Za-z0-9._~-]{16,}")
_TOKEN = re.compile(r"[\x21-\x7e]{16,}")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the receiver listens, what keeps strangers out, and where it keeps what comes."""

    inbox_url: str
    inlet: str
    token: str
    host: str
    port: int
    payload_key: str = ""
    previous_inlet: str = ""
    previous_token: str = ""

    @property
    def inlets(self) -> tuple[str, ...]:
        """The secrets that an address may end in."""
        return tuple(filter(None, (self.inlet, self.previous_inlet)))

    @property
    def tokens(self) -> tuple[str, ...]:
        """The Bearer tokens that are taken; with none, no token is wanted."""
        return tuple(filter(None, (self.token, self.previous_token)))

    @property
    def fingerprint(self) -> str:
        """Tells these settings from others, and tells none of them."""
        return hashlib.sha256(repr(self).encode()).hexdigest()

    @classmethod
    def read(cls, *, serving: bool, **given: str | int | None) -> Settings:
        """The settings, with those `given` first, and their secrets kept out of the log.

        Args:
            serving: Whether they have to be good enough to serve with.
            given: What the command line says.

        Raises:
            SettingsError: A setting is missing, or has a value that cannot work.
        """
        ready = {"inlet": "", "token": "", **_found(SCHEMA, given)}
        _protect_logs(ready)
        check_variables(_ALL, PREFIX, LOGGER, counts=True)
        check_settings(ready, SCHEMA, PREFIX)
        if serving:
            _check_secrets(ready)
        return cls(**ready)


def read_folder(given: str | None) -> Path:
    """The folder of a receiver in the background: what the command line says, or the setting.

    Raises:
        SettingsError: The name of the folder is empty.
    """
    ready = _found(FOLDER_SCHEMA, {"folder": given})
    check_settings(ready, FOLDER_SCHEMA, PREFIX)
    return Path(ready["folder"])


def _found(schema: JSONSchema, given: Mapping[str, str | int | None]) -> dict[str, t.Any]:
    found = environment_settings(schema, PREFIX)
    found |= {name: value for name, value in given.items() if value is not None}
    return with_defaults(found, schema)


def _check_secrets(settings: dict[str, t.Any]) -> None:
    if settings["previous_token"] and not settings["token"]:
        msg = f"Setting previous_token is of no use without token: set {PREFIX}TOKEN, too."
        raise SettingsError(msg, Trouble.CONFLICT)
    if settings["previous_token"] and not _TOKEN.fullmatch(settings["previous_token"]):
        msg = f"Setting previous_token cannot have been a token: see {PREFIX}TOKEN, or empty it."
        raise SettingsError(msg, Trouble.SETTING)
    previous = settings["previous_inlet"]
    if previous and not _INLET.fullmatch(previous):
        msg = f"Setting previous_inlet cannot have been an inlet: see {PREFIX}INLET, or empty it."
        raise SettingsError(msg, Trouble.SETTING)
    if not _INLET.fullmatch(settings["inlet"]):
        msg = (
            f"Setting inlet is missing or too simple: set {PREFIX}INLET to a secret of at least 16 "
            "letters, digits or . _ ~ -, such as `openssl rand -hex 24` gives."
        )
        raise SettingsError(msg, Trouble.SETTING)
    if settings["token"] and not _TOKEN.fullmatch(settings["token"]):
        msg = (
            f"Setting token cannot be used: {PREFIX}TOKEN must be at least 16 ASCII characters "
            "without blanks."
        )
        raise SettingsError(msg, Trouble.SETTING)


def _protect_logs(settings: dict[str, t.Any]) -> None:
    names = ("inlet", "token", "previous_inlet", "previous_token")
    secrets = [settings[name] for name in names]
    with suppress(sa.exc.ArgumentError):
        secrets.append(sa.make_url(settings["inbox_url"]).password)
    protect_logs(Redactor(*secrets))
