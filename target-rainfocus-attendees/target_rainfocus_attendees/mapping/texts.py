"""Values as text: trimmed, without what nobody sees, and none where they only say so."""

from __future__ import annotations

import math
import re
import typing as t
from decimal import Decimal

import orjson

if t.TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

NULL_VALUES = (
    *("NULL", "null", "(null)", "<null>", "None", "nan", "NaN", r"\N"),
    *("N/A", "n/a", "#N/A", "#n/a", "-", "--", "—"),
    *("#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#ERROR!", "#SPILL!", "#CALC!"),
)
"""What databases, pandas and spreadsheets write for nothing. Neither `NA`, which is Namibia, nor
the names `Null` and `Nan` are in it."""

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


def to_text(value: object, null_values: AbstractSet[str]) -> str | None:
    """A text or number as text, empty where there is nothing; None where it is neither.

    Args:
        value: Of a record, not null.
        null_values: Words for nothing.
    """
    if isinstance(value, str):
        text = visible(value)
        if text in null_values:
            return ""
        return text if text.isascii() or _is_unicode(text) else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return None
    return str(int(value) if value == int(value) else value)


def is_json_document(text: str) -> bool:
    """Whether a text is a JSON object or array, and nothing to be shown to people."""
    try:
        return isinstance(orjson.loads(text), dict | list)
    except ValueError:
        return False


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
