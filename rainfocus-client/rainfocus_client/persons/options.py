"""How a command is told whom to forget; for commands that are made with click."""

from __future__ import annotations

import typing as t
from functools import wraps

import click

from rainfocus_client.persons.identities import is_hash
from rainfocus_client.persons.person import AT

if t.TYPE_CHECKING:
    from collections.abc import Callable

Command: t.TypeAlias = "Callable[..., None]"

WITH_WORDS = {"allow_extra_args": True}
"""Of the context: click would quote a word that is too much, such as an address."""


def person_options(id_help: str) -> Callable[[Command], Command]:
    """Give a command --email and --attendee-id; one of them has to be there, and no other word.

    Args:
        id_help: What the id may be.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def checked(*args: object, **kwargs: object) -> None:
            if click.get_current_context().args:
                msg = "There are words that belong to no option: give the address with --email."
                raise click.UsageError(msg)
            if kwargs["email"] is None and kwargs["attendee_id"] is None:
                msg = "Give --email, --attendee-id or both."
                raise click.UsageError(msg)
            command(*args, **kwargs)

        with_id = click.option("--attendee-id", metavar="ID", callback=_id, help=id_help)
        return click.option(
            "--email",
            metavar="ADDRESS",
            callback=_email,
            help=(
                "E-mail address of the person, or its SHA-256 (of the trimmed address in lower "
                "case)."
            ),
        )(with_id(checked))

    return decorate


def _email(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is not None and AT not in text and not is_hash(text.strip()):
        msg = "neither an e-mail address nor its SHA-256 in 64 hexadecimal digits."
        raise click.BadParameter(msg)
    return text


def _id(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is not None and not text.strip():
        msg = "it is blank."
        raise click.BadParameter(msg)
    return text
