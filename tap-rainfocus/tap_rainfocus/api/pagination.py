"""Reads a download page by page, with retries, and asks for a page before it is wanted."""

from __future__ import annotations

import threading
import time
import typing as t
from concurrent.futures import Future

import tenacity
from rainfocus_client.errors import DataError, TokenRefusedError
from rainfocus_client.lenient_json import parse_body
from rainfocus_client.responses import judge
from rainfocus_client.retry import policy

from tap_rainfocus.api.pages import Page, UncertainEndError, guess_cursor

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

    from rainfocus_client.report import Traffic

    from tap_rainfocus.api.client import Answer, Params, RainFocusClient
    from tap_rainfocus.api.pages import Cursor


TO_SEND = 0.002
"""Seconds a request needs to be out; parsing a page in the meantime would keep it from going
(benchmarks/README.md, 100 ms a page)."""


class Downloader:
    """Makes downloads, all with the same client and patience."""

    def __init__(
        self,
        client: RainFocusClient,
        max_retries: int,
        logger: logging.Logger,
        traffic: Traffic,
    ) -> None:
        """Try passing faults again `max_retries` times, say so in the log, and count it."""
        self._client = client
        self._policy = policy(max_retries, logger, traffic)

    def pages(self, call: str, params: Params, records_key: str) -> Iterator[Page]:
        """Every page of a download; the next one is under way while the caller works on the last.

        Raises:
            UncertainEndError: Records that should be there do not come.
            RainFocusError: See `rainfocus_client.responses.judge` and `Page.from_reply`.
        """
        ahead = _Ahead(lambda cursor: self._client.get(call, _at(cursor, params)))
        cursors: set[Cursor] = set()
        cursor: Cursor | None = None
        asked: Cursor | None = None
        before: Page | None = None
        received = 0
        while True:
            page = self._page(call, _at(cursor, params), cursor, records_key, ahead)
            if before and page.records == before.records:
                if cursor == asked:  # the same request, answered the same
                    _check_total(call, received, page)
                    return
                msg = (
                    f"RainFocus answers {call} with page 1 again: it does not heed its own cursor."
                )
                raise DataError(msg)
            # A cursor that comes back may stand for a scroll, or be the echo of a last page.
            before = page if cursor in {None, page.cursor} else None
            asked = cursor
            if page.cursor:
                if page.cursor in cursors and not before:
                    msg = f"RainFocus answers {call} with cursors that go round in circles."
                    raise DataError(msg)
                cursors.add(page.cursor)
                ahead.begin(page.cursor)
            yield page
            received += len(page.records)
            if not page.cursor:
                _check_total(call, received, page)
                return
            cursor = page.cursor

    def _page(
        self, call: str, params: Params, cursor: Cursor | None, records_key: str, ahead: _Ahead
    ) -> Page:
        def attempt() -> Page:
            answer = ahead.take(cursor)
            if guess := guess_cursor(answer.content):
                ahead.begin(guess)
            try:
                page = _read(call, answer, records_key)
            except TokenRefusedError:
                answer = self._client.get(call, params, refused=answer.token)
                page = _read(call, answer, records_key)
            if cursor and not page.records:
                msg = f"RainFocus answered {call} with an empty last page: the end, or throttling."
                raise UncertainEndError(msg)
            return page

        return tenacity.Retrying(**self._policy)(attempt)


class _Ahead:
    """One request under way for the page that is likely to be wanted next."""

    def __init__(self, get: Callable[[Cursor | None], Answer]) -> None:
        self._get = get
        self._under_way: tuple[Cursor, Future[Answer]] | None = None
        self._waited = False

    def begin(self, cursor: Cursor) -> None:
        """Ask for the page behind a cursor, unless that is being done."""
        if self._under_way is None or self._under_way[0] != cursor:
            self._under_way = cursor, _in_background(self._get, cursor)
            if self._waited:
                time.sleep(TO_SEND)

    def take(self, cursor: Cursor | None) -> Answer:
        """The answer for a cursor, from the request under way if it is that one's."""
        under_way, self._under_way = self._under_way, None
        if under_way and under_way[0] == cursor:
            self._waited = not under_way[1].done()
            return under_way[1].result()
        return self._get(cursor)


def _check_total(call: str, received: int, page: Page) -> None:
    if received < page.total:
        msg = f"RainFocus answered {call} with {received} of {page.total} records."
        raise UncertainEndError(msg)


def _read(call: str, answer: Answer, records_key: str) -> Page:
    body = judge(call, answer.status, parse_body(answer.content), answer.headers)
    return Page.from_reply(call, body, answer.headers, records_key)


def _at(cursor: Cursor | None, params: Params) -> Params:
    return {**params, cursor.name: cursor.value} if cursor else params


P = t.ParamSpec("P")
T = t.TypeVar("T")


def _in_background(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Work in a thread that, unlike an executor's, never keeps the process from ending."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
