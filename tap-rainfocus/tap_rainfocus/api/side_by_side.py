"""Makes several downloads at a time: threads read them, and who asked gets page after page."""

from __future__ import annotations

import threading
import typing as t
from contextlib import suppress
from queue import Empty, SimpleQueue

from tap_rainfocus.api.turns import HaltedError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tap_rainfocus.api.pages import Page
    from tap_rainfocus.api.turns import Turns

    Download: t.TypeAlias = Callable[[Turns], Iterable[Page]]
    Part: t.TypeAlias = Page | BaseException | None
    """A page of a download; or its end, with what went wrong."""

K = t.TypeVar("K")

SECONDS_OF_PATIENCE = 0.5


def read_side_by_side(
    downloads: Sequence[tuple[K, Download]],
    most: int,
    turns: Turns,
    idle: Callable[[], None],
) -> t.Generator[tuple[K, Part], None, None]:
    """Give the pages of downloads as they come, and of each its end.

    A thread makes one download at a time, and asks for a page once the one before is taken: so
    at most `most` pages wait, and the next ones are under way while the caller works.

    Args:
        downloads: A name for each, and what gives its pages. They are begun in this order.
        most: How many are made at a time.
        turns: What they take turns with; nothing is asked any more once the caller stops.
        idle: Called now and then while nothing comes.
    """
    reading = _Reading(downloads, turns)
    for _ in range(min(most, len(downloads))):
        # Unlike an executor's, these never keep the process from ending.
        threading.Thread(target=reading.work, daemon=True).start()
    left = len(downloads)
    try:
        while left:
            name, part = reading.take(idle)
            left -= part is None or isinstance(part, BaseException)
            yield name, part
            del part
    finally:
        reading.halt()


class _Reading(t.Generic[K]):
    """Where the threads and their caller meet."""

    def __init__(self, downloads: Sequence[tuple[K, Download]], turns: Turns) -> None:
        self._waiting = iter(downloads)
        self._turns = turns
        self._arrivals: SimpleQueue[tuple[K, Part, threading.Event]] = SimpleQueue()

    def work(self) -> None:
        """Make one download after the other, as long as some wait."""
        with suppress(HaltedError):
            # One step of a sequence's iterator: no two threads get the same.
            for name, download in self._waiting:
                try:
                    for page in download(self._turns):
                        self._hand_over(name, page)
                        del page  # while the next one comes it would be one too many
                except HaltedError:
                    raise
                except BaseException as error:  # noqa: BLE001, the caller raises it
                    self._hand_over(name, error)
                else:
                    self._hand_over(name, None)

    def _hand_over(self, name: K, part: Part) -> None:
        is_taken = threading.Event()
        self._arrivals.put((name, part, is_taken))
        self._turns.check()
        is_taken.wait()
        self._turns.check()

    def take(self, idle: Callable[[], None]) -> tuple[K, Part]:
        while True:
            with suppress(Empty):
                name, part, is_taken = self._arrivals.get(timeout=SECONDS_OF_PATIENCE)
                is_taken.set()
                return name, part
            idle()

    def halt(self) -> None:
        """Let the threads end, and none wait for ever."""
        self._turns.halt()
        with suppress(Empty):
            while True:
                self._arrivals.get_nowait()[-1].set()
