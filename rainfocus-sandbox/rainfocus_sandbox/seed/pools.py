"""Names, companies and places to draw from, made by Faker."""

from __future__ import annotations

import re
import typing as t
import unicodedata
from dataclasses import dataclass
from functools import cache

if t.TYPE_CHECKING:
    from random import Random

    from faker import Faker

_NAMES = 120
_COMPANIES = 40
_PLACES = 60
_TEXTS = 80
_RESERVED_DOMAINS = ("example.com", "example.org", "example.net")


@dataclass(frozen=True, slots=True)
class Country:
    """A country that attendees come from, with its weight among them."""

    alpha2: str
    alpha3: str
    name: str
    locale: str
    calling_code: int
    language: str
    weight: int


COUNTRIES = (
    Country("US", "USA", "United States", "en_US", 1, "en", 52),
    Country("CA", "CAN", "Canada", "en_CA", 1, "en", 8),
    Country("GB", "GBR", "United Kingdom", "en_GB", 44, "en", 8),
    Country("DE", "DEU", "Germany", "de_DE", 49, "de", 7),
    Country("FR", "FRA", "France", "fr_FR", 33, "fr", 5),
    Country("ES", "ESP", "Spain", "es_ES", 34, "es", 4),
    Country("NL", "NLD", "Netherlands", "nl_NL", 31, "nl", 3),
    Country("BR", "BRA", "Brazil", "pt_BR", 55, "pt", 4),
    Country("MX", "MEX", "Mexico", "es_MX", 52, "es", 3),
    Country("IN", "IND", "India", "en_IN", 91, "en", 4),
    Country("AU", "AUS", "Australia", "en_AU", 61, "en", 2),
)


@dataclass(frozen=True, slots=True)
class Company:
    """A company and its mail domain, which lies under a reserved one."""

    name: str
    domain: str


@dataclass(frozen=True, slots=True)
class Address:
    """An address; `state` is there for the United States and Canada only."""

    street: str
    city: str
    zip: str
    state: str | None


@dataclass(frozen=True, slots=True)
class Locality:
    """What people of one country are called and where they live and work."""

    country: Country
    first_names: t.Sequence[str]
    last_names: t.Sequence[str]
    companies: t.Sequence[Company]
    places: t.Sequence[Address]


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who attends or speaks."""

    first_name: str
    last_name: str
    company: Company
    job_title: str
    place: Address
    country: Country


class Pools:
    """Everything that Faker is asked for; drawing from it is cheap."""

    def __init__(self, seed: int) -> None:
        """Fill the pools from `seed`."""
        fake = _faker("en_US", seed)
        self.job_titles = [fake.job() for _ in range(_NAMES)]
        self.phrases = [fake.catch_phrase() for _ in range(_TEXTS)]
        self.paragraphs = [fake.paragraph(nb_sentences=4) for _ in range(_TEXTS)]
        self.sentences = [fake.sentence() for _ in range(_TEXTS)]
        self.company_names = [fake.company() for _ in range(_TEXTS)]
        self._localities = [_locality(country, seed) for country in COUNTRIES]
        self._weights = [country.weight for country in COUNTRIES]

    def person(self, rng: Random) -> Person:
        """Draw a person."""
        (locality,) = rng.choices(self._localities, self._weights)
        return Person(
            first_name=rng.choice(locality.first_names),
            last_name=rng.choice(locality.last_names),
            company=rng.choice(locality.companies),
            job_title=rng.choice(self.job_titles),
            place=rng.choice(locality.places),
            country=locality.country,
        )


@cache
def pools_of(seed: int) -> Pools:
    """Return the pools of `seed`, filled once per process."""
    return Pools(seed)


def slug(text: str) -> str:
    """Return `text` in plain lower-case letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _faker(locale: str, seed: int | str) -> Faker:
    """Return a seeded Faker; importing it takes longer than all else, and only seeding needs it."""
    from faker import Faker  # noqa: PLC0415

    fake = Faker(locale)
    fake.seed_instance(seed)
    return fake


def _locality(country: Country, seed: int) -> Locality:
    fake = _faker(country.locale, f"{seed}:{country.alpha2}")
    return Locality(
        country=country,
        first_names=[fake.first_name() for _ in range(_NAMES)],
        last_names=[fake.last_name() for _ in range(_NAMES)],
        companies=[_company(fake) for _ in range(_COMPANIES)],
        places=[_place(fake, country) for _ in range(_PLACES)],
    )


def _company(fake: Faker) -> Company:
    name = fake.company()
    return Company(name, f"{slug(name)[:40].strip('-')}.{fake.random_element(_RESERVED_DOMAINS)}")


def _place(fake: Faker, country: Country) -> Address:
    state = None
    if country.alpha2 == "US":
        state = fake.state_abbr(include_territories=False, include_freely_associated_states=False)
        postcode = fake.postcode_in_state(state)
    elif country.alpha2 == "CA":
        state = fake.province_abbr()
        postcode = fake.postalcode_in_province(state)
    else:
        postcode = fake.postcode()
    return Address(fake.street_address().replace("\n", ", "), fake.city(), postcode, state)
