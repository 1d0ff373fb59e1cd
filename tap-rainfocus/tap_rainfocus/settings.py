"""The tap's own settings, beside those of the connection."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from rainfocus_client.errors import SettingsError
from rainfocus_client.settings.declarations import ConnectionSettings
from rainfocus_client.troubles import Trouble
from typing_extensions import override

from tap_rainfocus.schema.session_times import DATE_ORDERS
from tap_rainfocus.schema.speakers import SpeakerView
from tap_rainfocus.schema.xdm import EXPERIENCE, SPEAKER

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rainfocus_client.settings.declarations import JSONSchema

_SWITCH = {"type": "boolean", "default": False}
_NAMES = {"type": "array", "items": {"type": "string"}}

SETTINGS: dict[str, JSONSchema] = {
    "event_codes": {
        **_NAMES,
        "default": [],
        "title": "Event codes",
        "description": (
            "Events to read; a code may also be several, with commas between. May be empty when "
            "the API profile is bound to one event."
        ),
    },
    "event_names": {
        "type": "object",
        "default": {},
        "additionalProperties": {"type": "string"},
        "title": "Event names",
        "description": (
            "Event code to name: what event.name says where RainFocus does not say it itself."
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
    "lookback": {
        "type": "integer",
        "minimum": 0,
        "default": 0,
        "title": "Lookback",
        "description": (
            "Seconds before its bookmark that an incremental stream asks for again, for changes "
            "that RainFocus shows late. Never before start_date."
        ),
    },
    "page_size": {
        "type": "integer",
        "minimum": 1,
        "default": 1000,
        "title": "Page size",
        "description": "Records a page of a search call. RainFocus' own maximum is not public.",
    },
    "concurrency": {
        "type": "integer",
        "minimum": 1,
        "maximum": 16,
        "default": 4,
        "title": "Concurrency",
        "description": (
            "Events of one stream that are read at a time; of streams that come in one piece (in "
            "full), two at most. Fewer while RainFocus is busy."
        ),
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
        "description": "Codes of custom attributes that become fields of their own.",
    },
    "speaker_attributes": {
        **_SWITCH,
        "title": "Speaker attributes",
        "description": (
            "Whether the custom attributes of speakers come out, in sessions and speakers. They "
            "may hold private answers from their registration."
        ),
    },
    "unpublished_sessions": {
        **_SWITCH,
        "title": "Unpublished sessions",
        "description": (
            "Whether a speaker's sessions include those that are not published. The stream "
            "sessions always does."
        ),
    },
    "date_order": {
        "type": "string",
        "enum": [*DATE_ORDERS],
        "title": "Date order",
        "description": (
            "How the site writes dates such as 03/08/2026: dmy or mdy. Not set: a date is read "
            "only where it has one reading."
        ),
    },
    "activate_version": {
        **_SWITCH,
        "title": "Activate version",
        "description": (
            "Whether streams that are read in full end with ACTIVATE_VERSION, so that loaders "
            "drop what is gone from RainFocus; their tables then hold the events of event_codes."
        ),
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
    lookback: int
    page_size: int
    concurrency: int
    endpoints: Mapping[str, Endpoint]
    event_names: Mapping[str, str]
    custom_attributes: Sequence[str]
    speaker_attributes: bool
    unpublished_sessions: bool
    activate_version: bool
    date_order: str | None = None
    inbox_url: str | None = field(default=None, repr=False)
    flattening_enabled: bool = False
    flattening_max_depth: int | None = None

    @property
    def events(self) -> list[str]:
        """The events to read, each once."""
        # Meltano hands a,b from a variable on as one code.
        codes = ",".join(self.event_codes).split(",")
        return list(dict.fromkeys(filter(None, map(str.strip, codes))))

    @property
    def speaker_view(self) -> SpeakerView:
        """What is shown of speakers."""
        return SpeakerView(self.speaker_attributes, self.unpublished_sessions)

    def check_attributes(self) -> None:
        """Check that every custom attribute can be a column of its own.

        Raises:
            SettingsError: Two names differ in case alone: most databases take them for one.
        """
        taken = {
            field.name.casefold(): f"the field {group.name}.{field.name}"
            for group in (*EXPERIENCE, SPEAKER)
            for field in group.fields
            if group.has_attributes
        }
        names = {field.name for group in (*EXPERIENCE, SPEAKER) for field in group.fields}
        for code in dict.fromkeys(self.custom_attributes):
            if not code.strip():
                msg = "Setting custom_attributes names a blank: give codes, or leave it out."
                raise SettingsError(msg, Trouble.SETTING)
            if code in names:
                taken.setdefault(code.casefold(), code)
                continue
            if other := taken.get(code.casefold()):
                msg = (
                    f"Setting custom_attributes names {code}, which differs from {other} in case "
                    "alone: most loaders take them for one column. Leave it out."
                )
                raise SettingsError(msg, Trouble.SETTING)
            taken[code.casefold()] = code

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
            raise SettingsError(msg, Trouble.SETTING) from error
        if self.flattening_enabled and self.flattening_max_depth is None:
            msg = "Setting flattening_max_depth is missing: give 1 for a column per field."
            raise SettingsError(msg, Trouble.SETTING)
        if any(self.event_codes) and not self.events:
            msg = "Setting event_codes names no event: give codes, or leave it out."
            raise SettingsError(msg, Trouble.SETTING)
