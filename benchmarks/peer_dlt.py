"""dlt's REST client over the same pages; it only iterates, writes nothing."""

from __future__ import annotations

import sys

from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

paginator = JSONResponseCursorPaginator(cursor_path="cursor", cursor_param="cursor")
client = RESTClient(base_url=f"{sys.argv[1]}/acme/v3", paginator=paginator)
records = 0
for page in client.paginate("attendee/search", params={"pageSize": 1000}, data_selector="results"):
    records += len(page)
print(records)
