"""What nobody meant to send is not sent: what is deleted, unclear, nothing, or taken back."""

from __future__ import annotations

import csv
import hashlib
import json
import threading
import time
import typing as t
from pathlib import Path

import pytest
from target_rainfocus_attendees.mapping.columns import AMBIGUOUS, SYNONYMS
from target_rainfocus_attendees.mapping.texts import NULL_VALUES

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Json = dict[str, t.Any]
    Run = Callable[..., t.Any]
    Script = t.Any
    Serve = Callable[..., t.ContextManager[Script]]

ADA = "ada@example.com"
STATE = {"type": "STATE", "value": {"n": 1}}
R12 = Path(__file__).parents[2] / "cases" / "words_for_nothing.csv"


def accept(*_: object) -> tuple[int, Json, dict[str, str]]:
    return 200, {"responseCode": "0"}, {}


@pytest.fixture
def served(script: Serve) -> Iterator[Script]:
    with script(accept) as serving:
        yield serving


def stream(*records: Json, **declared: Json) -> list[Json]:
    names = {name: declared.get(name, {}) for record in records for name in record}
    return [
        {
            "type": "SCHEMA",
            "stream": "people",
            "key_properties": [],
            "schema": {"properties": names},
        },
        *({"type": "RECORD", "stream": "people", "record": record} for record in records),
        STATE,
    ]


def people(served: Script) -> dict[str, Json]:
    """What a store that goes by the address has in the end."""
    found: dict[str, Json] = {}
    for body in served.bodies:
        fields = {name: value for name, value in body.items() if name != "email"}
        found.setdefault(body["email"].lower(), {}).update(fields)
    return found


@pytest.mark.parametrize(
    ("mark", "gone", "there"),
    [
        ("_sdc_deleted_at", "2026-01-01T00:00:00Z", None),
        ("_ab_cdc_deleted_at", "2026-01-01T00:00:00Z", ""),
        ("_fivetran_deleted", True, False),
        ("__deleted", "true", "false"),
        ("IsDeleted", True, False),
        ("is_deleted", 1, 0),
        ("_SDC_DELETED_AT", "2026-01-01T00:00:00Z", None),
        ("_FIVETRAN_DELETED", True, False),
        ("ISDELETED", True, False),
        ("isdeleted", "t", "f"),
        ("deleted_at", "2026-01-01", None),
        ("deletedAt", "2026-01-01", ""),
        ("archived", True, False),
        ("ARCHIVEDAT", "2026-01-01", None),
        ("isDeleted", True, False),
        ("deleted", "Yes", "off"),
        ("is_deleted", 1.0, 0.0),
        ("is_deleted", "1.0", "0.00"),
        ("deleted_at", "2026-01-01", "NaT"),
        ("deleted_at", "2026-01-01", "nan"),
        ("deleted_at", "2026-01-01", r"\N"),
        ("deleted_at", "2026-01-01", "N/A"),
        ("deleted_at", "2026-01-01", "(null)"),
        ("deleted_at", "2026-01-01", "\u200b"),
        ("deleted_at", "2026-01-01 00:00:00", "0000-00-00 00:00:00"),
        ("deleted_at", "2026-01-01", "9999-12-31"),
        ("deleted_at", "2026-01-01", "infinity"),
        ("archived", ["x"], []),
        ("deletedAt", {"at": "2026"}, {}),
    ],
)
def test_what_is_deleted_upstream_is_filtered_with_a_reason(
    call: Run, served: Script, tmp_path: Path, mark: str, gone: object, there: object
) -> None:
    records = [{"email": ADA, mark: there}, {"email": "eve@example.com", mark: gone}]
    summary = tmp_path / "summary.json"
    # The mark counts though the stream maps leave it out.
    maps = {"people": {"email": "email", "__else__": None}}
    change = {"summary_path": str(summary), "stream_maps": maps}
    ended = call(stream(*records), served.settings | change)
    assert (ended.code, ended.states) == (0, [STATE["value"]])
    assert ended.counts == {"read": 2, "stored": 1, "filtered": 1}
    assert [body["email"] for body in served.bodies] == [ADA]
    assert "1 filtered: deleted upstream [RF-541]." in ended.log
    assert json.loads(summary.read_text())["reasons"] == [
        {
            "stream": "people",
            "outcome": "filtered",
            "reason": "deleted upstream [RF-541]",
            "count": 1,
        }
    ]


