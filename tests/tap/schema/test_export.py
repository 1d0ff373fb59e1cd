"""`tap-rainfocus xdm` writes what AEP needs, and the tap's records fit it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import jsonschema
import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    JSON = dict[str, t.Any]
    TapRunner = Callable[..., t.Any]
    InboxFiller = Callable[..., None]

TENANT = "_{TENANT_ID}"
EVENT = json.loads((Path(__file__).parents[1] / "assumed_event.json").read_text())
CLASS = "https://ns.adobe.com/xdm/context/experienceevent"


def words(*names: str) -> dict[str, JSON]:
    return {name: {"type": "string"} for name in names}


def group(fields: dict[str, JSON]) -> JSON:
    return {"type": "object", "properties": fields}


INT32 = {"type": "integer", "minimum": -2147483648, "maximum": 2147483647}
GROUPS: dict[str, dict[str, JSON]] = {
    "event": words("name"),
    "attendee": words("registered", "attendeeId", "externalId", "clientId", "email"),
    "exhibitor": words("exhibitorId", "externalId", "name"),
    "lead": words("leadId", "note"),
    "session": {**words("sessionId", "externalId", "code", "title"), "length": INT32},
    "sessiontime": words("sessiontimeId", "startTime", "endTime", "room"),
}
"""The field group of the reference, without titles and descriptions."""

HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
LEAVES = [(group, name) for group, fields in GROUPS.items() for name in fields]


def xdm(*arguments: str, cwd: Path | None = None) -> t.Any:
    command = [sys.executable, "-m", "tap_rainfocus", "xdm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def plain() -> dict[str, JSON]:
    done = xdm()
    assert done.returncode == 0, done.stderr
    return t.cast("dict[str, JSON]", json.loads(done.stdout))


@pytest.fixture(scope="module")
def hashed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, JSON]:
    """The variant for a hashed identity of a tenant, from its files."""
    folder = tmp_path_factory.mktemp("xdm")
    done = xdm("--tenant-id=acme", "--identity=email_lc_sha256", "--output=made/here", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return {file.stem: json.loads(file.read_text()) for file in (folder / "made/here").iterdir()}


def structure(declared: JSON) -> JSON:
    """A schema without its words."""
    return {
        key: {name: structure(inner) for name, inner in value.items()}
        if key == "properties"
        else value
        for key, value in declared.items()
        if key not in {"title", "description"}
    }


def named(declared: JSON) -> Iterator[str]:
    for inner in declared["properties"].values():
        yield inner["title"]
        if "properties" in inner:
            yield from named(inner)


def tenant_fields(fieldgroup: JSON, tenant: str) -> JSON:
    (definition,) = fieldgroup["definitions"].values()
    assert definition["properties"].keys() == {tenant}
    return t.cast("JSON", definition["properties"][tenant])


def test_the_field_group_has_the_fields_of_the_table(plain: dict[str, JSON]) -> None:
    made = plain["fieldgroup"]
    fields = tenant_fields(made, TENANT)
    expected = {"transmissionId": {"type": "string"}}
    expected |= {name: group(inner) for name, inner in GROUPS.items()}
    assert structure(fields) == group(expected)
    assert all(named(fields))
    assert (made["type"], made["meta:intendedToExtend"]) == ("object", [CLASS])
    assert made["allOf"] == [{"$ref": "#/definitions/rainfocus"}]
    assert made.keys() - {"title", "description"} == {
        *("type", "meta:intendedToExtend", "definitions", "allOf")
    }
    # The other two of the 23 rows, eventType and timestamp, are the class's own.
    assert len(LEAVES) + 1 == 21


def test_the_schema_and_the_descriptor(plain: dict[str, JSON]) -> None:
    assert plain.keys() == {"fieldgroup", "schema", "descriptor", "mapping"}
    assert structure(plain["schema"]) == {
        "type": "object",
        "allOf": [
            {"$ref": CLASS},
            {"$ref": "https://ns.adobe.com/{TENANT_ID}/mixins/{FIELD_GROUP_ID}"},
        ],
        "meta:immutableTags": ["union"],
    }
    assert plain["descriptor"] == {
        "@type": "xdm:descriptorIdentity",
        "xdm:sourceSchema": "https://ns.adobe.com/{TENANT_ID}/schemas/{SCHEMA_ID}",
        "xdm:sourceVersion": 1,
        "xdm:sourceProperty": f"/{TENANT}/attendee/email",
        "xdm:namespace": "Email",
        "xdm:property": "xdm:code",
        "xdm:isPrimary": True,
    }


def mappings(tenant: str) -> list[JSON]:
    """The 23 rows, one of which goes to two places."""
    pairs = [("transmissionId", "_id"), ("transmissionId", f"{tenant}.transmissionId")]
    pairs += [(name, name) for name in ("eventType", "timestamp")]
    pairs += [(f"{group}.{name}", f"{tenant}.{group}.{name}") for group, name in LEAVES]
    return [{"sourceAttribute": a, "destinationXdmPath": b} for a, b in pairs]


def test_the_mapping_set_has_all_23_rows(plain: dict[str, JSON]) -> None:
    assert plain["mapping"] == {"version": 0, "mappings": mappings(TENANT)}
    assert len({entry["sourceAttribute"] for entry in plain["mapping"]["mappings"]}) == 23


def test_the_hashed_variant_of_a_tenant(hashed: dict[str, JSON]) -> None:
    assert hashed.keys() == {"fieldgroup", "schema", "descriptor", "mapping"}
    assert "TENANT_ID" not in json.dumps(hashed)
    attendee = tenant_fields(hashed["fieldgroup"], "_acme")["properties"]["attendee"]
    assert structure(attendee) == group(GROUPS["attendee"] | {"emailLcSha256": HASH})
    assert hashed["schema"]["allOf"][1] == {
        "$ref": "https://ns.adobe.com/acme/mixins/{FIELD_GROUP_ID}"
    }
    descriptor = hashed["descriptor"]
    assert descriptor["xdm:sourceSchema"] == "https://ns.adobe.com/acme/schemas/{SCHEMA_ID}"
    assert descriptor["xdm:sourceProperty"] == "/_acme/attendee/emailLcSha256"
    assert descriptor["xdm:namespace"] == "Email_LC_SHA256"
    *rows, hashing = hashed["mapping"]["mappings"]
    assert rows == mappings("_acme")
    assert hashing == {
        "sourceType": "EXPRESSION",
        "source": "sha256(lower(trim(attendee.email)))",
        "destination": "_acme.attendee.emailLcSha256",
    }


def closed(fields: dict[str, JSON], **more: object) -> JSON:
    properties = {
        name: inner | ({"minLength": 1} if inner == {"type": "string"} else {})
        for name, inner in fields.items()
    }
    return {"type": "object", "additionalProperties": False, "properties": properties, **more}


def resolved(tenant: str, identity: str) -> JSON:
    """What AEP makes of class, field group and descriptor, for it to validate events with."""
    attendee = GROUPS["attendee"] | {"email": {"type": "string", "minLength": 3}}
    if identity == "emailLcSha256":
        attendee |= {identity: HASH}
    fields = {name: closed(inner) for name, inner in GROUPS.items()}
    fields["attendee"] = closed(attendee, required=[identity])
    tenants = closed({**words("transmissionId"), **fields}, required=["attendee"])
    return closed(
        {
            "_id": {"type": "string", "format": "uri-reference", "minLength": 1},
            "timestamp": {"type": "string", "format": "date-time"},
            **words("eventType", "producedBy", "eventMergeId"),
            tenant: tenants,
        },
        required=["_id", "timestamp", tenant],
    )


def mapped(record: JSON, mapping: JSON) -> JSON:
    """A record in XDM form, as Data Prep makes it by a mapping set."""
    event: JSON = {}
    for entry in mapping["mappings"]:
        source = entry.get("sourceAttribute") or entry["source"]
        hashing = entry.get("sourceType") == "EXPRESSION"
        if hashing:
            source = source.removeprefix("sha256(lower(trim(").removesuffix(")))")
        value: t.Any = record
        for name in source.split("."):
            value = (value or {}).get(name)
        if value is None:
            continue  # AEP takes no nulls: Data Prep leaves them out
        if hashing:
            value = hashlib.sha256(value.strip().lower().encode()).hexdigest()
        *path, last = (entry.get("destinationXdmPath") or entry["destination"]).split(".")
        place = event
        for name in path:
            place = place.setdefault(name, {})
        place[last] = value
    return event


def values(content: object) -> Iterator[object]:
    if isinstance(content, dict):
        assert content
        for inner in content.values():
            yield from values(inner)
    else:
        yield content


BODIES: list[JSON] = [
    EVENT,
    {"transmissionId": 2, "attendee.email": " Ada@Example.com ", "eventType": "", "session": {}},
    {
        "transmissionId": "3",
        "attendee": {"email": "b@example.com", "registered": "perhaps", "shoe": 43},
        "session": {"length": "90"},
        "lead": None,
        "more": {"a": 1},
    },
]


@pytest.mark.parametrize("variant", ["plain", "hashed"])
def test_records_that_are_mapped_fit_the_resolved_schema(
    variant: str,
    request: pytest.FixtureRequest,
    run_tap: TapRunner,
    fill_inbox: InboxFiller,
    tmp_path: Path,
) -> None:
    made = request.getfixturevalue(variant)
    tenant, identity = (TENANT, "email") if variant == "plain" else ("_acme", "emailLcSha256")
    schema = resolved(tenant, identity)
    jsonschema.Draft7Validator.check_schema(schema)
    checker = jsonschema.Draft7Validator.FORMAT_CHECKER
    validator = jsonschema.Draft7Validator(schema, format_checker=checker)
    url = f"sqlite:///{tmp_path / 'inbox.db'}"
    fill_inbox(url, BODIES)
    run = run_tap({"inbox_url": url})
    assert run.code == 0, run.log
    found = [mapped(record, made["mapping"]) for record in run.records("experience_events")]
    assert len(found) == 3
    for event in found:
        validator.validate(event)
        assert not [value for value in values(event) if value in (None, "")]
    first, second, third = found
    rest = {name: EVENT[name] for name in GROUPS}
    first[tenant]["attendee"].pop("emailLcSha256", None)
    assert first == {
        "_id": EVENT["transmissionId"],
        "timestamp": EVENT["timestamp"],
        "eventType": EVENT["eventType"],
        tenant: {"transmissionId": EVENT["transmissionId"], **rest},
    }
    assert second["_id"] == "2"
    assert third[tenant]["session"] == {"length": 90}
    if variant == "hashed":
        digest = hashlib.sha256(b"ada@example.com").hexdigest()
        assert second[tenant]["attendee"]["emailLcSha256"] == digest
    del first[tenant]["attendee"]
    assert list(validator.iter_errors(first))  # so that the schema does ask for the identity


@pytest.mark.parametrize(
    ("arguments", "code", "advice"),
    [
        (["--tenant-id=acme.com"], 2, "letters, digits, dashes and underscores only"),
        (["--identity=phone"], 2, "'email', 'email_lc_sha256'"),
        (["--output=file/folder"], 74, "Folder file/folder cannot be written"),
        (["--help"], 0, "--tenant-id"),
    ],
    ids=repr,
)
def test_what_is_wrong_is_said(
    arguments: list[str], code: int, advice: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = xdm(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert advice in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_tenant_id_may_come_with_its_underscore(hashed: dict[str, JSON]) -> None:
    done = xdm("--tenant-id=_acme", "--identity=email_lc_sha256")
    assert json.loads(done.stdout) == hashed
