"""The tap's own settings, beside those of the connection."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from rainfocus_client.errors import SettingsError
from rainfocus_client.settings.declarations import ConnectionSettings
from typing_extensions import override

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


class Endpoint(t.TypedDict, total=False):
    """Another call for a stream, and the key of its records."""

    path: str
    records_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TapSettings(ConnectionSettings):
    """The settings as attributes, once they are complete; see their descriptions above."""

    event_codes: Sequence[str]
    start_date: str | None = None
    page_size: int
    endpoints: Mapping[str, Endpoint]
    custom_attributes: Sequence[str]
    inbox_url: str | None = field(default=None, repr=False)
    flattening_enabled: bool = False

    @property
    def events(self) -> list[str]:
        """The events to read, each once."""
        # Meltano hands a,b from a variable on as one code.
        codes = ",".join(self.event_codes).split(",")
        return list(dict.fromkeys(filter(None, map(str.strip, codes))))

    @property
    @override
    def connects(self) -> bool:
        connection = (
            self.org_id,
            self.api_url,
            self.client_id,
            self.client_secret,
            self.api_profile,
        )
        return any(connection) or not self.inbox_url

    @override
    def check(self) -> None:
        try:
            if self.start_date:
                datetime.fromisoformat(self.start_date)
        except ValueError as error:
            msg = "Setting start_date is not a date: give it as 2026-01-01T00:00:00Z."
            raise SettingsError(msg) from error
        if any(self.event_codes) and not self.events:
            msg = "Setting event_codes names no event: give codes, or leave it out."
            raise SettingsError(msg)
