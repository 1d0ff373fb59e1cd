"""Makes one request as often as it takes."""

from __future__ import annotations

import typing as t

import tenacity
from rainfocus_client.errors import BusyError
from rainfocus_client.retry import policy

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tap_rainfocus.api.network import Network
    from tap_rainfocus.api.turns import Turns

T = t.TypeVar("T")


class Attempts:
    """Tries requests, all with the same patience."""

    def __init__(self, network: Network, *, tells_all: bool) -> None:
        """Try passing faults again, say so in the log, and count it.

        Args:
            network: How patiently, and who is told.
            tells_all: Whether each retry is told.
        """
        self._policy = policy(
            network.max_retries, network.logger, network.traffic, tells_all=tells_all
        )

    def make(self, attempt: Callable[[], T], turns: Turns) -> T:
        """What an attempt gives in the end; a turn is taken for each.

        Raises:
            RainFocusError: What the last attempt raised.
            HaltedError: Nothing more is to be asked.
        """

        def in_turn() -> T:
            with turns.turn():
                return attempt()

        def pause(state: tenacity.RetryCallState) -> None:
            self._policy["before_sleep"](state)
            if state.outcome and isinstance(state.outcome.exception(), BusyError):
                turns.pause(state.upcoming_sleep)

        again = self._policy | {"before_sleep": pause}
        return tenacity.Retrying(**again, sleep=turns.sleep)(in_turn)
