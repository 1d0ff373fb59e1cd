"""The forms in which a profile may have to be written, the likeliest first."""

from __future__ import annotations

import itertools
import typing as t

from rainfocus_client.settings.declarations import settings_schema
from rainfocus_client.settings.sources import with_defaults
from target_rainfocus_attendees.delivery.attendee_store import StoreCall
from target_rainfocus_attendees.settings import SETTINGS, TargetSettings

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rainfocus_probe.context import Context
    from rainfocus_probe.findings import Settings

PATHS = (
    "v3/attendee/store",
    "v2/attendee/store",
    "v3/attendeeStore/store",
    "v3/attendee/upsert",
    "v2/attendee/update",
)
WRAPPERS = (None, "attendee", "data", "profile", "fields")
HEADERS = ("X-Event", "rfEvent")
PLACES = ("query", "body", "header")


class Form(t.NamedTuple):
    """One form: the path, where the event stands, under which name, and what is around it all."""

    path: str
    place: str
    parameter: str | None
    wrapper: str | None

    def setting(self, event_parameter: str) -> dict[str, t.Any]:
        """The setting `store` that makes the target write like this; empty for its defaults.

        Args:
            event_parameter: What the setting of that name says.
        """
        made: dict[str, t.Any] = {}
        if self.path != PATHS[0]:
            made["path"] = self.path
        if self.place != PLACES[0]:
            made["event_in"] = self.place
        if self.parameter not in {None, event_parameter}:
            made["event_parameter"] = self.parameter
        if self.wrapper:
            made["wrapper"] = self.wrapper
        return made


def forms(parameters: list[str], *, is_bound: bool) -> Iterator[Form]:
    """All forms: those that differ in the fewest points from what is assumed come first.

    Args:
        parameters: Names that the event may go by, the likeliest first.
        is_bound: Whether reads did not name the event either.
    """
    places: list[tuple[str, str | None]] = [(place, parameters[0]) for place in PLACES]
    none: tuple[str, str | None] = ("none", None)
    places.insert(0 if is_bound else len(places), none)
    places += [(place, name) for name in parameters[1:] for place in PLACES]
    places += [("header", name) for name in HEADERS]
    sizes = (len(PATHS), len(places), len(WRAPPERS))
    for numbers in sorted(itertools.product(*map(range, sizes)), key=_oddity):
        path, place, wrapper = numbers
        yield Form(PATHS[path], *places[place], WRAPPERS[wrapper])


def store_call(context: Context, event_parameter: str, store: Settings) -> StoreCall:
    """The call that the target would make with a setting `store`."""
    own = context.settings
    given = {
        "org_id": own.org_id,
        "environment": own.environment,
        "api_url": own.api_url,
        "event_code": context.event,
        "event_parameter": event_parameter,
        "store": dict(store),
    }
    return StoreCall(TargetSettings.from_config(with_defaults(given, settings_schema(SETTINGS))))


def _oddity(numbers: tuple[int, ...]) -> tuple[int, int]:
    return sum(map(bool, numbers)), sum(numbers)
