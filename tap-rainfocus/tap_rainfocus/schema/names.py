"""What makes two spellings the same name."""

from __future__ import annotations


def fold_key(key: str) -> str:
    """The letters and digits of a key, in lower case."""
    return "".join(filter(str.isalnum, key.casefold()))
