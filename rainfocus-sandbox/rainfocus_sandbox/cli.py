"""The `rainfocus-sandbox` command."""

from __future__ import annotations

import os
import sys
import typing as t
from dataclasses import dataclass, fields
from pathlib import Path

import click

from rainfocus_sandbox.data.customer import LAST_YEAR, ORG_ID
from rainfocus_sandbox.data.store import Store
from rainfocus_sandbox.errors import OthersPortError, SandboxError
from rainfocus_sandbox.faults.faults import KINDS, Fault, Kind
from rainfocus_sandbox.seed import Sizes, seed
from rainfocus_sandbox.server import background, remote, tables
from rainfocus_sandbox.server.http import DEFAULT_PORT, HOST, serve
from rainfocus_sandbox.server.remote import Occupant, occupant
from rainfocus_sandbox.webhooks.integration import DEFAULT_TIMEOUT_S

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from rainfocus_sandbox.data.store import LoggedCall, LoggedOutcome

_ENV = "RAINFOCUS_SANDBOX"
_Command = t.TypeVar("_Command", bound="Callable[..., None]")


@dataclass(frozen=True, slots=True)
class _Target:
    """Which sandbox the commands are about."""

    database: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def runs(self) -> bool:
        """Tell whether it runs; refuse a port that another folder's sandbox holds."""
        return occupant(self.port, self.database) is Occupant.OURS


def _size_options(command: _Command) -> _Command:
    """Give `command` an option for each field of `Sizes`."""
    for field in reversed(fields(Sizes)):
        command = click.option(
            f"--{field.name}",
            type=click.IntRange(min=0),
            default=field.default,
            show_default=True,
            envvar=f"{_ENV}_{field.name.upper()}",
            show_envvar=True,
            help="What all data is drawn from."
            if field.name == "seed"
            else f"How many {field.name} last year's event has.",
        )(command)
    return command


@click.group(invoke_without_command=True, context_settings={"auto_envvar_prefix": _ENV})
@click.option(
    "--database",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".sandbox/rainfocus.db"),
    show_default=True,
    show_envvar=True,
    help="The SQLite file; it and its folder are made when missing.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    show_envvar=True,
    help=f"The port on {HOST}.",
)
@click.version_option(package_name="rainfocus-sandbox")
@click.pass_context
def cli(context: click.Context, database: Path, port: int) -> None:
    """Run a RainFocus in a box: the v3 HTTP API over SQLite.

    A simulator for demos, tests and benchmarks; passing against it proves nothing about RainFocus.
    """
    context.obj = _Target(database, port)
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@cli.command("serve")
@_size_options
@click.pass_obj
def serve_command(target: _Target, /, **sizes: int) -> None:
    """Serve in the foreground; seed first when the database is new."""
    if target.runs():
        message = f"the sandbox already runs on port {target.port}: stop it first"
        raise SandboxError(message)
    serve(target.database, target.port, Sizes(**sizes))


@cli.command()
@_size_options
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    show_envvar=True,
    help="How many seconds to wait for the answer; a large seed needs more.",
)
@click.pass_obj
def start(target: _Target, /, wait: float, **sizes: int) -> None:
    """Start in the background and return when it answers."""
    is_new = background.start(target.database, target.port, Sizes(**sizes), wait)
    click.echo(
        f"The sandbox {'answers' if is_new else 'already runs'} at {target.url}, "
        f"API {target.url}/api, org {ORG_ID}, "
        f"events {tables.attendee_counts(remote.counts(target.port))}"
    )


@cli.command()
@click.pass_obj
def stop(target: _Target) -> None:
    """Stop the sandbox."""
    was_running = background.stop(target.port, target.database)
    click.echo(
        f"The sandbox on port {target.port} has stopped."
        if was_running
        else f"No sandbox runs on port {target.port}."
    )


