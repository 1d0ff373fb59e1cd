"""Faults on demand: what can go wrong, for which calls and how often, and which one is next."""

from __future__ import annotations

import math
import random
import threading
import typing as t
from collections import Counter
from dataclasses import dataclass, replace

from rainfocus_sandbox.api.calls import CALLS
from rainfocus_sandbox.data.customer import PROFILES

if t.TYPE_CHECKING:
    from collections.abc import Iterable

# What each one does stands in the README.
Kind = t.Literal[
    "retry_after_seconds",
    "retry_after_date",
    "server_error",
    "drop",
    "drop_after",
    "cut",
    "slow",
    "empty_page",
    "short_page",
    "repeat_cursor",
    "no_timestamp",
    "refuse_200",
    "refuse_400",
    "html",
    "truncated_json",
    "expired_token",
    "wrong_environment",
    "denied",
    "unknown_event",
]
KINDS: tuple[str, ...] = t.get_args(Kind)
PAGE_KINDS = frozenset({"empty_page", "short_page", "repeat_cursor", "no_timestamp"})
TOKEN_CALL = "oidc/token"  # noqa: S105

_SEARCHES = frozenset(call for call in CALLS if call.endswith("/search"))
_CALLS = frozenset(CALLS)
_APPLIES_TO: dict[str, frozenset[str]] = dict.fromkeys(KINDS, _CALLS | {TOKEN_CALL})
_APPLIES_TO |= dict.fromkeys(PAGE_KINDS, _SEARCHES)
_APPLIES_TO |= dict.fromkeys(
    ("expired_token", "wrong_environment", "denied", "unknown_event"), _CALLS
)
_PROFILE_NAMES = frozenset(profile.name for profile in PROFILES)
_STATUSES = range(400, 600)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: What goes wrong.
        call: The call it strikes; none for every API call that the kind can strike, which leaves
            out the token endpoint.
        profile: The name of the profile it strikes; none for whoever calls.
        times: How often it strikes; none for always.
        skip: How many requests that it could strike pass first.
        seconds: How long `slow` waits, and the `retry_after_*` ask to wait.
        status: The HTTP status of a `server_error`.
        code: The `responseCode` of `refuse_200` and `refuse_400`.
    """

    kind: Kind
    call: str | None = None
    profile: str | None = None
    times: int | None = 1
    skip: int = 0
    seconds: float = 1.0
    status: int = 500
    code: str = "27"

    def __post_init__(self) -> None:
        """Reject a fault that could never strike.

        Raises:
            ValueError: A field has a value it cannot have.
        """
        if self.kind not in KINDS:
            message = f"there is no fault {self.kind}: choose one of {', '.join(KINDS)}"
            raise ValueError(message)
        if self.call is not None and self.call not in _APPLIES_TO[self.kind]:
            message = (
                f"{self.kind} cannot strike {self.call}: "
                f"choose one of {', '.join(sorted(_APPLIES_TO[self.kind]))}"
            )
            raise ValueError(message)
        if self.profile is not None and self.profile not in _PROFILE_NAMES:
            message = (
                f"there is no profile {self.profile}: "
                f"choose one of {', '.join(sorted(_PROFILE_NAMES))}"
            )
            raise ValueError(message)
        if self.times is not None and not _is_whole(self.times, least=1):
            message = "times is not a whole number from 1"
            raise ValueError(message)
        if not _is_whole(self.skip, least=0):
            message = "skip is not a whole number from 0"
            raise ValueError(message)
        if not (math.isfinite(self.seconds) and self.seconds >= 0):
            message = "seconds is less than 0"
            raise ValueError(message)
        if self.status not in _STATUSES:
            message = "status is not between 400 and 599"
            raise ValueError(message)
        if not self.code.strip():
            message = "code is empty"
            raise ValueError(message)

    def is_about(self, call: str) -> bool:
        """Tell whether this fault can strike `call`."""
        if self.call is None:
            return call != TOKEN_CALL and call in _APPLIES_TO[self.kind]
        return call == self.call


@dataclass(slots=True, eq=False)
class ArmedFault:
    """A fault that waits for its requests."""

    fault: Fault
    left: int | None
    skip: int


class Faults:
    """The faults that are set, and those that have struck; any thread may use them.

    Attributes:
        armed: Whether anything at all is to go wrong or to wait. The one thing that a request
            looks at as long as nothing is.
        token_life_s: How long new access tokens live; none for as long as ever.
    """

    def __init__(self) -> None:
        """Start without any."""
        self._lock = threading.Lock()
        self._random = random.Random()  # noqa: S311
        self.clear()

    def clear(self) -> None:
        """Let all be well again: no faults, no latency, tokens of the usual life, no counts."""
        with self._lock:
            self._faults: list[ArmedFault] = []
            self._struck: Counter[str] = Counter()
            self._latency = (0.0, 0.0)
            self.token_life_s: float | None = None
            self.armed = False

    def add(self, *faults: Fault) -> None:
        """Set `faults`, behind those already set."""
        with self._lock:
            self._faults += _armed(faults)
            self._look()

    def replace(self, faults: Iterable[Fault]) -> None:
        """Set `faults` instead of those already set."""
        with self._lock:
            self._faults = _armed(faults)
            self._look()

    def latency(self, seconds: float, jitter: float = 0.0) -> None:
        """Let every API call and token wait for `seconds`, and at random up to `jitter` more."""
        with self._lock:
            self._latency = (seconds, jitter)
            self._look()

    def token_life(self, seconds: float | None) -> None:
        """Let access tokens issued from now on live for `seconds`; none for as long as ever."""
        self.token_life_s = seconds

    def left(self) -> list[Fault]:
        """Return the faults that can still strike, with what is left of `times` and `skip`."""
        with self._lock:
            return [replace(a.fault, times=a.left, skip=a.skip) for a in self._faults]

    def struck(self) -> Counter[str]:
        """Return how often each kind has struck."""
        with self._lock:
            return self._struck.copy()

    def delay(self) -> float:
        """Return how long the next request has to wait."""
        seconds, jitter = self._latency
        return seconds + self._random.uniform(0, jitter)

    def waiting(self, call: str) -> list[ArmedFault]:
        """Return, in order, the faults that are about `call`."""
        with self._lock:
            return [a for a in self._faults if a.fault.is_about(call)]

    def strike(self, armed: ArmedFault) -> bool:
        """Count a request that `armed` could strike, and tell whether it does."""
        with self._lock:
            if armed not in self._faults:
                return False
            if armed.skip:
                armed.skip -= 1
                return False
            if armed.left is not None:
                armed.left -= 1
                if not armed.left:
                    self._faults.remove(armed)
                    self._look()
            self._struck[armed.fault.kind] += 1
            return True

    def _look(self) -> None:
        self.armed = bool(self._faults) or any(self._latency)


def _armed(faults: Iterable[Fault]) -> list[ArmedFault]:
    return [ArmedFault(fault, fault.times, fault.skip) for fault in faults]


def _is_whole(number: float, *, least: int) -> bool:
    return number >= least and float(number).is_integer()
