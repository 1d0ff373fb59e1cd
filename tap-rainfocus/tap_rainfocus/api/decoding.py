"""Reads reply bodies: all of it, or just enough to ask for the next page."""

from __future__ import annotations

import re
import typing as t

from rainfocus_client.lenient_json import parse_json

LARGE = 1 << 16
"""Bytes from which parsing a body takes long enough to ask for the next page before."""

_CURSOR = re.compile(rb'"cursor"\s*:\s*("(?:[^"\\]|\\.)+")')


def parse(content: bytes) -> object:
    """The JSON value in a body, None where it is not JSON."""
    try:
        return parse_json(content)
    except ValueError:
        return None


def guess_cursor(content: bytes) -> str | None:
    """The cursor of a large page that has not been parsed yet: it stands beside the records."""
    if len(content) < LARGE:
        return None
    first, last = content.find(b"["), content.rfind(b"]")
    found = _CURSOR.search(content, 0, max(first, 0)) or _CURSOR.search(content, last)
    return t.cast("str | None", parse(found[1])) if found else None
