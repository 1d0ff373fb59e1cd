"""A RainFocus that differs where a test wants it to, and the commands run against it."""

from __future__ import annotations

import base64
import calendar
import json
import re
import time
import typing as t
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from rainfocus_probe.__main__ import main as probe
from rainfocus_sandbox.testing import running
from tap_rainfocus.__main__ import main as tap
from target_rainfocus_attendees.__main__ import main as target

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

    from tests.conftest import Called, HTTPServing, InProcess

Json: t.TypeAlias = dict[str, t.Any]

ORG = "acme"
EVENT = "expo2026"
CLIENT_ID, CLIENT_SECRET, TOKEN = "the-client-id", "the-client-secret", "the-access-token"
PROFILE = "theapiprofiletoken"
ADDRESS = "me@company.example"
NAMES = {"Ada", "Grace", "Edsger", "Barbara", "Donald"}
SECRETS = (CLIENT_ID, CLIENT_SECRET, TOKEN, PROFILE, EVENT, "@", "%40", "Probe ", *NAMES)
"""What no output may hold."""

BEGAN = 1_790_000_000_123
FIELDS = ("firstname", "lastname", "companyname", "jobtitle", "city", "countryid")


@dataclass(frozen=True)
class Ways:
    """How it answers; the defaults are what is assumed."""

    token_path: str = "/oidc/token"
    token_methods: frozenset[str] = frozenset({"basic", "post"})
    token_scope: str | None = None
    token_life: int | None = 3600
    event_parameter: str | None = "event"
    has_default_event: bool = False
    shuffles: bool = False
    heeds_page_size: bool = True
    most_per_page: int = 1000
    refuses_larger_pages: bool = False
    cursor: str | None = "cursor"
    heeds_cursor: bool = True
    has_clock: bool = True
    heeds_since: bool = True
    includes_since: bool = True
    attendees: str = "attendee/search"
    attendees_key: str = "results"
    session: str = "entityDataDump/session"
    dump_key: str = "data"
    cut_without_size: int | None = None
    refuses_large_dumps: bool = False
    has_searches: bool = False
    leads: str | None = "lead/search"
    leads_key: str = "results"
    denied: frozenset[str] = frozenset()
    wrong_event: tuple[int, str] | None = (400, "104")
    unknown_call: tuple[int, str | None] = (404, None)
    unknown_attendee: tuple[int, str] = (200, "110")
    filters: bool = True
    store: str = "v3/attendee/store"
    store_event: str = "query"
    store_parameter: str = "event"
    wrapper: str | None = None
    names: dict[str, str] = field(default_factory=dict)
    keeps_the_rest: bool = True
    stored_code: str | None = "0"
    tells_id: bool = True
    stores: bool = True
    unknown_field: tuple[int, str] | None = None
    page: bytes | None = None
    busy: int = 0
    token_uses: int = 1000


class Refusal(Exception):  # noqa: N818
    def __init__(self, status: int, code: str | None) -> None:
        self.status, self.code = status, code


