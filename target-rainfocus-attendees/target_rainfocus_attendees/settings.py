"""The target's own settings, beside those of the connection."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from rainfocus_client.errors import SettingsError
from rainfocus_client.settings.declarations import ConnectionSettings
from rainfocus_client.troubles import Trouble
from typing_extensions import override

from target_rainfocus_attendees.files import check_distinct, check_writable
from target_rainfocus_attendees.guards import MostRejects
from target_rainfocus_attendees.mapping.columns import (
    EMAIL,
    HASHED_EMAIL,
    IDENTITIES,
    SYNONYMS,
    identity_field,
    spelling,
)
from target_rainfocus_attendees.mapping.texts import NULL_VALUES

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FIELDS = dict.fromkeys([*SYNONYMS, *map(identity_field, IDENTITIES)])

SETTINGS: dict[str, dict[str, t.Any]] = {
    "event_code": {
        "type": "string",
        "minLength": 1,
        "title": "Event code",
        "description": "Code of the event whose Attendee Store is written to.",
    },
    "mode": {
        "type": "string",
        "enum": ["upsert", "update"],
        "default": "upsert",
        "title": "Mode",
        "description": (
            "upsert creates and updates attendees (attendee/store); update changes only those "
            "there are (attendee/update), and rejects the others."
        ),
    },
    "identity": {
        "type": "string",
        "enum": list(IDENTITIES),
        "default": "email",
        "title": "Identity",
        "description": (
            "What is sent to say who somebody is: the e-mail address, in its place its SHA-256, "
            "or one of RainFocus' ids for an attendee, beside which an address is a field like "
            "any other; they need streams. How RainFocus takes the hash, and whether it knows "
            "people by the ids, is not public; these go with mode update."
        ),
    },
    "field_map": {
        "type": ["object", "null"],
        "properties": {field: {"type": ["string", "null"], "minLength": 1} for field in _FIELDS},
        "additionalProperties": False,
        "title": "Field map",
        "description": (
            "Attendee Store field to dotted path of its column. Fields not named are found by "
            "name; null leaves one out."
        ),
    },
    "extra_fields": {
        "type": ["object", "null"],
        "additionalProperties": {"type": "string", "minLength": 1},
        "title": "Extra fields",
        "description": (
            "Other field, such as a custom attribute's code, to dotted path of its column. In a "
            "list of custom attributes a step is an attribute's code: attendee.attributes.diet."
        ),
    },
    "mapping": {
        "type": "string",
        "enum": ["auto", "explicit"],
        "default": "auto",
        "title": "Mapping",
        "description": (
            "auto finds the fields that field_map does not name by the names of their columns; "
            "explicit sends only what field_map and extra_fields name, the identity too."
        ),
    },
    "validation": {
        "type": "string",
        "enum": ["lenient", "strict"],
        "default": "lenient",
        "title": "Validation",
        "description": (
            "What an optional value that cannot be used does: lenient leaves it out, with a "
            "counted warning; strict makes its record invalid."
        ),
    },
    "consent_field": {
        "type": ["string", "null"],
        "minLength": 1,
        "title": "Consent field",
        "description": "Dotted path of a column that says whether somebody may be sent.",
    },
    "consent_values": {
        "type": "array",
        "items": {"type": ["string", "boolean", "number"], "minLength": 1},
        "minItems": 1,
        "default": ["yes", "true", "1"],
        "title": "Consent values",
        "description": "Values of consent_field that mean yes, whatever their case.",
    },
    "null_values": {
        "type": "array",
        "items": {"type": "string"},
        "default": list(NULL_VALUES),
        "title": "Null values",
        "description": "Words for nothing, as they are written: such a value is left out.",
    },
    "concurrency": {
        "type": "integer",
        "minimum": 1,
        "maximum": 256,
        "default": 8,
        "title": "Concurrency",
        "description": "How many profiles are sent at the same time.",
    },
    "batch_size_rows": {
        "type": "integer",
        "minimum": 1,
        "default": 500,
        "title": "Batch size",
        "description": "After how many records the newest safe state is written.",
    },
    "streams": {
        "type": ["array", "null"],
        "items": {"type": "string", "minLength": 1},
        "title": "Streams",
        "description": "Streams to load. Not set: every stream that has the field of identity.",
    },
    "unmapped_streams": {
        "type": "string",
        "enum": ["auto", "skip", "fail"],
        "default": "auto",
        "title": "Unmapped streams",
        "description": (
            "What a stream without the field of identity gets: auto skips it with a warning, and "
            "fails where nothing could be loaded; skip; or fail."
        ),
    },
    "store": {
        "type": ["object", "null"],
        "properties": {
            "path": {"type": "string", "pattern": r"^/?[\w.-]+(/[\w.-]+)*(\?[^\s#]+)?$"},
            "event_in": {"type": "string", "enum": ["query", "body", "header", "none"]},
            "event_parameter": {"type": "string", "minLength": 1},
            "wrapper": {"type": "string", "minLength": 1},
            "names": {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}},
            "codes": {
                "type": "object",
                "additionalProperties": {
                    "type": "string",
                    "enum": ["stored", "rejected", "retry", "stop"],
                },
            },
        },
        "additionalProperties": False,
        "title": "Store call",
        "description": (
            "How profiles are written, where your RainFocus differs from what is assumed: path "
            "(with version), event_in (query, body, header, none), event_parameter, wrapper (key "
            "around the profile), names (field to its name on the wire), codes (responseCode, or "
            "HTTP and a status, to stored, rejected, retry or stop)."
        ),
    },
    "rejects_path": {
        "type": ["string", "null"],
        "title": "Rejects",
        "description": (
            "File that invalid and rejected records are added to, as Singer lines that --input "
            "replays. It holds personal data. Not set: the state stays before the first of them."
        ),
    },
    "max_rejects": {
        "type": ["string", "integer", "null"],
        "title": "Most rejects",
        "description": (
            "The run stops when more records than this are invalid or rejected: a number, or a "
            "share of those that are not filtered, such as 5%, which counts from 100 of them on."
        ),
    },
    "min_records": {
        "type": ["integer", "null"],
        "minimum": 1,
        "title": "Fewest records",
        "description": (
            "The run fails, and writes no state, when fewer records of streams that are loaded "
            "come in. Not set: an empty input is a good one."
        ),
    },
    "limit": {
        "type": ["integer", "null"],
        "minimum": 1,
        "title": "Limit",
        "description": (
            "For a pilot: only the first so many records that can be sent are sent, and the state "
            "stays before the next one."
        ),
    },
    "replay_elsewhere": {
        "type": "boolean",
        "default": False,
        "title": "Replay elsewhere",
        "description": "Take rejects that another event or organisation has rejected.",
    },
    "dry_run": {
        "type": "boolean",
        "default": False,
        "title": "Dry run",
        "description": "Do everything but send, and write no state.",
    },
    "dry_run_path": {
        "type": ["string", "null"],
        "title": "Dry run bodies",
        "description": (
            "File that a dry run writes the request bodies to, one a line; what it held is gone. "
            "It holds personal data."
        ),
    },
    "ledger_url": {
        "type": ["string", "null"],
        "secret": True,
        "writeOnly": True,
        "title": "Ledger",
        "description": (
            "SQLAlchemy URL of a database that remembers, in hashes, what was stored for whom. "
            "Profiles that have not changed since are not sent again."
        ),
    },
    "ledger_mode": {
        "type": "string",
        "enum": ["use", "refresh"],
        "default": "use",
        "title": "Ledger mode",
        "description": (
            "use: who has not changed is not sent. refresh: everybody is sent, and the ledger is "
            "kept up; for once, when RainFocus may have lost what the ledger says."
        ),
    },
    "activation_log_path": {
        "type": ["string", "null"],
        "title": "Activation log",
        "description": (
            "File that gets what became of each record, as a Singer stream without personal data: "
            "hash of the identity, outcome, reason, HTTP status, responseCode, attempts."
        ),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings(ConnectionSettings):
    """The settings as attributes, once they are complete; see their descriptions above."""

    file_settings = (
        *ConnectionSettings.file_settings,
        "rejects_path",
        "dry_run_path",
        "activation_log_path",
    )

    event_code: str = ""
    mode: str
    identity: str
    field_map: Mapping[str, str | None] = field(default_factory=dict)
    extra_fields: Mapping[str, str] = field(default_factory=dict)
    mapping: str
    validation: str
    consent_field: str | None = None
    consent_values: Sequence[str | bool | float]
    null_values: Sequence[str]
    concurrency: int
    batch_size_rows: int
    streams: Sequence[str] = ()
    unmapped_streams: str
    store: Mapping[str, t.Any] = field(default_factory=dict)
    rejects_path: str | None = None
    max_rejects: str | int | None = None
    min_records: int | None = None
    limit: int | None = None
    replay_elsewhere: bool
    dry_run: bool
    dry_run_path: str | None = None
    ledger_url: str | None = field(default=None, repr=False)
    ledger_mode: str
    activation_log_path: str | None = None

    @override
    def check(self) -> None:
        self._check_mapping()
        self._check_run()
        ledger = None
        if self.ledger_url:
            # SQLAlchemy takes longer to import than the rest of the target.
            from rainfocus_client.storage.database import sqlite_file  # noqa: PLC0415

            ledger = sqlite_file(self.ledger_url)
        check_writable(self.files)
        check_distinct(self.files | ({"ledger_url": ledger} if ledger else {}))

    def _check_mapping(self) -> None:
        """Check what is sent, and of which streams."""
        sent = {*SYNONYMS, self.identity}
        for name in self.field_map:
            if name not in sent:
                msg = (
                    f"Setting field_map names {name}, which is not the identity: "
                    f"set identity {name}, or use extra_fields."
                )
                raise SettingsError(msg, Trouble.CONFLICT)
        known = {spelling(name): name for name in (*sent, HASHED_EMAIL)}
        for name in self.extra_fields:
            if field := known.get(spelling(name)):
                msg = (
                    f"Setting extra_fields names {name}, which is the field {field}: use field_map."
                )
                raise SettingsError(msg, Trouble.CONFLICT)
        if self.identity not in {EMAIL, HASHED_EMAIL} and not self.streams:
            msg = (
                f"Setting identity is {self.identity} and streams is not set: name the streams "
                "of people, for other streams may have such a column, too."
            )
            raise SettingsError(msg, Trouble.CONFLICT)
        key = identity_field(self.identity)
        if self.mapping == "explicit" and not self.field_map.get(key):
            msg = (
                f"Setting mapping is explicit and field_map names no column for {key}, which says "
                f'who somebody is: add {{"{key}": "column"}} to field_map.'
            )
            raise SettingsError(msg, Trouble.CONFLICT)

    def _check_run(self) -> None:
        """Check what a run is to do."""
        if self.max_rejects is not None:
            MostRejects.from_setting(self.max_rejects)
        if self.limit and self.min_records and self.limit < self.min_records:
            msg = "Setting limit is less than min_records: no run could end well."
            raise SettingsError(msg, Trouble.CONFLICT)
        if self.ledger_mode == "refresh" and not self.ledger_url:
            msg = "Setting ledger_mode is refresh and ledger_url is not set: set it, or neither."
            raise SettingsError(msg, Trouble.CONFLICT)
        if self.dry_run_path and not self.dry_run:
            msg = "Setting dry_run_path is set and dry_run is not: set both, or neither."
            raise SettingsError(msg, Trouble.CONFLICT)
