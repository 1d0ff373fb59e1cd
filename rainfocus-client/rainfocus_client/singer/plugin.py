"""What a tap and a target have in common: settings before the SDK sees them, and signals."""

from __future__ import annotations

import abc
import logging
import signal
import threading
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass

import click
from singer_sdk.logging import StructuredFormatter
from singer_sdk.plugin_base import PluginBase
from typing_extensions import override

from rainfocus_client.errors import SettingsError
from rainfocus_client.report import RunReport
from rainfocus_client.settings.preparation import (
    check_completely,
    check_variables,
    complete_settings,
)
from rainfocus_client.settings.sources import environment_settings, read_config_files
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from rainfocus_client.settings.declarations import ConnectionSettings

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class GivenSettings:
    """What `--config` gives; the SDK reads both attributes for `--discover` and `--test`.

    Attributes:
        config: The settings in the config files.
        parse_env: Whether environment variables count, too.
        paths: The config files.
    """

    config: dict[str, t.Any]
    parse_env: bool
    paths: tuple[str, ...]


class RainFocusPlugin(PluginBase):
    """Completes and checks its settings itself; comes before `Tap` or `Target` as a base.

    Attributes:
        settings: What `config` holds, as attributes.
        report: What the run comes to, in numbers.
    """

    settings_class: t.ClassVar[type[ConnectionSettings]]

    def __init__(
        self,
        *,
        config: Mapping[str, t.Any] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        report: RunReport | None = None,
        **others: t.Any,  # noqa: ANN401
    ) -> None:
        """Set up the plugin.

        Args:
            config: What the user gave.
            parse_env_config: Whether environment variables and `.env` count, too.
            validate_config: Whether the settings have to be good enough to run with.
            report: Of the run, if this is one.
            others: As for `Tap` or `Target`.

        Raises:
            SettingsError: `validate_config` is set, and the settings are not good enough.
        """
        self.append_builtin_config(self.config_jsonschema)
        schema = _sound(self.config_jsonschema)
        given = dict(config or {})
        if parse_env_config:
            given |= environment_settings(schema, self.variable_prefix())
        config = complete_settings(given, schema)
        self.settings = self.settings_class.from_config(config)
        self.report = report or RunReport(self.name, self.plugin_version)
        if report and (path := self.settings.files.get("summary_path")):
            report.begin(path)
        if validate_config:
            prefix = self.variable_prefix()
            check_variables(schema, prefix, self.logger, counts=parse_env_config)
            check_completely(config, self.settings, schema, prefix, self.logger)
        with _signals_held(), _quiet(self.logger):
            super().__init__(config=config, validate_config=False, **others)
            if threading.current_thread() is threading.main_thread():
                for number in SIGNALS:
                    signal.signal(number, self.handle_signal)
        if not (_logs_structured() or self.metrics_logger.isEnabledFor(logging.DEBUG)):
            # They are for machines; to people the plugin's own lines say the same.
            self.metrics_logger.setLevel(logging.WARNING)

    @classmethod
    def from_command(cls, given: GivenSettings | None, **others: t.Any) -> t.Self:  # noqa: ANN401
        """Set up the plugin for the run that the command line asks for.

        Args:
            given: From `--config`.
            others: As for `Tap` or `Target`.

        Raises:
            SettingsError: The settings are not good enough.
        """
        plugin = cls(
            config=given.config if given else {},
            parse_env_config=bool(given and given.parse_env),
            report=click.get_current_context().find_object(RunReport),
            **others,
        )
        for name, path in plugin.settings.files.items():
            if given and any(path.exists() and path.samefile(config) for config in given.paths):
                msg = f"Setting {name} names the config file: give the run another one to write."
                raise SettingsError(msg, Trouble.OUTPUT_FILE)
        return plugin

    @classmethod
    def variable_prefix(cls) -> str:
        """What the names of the plugin's environment variables begin with."""
        return f"{cls.name.upper().replace('-', '_')}_"

    @abc.abstractmethod
    def handle_signal(self, number: int, frame: FrameType | None) -> None:
        """Act on SIGINT or SIGTERM."""

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        for option in command.params:
            if option.name == "config":
                option.callback = _given
        return command


def _sound(schema: t.Any) -> t.Any:  # noqa: ANN401
    """A JSON schema without what is none: the SDK's `__else__` of stream maps lists a type's name.

    jsonschema breaks on it.
    """
    if isinstance(schema, list):
        return [_sound(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: [_sound(one) for one in value if isinstance(one, dict)]
        if key == "anyOf"
        else _sound(value)
        for key, value in schema.items()
    }


def _logs_structured() -> bool:
    """Whether the log is one of JSON lines, such as Meltano asks for."""
    handlers = logging.getLogger().handlers
    return any(isinstance(handler.formatter, StructuredFormatter) for handler in handlers)


def _given(_: click.Context, __: click.Parameter, paths: tuple[str, ...]) -> GivenSettings:
    files = tuple(path for path in paths if path != "ENV")
    return GivenSettings(read_config_files(files), parse_env="ENV" in paths, paths=files)


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Drop what is logged by this logger, not by its children.

    The SDK says at every start what it did not do, and warns of settings that do not have to be
    complete.
    """

    def drop(_: logging.LogRecord) -> bool:
        return False

    logger.addFilter(drop)
    try:
        yield
    finally:
        logger.removeFilter(drop)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let signals wait: for a moment the SDK's handlers are set, which end with exit code 0."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
