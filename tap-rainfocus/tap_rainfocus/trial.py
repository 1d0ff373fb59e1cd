"""`tap-rainfocus --test`: can every selected stream be read?"""

from __future__ import annotations

import typing as t

from rainfocus_client.errors import AuthenticationError, RainFocusError, RetriableError

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Sequence

    from singer_sdk.helpers.types import Context

    from tap_rainfocus.base import TapStream


def try_streams(streams: Iterable[TapStream], logger: logging.Logger) -> None:
    """Ask each stream, for each event, for one record, and log what came; nothing is written.

    Raises:
        RainFocusError: Some cannot be read, or RainFocus cannot be reached at all.
    """
    refused, count = [], 0
    for stream in streams:
        contexts: Sequence[Context | None] = stream.partitions or (None,)
        for context in contexts:
            what = stream.title(context)
            count += 1
            try:
                has_records = stream.sample(context)
            except (AuthenticationError, RetriableError):
                raise
            except RainFocusError as error:
                logger.error("%s cannot be read. %s", what, error)  # noqa: TRY400
                refused.append(what)
            else:
                logger.info("%s can be read%s.", what, "" if has_records else ", but is empty")
    if refused:
        msg = f"{len(refused)} of {count} cannot be read: {', '.join(refused)}."
        raise RainFocusError(msg)
