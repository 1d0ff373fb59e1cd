"""What becomes of the columns of one stream: which feed which field, and which feed none."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from itertools import chain

from target_rainfocus_attendees.mapping.columns import COUNTRY, identity_field
from target_rainfocus_attendees.mapping.wording import shown

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_rainfocus_attendees.mapping.columns import Columns, Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMapping:
    """What becomes of the columns of one stream.

    Attributes:
        identity: What says who somebody is, as the setting names it.
        columns: Where the Attendee Store's fields are.
        extra: Where other fields are, by the names they are sent under.
        consent: Where it stands whether somebody may be sent, if that is asked for.
        aside: Field → a column that may hold it, or another thing, and so is not sent.
        unsent: The other columns that nothing is sent of, dotted.
    """

    identity: str
    columns: Columns
    extra: Mapping[str, Path]
    consent: Path | None
    aside: Mapping[str, Path] = field(default_factory=dict)
    unsent: Sequence[str] = ()

    @property
    def used(self) -> list[Path]:
        """The columns that something is made of."""
        consent = [self.consent] if self.consent else []
        return [*chain.from_iterable(self.columns.values()), *self.extra.values(), *consent]

    @property
    def asides(self) -> dict[str, str]:
        """The columns that are left aside, as `field_map` would take them."""
        return {name: ".".join(path) for name, path in self.aside.items()}

    @property
    def feeds(self) -> list[str]:
        """Each field, as it is sent, with the columns that feed it; at last consent_field."""
        key = identity_field(self.identity)
        others = {name: paths for name, paths in self.columns.items() if name != key}
        fed = {self.identity: self.columns[key], **others}
        feeds = [f"{name} ← {_columns(name, paths)}" for name, paths in fed.items()]
        feeds += [f"{shown(name)} ← {_dotted(path)}" for name, path in self.extra.items()]
        return [*feeds, *([f"consent_field ← {_dotted(self.consent)}"] if self.consent else [])]


def _columns(name: str, paths: tuple[Path, ...]) -> str:
    columns = " and ".join(map(_dotted, paths))
    if len(paths) == 1:
        return columns
    rule = "a name before a code" if name == COUNTRY else "the first with a value"
    return f"{columns} ({rule})"


def _dotted(path: Path) -> str:
    return shown(".".join(path))
