"""Texts that a spreadsheet took for numbers: repaired where only one reading is possible."""

from __future__ import annotations

import re

WIDTH = 5

FIXED_WIDTH = frozenset({"DE", "ES", "FI", "FR", "IT", "KR", "MX", "PR", "US"})
"""Countries whose postal codes have five digits, often 0 in front (Universal Postal Union)."""

LEAST_DIGITS = 3
"""What is left of a postal code without its zeros; shorter numbers are most likely none."""

_QUOTED = re.compile(r"""'(?=[+\d])|="(?=[+\d][^"]*"$)""")
_POINT_ZERO = re.compile(r"([+-]?\d+)\.0+")
_EXPONENT = re.compile(r"([+-]?)(\d)(?:\.(\d+))?[eE]\+?(\d+)")
_DIGITS = re.compile(r"\d+")
_ZIP_PLUS_4 = re.compile(r"(\d{3,5})-?(\d{4})")

_MANGLED = re.compile(r"['=]|[+-]?\d[\d.]*[.eE]")
"""The beginning of whatever is repaired: what none of the patterns above matches is most texts."""


def phone_number(text: str) -> str | None:
    """A phone number as it was before a spreadsheet read it; None where its digits are lost."""
    return _whole_number(text)


def entity_id(text: str) -> str | None:
    """An id as it was before a spreadsheet read it; None where its digits are lost.

    A text such as `5E12` is an id: spreadsheets write `5E+12`.
    """
    return text if text.isalnum() else _whole_number(text)


def postal_code(text: str, country: str | None) -> str | None:
    """A postal code as it was before a spreadsheet read it; None where that cannot be told.

    Args:
        text: As given.
        country: ISO 3166-1 alpha-2, without which zeros in front are not known to be missing.
    """
    if len(text) == WIDTH and text.isdecimal():
        return text
    code = _whole_number(text)
    if code is None or country not in FIXED_WIDTH or not code[:1].isdigit():
        return code
    if country == "US" and (plus_4 := _ZIP_PLUS_4.fullmatch(code)):
        whole = len(plus_4[1]) == WIDTH
        return code if whole else f"{plus_4[1].zfill(WIDTH)}-{plus_4[2]}"
    if not _DIGITS.fullmatch(code):
        return code
    return code.zfill(WIDTH) if LEAST_DIGITS <= len(code) <= WIDTH else None


def _whole_number(text: str) -> str | None:
    if not _MANGLED.match(text):
        return text
    if quoted := _QUOTED.match(text):
        text = text[quoted.end() :].removesuffix('"')
    if point_zero := _POINT_ZERO.fullmatch(text):
        return point_zero[1]
    if exponent := _EXPONENT.fullmatch(text):
        sign, first, rest, places = exponent.groups(default="")
        return f"{sign}{first}{rest}" if len(rest) == int(places) else None
    return text
