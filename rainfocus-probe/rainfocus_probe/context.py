"""What a check works with: whom to ask, about which event, and what earlier checks have found."""

from __future__ import annotations

import secrets
import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from rainfocus_client.auth import Credentials
    from rainfocus_client.connection import Connection

    from rainfocus_probe.asking import Asker, Reply
    from rainfocus_probe.records import Record
    from rainfocus_probe.settings import ProbeSettings

ATTENDEES = "attendee/search"


@dataclass
class Known:
    """What earlier checks have found, for later ones.

    Attributes:
        event_parameter: What names the event; None where it is not named at all.
        reads: A call that answers.
        attendees: The call that reads attendees; None where none does.
        clock: The server's clock on a first page, milliseconds since 1970.
        sample: Some attendees, as they came; never told.
        wrong_event: How a made-up event is answered.
        unknown_call: How a call that nobody has is answered.
    """

    event_parameter: str | None = None
    reads: str = ATTENDEES
    attendees: str | None = None
    clock: int | None = None
    sample: list[Record] = field(default_factory=list)
    wrong_event: Reply | None = None
    unknown_call: Reply | None = None


@dataclass(frozen=True)
class Context:
    """All that a check works with.

    Attributes:
        made_up: An event code that nobody has.
        write_to: The address of the one profile that may be written; None for nobody.
        sample_path: A file with a push.
    """

    settings: ProbeSettings
    connection: Connection
    credentials: Credentials
    asker: Asker
    event: str
    write_to: str | None = None
    sample_path: str | None = None
    known: Known = field(default_factory=Known)
    made_up: str = field(default_factory=lambda: f"rfprobe{secrets.token_hex(4)}")

    def get(self, call: str, **params: str | int) -> Reply:
        """Make a read call that names no event."""
        return self.asker.ask("GET", self.connection.url(call), call, params=params)

    def read(self, call: str, **params: str | int) -> Reply:
        """Make a read call about the event, named as found."""
        parameter = self.known.event_parameter
        return self.get(call, **params, **({parameter: self.event} if parameter else {}))
