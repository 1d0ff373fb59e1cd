"""The tap's own settings, beside those of the connection."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from rainfocus_client.connection import api_url
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

_OF_PAGING = frozenset({"from", "size", "sectionId"})

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
    "catalogue_profile_id": {
        "type": ["string", "null"],
        "title": "Catalogue profile",
        "description": (
            "The rfApiProfileId of an event's public catalogue: it is read then, without "
            "credentials and org_id."
        ),
    },
    "catalogue_widget_id": {
        "type": ["string", "null"],
        "title": "Catalogue widget",
        "description": "The rfWidgetId of the public catalogue; some need none.",
    },
    "catalogue_search": {
        "type": "object",
        "default": {},
        "additionalProperties": {
            "type": ["string", "number", "array"],
            "items": {"type": "string"},
        },
        "title": "Catalogue search",
        "description": (
            "Further form fields of the search in the public catalogue, as its page sends them, "
            "such as browserTimezone, catalogDisplay, tab.day or search.track."
        ),
    },
    "catalogue_path": {
        "type": "string",
        "minLength": 1,
        "default": "search",
        "title": "Catalogue path",
        "description": (
            "The call that the page of the public catalogue makes for sessions, behind /api: "
            "search, or sessions."
        ),
    },
    "catalogue_floor": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "default": 0.9,
        "title": "Catalogue floor",
        "description": (
            "A run fails that gets less than this share of what the public catalogue announces, "
            "or of what the last run had: sessions vanish and come back."
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
    catalogue_profile_id: str | None = None
    catalogue_widget_id: str | None = None
    catalogue_search: Mapping[str, str | float | Sequence[str]]
    catalogue_path: str
    catalogue_floor: float
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
        connection = (self.org_id, self.api_url, *self._credentials)
        return not self.reads_catalogue and (any(connection) or not self.inbox_url)

    @property
    def reads_catalogue(self) -> bool:
        """Whether polled streams come from a public catalogue."""
        return bool(self.catalogue_profile_id or self.catalogue_widget_id or self.catalogue_search)

    @property
    def _credentials(self) -> tuple[str | None, ...]:
        return (self.client_id, self.client_secret, self.api_profile)

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
        self._check_catalogue()

    def _check_catalogue(self) -> None:
        if not self.reads_catalogue:
            return
        if any(self._credentials):
            msg = (
                "Two kinds of credentials are set: keep either catalogue_profile_id, for the "
                "public catalogue, or those of an API profile."
            )
            raise SettingsError(msg, Trouble.NO_CREDENTIALS)
        if not self.catalogue_profile_id:
            msg = "Setting catalogue_profile_id is missing: without it no catalogue is read."
            raise SettingsError(msg, Trouble.NO_CREDENTIALS)
        for name in ("catalogue_profile_id", "catalogue_widget_id"):
            value = getattr(self, name) or ""
            if " " in value or not (value.isascii() and value.isprintable()):
                msg = f"Setting {name} holds a character no id has: was it copied whole?"
                raise SettingsError(msg, Trouble.NO_CREDENTIALS)
        if taken := _OF_PAGING & {*self.catalogue_search}:
            msg = (
                f"Setting catalogue_search names {', '.join(sorted(taken))}: leave that to the "
                "tap, which reads page after page."
            )
            raise SettingsError(msg, Trouble.SETTING)
        api_url(self)
