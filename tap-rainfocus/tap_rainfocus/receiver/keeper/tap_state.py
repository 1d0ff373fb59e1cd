"""How far the tap has read the inbox, as its Singer state says."""

from __future__ import annotations

import typing as t
from pathlib import Path

from rainfocus_client.errors import DataError
from rainfocus_client.lenient_json import parse_json
from rainfocus_client.troubles import Trouble

from tap_rainfocus.inbox.bookmark import Known
from tap_rainfocus.inbox.tables import MOST_ROWS


class Progress(t.NamedTuple):
    """The last sequence that was read, and what the state knows of its inbox."""

    sequence: int
    known: Known


def read_progress(file: str) -> Progress:
    """The bookmark of `experience_events`, in a state or in what `meltano state get` prints.

    Raises:
        DataError: The file is not JSON, or holds no such bookmark.
        OSError: The file cannot be read.
    """
    try:
        state = parse_json(Path(file).read_bytes())
    except ValueError:
        msg = f"{file} is not JSON: give the tap's state, or what `meltano state get` prints."
        raise DataError(msg, Trouble.PUSH_FILE) from None
    match state:
        case {"singer_state": inner}:
            state = inner
    match state:
        case {"bookmarks": {"experience_events": {"replication_key_value": int(last), **more}}} if (
            not isinstance(last, bool) and 0 <= last < MOST_ROWS
        ):
            return Progress(last, Known.read(more.get("inbox")))
    msg = f"{file} holds no bookmark of experience_events: give the state of the tap that reads it."
    raise DataError(msg, Trouble.PUSH_FILE)
