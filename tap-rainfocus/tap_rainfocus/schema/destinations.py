"""Where the values of a record go, and what it comes to."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable

Groups: t.TypeAlias = dict[str, dict[str, t.Any]]

UNREADABLE = (ValueError, TypeError, OverflowError, RecursionError)
"""What readers raise; some where a value is nested too deep, or beyond all times."""


class Shaped(t.NamedTuple):
    """What a record comes to.

    Attributes:
        groups: Its groups; null and empty values are left out, and what cannot be read is null.
        unread: What cannot be read, as it came: dotted field → value. A second spelling of a
            field is numbered.
    """

    groups: Groups
    unread: dict[str, object]


class Destination(t.NamedTuple):
    """Where a key's value goes.

    Attributes:
        group: The group.
        name: The field; None where the key is a group itself.
        read: How the value is read; None where it is passed through.
        is_text: Whether a string is regular as it is.
        rank: How good the key's name is: 0 the field's own, 1 another spelling of it, 2 an alias.
        is_left_out: Whether no group knows the key and none is open for it.
    """

    group: str
    name: str | None
    read: Callable[[object], t.Any] | None
    is_text: bool = False
    rank: int = 1
    is_left_out: bool = False


def dotted(group: str, name: str) -> str:
    """The full name of a field."""
    return f"{group}.{name}" if group else name
