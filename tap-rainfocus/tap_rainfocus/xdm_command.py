"""The command `tap-rainfocus xdm`: writes what Adobe Experience Platform needs for the events."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import click
import orjson
from rainfocus_client.errors import FileError
from rainfocus_client.troubles import Trouble

from tap_rainfocus.schema.export import NAMESPACES, TENANT_ID, documents

if t.TYPE_CHECKING:
    from tap_rainfocus.schema.export import JSONSchema

_TENANT = re.compile(r"_?([A-Za-z0-9][A-Za-z0-9_-]*)")


def _tenant_id(_: click.Context, __: click.Parameter, value: str) -> str:
    found = _TENANT.fullmatch(value)
    if value != TENANT_ID and not found:
        msg = "letters, digits, dashes and underscores only, as GET /stats of the registry says it"
        raise click.BadParameter(msg)
    return found[1] if found else value


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--tenant-id",
    default=TENANT_ID,
    callback=_tenant_id,
    help="Your tenant ID in AEP, such as acme; without it a placeholder is written.",
)
@click.option(
    "--identity",
    type=click.Choice(list(NAMESPACES)),
    default="email",
    show_default=True,
    help="What identifies a person: the e-mail address, or its SHA-256.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the four files; without it they are printed as one object.",
)
def xdm(tenant_id: str, identity: str, output: Path | None) -> None:
    """Write what Adobe Experience Platform needs to take RainFocus' experience events.

    That is, as JSON for its Schema Registry API and Data Prep API: a field group, a schema, an
    identity descriptor and a mapping set.
    """
    made = documents(tenant_id, identity)
    if output is None:
        click.echo(_json(made), nl=False)
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, document in made.items():
            (output / f"{name}.json").write_bytes(_json(document))
    except OSError as error:
        msg = f"Folder {output} cannot be written ({error.strerror}): name another in --output."
        raise FileError(msg, Trouble.FILE) from error


def _json(document: JSONSchema) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
