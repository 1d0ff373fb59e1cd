"""The outbox: events that wait to be pushed, the profile they are pushed by, and the tally."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

import orjson

from rainfocus_sandbox.webhooks.integration import Integration

if t.TYPE_CHECKING:
    from rainfocus_sandbox.data.merge import Record
    from rainfocus_sandbox.data.store import Store


@dataclass(frozen=True, slots=True)
class Tally:
    """What has become of the pushes.

    Attributes:
        waiting: How many events have not been taken yet.
        sent: How many events the endpoint has taken.
        failed: How many attempts have failed.
        last_failure: What the last of them failed with.
    """

    waiting: int
    sent: int
    failed: int
    last_failure: str


class Outbox:
    """The outbox in the database, so that it outlives the server."""

    def __init__(self, store: Store) -> None:
        """Keep events in `store`."""
        self._store = store

    def integration(self) -> Integration | None:
        """Return the Integration Profile, if one is set."""
        with self._store.transaction() as db:
            found = db.execute("SELECT url, flow_id, token, timeout_s FROM integration").fetchone()
        return Integration(*found) if found else None

    def set_integration(self, integration: Integration | None) -> None:
        """Push by `integration` from now on, or not at all; what waits goes on waiting."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM integration")
            if integration:
                db.execute(
                    "INSERT INTO integration VALUES (1, ?, ?, ?, ?)",
                    (
                        integration.url,
                        integration.flow_id,
                        integration.token,
                        integration.timeout,
                    ),
                )

    def tally(self) -> Tally:
        """Return what has become of the pushes."""
        with self._store.transaction() as db:
            return Tally(
                *db.execute(
                    "SELECT (SELECT count(*) FROM outbox), sent, failed, last_failure "
                    "FROM push_tally"
                ).fetchone()
            )

    def put(self, event: Record) -> None:
        """Append `event`, best in the transaction of what it tells of."""
        with self._store.transaction() as db:
            db.execute(
                "INSERT INTO outbox (transmission_id, body) VALUES (?, ?)",
                (event["transmissionId"], orjson.dumps(event)),
            )

    def is_empty(self) -> bool:
        """Tell whether nothing waits."""
        return self.first(frozenset()) is None

    def first(self, held: t.AbstractSet[str]) -> str | None:
        """Return the transmission id of the event that has waited longest, beside those `held`."""
        with self._store.transaction() as db:
            waiting = db.execute(
                "SELECT transmission_id FROM outbox ORDER BY position LIMIT ?", (len(held) + 1,)
            ).fetchall()
        return next((name for (name,) in waiting if name not in held), None)

    def body(self, transmission_id: str) -> bytes | None:
        """Return the event as JSON, if it still waits."""
        with self._store.transaction() as db:
            found = db.execute(
                "SELECT body FROM outbox WHERE transmission_id = ?", (transmission_id,)
            ).fetchone()
        return found[0] if found else None

    def sent(self, transmission_id: str) -> None:
        """Let go of an event that the endpoint has taken."""
        with self._store.transaction() as db:
            gone = db.execute("DELETE FROM outbox WHERE transmission_id = ?", (transmission_id,))
            db.execute("UPDATE push_tally SET sent = sent + ?", (gone.rowcount,))

    def failed(self, transmission_id: str, failure: str) -> int:
        """Count an attempt that failed and return how many have, of this event."""
        with self._store.transaction() as db:
            found = db.execute(
                "UPDATE outbox SET attempts = attempts + 1 WHERE transmission_id = ? "
                "RETURNING attempts",
                (transmission_id,),
            ).fetchall()
            db.execute(
                "UPDATE push_tally SET failed = failed + ?, last_failure = ?",
                (len(found), failure),
            )
        return found[0][0] if found else 0
