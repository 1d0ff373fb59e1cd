"""The expo: exhibitors, and the leads they scanned (docs/rainfocus-api.md §4.5, §4.6)."""

from __future__ import annotations

import typing as t

from rainfocus_sandbox.data import attributes
from rainfocus_sandbox.data.clock import iso
from rainfocus_sandbox.data.ids import generator, made_id
from rainfocus_sandbox.data.store import StoredRow
from rainfocus_sandbox.seed.pools import slug
from rainfocus_sandbox.seed.untidy import EXHIBITOR, LEAD, untidy

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rainfocus_sandbox.data.merge import Record
    from rainfocus_sandbox.seed.calendar import Plan
    from rainfocus_sandbox.seed.pools import Pools

_SOURCES = ("Badge scan", "Booth form", "Session scan")
_DAY_MS = 24 * 3600 * 1000


def exhibitors(plan: Plan, total: int, pools: Pools, seed: int) -> list[Record]:
    """Make the exhibitors."""
    rng = generator(seed, plan.event.code, "exhibitor")
    made = []
    for number in range(total):
        name = rng.choice(pools.company_names)
        record: Record = {
            "exhibitorId": made_id(plan.made_ms(number, total), number, rng),
            "externalId": f"{rng.getrandbits(40):010X}",
            "code": f"EXH{100 + number}",
            "name": name,
            "description": f"<p>{rng.choice(pools.paragraphs)}</p>",
            "published": rng.random() < 0.95,  # noqa: PLR2004
            "url": f"https://{slug(name)}.example.com",
            "booth": [{"name": f"{100 + number}", "boothLocation": f"Hall {number % 4 + 1}"}],
            "attributes": [
                attributes.listed(
                    attributes.SPONSORSHIP, rng.choice(list(attributes.SPONSORSHIP.choices))
                )
            ],
        }
        made.append(untidy(record, EXHIBITOR, rng))
    return made


def leads(
    plan: Plan, attendees: Sequence[Record], exhibitors: Sequence[Record], pools: Pools, seed: int
) -> Iterator[StoredRow]:
    """Make one lead of each of `attendees`.

    Assumption: no public source shows a lead read in bulk (docs/rainfocus-api.md §4.6). The record
    is flat and repeats what a lead table needs of the attendee and the exhibitor.
    """
    rng = generator(seed, plan.event.code, "lead")
    for number, attendee in enumerate(attendees):
        exhibitor = rng.choice(exhibitors)
        made_ms = plan.closes_ms + 3 * _DAY_MS + number * 3 * _DAY_MS // len(attendees)
        modified_ms = made_ms + rng.randrange(_DAY_MS)
        record: Record = {
            "leadId": made_id(made_ms, number, rng),
            **attendee,
            "exhibitorId": exhibitor["exhibitorId"],
            "exhibitorName": exhibitor["name"],
            "note": rng.choice(pools.sentences),
            "source": rng.choice(_SOURCES),
            "hotLead": "true" if rng.random() < 0.2 else "false",  # noqa: PLR2004
            "createDate": iso(made_ms),
            "modifiedDate": iso(modified_ms),
        }
        yield StoredRow(
            untidy(record, LEAD, rng), modified_ms, attendee["attendeeId"], attendee["email"]
        )
