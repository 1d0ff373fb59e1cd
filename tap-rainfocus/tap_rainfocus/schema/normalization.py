"""Turns a record as RainFocus sends it into the groups of the XDM shape."""

from __future__ import annotations

import typing as t

from tap_rainfocus.schema.values import read_attributes, read_choices, read_text

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_rainfocus.schema.xdm import Group

Groups: t.TypeAlias = dict[str, dict[str, t.Any]]


_GENERIC = frozenset({"attributes", "code", "description", "externalid", "name", "status", "url"})
"""Names that mean nothing without their group."""


_NOWHERE = "\0"
"""The group of what is left out; no group is called that."""


class Destination(t.NamedTuple):
    """Where a key's value goes.

    Attributes:
        group: The group.
        name: The field; None where the key is a group itself.
        read: How the value is read; None where it is passed through.
        is_text: Whether a string is regular as it is.
        rank: How good the key's name is: 0 the field's own, 1 another spelling of it, 2 an alias.
    """

    group: str
    name: str | None
    read: Callable[[object], t.Any] | None
    is_text: bool = False
    rank: int = 1


class Normalizer:
    """Reads records of one stream, by the declarations of its groups.

    A key is known by its letters and digits alone, with or without the name of its group in
    front. What no group knows goes to the first group under its own name. A first group without
    a name is the record itself; then a key of another group is known only with that in front.
    """

    def __init__(
        self,
        groups: tuple[Group, ...],
        attribute_codes: tuple[str, ...] = (),
        warn: Callable[[str], None] = lambda _: None,
        leave_out: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare for these groups.

        Args:
            groups: The stream's groups; the first one is the record's own.
            attribute_codes: Custom attributes that are fields of their own, where a group has
                them as such.
            warn: Called once for every field that held a value which could not be read.
            leave_out: Called once for every field that no group knows, which is then left out;
                without it such fields are passed through.
        """
        self._main = groups[0].name
        self._known = self._index(groups)
        self._promoted = {
            group.name: codes
            for group in groups
            if (codes := _promoted(group, frozenset(attribute_codes)))
        }
        self._warn = warn
        self._leave_out = leave_out
        self._warned: set[str] = set()
        # How each key was found to be read, per group it stands in; "" is the record itself.
        self._groups = {group.name for group in groups}
        self._destinations: dict[str, dict[str, Destination]] = {
            within: {} for within in ("", *self._groups)
        }

    def __call__(self, raw: Mapping[str, t.Any]) -> Groups:
        """The record's groups; null and empty values are left out.

        A value that cannot be read becomes null.
        """
        shaped: Groups = {self._main: {}}
        self._read(raw, shaped, "")
        shaped.pop(_NOWHERE, None)
        for name, codes in self._promoted.items():
            if name in shaped:
                _promote(shaped[name], codes)
        return shaped

    def _read(self, raw: Mapping[str, t.Any], shaped: Groups, within: str) -> None:
        destinations = self._destinations[within]
        for key, value in raw.items():
            if value is None or value == "":
                continue
            destination = destinations.get(key)
            if destination is None:
                destination = destinations[key] = self._find(within, key)
            group_name, name, read, is_text, _ = destination
            if name is None:
                if isinstance(value, dict):
                    self._read(value, shaped, group_name)
                    continue
                group_name, name = within or self._main, key
            regular = value
            if read is not None and not (is_text and type(value) is str):
                try:
                    regular = read(value)
                except (ValueError, TypeError):  # the latter: nested too deep for JSON
                    self._tell(group_name, name)
                    regular = None
            group = shaped.get(group_name)
            if group is None:
                group = shaped[group_name] = {}
            if group.setdefault(name, regular) is not regular:
                self._join(raw, within, key, regular, group)

    def _join(
        self,
        raw: Mapping[str, t.Any],
        within: str,
        key: str,
        regular: object,
        group: dict[str, t.Any],
    ) -> None:
        """Put up with a second spelling of a field.

        The better name counts, then the first that can be read; the other one stays under the
        name it came with. Lists of custom attributes become one.
        """
        destinations = self._destinations[within]
        destination = destinations[key]
        name = destination.name or key
        first = group[name]
        if first is None:
            group[name] = regular
        elif regular is None or first == regular:
            return
        elif destination.read is read_attributes:
            group[name] = first + [
                entry for entry in t.cast("list[t.Any]", regular) if entry not in first
            ]
        else:
            worse = (
                other
                for other, found in destinations.items()
                if found.rank > destination.rank
                and found[:2] == destination[:2]
                and _regular(found, raw.get(other)) == first
            )
            if (other := next(worse, None)) is not None:
                group[name] = regular
                key = other
            if self._leave_out is None:
                group.setdefault(key, raw[key])

    def _find(self, within: str, key: str) -> Destination:
        if key and not within and key in self._groups:
            return Destination(key, None, None)
        letters = fold_key(key).removeprefix(within)
        found = self._known.get((within, letters)) if letters else None
        if found is None:
            return self._unknown(within or self._main, key)
        return found._replace(rank=0) if key == found.name else found

    def _unknown(self, group: str, key: str) -> Destination:
        if self._leave_out is None:
            return Destination(group, key, None)
        self._leave_out(_path(group, key))
        return Destination(_NOWHERE, key, None)

    def _tell(self, group: str, name: str) -> None:
        field = _path(group, name)
        if field not in self._warned:
            self._warned.add(field)
            self._warn(field)

    @staticmethod
    def _index(groups: tuple[Group, ...]) -> dict[tuple[str, str], Destination]:
        known: dict[tuple[str, str], Destination] = {}
        flat: dict[str, list[Destination]] = {}
        for group in groups:
            for field in group.fields:
                for name in (field.name, *field.aliases):
                    letters = fold_key(name)
                    destination = Destination(
                        group.name,
                        field.name,
                        field.kind.read,
                        is_text=field.kind.read is read_text,
                        rank=1 if name is field.name else 2,
                    )
                    own = letters.removeprefix(group.name)
                    known.setdefault((group.name, own), destination)
                    known.setdefault(("", group.name + own), destination)
                    if group is groups[0] or (groups[0].name and letters not in _GENERIC):
                        flat.setdefault(letters, []).append(destination)
        for letters, (first, *others) in flat.items():
            if not others or first.group == groups[0].name:
                known["", letters] = first
        return known


def _path(group: str, name: str) -> str:
    return f"{group}.{name}" if group else name


def _promoted(group: Group, codes: frozenset[str]) -> tuple[str, ...]:
    """Those of the custom attributes that the group has as fields of their own."""
    return tuple(
        field.name
        for field in group.fields
        if field.kind.read is read_choices and field.name in codes
    )


def _promote(group: dict[str, t.Any], codes: tuple[str, ...]) -> None:
    attributes = group.get("attributes") or []
    for code in codes:
        found = [
            entry["value"]
            for entry in attributes
            if code in {entry["code"], entry["name"]} and entry["value"] is not None
        ]
        if found and group.get(code) is None:
            group[code] = "; ".join(found)


def _regular(destination: Destination, value: object) -> object:
    try:
        return destination.read(value) if destination.read else value
    except (ValueError, TypeError):
        return None


def fold_key(key: str) -> str:
    """The letters and digits of a key, in lower case."""
    return "".join(filter(str.isalnum, key.casefold()))
