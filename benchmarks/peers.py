"""What the readers share: the reshaping of this project."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Callable

Record: t.TypeAlias = dict[str, t.Any]

# A peer's environment has no tap: what that depends on would stand in the peer's way.
sys.path.append(str(Path(__file__).parents[1] / "tap-rainfocus"))


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
