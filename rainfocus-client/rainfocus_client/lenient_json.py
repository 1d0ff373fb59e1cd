"""Reads JSON fast, and leniently where it is not quite JSON."""

from __future__ import annotations

import json

import orjson

LEAST_INTEGER, MOST_INTEGER = -(2**63), 2**64 - 1
"""The whole numbers that orjson reads without loss, and writes."""

_BYTE_ORDER_MARK = "\ufeff"


def parse_json(text: bytes | str, *, replace: bool = True) -> object:
    """The value of a JSON text.

    A byte order mark, a byte that is not UTF-8 and half a surrogate pair do not make a text
    unreadable, nor does a number that JSON does not know, such as NaN.

    Args:
        text: The text.
        replace: Whether half a surrogate pair, or a byte that is not UTF-8, becomes a replacement
            character or half a surrogate pair.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        errors = "replace" if replace else "surrogateescape"
        decoded = text.decode("utf-8", errors) if isinstance(text, bytes) else text
        try:
            value = json.loads(decoded.removeprefix(_BYTE_ORDER_MARK))
        except RecursionError as error:
            msg = "it is nested too deep"
            raise ValueError(msg) from error
        if not replace:
            return value
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def parse_body(content: bytes) -> object:
    """The JSON value in a reply, None where it is not JSON."""
    try:
        return parse_json(content)
    except ValueError:
        return None
