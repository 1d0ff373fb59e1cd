"""What happens to attendees at an event, and is pushed: schedules, registrations, lead scans."""

from __future__ import annotations

import time
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain

import orjson

from rainfocus_sandbox.data.clock import iso, moment, now_ms
from rainfocus_sandbox.data.customer import LAST_YEAR
from rainfocus_sandbox.data.ids import generator, new_id
from rainfocus_sandbox.errors import SandboxError
from rainfocus_sandbox.webhooks import payloads
from rainfocus_sandbox.webhooks.integration import DEFAULT_TIMEOUT_S, Integration
from rainfocus_sandbox.webhooks.outbox import Outbox, Tally

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from rainfocus_sandbox.data.merge import Record
    from rainfocus_sandbox.data.store import Store

_POLL_S = 0.01
_NOTES = ("Asked for a demo", "Wants a price list", "Met at the keynote, call back in a week")
_LEAD_FIELDS = ("attendeeId", "email", "firstname", "lastname", "companyname")


@dataclass(frozen=True, slots=True)
class _Happening:
    """Things of one push type that happen at one event, in one transaction."""

    push_type: str
    event_name: str
    is_pushed: bool
    rng: Random
    outbox: Outbox
    transmission_ids: list[str] = field(default_factory=list)

    def push(self, **groups: Record) -> None:
        """Put what has happened into the outbox, if there is somewhere to push it."""
        if self.is_pushed:
            event = payloads.event_of(self.push_type, self.event_name, **groups)
            self.outbox.put(event)
            self.transmission_ids.append(event["transmissionId"])


