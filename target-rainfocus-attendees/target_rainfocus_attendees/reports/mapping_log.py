"""Tells in the log what becomes of the columns of a stream."""

from __future__ import annotations

import json
import typing as t

from target_rainfocus_attendees.mapping.wording import listed, shown

if t.TYPE_CHECKING:
    import logging

    from target_rainfocus_attendees.mapping.stream_mapping import StreamMapping


def tell_mapping(stream: str, mapping: StreamMapping, logger: logging.Logger) -> None:
    """Tell which column feeds which field, and what is left aside."""
    name = shown(stream)
    logger.info("Stream %s: %s.", name, ", ".join(mapping.feeds))
    if asides := mapping.asides:
        logger.warning(
            "Stream %s: %s may mean another thing and so is not sent. field_map can take it: "
            "%s, or null to leave it out.",
            name,
            listed(list(asides.values())),
            json.dumps(asides),
        )
    if mapping.unsent:
        logger.info(
            "Stream %s: nothing is sent of %s. field_map and extra_fields can name them.",
            name,
            listed(mapping.unsent),
        )
