"""Reads a profile back that was written, by the first way that leads to it."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterator

from rainfocus_probe.records import find_records

if t.TYPE_CHECKING:
    from rainfocus_probe.context import Context
    from rainfocus_probe.records import Record

LOOKS = 3
"""How often a change is looked for."""

SOME = 100
"""Records of what has changed that are looked through."""

Way: t.TypeAlias = Callable[[], Iterator["Record"]]


class ReadBack:
    """Finds the one profile of the probe.

    Attributes:
        attendee_id: As a write told it; None if none did.
        way: How the profile was found; None if it never was.
        can_read: Whether any read was answered, so that a profile that is there would be seen.
    """

    def __init__(self, context: Context, address: str) -> None:
        """Look for this address."""
        self._context = context
        self._address = address.strip().lower()
        self.attendee_id: str | None = None
        self.way: str | None = None
        self.can_read = False

    def find(self) -> Record | None:
        """The profile, if one way leads to it."""
        ways: dict[str, Way] = {"load": self._load, "email": self._search, "since": self._changes}
        first = [self.way] if self.way else []
        for name in dict.fromkeys([*first, *ways]):
            for record in ways[name]():
                if self._address in {str(value).strip().lower() for value in values(record)}:
                    self.way = name
                    return record
        return None

    def await_value(self, wanted: str, looks: int = LOOKS) -> Record | None:
        """The profile, once it has a value; as it was last seen if it never has."""
        record = None
        for look in range(looks):
            if look:
                self._context.asker.sleep(2 * self._context.settings.pace)
            record = self.find()
            if record is not None and has(record, wanted):
                break
        return record

    def _load(self) -> Iterator[Record]:
        if self.attendee_id:
            reply = self._context.read("attendee/load", attendeeId=self.attendee_id)
            self.can_read |= reply.is_good
            yield from _objects(reply.content) if reply.is_good else ()

    def _search(self) -> Iterator[Record]:
        yield from self._found(email=self._address, pageSize=2)

    def _changes(self) -> Iterator[Record]:
        if clock := self._context.known.clock:
            yield from self._found(since=clock, pageSize=SOME)

    def _found(self, **params: str | int) -> Iterator[Record]:
        call = self._context.known.attendees
        if call is None:
            return
        reply = self._context.read(call, **params)
        self.can_read |= reply.is_good
        found = find_records(call, reply) if reply.is_good else None
        yield from found.records if found else ()


def values(value: object) -> Iterator[object]:
    """Every value in a record, however deep."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, list):
            todo += one
        else:
            yield one


def has(record: Record, wanted: str) -> bool:
    """Whether a record has a value anywhere."""
    return wanted in set(map(str, values(record)))


def _objects(body: Record) -> Iterator[Record]:
    yield from (value for value in body.values() if isinstance(value, dict))
    yield body
