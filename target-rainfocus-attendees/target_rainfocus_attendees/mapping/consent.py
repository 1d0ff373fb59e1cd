"""Whether a person agreed to be sent."""

from __future__ import annotations

import typing as t

from target_rainfocus_attendees.mapping.columns import value_at

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_rainfocus_attendees.mapping.columns import Path


class Consent:
    """Knows which value of which field means yes."""

    def __init__(self, path: Path, values: Iterable[object]) -> None:
        """Compare the value at `path` with `values` as trimmed text, whatever its case."""
        self._path = path
        self._values = {_answer(value) for value in values}

    def given(self, record: Mapping[str, t.Any]) -> bool:
        """Whether the record says yes; one that says nothing does not."""
        value = value_at(record, self._path)
        return isinstance(value, str | bool | int | float) and _answer(value) in self._values


def _answer(value: object) -> str:
    return str(value).strip().casefold()
