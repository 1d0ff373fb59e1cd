"""Pages of a search that are not as they should be."""

from __future__ import annotations

import typing as t

from rainfocus_sandbox.api.calls import first_cursor

if t.TYPE_CHECKING:
    from rainfocus_sandbox.faults.exchange import Exchange
    from rainfocus_sandbox.faults.faults import Kind


async def can_bend(kind: Kind, exchange: Exchange) -> bool:
    """Tell whether the true page differs from the one that `kind` makes of it."""
    page = await exchange.page()
    if page is None:
        return False
    match kind:
        case "short_page":
            return len(page["results"]) > 1
        case "repeat_cursor":
            return "cursor" not in page and "cursor" in exchange.request.query_params
        case "no_timestamp":
            return "timestamp" in page
    return True


async def bent_page(kind: Kind, exchange: Exchange) -> dict[str, t.Any]:
    """Return what `kind` makes of the page."""
    page = await exchange.page() or {}
    sent = exchange.request.query_params.get("cursor")
    match kind:
        case "empty_page":
            first = first_cursor(exchange.event, exchange.call)
            return page | {"results": [], "cursor": sent or first}
        case "short_page":
            return await exchange.page_of(len(page["results"]) // 2)
        case "repeat_cursor":
            return page | {"cursor": sent}
    del page["timestamp"]
    return page
