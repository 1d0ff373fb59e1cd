"""The target: its settings, and how it fits into the Singer SDK."""

from __future__ import annotations

import fnmatch
import sys
import typing as t
from functools import cached_property

from rainfocus_client.collector import collect_rarely
from rainfocus_client.errors import FileError, SettingsError
from rainfocus_client.lenient_json import dump_json
from rainfocus_client.settings.declarations import settings_schema
from rainfocus_client.singer.plugin import RainFocusPlugin
from rainfocus_client.singer.stream_maps import mapped_streams, unusable_on_a_record
from rainfocus_client.troubles import Trouble
from singer_sdk import Target
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper import SameRecordTransform
from typing_extensions import override

from target_rainfocus_attendees import PACKAGE
from target_rainfocus_attendees.files import is_regular, named_by
from target_rainfocus_attendees.input.lines import lines, standard_input
from target_rainfocus_attendees.input.messages import MessageReader, UnknownStreamError
from target_rainfocus_attendees.input.signals import Stop
from target_rainfocus_attendees.models import Source
from target_rainfocus_attendees.run import Run
from target_rainfocus_attendees.settings import SETTINGS, TargetSettings
from target_rainfocus_attendees.sinks import AttendeeSink

if t.TYPE_CHECKING:
    from types import FrameType

    import click
    from rainfocus_client.singer.plugin import GivenSettings
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.mapper import StreamMap

    from target_rainfocus_attendees.models import Message
    from target_rainfocus_attendees.sinks import Taker

RECORD_REQUIRES = {"stream", "record"}


class TargetRainFocusAttendees(RainFocusPlugin, Target):
    """Writes attendee profiles to the RainFocus Attendee Store."""

    name = PACKAGE
    config_jsonschema: t.ClassVar[Message] = settings_schema(SETTINGS, required=("event_code",))
    settings_class = TargetSettings
    settings: TargetSettings
    capabilities: t.ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    default_sink_class = AttendeeSink
    message_reader_class = MessageReader

    def __init__(self, **kwargs: t.Any) -> None:  # noqa: ANN401
        """Read and check the settings.

        Args:
            kwargs: As for `singer_sdk.Target`.

        Raises:
            SettingsError: A setting is missing, or has a value that cannot work.
        """
        self._stop = Stop()
        super().__init__(**kwargs)
        self._messages = t.cast("MessageReader", self.message_reader)
        # Sinks hold nothing back, so that draining them takes no threads.
        self.max_parallelism = 1

    @cached_property
    def taker(self) -> Taker:
        """What takes what the input holds, for all sinks: the run."""
        return self.run

    @cached_property
    def run(self) -> Run:
        """The run."""
        return Run(self.settings, self._put_out, self.logger, self._stop, self.report)

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: GivenSettings | None = None,
        file_input: t.IO[str] | None = None,
    ) -> None:
        """Run the command."""
        if about:
            cls.print_about(about_format)
            return
        cls.from_command(config).load(file_input or standard_input())

    def load(self, file: t.IO[str]) -> None:
        """Load the input, and end in good order however it ends.

        Raises:
            SettingsError: The input is a file that the run writes.
            RainFocusError: Not all was loaded.
        """
        if name := named_by(self.settings.files, file):
            msg = f"The input is the file that {name} names: give this run another one."
            raise SettingsError(msg, Trouble.OWN_FILE)
        with self.run as run:
            collect_rarely()
            if not is_regular(file):
                run.expect_own_rejects()
            self.process_lines(t.cast("t.IO[str]", lines(file, self._stop, run.idle)))
            self.process_endofpipe()

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        command.epilog = (
            f"{cls.name} forget removes what is kept of one person: see {cls.name} forget --help."
        )
        return command

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: Message) -> None:
        """Add the settings for stream maps, and none of those a target gets by default.

        There are no load methods, metadata columns or validation by schema here.
        """
        super(Target, cls).append_builtin_config(config_jsonschema)

    @override
    def process_endofpipe(self) -> None:
        super().process_endofpipe()
        for name in sorted(mapped_streams(self.config)):
            if not fnmatch.filter(self._messages.schemas, name):
                absent = "Stream %s, which stream_maps names, is not in the input."
                self.logger.warning(absent, name)
        self.taker.end()

    @override
    def _process_record_message(self, message_dict: Message) -> None:
        """As the SDK, but nothing is validated against the schema, and no date parsed."""
        reader = self._messages
        reader.assert_line_requires(message_dict, RECORD_REQUIRES)
        stream = message_dict["stream"]
        if stream not in reader.schemas:
            msg = f"A record of stream {stream} came before its schema: check the extractor."
            raise UnknownStreamError(msg, Trouble.NO_SCHEMA)
        if not self.taker.takes_more():
            return
        context = {"source": Source(reader.schemas[stream], message_dict)}
        is_filtered = True
        for stream_map in self.mapper.stream_maps[stream]:
            record = self._mapped(stream_map, message_dict)
            if record is not None:
                is_filtered = False
                self.get_sink(stream_map.stream_alias).process_record(record, context)
        if is_filtered:
            self.taker.filter(stream)

    @staticmethod
    def _mapped(stream_map: StreamMap, message: Message) -> Message | None:
        record: Message = message["record"]
        if isinstance(stream_map, SameRecordTransform) and not stream_map.flattening_enabled:
            return record
        try:
            return stream_map.transform(record.copy())
        except Exception as error:  # noqa: BLE001, an expression can raise anything
            raise unusable_on_a_record(message["stream"], error) from None

    @override
    def _process_state_message(self, message_dict: Message) -> None:
        self._messages.assert_line_requires(message_dict, {"value"})
        self.taker.state(message_dict["value"])

    def _put_out(self, state: Message) -> None:
        try:
            sys.stdout.write(dump_json(state).decode())
            sys.stdout.flush()
        # Closed by the reader, or from the start.
        except (BrokenPipeError, AttributeError) as error:
            msg = "The next command in the pipe ended early: see its messages."
            raise FileError(msg, Trouble.CLOSED_PIPE) from error
        self.report.state_written()

    @override
    def handle_signal(self, number: int, frame: FrameType | None) -> None:
        """Ask the run to stop; here, in the middle of anything, nothing may be raised."""
        self._stop.request(128 + number)
