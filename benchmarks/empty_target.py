"""A target that reads with the SDK's defaults and does nothing, to compare reading with."""

from __future__ import annotations

import typing as t

from singer_sdk import RecordSink, Target


class EmptySink(RecordSink):
    """Takes records and forgets them."""

    def process_record(self, record: dict[str, t.Any], context: dict[str, t.Any]) -> None:
        pass


class EmptyTarget(Target):
    """An empty target."""

    name = "empty-target"
    default_sink_class = EmptySink
    config_jsonschema: t.ClassVar = {"properties": {}}


if __name__ == "__main__":
    EmptyTarget.cli()
