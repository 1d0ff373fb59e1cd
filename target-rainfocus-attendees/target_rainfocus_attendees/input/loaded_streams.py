"""Which streams of the input are loaded, and whether a run that loads none may end well."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Collection

MELTANO_TEST = "meltano_test_stream"
"""What `meltano config <loader> test` sends: it proves that the command starts."""


class LoadedStreams:
    """Keeps account of the streams that came, for what stands behind them in the input."""

    def __init__(self, named: Collection[str], *, may_load_none: bool) -> None:
        """Start before the first stream.

        Args:
            named: The streams to load; empty where all are that can be.
            may_load_none: Whether records may come of streams alone that cannot be loaded.
        """
        self._named = named
        self._may_load_none = may_load_none and not named
        self._loaded: set[str] = set()
        self._reasons: dict[str, str] = {}
        self._others: set[str] = set()

    def __contains__(self, stream: object) -> bool:
        """Whether a stream is loaded."""
        return stream in self._loaded

    def load(self, stream: str) -> None:
        """Take note that a stream is loaded; its records may be sent from now on."""
        self._loaded.add(stream)

    def leave_out(self, stream: str, reason: str) -> None:
        """Take note of a stream that is not loaded, and why."""
        self._reasons[stream] = reason

    @property
    def left_out(self) -> dict[str, str]:
        """The streams that are not loaded, and why; of some no record may have come."""
        return {name: why for name, why in self._reasons.items() if name not in self._loaded}

    def skip(self, stream: str) -> None:
        """Take note of a record of a stream that is not loaded."""
        if stream != MELTANO_TEST:
            self._others.add(stream)

    @property
    def absent(self) -> list[str]:
        """The streams to load that did not come."""
        return [stream for stream in self._named if stream not in self._loaded]

    @property
    def loads_nothing(self) -> bool:
        """Whether records came, and all of streams that are not loaded.

        No state may stand behind them: the records would be lost, in silence.
        """
        return bool(self._others) and not self._loaded and not self._may_load_none

    def failure(self) -> str:
        """Why nothing could be loaded, in one line; empty if something could be."""
        if not self.loads_nothing:
            return ""
        if self._named:
            came = ", ".join(sorted(self._others))
            return (
                f"No stream that setting streams names is in the input, which has {came}: "
                "correct the names. Nothing was sent, and the state stays where it was."
            )
        first, *more = sorted(self._others)
        others = f" So it is with {', '.join(more)}." if more else ""
        return (
            f"Nothing could be loaded, and the state stays where it was: {self._reasons[first]}"
            f"{others} With unmapped_streams skip such a run ends well."
        )
