"""Seeds the whole database: last year's event in full, this year's just opened."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from rainfocus_sandbox.data.customer import EVENTS, PROFILES
from rainfocus_sandbox.data.ids import generator
from rainfocus_sandbox.data.store import StoredRow
from rainfocus_sandbox.seed.attendees import attendees
from rainfocus_sandbox.seed.calendar import SUMMIT_25, SUMMIT_26, Plan
from rainfocus_sandbox.seed.expo import exhibitors, leads
from rainfocus_sandbox.seed.pools import pools_of
from rainfocus_sandbox.seed.program import sessions, speakers

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rainfocus_sandbox.data.merge import Record
    from rainfocus_sandbox.data.store import Store
    from rainfocus_sandbox.seed.pools import Pools
    from rainfocus_sandbox.seed.sizes import Sizes

_LEAD_FIELDS = ("attendeeId", "email", "firstname", "lastname", "companyname")


def seed(store: Store, sizes: Sizes) -> None:
    """Replace all that `store` holds by the conference of that size."""
    store.clear()
    pools = pools_of(sizes.seed)
    _seed_event(store, SUMMIT_25, sizes, pools)
    just_opened = replace(sizes, attendees=25, sessions=12, exhibitors=8, leads=0, speakers=10)
    _seed_event(store, SUMMIT_26, just_opened, pools)
    store.found(EVENTS, PROFILES)


def _seed_event(store: Store, plan: Plan, sizes: Sizes, pools: Pools) -> None:
    code = plan.event.code
    on_stage = speakers(plan, sizes.speakers, pools, sizes.seed)
    program = sessions(plan, sizes.sessions, on_stage, pools, sizes.seed)
    stands = exhibitors(plan, sizes.exhibitors, pools, sizes.seed)
    has_scans = sizes.attendees and sizes.exhibitors
    rng = generator(sizes.seed, code, "scans")
    scans = rng.choices(range(sizes.attendees), k=sizes.leads) if has_scans else []
    scanned: dict[int, Record] = {scan: {} for scan in scans}

    people = attendees(plan, sizes.attendees, pools, sizes.seed)
    store.add(code, "attendee", _noting(people, scanned))
    store.add(code, "session", _rows(program, plan))
    store.add(code, "exhibitor", _rows(stands, plan))
    store.add(code, "speaker", _rows(on_stage, plan))
    store.add(
        code, "lead", leads(plan, [scanned[scan] for scan in scans], stands, pools, sizes.seed)
    )


def _noting(people: Iterable[StoredRow], scanned: dict[int, Record]) -> Iterator[StoredRow]:
    """Pass `people` on, noting what leads repeat of those who were scanned."""
    for number, row in enumerate(people):
        if number in scanned:
            scanned[number] = {name: row.body[name] for name in _LEAD_FIELDS}
        yield row


def _rows(records: Iterable[Record], plan: Plan) -> Iterator[StoredRow]:
    return (StoredRow(record, plan.closes_ms) for record in records)
