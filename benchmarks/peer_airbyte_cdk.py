"""airbyte-cdk's concurrent source over the same pages, with a partition for each event; its own
entrypoint writes the messages."""

from __future__ import annotations

import json
import logging
import tempfile
import typing as t
from pathlib import Path

from airbyte_cdk.entrypoint import launch
from airbyte_cdk.models import ConnectorSpecification
from airbyte_cdk.sources.concurrent_source.concurrent_source import ConcurrentSource
from airbyte_cdk.sources.concurrent_source.concurrent_source_adapter import (
    ConcurrentSourceAdapter,
)
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.message import InMemoryMessageRepository
from airbyte_cdk.sources.streams.concurrent.cursor import FinalStateCursor
from airbyte_cdk.sources.streams.http import HttpStream
from airbyte_cdk.sources.utils.slice_logger import DebugSliceLogger
from peers import task

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import requests
    from airbyte_cdk.sources.streams import Stream
    from peers import Record, Task

LOGGER = logging.getLogger("airbyte")
CATALOG = {
    "streams": [
        {
            "stream": {
                "name": "attendees",
                "json_schema": {},
                "supported_sync_modes": ["full_refresh"],
            },
            "sync_mode": "full_refresh",
            "destination_sync_mode": "overwrite",
        }
    ]
}


class Attendees(HttpStream):
    """Attendees, a slice for each event."""

    name = "attendees"
    primary_key = None

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._url = f"{task.url}/"
        self._shapings = {event: task.shaping(event) for event in task.events}

    @property
    def url_base(self) -> str:
        return self._url

    def path(self, **context: t.Any) -> str:
        return "attendee/search"

    def get_json_schema(self) -> Mapping[str, t.Any]:
        return {}

    def stream_slices(self, **context: t.Any) -> Iterable[Mapping[str, str]]:
        return [{"event": event} for event in self._shapings]

    def request_params(
        self,
        stream_state: t.Any,
        stream_slice: Mapping[str, str],
        next_page_token: Mapping[str, str] | None = None,
    ) -> Mapping[str, t.Any]:
        return {"pageSize": 1000, "event": stream_slice["event"], **(next_page_token or {})}

    def parse_response(
        self,
        response: requests.Response,
        *,
        stream_slice: Mapping[str, str],
        **context: t.Any,
    ) -> Iterable[Record]:
        page = response.json()
        # Otherwise the next page's token costs the parsing of this one again.
        response.cursor = page.get("cursor")
        yield from map(self._shapings[stream_slice["event"]], page["results"])

    def next_page_token(self, response: requests.Response) -> Mapping[str, str] | None:
        return {"cursor": response.cursor} if response.cursor else None


class Source(ConcurrentSourceAdapter):
    """A source of attendees."""

    message_repository = InMemoryMessageRepository()

    def __init__(self, task: Task) -> None:
        messages = self.message_repository
        super().__init__(
            ConcurrentSource.create(task.workers, 1, LOGGER, DebugSliceLogger(), messages)
        )
        self._task = task

    def spec(self, logger: logging.Logger) -> ConnectorSpecification:
        return ConnectorSpecification(connectionSpecification={})

    def check_connection(self, logger: t.Any, config: t.Any) -> tuple[bool, None]:
        return True, None

    def streams(self, config: t.Any) -> list[Stream]:
        stream = Attendees(self._task)
        cursor = FinalStateCursor(stream.name, None, self.message_repository)
        state = ConnectorStateManager()
        return [self.convert_to_concurrent_stream(LOGGER, stream, state, cursor)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        config, catalog = Path(folder, "config.json"), Path(folder, "catalog.json")
        config.write_text("{}")
        catalog.write_text(json.dumps(CATALOG))
        launch(Source(task()), ["read", "--config", str(config), "--catalog", str(catalog)])
