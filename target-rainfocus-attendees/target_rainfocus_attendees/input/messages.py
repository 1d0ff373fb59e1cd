"""Reads Singer messages; what is wrong with one is said without quoting it."""

from __future__ import annotations

import typing as t

from rainfocus_client.errors import RainFocusError
from rainfocus_client.lenient_json import parse_json
from singer_sdk.exceptions import (
    InvalidInputLine,
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
)
from singer_sdk.io_base import SingerReader
from typing_extensions import override

if t.TYPE_CHECKING:
    from target_rainfocus_attendees.models import Message

FORMS: dict[str, type] = {
    "type": str,
    "stream": str,
    "schema": dict,
    "properties": dict,
    "record": dict,
    "value": dict,
}
"""What the required parts of a message have to be."""


class InputError(RainFocusError, InvalidInputLine):
    """A line is not a Singer message."""


class UnknownStreamError(RainFocusError, RecordsWithoutSchemaException):
    """A record came before the schema of its stream."""


class MissingKeyError(RainFocusError, MissingKeyPropertiesError):
    """A record lacks a key property."""


class MessageReader(SingerReader):
    """Reads messages from lines, and knows which line it is at."""

    def __init__(self) -> None:
        """Start before the first line."""
        super().__init__()
        self._line = 0

    @override
    def deserialize_json(self, line: str) -> Message:
        self._line += 1
        try:
            message = parse_json(line, replace=False)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            msg = f"Line {self._line} of the input is not a JSON object: check the extractor."
            raise InputError(msg)
        return message

    @override
    def assert_line_requires(self, line_dict: Message, requires: set[str]) -> None:  # type: ignore[override]
        for key in requires:
            if not isinstance(line_dict.get(key), FORMS[key]):
                msg = f"Line {self._line} of the input lacks {key}, or has it in a wrong form."
                raise InputError(msg)

    @override
    def _process_unknown_message(self, message_dict: Message) -> None:
        msg = f"Line {self._line} of the input is a message of an unknown type."
        raise InputError(msg)