@cli.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Tell whether the sandbox runs and what is in it; exit 1 if it does not run."""
    target = t.cast("_Target", context.obj)
    if not target.runs():
        click.echo(f"No sandbox runs on port {target.port}.")
        context.exit(1)
    click.echo(f"The sandbox runs at {target.url}, API {target.url}/api, org {ORG_ID}.\n")
    click.echo(tables.counts_table(remote.counts(target.port)))


@cli.command()
@_size_options
@click.pass_obj
def reset(target: _Target, /, **sizes: int) -> None:
    """Seed anew, whether the sandbox runs or not; writes, tokens and the log are gone."""
    try:
        is_running = target.runs()
    except OthersPortError:
        is_running = False
    if is_running:
        counts = remote.call(target.port, "POST", "/sandbox/reset", sizes, timeout=None)
    else:
        with Store(target.database) as store:
            seed(store, Sizes(**sizes))
            counts = store.counts()
    click.echo(f"Seeded anew: events {tables.attendee_counts(counts)}")


@cli.command()
@click.option(
    "--limit", type=click.IntRange(min=1), help="Show this many of the last calls one by one, too."
)
@click.pass_obj
def log(target: _Target, limit: int | None) -> None:
    """Show what the API saw: calls, records and refusals per call and event."""
    last = limit or 0
    summary, calls = (
        remote.log(target.port, last) if target.runs() else _log_in(target.database, last)
    )
    if not summary:
        click.echo("The API has not been called yet.")
        return
    click.echo(f"What the API of the sandbox {target.database} saw, since it was last seeded:\n")
    click.echo(tables.log_table(summary))
    if calls:
        click.echo(f"\nThe last {len(calls)} calls:\n")
        click.echo(tables.log_lines(calls))


def _log_in(database: Path, limit: int) -> tuple[list[LoggedOutcome], list[LoggedCall]]:
    """Return the summary and the last `limit` calls of the API log that `database` holds."""
    if not database.exists():
        message = f"there is no database {database}: make one with rainfocus-sandbox start"
        raise SandboxError(message)
    with Store(database) as store:
        return store.log_summary(), store.log(limit)


@cli.command("fault")
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.option("--call", help="The call it strikes, e.g. attendee/search; else every API call.")
@click.option("--profile", help="The profile it strikes, e.g. oauth-global; else every one.")
@click.option("--times", type=int, default=1, show_default=True, help="How often it strikes.")
@click.option("--always", is_flag=True, help="It strikes until cleared.")
@click.option("--skip", type=int, default=0, show_default=True, help="How many pass first.")
@click.option("--seconds", type=float, default=1, show_default=True, help="Wait or Retry-After.")
@click.option("--status", type=int, default=500, show_default=True, help="Of a server_error.")
@click.option("--code", default="27", show_default=True, help="responseCode of a refuse_*.")
@click.pass_obj
def fault_command(target: _Target, /, kind: Kind, *, always: bool, **options: t.Any) -> None:  # noqa: ANN401
    """Let one thing go wrong; the README tells what each KIND does."""
    _require_sandbox(target)
    try:
        fault = Fault(kind, **(options | {"times": None} if always else options))
    except ValueError as error:
        raise SandboxError(str(error)) from error
    click.echo(tables.faults_table(remote.add_fault(target.port, fault)))


@cli.command("faults")
@click.option("--clear", is_flag=True, help="Let nothing go wrong any more.")
@click.pass_obj
def faults_command(target: _Target, *, clear: bool) -> None:
    """Show what can still go wrong."""
    _require_sandbox(target)
    left = remote.clear_faults(target.port) if clear else remote.faults(target.port)
    click.echo(tables.faults_table(left) if left else "Nothing is set to go wrong.")


@cli.group(invoke_without_command=True)
@click.pass_context
def integration(context: click.Context) -> None:
    """Show where experience events are pushed to."""
    if context.invoked_subcommand is None:
        target = t.cast("_Target", context.obj)
        _require_sandbox(target)
        click.echo(tables.integration_line(remote.integration(target.port)))


@integration.command("set")
@click.option(
    "--url",
    required=True,
    envvar=f"{_ENV}_INTEGRATION_URL",
    show_envvar=True,
    help="The streaming endpoint, with its inlet.",
)
@click.option(
    "--flow-id",
    required=True,
    envvar=f"{_ENV}_INTEGRATION_FLOW_ID",
    show_envvar=True,
    help="The dataflow id.",
)
@click.option(
    "--token",
    envvar=f"{_ENV}_INTEGRATION_TOKEN",
    show_envvar=True,
    help="The Bearer token, if the endpoint wants one.",
)
@click.option(
    "--timeout",
    type=float,
    default=DEFAULT_TIMEOUT_S,
    show_default=True,
    envvar=f"{_ENV}_INTEGRATION_TIMEOUT",
    show_envvar=True,
    help="How many seconds an attempt may take.",
)
@click.pass_obj
def set_integration(target: _Target, /, **fields: t.Any) -> None:  # noqa: ANN401
    """Push experience events to an endpoint from now on."""
    _require_sandbox(target)
    click.echo(tables.integration_line(remote.set_integration(target.port, fields)))


@integration.command("remove")
@click.pass_obj
def remove_integration(target: _Target) -> None:
    """Push nothing any more; what waits goes on waiting."""
    _require_sandbox(target)
    remote.remove_integration(target.port)
    click.echo(tables.integration_line(remote.integration(target.port)))


def _happening_options(command: _Command) -> _Command:
    """Give `command` the options of all that happens to attendees."""
    for option in (
        click.option("--attendee", metavar="ID", help="The attendee; else drawn at random."),
        click.option("--count", type=click.IntRange(min=1), default=1, show_default=True),
        click.option(
            "--event", default=LAST_YEAR.code, show_default=True, help="The code of the event."
        ),
    ):
        command = option(command)
    return command


@cli.command()
@_happening_options
@click.option("--session", metavar="ID", help="The session; else drawn at random.")
@click.pass_obj
def schedule(target: _Target, /, **options: t.Any) -> None:  # noqa: ANN401
    """Schedule sessions for attendees, and push that."""
    _happen(target, "schedule", options)


@cli.command()
@_happening_options
@click.pass_obj
def register(target: _Target, /, **options: t.Any) -> None:  # noqa: ANN401
    """Register attendees, those who are not registered first, and push that."""
    _happen(target, "register", options)


@cli.command()
@_happening_options
@click.option("--exhibitor", metavar="ID", help="The exhibitor; else drawn at random.")
@click.option("--note", help="The note of the lead; else one of a few.")
@click.pass_obj
def scan_lead(target: _Target, /, **options: t.Any) -> None:  # noqa: ANN401
    """Scan attendees at exhibitors, which makes leads, and push that."""
    _happen(target, "scan-lead", options)


def _happen(target: _Target, name: str, options: dict[str, t.Any]) -> None:
    _require_sandbox(target)
    made = remote.happen(target.port, name, options)
    click.echo(
        f"{name}: {options['count']} done, "
        + (f"{len(made)} events to push." if made else "no integration is set to push to.")
    )


@cli.command()
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0,
    show_default=True,
    help="How many seconds to wait until all is sent; exit code 1 if it is not.",
)
@click.pass_context
def pushes(context: click.Context, wait: float) -> None:
    """Show how many events wait and were sent, and how many attempts failed."""
    target = t.cast("_Target", context.obj)
    _require_sandbox(target)
    tally = remote.settled(target.port, wait)
    click.echo(tables.tally_line(tally))
    if wait and tally.waiting:
        context.exit(1)


def _require_sandbox(target: _Target) -> None:
    if not target.runs():
        message = f"no sandbox runs on port {target.port}: start one with rainfocus-sandbox start"
        raise SandboxError(message)


def main() -> t.NoReturn:
    """Run the command; what goes wrong becomes one line on stderr and exit code 1."""
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        _fail(error.format_message())
    except SandboxError as error:
        _fail(str(error))
    except click.Abort:
        _fail("interrupted")
    except OSError as error:
        _drop_output()
        _fail(f"{error.filename or 'standard output'}: {error.strerror}")
    sys.exit(code)


def _drop_output() -> None:
    """Drop what cannot be written: Python would try again at its end, and fail with code 120."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _fail(message: str) -> t.NoReturn:
    click.echo(f"Error: {' '.join(message.split())}", err=True)
    sys.exit(1)
