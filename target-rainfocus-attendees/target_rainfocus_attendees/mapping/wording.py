"""Names as messages show them: in one line, however odd they are."""

from __future__ import annotations

import json
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Sequence

MOST_SHOWN = 30
"""Names that a message lists."""

_SEPARATORS = frozenset(',;"←')


def shown(name: str) -> str:
    """A name as it is, or in quotes where it could not be seen, or told from its neighbours."""
    is_plain = name and name == name.strip() and name.isprintable() and _SEPARATORS.isdisjoint(name)
    return name if is_plain else json.dumps(name, ensure_ascii=not name.isprintable())


def listed(names: Sequence[str]) -> str:
    """Names in a row; of many the first ones, and how many more there are."""
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(map(shown, names[:MOST_SHOWN])) + more