@dataclass
class FakeRainFocus:
    """What it holds, what it was asked, and how it answers."""

    url: str = ""
    ways: Ways = field(default_factory=Ways)
    people: dict[str, Json] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    uses: int = 0

    def reset(self, **ways: t.Any) -> FakeRainFocus:
        self.ways = replace(Ways(), **ways)
        self.asked = []
        self.uses = 0
        self.people = {
            f"{name.lower()}@people.example": self._person(number, name)
            for number, name in enumerate(sorted(NAMES))
        }
        return self

    @property
    def api_url(self) -> str:
        return f"{self.url}/api"

    @property
    def writes(self) -> list[str]:
        """Paths of what was posted, tokens aside."""
        return [p for method, p in self.asked if method != "GET" and not p.endswith("token")]

    @property
    def others(self) -> list[Json]:
        """Who was there before."""
        return [person for email, person in self.people.items() if email.endswith("people.example")]

    def _person(self, number: int, name: str) -> Json:
        return {
            "attendeeId": f"1700000000000{number:03}uAjm",
            "email": f"{name.lower()}@people.example",
            "firstname": name,
            "modifiedDate": _iso(BEGAN + number * 1111),
        }

    def answer(
        self, method: str, address: str, headers: t.Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        parts = urlsplit(address)
        self.asked.append((method, parts.path))
        if len(self.asked) <= self.ways.busy or self.ways.page is not None:
            return (200, self.ways.page) if self.ways.page else (429, b"{}")
        if parts.path == self.ways.token_path and method == "POST":
            return self._token(headers, dict(parse_qsl(body.decode())))
        try:
            path = self._path(parts.path, headers)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            if method == "POST":
                return 200, self._store(path, query, headers, json.loads(body))
            return 200, _json(self._read(path.removeprefix("v3/"), query))
        except Refusal as refusal:
            if refusal.code is None:
                return refusal.status, b"Error"
            told = {"responseCode": refusal.code, "responseMessage": f"No {ADDRESS} here"}
            return refusal.status, _json(told)

    def _path(self, path: str, headers: t.Mapping[str, str]) -> str:
        """What comes behind the organisation, if this one may ask."""
        if not path.startswith(f"/api/{ORG}/"):
            raise Refusal(404, None)
        if headers.get("apiProfile", PROFILE) != PROFILE:
            raise Refusal(200, "101")
        self.uses += 1
        is_good = headers.get("Authorization") == f"Bearer {TOKEN}"
        if "apiProfile" not in headers and not (is_good and self.uses <= self.ways.token_uses):
            raise Refusal(401, "107")
        return path.removeprefix(f"/api/{ORG}/")

    def _token(self, headers: t.Mapping[str, str], form: Json) -> tuple[int, bytes]:
        pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        is_basic = headers.get("Authorization") == f"Basic {pair}"
        is_post = form.get("client_secret") == CLIENT_SECRET
        used = {name for name, it in (("basic", is_basic), ("post", is_post)) if it}
        if not used & self.ways.token_methods:
            return 401, _json({"error": "invalid_client"})
        if form.get("scope") != self.ways.token_scope:
            return 400, _json({"error": "invalid_scope"})
        self.uses = 0
        life = {"expires_in": self.ways.token_life} if self.ways.token_life else {}
        return 200, _json({"access_token": TOKEN, **life})

    def _read(self, call: str, query: Json) -> Json:
        ways = self.ways
        dumps: dict[str | None, str]
        dumps = {f"entityDataDump/{name}": name for name in ("exhibitor", "speaker")}
        calls: dict[str | None, str] = {
            ways.attendees: "attendee",
            "attendee/load": "attendee",
            ways.leads: "lead",
            ways.session: "session",
            **dumps,
        }
        if ways.has_searches:
            calls |= {f"{name}/search": name for name in ("session", "exhibitor", "speaker")}
        if call not in calls:
            raise Refusal(*ways.unknown_call)
        entity = calls[call]
        if entity in ways.denied:
            raise Refusal(200, "124")
        if ways.event_parameter:
            named = query.get(ways.event_parameter, EVENT if ways.has_default_event else None)
            if named is None:
                raise Refusal(400, "103")
            if named != EVENT:
                return self._of_another_event()
        if call == "attendee/load":
            found = [p for p in self.people.values() if p["attendeeId"] == query.get("attendeeId")]
            if not found:
                raise Refusal(*ways.unknown_attendee)
            return {"responseCode": "0", "data": found[0]}
        return self._listed(call, entity, query)

    def _of_another_event(self) -> Json:
        if self.ways.wrong_event:
            raise Refusal(*self.ways.wrong_event)
        return {"responseCode": "0", "results": []}

    def _listed(self, call: str, entity: str, query: Json) -> Json:
        ways = self.ways
        is_search = call.endswith("/search")
        asked = query.get("pageSize", "1000")
        if not asked.isdecimal():
            raise Refusal(400, "103")
        size = int(asked) if ways.heeds_page_size or not is_search else ways.most_per_page
        if is_search and size > ways.most_per_page and ways.refuses_larger_pages:
            raise Refusal(400, "103")
        if not is_search and size > 10_000 and ways.refuses_large_dumps:
            raise Refusal(400, "103")
        size = min(size, ways.most_per_page) if is_search and ways.cursor else size
        if not is_search and "pageSize" not in query and ways.cut_without_size:
            size = ways.cut_without_size
        records = self._records(entity, query)
        start = int(query.get(ways.cursor or "", "0")) if ways.heeds_cursor else 0
        page = records[start : start + size]
        key = ways.dump_key
        if is_search:
            key = {"attendee": ways.attendees_key, "lead": ways.leads_key}.get(entity, "results")
        body: Json = {"responseCode": "0", "responseMessage": "Success", key: page}
        if is_search and not start and ways.has_clock:
            body["timestamp"] = str(BEGAN + 100_000)
        if is_search and ways.cursor and start + size < len(records):
            body[ways.cursor] = str(start + size)
        return body

    def _records(self, entity: str, query: Json) -> list[Json]:
        if entity != "attendee":
            id_field = {"lead": "leadId"}.get(entity, f"{entity}Id")
            return [{id_field: f"{entity[:2]}-{number}"} for number in range(4)]
        found = list(self.people.values())
        if self.ways.shuffles:
            turn = len(self.asked) % len(found)
            found = found[turn:] + found[:turn]
        if "email" in query and self.ways.filters:
            found = [person for person in found if person["email"] == query["email"]]
        if "since" in query and self.ways.heeds_since:
            since = int(query["since"]) - self.ways.includes_since
            found = [person for person in found if _ms(person["modifiedDate"]) > since]
        return found

    def _store(self, path: str, query: Json, headers: t.Mapping[str, str], body: Json) -> bytes:
        ways = self.ways
        if path != ways.store:
            raise Refusal(404, None)
        if "attendeeStore" in ways.denied:
            raise Refusal(200, "124")
        places = {"query": query, "body": body, "header": headers, "none": {"event": EVENT}}
        named = places[ways.store_event].get(ways.store_parameter)
        if ways.store_event != "none" and named != EVENT:
            raise Refusal(*((named and ways.wrong_event) or (400, "103")))
        fields = dict(body.get(ways.wrapper) or {}) if ways.wrapper else dict(body)
        fields.pop(ways.store_parameter, None)
        known = {ways.names.get(name, name): name for name in ("email", *FIELDS)}
        if "email" not in fields:
            raise Refusal(400, "103")
        if ways.unknown_field and set(fields) - set(known):
            raise Refusal(*ways.unknown_field)
        named_fields = {known[name]: value for name, value in fields.items() if name in known}
        email = named_fields["email"].lower()
        new = {"attendeeId": f"1700000000001{len(self.people):03}uAjm"}
        before = self.people.get(email, new)
        kept = before if ways.keeps_the_rest else {"attendeeId": before["attendeeId"]}
        changed = {"modifiedDate": _iso(int(time.time() * 1000) | 1)}
        if ways.stores:
            self.people[email] = {**kept, **named_fields, **changed}
        code = {} if ways.stored_code is None else {"responseCode": ways.stored_code}
        told = {"attendeeId": before["attendeeId"]} if ways.tells_id else {}
        return _json(code | told) if code | told else b""


def _iso(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03}Z"


def _ms(text: str) -> int:
    moment = time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")
    return calendar.timegm(moment) * 1000 + int(text[20:23])


def _json(content: object) -> bytes:
    return json.dumps(content).encode()


@pytest.fixture(scope="session")
def _serving(serve_http: HTTPServing) -> Iterator[FakeRainFocus]:
    fake = FakeRainFocus()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer, or the next request waits for 40 ms

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = fake.answer(self.command, self.path, dict(self.headers), body)
            is_json = content.startswith(b"{")
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if is_json else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with serve_http(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        fake.url = url
        yield fake


@pytest.fixture
def rainfocus(_serving: FakeRainFocus) -> FakeRainFocus:
    """A RainFocus as it is assumed; `reset` makes it another."""
    return _serving.reset()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running(tmp_path_factory.mktemp("sandbox") / "rainfocus.db") as sandbox:
        yield sandbox


@dataclass(frozen=True)
class Probed:
    """What one run of the probe left behind."""

    called: Called
    report: Json
    settings: Json

    @property
    def code(self) -> int:
        return self.called.code

    @property
    def findings(self) -> dict[str, Json]:
        return {one["check"]: one for one in self.report["findings"]}

    def verdict(self, check: str) -> str:
        return str(self.findings[check]["verdict"])

    def block(self, plugin: str) -> Json:
        """The block to paste for a plugin, as a YAML reader sees it."""
        found = re.search(
            rf"^Paste under config: of {plugin}:\n\n((?:    .*\n)+)", self.called.out, re.MULTILINE
        )
        return dict(yaml.safe_load(found[1])) if found else {}

    @property
    def tap(self) -> Json:
        return self.block("tap-rainfocus")

    @property
    def target(self) -> Json:
        return self.block("target-rainfocus-attendees")

    @property
    def error(self) -> str:
        errors = [line for line in self.called.log.splitlines() if "| ERROR" in line]
        assert len(errors) == 1, self.called.log
        assert re.search(r" \[RF-\d{3}\]$", errors[0]), errors
        assert "Traceback" not in self.called.log
        return errors[0]


Prober: t.TypeAlias = "Callable[..., Probed]"
Command: t.TypeAlias = "Callable[..., t.Any]"


def connection(fake: FakeRainFocus) -> Json:
    return {
        "org_id": ORG,
        "api_url": fake.api_url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "max_retries": 1,
    }


@pytest.fixture
def run_probe(rainfocus: FakeRainFocus, in_process: InProcess, tmp_path: Path) -> Prober:
    """Run the probe against the fake, or with other settings."""

    def run(
        *arguments: str,
        settings: Json | None = None,
        event: str = EVENT,
        environment: dict[str, str] | None = None,
    ) -> Probed:
        path, report = tmp_path / "config.json", tmp_path / "probe.json"
        report.unlink(missing_ok=True)
        given = connection(rainfocus) if settings is None else settings
        path.write_text(json.dumps({"requests_per_second": 2000, **given}))
        called = in_process(
            probe,
            f"--config={path}",
            f"--event={event}",
            f"--report={report}",
            *arguments,
            environment=environment,
        )
        told = json.loads(report.read_text()) if report.exists() else {}
        return Probed(called, told, given)

    return run


@pytest.fixture
def run_tap(rainfocus: FakeRainFocus, in_process: InProcess, tmp_path: Path) -> Command:
    """Run the tap with a pasted block; gives the ids it read, by stream."""

    def run(block: Json, *arguments: str) -> dict[str, list[str]]:
        path = tmp_path / "tap.json"
        path.write_text(json.dumps(connection(rainfocus) | {"event_codes": [EVENT]} | block))
        called = in_process(tap, f"--config={path}", *arguments)
        assert called.code == 0, called.log
        read: dict[str, list[str]] = {}
        for line in called.out.splitlines():
            message = json.loads(line)
            if message["type"] == "RECORD":
                read.setdefault(message["stream"], []).append(message["record"]["_id"])
        return read

    return run


@pytest.fixture
def run_target(rainfocus: FakeRainFocus, in_process: InProcess, tmp_path: Path) -> Command:
    """Load one person with a pasted block; gives what the fake then has of them."""

    def run(block: Json) -> Json:
        path = tmp_path / "target.json"
        path.write_text(json.dumps(connection(rainfocus) | {"event_code": EVENT} | block))
        person = {
            "email": "kate@load.example",
            "firstname": "Katherine",
            "lastname": "Johnson",
            "companyname": "Langley",
            "jobtitle": "Computer",
            "city": "Hampton",
            "country": "US",
        }
        text = {"type": ["string", "null"]}
        properties = dict.fromkeys(person, text)
        schema = {"properties": properties}
        lines = [
            {"type": "SCHEMA", "stream": "people", "key_properties": [], "schema": schema},
            {"type": "RECORD", "stream": "people", "record": person},
        ]
        stdin = "".join(f"{json.dumps(line)}\n" for line in lines)
        called = in_process(target, f"--config={path}", stdin=stdin)
        assert called.code == 0, called.log
        stored = rainfocus.people["kate@load.example"]
        return {name: stored.get(name) for name in FIELDS}

    return run


LOADED = {
    "firstname": "Katherine",
    "lastname": "Johnson",
    "companyname": "Langley",
    "jobtitle": "Computer",
    "city": "Hampton",
    "countryid": "US",
}


@pytest.fixture
def loaded() -> Json:
    """What the target should have stored."""
    return dict(LOADED)
