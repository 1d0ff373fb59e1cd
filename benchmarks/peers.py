"""What the readers share: which events they read, and the reshaping of this project."""

from __future__ import annotations

import argparse
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Callable

Record: t.TypeAlias = dict[str, t.Any]

# A peer's environment has no tap: what that depends on would stand in the peer's way.
sys.path.append(str(Path(__file__).parents[1] / "tap-rainfocus"))


@dataclass(frozen=True, slots=True)
class Task:
    """What a peer is asked for on its command line."""

    url: str
    """The address of version 3 of the API."""

    events: tuple[str, ...]
    workers: int
    reshape: bool

    def shaping(self, event: str) -> Callable[[Record], Record]:
        """What is done to each record of an event; nothing if no reshaping is asked for."""
        return shaping(event) if self.reshape else lambda raw: raw


def task() -> Task:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("events", type=int, nargs="?", default=1, help="how many: e0, e1, …")
    parser.add_argument("workers", type=int, nargs="?", default=1)
    parser.add_argument("--reshape", action="store_true", help="into what the tap writes")
    given = parser.parse_args()
    return Task(f"{given.url}/acme/v3", codes(given.events), given.workers, given.reshape)


def codes(events: int) -> tuple[str, ...]:
    """The codes of so many events; the page server takes any."""
    return tuple(f"e{number}" for number in range(events))


def shaping(event: str) -> Callable[[Record], Record]:
    """What turns a raw attendee of an event into the record that the tap writes."""
    from tap_rainfocus.schema import xdm
    from tap_rainfocus.schema.normalization import Normalizer

    normalize = Normalizer((xdm.ATTENDEE, xdm.EVENT))

    def shape(raw: Record) -> Record:
        groups = normalize(raw).groups
        return {
            "event_code": event,
            "_id": groups["attendee"]["attendeeId"],
            "timestamp": "2023-04-01T00:39:17.133Z",
            "event": {"code": event},
            **groups,
        }

    return shape
