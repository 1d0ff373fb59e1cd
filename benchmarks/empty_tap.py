"""A tap that does nothing, to compare start-up with."""

from __future__ import annotations

import typing as t

from singer_sdk import Tap


class EmptyTap(Tap):
    """An empty tap."""

    name = "empty-tap"
    config_jsonschema: t.ClassVar = {"properties": {}}

    def discover_streams(self) -> list[t.Any]:
        return []


if __name__ == "__main__":
    EmptyTap.cli()
