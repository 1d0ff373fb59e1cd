"""An event of the inbox as a record of the stream `experience_events`."""

from __future__ import annotations

import typing as t

from tap_rainfocus.schema import unread, xdm
from tap_rainfocus.schema.names import fold_key
from tap_rainfocus.schema.values import rfc3339
from tap_rainfocus.schema.xdm import EXPERIENCE_NAMES

if t.TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tap_rainfocus.schema.destinations import Shaped

SEQUENCE = "inboxSequence"

OURS = frozenset({"_id", SEQUENCE, unread.FIELD})
"""Fields that are the stream's own, whatever a payload calls so."""


def with_groups_first(payload: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The payload with its groups in front, so that what stands in them counts most.

    Fields that are the stream's own are not the payload's.
    """
    fields = ((key, value) for key, value in payload.items() if key not in OURS)
    return dict(sorted(fields, key=lambda field: fold_key(field[0]) not in EXPERIENCE_NAMES))


def event_fields(
    shaped: Shaped, identity: str, received_at: datetime, sequence: int
) -> dict[str, t.Any]:
    """The fields of a record, but for what could not be read.

    Args:
        shaped: What the payload comes to.
        identity: What tells the event from all others.
        received_at: When it was received, UTC; that is its time if it says none.
        sequence: Its place in the inbox.
    """
    groups = shaped.groups
    root = groups.pop(xdm.ROOT.name, {})
    return {
        "_id": identity,
        "timestamp": root.pop("timestamp", rfc3339(received_at)),
        "eventType": root.pop("eventType", None),
        "transmissionId": root.pop("transmissionId", None),
        **{group.name: groups.get(group.name, {}) for group in xdm.EXPERIENCE},
        SEQUENCE: sequence,
        **root,
    }
