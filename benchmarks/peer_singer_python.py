"""singer-python's writer in a loop over the same pages; no schema, and one event at a time: it
has no way to read several at once."""

from __future__ import annotations

import requests
import singer
from peers import task

task = task()
session = requests.Session()
for event in task.events:
    shape = task.shaping(event)
    cursor = None
    while True:
        params = {"pageSize": 1000, "event": event, "cursor": cursor}
        reply = session.get(f"{task.url}/attendee/search", params=params, timeout=60)
        page = reply.json()
        for raw in page["results"]:
            singer.write_record("attendees", shape(raw))
        cursor = page.get("cursor")
        if not cursor:
            break
