"""A check: takes what a run would take, sends nothing, and shows what a run would make of it."""

from __future__ import annotations

import json
import typing as t

from rainfocus_client.errors import DataError
from rainfocus_client.troubles import Trouble

from target_rainfocus_attendees.delivery.attendee_store import StoreCall
from target_rainfocus_attendees.input.loaded_streams import LoadedStreams
from target_rainfocus_attendees.mapping.masks import masked
from target_rainfocus_attendees.mapping.profiles import InvalidProfileError, merge_profiles
from target_rainfocus_attendees.mapping.wording import shown
from target_rainfocus_attendees.models import Outcome
from target_rainfocus_attendees.reports.summary import MAPPED_AWAY, Summary

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from target_rainfocus_attendees.input.checkpoints import State
    from target_rainfocus_attendees.mapping.profiles import Profile, ProfileReader
    from target_rainfocus_attendees.mapping.stream_mapping import StreamMapping
    from target_rainfocus_attendees.models import Source
    from target_rainfocus_attendees.settings import TargetSettings

SAMPLES = 3
"""Bodies of each stream that are shown."""


class Check:
    """Takes what the input holds, as a run does; used instead of one.

    Attributes:
        streams: Which streams of the input could be loaded.
    """

    def __init__(self, settings: TargetSettings, show: Callable[[str], object]) -> None:
        """Show nothing yet.

        Args:
            settings: Complete and checked; of the connection nothing is needed.
            show: Gets each line that is shown.
        """
        self.streams = LoadedStreams(
            settings.streams, may_load_none=settings.unmapped_streams == "skip"
        )
        self._event_code = settings.event_code
        self._call = StoreCall(settings)
        self._show = show
        self._seen: dict[str, _Seen] = {}
        self._by_reader: dict[ProfileReader, _Seen] = {}

    def load(self, stream: str, reader: ProfileReader, mapping: StreamMapping) -> None:
        """Take note of a stream that could be loaded."""
        self.streams.load(stream)
        seen = self._of(stream)
        seen.reader, seen.mapping = reader, mapping
        self._by_reader[reader] = seen

    def leave_out(self, stream: str, lack: str, advice: str) -> None:
        """Take note of a stream that cannot be loaded: what it lacks, and what to do."""
        self.streams.leave_out(stream, f"{lack}. {advice}")

    def takes_more(self) -> bool:
        """Whether another record is taken: any that is read."""
        return True

    def record(self, record: Mapping[str, t.Any], reader: ProfileReader, source: Source) -> None:
        """Take a record; of the first ones that could be sent the body is kept, masked."""
        seen = self._by_reader[reader]
        seen.summary.read(source.stream, is_loaded=True)
        if reason := reader.why_filtered(record, source.record["record"]):
            seen.summary.ended(source.stream, Outcome.FILTERED, reason)
            return
        try:
            profile = reader.read(record)
        except InvalidProfileError as error:
            seen.summary.ended(source.stream, Outcome.INVALID, error.reason)
        else:
            seen.summary.ended(source.stream, Outcome.STORED, None)
            self._sample(seen, profile)

    def skip(self, name: str, source: Source) -> None:  # noqa: ARG002
        """Take a record of a stream that is not loaded."""
        self.streams.skip(name)

    def filter(self, stream: str) -> None:
        """Take a record that a stream map filters out."""
        summary = self._of(stream).summary
        summary.read(stream, is_loaded=False)
        summary.ended(stream, Outcome.FILTERED, MAPPED_AWAY)

    def state(self, state: State) -> None:
        """Take a state, and give none out."""

    def end(self) -> None:
        """Show what a run would make of the input.

        Raises:
            DataError: It could load nothing.
        """
        left_out = self.streams.left_out
        for stream in left_out:  # as though a record had come of each
            self.streams.skip(stream)
        if nothing := self.streams.failure():
            raise DataError(nothing, Trouble.NOTHING_LOADED)
        for stream in dict.fromkeys([*self._seen, *left_out]):
            self._show(f"Stream {shown(stream)}")
            if reason := left_out.get(stream):
                self._show(f"  Not loaded: {reason}")
            if seen := self._seen.get(stream):
                for line in seen.lines():
                    self._show(f"  {line}")

    def _of(self, stream: str) -> _Seen:
        if stream not in self._seen:
            self._seen[stream] = _Seen(Summary(self._event_code, dry_run=True))
        return self._seen[stream]

    def _sample(self, seen: _Seen, profile: Profile) -> None:
        fields, dropped = merge_profiles([profile])
        seen.summary.dropped([*profile.dropped, *dropped])
        seen.summary.differed(profile.differing)
        if len(seen.samples) < SAMPLES:
            seen.samples.append(self._call.body(masked(fields)).decode().rstrip())


class _Seen:
    """What was seen of one stream: of one that a stream map renames, what that filters out."""

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self.mapping: StreamMapping | None = None
        self.reader: ProfileReader | None = None
        self.samples: list[str] = []

    def lines(self) -> Iterator[str]:
        reasons = self.summary.reasons(Outcome.INVALID, Outcome.FILTERED)
        if not self.mapping:
            yield from reasons
            return
        yield from _mapping_lines(self.mapping)
        if self.samples:
            yield "Bodies, masked:"
            yield from (f"  {sample}" for sample in self.samples)
        if read := self.summary.loaded:
            yield f"Of {read:,} records {self.summary.stored:,} could be sent."
        yield from reasons
        yield from self.summary.warnings()
        for path in self.reader.never_found if self.reader else ():
            name = shown(".".join(path))
            yield f"No record has {name}, which a setting names: is the name right?"


def _mapping_lines(mapping: StreamMapping) -> Iterator[str]:
    yield from mapping.feeds
    if asides := mapping.asides:
        yield (
            f"May mean another thing, and not sent: {_row(asides.values())}. "
            f"field_map can take it: {json.dumps(asides)}"
        )
    if mapping.unsent:
        yield f"Not sent: {_row(mapping.unsent)}"


def _row(names: Iterable[str]) -> str:
    return ", ".join(map(shown, names))
