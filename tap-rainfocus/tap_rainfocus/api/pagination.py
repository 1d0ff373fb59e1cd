"""Reads a download page by page, with retries."""

from __future__ import annotations

import typing as t

import orjson
import tenacity
from rainfocus_client.adaptive_limit import BUSY
from rainfocus_client.errors import BusyError, DataError, RetriableError, TokenRefusedError
from rainfocus_client.lenient_json import parse_body
from rainfocus_client.responses import judge
from rainfocus_client.retry import policy
from rainfocus_client.troubles import Trouble

from tap_rainfocus.api.pages import Page, UncertainEndError

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from rainfocus_client.report import Traffic

    from tap_rainfocus.api.client import Answer, Params, RainFocusClient
    from tap_rainfocus.api.pages import Cursor
    from tap_rainfocus.api.turns import Turns


class Downloader:
    """Makes downloads, all with the same client and patience."""

    def __init__(
        self,
        client: RainFocusClient,
        max_retries: int,
        logger: logging.Logger,
        traffic: Traffic,
        *,
        tells_all: bool,
    ) -> None:
        """Try passing faults again `max_retries` times, say so in the log, and count it."""
        self._client = client
        self._policy = policy(max_retries, logger, traffic, tells_all=tells_all)

    def pages(self, call: str, params: Params, records_key: str, turns: Turns) -> Iterator[Page]:
        """Every page of a download; a turn is taken for each request.

        Raises:
            UncertainEndError: Records that should be there do not come.
            RainFocusError: See `rainfocus_client.responses.judge` and `Page.from_reply`.
            HaltedError: Nothing more is to be asked.
        """
        cursors: set[Cursor] = set()
        cursor: Cursor | None = None
        asked: Cursor | None = None
        before: object = None
        received = 0
        while True:
            page = self._page(call, params, cursor, records_key, turns)
            # A cursor that comes back may stand for a scroll, or be the echo of a last page.
            may_repeat = bool(page.cursor) and cursor in {None, page.cursor}
            content = _content(page) if may_repeat or before else None
            if content and content == before:
                if cursor == asked:  # the same request, answered the same
                    _check_total(call, received, page)
                    return
                msg = (
                    f"RainFocus answers {call} with page 1 again: it does not heed its own cursor."
                )
                raise DataError(msg, Trouble.PAGES)
            before = content if may_repeat else None
            asked = cursor
            if page.cursor:
                if page.cursor in cursors and not may_repeat:
                    msg = f"RainFocus answers {call} with cursors that go round in circles."
                    raise DataError(msg, Trouble.PAGES)
                cursors.add(page.cursor)
            yield page
            received += len(page.records)
            if not page.cursor:
                _check_total(call, received, page)
                return
            cursor = page.cursor
            del page  # while the next one comes it would be one too many

    def _page(
        self, call: str, params: Params, cursor: Cursor | None, records_key: str, turns: Turns
    ) -> Page:
        asked = {**params, cursor.name: cursor.value} if cursor else params

        def attempt() -> Page:
            with turns.turn():
                answer = self._client.get(call, asked, turns.rest)
                try:
                    page = _read(call, answer, records_key)
                except TokenRefusedError:
                    answer = self._client.get(call, asked, turns.rest, refused=answer.token)
                    page = _read(call, answer, records_key)
                if cursor and not page.records:
                    msg = (
                        f"RainFocus answered {call} with an empty last page: the end, or "
                        "throttling."
                    )
                    raise UncertainEndError(msg, Trouble.EMPTY_PAGE)
                return page

        def pause(state: tenacity.RetryCallState) -> None:
            self._policy["before_sleep"](state)
            if state.outcome and isinstance(state.outcome.exception(), BusyError):
                turns.pause(state.upcoming_sleep)

        policy = self._policy | {"before_sleep": pause}
        return tenacity.Retrying(**policy, sleep=turns.sleep)(attempt)


def _content(page: Page) -> object:
    """What stands for the content of a page, which is too large to be kept."""
    try:
        return hash(orjson.dumps(page.records, option=orjson.OPT_SORT_KEYS))
    except TypeError:  # nested too deep
        return page.records


def _check_total(call: str, received: int, page: Page) -> None:
    if received < page.total:
        msg = f"RainFocus answered {call} with {received} of {page.total} records."
        raise UncertainEndError(msg, Trouble.EMPTY_PAGE)


def _read(call: str, answer: Answer, records_key: str) -> Page:
    try:
        body = judge(call, answer.status, parse_body(answer.content), answer.headers)
    except RetriableError as later:
        if answer.status in BUSY:
            raise BusyError(str(later), later.trouble, later.retry_after) from None
        raise
    return Page.from_reply(call, body, answer.headers, records_key)
