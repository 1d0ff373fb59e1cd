"""Values as text: trimmed, without what nobody sees, and none where they only say so."""

from __future__ import annotations

import math
import typing as t
from decimal import Decimal

import orjson
from rainfocus_client.persons.texts import visible

if t.TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

NULL_VALUES = (
    *("NULL", "null", "(null)", "<null>", "None", "nan", "NaN", r"\N"),
    *("N/A", "n/a", "#N/A", "#n/a", "-", "--", "—"),
    *("#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#ERROR!", "#SPILL!", "#CALC!"),
)
"""What databases, pandas and spreadsheets write for nothing. Neither `NA`, which is Namibia, nor
the names `Null` and `Nan` are in it."""


def to_text(value: object, null_values: AbstractSet[str]) -> str | None:
    """A text or number as text, empty where there is nothing; None where it is neither.

    Args:
        value: Of a record, not null.
        null_values: Words for nothing.
    """
    if isinstance(value, str):
        text = value.strip() if value.isascii() and value.isprintable() else visible(value)
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
