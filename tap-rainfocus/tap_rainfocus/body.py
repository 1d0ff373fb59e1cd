"""Reads reply bodies: all of it, or just enough to ask for the next page."""

from __future__ import annotations

import re
import typing as t

import orjson

LARGE = 1 << 16
"""Bytes from which parsing a body takes long enough to ask for the next page before."""

_CURSOR = re.compile(rb'"cursor"\s*:\s*("(?:[^"\\]|\\.)+")')


def parse(content: bytes) -> object:
    """The JSON value in a body, None where it is not JSON."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


def guess_cursor(content: bytes) -> str | None:
    """The cursor of a large page that has not been parsed yet, if there is only one it can be."""
    if len(content) < LARGE or content.count(b'"cursor"') != 1:
        return None
    found = _CURSOR.search(content)
    return t.cast("str | None", parse(found[1])) if found else None
