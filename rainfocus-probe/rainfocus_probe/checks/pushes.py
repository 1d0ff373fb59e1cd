"""What a push would be read as: what `rainfocus-receiver check` says, without the values."""

from __future__ import annotations

import io
import re
import typing as t
from contextlib import redirect_stdout
from pathlib import Path

from rainfocus_client.errors import DataError, FileError, SettingsError
from rainfocus_client.lenient_json import parse_body
from rainfocus_client.troubles import Trouble

from rainfocus_probe.findings import Finding, Verdict, decided
from rainfocus_probe.shapes import is_name, names, shape

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rainfocus_probe.context import Context

MOST_BYTES = 1 << 20
"""Of a push, as the receiver takes it."""

_ASSUMPTION = "the receiver reads a push as experience events"
_PAYLOAD_KEY = "RAINFOCUS_RECEIVER_PAYLOAD_KEY"
_COUNTED = re.compile(r"(\d[\d,]*) of (\d[\d,]*) messages? would be read\.")
_FIELDS = re.compile(r"  (\d+) of the \d+ fields: (.*)")
_UNKNOWN = re.compile(r"  Not known, passed through: (.*)")
_UNREADABLE = re.compile(r"  Not readable, kept in \w+: (.*)")


def check_pushes(context: Context) -> Iterator[Finding]:
    """Have a sample read, and look for what wraps it where it cannot be.

    Raises:
        FileError: The file cannot be read.
        SettingsError: The receiver is not installed.
    """
    if not context.sample_path:
        return
    path = Path(context.sample_path)
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES)
    except OSError as error:
        msg = f"The file of --sample cannot be read ({error.strerror}): check its name."
        raise FileError(msg, Trouble.PUSH_FILE) from error
    body = parse_body(content)
    said, failed = _checked(path)
    counted = _COUNTED.search(said)
    fields = sorted({name for found in _FIELDS.finditer(said) for name in _dotted(found[2])})
    facts: dict[str, t.Any] = {
        "body": shape(body),
        "fields": fields,
        "not_known": sorted({n for found in _UNKNOWN.finditer(said) for n in _dotted(found[1])}),
        "not_readable": sorted(
            {n for found in _UNREADABLE.finditer(said) for n in _dotted(found[1])}
        ),
    }
    if not failed and counted:
        seen = f"{counted[0]} {len(fields)} of the 23 fields are there"
        yield Finding(
            "push", _ASSUMPTION, decided(holds=counted[1] == counted[2]), seen, facts=facts
        )
        return
    key = _wrapper(content, body)
    if key is None:
        seen = "no experience event is found in it"
        yield Finding("push", _ASSUMPTION, Verdict.OPEN, seen, facts=facts)
        return
    seen = f"events are found under {key}"
    receiver = {_PAYLOAD_KEY: key}
    yield Finding("push", _ASSUMPTION, Verdict.DIFFERS, seen, receiver=receiver, facts=facts)


def _checked(path: Path) -> tuple[str, bool]:
    """What the command prints, and whether it failed."""
    try:
        from tap_rainfocus.receiver.keeper.samples import check  # noqa: PLC0415, an extra
    except ModuleNotFoundError as error:
        msg = f"{error.name} is not installed: install rainfocus-probe[receiver] for --sample."
        raise SettingsError(msg, Trouble.NOT_INSTALLED) from error
    buffer = io.BytesIO()
    out = io.TextIOWrapper(buffer, encoding="utf-8")
    failed = False
    with redirect_stdout(out):
        try:
            check.main([str(path)], standalone_mode=False)
        except DataError:
            failed = True
    out.flush()
    return buffer.getvalue().decode(), failed


def _wrapper(content: bytes, body: object) -> str | None:
    """The key, or two of them with a dot between, that events are found under."""
    from tap_rainfocus.receiver.bodies import BodyReader  # noqa: PLC0415, an extra

    first = body[0] if isinstance(body, list) and body else body
    for key in _paths(first):
        if any(message.readable for message in BodyReader(key)(content)):
            return key
    return None


def _paths(body: object) -> Iterator[str]:
    if not isinstance(body, dict):
        return
    for key in names(body):
        if isinstance(body[key], dict | list):
            yield key
            inner = body[key]
            inner = inner[0] if isinstance(inner, list) and inner else inner
            if isinstance(inner, dict):
                yield from (f"{key}.{name}" for name in names(inner))


def _dotted(text: str) -> list[str]:
    found = text.strip().split(", ")
    return [name for name in found if all(map(is_name, name.split(".")))]
