"""Commits in groups: whoever waits at the same time shares one commit."""

from __future__ import annotations

import asyncio
import typing as t
from concurrent.futures import ThreadPoolExecutor

from rainfocus_client.errors import StorageError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENDED = "Nothing is committed any more."

Item = t.TypeVar("Item")
Result = t.TypeVar("Result")


class GroupCommit(t.Generic[Item, Result]):
    """Commits what waits, one commit after the other, in a thread of its own."""

    def __init__(self, commit: Callable[[list[Item]], Sequence[Result]]) -> None:
        """Commit nothing yet.

        Args:
            commit: Commits the items, in the order they came; gives one result for each.
        """
        self._commit = commit
        self._waiting: list[tuple[Item, asyncio.Future[Result] | None]] = []
        self._called = asyncio.Event()
        self._is_closing = False
        self._has_ended = False

    async def submit(self, item: Item) -> Result:
        """Wait until it is committed.

        Raises:
            Exception: What `commit` raised; nothing of the group counts as committed.
            StorageError: `run` has ended, or ends before it is known whether it is committed.
        """
        if self._has_ended:
            raise StorageError(ENDED)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._called.set()
        return await future

    def post(self, item: Item) -> None:
        """Have it committed, and do not wait; a failure is not told."""
        self._waiting.append((item, None))
        self._called.set()

    def close(self) -> None:
        """Let `run` end as soon as nothing waits."""
        self._is_closing = True
        self._called.set()

    async def run(self) -> None:
        """Commit what comes, until closed or cancelled."""
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, "commit")
        group: list[tuple[Item, asyncio.Future[Result] | None]] = []
        try:
            while self._waiting or not self._is_closing:
                await self._called.wait()
                self._called.clear()
                group, self._waiting = self._waiting, []
                items = [item for item, _ in group]
                try:
                    results = await loop.run_in_executor(thread, self._commit, items)
                except Exception as error:  # noqa: BLE001
                    for _, future in group:
                        if future and not future.done():
                            future.set_exception(error)
                else:
                    for (_, future), result in zip(group, results, strict=True):
                        if future and not future.done():
                            future.set_result(result)
        finally:
            thread.shutdown(wait=False, cancel_futures=True)
            self._has_ended = True
            for _, future in [*group, *self._waiting]:
                if future and not future.done():
                    future.set_exception(StorageError(ENDED))
