"""Where RainFocus answers: from org id, environment and overrides to URLs."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from rainfocus_client.errors import SettingsError
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from rainfocus_client.settings.declarations import ConnectionSettings

API_VERSION = "v3"
PRODUCTION = "prod"

_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Connection:
    """One RainFocus organisation on one host.

    URL form `{api_url}/{org_id}/v3/{call}`: bwEvents/rainfocus-service (v2, working client)
    and a client written from the vendor's documentation (v3).
    """

    org_id: str
    api_url: str
    token_url: str

    @classmethod
    def from_settings(cls, settings: ConnectionSettings) -> Connection:
        """Read the connection settings.

        Raises:
            SettingsError: A setting has a malformed value.
        """
        org_id = _name("org_id", settings.org_id)
        address = api_url(settings)
        if settings.token_url:
            token_url = _web_address("token_url", settings.token_url)
        else:
            origin = urlsplit(address)
            token_url = f"{origin.scheme}://{origin.netloc}/oidc/token"
        return cls(org_id, address, token_url)

    def base_url(self, path: str) -> str:
        """The address of a path that begins with a version, such as `v3/attendee/search`."""
        return f"{self.api_url}/{self.org_id}/{path}"

    def url(self, call: str) -> str:
        """The address of a call such as `attendee/search`."""
        return self.base_url(f"{API_VERSION}/{call}")


def api_url(settings: ConnectionSettings) -> str:
    """The address up to and with `/api`.

    Hosts: `events.rainfocus.com` and `events-stg.rainfocus.com` are captured; any other
    environment follows the same pattern by inference.

    Raises:
        SettingsError: A setting has a malformed value.
    """
    if settings.api_url:
        return _web_address("api_url", settings.api_url)
    environment = _name("environment", settings.environment or PRODUCTION)
    suffix = "" if environment == PRODUCTION else f"-{environment}"
    return f"https://events{suffix}.rainfocus.com/api"


def _name(setting: str, value: str) -> str:
    if not _NAME.fullmatch(value):
        msg = f"Setting {setting} must be a plain name without spaces or slashes."
        raise SettingsError(msg, Trouble.ADDRESS)
    return value


def _web_address(setting: str, value: str) -> str:
    address = value.rstrip("/")
    try:
        parts = urlsplit(address)
        well_formed = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.port != 0
            and not parts.netloc.endswith(":")
            and not (parts.query or parts.fragment or parts.username or parts.password)
            and not re.search(r"\s", address)
        )
    except ValueError:
        well_formed = False
    if not well_formed:
        msg = (
            f"Setting {setting} is not a web address: give it as "
            "https://host/path, without user name or query."
        )
        raise SettingsError(msg, Trouble.ADDRESS)
    return address