class Pushes:
    """Lets things happen in a store, and pushes an event of each; any thread may use it.

    Who is not named is drawn at random, but the same commands draw the same ones in every run.
    What a call lets happen happens in full or not at all. Each call returns the transmission ids
    of its events, none as long as there is no Integration Profile.
    """

    def __init__(self, store: Store) -> None:
        """Let things happen in `store`."""
        self._store = store
        self.outbox = Outbox(store)

    def to(
        self,
        url: str,
        *,
        flow_id: str,
        token: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        """Push to `url` from now on, by an Integration Profile of these values.

        Raises:
            ValueError: One of them has a value it cannot have.
        """
        self.outbox.set_integration(Integration(url, flow_id, token, timeout))

    def off(self) -> None:
        """Remove the Integration Profile: nothing is pushed, and what waits goes on waiting."""
        self.outbox.set_integration(None)

    def tally(self) -> Tally:
        """Return how many events wait and were sent, and how many attempts failed."""
        return self.outbox.tally()

    def wait(self, timeout: float = 30.0) -> None:
        """Return when no event waits any more.

        Raises:
            TimeoutError: Some still do.
        """
        deadline = time.monotonic() + timeout
        while not self.outbox.is_empty():
            if time.monotonic() > deadline:
                message = f"events still wait to be pushed after {timeout:g} seconds"
                raise TimeoutError(message)
            time.sleep(_POLL_S)

    def schedule(
        self,
        event: str = LAST_YEAR.code,
        *,
        count: int = 1,
        attendee: str | None = None,
        session: str | None = None,
    ) -> list[str]:
        """Schedule sessions, `count` times one of its times for an attendee.

        The schedule itself is not kept: none of the sandbox' calls reads it.

        Raises:
            SandboxError: There is no such event, attendee or session with times.
        """
        with self._happening(event, payloads.SESSION_SCHEDULED, count) as happening:
            sessions = self._sessions(event, session)
            for person in self._people(event, attendee, count, happening.rng):
                chosen = happening.rng.choice(sessions)
                happening.push(
                    attendee=payloads.attendee_group(person),
                    session=payloads.session_group(chosen),
                    sessiontime=payloads.session_time_group(happening.rng.choice(chosen["times"])),
                )
        return happening.transmission_ids

    def register(
        self, event: str = LAST_YEAR.code, *, count: int = 1, attendee: str | None = None
    ) -> list[str]:
        """Register attendees, `count` times; when all of them are registered, somebody anew.

        Raises:
            SandboxError: There is no such event or attendee.
        """
        with self._happening(event, payloads.ATTENDEE_REGISTERED, count) as happening:
            for person in self._newcomers(event, attendee, count, happening.rng):
                now = moment(now_ms())
                registered = {
                    "registered": "true",
                    "registeredDate": f"{now:%Y-%m-%d}",
                    "registeredTime": f"{now:%H:%M:%S}",
                }
                self._store.touch(event, person["attendeeId"], **registered)
                happening.push(attendee=payloads.attendee_group(person | registered))
        return happening.transmission_ids

    def scan_lead(
        self,
        event: str = LAST_YEAR.code,
        *,
        count: int = 1,
        attendee: str | None = None,
        exhibitor: str | None = None,
        note: str | None = None,
    ) -> list[str]:
        """Scan attendees at exhibitors, `count` times; each scan makes a lead.

        Raises:
            SandboxError: There is no such event, attendee or exhibitor.
        """
        with self._happening(event, payloads.LEAD_SCANNED, count) as happening:
            exhibitors = self._exhibitors(event, exhibitor)
            for person in self._people(event, attendee, count, happening.rng):
                chosen = happening.rng.choice(exhibitors)
                lead = _lead(person, chosen, note or happening.rng.choice(_NOTES))
                self._store.add_lead(event, lead)
                happening.push(
                    attendee=payloads.attendee_group(person),
                    exhibitor=payloads.exhibitor_group(chosen),
                    lead=payloads.lead_group(lead),
                )
        return happening.transmission_ids

    @contextmanager
    def _happening(self, event: str, push_type: str, count: int) -> Iterator[_Happening]:
        if count < 1:
            message = "count is less than 1"
            raise SandboxError(message)
        with self._store.transaction():
            name = self._store.event_name(event)
            if name is None:
                message = f"there is no event {event}"
                raise SandboxError(message)
            tally = self.outbox.tally()
            rng = generator(event, push_type, self._store.size(), tally.waiting + tally.sent)
            is_pushed = self.outbox.integration() is not None
            yield _Happening(push_type, name, is_pushed, rng, self.outbox)

    def _people(self, event: str, named: str | None, count: int, rng: Random) -> Iterator[Record]:
        """Return the attendee named, or drawn ones, `count` times."""
        if named is not None:
            person = self._attendee(event, named)
            return (person for _ in range(count))
        positions = self._store.positions(event, "attendee")
        if not positions:
            message = f"{event} has no attendees"
            raise SandboxError(message)
        return map(self._store.at, rng.choices(positions, k=count))

    def _newcomers(
        self, event: str, named: str | None, count: int, rng: Random
    ) -> Iterator[Record]:
        """Return the same, but of those drawn the ones who are not registered first, once each."""
        newcomers = [] if named is not None else self._store.unregistered(event)
        drawn = rng.sample(newcomers, min(count, len(newcomers)))
        others = self._people(event, named, count - len(drawn), rng)
        return chain(map(self._store.at, drawn), others)

    def _attendee(self, event: str, attendee_id: str) -> Record:
        body = self._store.attendee(event, attendee_id)
        if body is None:
            message = f"{event} has no attendee {attendee_id}"
            raise SandboxError(message)
        return t.cast("Record", orjson.loads(body))

    def _sessions(self, event: str, named: str | None) -> list[Record]:
        """Return the session named, or all accepted ones, as far as they have times."""
        found = [
            session
            for session in map(self._store.at, self._store.positions(event, "session"))
            if session["times"]
            and (
                session["status"] == "Accepted"
                if named is None
                else payloads.session_id(session) == named
            )
        ]
        if not found:
            message = f"{event} has no session {named or 'to schedule'} with times"
            raise SandboxError(message)
        return found

    def _exhibitors(self, event: str, named: str | None) -> list[Record]:
        found = [
            exhibitor
            for exhibitor in map(self._store.at, self._store.positions(event, "exhibitor"))
            if named in {None, exhibitor["exhibitorId"]}
        ]
        if not found:
            message = f"{event} has no exhibitor{f' {named}' if named else 's'}"
            raise SandboxError(message)
        return found


def _lead(attendee: Record, exhibitor: Record, note: str) -> Record:
    """Make a lead, with the fields of those that are seeded."""
    now = iso(now_ms())
    return {
        "leadId": new_id(),
        **{name: attendee.get(name) for name in _LEAD_FIELDS},
        "exhibitorId": exhibitor["exhibitorId"],
        "exhibitorName": exhibitor["name"],
        "note": note,
        "source": "Badge scan",
        "hotLead": "false",
        "createDate": now,
        "modifiedDate": now,
    }
