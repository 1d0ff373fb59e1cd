"""The XDM shape: which fields RainFocus' records have, in which group, of which type.

Names, nesting and types of the fields marked AEP are the field table of Adobe's RainFocus source
(AEP source page, English version); `sessiontime.sessiontimeId` really is lower case. All other
fields are what public client code and captured payloads show; a profile's field mapping may give
more, so that every group is open.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from tap_rainfocus.schema import unread, values

if t.TYPE_CHECKING:
    from collections.abc import Callable

JSONSchema: t.TypeAlias = dict[str, t.Any]

AEP = "AEP source page"
V3 = "v3 client code"
DUMP = "v3 dump, working client"
PAGE = "captured web catalogue"
GUESS = "assumed"
RECEIVER = "the receiver's inbox"


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of value: its JSON schema and how it is read."""

    schema: JSONSchema
    read: Callable[[object], t.Any]


TEXT = Kind({"type": ["string", "null"]}, values.read_text)
YES_NO = Kind({"type": ["string", "null"]}, values.read_yes_no)
BOOLEAN = Kind({"type": ["boolean", "null"]}, values.read_boolean)
INTEGER = Kind({"type": ["integer", "null"]}, values.read_integer)
PUSHED = Kind({"type": ["string", "null"], "format": "date-time"}, values.read_push_time)
MOMENT = Kind({"type": ["string", "null"], "format": "date-time"}, values.read_moment)
LOCAL_TIME = Kind({"type": ["string", "null"]}, values.read_local_time)
CHOICES = Kind({"type": ["string", "null"]}, values.read_choices)
SEATS = Kind({"type": ["integer", "null"]}, values.read_seats)
TEXTS = Kind({"type": ["array", "null"], "items": {"type": ["string"]}}, values.read_texts)
_OBJECTS = {
    "type": ["array", "null"],
    "items": {"type": ["object"], "properties": {}, "additionalProperties": True},
}
OBJECTS = Kind(_OBJECTS, values.read_objects)
ATTRIBUTES = Kind(
    {
        "type": ["array", "null"],
        "items": {
            "type": "object",
            "properties": {
                "code": {"type": ["string", "null"], "description": "Stable code."},
                "name": {"type": ["string", "null"], "description": "Label."},
                "value": {"type": ["string", "null"], "description": "One value."},
            },
        },
    },
    values.read_attributes,
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a group.

    `aliases` are other names under which RainFocus sends it, beyond those that differ only in
    case, spaces and underscores, or by the group's name in front. One that is hidden is known,
    and does not come out.
    """

    name: str
    kind: Kind
    description: str
    source: str
    aliases: tuple[str, ...] = ()
    is_hidden: bool = False

    @property
    def schema(self) -> JSONSchema:
        """The field's JSON schema."""
        return {**self.kind.schema, "description": f"{self.description} Source: {self.source}."}


@dataclass(frozen=True, slots=True)
class Group:
    """A group of fields, an object in the record.

    One that is open has room for what else a profile maps; `read_unknown` is how that is read,
    where it is not passed through.
    """

    name: str
    description: str
    fields: tuple[Field, ...]
    is_open: bool = True
    read_unknown: Callable[[object], t.Any] | None = None

    @property
    def id_field(self) -> str:
        """The name of the field that identifies the entity."""
        return f"{self.name}Id"

    @property
    def has_attributes(self) -> bool:
        """Whether custom attributes of the group come out."""
        return any(field.name == "attributes" and not field.is_hidden for field in self.fields)

    @property
    def schema(self) -> JSONSchema:
        """The group's JSON schema, without hidden fields."""
        shown = (field for field in self.fields if not field.is_hidden)
        return {
            "type": ["object", "null"],
            "description": self.description,
            "properties": {field.name: field.schema for field in shown},
            "additionalProperties": True,
        }

    def only(self, *names: str) -> Group:
        """The group with just these fields."""
        return replace(self, fields=tuple(field for field in self.fields if field.name in names))

    def hiding(self, names: t.Collection[str]) -> Group:
        """The group with these fields hidden."""
        hidden = (
            replace(field, is_hidden=True) if field.name in names else field
            for field in self.fields
        )
        return replace(self, fields=tuple(hidden))

    def reading(self, name: str, read: Callable[[object], t.Any]) -> Group:
        """The group with a field, if it has it, that is read in another way."""
        fields = (
            replace(field, kind=replace(field.kind, read=read)) if field.name == name else field
            for field in self.fields
        )
        return replace(self, fields=tuple(fields))

    def with_attributes(self, codes: t.Iterable[str]) -> Group:
        """The group with these custom attributes, if it has any, as fields of their own.

        They are hidden where the attributes are.
        """
        known = {field.name: field for field in self.fields}
        if "attributes" not in known:
            return self
        promoted = tuple(
            Field(
                code,
                CHOICES,
                f'Custom attribute "{code}"; several values are joined by "; ".',
                "setting custom_attributes",
                is_hidden=known["attributes"].is_hidden,
            )
            for code in codes
            if code not in known
        )
        return replace(self, fields=self.fields + promoted)


# fmt: off
EVENT = Group(
    "event",
    "The RainFocus event the record belongs to.",
    (
        Field("code", TEXT, "Event code, as in the setting event_codes.", V3),
        Field("name", TEXT, "Event name.", AEP),
    ),
)

ATTENDEE = Group(
    "attendee",
    "Somebody registered, or known, in the event.",
    (
        Field("registered", YES_NO, "Whether the attendee is registered: Yes or No.", AEP, ("isRegistered",)),
        Field("attendeeId", TEXT, "RainFocus id of the attendee.", AEP, ("id",)),
        Field("externalId", TEXT, "Id of the attendee in another system.", AEP),
        Field("clientId", TEXT, "Single sign-on id; not the OAuth client ID.", AEP),
        Field("email", TEXT, "E-mail address.", AEP),
        Field("firstname", TEXT, "First name.", V3),
        Field("lastname", TEXT, "Last name.", V3),
        Field("companyname", TEXT, "Company.", V3),
        Field("jobtitle", TEXT, "Job title.", V3),
        Field("phone", TEXT, "Phone number as entered.", V3),
        Field("address1", TEXT, "Address, first line.", V3),
        Field("address2", TEXT, "Address, second line.", V3),
        Field("city", TEXT, "City.", V3),
        Field("state", TEXT, "State or province.", V3),
        Field("zip", TEXT, "Postal code.", V3),
        Field("country", TEXT, "Country as RainFocus has it: code or name.", V3),
        Field("regcode", TEXT, "Badge or QR code.", V3),
        Field("registeredDate", TEXT, "Date of registration, as given; its format is not public.", V3, ("registrationDate",)),
        Field("registeredTime", TEXT, "Time of registration, as given; its format is not public.", V3),
        Field("checkedin", YES_NO, "Whether the attendee has checked in: Yes or No.", V3),
        Field("checkinDate", TEXT, "Date of check-in, YYYY-MM-DD.", V3),
        Field("checkinTime", TEXT, "Time of check-in, HH:MM:SS.", V3),
        Field("language", TEXT, "Language.", V3),
        Field("createDate", MOMENT, "When the record was made; UTC is assumed.", V3),
        Field("modifiedDate", MOMENT, "When the record last changed; UTC is assumed.", V3),
        Field("attributes", ATTRIBUTES, "Custom attributes, one entry per value.", DUMP, ("attributeValues", "customAttributes")),
    ),
)

EXHIBITOR = Group(
    "exhibitor",
    "A company that exhibits.",
    (
        Field("exhibitorId", TEXT, "RainFocus id of the exhibitor.", AEP, ("id",)),
        Field("externalId", TEXT, "Id of the exhibitor in another system.", AEP),
        Field("name", TEXT, "Name.", AEP),
        Field("code", TEXT, "Code.", DUMP),
        Field("description", TEXT, "Description, an HTML fragment.", DUMP),
        Field("published", BOOLEAN, "Whether the exhibitor is shown in the catalogue.", DUMP),
        Field("status", TEXT, "Status, such as Approved.", PAGE),
        Field("url", TEXT, "Web address.", DUMP),
        Field("booth", OBJECTS, "Booths, with name and boothLocation.", DUMP, ("booths",)),
        Field("attributes", ATTRIBUTES, "Custom attributes, one entry per value.", DUMP, ("attributeValues", "customAttributes")),
    ),
)

LEAD = Group(
    "lead",
    "A contact that an exhibitor made with an attendee.",
    (
        Field("leadId", TEXT, "RainFocus id of the lead.", AEP, ("id",)),
        Field("note", TEXT, "Note of the exhibitor.", AEP, ("notes",)),
        Field("source", TEXT, "Where the lead was taken.", GUESS),
        Field("hotLead", BOOLEAN, "Whether the exhibitor marked the lead as hot.", GUESS),
        Field("createDate", MOMENT, "When the lead was made; UTC is assumed.", GUESS),
        Field("modifiedDate", MOMENT, "When the lead last changed; UTC is assumed.", GUESS),
    ),
)

SESSION = Group(
    "session",
    "An item of the agenda.",
    (
        Field("sessionId", TEXT, "RainFocus id of the session.", AEP, ("id",)),
        Field("externalId", TEXT, "Id of the session in another system.", AEP),
        Field("code", TEXT, "Session code, such as GS3.", AEP),
        Field("title", TEXT, "Title.", AEP, ("name",)),
        Field("length", INTEGER, "Length in minutes (the unit is inferred).", AEP),
        Field("abstract", TEXT, "Abstract, an HTML fragment.", DUMP),
        Field("status", TEXT, "Status, such as Accepted; a dump holds every status.", DUMP),
        Field("published", BOOLEAN, "Whether the session is shown in the catalogue.", DUMP),
        Field("type", TEXT, "Type, such as Keynote.", PAGE),
        Field("modified", MOMENT, "When the session last changed; UTC is assumed.", PAGE, ("modifiedDate",)),
        Field("attendAccess", TEXTS, "Ids of the attendee types that may attend.", DUMP),
        Field("participants", OBJECTS, "Speakers and their roles; their custom attributes, and sessions that are not published, by setting only.", DUMP),
        Field("times", OBJECTS, "Scheduled times as they came; the stream session_times makes them regular.", DUMP),
        Field("attributes", ATTRIBUTES, "Custom attributes, one entry per value.", DUMP, ("attributeValues", "customAttributes")),
    ),
)

SESSIONTIME = Group(
    "sessiontime",
    "One scheduled time of a session.",
    (
        Field("sessiontimeId", TEXT, "RainFocus id of the session time.", AEP, ("id",)),
        Field("startTime", LOCAL_TIME, "Start, YYYY-MM-DD HH:MM:SS in the event's local time.", AEP),
        Field("endTime", LOCAL_TIME, "End, YYYY-MM-DD HH:MM:SS in the event's local time.", AEP),
        Field("room", TEXT, "Room.", AEP),
        Field("utcStartTime", MOMENT, "Start in UTC.", PAGE),
        Field("utcEndTime", MOMENT, "End in UTC.", PAGE),
        Field("date", TEXT, "Local date.", PAGE),
        Field("dayDisplayName", TEXT, "Name of the day.", DUMP, ("dayName",)),
        Field("length", INTEGER, "Length in minutes.", PAGE),
        Field("roomId", TEXT, "RainFocus id of the room.", PAGE),
        Field("capacity", SEATS, "Seats; 0 and 50000 stand for no number.", DUMP),
        Field("registered", INTEGER, "Seats taken.", DUMP),
        Field("seatsRemaining", INTEGER, "Seats left.", DUMP),
    ),
)

SPEAKER = Group(
    "speaker",
    "Somebody who speaks in a session. This group is ours; XDM has none.",
    (
        Field("speakerId", TEXT, "RainFocus id of the speaker: a person's, with the event's behind it in catalogues.", DUMP, ("id",)),
        Field("attendeeId", TEXT, "RainFocus id of the person.", PAGE, ("userRef",)),
        Field("email", TEXT, "E-mail address.", GUESS),
        Field("firstName", TEXT, "First name.", DUMP),
        Field("lastName", TEXT, "Last name.", DUMP),
        Field("fullName", TEXT, "Full name.", DUMP),
        Field("companyName", TEXT, "Company.", DUMP, ("company",)),
        Field("jobTitle", TEXT, "Job title.", DUMP),
        Field("bio", TEXT, "Biography, an HTML fragment.", DUMP),
        Field("preferredFirstname", TEXT, "First name that they go by.", PAGE),
        Field("preferredFullName", TEXT, "Full name that they go by.", PAGE),
        Field("photoURL", TEXT, "Address of a photo.", PAGE),
        Field("linkedIn", TEXT, "Address of a profile.", PAGE),
        Field("published", BOOLEAN, "Whether the speaker is shown in the catalogue.", PAGE),
        Field("sessions", OBJECTS, "Sessions of the speaker; those that are not published by setting only.", DUMP, ("session",)),
        Field("attributes", ATTRIBUTES, "Custom attributes, one entry per value.", DUMP, ("attributeValues", "customAttributes")),
    ),
)

ROOT = Group(
    "",
    "The fields of a push that stand in no group.",
    (
        Field("timestamp", PUSHED, "When RainFocus pushed the event, in UTC; where it does not say, when it was received.", AEP),
        Field("eventType", TEXT, "Push type, such as SessionScheduled; any text.", AEP),
        Field("transmissionId", TEXT, "Id of the push.", AEP),
    ),
)
# fmt: on

EXPERIENCE: tuple[Group, ...] = (EVENT, ATTENDEE, EXHIBITOR, LEAD, SESSION, SESSIONTIME)
"""The groups of an experience event."""

EXPERIENCE_NAMES = frozenset(group.name for group in EXPERIENCE)
"""Their names."""


_UNREAD = {
    "type": ["string", "null"],
    "description": (
        "What could not be read, as it came: JSON of dotted field and value; null where all was "
        "read."
    ),
}


def record_schema(groups: t.Iterable[Group]) -> JSONSchema:
    """The JSON schema of records made of these groups."""
    return {
        "type": "object",
        "properties": {
            "event_code": {
                "type": "string",
                "description": (
                    "The event of the record; empty where the profile is bound to one event and "
                    "the reply does not say which."
                ),
            },
            "_id": {
                "type": "string",
                "description": "Id of the record: the RainFocus id of its entity.",
            },
            "timestamp": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": (
                    "RainFocus' clock, in UTC, when the first page of the download was made. "
                    f"Source: {V3}."
                ),
            },
            **{group.name: group.schema for group in (EVENT, *groups)},
            unread.FIELD: _UNREAD,
        },
        "required": ["event_code", "_id"],
    }


def experience_schema(groups: t.Iterable[Group]) -> JSONSchema:
    """The JSON schema of experience events made of these groups."""
    return {
        "type": "object",
        "properties": {
            "_id": {
                "type": "string",
                "description": (
                    "Id of the push and, behind a dash, a short hash of the 23 fields; without an "
                    "id, a hash of the 23 fields and the time."
                ),
            },
            **{field.name: field.schema for field in ROOT.fields},
            **{group.name: group.schema for group in groups},
            "inboxSequence": {
                "type": "integer",
                "description": f"Place of the event in the inbox. Source: {RECEIVER}.",
            },
            unread.FIELD: _UNREAD,
        },
        "required": ["_id", "inboxSequence"],
    }
