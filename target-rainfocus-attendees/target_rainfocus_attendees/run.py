"""One run: takes records and states from the input, and sees to it that both agree at the end."""

from __future__ import annotations

import os
import sys
import time
import typing as t
from contextlib import ExitStack, suppress

from rainfocus_client.errors import DataError, RainFocusError
from rainfocus_client.troubles import Trouble, with_code

from target_rainfocus_attendees.delivery.attendee_store import AttendeeStore
from target_rainfocus_attendees.delivery.blame import CHECK_EVENT, EventCheck
from target_rainfocus_attendees.delivery.dispatcher import Dispatcher
from target_rainfocus_attendees.delivery.dry_run import DryRun
from target_rainfocus_attendees.guards import MostRejects, check_enough
from target_rainfocus_attendees.input.checkpoints import Checkpoints
from target_rainfocus_attendees.input.extraction import extraction_of
from target_rainfocus_attendees.input.loaded_streams import LoadedStreams
from target_rainfocus_attendees.mapping.profiles import InvalidProfileError
from target_rainfocus_attendees.models import Activation, Item, Outcome, Withdrawal
from target_rainfocus_attendees.reports.activation_log import ActivationLog
from target_rainfocus_attendees.reports.mapping_log import tell_mapping
from target_rainfocus_attendees.reports.rejects import Rejects
from target_rainfocus_attendees.reports.replays import Replays
from target_rainfocus_attendees.reports.summary import MAPPED_AWAY, SKIPPED, Summary

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from rainfocus_client.report import RunReport, Traffic

    from target_rainfocus_attendees.delivery.dispatcher import ProfileStore
    from target_rainfocus_attendees.delivery.ledger import Ledger
    from target_rainfocus_attendees.input.checkpoints import State
    from target_rainfocus_attendees.input.signals import Stop
    from target_rainfocus_attendees.mapping.profiles import ProfileReader
    from target_rainfocus_attendees.mapping.stream_mapping import StreamMapping
    from target_rainfocus_attendees.models import Delivered, Extraction, Reason, Source
    from target_rainfocus_attendees.reports.live_line import LiveLine
    from target_rainfocus_attendees.settings import TargetSettings

SECONDS_BETWEEN_REPORTS = 10.0

NEVER_FOUND = "No record of stream %s has %s, which a setting names: is the name right?"

ODD_TIME = (
    "Stream %s: the times at which records were extracted cannot be read; they count as new. Give "
    "_sdc_extracted_at as 2026-01-31T09:00:00Z."
)


class NotStoredError(DataError):
    """The input was read to its end, but some records are not stored."""


class NothingLoadedError(DataError):
    """The input was read to its end, and no stream of it could be loaded."""


