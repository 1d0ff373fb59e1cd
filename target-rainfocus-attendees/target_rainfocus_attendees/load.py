"""One run: takes records and states from the input, and sees to it that both agree at the end."""

from __future__ import annotations

import time
import typing as t
from contextlib import suppress

from rainfocus_client.errors import RainFocusError

from target_rainfocus_attendees.attendee_store import AttendeeStore
from target_rainfocus_attendees.checkpoints import Checkpoints
from target_rainfocus_attendees.delivery import Delivery, Item
from target_rainfocus_attendees.profile import InvalidProfileError, read_profile
from target_rainfocus_attendees.summary import Summary

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

    from target_rainfocus_attendees.checkpoints import State
    from target_rainfocus_attendees.columns import Columns

SECONDS_BETWEEN_REPORTS = 10.0


class NotStoredError(RainFocusError):
    """The input was read to its end, but some records are not stored."""


class Load:
    """What one run knows and does; used from one thread."""

    def __init__(
        self,
        settings: Mapping[str, t.Any],
        write_state: Callable[[State], None],
        logger: logging.Logger,
    ) -> None:
        """Send nothing yet."""
        self._delivery = Delivery(lambda: AttendeeStore(settings), settings["concurrency"])
        self._checkpoints = Checkpoints()
        self._summary = Summary(settings["event_code"])
        self._batch_size: int = settings["batch_size_rows"]
        self._in_batch = 0
        self._write_state = write_state
        self._logger = logger
        self._next_report = time.monotonic() + SECONDS_BETWEEN_REPORTS
        self._ended = False

    def skip(self) -> None:
        """Take a record of a stream that is not loaded."""
        self._summary.skipped()
        self._progress()

    def record(self, record: Mapping[str, t.Any], columns: Columns) -> None:
        """Take a record; waits while many of them are on their way.

        Raises:
            Exception: Going on is pointless.
        """
        number = self._checkpoints.record()
        try:
            profile = read_profile(record, columns)
        except InvalidProfileError as error:
            self._summary.read()
            self._summary.invalid(str(error))
            self._checkpoints.lost([number])
        else:
            self._summary.read(profile.dropped)
            self._delivery.submit(Item(number, profile))
        self._progress()

    def state(self, state: State) -> None:
        """Take a state that stands behind all records taken so far."""
        self._checkpoints.state(state)

    def complete(self) -> None:
        """Wait for the outcome of everything.

        Raises:
            NotStoredError: Records are invalid or rejected.
            Exception: Going on is pointless.
        """
        self._delivery.flush()
        self.end()
        if self._summary.not_stored:
            raise NotStoredError(self._summary.failure())

    def end(self, *, drain: bool = False) -> None:
        """Let what is running finish, say what the run came to and write the last safe state.

        Args:
            drain: Send also what is still waiting, unless sending is what failed.
        """
        if self._ended:
            return
        self._ended = True
        if drain:
            with suppress(Exception):
                self._delivery.flush()
        self._delivery.close()
        self._collect()
        for warning in self._summary.warnings():
            self._logger.warning("%s", warning)
        self._logger.info("%s", self._summary.line())
        self._checkpoint()

    def progress_text(self) -> str:
        """How far the run got, and how to go on, for the message that ends it."""
        stored = self._summary.stored
        if not stored:
            return "Nothing was stored."
        return f"{stored:,} profiles were stored; run again to resume from the last state."

    def _progress(self) -> None:
        self._collect()
        self._in_batch += 1
        if self._in_batch >= self._batch_size:
            self._in_batch = 0
            self._checkpoint()
        if time.monotonic() >= self._next_report:
            self._next_report = time.monotonic() + SECONDS_BETWEEN_REPORTS
            self._logger.info("So far: %s", self._summary.line())

    def _collect(self) -> None:
        for outcome in self._delivery.outcomes():
            if outcome.refusal is None:
                self._summary.store(len(outcome.records))
                self._checkpoints.stored(outcome.records)
            else:
                self._summary.rejected(outcome.refusal)
                self._checkpoints.lost(outcome.records)
        if self._summary.hopeless and not self._ended:
            raise RainFocusError(self._summary.failure())

    def _checkpoint(self) -> None:
        state = self._checkpoints.take()
        if state is not None:
            self._write_state(state)
