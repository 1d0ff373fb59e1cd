"""Values of which only the form is left, to be shown."""

from __future__ import annotations

import string
import typing as t

from rainfocus_client.persons.identities import is_hash

if t.TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 20
"""Characters of a text, or entries of a list, that are kept."""

_KEPT = frozenset(string.punctuation + " ")


def masked(fields: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The same fields, and no value of them."""
    return {name: mask(value) for name, value in fields.items()}


def mask(value: object) -> object:
    """A text with `x` or `X` for each letter and 0 for each digit, cut; any other value as none."""
    if isinstance(value, str):
        cut = value[:LONGEST]
        # Where a hash has letters and where digits would tell whose it is.
        form = "x" * LONGEST if is_hash(value) else "".join(map(_mask_character, cut))
        return f"{form}…" if len(value) > LONGEST else form
    if isinstance(value, list):
        return [mask(one) for one in value[:LONGEST]]
    return type(value)()


def _mask_character(character: str) -> str:
    if character in _KEPT:
        return character
    if character.isnumeric():
        return "0"
    return "X" if character.isupper() else "x"
