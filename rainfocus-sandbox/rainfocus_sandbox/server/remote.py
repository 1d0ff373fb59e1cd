"""A look at the port from outside: does a sandbox answer there, and what does it say."""

from __future__ import annotations

import enum
import http.client
import time
import typing as t
from contextlib import closing
from dataclasses import asdict

import orjson

from rainfocus_sandbox.data.store import LoggedCall, LoggedOutcome
from rainfocus_sandbox.errors import OthersPortError, SandboxError
from rainfocus_sandbox.faults.faults import Fault
from rainfocus_sandbox.server import routes
from rainfocus_sandbox.server.http import HOST
from rainfocus_sandbox.webhooks.outbox import Tally

if t.TYPE_CHECKING:
    from pathlib import Path

_PATIENCE_S = 5
_POLL_S = 0.05


class Occupant(enum.Enum):
    """Who holds the port."""

    NOBODY = enum.auto()
    OURS = enum.auto()
    STRANGER = enum.auto()


def occupant(port: int, database: Path) -> Occupant:
    """Find out who holds `port`; the sandbox of `database` is ours.

    Raises:
        OthersPortError: The sandbox of another database does.
    """
    try:
        health = call(port, "GET", "/sandbox/health")
    except ConnectionRefusedError:
        return Occupant.NOBODY
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError):
        return Occupant.STRANGER
    match health:
        case {"name": routes.NAME, "database": str(held)}:
            if held != routes.full_path(database):
                raise OthersPortError(port, held)
            return Occupant.OURS
    return Occupant.STRANGER


def call(
    port: int,
    method: str,
    path: str,
    body: t.Mapping[str, t.Any] | None = None,
    timeout: float | None = _PATIENCE_S,
) -> t.Any:  # noqa: ANN401
    """Call the sandbox on `port`, past any proxy, and return what it answers."""
    with closing(http.client.HTTPConnection(HOST, port, timeout=timeout)) as connection:
        connection.request(method, path, orjson.dumps(body) if body is not None else None)
        return orjson.loads(connection.getresponse().read())


def counts(port: int) -> dict[str, dict[str, int]]:
    """Return the counts of the sandbox on `port`."""
    return t.cast("dict[str, dict[str, int]]", call(port, "GET", "/sandbox/counts"))


def log(port: int, limit: int) -> tuple[list[LoggedOutcome], list[LoggedCall]]:
    """Return the summary and the last `limit` calls of the API log of the sandbox on `port`."""
    answer = call(port, "GET", f"/sandbox/log?limit={limit}", timeout=None)
    return (
        [LoggedOutcome(**fields) for fields in answer["summary"]],
        [LoggedCall(**fields) for fields in answer["calls"]],
    )


def faults(port: int) -> list[Fault]:
    """Return the faults left in the sandbox on `port`."""
    return _faults(call(port, "GET", "/sandbox/faults"))


def add_fault(port: int, fault: Fault) -> list[Fault]:
    """Set `fault` in the sandbox on `port` and return all that are left."""
    return _faults(call(port, "POST", "/sandbox/faults", asdict(fault)))


def clear_faults(port: int) -> list[Fault]:
    """Clear the faults of the sandbox on `port` and return what is left: none."""
    return _faults(call(port, "DELETE", "/sandbox/faults"))


def set_integration(port: int, fields: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Set the Integration Profile of the sandbox on `port` and return what may be told of it."""
    return _asked(call(port, "POST", "/sandbox/integration", fields))


def integration(port: int) -> dict[str, t.Any] | None:
    """Return what may be told of the Integration Profile of the sandbox on `port`."""
    return t.cast("dict[str, t.Any] | None", call(port, "GET", "/sandbox/integration"))


def remove_integration(port: int) -> None:
    """Remove the Integration Profile of the sandbox on `port`."""
    call(port, "DELETE", "/sandbox/integration")


def happen(port: int, name: str, fields: t.Mapping[str, t.Any]) -> list[str]:
    """Let things happen in the sandbox on `port` and return the ids of their transmissions."""
    answer = _asked(call(port, "POST", f"/sandbox/{name}", fields, timeout=None))
    return t.cast("list[str]", answer["transmission_ids"])


def tally(port: int) -> Tally:
    """Return what has become of the pushes of the sandbox on `port`."""
    return Tally(**call(port, "GET", "/sandbox/pushes"))


def settled(port: int, wait_s: float) -> Tally:
    """Return the same as `tally` as soon as nothing waits, or after `wait_s`."""
    deadline = time.monotonic() + wait_s
    while (found := tally(port)).waiting and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return found


def _asked(answer: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the answer, unless what was asked cannot be done."""
    if "error" in answer:
        raise SandboxError(answer["error"])
    return answer


def _faults(answer: t.Iterable[dict[str, t.Any]]) -> list[Fault]:
    return [Fault(**fields) for fields in answer]
