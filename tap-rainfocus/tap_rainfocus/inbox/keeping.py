"""What the keeper of an inbox does with it: look, judge again, prune, forget."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime
from functools import partial

import sqlalchemy as sa
from rainfocus_client.errors import StorageCause, StorageError

from tap_rainfocus.inbox.models import (
    CONFLICT,
    EVENT,
    FORGOTTEN,
    Judged,
    Kept,
    KeptRow,
    Message,
    Unread,
)
from tap_rainfocus.inbox.store import KIND, UNREADABLE, Inbox, append_rows, to_utc
from tap_rainfocus.inbox.tables import MOST_ROWS, ROWS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PRUNE_SIZE = 200
"""Rows deleted in a transaction: receivers need not wait long, and a full disk may have room."""

ROWS_AT_ONCE = 50
"""Rows read at a time; each may hold a megabyte."""

_COLUMNS = (ROWS.c.sequence, ROWS.c.received_at, ROWS.c.flow_id, ROWS.c.payload)


class KeptInbox(Inbox):
    """An inbox in the hands of its keeper, which has to be there unless it may be new."""

    def __init__(self, url: str, *, may_be_new: bool = True) -> None:
        """Open the inbox, see `Inbox`; others are kept out of its file.

        Raises:
            SettingsError: The inbox cannot be used.
        """
        super().__init__(url, may_be_new=may_be_new)
        self._database.keep_others_out()

    def rows(self, *, readable: bool | None = None, after: int = 0) -> Iterator[KeptRow]:
        """The rows, in order, those that are readable or those that are not; all by default.

        Raises:
            StorageError: The inbox cannot be read.
        """
        kind = sa.case((ROWS.c.readable, EVENT), else_=KIND)
        chosen = {None: sa.or_(ROWS.c.readable, UNREADABLE), True: ROWS.c.readable}
        query = sa.select(*_COLUMNS, kind).where(chosen.get(readable, UNREADABLE))
        query = query.order_by(ROWS.c.sequence).limit(ROWS_AT_ONCE)
        while found := self._database.read(partial(_all, query.where(ROWS.c.sequence > after))):
            after = found[-1][0]
            yield from (KeptRow(number, to_utc(when), *rest) for number, when, *rest in found)

    def judge(self, row: KeptRow, messages: list[Message]) -> Judged:
        """Keep what a row comes to now, behind all others; a row that is no event stays.

        Raises:
            StorageError: The inbox cannot be written; the row is still there.
        """
        try:
            return self._database.write(partial(_judge, row, messages))
        except _StillUnreadError:
            return Judged.UNREAD

    def unread(self, after: int) -> Unread:
        """What a tap has yet to read that has read up to a sequence.

        Raises:
            StorageError: The inbox cannot be read.
        """
        chosen = ROWS.c.readable & (ROWS.c.sequence > after)
        count = self._database.read(
            lambda connection: connection.scalar(sa.select(sa.func.count()).where(chosen)) or 0
        )
        first = self.read(after, 1)
        return Unread(count, *(first[0][:2] if first else (None, None)))

    def size(self) -> int:
        """How many bytes the inbox takes on the disk.

        Raises:
            StorageError: The inbox cannot be read.
        """
        return self._database.size(ROWS.name)

    def forget(self, sequences: Iterable[int]) -> None:
        """Remove what is kept under these sequences, but for a mark that there was something.

        Raises:
            StorageError: Not all could be removed, or a log still holds it.
        """
        numbers = list(sequences)
        if not numbers:  # perhaps a log still holds what was removed before
            self._database.erase(lambda _: None)
        for begin in range(0, len(numbers), PRUNE_SIZE):
            chosen = ROWS.c.sequence.in_(numbers[begin : begin + PRUNE_SIZE])
            mark = (
                sa.update(ROWS)
                .where(chosen)
                .values(
                    key=f"{FORGOTTEN}:" + sa.cast(ROWS.c.sequence, sa.String),
                    fingerprint="",
                    flow_id=None,
                    transmission_id=None,
                    readable=False,
                    payload="",
                )
            )
            self._database.erase(partial(_execute, mark))

    def prune(
        self,
        *,
        before: datetime | None = None,
        sequence: int | None = None,
        unreadable: bool = False,
    ) -> int:
        """Remove the rows received before a time, and up to a sequence; says how many.

        Args:
            before: The time, if it matters.
            sequence: The last one that may go, if it matters.
            unreadable: Whether what is unreadable goes as well.

        Raises:
            StorageError: Not all could be removed.
        """
        chosen = _chosen(before, sequence)
        return sum(self._remove(chosen if unreadable else sa.and_(chosen, ~UNREADABLE)))

    def unreadable(self, *, before: datetime | None = None, sequence: int | None = None) -> int:
        """How many unreadable rows were received before a time, and up to a sequence.

        Raises:
            StorageError: The inbox cannot be read.
        """
        query = sa.select(sa.func.count()).where(_chosen(before, sequence), UNREADABLE)
        return self._database.read(lambda connection: connection.scalar(query) or 0)

    def vacuum(self) -> None:
        """Give back the disk that removed rows took.

        Raises:
            StorageError: It cannot be done now.
        """
        self._database.vacuum(ROWS.name)

    def _remove(self, chosen: sa.ColumnElement[bool]) -> Iterator[int]:
        """Remove the rows, a few at a time, fewer where the disk is too full; says how many each.

        Raises:
            StorageError: Not all could be removed.
        """
        size, last = PRUNE_SIZE, 0
        while True:
            # What is removed goes through the write-ahead log: its room is all there may be.
            self._database.checkpoint()
            try:
                found = self._database.write(partial(_remove, chosen, last, size))
            except StorageError as error:
                if error.cause is not StorageCause.DISK or size == 1:
                    raise
                size = max(size // 4, 1)
                continue
            if not found:
                return
            last = max(found)
            yield len(found)


class _StillUnreadError(Exception):
    """A row comes to nothing else than before."""


def _all(query: sa.Select[t.Any], connection: sa.Connection) -> Sequence[t.Any]:
    return connection.execute(query).all()


def _execute(statement: sa.Update, connection: sa.Connection) -> None:
    connection.execute(statement)


def _judge(row: KeptRow, messages: list[Message], connection: sa.Connection) -> Judged:
    same = (ROWS.c.sequence == row.sequence) & (ROWS.c.payload == row.payload)
    if not connection.execute(sa.delete(ROWS).where(same)).rowcount:  # forgotten or judged since
        raise _StillUnreadError
    kept = append_rows(connection, messages, row.received_at)
    if any(
        message.readable and one is Kept.NEW for message, one in zip(messages, kept, strict=True)
    ):
        return Judged.NEW
    if row.kind == CONFLICT or not all(message.readable for message in messages):
        raise _StillUnreadError
    return Judged.KNOWN


def _chosen(before: datetime | None, sequence: int | None) -> sa.ColumnElement[bool]:
    """The rows received before a time, and up to a sequence, of those that matter."""
    chosen = ROWS.c.sequence > 0
    if before is not None:
        # Whatever its time, nothing goes before what stands in front of it: the bookmark of a tap
        # knows its inbox by the last row that it has read.
        newer = sa.select(sa.func.min(ROWS.c.sequence)).where(
            ROWS.c.received_at >= before.astimezone(UTC), ROWS.c.sequence > 0
        )
        chosen &= ROWS.c.sequence < sa.func.coalesce(newer.scalar_subquery(), MOST_ROWS)
    if sequence is not None:
        chosen &= ROWS.c.sequence <= sequence
    return chosen


def _remove(
    chosen: sa.ColumnElement[bool], after: int, size: int, connection: sa.Connection
) -> Sequence[int]:
    """Remove the first rows of those chosen that stand after a sequence; gives their sequences."""
    some = sa.select(ROWS.c.sequence).where(chosen, ROWS.c.sequence > after)
    some = some.order_by(ROWS.c.sequence).limit(size)
    delete = sa.delete(ROWS).where(ROWS.c.sequence.in_(some.scalar_subquery()))
    return connection.execute(delete.returning(ROWS.c.sequence)).scalars().all()
