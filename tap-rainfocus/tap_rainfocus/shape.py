"""Turns a record as RainFocus sends it into the groups of the XDM shape."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_rainfocus.xdm import Group

Reader: t.TypeAlias = "Callable[[object], t.Any]"
Destination: t.TypeAlias = "tuple[str, str, Reader | None]"

_GENERIC = frozenset({"attributes", "code", "description", "externalid", "name", "status", "url"})
"""Names that mean nothing without their group."""


class Shaper:
    """Reads records of one stream, by the declarations of its groups.

    A key is known by its letters and digits alone, with or without the name of its group in
    front. What no group knows goes to the first group under its own name.
    """

    def __init__(
        self,
        groups: tuple[Group, ...],
        attribute_codes: tuple[str, ...] = (),
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare for these groups.

        Args:
            groups: The stream's groups; the first one is the record's own.
            attribute_codes: Custom attributes that are fields of the first group.
            warn: Called once for every field that held a value which could not be read.
        """
        self._main = groups[0].name
        self._groups = {group.name: group for group in groups}
        self._known = self._index(groups)
        self._attribute_codes = attribute_codes
        self._warn = warn
        self._destinations: dict[tuple[str, str], Destination] = {}
        self._warned: set[str] = set()

    def __call__(self, raw: Mapping[str, t.Any]) -> dict[str, dict[str, t.Any]]:
        """The record's groups; null and empty values are left out.

        A value that cannot be read becomes null.
        """
        shaped: dict[str, dict[str, t.Any]] = {self._main: {}}
        self._read(raw, shaped, "")
        if self._attribute_codes:
            self._promote(shaped[self._main])
        return shaped

    def _read(
        self, raw: Mapping[str, t.Any], shaped: dict[str, dict[str, t.Any]], within: str
    ) -> None:
        for key, value in raw.items():
            if value is None or value == "":
                continue
            if not within and key in self._groups and isinstance(value, dict):
                self._read(value, shaped, key)
                continue
            destination = self._destinations.get((within, key))
            if destination is None:
                destination = self._destinations[within, key] = self._find(within, key)
            group_name, name, read = destination
            group = shaped.setdefault(group_name, {})
            regular = value
            if read is not None:
                try:
                    regular = read(value)
                except ValueError:
                    self._tell(f"{group_name}.{name}")
                    group.setdefault(name, None)
                    continue
            if group.get(name) is None:
                group[name] = regular
            elif group[name] != regular:
                group.setdefault(key, value)

    def _find(self, within: str, key: str) -> Destination:
        letters = _letters(key).removeprefix(within)
        return self._known.get((within, letters)) or (within or self._main, key, None)

    def _promote(self, group: dict[str, t.Any]) -> None:
        attributes = group.get("attributes") or []
        for code in self._attribute_codes:
            found = [
                entry["value"]
                for entry in attributes
                if code in {entry["code"], entry["name"]} and entry["value"] is not None
            ]
            if found and group.get(code) is None:
                group[code] = "; ".join(found)

    def _tell(self, field: str) -> None:
        if field not in self._warned:
            self._warned.add(field)
            self._warn(field)

    @staticmethod
    def _index(groups: tuple[Group, ...]) -> dict[tuple[str, str], Destination]:
        known: dict[tuple[str, str], Destination] = {}
        flat: dict[str, list[Destination]] = {}
        for group in groups:
            for field in group.fields:
                destination = (group.name, field.name, field.kind.read)
                for letters in map(_letters, (field.name, *field.aliases)):
                    own = letters.removeprefix(group.name)
                    known.setdefault((group.name, own), destination)
                    known.setdefault(("", group.name + own), destination)
                    if group is groups[0] or letters not in _GENERIC:
                        flat.setdefault(letters, []).append(destination)
        for letters, (first, *others) in flat.items():
            if not others or first[0] == groups[0].name:
                known["", letters] = first
        return known


def _letters(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())
