"""The tap's own settings, beside those of the connection."""

from __future__ import annotations

import typing as t
from datetime import datetime

from rainfocus_client.errors import SettingsError

if t.TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rainfocus_client.settings.declarations import JSONSchema

_NAMES = {"type": "array", "items": {"type": "string"}}

SETTINGS: dict[str, JSONSchema] = {
    "event_codes": {
        **_NAMES,
        "default": [],
        "title": "Event codes",
        "description": (
            "Events to read, one after the other; a code may also be several, with commas "
            "between. May be empty when the API profile is bound to one event."
        ),
    },
    "start_date": {
        "type": ["string", "null"],
        "format": "date-time",
        "title": "Start date",
        "description": (
            "Where the first run of an incremental stream begins, such as 2026-01-01T00:00:00Z. "
            "Not set: with everything."
        ),
    },
    "page_size": {
        "type": "integer",
        "minimum": 1,
        "default": 1000,
        "title": "Page size",
        "description": "Records a page of a search call. RainFocus' own maximum is not public.",
    },
    "endpoints": {
        "type": "object",
        "default": {},
        "additionalProperties": {
            "type": "object",
            "properties": {
                "path": {"type": "string", "minLength": 1},
                "records_key": {"type": "string", "minLength": 1},
            },
            "additionalProperties": False,
        },
        "title": "Endpoints",
        "description": (
            "Per stream, another call (path) and the key of its records (records_key). "
            "A call that ends in /search is read incrementally, any other in full."
        ),
    },
    "custom_attributes": {
        **_NAMES,
        "default": [],
        "title": "Custom attributes",
        "description": "Codes, or names, of custom attributes that become fields of their own.",
    },
    "inbox_url": {
        "type": ["string", "null"],
        "secret": True,
        "writeOnly": True,
        "title": "Inbox URL",
        "description": (
            "SQLAlchemy URL of the receiver's inbox, such as sqlite:///rainfocus-inbox.db: where "
            "the stream experience_events is read from."
        ),
    },
}

CONNECTION = ("org_id", "api_url", "client_id", "client_secret", "api_profile")
"""Settings that nobody gives who does not want to connect to RainFocus."""


def check_own_settings(settings: Mapping[str, t.Any], streams: Collection[str]) -> None:
    """Check what the schema of the settings cannot say.

    Args:
        settings: Complete.
        streams: Names of the streams that can have another endpoint.

    Raises:
        SettingsError: They cannot work.
    """
    try:
        if start := settings.get("start_date"):
            datetime.fromisoformat(start)
    except ValueError as error:
        msg = "Setting start_date is not a date: give it as 2026-01-01T00:00:00Z."
        raise SettingsError(msg) from error
    if unknown := sorted(set(settings["endpoints"]) - set(streams)):
        msg = f"Setting endpoints names {', '.join(unknown)}: the streams are {', '.join(streams)}."
        raise SettingsError(msg)
    if any(settings["event_codes"]) and not event_codes(settings):
        msg = "Setting event_codes names no event: give codes, or leave it out."
        raise SettingsError(msg)


def event_codes(settings: Mapping[str, t.Any]) -> list[str]:
    """The events to read, each once."""
    # Meltano hands a,b from a variable on as one code.
    codes = ",".join(settings["event_codes"]).split(",")
    return list(dict.fromkeys(filter(None, map(str.strip, codes))))


def reads_inbox_only(settings: Mapping[str, t.Any]) -> bool:
    """Whether there is an inbox, and nothing that says how to connect to RainFocus."""
    return bool(settings.get("inbox_url")) and not any(map(settings.get, CONNECTION))
