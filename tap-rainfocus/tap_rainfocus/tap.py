"""The tap: its command, its streams, and what the streams share."""

from __future__ import annotations

import fnmatch
import sys
import typing as t
from collections import Counter
from functools import cached_property

import click
from rainfocus_client.adaptive_limit import AdaptiveLimit
from rainfocus_client.collector import collect_rarely
from rainfocus_client.errors import EndpointDeniedError, SettingsError
from rainfocus_client.settings.checks import check_settings
from rainfocus_client.settings.declarations import settings_schema
from rainfocus_client.settings.sources import read_json_object
from rainfocus_client.singer.plugin import RainFocusPlugin
from rainfocus_client.singer.stream_maps import mapped_streams
from rainfocus_client.troubles import Trouble, with_code
from singer_sdk import Tap
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import Catalog
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from tap_rainfocus.api.catalogue.surface import Catalogue
from tap_rainfocus.api.network import Network
from tap_rainfocus.api.v3 import V3
from tap_rainfocus.settings import SETTINGS, TapSettings
from tap_rainfocus.streams.base import MOST_NAMES
from tap_rainfocus.streams.bookmarks import check_state, keep_bookmarks_of
from tap_rainfocus.streams.connection_test import try_streams
from tap_rainfocus.streams.entities import STREAMS
from tap_rainfocus.streams.experience_events import ExperienceEvents
from tap_rainfocus.streams.polled import RainFocusStream
from tap_rainfocus.streams.writer import PageWriter, StateWriter

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import FrameType

    from rainfocus_client.singer.plugin import GivenSettings

    from tap_rainfocus.api.surface import Surface
    from tap_rainfocus.streams.base import TapStream

_IS_TEST = "tap-rainfocus --test"


