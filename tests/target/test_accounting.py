"""Whatever comes in, each record ends as exactly one thing, and the store holds what it should."""

from __future__ import annotations

import json
import math
import typing as t

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rainfocus_client.errors import ExitCode

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Json = dict[str, t.Any]
    Call = Callable[..., t.Any]
    Singer = t.Any
    Server = t.Any
    Serve = Callable[..., t.ContextManager[Server]]

TEXT: t.Final = {"type": ["string", "null"]}
SCHEMA: t.Final = {
    "type": "SCHEMA",
    "stream": "people",
    "key_properties": [],
    "schema": {
        "properties": dict.fromkeys(("email", "firstname", "city", "companyname", "agreed"), TEXT)
    },
}
SESSIONS: t.Final = {
    "type": "SCHEMA",
    "stream": "sessions",
    "key_properties": [],
    "schema": {"properties": {"title": TEXT}},
}
NOT_ADDRESSES: t.Final = (None, "", "  ", "nobody", "a@b@example.com", "549c55aa" * 8)
MOST: t.Final = 45

addresses = st.builds(
    lambda name, spell: spell(f"{name}@example.com"),
    st.sampled_from(("ada", "bob", "eve", "fay")),
    st.sampled_from((str, str.upper, str.title, " {} ".format, "\t{}".format)),
)
people = st.fixed_dictionaries(
    {
        "email": addresses | addresses | addresses | st.sampled_from(NOT_ADDRESSES),
        "firstname": st.sampled_from((None, "", " ", "Ada", " Bob ", "Eve")),
        "city": st.sampled_from((None, "", "Rome", "Paris", "Nowhere")),
        # A profile that was merged is refused if, and only if, one of its records is.
        "companyname": st.sampled_from((None, "", None, "", None, "Refused")),
        "agreed": st.sampled_from(("yes", "YES", " Yes", "yes", "no", "", None)),
    }
)
records = st.builds(lambda record: {"stream": "people", "record": record}, people)
strangers = st.just({"stream": "sessions", "record": {"title": "Keynote"}})
mixed = records | records | records | strangers


class Expected(t.NamedTuple):
    """What a load has to come to."""

    words: list[str]
    people: dict[str, Json]
    rejects: list[tuple[str, Json]]


def model(messages: list[Json], *, consent: bool) -> Expected:
    words: list[str] = []
    found: dict[str, Json] = {}
    rejects = []
    for message in messages:
        record = message["record"]
        agrees = not consent or (record.get("agreed") or "").strip().lower() == "yes"
        if message["stream"] == "sessions" or record["city"] == "Nowhere" or not agrees:
            words.append("filtered")
        elif record["email"] in NOT_ADDRESSES:
            words.append("invalid")
            rejects.append(("email", record))
        elif record["companyname"] == "Refused":
            words.append("rejected")
            rejects.append(("105", record))
        else:
            words.append("sent")
            person = found.setdefault(record["email"].strip().lower(), {})
            for field in ("firstname", "city"):
                if value := (record[field] or "").strip():
                    person[field] = value
    return Expected(words, found, rejects)


def test_every_record_ends_as_exactly_one_thing(
    call: Call, singer: Singer, loop_server: Serve, tmp_path: Path
) -> None:
    rejects, ledger = tmp_path / "rejects.singer", tmp_path / "ledger.db"

    async def answer(server: Server, body: Json) -> tuple[int, Json, dict[str, str]]:
        if body.get("companyname") == "Refused":
            return 400, {"responseCode": "105"}, {}
        return t.cast("tuple[int, Json, dict[str, str]]", server.keep(body))

    with loop_server(answer) as server:

        @settings(
            max_examples=30,
            deadline=None,
            phases=set(Phase) - {Phase.explain},
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(
            messages=st.lists(mixed, max_size=5) | st.lists(mixed, min_size=20, max_size=MOST),
            concurrency=st.sampled_from((1, 2, 8)),
            consent=st.booleans(),
            keeps=st.booleans(),
            remembers=st.booleans(),
        )
        def check(
            messages: list[Json], concurrency: int, *, consent: bool, keeps: bool, remembers: bool
        ) -> None:
            server.people.clear()
            rejects.unlink(missing_ok=True)
            ledger.unlink(missing_ok=True)
            chosen = server.settings | {
                "concurrency": concurrency,
                "stream_maps": {"people": {"__filter__": "city != 'Nowhere'"}},
            }
            if consent:
                chosen |= {"consent_field": "agreed"}
                messages = _of_one_mind(messages)
            if keeps:
                chosen |= {"rejects_path": str(rejects)}
            if remembers:
                chosen |= {"ledger_url": f"sqlite:///{ledger}"}
            expected = model(messages, consent=consent)
            lines: list[Json] = [SCHEMA, SESSIONS]
            for number, message in enumerate(messages, 1):
                lines += [{"type": "RECORD", **message}, singer.state(number)]
            for _ in range(2 if remembers else 1):
                _compare(call(lines, chosen), expected, server, keeps=keeps)
            assert _kept(rejects) == sorted(
                json.dumps(one) for one in expected.rejects * (1 + remembers) if keeps
            )

        check()


def _of_one_mind(messages: list[Json]) -> list[Json]:
    """The messages with nobody taking back a consent: how far that reaches depends on time."""
    answers: dict[str, str | None] = {}
    found = []
    for message in messages:
        record = message["record"]
        if message["stream"] == "people":
            who = str(record["email"]).strip().lower()
            record = record | {"agreed": answers.setdefault(who, record["agreed"])}
        found.append(message | {"record": record})
    return found


def _compare(ended: t.Any, expected: Expected, server: Server, *, keeps: bool) -> None:
    words = expected.words
    counts = ended.counts
    assert sum(counts.values()) == 2 * counts.get("read", 0) == 2 * len(words)
    for word in ("filtered", "invalid", "rejected"):
        assert counts.get(word, 0) == words.count(word)
    sent = sum(counts.get(word, 0) for word in ("stored", "unchanged", "merged"))
    assert sent == words.count("sent")
    assert counts.get("stored", 0) + counts.get("unchanged", 0) >= len(expected.people)
    assert {
        email: {field: value for field, value in person.items() if field != "email"}
        for email, person in server.people.items()
    } == expected.people

    not_stored = [n for n, word in enumerate(words, 1) if word in {"invalid", "rejected"}]
    is_failure = bool(not_stored) and not (keeps and sent)
    assert ended.code == (ExitCode.DATA if is_failure else ExitCode.DONE), ended.log
    safe = len(words) if keeps else min(not_stored, default=math.inf) - 1
    last = min(safe, len(words))
    assert ended.states[-1:] == ([{"n": last}] if last else [])


def _kept(rejects: Path) -> list[str]:
    if not rejects.exists():
        return []
    found = []
    for message in map(json.loads, rejects.read_text().splitlines()):
        if message["type"] == "RECORD":
            record = message["record"]
            code = record.pop("_reject_code")
            assert record.pop("_reject_reason")
            assert record.pop("_rejected_at")
            assert record.pop("_reject_org_id")
            assert record.pop("_reject_event_code")
            found.append(json.dumps((code, record)))
    return sorted(found)
