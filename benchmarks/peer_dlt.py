"""dlt's REST client over the same pages, a parallelized resource for each event; it only
iterates, and writes nothing but how many records there were."""

from __future__ import annotations

import typing as t

import dlt
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from peers import task

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from dlt.extract import DltResource

task = task()
dlt.config["extract.workers"] = task.workers
client = RESTClient(
    base_url=task.url,
    paginator=JSONResponseCursorPaginator(cursor_path="cursor", cursor_param="cursor"),
)


def pages(event: str) -> Iterator[list[t.Any]]:
    params = {"pageSize": 1000, "event": event}
    yield from client.paginate("attendee/search", params=params, data_selector="results")


@dlt.source
def attendees() -> Iterator[DltResource]:
    for event in task.events:
        resource = dlt.resource(pages, name=event, parallelized=True)(event)
        yield resource.add_map(task.shaping(event)) if task.reshape else resource


print(sum(1 for _ in attendees()))