class Run:
    """What one run knows and does; used from one thread.

    Attributes:
        streams: Which streams of the input are loaded.
    """

    def __init__(
        self,
        settings: TargetSettings,
        write_state: Callable[[State], None],
        logger: logging.Logger,
        stop: Stop,
        report: RunReport,
    ) -> None:
        """Send nothing yet.

        Args:
            settings: Complete and checked.
            write_state: Writes a state that is safe.
            logger: Where the run is told.
            stop: Heeded while this waits for something.
            report: Gets the numbers of the run.

        Raises:
            SettingsError: A file cannot be opened.
        """
        self._dry_run = settings.dry_run
        self.streams = LoadedStreams(
            settings.streams, may_load_none=settings.unmapped_streams == "skip"
        )
        self._readers: dict[str, ProfileReader] = {}
        self._checkpoints = Checkpoints()
        self._summary = Summary(settings.event_code, dry_run=self._dry_run)
        rejects = settings.files.get("rejects_path")
        origin = {"_reject_org_id": settings.org_id, "_reject_event_code": settings.event_code}
        self._rejects = Rejects(rejects, origin) if rejects else None
        self._is_dated = settings.ledger_url is not None
        self._replays = Replays(
            origin, logger, elsewhere=settings.replay_elsewhere, has_ledger=self._is_dated
        )
        self._report = report
        report.numbers = self._summary.numbers
        most = settings.max_rejects
        self._most_rejects = MostRejects.from_setting(most) if most is not None else None
        self._least = settings.min_records or 0
        self._limit = settings.limit
        self._taken = 0
        self._with_odd_times: set[str] = set()
        # Updates may miss many, all of them from the start, without a wrong event.
        self._event_check = EventCheck(is_needed=settings.mode == "upsert")
        self._batch_size = settings.batch_size_rows
        self._in_batch = 0
        self._write_state = write_state
        self._stop = stop
        self._logger = logger
        self._next_report = time.monotonic() + SECONDS_BETWEEN_REPORTS
        self._is_read = False
        self._is_ended = False
        with ExitStack() as opened:
            ledger = _ledger(settings)
            if ledger:
                opened.callback(ledger.close)
            self._activations = _activation_log(settings, report)
            if self._activations:
                opened.callback(self._activations.close)
            self._dispatcher = _dispatcher(
                settings, ledger, stop, self._while_waiting, report.traffic
            )
            self._live_line = _live_line(self._so_far)
            if self._live_line:
                opened.callback(self._live_line.close)
            self._opened = opened.pop_all()

    def __enter__(self) -> t.Self:
        """Whatever ends the block ends the run in good order."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """End the run, as `end` does; a signal that comes when all is done is not heeded.

        Raises:
            NothingLoadedError: The input was read to its end, and no stream could be loaded.
        """
        is_done = self.end(failure)
        if failure is None and (nothing := self.streams.failure()):
            raise NothingLoadedError(nothing, Trouble.NOTHING_LOADED)
        return is_done

    def expect_own_rejects(self) -> None:
        """Take note that the input may be any file, also that of this run's rejects."""
        if self._rejects:
            self._replays.watch(self._rejects)

    def load(self, stream: str, reader: ProfileReader, mapping: StreamMapping) -> None:
        """Take note that a stream is loaded, from now on through this reader."""
        self.streams.load(stream)
        self._readers[stream] = reader
        tell_mapping(stream, mapping, self._logger)

    def leave_out(self, stream: str, lack: str, advice: str) -> None:
        """Take note of a stream that cannot be loaded: what it lacks, and what to do."""
        self._logger.warning("%s: its records are skipped. %s", lack, advice)
        self.streams.leave_out(stream, f"{lack}. {advice}")

    def takes_more(self) -> bool:
        """Whether another record is taken; one that is not is past the limit, and so is its state.

        Raises:
            RainFocusError: As for `record`.
        """
        if self._limit is None or self._taken < self._limit:
            return True
        self._checkpoints.lost([self._checkpoints.record()])
        self._summary.passed_over()
        self._progress()
        return False

    def skip(self, name: str, source: Source) -> None:
        """Take a record of a stream that is not loaded, by its name after the stream maps."""
        self._filter(source.stream, SKIPPED)
        self.streams.skip(name)
        self._progress()

    def filter(self, stream: str) -> None:
        """Take a record that a stream map filters out."""
        self._filter(stream, MAPPED_AWAY)
        self._progress()

    def _filter(self, stream: str, reason: Reason) -> None:
        number = self._checkpoints.record()
        self._summary.read(stream, is_loaded=False)
        self._checkpoints.settled([number])
        self._note(Activation(number, stream, Outcome.FILTERED, reason=reason))

    def record(self, record: Mapping[str, t.Any], reader: ProfileReader, source: Source) -> None:
        """Take a record; waits while many of them are on their way.

        Args:
            record: After the stream maps.
            reader: Reads the profile out of it.
            source: The record as it was in the input, for the rejects.

        Raises:
            RainFocusError: A failure that is not this record's stops the run, or too many records
                are not stored.
        """
        if not self.takes_more():
            return
        self._replays.check(source.record["record"])
        number = self._checkpoints.record()
        self._summary.read(source.stream, is_loaded=True)
        extraction = self._extraction(source) if self._is_dated else None
        if reason := reader.why_filtered(record, source.record["record"]):
            identity = reader.identity(record)
            self._leave_out(number, identity, source, reason, extraction)
        else:
            try:
                profile = reader.read(record)
            except InvalidProfileError as error:
                self._note(
                    Activation(
                        number,
                        source.stream,
                        Outcome.INVALID,
                        reader.identity(record),
                        error.reason,
                        error.field,
                    )
                )
                self._put_away(number, source, error.reason, error.field, extraction)
            else:
                if profile.dropped:
                    self._summary.dropped(profile.dropped)
                if profile.differing:
                    self._summary.differed(profile.differing)
                self._taken += 1
                self._dispatcher.submit(Item(number, profile, source, extraction))
        self._progress()

    def _extraction(self, source: Source) -> Extraction:
        extraction = extraction_of(source)
        if extraction.is_unread and source.stream not in self._with_odd_times:
            self._with_odd_times.add(source.stream)
            self._logger.warning(ODD_TIME, source.stream)
        return extraction

    def _leave_out(
        self,
        number: int,
        identity: str | None,
        source: Source,
        reason: Reason,
        extraction: Extraction | None,
    ) -> None:
        """End a record that is not to be sent; with a ledger when that knows of it."""
        if identity:
            withdrawal = Withdrawal(number, identity, source, reason, extraction)
            self._dispatcher.withdraw(withdrawal)
        if not (identity and extraction):
            self._note(Activation(number, source.stream, Outcome.FILTERED, identity, reason))
            self._checkpoints.settled([number])

    def state(self, state: State) -> None:
        """Take a state that stands behind all records taken so far."""
        self._checkpoints.state(state)

    def idle(self) -> None:
        """Look after what is under way while no input comes.

        Raises:
            RainFocusError: A failure that is not this record's stops the run, or too many records
                are not stored.
        """
        self._collect()
        self._check()
        self._dispatcher.check()
        self._checkpoint()
        if self._live_line:
            self._live_line.show()

    def end(self, failure: BaseException | None = None) -> bool:
        """Let what is running finish, write the last safe state and say what the run came to.

        Without a failure every record gets its outcome first. With one, what is still waiting is
        sent, unless sending is what failed. After a signal nothing more is sent.

        Args:
            failure: What ends the run; None at the end of the input.

        Returns:
            Whether all is done, so that the failure need not be told.

        Raises:
            NotStoredError: Records are not stored, and are in no rejects file; or all are not.
            RainFocusError: A failure of the last records.
        """
        if self._is_ended:
            return False
        if failure is None:
            self._is_read = True
            self._dispatcher.flush()
            self._collect()
            self._check()
            self._event_check.acquit()
            self._put_refused_away()
            for stream in self.streams.absent:
                self._logger.warning("Stream %s, which streams names, is not in the input.", stream)
        self._is_ended = True
        self._close(sends=not isinstance(failure, SystemExit))
        is_done = self._is_read and not self._summary.unfinished and not self._event_check.holds
        if failure is None or (is_done and isinstance(failure, SystemExit)):
            if not self.streams.loads_nothing:
                check_enough(self._summary.loaded, self._least)
            self._tell_not_stored()
            return True
        if isinstance(failure, SystemExit):
            stopped = f"Stopped by a signal (exit code {failure.code}). {self._progress_text()}"
            self._logger.error("%s", with_code(stopped, Trouble.SIGNAL))
        elif isinstance(failure, RainFocusError):
            failure.add_note(self._progress_text())
        return False

    def _close(self, *, sends: bool) -> None:
        with self._opened:
            if sends:
                with suppress(Exception, SystemExit):
                    self._dispatcher.flush()
            self._dispatcher.close()
            self._collect()
            if self._live_line:
                self._live_line.close()
            for warning in self._summary.warnings():
                self._logger.warning("%s", warning)
            for stream, reader in self._readers.items():
                for path in reader.never_found:
                    self._logger.info(NEVER_FOUND, stream, ".".join(path))
            self._logger.info("%s", self._summary.line(), extra=self._report.fields())
            for reason in self._summary.reasons(Outcome.FILTERED, Outcome.UNCHANGED):
                self._logger.info("%s", reason)
            self._checkpoint()

    def _tell_not_stored(self) -> None:
        if not self._summary.not_stored:
            return
        if not self._rejects or not self._summary.succeeded:
            blame = f"{CHECK_EVENT} " if self._summary.all_sent_rejected else ""
            raise NotStoredError(blame + self._not_stored_text(), Trouble.NOT_STORED)
        for reason in self._summary.reasons(Outcome.INVALID, Outcome.REJECTED):
            self._logger.warning("%s", reason)
        self._logger.warning("%s", self._not_stored_text())

    def _progress_text(self) -> str:
        """How far the run got, and how to go on, for the message that ends it."""
        stored = self._summary.stored
        if not stored or self._dry_run:
            progress = "Nothing was stored."
        else:
            progress = f"{stored:,} profiles were stored; run again to resume from the last state."
        return f"{self._not_stored_text()} {progress}".lstrip()

    def _not_stored_text(self) -> str:
        if not self._summary.not_stored:
            return ""
        if not self._rejects:
            where = (
                "The state stays before the first of them; set rejects_path to keep them in a file."
            )
        elif self._event_check.holds:
            where = (
                f"Those that were rejected are left out of {self._rejects.path}, "
                "and the state stays before them."
            )
        elif not self._rejects.is_kept:
            where = f"They could not all be written to {self._rejects.path}."
        else:
            where = f"They are in {self._rejects.path}: mend them and replay the file with --input."
        return f"{self._summary.failure()} {where}"

    def _progress(self) -> None:
        self._collect()
        self._check()
        self._in_batch += 1
        is_due = time.monotonic() >= self._next_report
        if is_due:
            self._next_report = time.monotonic() + SECONDS_BETWEEN_REPORTS
        if self._live_line:
            self._live_line.show()
        elif is_due:
            self._logger.info("So far: %s", self._summary.line())
        if is_due or self._in_batch >= self._batch_size:
            self._in_batch = 0
            self._checkpoint()

    def _while_waiting(self) -> None:
        """Look after a signal, and the line, while the dispatcher lets this wait."""
        self._stop.heed()
        if self._live_line:
            self._collect()
            self._live_line.show()

    def _so_far(self) -> str:
        return self._summary.so_far(self._dispatcher.underway)

    def _collect(self) -> None:
        all_delivered = self._dispatcher.delivered()
        if not all_delivered:
            return
        for delivered in all_delivered:
            if delivered.dropped:
                self._summary.dropped(delivered.dropped)
            for activation in _activations(delivered):
                self._note(activation)
            if delivered.outcome is Outcome.REJECTED:
                self._event_check.hold(delivered)
            elif delivered.items:
                self._checkpoints.settled([item.number for item in delivered.items])
                if delivered.outcome is not Outcome.FILTERED:
                    self._event_check.acquit()
        self._put_refused_away()

    def _put_refused_away(self) -> None:
        for delivered in self._event_check.release():
            (item,) = delivered.items
            receipt = delivered.receipt
            code = receipt.code or (f"HTTP {receipt.status}" if receipt.status else "no answer")
            reason = t.cast("Reason", receipt.reason)
            self._put_away(item.number, item.source, reason, code, item.extraction)

    def _put_away(
        self,
        number: int,
        source: Source,
        reason: Reason,
        code: str,
        extraction: Extraction | None,
    ) -> None:
        if self._rejects:
            # No state goes out before the rejects are on the disk (_checkpoint).
            self._rejects.add(source, str(reason), code, extraction)
            self._checkpoints.settled([number])
        else:
            self._checkpoints.lost([number])

    def _check(self) -> None:
        if self._event_check.failed:
            raise DataError(CHECK_EVENT, Trouble.EVENT_CODE)
        if self._most_rejects:
            try:
                self._most_rejects.check(self._summary.not_stored, self._summary.tried)
            except DataError:
                # What is still on its way is put away like the others.
                self._event_check.acquit()
                self._put_refused_away()
                raise

    def _checkpoint(self) -> None:
        if self._rejects:
            self._rejects.sync()
        try:
            if self._activations:
                self._activations.flush()
        finally:
            self._give_state()

    def _give_state(self) -> None:
        is_enough = self._summary.loaded >= self._least
        if is_enough and not self.streams.loads_nothing and not self._dry_run:
            state = self._checkpoints.take()
            if state is not None:
                if self._live_line:
                    self._live_line.make_way()
                self._write_state(state)

    def _note(self, activation: Activation) -> None:
        self._summary.ended(activation.stream, activation.outcome, activation.reason)
        if self._activations:
            self._activations.add(activation)


