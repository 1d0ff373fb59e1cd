"""The settings that the tap and the target share: as JSON schema, and as attributes."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, fields
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Mapping

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
        "enum": ["auto", "basic", "post"],
        "default": "auto",
        "title": "Token authentication method",
        "description": (
            "How client ID and secret reach the token endpoint: basic (HTTP Basic), post (form "
            "fields), or auto: basic, and post where that is refused. Which one RainFocus wants "
            "is not public."
        ),
    },
    "token_scope": {
        "type": ["string", "null"],
        "minLength": 1,
        "title": "Token scope",
        "description": "Scope to ask a token for. Whether RainFocus wants one is not public.",
    },
    "token_parameters": {
        "type": ["object", "null"],
        "additionalProperties": {"type": "string"},
        "title": "Token parameters",
        "description": "Further form fields of the request for a token, such as audience.",
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
    "summary_path": {
        "type": ["string", "null"],
        "title": "Summary",
        "description": (
            "File that gets one JSON object when the run ends, however it ends: counts by stream "
            "and outcome, reasons, requests, exit code."
        ),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """The same settings as attributes, once they are complete; see their descriptions above.

    Attributes:
        file_settings: Those that name files which are written.
    """

    file_settings: t.ClassVar[tuple[str, ...]] = ("summary_path",)

    org_id: str = ""
    environment: str
    api_url: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    token_url: str | None = None
    token_auth_method: str
    token_scope: str | None = None
    token_parameters: Mapping[str, str] = field(default_factory=dict)
    api_profile: str | None = field(default=None, repr=False)
    event_parameter: str
    requests_per_second: float | None = None
    max_retries: int
    request_timeout: float
    summary_path: str | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, t.Any]) -> t.Self:
        """Read the settings; one that is null counts as not set.

        Args:
            config: With the defaults of the JSON schema.
        """
        known = (declared.name for declared in fields(cls))
        return cls(**{name: config[name] for name in known if config.get(name) is not None})

    @property
    def connects(self) -> bool:
        """Whether a connection to RainFocus is wanted."""
        return True

    @property
    def files(self) -> dict[str, Path]:
        """The files that settings name, by the name of the setting."""
        named = ((name, getattr(self, name)) for name in self.file_settings)
        return {name: Path(path) for name, path in named if path and isinstance(path, str)}

    def check(self) -> None:
        """Check what the JSON schema cannot say.

        Raises:
            SettingsError: Two settings do not go together, or a value cannot work.
        """


def settings_schema(own: Mapping[str, JSONSchema], *, required: tuple[str, ...] = ()) -> JSONSchema:
    """The settings of a plugin: the connection's and its own."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {**CONNECTION_SETTINGS, **own},
        "required": ["org_id", *required],
    }
