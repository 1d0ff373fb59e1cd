"""No SDK at all: requests, orjson and the same reshaping, written as Singer records."""

from __future__ import annotations

import sys

import orjson
import requests
from peers import shaping


def main(api_url: str) -> None:
    session = requests.Session()
    shape = shaping("summit25")
    out = sys.stdout.buffer
    cursor = None
    while True:
        params = {"pageSize": 1000, "event": "summit25", "cursor": cursor}
        reply = session.get(f"{api_url}/acme/v3/attendee/search", params=params, timeout=60)
        page = orjson.loads(reply.content)
        for raw in page["results"]:
            message = {"type": "RECORD", "stream": "attendees", "record": shape(raw)}
            out.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
        cursor = page.get("cursor")
        if not cursor:
            return


if __name__ == "__main__":
    main(sys.argv[1])
