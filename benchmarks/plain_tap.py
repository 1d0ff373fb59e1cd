"""The tap one writes first: a plain `RESTStream`, all defaults, same schema, same reshaping."""

from __future__ import annotations

import typing as t

from peers import shaping
from singer_sdk import RESTStream, Tap
from singer_sdk.pagination import JSONPathPaginator
from tap_rainfocus.schema import xdm


class Attendees(RESTStream):
    """Attendees."""

    name = "attendees"
    path = "/acme/v3/attendee/search"
    primary_keys = ("_id",)
    replication_key = "timestamp"
    records_jsonpath = "$.results[*]"
    schema = xdm.record_schema((xdm.ATTENDEE,))

    def __init__(self, tap: Tap) -> None:
        super().__init__(tap)
        self._shape = shaping("summit25")

    @property
    def url_base(self) -> str:
        return self.config["api_url"]

    def get_new_paginator(self) -> JSONPathPaginator:
        return JSONPathPaginator("$.cursor")

    def get_url_params(self, context: t.Any, next_page_token: str | None) -> dict[str, t.Any]:
        return {"pageSize": 1000, "event": "summit25", "cursor": next_page_token}

    def parse_response(self, response: t.Any) -> t.Iterable[dict[str, t.Any]]:
        yield from response.json()["results"]

    def post_process(self, row: dict[str, t.Any], context: t.Any = None) -> dict[str, t.Any]:
        return self._shape(row)


class PlainTap(Tap):
    """A plain tap."""

    name = "plain-tap"
    config_jsonschema: t.ClassVar = {"properties": {"api_url": {"type": "string"}}}

    def discover_streams(self) -> list[RESTStream]:
        return [Attendees(self)]


if __name__ == "__main__":
    PlainTap.cli()
