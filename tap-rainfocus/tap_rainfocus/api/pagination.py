"""Reads a download page by page, by cursors."""

from __future__ import annotations

import typing as t

import orjson
from rainfocus_client.errors import DataError, TokenRefusedError
from rainfocus_client.troubles import Trouble

from tap_rainfocus.api.pages import Page, UncertainEndError

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_rainfocus.api.attempts import Attempts
    from tap_rainfocus.api.client import Params, RainFocusClient
    from tap_rainfocus.api.pages import Cursor
    from tap_rainfocus.api.sender import Answer
    from tap_rainfocus.api.turns import Turns


class Downloader:
    """Makes downloads, all with the same client."""

    def __init__(self, client: RainFocusClient, attempts: Attempts) -> None:
        """Ask this client, as often as it takes."""
        self._client = client
        self._attempts = attempts

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
            answer = self._client.get(call, asked, turns.rest)
            try:
                page = _read(call, answer, records_key)
            except TokenRefusedError:
                answer = self._client.get(call, asked, turns.rest, refused=answer.token)
                page = _read(call, answer, records_key)
            if cursor and not page.records:
                msg = f"RainFocus answered {call} with an empty last page: the end, or throttling."
                raise UncertainEndError(msg, Trouble.EMPTY_PAGE)
            return page

        return self._attempts.make(attempt, turns)


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
    return Page.from_reply(call, answer.body(call), answer.headers, records_key)
