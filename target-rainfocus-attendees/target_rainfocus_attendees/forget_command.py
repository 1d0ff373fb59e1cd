"""The command `target-rainfocus-attendees forget`: removes what is kept of one person."""

from __future__ import annotations

import signal
import sys
import typing as t
from contextlib import closing

import click
from rainfocus_client.errors import DataError, RainFocusError, SettingsError
from rainfocus_client.persons.options import WITH_WORDS, person_options
from rainfocus_client.persons.person import Person
from rainfocus_client.persons.texts import counted
from rainfocus_client.singer.plugin import SIGNALS
from rainfocus_client.troubles import Trouble
from typing_extensions import override

from target_rainfocus_attendees.files import writing
from target_rainfocus_attendees.mapping.columns import EMAIL, HASHED_EMAIL, IDENTITIES
from target_rainfocus_attendees.mapping.numerals import entity_id
from target_rainfocus_attendees.reports.removal import remove_lines
from target_rainfocus_attendees.reports.singer_file import cut_path
from target_rainfocus_attendees.settings import TargetSettings
from target_rainfocus_attendees.target import TargetRainFocusAttendees

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator
    from types import FrameType

    from rainfocus_client.singer.plugin import GivenSettings

FILES = {
    "rejects_path": ("rejects", "record"),
    "activation_log_path": ("activation log", "line"),
    "dry_run_path": ("bodies", "line"),
}
"""Settings that name files with something of people: what such a file is, and a line of it."""

PLACES = ("ledger_url", *FILES)
MISSING = "(which is not there)"
ENTITY_IDS = IDENTITIES.keys() - {EMAIL, HASHED_EMAIL}

_CONFIG = next(
    option
    for option in TargetRainFocusAttendees.get_singer_command().params
    if option.name == "config"
)


class _Settings(TargetSettings):
    """The target's, without need of credentials."""

    @property
    @override
    def connects(self) -> bool:
        return False


class _Target(TargetRainFocusAttendees):
    """Only reads its settings."""

    settings_class = _Settings


class _Looked(t.NamedTuple):
    """A place that was looked into, and how much of it was removed, in words."""

    place: str
    removed: int
    things: str


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], **WITH_WORDS}, params=[_CONFIG]
)
@person_options(
    "RainFocus' id for the person: attendeeId, or externalId where that is the identity."
)
def forget(config: GivenSettings | None, email: str | None, attendee_id: str | None) -> None:
    """Remove what the target keeps of one person on its own disk.

    That is the entry in the ledger, and the lines in the rejects, the activation log and the
    bodies of a dry run, wherever the settings of the target say they are; no credentials are
    needed. The ledger knows people by organisation and event: of other events they are removed
    with the settings for those. Give --email, --attendee-id or both. Nothing is asked of
    RainFocus, and nothing is removed there.
    """
    target = _Target.from_command(config)
    for number in SIGNALS:
        signal.signal(number, _stop)
    settings = target.settings
    if not any(getattr(settings, name) for name in PLACES):
        msg = f"None of {', '.join(PLACES)} is set: there is no place to look into."
        raise SettingsError(msg, Trouble.SETTING)
    person = Person(email, attendee_id, _id_columns(settings), entity_id)
    looked: list[_Looked] = []
    try:
        looked.extend(_forget(settings, person, target.logger))
    except RainFocusError as failure:
        if removed := _told(looked):
            failure.add_note(f"Removed before that: {removed}.")
        raise
    if not (removed := _told(looked)):
        msg = f"Nothing is kept of this person in {', '.join(place for place, *_ in looked)}."
        raise DataError(msg, Trouble.NOTHING_KEPT)
    click.echo(f"Removed {removed}.")


def _forget(settings: TargetSettings, person: Person, logger: logging.Logger) -> Iterator[_Looked]:
    # First, for it may refuse while a load is sending the person.
    if settings.ledger_url:
        yield _forget_in_ledger(settings, settings.ledger_url, person)
    for name, (what, thing) in FILES.items():
        if path := settings.files.get(name):
            cut = cut_path(path)
            for file in (path, cut) if cut.exists() else (path,):
                if not file.exists():
                    yield _Looked(f"{file.name} {MISSING}", 0, "")
                    continue
                with writing(what, name):
                    removed = remove_lines(file, person)
                if removed.unreadable:
                    logger.warning(
                        "%s: %s could not be read, and stay: look whether they are about this "
                        "person.",
                        file.name,
                        counted(removed.unreadable, "line", "lines"),
                    )
                yield _Looked(file.name, removed.lines, counted(removed.lines, thing, f"{thing}s"))


def _forget_in_ledger(settings: TargetSettings, url: str, person: Person) -> _Looked:
    # SQLAlchemy takes longer to import than the rest of the target.
    from target_rainfocus_attendees.delivery.ledger import Ledger  # noqa: PLC0415

    for name in ("org_id", "event_code"):
        if not getattr(settings, name):
            msg = f"Setting {name} is missing: the ledger knows people by organisation and event."
            raise SettingsError(msg, Trouble.SETTING)
    with closing(Ledger.from_settings(settings, url, may_be_new=False)) as ledger:
        removed = ledger.forget(person.hashes)
        place = "the ledger" if ledger.is_there else f"the ledger {MISSING}"
    return _Looked(place, removed, counted(removed, "entry", "entries"))


def _id_columns(settings: TargetSettings) -> list[str]:
    """The columns that the settings take ids of people from, and send them under."""
    named = (settings.field_map, settings.extra_fields, settings.store.get("names", {}))
    columns = [names.get(name) for names in named for name in ENTITY_IDS]
    return [column.rpartition(".")[2] for column in columns if column]


def _told(looked: list[_Looked]) -> str:
    return ", ".join(f"{things} of {place}" for place, removed, things in looked if removed)


def _stop(number: int, _: FrameType | None) -> t.NoReturn:
    sys.exit(128 + number)
