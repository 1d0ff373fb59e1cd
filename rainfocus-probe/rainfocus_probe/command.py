"""The command line: settings in, report out."""

from __future__ import annotations

import logging
import typing as t
from importlib.metadata import version
from pathlib import Path

import click
from rainfocus_client.auth import credentials_from_settings
from rainfocus_client.connection import Connection
from rainfocus_client.errors import RainFocusError, SettingsError
from rainfocus_client.redaction import Redactor
from rainfocus_client.troubles import Trouble
from tap_rainfocus.api.network import Network
from tap_rainfocus.api.sender import Sender

from rainfocus_probe import PACKAGE, report
from rainfocus_probe.asking import MOST_BYTES, Asker
from rainfocus_probe.context import Context
from rainfocus_probe.run import run_checks
from rainfocus_probe.settings import read_settings

if t.TYPE_CHECKING:
    from rainfocus_client.report import RunReport

    from rainfocus_probe.findings import Finding
    from rainfocus_probe.settings import ProbeSettings

LOGGER = logging.getLogger(PACKAGE)


def _address(_: object, __: object, value: str | None) -> str | None:
    name, _, domain = (value or "").strip().partition("@")
    if value is not None and (not name or "." not in domain or set(value.strip()) & {" ", ","}):
        msg = "one e-mail address, of your own"
        raise click.BadParameter(msg)
    return value.strip() if value else None


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name=PACKAGE)
@click.option("--config", multiple=True, help="Config file, JSON; ENV for environment variables.")
@click.option("--event", required=True, help="Code of an event that has attendees.")
@click.option(
    "--write-to",
    callback=_address,
    help="E-mail address of your own that nobody in the event has: one profile is written for it.",
)
@click.option("--sample", help="File with a push of RainFocus, to be read like the receiver does.")
@click.option(
    "--report",
    "report_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default="rainfocus-probe.json",
    show_default=True,
    help="File for what was found, without values: it can be sent to the maintainers.",
)
@click.pass_obj
def probe(  # noqa: PLR0913, PLR0917, one for each option
    run_report: RunReport,
    config: tuple[str, ...],
    event: str,
    write_to: str | None,
    sample: str | None,
    report_path: Path,
) -> None:
    """Try what tap-rainfocus and target-rainfocus-attendees assume of a RainFocus.

    Prints each assumption, what was seen, and the settings that make it right. Reads a few records
    and keeps none; writes nothing without --write-to.
    """
    if not event.strip():
        msg = "--event is blank: give the code of an event."
        raise SettingsError(msg, Trouble.SETTING)
    settings = read_settings(config, LOGGER)
    report.check_path(report_path)
    if path := settings.files.get("summary_path"):
        run_report.begin(path)
    redact = _redactor(settings, event, write_to)
    context = _context(settings, run_report, event.strip(), write_to, sample)
    findings: list[Finding] = []
    ended: str | None = None
    try:
        run_checks(context, findings)
    except RainFocusError as error:
        ended = type(error).__name__
        raise
    finally:
        requests = context.asker.requests
        if findings:
            click.echo(redact(report.table(findings)))
            click.echo()
            click.echo(report.blocks(findings))
        content = report.as_json(findings, requests, redact, ended)
        report.write(report_path, content)
        click.echo(f"{requests} requests. What was found, without values: {report_path}")


def _redactor(settings: ProbeSettings, event: str, write_to: str | None) -> Redactor:
    hidden = (settings.client_secret, settings.api_profile, settings.client_id, event, write_to)
    return Redactor(*hidden)


def _context(
    settings: ProbeSettings,
    run_report: RunReport,
    event: str,
    write_to: str | None,
    sample: str | None,
) -> Context:
    network = Network(
        user_agent=f"{PACKAGE}/{version(PACKAGE)}",
        timeout=settings.request_timeout,
        max_retries=settings.max_retries,
        traffic=run_report.traffic,
        logger=LOGGER,
    )
    connection = Connection.from_settings(settings)
    sender = Sender(
        network,
        connection.api_url,
        connection.token_url,
        connections=1,
        requests_per_second=settings.requests_per_second,
        most_bytes=MOST_BYTES,
    )
    return Context(
        settings,
        connection,
        credentials_from_settings(settings),
        Asker(sender, network),
        event,
        write_to,
        sample,
    )
