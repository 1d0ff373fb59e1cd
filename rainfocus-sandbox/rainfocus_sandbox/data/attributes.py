"""The customer's custom attributes: ids, codes, labels and choices."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import lru_cache

from rainfocus_sandbox.data.ids import generator, made_id

_MADE_MS = 1_704_880_800_000


@dataclass(frozen=True, slots=True)
class Attribute:
    """A custom attribute; `choices` maps each value to its attribute-value id."""

    attribute_id: str
    code: str
    name: str
    choices: t.Mapping[str, str]


def _attribute(number: int, code: str, name: str, *values: str) -> Attribute:
    rng = generator("attribute", code)
    made_ms = _MADE_MS + number * 60_000
    return Attribute(
        attribute_id=made_id(made_ms, 1, rng),
        code=code,
        name=name,
        choices={v: made_id(made_ms, 2 + n, rng) for n, v in enumerate(values)},
    )


DIET = _attribute(1, "diet", "Dietary needs", "None", "Vegan", "Vegetarian", "Halal", "Gluten free")
SHIRT = _attribute(2, "shirtSize", "T-shirt size", "S", "M", "L", "XL")
INTERESTS = _attribute(3, "interests", "Interests", "AI", "Analytics", "Cloud", "Data", "Security")
TRACK = _attribute(4, "track", "Track", "AI", "Analytics", "Cloud", "Data", "Security")
LEVEL = _attribute(5, "level", "Technical level", "Beginner", "Intermediate", "Advanced")
SPONSORSHIP = _attribute(6, "sponsorLevel", "Sponsorship level", "Gold", "Silver", "Bronze")

BY_CODE = {a.code: a for a in (DIET, SHIRT, INTERESTS, TRACK, LEVEL, SPONSORSHIP)}
BY_NAME = {a.name: a for a in BY_CODE.values()}


@lru_cache(maxsize=1000)
def attribute_of(code: str) -> Attribute:
    """Return the attribute `code`; one that nobody has set up is labelled by its code."""
    return BY_CODE.get(code) or _attribute(0, code, code)


def listed(attribute: Attribute, *values: t.Any) -> dict[str, t.Any]:  # noqa: ANN401
    """Return one entry of `attributes[]`, the first shape of docs/rainfocus-api.md §4.2.

    Assumption: several values of one attribute stand comma-separated in `value`, a single one
    stands there as it is, text, number or boolean.
    """
    return {
        "attributeId": attribute.attribute_id,
        "name": attribute.name,
        "code": attribute.code,
        "value": values[0] if len(values) == 1 else ", ".join(map(str, values)),
        "attributeValues": [{"value": value} for value in values],
    }
