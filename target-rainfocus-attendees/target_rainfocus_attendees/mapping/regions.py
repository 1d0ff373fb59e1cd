"""Countries and states by the codes that the Attendee Store takes."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import pycountry

_COUNTRY_ALIASES = {
    "uk": "GB",
    "great britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "u.k.": "GB",
    "u.s.": "US",
    "u.s.a.": "US",
    "russia": "RU",
    "turkey": "TR",
    "vatican city": "VA",
    "vatican": "VA",
    "palestine": "PS",
    "macau": "MO",
    "brunei": "BN",
    "ivory coast": "CI",
    "cape verde": "CV",
    "uae": "AE",
    "democratic republic of the congo": "CD",
    "republic of the congo": "CG",
    "swaziland": "SZ",
    "east timor": "TL",
    "hong kong sar": "HK",
    "macedonia": "MK",
    "burma": "MM",
    "micronesia": "FM",
    "holland": "NL",
    "republic of korea": "KR",
    "dr congo": "CD",
}
"""What people write and ISO 3166-1 does not list."""

_OUTLYING = {
    "US": {"FM": "Micronesia, Federated States of", "MH": "Marshall Islands", "PW": "Palau"},
    "CA": {},
}
"""The countries whose states have codes, with the codes that FIPS 5-2 knows beyond ISO 3166-2."""

STATE_COUNTRIES = tuple(_OUTLYING)

LONGEST_CODE = 3

_STATE_ALIASES = {
    "US": {"d.c.": "DC", "washington dc": "DC", "washington d.c.": "DC", "washington, dc": "DC"},
    "CA": {"newfoundland": "NL", "pei": "PE", "yukon territory": "YT"},
}


@lru_cache(maxsize=4096)
def country_code(text: str) -> str | None:
    """The ISO 3166-1 alpha-2 code of a country given as a code of letters or an English name.

    A number is none: what a column of numbers holds are most likely keys of somebody's table.
    """
    name = _plain_name(text)
    return _countries().get(name) or _countries().get(name.removeprefix("the "))


def is_country_name(text: str) -> bool:
    """Whether a country is given by more than its code, so that it is not easily another's."""
    return len(text) > LONGEST_CODE


@lru_cache(maxsize=4096)
def state_code(text: str, country: str | None) -> str | None:
    """The two-letter code of a state or province of the US or Canada.

    States of other countries are given back as they are. Where no country is known, `US-UT` and
    the like can be told, other subdivisions are given back as they are, and what is none is None:
    a column `state` holds the status of a record often.
    """
    prefix, dash, rest = text.upper().partition("-")
    if dash and prefix in _OUTLYING and country in {prefix, None}:
        country, text = prefix, rest
    if country is None:
        return text if _plain_name(text) in _subdivisions() else None
    if country not in _OUTLYING:
        return text
    return _states(country).get(_plain_name(text))


@lru_cache
def _countries() -> dict[str, str]:
    """Codes and English names, folded → code."""
    found = dict(_COUNTRY_ALIASES)
    for country in pycountry.countries:
        for kind in ("alpha_2", "alpha_3", "name", "official_name", "common_name"):
            if name := getattr(country, kind, None):
                found[_plain_name(name)] = country.alpha_2
    return found


@lru_cache
def _states(country: str) -> dict[str, str]:
    """The states of a country: code and English name, folded → code."""
    names = dict(_OUTLYING[country])
    for state in pycountry.subdivisions.get(country_code=country):  # type: ignore[no-untyped-call]
        names[state.code.removeprefix(f"{country}-")] = state.name
    found = {_plain_name(key): code for code, name in names.items() for key in (code, name)}
    return found | _STATE_ALIASES[country]


@lru_cache
def _subdivisions() -> frozenset[str]:
    """The subdivisions of all countries: names and ISO 3166-2 codes, and the states' own codes."""
    names = {_plain_name(key) for one in pycountry.subdivisions for key in (one.code, one.name)}
    return frozenset(names.union(*map(_states, _OUTLYING)))


def _plain_name(text: str) -> str:
    """A name without accents, and without regard to case and the kind of apostrophe."""
    apart = unicodedata.normalize("NFKD", text.replace("\u2019", "'"))
    return "".join(char for char in apart if not unicodedata.combining(char)).casefold().strip()
