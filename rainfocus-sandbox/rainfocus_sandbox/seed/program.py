"""The programme: sessions, their times and speakers (docs/rainfocus-api.md §4.3, §4.4, §4.7)."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime, time, timedelta, timezone

from rainfocus_sandbox.data import attributes
from rainfocus_sandbox.data.ids import generator, made_id
from rainfocus_sandbox.seed.untidy import SESSION, SPEAKER, untidy

if t.TYPE_CHECKING:
    from random import Random

    from rainfocus_sandbox.data.merge import Record
    from rainfocus_sandbox.seed.calendar import Plan
    from rainfocus_sandbox.seed.pools import Pools

_LAS_VEGAS_IN_SUMMER = timezone(timedelta(hours=-7))
_DAYS = 3
_ROOMS = 24
_TYPES = (("Keynote", "KEY", 90), ("Breakout", "BRK", 45), ("Workshop", "WRK", 60))
_ACCESS = ("1704880800000101Full", "1704880800000102Days", "1704880800000103Expo")


def speakers(plan: Plan, total: int, pools: Pools, seed: int) -> list[Record]:
    """Make the speakers, still without sessions."""
    rng = generator(seed, plan.event.code, "speaker")
    made = []
    for number in range(total):
        person = pools.person(rng)
        made.append(
            {
                "speakerId": made_id(plan.made_ms(number, total), number, rng),
                "firstName": person.first_name,
                "lastName": person.last_name,
                "fullName": f"{person.first_name} {person.last_name}",
                "companyName": person.company.name,
                "jobTitle": person.job_title,
                "bio": f"<p>{rng.choice(pools.paragraphs)}</p>",
                "sessions": [],
            }
        )
    return made


def sessions(
    plan: Plan, total: int, speakers: list[Record], pools: Pools, seed: int
) -> list[Record]:
    """Make the sessions and enter each with its speakers; all of them are untidy afterwards."""
    rng = generator(seed, plan.event.code, "session")
    made = []
    for number in range(total):
        session = _session(plan, number, plan.made_ms(number, total), pools, rng)
        _put_on_stage(session, rng.sample(speakers, min(len(speakers), rng.randrange(1, 4))))
        made.append(session)
    for speaker in speakers:
        untidy(speaker, SPEAKER, rng)
    return [untidy(session, SESSION, rng) for session in made]


def _session(plan: Plan, number: int, made_ms: int, pools: Pools, rng: Random) -> Record:
    kind, prefix, length = rng.choices(_TYPES, (1, 12, 4))[0]
    is_accepted = number % 10 != 9  # noqa: PLR2004
    return {
        "sessionId": made_id(made_ms, number, rng),
        "sessionCode": f"{prefix}{100 + number}",
        "externalId": f"{rng.getrandbits(40):010X}",
        "title": rng.choice(pools.phrases),
        "abstract": f"<p>{rng.choice(pools.paragraphs)} Q&amp;A follows.</p>",
        "status": "Accepted" if is_accepted else rng.choice(("Submitted", "Declined")),
        "published": is_accepted,
        "length": length,
        "type": kind,
        "attendAccess": rng.sample(_ACCESS, rng.randrange(1, 3)),
        "times": [
            _time(plan, made_ms, length, number + repeat, rng)
            for repeat in range(rng.choices((0, 1, 2, 3), (1, 6, 2, 1))[0])
        ],
        "attributes": [
            attributes.listed(attributes.TRACK, *_some(attributes.TRACK, rng)),
            attributes.listed(attributes.LEVEL, rng.choice(list(attributes.LEVEL.choices))),
        ],
    }


def _put_on_stage(session: Record, speakers: list[Record]) -> None:
    """Enter `speakers` with `session`, and the session with each of them."""
    session["participants"] = [
        {
            "fullName": speaker["fullName"],
            "company": speaker["companyName"],
            "jobTitle": speaker["jobTitle"],
            "roles": "Speaker",
        }
        for speaker in speakers
    ]
    for speaker in speakers:
        speaker["sessions"].append(
            {name: session[name] for name in ("sessionId", "title", "published", "status")}
        )


def _time(plan: Plan, made_ms: int, length: int, number: int, rng: Random) -> Record:
    day = plan.first_day + timedelta(days=rng.randrange(_DAYS))
    clock = time(rng.randrange(8, 18), rng.choice((0, 15, 30, 45)))
    start = datetime.combine(day, clock, _LAS_VEGAS_IN_SUMMER)
    end = start + timedelta(minutes=length)
    room = rng.randrange(_ROOMS)
    capacity = rng.choice((40, 80, 150, 400))
    remaining = rng.randrange(capacity)
    return {
        "sessionTimeId": made_id(made_ms + 60_000, number, rng),
        "date": f"{start:%Y-%m-%d}",
        "dayDisplayName": f"{start:%A}, {start:%B} {start.day}",
        "startTime": f"{start:%H:%M}",
        "endTime": f"{end:%H:%M}",
        "utcStartTime": f"{start.astimezone(UTC):%Y/%m/%d %H:%M:%S}",
        "utcEndTime": f"{end.astimezone(UTC):%Y/%m/%d %H:%M:%S}",
        "length": length,
        "room": f"Room {101 + room}",
        "roomId": f"17048808000002{room:02d}Room",
        "capacity": str(capacity),
        "registered": str(capacity - remaining),
        "seatsRemaining": remaining,
    }


def _some(attribute: attributes.Attribute, rng: Random) -> list[str]:
    return rng.sample(list(attribute.choices), rng.randrange(1, 3))
