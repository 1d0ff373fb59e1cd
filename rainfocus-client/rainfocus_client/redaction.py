"""Keeps secrets, e-mail addresses and query strings out of the log, whoever writes it."""

from __future__ import annotations

import logging
import re
import traceback
import typing as t

_EMAIL = re.compile(r"[\w.!#$&'*+/=?^`{|}~%-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+")
_QUERY = re.compile(r"\?[^\s\"'<>]*=[^\s\"'<>]*")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")


SHORTEST_SECRET = 6


class Redactor:
    """Replaces what must not be shown in a text."""

    def __init__(self, *secrets: object) -> None:
        """Know these secrets; e-mail addresses, tokens and query strings are known by form."""
        # What is shorter is no secret, and would be found in every other word.
        self._secrets = [
            secret
            for secret in secrets
            if isinstance(secret, str) and len(secret) >= SHORTEST_SECRET
        ]

    def __call__(self, text: str) -> str:
        """The text without what must not be shown."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        text = _QUERY.sub("?[query]", text)
        text = _BEARER.sub(r"\1 [secret]", text)
        return _EMAIL.sub("[email]", text)


def protect_logs(redact: Redactor) -> None:
    """Pass every log record of this process through `redact`, whichever library makes it.

    The text of an exception is a part of the record.
    """

    def make(*args: t.Any, **kwargs: t.Any) -> logging.LogRecord:  # noqa: ANN401
        record = logging.LogRecord(*args, **kwargs)
        text = record.getMessage()
        clean = redact(text)
        if clean != text:
            record.msg, record.args = clean, ()
        if record.exc_info and record.exc_info[0]:
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None  # a formatter would take the text from it
        return record

    logging.setLogRecordFactory(make)
