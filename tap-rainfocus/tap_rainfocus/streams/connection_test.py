"""`tap-rainfocus --test`: can every selected stream be read?"""

from __future__ import annotations

import typing as t
from contextlib import suppress

from rainfocus_client.errors import AuthenticationError, RainFocusError, UnreachableError
from rainfocus_client.troubles import with_code
from singer_sdk.exceptions import AbortedSyncFailedException, AbortedSyncPausedException

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterable

    from tap_rainfocus.streams.base import TapStream


def try_streams(streams: Iterable[TapStream], logger: logging.Logger) -> None:
    """Sync one record of each stream and event, and log whether that went well.

    Raises:
        RainFocusError: Some cannot be read (of the kind of the first that cannot), or RainFocus
            cannot be reached at all.
    """
    tried = 0
    refused: list[tuple[str, RainFocusError]] = []
    for stream in streams:
        stream.begin_trial()
        for context in stream.contexts:
            what = stream.title(context)
            try:
                with suppress(AbortedSyncFailedException, AbortedSyncPausedException):
                    stream.sync(context)
            except RainFocusError as error:
                is_down = isinstance(error, UnreachableError) and not tried
                if is_down or isinstance(error, AuthenticationError):
                    raise
                told = with_code(f"{what} cannot be read. {error}", error.trouble)
                logger.error("%s", told)  # noqa: TRY400
                refused.append((what, error))
            else:
                logger.info("%s can be read.", what)
            tried += 1
    if refused:
        names = ", ".join(what for what, _ in refused)
        _, first = refused[0]
        msg = f"{len(refused)} of {tried} cannot be read: {names}."
        raise type(first)(msg, first.trouble)
