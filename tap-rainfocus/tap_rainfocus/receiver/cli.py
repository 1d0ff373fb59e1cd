"""The commands of `rainfocus-receiver`."""

from __future__ import annotations

import os
from functools import partial

import click

from tap_rainfocus.receiver import background
from tap_rainfocus.receiver.http import server
from tap_rainfocus.receiver.keeper import forgetting, messages, pruning, samples
from tap_rainfocus.receiver.settings import Settings, read_folder

KEEPERS = (
    *(messages.status, messages.list_, messages.export, messages.judge),
    *(samples.check, samples.replay),
    *(pruning.prune, forgetting.forget),
)
"""The commands for the keeper of an inbox."""

host_option = click.option("--host", help="Address to listen on; 127.0.0.1 unless set.")
port_option = click.option("--port", type=click.IntRange(0, 65535), help="Port; 8766 unless set.")
folder_option = click.option(
    "--folder",
    help="Folder of receiver.pid and receiver.log; .receiver, or RAINFOCUS_RECEIVER_FOLDER.",
)

wait_option = partial(
    click.option,
    "--wait",
    type=click.IntRange(1, 3600),
    show_default=True,
    help="Seconds to wait at most.",
)


@click.group(context_settings={"max_content_width": 100})
@click.version_option(package_name="tap-rainfocus")
def cli() -> None:
    """Receive what RainFocus pushes, and keep it in the inbox that tap-rainfocus reads.

    Settings are environment variables, or lines of .env: RAINFOCUS_RECEIVER_INBOX_URL (a
    SQLAlchemy URL), RAINFOCUS_RECEIVER_INLET (the secret at the end of the address),
    RAINFOCUS_RECEIVER_TOKEN (a Bearer token, if one is to be wanted too), RAINFOCUS_RECEIVER_HOST,
    RAINFOCUS_RECEIVER_PORT, RAINFOCUS_RECEIVER_PAYLOAD_KEY (what else wraps events),
    RAINFOCUS_RECEIVER_PREVIOUS_INLET and _PREVIOUS_TOKEN (those that are still let in), and
    RAINFOCUS_RECEIVER_FOLDER (for start and stop).
    """


@cli.command()
@host_option
@port_option
@click.option("--pid-fd", type=int, hidden=True)
def serve(host: str | None, port: int | None, pid_fd: int | None) -> None:
    """Receive at /collection/{inlet} and /collection/batch/{inlet}, until told to stop.

    /health says whether the inbox can be written, /metrics counts for Prometheus.
    """
    server.serve(Settings.read(serving=True, host=host, port=port), pid_fd)


@cli.command()
@host_option
@port_option
@folder_option
@wait_option(default=30)
def start(host: str | None, port: int | None, folder: str | None, wait: int) -> None:
    """Serve in the background; returns when it answers.

    A service manager should run serve instead.
    """
    settings = Settings.read(serving=True, host=host, port=port)
    given = {"--host": host, "--port": port}
    options = [f"{name}={value}" for name, value in given.items() if value is not None]
    _tell(background.start(read_folder(folder), wait, settings.fingerprint, options))


@cli.command()
@folder_option
@wait_option(default=60)
def stop(folder: str | None, wait: int) -> None:
    """Stop what start has started; returns when its requests are answered and it is gone."""
    _tell(background.stop(read_folder(folder), wait))


for command in KEEPERS:
    cli.add_command(command)


def _tell(text: str) -> None:
    # As bytes: a path need not be made of characters that can be printed here.
    click.echo(os.fsencode(text))
