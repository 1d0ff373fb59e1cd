"""Whether a person agreed to be sent."""

from __future__ import annotations

import re
import typing as t

from target_rainfocus_attendees.mapping.columns import value_at
from target_rainfocus_attendees.mapping.texts import to_text

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_rainfocus_attendees.mapping.columns import Path

_POINT_ZERO = re.compile(r"(?<=\d)\.0+$")


class Consent:
    """Knows which value of which field means yes."""

    def __init__(self, path: Path, values: Iterable[object]) -> None:
        """Compare the value at `path` with `values` as text, whatever its case; 1.0 is 1."""
        self._path = path
        self._values = {_answer(value) for value in values} - {None}

    def given(self, record: Mapping[str, t.Any]) -> bool:
        """Whether the record says yes; one that says nothing does not."""
        value = value_at(record, self._path)
        return _answer(value) in self._values if value is not None else False


def _answer(value: object) -> str | None:
    text = str(value) if isinstance(value, bool) else to_text(value, frozenset())
    return _POINT_ZERO.sub("", text.casefold()) if text else None
