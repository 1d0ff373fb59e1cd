"""Attendees, with the field names that v3 reads give (docs/rainfocus-api.md §4.1)."""

from __future__ import annotations

import typing as t
import uuid

from rainfocus_sandbox.data import attributes
from rainfocus_sandbox.data.clock import iso, moment
from rainfocus_sandbox.data.ids import generator, made_id
from rainfocus_sandbox.data.store import StoredRow
from rainfocus_sandbox.seed.pools import slug
from rainfocus_sandbox.seed.untidy import ATTENDEE, untidy

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from rainfocus_sandbox.data.merge import Record
    from rainfocus_sandbox.seed.calendar import Plan
    from rainfocus_sandbox.seed.pools import Person, Pools

_WEEK_MS = 7 * 24 * 3600 * 1000


def attendees(plan: Plan, total: int, pools: Pools, seed: int) -> Iterator[StoredRow]:
    """Make the attendees of an event one by one, each with an e-mail address of their own."""
    rng = generator(seed, plan.event.code, "attendee")
    for number in range(total):
        made_ms = plan.made_ms(number, total)
        modified_ms = made_ms + rng.randrange(_WEEK_MS)
        attendee_id = made_id(made_ms, number, rng)
        person = pools.person(rng)
        email = _email(plan, number, person)
        record: Record = {
            "attendeeId": attendee_id,
            "email": email,
            "firstname": person.first_name,
            "lastname": person.last_name,
            "companyname": person.company.name,
            "jobtitle": person.job_title,
            "country": person.country.alpha2,
            "language": person.country.language,
            "externalId": f"{rng.getrandbits(40):010X}",
            "regcode": f"{rng.getrandbits(48):012X}",
            **_contact(person, rng),
            **_presence(plan, made_ms, rng),
            "createDate": iso(made_ms),
            "modifiedDate": iso(modified_ms),
            "attributes": _attributes(rng),
        }
        yield StoredRow(untidy(record, ATTENDEE, rng), modified_ms, attendee_id, email)


def _email(plan: Plan, number: int, person: Person) -> str:
    name = f"{slug(person.first_name)}.{slug(person.last_name)}".strip(".")
    return f"{name}.{plan.event.code[-2:]}{number:05d}@{person.company.domain}"


def _contact(person: Person, rng: Random) -> Record:
    contact: Record = {"clientId": str(uuid.UUID(int=rng.getrandbits(128), version=4))}
    if rng.random() < 0.8:  # noqa: PLR2004
        contact["phone"] = f"+{person.country.calling_code} 555 01{rng.randrange(100):02d}"
    if rng.random() < 0.85:  # noqa: PLR2004
        contact |= {
            "address1": person.place.street,
            "city": person.place.city,
            "zip": person.place.zip,
        }
        if rng.random() < 0.2:  # noqa: PLR2004
            contact["address2"] = f"Floor {rng.randrange(2, 40)}"
        if person.place.state:
            contact["state"] = person.place.state
    return contact


def _presence(plan: Plan, made_ms: int, rng: Random) -> Record:
    if rng.random() < 0.08:  # noqa: PLR2004
        return {"registered": "false", "checkedin": "false"}
    registered = moment(made_ms)
    presence = {
        "registered": "true",
        "registeredDate": f"{registered:%Y-%m-%d}",
        "registeredTime": f"{registered:%H:%M:%S}",
        "checkedin": "false",
    }
    if plan.is_over and rng.random() < 0.85:  # noqa: PLR2004
        presence |= {
            "checkedin": "true",
            "checkinDate": plan.first_day.isoformat(),
            "checkinTime": f"{rng.randrange(7, 12):02d}:{rng.randrange(60):02d}:00",
        }
    return presence


def _attributes(rng: Random) -> list[Record]:
    interests = rng.sample(list(attributes.INTERESTS.choices), rng.randrange(1, 4))
    return [
        attributes.listed(attributes.DIET, rng.choice(list(attributes.DIET.choices))),
        attributes.listed(attributes.SHIRT, rng.choice(list(attributes.SHIRT.choices))),
        attributes.listed(attributes.INTERESTS, *interests),
    ]
