"""Reads records that have the same keys at a stroke: where each value goes is known before."""

from __future__ import annotations

import typing as t
from collections import defaultdict

from tap_rainfocus.schema.destinations import UNREADABLE, Shaped, dotted

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_rainfocus.schema.destinations import Destination, Groups

    _Step: t.TypeAlias = tuple[str, str, Callable[[object], t.Any] | None]
    """A key, the name of its field, and how its value is read."""

_REGULAR = frozenset({str, type(None)})
"""What a text may be for it to go out as it is."""


class Plan:
    """What is to be done with a record of certain keys, group by group.

    Attributes:
        left_out: Keys that have no place, and the group in which they would be.
    """

    @classmethod
    def of(cls, main: str, destinations: Mapping[str, Destination | None]) -> Plan | None:
        """The plan for these keys; None where two go to one place, or one is a group.

        Args:
            main: The group that every record has.
            destinations: Where the values of the keys go; None for those that are not read.
        """
        found = {key: to for key, to in destinations.items() if to}
        read = {key: to for key, to in found.items() if not to.is_left_out}
        places = {(to.group, to.name) for to in read.values()}
        if len(places) < len(read) or any(to.name is None for to in read.values()):
            return None
        return cls(main, read, {key: to for key, to in found.items() if to.is_left_out})

    def __init__(
        self, main: str, read: Mapping[str, Destination], left_out: Mapping[str, Destination]
    ) -> None:
        """Sort the keys by group, and those that go out as they are from the others."""
        self._main = main
        self.left_out = [(key, to.group) for key, to in left_out.items()]
        groups: dict[str, tuple[list[_Step], list[_Step]]] = defaultdict(lambda: ([], []))
        for key, to in read.items():
            groups[to.group][to.is_text].append((key, t.cast("str", to.name), to.read))
        self._groups = [
            (group, [key for key, _, _ in texts], [name for _, name, _ in texts], texts, others)
            for group, (others, texts) in groups.items()
        ]

    def read(self, raw: Mapping[str, t.Any]) -> Shaped:
        """Read a record that has these keys."""
        groups: Groups = {self._main: {}}
        unread: dict[str, object] = {}
        for group, keys, names, texts, others in self._groups:
            values = [*map(raw.__getitem__, keys)]
            if _REGULAR.issuperset(map(type, values)):
                fields = {name: value for name, value in zip(names, values, strict=False) if value}
            else:
                fields = {}
                _read(raw, texts, group, fields, unread)
            _read(raw, others, group, fields, unread)
            if fields:
                groups[group] = fields
        return Shaped(groups, unread)


def _read(
    raw: Mapping[str, t.Any],
    steps: list[_Step],
    group: str,
    fields: dict[str, t.Any],
    unread: dict[str, object],
) -> None:
    for key, name, read in steps:
        value = raw[key]
        if value is None or value == "":
            continue
        try:
            fields[name] = read(value) if read else value
        except UNREADABLE:
            fields[name] = None
            unread[dotted(group, name)] = value
