"""singer-python's writer in a loop over the same pages; no reshaping, no schema."""

from __future__ import annotations

import sys

import requests
import singer

session = requests.Session()
cursor = None
while True:
    params = {"pageSize": 1000, "event": "summit25", "cursor": cursor}
    reply = session.get(f"{sys.argv[1]}/acme/v3/attendee/search", params=params, timeout=60)
    page = reply.json()
    for raw in page["results"]:
        singer.write_record("attendees", raw)
    cursor = page.get("cursor")
    if not cursor:
        break
