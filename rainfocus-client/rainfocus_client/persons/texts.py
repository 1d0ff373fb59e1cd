"""Texts as people see them."""

from __future__ import annotations

import re

_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
    "\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\u2800\u3164\ufeff\uffa0\ufff9-\ufffb]"
)
_JOINER = re.compile("(?<![\u0600-\U0010ffff])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\U0010ffff])")
"""Arabic and Indic writing and emoji need joiners between their characters; nobody else does."""


def visible(text: str) -> str:
    """A text without blanks around it and without invisible characters anywhere."""
    if not (text.isascii() and text.isprintable()):
        text = _JOINER.sub("", _INVISIBLE.sub("", text))
    return text.strip()


def counted(number: int, one: str, many: str) -> str:
    """A number of things, in words."""
    return f"{number:,} {one if number == 1 else many}"
