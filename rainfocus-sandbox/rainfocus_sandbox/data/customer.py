"""The made-up RainFocus customer: its org id, its events and its API profiles."""

from __future__ import annotations

from dataclasses import dataclass

ORG_ID = "acme"
CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105
API_PROFILE = "sandboxprofile"
EVENT_API_PROFILE = "sandboxprofilesummit25"


@dataclass(frozen=True, slots=True)
class Event:
    """An event, named in calls by its code."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class APIProfile:
    """An API profile: either client credentials or a token, and the one event it sees, if bound.

    `name` is what the API log and the endpoint switches call it; it is no secret.
    """

    name: str
    client_id: str | None = None
    client_secret: str | None = None
    token: str | None = None
    event: str | None = None


LAST_YEAR = Event("summit25", "Acme Summit 2025")
THIS_YEAR = Event("summit26", "Acme Summit 2026")
EVENTS = (LAST_YEAR, THIS_YEAR)


@dataclass(frozen=True, slots=True)
class Widget:
    """The public catalogue of an event, by the two ids in its page's requests."""

    event: str
    profile_id: str
    widget_id: str


WIDGETS = tuple(
    Widget(event.code, f"catalogue{event.code}", f"widget{event.code}") for event in EVENTS
)

PROFILES = (
    APIProfile("oauth-global", client_id=CLIENT_ID, client_secret=CLIENT_SECRET),
    APIProfile("api-global", token=API_PROFILE),
    APIProfile("api-summit25", token=EVENT_API_PROFILE, event=LAST_YEAR.code),
)
