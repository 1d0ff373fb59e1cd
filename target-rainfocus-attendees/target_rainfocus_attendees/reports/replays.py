"""Whether rejects that are read again belong where this run writes."""

from __future__ import annotations

import typing as t

from rainfocus_client.errors import SettingsError
from rainfocus_client.troubles import Trouble

from target_rainfocus_attendees.models import REJECTED_AT

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from target_rainfocus_attendees.reports.rejects import Rejects


class Replays:
    """Looks at each record that is a reject of an earlier run."""

    def __init__(
        self,
        origin: Mapping[str, str],
        logger: logging.Logger,
        *,
        elsewhere: bool,
        has_ledger: bool,
    ) -> None:
        """Start before the first record.

        Args:
            origin: The columns that say where this run writes.
            logger: Where rejects without an origin are told.
            elsewhere: Whether any origin will do.
            has_ledger: Whether it is known what was stored since.
        """
        self._origin = origin
        self._rejects: Rejects | None = None
        self._logger = logger
        self._elsewhere = elsewhere
        self._has_ledger = has_ledger
        self._has_begun = False
        self._warned = False

    def watch(self, rejects: Rejects) -> None:
        """Take nothing that comes out of the file that this run adds rejects to."""
        self._rejects = rejects

    def check(self, record: Mapping[str, t.Any]) -> None:
        """Check a record, as it was read.

        Raises:
            SettingsError: It was rejected elsewhere, or comes out of the file that this run adds
                rejects to.
        """
        moment = record.get(REJECTED_AT)
        if moment is None:
            return
        if not self._has_begun and not self._has_ledger:
            self._logger.warning(
                "The input holds rejects, and without ledger_url nobody knows whether newer values "
                "were stored since: they are sent as they are."
            )
        self._has_begun = True
        rejects, self._rejects = self._rejects, None
        if rejects and rejects.holds(str(moment)):
            msg = "The input is the file that rejects_path names: give this run another one."
            raise SettingsError(msg, Trouble.OWN_FILE)
        came_from = [record.get(column) for column in self._origin]
        if not any(came_from):
            if not self._warned:
                self._warned = True
                self._logger.warning(
                    "The input holds rejects that do not say of which event they are, as those of "
                    "older versions: is event_code the right one?"
                )
        elif came_from != list(self._origin.values()) and not self._elsewhere:
            msg = (
                "The input holds records that another event or organisation rejected: replay "
                "them there, or set replay_elsewhere."
            )
            raise SettingsError(msg, Trouble.FOREIGN_REJECTS)
