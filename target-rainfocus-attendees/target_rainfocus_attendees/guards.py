"""What makes a run fail though each record has its outcome: a list that is likely a bad one."""

from __future__ import annotations

import re
import typing as t
from fractions import Fraction

from rainfocus_client.errors import DataError, SettingsError
from rainfocus_client.troubles import Trouble

_FORM = re.compile(r"(?P<number>\d+)|(?P<share>\d+(?:\.\d+)?) *%", re.ASCII)

ALL = 100
"""Percent."""

LEAST_FOR_A_SHARE = 100
"""Records that were tried before a share says something."""

NO_LIMIT = (
    "Setting max_rejects is neither a number, such as 10, nor a share from 0% to 100%, such as 5%."
)


class MostRejects(t.NamedTuple):
    """How many records may not be stored: a number, or a share of those that are tried."""

    text: str
    number: Fraction
    is_share: bool

    @classmethod
    def from_setting(cls, value: str | int) -> t.Self:
        """Read `10`, or `5%`.

        Raises:
            SettingsError: It is neither.
        """
        text = str(value).strip()
        found = _FORM.fullmatch(text)
        if not found or Fraction(found["share"] or 0) > ALL:
            raise SettingsError(NO_LIMIT, Trouble.SETTING)
        if share := found["share"]:
            return cls(text, Fraction(share) / ALL, is_share=True)
        return cls(text, Fraction(found["number"]), is_share=False)

    def check(self, not_stored: int, tried: int) -> None:
        """Check that not too many records are not stored.

        Args:
            not_stored: Invalid and rejected ones.
            tried: All that were read but those that were filtered.

        Raises:
            DataError: There are more than are allowed.
        """
        if not self.is_share:
            if not_stored > self.number:
                msg = f"More than max_rejects ({int(self.number):,}) records are not stored."
                raise DataError(msg, Trouble.TOO_MANY_REJECTS)
        elif tried >= LEAST_FOR_A_SHARE and not_stored > self.number * tried:
            found = f"{not_stored:,} of {tried:,} records are not stored"
            msg = f"{found}, more than max_rejects ({self.text})."
            raise DataError(msg, Trouble.TOO_MANY_REJECTS)


def check_enough(read: int, least: int) -> None:
    """Check that the input had enough records, now that it has ended.

    Raises:
        DataError: It had fewer.
    """
    if read < least:
        msg = (
            f"The input had {read:,} records to load, and min_records is {least:,}: is the query "
            "behind it right? The state stays where it was."
        )
        raise DataError(msg, Trouble.TOO_FEW_RECORDS)
