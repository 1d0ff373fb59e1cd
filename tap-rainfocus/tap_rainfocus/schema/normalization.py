"""Turns a record as RainFocus sends it into the groups of the XDM shape."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain, count

from tap_rainfocus.schema.destinations import UNREADABLE, Destination, Shaped, dotted
from tap_rainfocus.schema.names import fold_key
from tap_rainfocus.schema.plans import Plan
from tap_rainfocus.schema.values import join_choices, read_attributes, read_choices, read_text
from tap_rainfocus.schema.xdm import EVENT

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_rainfocus.schema.xdm import Field, Group

_Elsewhere: t.TypeAlias = tuple[str, str, str, t.Any]
"""A group that stands in another one, or under another spelling: where, its key, its name, and
what it holds."""

MOST_KEYS = 10_000
"""Keys of a group that are remembered; whoever sends more makes up their names."""

MOST_PLANS, LONGEST_PLAN = 1000, 200
"""Sets of keys that are remembered, and keys in one."""

LONGEST_KEY = 200
"""Characters of a key that is remembered."""

_ATTRIBUTES = "attributes"

_GENERIC = frozenset(
    {"attributes", "code", "description", "externalid", "id", "name", "status", "url"}
)
"""Names that mean nothing without their group."""


class Normalizer:
    """Reads records of one stream, by the declarations of its groups.

    What stands in a group counts more than what stands beside it.

    A key is known by its letters and digits alone, with or without the name of its group in
    front. What no group knows goes to the first group under its own name, if that is open. A
    first group without a name is the record itself; then a key of another group is known only
    with that in front.

    Attributes:
        left_out: The fields, dotted, that no group knows and that had no open one to go to.
    """

    def __init__(self, groups: tuple[Group, ...], attribute_codes: tuple[str, ...] = ()) -> None:
        """Prepare for these groups.

        Args:
            groups: The stream's groups; the first one is the record's own.
            attribute_codes: Custom attributes that are fields of their own, where a group has
                them as such.
        """
        self.left_out: set[str] = set()
        self._main = groups[0].name
        self._known = self._index(groups)
        self._attributes = [
            attributes
            for group in groups
            if (attributes := _Attributes.of(group, frozenset(attribute_codes)))
        ]
        self._groups = {group.name for group in groups}
        self._inside = tuple(group.name for group in groups if group.name)
        self._open = {group.name for group in groups if group.is_open and group.name}
        self._whole = {g.name for g in groups if not any(field.is_hidden for field in g.fields)}
        self._read_unknown = {group.name: group.read_unknown for group in groups}
        # A key of the record itself may belong to any group, whatever it is called.
        if all(group.is_open for group in groups if group.name != EVENT.name):
            self._open.add("")
        # How each key was found to be read, per group it stands in; "" is the record itself.
        self._destinations: dict[str, dict[str, Destination | None]] = {
            within: {} for within in ("", *self._groups)
        }
        self._plans: dict[tuple[str, ...], Plan | None] = {}

    def __call__(self, raw: Mapping[str, t.Any]) -> Shaped:
        """Read a record."""
        keys = tuple(raw)
        try:
            plan = self._plans[keys]
        except KeyError:
            plan = self._make_plan(keys)
        if plan:
            shaped = plan.read(raw)
            for key, group in plan.left_out:
                if raw[key] not in (None, ""):
                    self._leave_out(group, key)
        else:
            shaped = self._read_key_by_key(raw)
        for attributes in self._attributes:
            attributes.settle(shaped)
        return shaped

    def _make_plan(self, keys: tuple[str, ...]) -> Plan | None:
        if len(keys) > LONGEST_PLAN or any(len(key) > LONGEST_KEY for key in keys):
            return None
        if len(self._plans) >= MOST_PLANS:
            self._plans.clear()
        plan = Plan.of(self._main, {key: self._destination("", key) for key in keys})
        self._plans[keys] = plan
        return plan

    def _read_key_by_key(self, raw: Mapping[str, t.Any]) -> Shaped:
        shaped = Shaped(defaultdict(dict, {self._main: {}}), {})
        elsewhere: list[_Elsewhere] = []
        there = [group for group in self._inside if isinstance(raw.get(group), dict)]
        for group in there:
            self._read(raw[group], shaped, group, elsewhere)
        self._read(raw, shaped, "", elsewhere)
        # One that is read may hold others.
        for within, key, name, value in elsewhere:
            if name in there or (within and shaped.groups.get(name)):
                self._leave(value, shaped, name, within, key)
                continue
            there.append(name)
            if isinstance(value, dict):
                self._read(value, shaped, name, elsewhere)
            else:
                self._leave(value, shaped, name, "", name)
        return shaped

    def reads(self, within: str, key: str) -> bool:
        """Whether a key in a group, or in the record itself ("" then), is read."""
        destination = self._destination(within, key)
        if destination and destination.is_left_out:
            self._leave_out(destination.group, key)
            return False
        return destination is not None

    def _destination(self, within: str, key: str) -> Destination | None:
        try:
            return self._destinations[within][key]
        except KeyError:
            return self._remember(within, key)

    def _remember(self, within: str, key: str) -> Destination | None:
        destinations = self._destinations[within]
        if len(key) > LONGEST_KEY:
            return self._find(within, key)
        if len(destinations) >= MOST_KEYS:
            destinations.clear()
        destinations[key] = self._find(within, key)
        return destinations[key]

    def _read(
        self,
        raw: Mapping[str, t.Any],
        shaped: Shaped,
        within: str,
        elsewhere: list[_Elsewhere],
    ) -> None:
        groups = shaped.groups
        destinations = self._destinations[within]
        for key, value in raw.items():
            if value is None or value == "":
                continue
            try:
                destination = destinations[key]
            except KeyError:
                destination = self._remember(within, key)
            if destination is None:
                continue
            group_name, name, read, is_text, _, is_left_out = destination
            if is_left_out:
                self._leave_out(group_name, key)
                continue
            if name is None:
                # One that stands beside the others has been read before them.
                if within or key != group_name or not isinstance(value, dict):
                    elsewhere.append((within, key, group_name, value))
                continue
            regular = value
            if read is not None and not (is_text and type(value) is str):
                regular = _read_or_keep(read, value, shaped.unread, dotted(group_name, name))
            if groups[group_name].setdefault(name, regular) is not regular:
                self._join(raw, within, key, regular, shaped)

    def _leave(self, value: object, shaped: Shaped, name: str, within: str, key: str) -> None:
        """Keep what is no group, or a second one: fields of two are never mixed."""
        if name in self._whole:
            read = self._read_unknown[name]
            _keep(shaped.unread, dotted(within, key), read(value) if read else value)
        else:
            self._leave_out(within, key)

    def _leave_out(self, group: str, key: str) -> None:
        if len(self.left_out) < MOST_KEYS and len(key) <= LONGEST_KEY:
            self.left_out.add(dotted(group, key))

    def _join(
        self,
        raw: Mapping[str, t.Any],
        within: str,
        key: str,
        regular: object,
        shaped: Shaped,
    ) -> None:
        """Put up with a second spelling of a field.

        The better name counts, then the first that can be read; the other one stays under the
        name it came with, or unread. Lists of custom attributes become one.
        """
        destinations = self._destinations[within]
        destination = t.cast("Destination", destinations[key])
        group, name = shaped.groups[destination.group or self._main], destination.name or key
        first = group[name]
        if first is None:
            group[name] = regular
        elif regular is None or _are_equal(first, regular):
            return
        elif destination.read is read_attributes:
            group[name] = first + [
                entry for entry in t.cast("list[t.Any]", regular) if entry not in first
            ]
        else:
            worse = (
                other
                for other in raw
                if (found := destinations.get(other))
                and found.rank > destination.rank
                and found[:2] == destination[:2]
                and _are_equal(_readable(found.read, raw.get(other)), first)
            )
            if (other := next(worse, None)) is not None:
                group[name], regular, key = regular, first, other
            second = regular if isinstance(raw[key], dict | list) else raw[key]
            if {within, destination.group} <= self._open and key not in group:
                group[key] = second
            else:
                _keep(shaped.unread, dotted(destination.group, key), second)

    def _find(self, within: str, key: str) -> Destination | None:
        letters = fold_key(key).removeprefix(within)
        if letters and (within, letters) in self._known:
            found = self._known[within, letters]
            return found._replace(rank=0) if found and key == found.name else found
        if (name := fold_key(key)) and name in self._groups:
            return Destination(name, None, None)
        elsewhere = "", name
        if elsewhere in self._known and self._known[elsewhere] is None:
            return None
        if within in self._open:
            group = within or self._main
            return Destination(group, key, self._read_unknown[group])
        return Destination(within or self._main, key, None, is_left_out=True)

    @staticmethod
    def _index(groups: tuple[Group, ...]) -> dict[tuple[str, str], Destination | None]:
        """The destinations by where a key stands and its letters; None for hidden fields."""
        known: dict[tuple[str, str], Destination | None] = {}
        flat: dict[str, list[tuple[str, Destination | None]]] = {}
        for group in groups:
            for field in group.fields:
                for name in (field.name, *field.aliases):
                    letters = fold_key(name)
                    destination = (
                        None
                        if _is_unwanted(group, field)
                        else Destination(
                            group.name,
                            field.name,
                            field.kind.read,
                            is_text=field.kind.read is read_text,
                            rank=1 if name is field.name else 2,
                        )
                    )
                    own = letters.removeprefix(group.name)
                    known.setdefault((group.name, own), destination)
                    known.setdefault(("", group.name + own), destination)
                    known.setdefault(("", group.name + letters), destination)
                    if group is groups[0] or (groups[0].name and letters not in _GENERIC):
                        flat.setdefault(letters, []).append((group.name, destination))
        for letters, ((group_name, destination), *others) in flat.items():
            if not others or group_name == groups[0].name:
                known["", letters] = destination
        return known


def _keep(unread: dict[str, object], field: str, value: object) -> None:
    numbered = (f"{field} {number}" for number in count(2))
    unread[next(name for name in chain([field], numbered) if name not in unread)] = value


@dataclass(frozen=True, slots=True)
class _Attributes:
    """What is to be done with the custom attributes of a group once it is read."""

    group: str
    promoted: tuple[str, ...]
    removed: frozenset[str]
    is_hidden: bool

    @classmethod
    def of(cls, group: Group, codes: frozenset[str]) -> _Attributes | None:
        """For a group, if there is anything to be done."""
        hidden = [field for field in group.fields if field.is_hidden]
        promoted = tuple(
            field.name
            for field in group.fields
            if field.kind.read is read_choices and field.name in codes and not field.is_hidden
        )
        if not (promoted or hidden):
            return None
        removed = {fold_key(name) for field in hidden for name in (field.name, *field.aliases)}
        is_hidden = any(field.name == _ATTRIBUTES for field in hidden)
        return cls(group.name, promoted, frozenset(removed), is_hidden)

    def settle(self, shaped: Shaped) -> None:
        """Make fields of those that are to be some, and take out what is hidden."""
        group = shaped.groups.get(self.group)
        if group is None:
            return
        attributes = group.get(_ATTRIBUTES) or []
        for code in self.promoted:
            found = [e for e in attributes if e["code"] == code and e["value"] is not None]
            if found and group.get(code) is None:
                group[code] = join_choices(found)
        if self.is_hidden:
            group.pop(_ATTRIBUTES, None)
        elif self.removed and attributes:
            group[_ATTRIBUTES] = [e for e in attributes if not self._is_removed(e)]
        if self.removed:  # which of them an unreadable list holds, nobody knows
            for field in [f for f in shaped.unread if f.startswith(f"{self.group}.{_ATTRIBUTES}")]:
                del shaped.unread[field]

    def _is_removed(self, entry: Mapping[str, str | None]) -> bool:
        return fold_key(entry["code"] or entry["name"] or "") in self.removed


def _is_unwanted(group: Group, field: Field) -> bool:
    """Whether nothing is to be read of a field; hidden attributes may hold others that are not."""
    if field.name != _ATTRIBUTES:
        return field.is_hidden
    return field.is_hidden and not any(
        other.kind.read is read_choices and not other.is_hidden for other in group.fields
    )


def _read_or_keep(
    read: Callable[[object], t.Any], value: object, unread: dict[str, object], field: str
) -> object:
    try:
        return read(value)
    except UNREADABLE:
        _keep(unread, field, value)
        return None


def _readable(read: Callable[[object], t.Any] | None, value: object) -> object:
    """The value as it is read; None where it cannot be."""
    try:
        return read(value) if read else value
    except UNREADABLE:
        return None


def _are_equal(one: object, other: object) -> bool:
    try:
        return one == other
    except RecursionError:
        return False
