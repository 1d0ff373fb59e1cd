"""Countries and states by the codes that the Attendee Store takes."""

from __future__ import annotations

from functools import lru_cache

import pycountry

_COUNTRY_ALIASES = {
    "uk": "GB",
    "great britain": "GB",
    "u.s.": "US",
    "u.s.a.": "US",
    "russia": "RU",
    "turkey": "TR",
}
"""What people write and ISO 3166-1 does not list."""

_OUTLYING = {
    "US": {"FM": "Micronesia, Federated States of", "MH": "Marshall Islands", "PW": "Palau"},
    "CA": {},
}
"""The countries whose states have codes, with the codes that FIPS 5-2 knows beyond ISO 3166-2."""


@lru_cache(maxsize=4096)
def country_code(text: str) -> str | None:
    """The ISO 3166-1 alpha-2 code of a country given as a code or an English name."""
    if alias := _COUNTRY_ALIASES.get(text.casefold()):
        return alias
    try:
        return str(pycountry.countries.lookup(text).alpha_2)
    except LookupError:
        return None


@lru_cache(maxsize=4096)
def state_code(text: str, country: str | None) -> str | None:
    """The two-letter code of a state or province of the US or Canada.

    States of other countries are given back as they are. Where no country is known, only
    `US-UT` and the like can be told.
    """
    prefix, dash, rest = text.upper().partition("-")
    if dash and prefix in _OUTLYING and country in {prefix, None}:
        country, text = prefix, rest
    if country not in _OUTLYING:
        return text
    return _states(country).get(text.casefold())


@lru_cache
def _states(country: str) -> dict[str, str]:
    """The states of a country: code and English name, case-folded → code."""
    names = dict(_OUTLYING[country])
    for state in pycountry.subdivisions.get(country_code=country):  # type: ignore[no-untyped-call]
        names[state.code.removeprefix(f"{country}-")] = state.name
    return {key.casefold(): code for code, name in names.items() for key in (code, name)}
