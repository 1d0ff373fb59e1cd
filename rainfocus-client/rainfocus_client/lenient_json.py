"""Reads and writes JSON fast; leniently where it is not quite JSON, exactly where that is asked."""

from __future__ import annotations

import json
import re

import orjson
import simplejson

LEAST_INTEGER, MOST_INTEGER = -(2**63), 2**64 - 1
"""The whole numbers that orjson reads without loss, and writes."""

_BYTE_ORDER_MARK = "\ufeff"

_LONG_NUMBER = r"[:\[,]\s*-?(?:[0-9.]{17,}|[0-9.]+[eE])"
_LONG_IN_TEXT = re.compile(_LONG_NUMBER)
_LONG_IN_BYTES = re.compile(_LONG_NUMBER.encode())


def parse_json(text: bytes | str, *, replace: bool = True, exact: bool = False) -> object:
    """The value of a JSON text.

    A byte order mark, a byte that is not UTF-8 and half a surrogate pair do not make a text
    unreadable, nor does a number that JSON does not know, such as NaN.

    Args:
        text: The text.
        replace: Whether half a surrogate pair, or a byte that is not UTF-8, becomes a replacement
            character or half a surrogate pair.
        exact: Whether a number keeps every digit: it may be a whole number of any size, or a
            Decimal where it is long.

    Raises:
        ValueError: It is not JSON.
    """
    is_long = exact and _has_long_number(text)
    try:
        return simplejson.loads(text, use_decimal=True) if is_long else orjson.loads(text)
    except ValueError:
        errors = "replace" if replace else "surrogateescape"
        decoded = text.decode("utf-8", errors) if isinstance(text, bytes) else text
        try:
            value = simplejson.loads(
                decoded.removeprefix(_BYTE_ORDER_MARK), use_decimal=exact, allow_nan=True
            )
        except RecursionError as error:
            msg = "it is nested too deep"
            raise ValueError(msg) from error
        if not replace:
            return value
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def dump_json(value: object) -> bytes:
    """The JSON text of a value, and a line feed; of what `parse_json` gives, every digit."""
    try:
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # a long number, or half of a surrogate pair
        return f"{simplejson.dumps(value, use_decimal=True, ignore_nan=True)}\n".encode()


def _has_long_number(text: bytes | str) -> bool:
    if isinstance(text, bytes):
        return _LONG_IN_BYTES.search(text) is not None
    return _LONG_IN_TEXT.search(text) is not None


def parse_body(content: bytes) -> object:
    """The JSON value in a reply, None where it is not JSON."""
    try:
        return parse_json(content)
    except ValueError:
        return None
