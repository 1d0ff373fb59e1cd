"""Reads Singer messages; what is wrong with one is said without quoting it."""

from __future__ import annotations

import typing as t
from collections import Counter

from rainfocus_client.errors import DataError
from rainfocus_client.lenient_json import parse_json
from rainfocus_client.troubles import Trouble
from singer_sdk.exceptions import (
    InvalidInputLine,
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
)
from singer_sdk.io_base import SingerReader
from typing_extensions import override

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_rainfocus_attendees.models import Message

TYPES = frozenset({"SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH"})

FORMS: dict[str, type] = {
    "type": str,
    "stream": str,
    "schema": dict,
    "properties": dict,
    "record": dict,
    "value": dict,
}
"""What the required parts of a message have to be."""


class InputError(DataError, InvalidInputLine):
    """A line is not a Singer message."""


class UnknownStreamError(DataError, RecordsWithoutSchemaException):
    """A record came before the schema of its stream."""


class MissingKeyError(DataError, MissingKeyPropertiesError):
    """A record lacks a key property."""


class MessageReader(SingerReader):
    """Reads messages from lines, and knows which line it is at.

    Attributes:
        schemas: The newest SCHEMA message of each stream, as it came.
        line: How many lines were read.
    """

    def __init__(self) -> None:
        """Start before the first line."""
        super().__init__()
        self.schemas: dict[str, Message] = {}
        self.line = 0

    @override
    def process_lines(
        self, file_input: t.IO[str] | None, callbacks: Mapping[str, Callable[[Message], None]]
    ) -> t.Counter[str]:
        """Hand each message to the callback of its type.

        ACTIVATE_VERSION does nothing: profiles are upserted, none is ever deleted.

        Raises:
            InputError: A line is not a message that can be used.
        """
        register = callbacks["SCHEMA"]

        def keep(message: Message) -> None:
            register(message)
            if self.schemas.get(message["stream"]) != message:
                self.schemas[message["stream"]] = message

        own = {"SCHEMA": keep, "ACTIVATE_VERSION": _ignore, "BATCH": _refuse_batch}
        callbacks = {**callbacks, **own}
        read: t.Counter[str] = Counter()
        for line in file_input or ():
            self.line += 1
            if line.isspace() or not line:  # an editor leaves such behind
                continue
            message = self.deserialize_json(line)
            kind = message["type"]
            callbacks[kind](message)
            read[kind] += 1
        return read

    @override
    def deserialize_json(self, line: str) -> Message:
        try:
            message = parse_json(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            msg = f"Line {self.line} of the input is not a JSON object: check the extractor."
            raise InputError(msg, Trouble.NOT_SINGER)
        kind = message.get("type")
        if not isinstance(kind, str):
            self.assert_line_requires(message, {"type"})
        if kind not in TYPES:
            msg = f"Line {self.line} of the input is a message of an unknown type."
            raise InputError(msg, Trouble.NOT_SINGER)
        return message

    @override
    def assert_line_requires(self, line_dict: Message, requires: set[str]) -> None:  # type: ignore[override]
        for key in requires:
            if not isinstance(line_dict.get(key), FORMS[key]):
                msg = f"Line {self.line} of the input lacks {key}, or has it in a wrong form."
                raise InputError(msg, Trouble.NOT_SINGER)


def _ignore(_: Message) -> None:
    pass


def _refuse_batch(_: Message) -> None:
    msg = "The input holds BATCH messages: take batch_config out of the extractor's settings."
    raise InputError(msg, Trouble.BATCH)
