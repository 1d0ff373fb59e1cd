"""What Adobe Experience Platform needs to take experience events.

Forms: docs/rainfocus-api.md §8.2. Made from the same declarations as the Singer schemas.
"""

from __future__ import annotations

import re
import typing as t

from tap_rainfocus.schema import xdm

JSONSchema: t.TypeAlias = dict[str, t.Any]

EXPERIENCE_EVENT = "https://ns.adobe.com/xdm/context/experienceevent"
TENANT_ID = "{TENANT_ID}"
MAX_XDM_INTEGER = 2**31 - 1

EMAIL = "attendee.email"
HASHED_EMAIL = "attendee.emailLcSha256"
NAMESPACES = {"email": ("Email", EMAIL), "email_lc_sha256": ("Email_LC_SHA256", HASHED_EMAIL)}
"""The identities, each with its namespace in AEP and the field that holds it."""

_WORDS = re.compile(r"[A-Z]?[a-z]+")

_ROOT_PATHS = {
    "transmissionId": ("_id", "{tenant}.transmissionId"),
    "eventType": ("eventType",),
    "timestamp": ("timestamp",),
}
"""Where the fields outside the groups go: into those of the class, if it has them."""


def documents(tenant_id: str = TENANT_ID, identity: str = "email") -> dict[str, JSONSchema]:
    """The four documents, each under the name of its file.

    Args:
        tenant_id: Of the organisation in AEP, without the underscore.
        identity: One of `NAMESPACES`.
    """
    tenant = f"_{tenant_id}"
    return {
        "fieldgroup": _field_group(tenant, identity),
        "schema": _schema(tenant_id),
        "descriptor": _descriptor(tenant_id, identity),
        "mapping": _mapping_set(tenant, identity),
    }


def _field_group(tenant: str, identity: str) -> JSONSchema:
    groups = {group.name: _group(group) for group in _groups()}
    if identity != "email":
        groups["attendee"]["properties"]["emailLcSha256"] = {
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "title": "Email, lower case, SHA-256",
        }
    transmission = next(field for field in xdm.ROOT.fields if field.name == "transmissionId")
    properties = {"transmissionId": _field(xdm.ROOT, transmission), **groups}
    return {
        "title": "RainFocus attendee experience",
        "description": (
            "Attendee, exhibitor, lead, session and session-time attributes of a RainFocus push."
        ),
        "type": "object",
        "meta:intendedToExtend": [EXPERIENCE_EVENT],
        "definitions": {
            "rainfocus": {"properties": {tenant: {"type": "object", "properties": properties}}}
        },
        "allOf": [{"$ref": "#/definitions/rainfocus"}],
    }


def _schema(tenant_id: str) -> JSONSchema:
    return {
        "type": "object",
        "title": "RainFocus Time Series",
        "description": "Attendee experience events pushed from RainFocus.",
        "allOf": [
            {"$ref": EXPERIENCE_EVENT},
            {"$ref": f"https://ns.adobe.com/{tenant_id}/mixins/{{FIELD_GROUP_ID}}"},
        ],
        "meta:immutableTags": ["union"],
    }


def _descriptor(tenant_id: str, identity: str) -> JSONSchema:
    namespace, field = NAMESPACES[identity]
    return {
        "@type": "xdm:descriptorIdentity",
        "xdm:sourceSchema": f"https://ns.adobe.com/{tenant_id}/schemas/{{SCHEMA_ID}}",
        "xdm:sourceVersion": 1,
        "xdm:sourceProperty": f"/_{tenant_id}/{field.replace('.', '/')}",
        "xdm:namespace": namespace,
        "xdm:property": "xdm:code",
        "xdm:isPrimary": True,
    }


def _mapping_set(tenant: str, identity: str) -> JSONSchema:
    pairs = [
        (field, path.format(tenant=tenant))
        for field, paths in _ROOT_PATHS.items()
        for path in paths
    ]
    for group in _groups():
        paths = (f"{group.name}.{field.name}" for field in group.fields)
        pairs += [(path, f"{tenant}.{path}") for path in paths]
    mappings = [
        {"sourceAttribute": source, "destinationXdmPath": destination}
        for source, destination in pairs
    ]
    if identity != "email":
        mappings.append(
            {
                "sourceType": "EXPRESSION",
                "source": f"sha256(lower(trim({EMAIL})))",
                "destination": f"{tenant}.{HASHED_EMAIL}",
            }
        )
    return {"version": 0, "mappings": mappings}


_TITLES = {
    "clientId": "SSO client ID",
    "sessiontime": "Session time",
    "sessiontimeId": "Session time ID",
    "startTime": "Start time (event-local, no zone)",
    "endTime": "End time (event-local, no zone)",
}
_GENERIC = frozenset({"externalId", "name", "code", "title", "length"})
"""Names of fields that several groups have."""


def _groups() -> list[xdm.Group]:
    """The groups with the fields of Adobe's table alone."""
    return [
        group.only(*(field.name for field in group.fields if field.source == xdm.AEP))
        for group in xdm.EXPERIENCE
    ]


def _group(group: xdm.Group) -> JSONSchema:
    return {
        "type": "object",
        "title": _title(group.name),
        "properties": {field.name: _field(group, field) for field in group.fields},
    }


def _field(group: xdm.Group, field: xdm.Field) -> JSONSchema:
    kind = next(kind for kind in field.kind.schema["type"] if kind != "null")
    limits = (
        {"minimum": -MAX_XDM_INTEGER - 1, "maximum": MAX_XDM_INTEGER} if kind == "integer" else {}
    )
    return {
        "type": kind,
        "title": _title(field.name, group.name),
        "description": field.description,
        **limits,
    }


def _title(name: str, group: str = "") -> str:
    """A name such as attendeeId in words, with its group's in front where it needs that."""
    if name in _TITLES:
        return _TITLES[name]
    words = " ".join(_WORDS.findall(name)).lower()
    if name in _GENERIC:
        words = f"{_title(group)} {words}".lower()
    return re.sub(r" id$", " ID", words.capitalize())