def test_columns_that_may_mean_another_thing_are_named_with_what_takes_them(
    call: Run, served: Script
) -> None:
    record = {
        "email": ADA,
        "title": "Dr",
        "Region": "EMEA",
        "company": {"name": "Acme"},
        "address": {},
        "phone": "1",
    }
    company = {"type": "object", "properties": {"name": {}}}
    messages = stream(record, company=company, address={"type": ["object", "null"]})
    ended = call(messages, served.settings)
    assert ended.code == 0, ended.log
    assert served.bodies == [{"email": ADA, "phone": "1"}]
    (warning,) = ended.lines("WARNING")
    advice = json.loads("{" + warning.partition("{")[2].partition("}")[0] + "}")
    assert advice == {
        "companyname": "company.name",
        "jobtitle": "title",
        "address1": "address.column",
        "state": "Region",
    }
    taken = {"jobtitle": "title", "companyname": "company.name", "address1": None, "state": None}
    ended = call(messages, served.settings | {"field_map": taken})
    assert not ended.lines("WARNING")
    assert served.bodies[1] == {
        "email": ADA,
        "phone": "1",
        "companyname": "Acme",
        "jobtitle": "Dr",
    }


def test_columns_that_disagree_are_counted(call: Run, served: Script) -> None:
    records: list[Json] = [
        {
            "email": ADA,
            "country_code": "AT",
            "country": "Australia",
            "company": "Acme",
            "employer": "",
        },
        {
            "email": "eve@example.com",
            "country_code": "AT",
            "country": "Austria",
            "company": "A",
            "employer": "B",
        },
        {
            "email": "bob@example.com",
            "country_code": 40,
            "country": "Austria",
            "company": "acme",
            "employer": "Acme",
        },
    ]
    change = {"validation": "strict", "concurrency": 1}
    ended = call(stream(*records), served.settings | change)
    assert ended.code == 0, ended.log
    assert [body["countryid"] for body in served.bodies] == ["AU", "AT", "AT"]
    company, country = ended.lines("WARNING")
    assert "companyname (company, employer): the columns had different values in 1 " in company
    assert "countryid (country_code, country): the columns had different values in 1 " in country


def test_words_for_nothing_overwrite_nothing(call: Run, served: Script) -> None:
    with R12.open(encoding="utf-8") as file:
        rows: list[Json] = list(csv.DictReader(file))
    change = {"validation": "strict", "concurrency": 1}
    ended = call(stream(*rows), served.settings | change)
    assert ended.counts == {"read": 2, "stored": 2}
    assert served.bodies == [{"email": "ray@example.com"}, {"email": "sue@example.com"}]


@pytest.mark.parametrize("given", [["keine"], "keine,nichts", []])
def test_words_for_nothing_are_a_setting(call: Run, served: Script, given: object) -> None:
    record = {"email": ADA, "city": "keine", "phone": "NULL", "diet": "keine"}
    change = {"null_values": given, "extra_fields": {"food": "diet"}}
    ended = call(stream(record), served.settings | change)
    assert ended.code == 0, ended.log
    kept = {"city": "keine", "food": "keine"} if given == [] else {}
    assert served.bodies == [{"email": ADA, "phone": "NULL", **kept}]


@pytest.mark.parametrize(
    ("values", "answer", "is_sent"),
    [
        (["1"], 1.0, True),
        (["1"], "1.0", True),
        ([1.0], "1", True),
        (["yes"], "\ufeffYes\u200b", True),
        (["1"], 10, False),
        (["1"], "", False),
        (["yes"], "\u200b", False),
    ],
)
def test_consent_is_compared_as_a_value(
    call: Run, served: Script, values: list[object], answer: object, *, is_sent: bool
) -> None:
    change = {"consent_field": "agreed", "consent_values": values}
    ended = call(stream({"email": ADA, "agreed": answer}), served.settings | change)
    assert ended.code == 0, ended.log
    assert len(served.bodies) == is_sent


@pytest.mark.parametrize("taken_back", [{"agreed": "no"}, {"agreed": "yes", "IsDeleted": True}])
def test_who_takes_consent_back_is_not_sent_from_the_queue(
    call: Run, script: Serve, taken_back: Json
) -> None:
    """One request is held while the rest of the input is read, so that the others wait."""
    is_read = threading.Event()

    def answer(_: Script, body: Json) -> tuple[int, Json, dict[str, str]]:
        if body["email"] == "first@example.com":
            assert is_read.wait(10)
        return accept()

    def record(email: str, **fields: object) -> Json:
        return {"email": email, "agreed": "yes", "IsDeleted": None, **fields}

    records = [
        record("first@example.com"),
        record(ADA, firstname="Ada"),
        record("eve@example.com"),
        record(" ADA@example.com", city="Rome"),
        record("Ada@Example.com") | taken_back,
        record("bob@example.com") | taken_back,
        record("eve@example.com") | taken_back,
        record("eve@example.com", city="Lehi"),
    ]
    with script(answer) as serving:
        change = {"consent_field": "agreed", "concurrency": 1}
        timer = threading.Timer(0.5, is_read.set)
        timer.start()
        ended = call(stream(*records), serving.settings | change)
    assert ended.code == 0, ended.log
    assert people(serving) == {"first@example.com": {}, "eve@example.com": {"city": "Lehi"}}
    assert ended.counts == {"read": 8, "stored": 2, "filtered": 6}
    assert ended.states == [STATE["value"]]
    assert "3 filtered: " in ended.log
    assert "as a later record says [RF-54" in ended.log


