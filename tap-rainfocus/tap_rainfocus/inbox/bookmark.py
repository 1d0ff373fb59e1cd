"""What a bookmark knows of its inbox, so that another one behind the same URL is noticed."""

from __future__ import annotations

import hashlib
import typing as t

from tap_rainfocus.inbox.tables import MOST_ROWS
from tap_rainfocus.schema.values import rfc3339

if t.TYPE_CHECKING:
    from tap_rainfocus.inbox.models import InboxRow
    from tap_rainfocus.inbox.store import Inbox


class Known(t.NamedTuple):
    """What a bookmark knows of its inbox.

    Attributes:
        identity: Of the inbox, if it had one.
        row: The sequence of the last row that was read, 0 if unknown.
        mark: What tells that row from one that takes its place.
    """

    identity: str | None = None
    row: int = 0
    mark: str | None = None

    @classmethod
    def read(cls, said: object) -> t.Self:
        """From a state; of what cannot be, nothing is known."""
        match said:
            case {"identity": str() | None as identity, "row": int(row), "mark": str(mark)}:
                return cls(identity, row if 0 < row < MOST_ROWS else 0, mark)
            case {"identity": str() as identity}:
                return cls(identity)
            case _:
                return cls()

    def differs(self, inbox: Inbox, identity: str | None, after: int, last: int) -> str | None:
        """Why this is not the inbox as it is now, if there is a sign of that."""
        if self.identity and identity and self.identity != identity:
            return "The inbox is another one than in the run before."
        if not self.row:
            return None
        is_beyond = self.identity is not None and after > last
        oldest, row = inbox.read(0, 1), inbox.last_row(after)
        is_pruned = not oldest or oldest[0].sequence > after
        is_same = row is not None and marked(row) == {"row": self.row, "mark": self.mark}
        if is_beyond or not (is_same or is_pruned or inbox.is_forgotten(self.row)):
            return "The inbox has been put back to an earlier state since the run before."
        return None


def marked(row: InboxRow) -> dict[str, object]:
    """The sequence of a row, and what tells it from one that takes its place."""
    content = f"{rfc3339(row.received_at)} {row.transmission_id} {row.payload}"
    return {"row": row.sequence, "mark": hashlib.sha256(content.encode()).hexdigest()[:16]}
