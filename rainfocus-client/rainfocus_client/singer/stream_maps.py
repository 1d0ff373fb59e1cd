"""What is said of stream maps that cannot be used."""

from __future__ import annotations

from rainfocus_client.errors import SettingsError


def unusable() -> SettingsError:
    """A stream map is wrong whatever the records are."""
    return SettingsError(
        "A stream map cannot be used: check the names and expressions in stream_maps."
    )


def unusable_on_a_record(stream: str, error: Exception) -> SettingsError:
    """An expression of a stream map fails on a record, of which nothing is shown."""
    return SettingsError(
        f"A stream map of stream {stream} cannot be used on a record "
        f"({type(error).__name__}): check its expressions in stream_maps."
    )