def test_what_is_merged_is_made_regular_together(call: Run, script: Serve) -> None:
    def answer(_: Script, body: Json) -> tuple[int, Json, dict[str, str]]:
        if body["email"] == "first@example.com":
            time.sleep(0.5)
        return accept()

    records: list[Json] = [
        {"email": "first@example.com"},
        {"email": ADA, "country": "USA"},
        {"email": ADA, "state": "Utah", "zip": 2134},
        {"email": "eve@example.com", "state": "Somewhere"},
        {"email": "eve@example.com", "country": "Kenya"},
    ]
    others: list[Json] = [
        {"email": "bob@example.com", "country": "Canada"},
        {"email": "bob@example.com", "state": "Bayern"},
    ]
    with script(answer) as serving:
        ended = call(stream(*records), serving.settings | {"concurrency": 1})
        more = [records[0], *others]
        later = call(stream(*more), serving.settings | {"concurrency": 1})
    assert ended.code == 0, ended.log
    assert [body for body in serving.bodies if body["email"] != "first@example.com"] == [
        {"email": ADA, "countryid": "US", "state": "UT", "zip": "02134"},
        {"email": "eve@example.com", "countryid": "KE", "state": "Somewhere"},
        {"email": "bob@example.com", "countryid": "CA"},
    ]
    (warning,) = later.lines("WARNING")
    assert "state was left out of 1 profiles" in warning


SPELLINGS: t.Final = [
    ("ada@bücher.example", "Ada@xn--bcher-kva.example"),
    ("jos\u00e9@example.com", "jose\u0301@example.com"),
    ("ada@example\uff0ecom", "ada@example.com"),
    ("a\u200bda@example.com", "ada@example.com"),
    ("\ufeffada@EXAMPLE.com ", "ada@example.com"),
]


@pytest.mark.parametrize(("one", "other"), SPELLINGS, ids=ascii)
def test_one_mailbox_is_one_person_and_sent_as_it_came(
    call: Run, served: Script, tmp_path: Path, one: str, other: str
) -> None:
    change = {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}", "concurrency": 1}
    log = tmp_path / "log.jsonl"
    change["activation_log_path"] = str(log)
    for email in (one, other):
        ended = call(stream({"email": email}), served.settings | change)
        assert ended.code == 0, ended.log
    # The ledger keeps one entry: what differs in spelling is another value of the same person.
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len({line["record"]["identity"] for line in lines if "record" in line}) == 1
    sent = [body["email"] for body in served.bodies]
    assert sent[0] == one.replace("\u200b", "").replace("\ufeff", "").strip()


@pytest.mark.parametrize("email", ["Ada@Bücher.example", " jose\u0301@Example.com "])
def test_the_hash_is_that_of_the_text(call: Run, served: Script, email: str) -> None:
    change = {"identity": "email_lc_sha256", "mode": "update"}
    ended = call(stream({"email": email}), served.settings | change)
    assert ended.code == 0, ended.log
    expected = hashlib.sha256(email.strip().lower().encode()).hexdigest()
    assert served.bodies == [{"email_lc_sha256": expected}]


def test_the_readme_lists_every_name_and_every_word() -> None:
    readme = (Path(__file__).parents[3] / "target-rainfocus-attendees" / "README.md").read_text()
    for field, names in SYNONYMS.items():
        (row,) = (line for line in readme.splitlines() if line.startswith(f"| `{field}` |"))
        sure, unsure = row.split("|")[2:4]
        assert [name.strip().replace("_", "") for name in sure.split(",")] == list(
            names
        ) or not names
        assert [
            name.strip().replace("_", "") for name in unsure.split(",") if name.strip()
        ] == list(AMBIGUOUS.get(field, ()))
    words = ", ".join(f"`{word}`" for word in NULL_VALUES)
    assert words in readme
