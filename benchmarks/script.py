"""No SDK at all: requests, orjson and the same reshaping, written as Singer records."""

from __future__ import annotations

import sys

import orjson
import requests
from tap_rainfocus.schema import xdm
from tap_rainfocus.schema.normalization import Normalizer


def main(api_url: str) -> None:
    session = requests.Session()
    normalize = Normalizer((xdm.ATTENDEE, xdm.EVENT))
    out = sys.stdout.buffer
    cursor = None
    while True:
        params = {"pageSize": 1000, "event": "summit25", "cursor": cursor}
        reply = session.get(f"{api_url}/acme/v3/attendee/search", params=params, timeout=60)
        page = orjson.loads(reply.content)
        for raw in page["results"]:
            shaped = normalize(raw).groups
            record = {
                "event_code": "summit25",
                "_id": shaped["attendee"]["attendeeId"],
                "timestamp": "2023-04-01T00:39:17.133Z",
                "event": {"code": "summit25"},
                **shaped,
            }
            message = {"type": "RECORD", "stream": "attendees", "record": record}
            out.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
        cursor = page.get("cursor")
        if not cursor:
            return


if __name__ == "__main__":
    main(sys.argv[1])
