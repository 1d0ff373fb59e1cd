"""Turns to ask, for many threads: nobody waits for ever."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from rainfocus_client.adaptive_limit import AdaptiveLimit
from rainfocus_client.errors import BusyError
from rainfocus_client.troubles import Trouble
from tap_rainfocus.api.turns import HaltedError, Turns

logger = logging.getLogger(__name__)


@pytest.fixture
def limit() -> AdaptiveLimit:
    return AdaptiveLimit(1, "pages are read", logger)


def test_a_pause_that_ends_at_any_moment_ends_the_wait(limit: AdaptiveLimit) -> None:
    turns = Turns(limit)

    def work() -> None:
        for number in range(5_000):
            turns.pause(number % 50 * 1e-7)
            with turns.turn():
                pass

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


def test_no_more_than_the_limit_says_have_a_turn_and_all_get_one() -> None:
    turns = Turns(AdaptiveLimit(8, "pages are read", logger))
    lock, have, most, done = threading.Lock(), 0, 0, 0

    def work(number: int) -> None:
        nonlocal have, most, done
        for step in range(20):
            try:
                with turns.turn():
                    with lock:
                        have += 1
                        most = max(most, have)
                    time.sleep(0.0005)
                    with lock:
                        have -= 1
                        done += 1
                    fail_now_and_then(number + step)
            except (BusyError, ValueError):
                pass

    threads = [
        threading.Thread(target=work, args=(1 + number,), daemon=True) for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert done == 16 * 20
    assert most <= 8


def fail_now_and_then(number: int) -> None:
    if number % 31 == 0:
        msg = "busy"
        raise BusyError(msg, Trouble.BUSY, 0.001)
    if number % 5 == 0:
        raise ValueError


@pytest.mark.parametrize("why", ["no turn", "a pause", "a retry"])
def test_a_halt_ends_every_wait(limit: AdaptiveLimit, why: str) -> None:
    turns = Turns(limit)
    ended = []

    def wait() -> None:
        try:
            if why == "a retry":
                turns.sleep(60)
            else:
                with turns.turn():
                    ended.append("a turn")
        except HaltedError:
            ended.append("halted")

    if why == "no turn":
        limit.begin()
    else:
        turns.pause(60)
    threads = [threading.Thread(target=wait, daemon=True) for _ in range(5)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    assert not ended
    turns.halt()
    for thread in threads:
        thread.join(5)
    assert ended == ["halted"] * 5