def _activations(delivered: Delivered) -> Iterator[Activation]:
    """What became of each of the records that went as one profile: the last one stands for it."""
    outcome, identity, items, receipt, _ = delivered
    for item in items:
        number, stream = item.number, item.source.stream
        if outcome is Outcome.FILTERED:
            yield Activation(number, stream, outcome, identity, receipt.reason)
        elif item is items[-1]:
            yield Activation(number, stream, outcome, identity, receipt.reason, receipt=receipt)
        else:
            yield Activation(number, stream, Outcome.MERGED, identity)


def _activation_log(settings: TargetSettings, report: RunReport) -> ActivationLog | None:
    """None also for a dry run, which activates nobody."""
    path = settings.files.get("activation_log_path")
    if not path or settings.dry_run:
        return None
    origin = {
        "run_id": report.run_id,
        "org_id": settings.org_id,
        "event_code": settings.event_code,
    }
    return ActivationLog(path, origin)


def _dispatcher(
    settings: TargetSettings,
    ledger: Ledger | None,
    stop: Stop,
    while_waiting: Callable[[], None],
    traffic: Traffic,
) -> Dispatcher | DryRun:
    if settings.dry_run:
        return DryRun(settings, ledger, stop.heeded, traffic)

    def open_store() -> ProfileStore:
        store = AttendeeStore(settings, traffic)
        if not ledger:
            return store
        from target_rainfocus_attendees.delivery.deduplication import DeduplicatingStore  # noqa: PLC0415

        return DeduplicatingStore(store, ledger)

    return Dispatcher(open_store, settings.concurrency, while_waiting)


def _ledger(settings: TargetSettings) -> Ledger | None:
    if not settings.ledger_url:
        return None
    # SQLAlchemy takes longer to import than the rest of the target.
    from target_rainfocus_attendees.delivery.ledger import Ledger  # noqa: PLC0415

    return Ledger.from_settings(settings, settings.ledger_url, read_only=settings.dry_run)


def _live_line(text: Callable[[], str]) -> LiveLine | None:
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return None
    # Only who sees the line pays for the import of what draws it.
    from target_rainfocus_attendees.reports.live_line import LiveLine  # noqa: PLC0415

    return LiveLine(text)