class TapRainFocus(RainFocusPlugin, Tap):
    """Singer tap for RainFocus."""

    name = "tap-rainfocus"
    message_writer_class = PageWriter
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = settings_schema(SETTINGS)
    settings_class = TapSettings
    settings: TapSettings
    capabilities: t.ClassVar = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: GivenSettings | None = None,
        state: t.IO[str] | None = None,
        catalog: t.IO[str] | None = None,
    ) -> None:
        """Run the command.

        Raises:
            RainFocusError: A setting or a file cannot be used, or RainFocus refuses or is away.
        """
        if about:
            cls.print_about(about_format)
            return
        cls.print_version(print_fn=cls.logger.info)
        tap = cls.from_command(
            config,
            state=read_json_object("--state", _bytes(state)) if state else None,
            catalog=_read_catalog(_bytes(catalog)) if catalog else None,
        )
        tap.run(is_test=bool(click.get_current_context().meta.get(_IS_TEST)))

    def run(self, *, is_test: bool) -> None:
        """Sync the selected streams, or try them.

        Raises:
            RainFocusError: A setting cannot be used, or RainFocus refuses or is away.
        """
        polled = [str(vars(stream)["name"]) for stream in STREAMS]
        _check_names("endpoints", self.settings.endpoints, polled)
        streams = [*polled, ExperienceEvents.name]
        _check_names("stream_maps", mapped_streams(self.config), streams)
        self._check_selection()
        if not self._selected:
            msg = "No stream is selected: select some in the catalog, or run without one."
            raise SettingsError(msg, Trouble.NOTHING_SELECTED)
        self._check_lookback()
        self._tell_what_is_not_public()
        others = keep_bookmarks_of(self.surface.origin, self.state) if self._asking else []
        for name in others:
            self.logger.warning(
                "The bookmark of stream %s is of another org, host or catalogue: it is read anew.",
                name,
            )
        self.report.numbers = self.numbers
        if is_test:
            try_streams(self._selected, self.logger)
            return
        for stream in self._selected:
            stream.check()
            stream.tell_long_columns()
        collect_rarely()
        try:
            self._sync()
        except SystemExit as stop:
            stopped = f"Stopped by a signal (exit code {stop.code})."
            self.logger.error("%s", with_code(stopped, Trouble.SIGNAL))  # noqa: TRY400
            raise

    def _sync(self) -> None:
        try:
            self.sync_all()
        except Exception:
            self.state_writer.end(self.state)
            raise
        finally:
            for stream in self._selected:
                stream.tell_what_is_missing()
            self.logger.info("%s", self.summary(), extra=self.report.fields())

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        if value in {CliTestOptionValue.Disabled.value, CliTestOptionValue.Schema.value}:
            super().cb_test(ctx, param, value)
        else:
            # `invoke` does it: only there is the catalog known, which says what is selected.
            ctx.meta[_IS_TEST] = True

    @override
    def load_state(self, state: dict[str, t.Any]) -> None:
        if state:
            check_state(state)
        super().load_state(state)

    @override
    def setup_mapper(self) -> None:
        super(Tap, self).setup_mapper()
        for name, entry in self.catalog.items():
            mask, schema = entry.metadata.resolve_selection(), entry.schema.to_dict()
            # Of a stream that is not selected no field would be left that a map can be used on.
            shown = get_selected_schema(name, schema, mask) if mask.get((), True) else schema
            self.mapper.register_raw_stream_schema(name, shown, entry.key_properties)

    @override
    def discover_streams(self) -> Sequence[TapStream]:
        self.settings.check_attributes()
        events = ExperienceEvents(self)
        if not (self.settings.connects or self.settings.reads_catalogue):
            return [events]
        return [*self._polled_streams(), events]

    def _polled_streams(self) -> Iterator[RainFocusStream]:
        for stream in STREAMS:
            if source := self.surface.source(str(vars(stream)["name"]), stream.path):
                yield stream(self, source)

    @cached_property
    @override
    def state_writer(self) -> t.Any:
        """What writes the state of the streams."""
        writer = t.cast("PageWriter", self.message_writer)
        return StateWriter(writer, self.report.state_written)

    @cached_property
    def surface(self) -> Surface:
        """Where polled streams come from."""
        network = Network(
            user_agent=f"{self.name}/{self.plugin_version}",
            timeout=self.settings.request_timeout,
            max_retries=self.settings.max_retries,
            traffic=self.report.traffic,
            logger=self.logger,
        )
        kind = Catalogue if self.settings.reads_catalogue else V3
        return kind(self.settings, network, lambda: [one.source.call for one in self._asking])

    @cached_property
    def limit(self) -> AdaptiveLimit:
        """How many pages may be asked for at a time: what one stream learns holds for the next."""
        return self.make_limit()

    def make_limit(self) -> AdaptiveLimit:
        """A limit that has learned nothing yet."""
        return AdaptiveLimit(self.settings.concurrency, "pages are read", self.logger)

    @override
    def handle_signal(self, number: int, frame: FrameType | None) -> None:
        """Leave at once: what is in the state is safe at any moment."""
        sys.exit(128 + number)

    def numbers(self) -> dict[str, object]:
        """What was read, for machines."""
        return {
            "events": self.settings.events,
            "streams": {stream.name: {"read": stream.records_read} for stream in self._selected},
            "reasons": [
                {"stream": stream, "outcome": outcome, "reason": reason, "count": count}
                for stream, outcome, reason, count in self._reasons()
            ],
        }

    def _reasons(self) -> Iterator[tuple[str, str, str, int]]:
        for (stream, reason), count in self._refusals.items():
            yield stream, "refused", reason, count
        for source in self._selected:
            for field, count in source.unread.items():
                yield source.name, "unread", field, count

    def summary(self) -> str:
        """What was read, for people."""
        read = [f"{stream.records_read:,} {stream.name}" for stream in self._selected]
        codes = self.settings.events
        named = ", ".join(codes) if len(codes) <= MOST_NAMES else f"{len(codes):,} events"
        return f"Read{named and f' from {named}'}: {', '.join(read) or 'nothing'}."

    def skip_denied(self, stream: str, what: str, denial: EndpointDeniedError) -> None:
        """Go on without a stream, or one event of it, that the API profile may not read.

        Args:
            stream: Its name.
            what: The same, with the event.
            denial: Of RainFocus.

        Raises:
            EndpointDeniedError: There is nothing else to be read.
        """
        self._denied.add(what)
        self._refusals[stream, str(denial)] += 1
        asked = sum(len(stream.contexts) for stream in self._asking)
        if len(self._denied) == asked and self._asking == self._selected:
            msg = f"Every selected stream is refused. {denial}"
            raise EndpointDeniedError(msg, Trouble.ENDPOINT_DENIED) from denial
        self.logger.warning("Stream %s is skipped. %s", what, denial)

    def warn_once(self, message: str) -> None:
        """Log a warning the first time it comes up."""
        if message not in self._warned:
            self._warned.add(message)
            self.logger.warning("%s", message)

    @cached_property
    def _denied(self) -> set[str]:
        return set()

    @cached_property
    def _refusals(self) -> Counter[tuple[str, str]]:
        return Counter()

    @cached_property
    def _warned(self) -> set[str]:
        return set()

    @property
    def _selected(self) -> list[TapStream]:
        streams = t.cast("dict[str, TapStream]", self.streams)
        return [stream for stream in streams.values() if stream.selected]

    @property
    def _asking(self) -> list[RainFocusStream]:
        """The selected streams that ask RainFocus."""
        return [stream for stream in self._selected if isinstance(stream, RainFocusStream)]

    def _check_selection(self) -> None:
        """Check that there are the settings that the selected streams need.

        Raises:
            SettingsError: A selected stream lacks a setting that it needs.
        """
        events = self.streams[ExperienceEvents.name]
        if events.selected and not self.settings.inbox_url:
            if len(self._selected) < len(self.streams):
                msg = (
                    f"Stream {events.name} is selected, but setting inbox_url is missing: "
                    "set it, or deselect the stream."
                )
                raise SettingsError(msg, Trouble.NO_INBOX)
            # Meltano selects everything unless told otherwise: nobody asked for this one.
            events.selected = False
            self.logger.info("Stream %s is left out: inbox_url is not set.", events.name)
        for name, entry in (self.input_catalog or {}).items():
            if name not in self.streams and entry.metadata.resolve_selection().get((), True):
                check_settings(dict(self.config), self.config_jsonschema, self.variable_prefix())

    def _tell_what_is_not_public(self) -> None:
        private = [str(vars(stream)["name"]) for stream in STREAMS]
        private = [name for name in private if name not in self.streams]
        if self.settings.reads_catalogue:
            self.logger.info("Left out, since no catalogue has them: %s.", ", ".join(private))

    def _check_lookback(self) -> None:
        """Check that a lookback is of use.

        Raises:
            SettingsError: No selected stream asks for changes.
        """
        if self.settings.lookback and not any(one.asks_for_changes for one in self._asking):
            msg = (
                "Setting lookback is set, but no selected stream asks RainFocus for changes: "
                "select one that is read incrementally, such as attendees, or set it to 0."
            )
            raise SettingsError(msg, Trouble.SETTING)


def _check_names(setting: str, patterns: Iterable[str], streams: Sequence[str]) -> None:
    """Check that a setting names streams.

    Raises:
        SettingsError: It names something that is no stream.
    """
    if unknown := sorted(name for name in patterns if not fnmatch.filter(streams, name)):
        msg = f"Setting {setting} names {', '.join(unknown)}: the streams are {', '.join(streams)}."
        raise SettingsError(msg, Trouble.UNKNOWN_STREAM)


def _bytes(file: t.IO[str]) -> bytes:
    """The content, which is UTF-8 whatever the locale says."""
    return t.cast("t.TextIO", file).buffer.read()


def _read_catalog(content: bytes) -> Catalog:
    entries = read_json_object("--catalog", content)
    try:
        catalog = Catalog.from_dict(entries)
        if all(entry.schema.to_dict() for entry in catalog.values()):
            return catalog
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    msg = "--catalog is not a Singer catalog: make one with --discover."
    raise SettingsError(msg, Trouble.CATALOG)
