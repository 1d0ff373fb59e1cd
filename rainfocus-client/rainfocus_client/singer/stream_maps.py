"""What streams there are maps for, and what is said of maps that cannot be used."""

from __future__ import annotations

import typing as t

from rainfocus_client.errors import SettingsError
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from collections.abc import Mapping


def mapped_streams(config: Mapping[str, t.Any]) -> set[str]:
    """The streams that setting `stream_maps` is for: names, or patterns of names.

    Args:
        config: The plugin's settings.
    """
    maps = config.get("stream_maps") or {}
    return {
        definition.get("__source__", name) if isinstance(definition, dict) else name
        for name, definition in maps.items()
        if not name.startswith("__")
    }


def unusable() -> SettingsError:
    """A stream map is wrong whatever the records are."""
    return SettingsError(
        "A stream map cannot be used: check the names and expressions in stream_maps.",
        Trouble.STREAM_MAP,
    )


def unusable_on_a_record(stream: str, error: Exception) -> SettingsError:
    """An expression of a stream map fails on a record, of which nothing is shown."""
    return SettingsError(
        f"A stream map of stream {stream} cannot be used on a record "
        f"({type(error).__name__}): check its expressions in stream_maps.",
        Trouble.STREAM_MAP,
    )
