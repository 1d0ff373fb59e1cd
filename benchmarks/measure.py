"""Runs commands and measures time, memory and CPU; every figure is a median of rounds in turn."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from dataclasses import dataclass

import orjson

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

K = t.TypeVar("K")

# Either makes a command slower, and not each as much: one by its imports, one by its writing.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
}
"""What commands are run in."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took: seconds, peak memory in MiB, and CPU seconds, of its children too."""

    seconds: float
    memory: float
    cpu: float


def run(command: Sequence[str]) -> Cost:
    """Run a command that must succeed; its standard output is thrown away."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    log = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(log.decode())
    return Cost(seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)


def records(command: Sequence[str]) -> int:
    """How many records a command writes; or, where it writes none, says that it read."""
    return sum(_records(orjson.loads(line)) for line in output(command))


def output(command: Sequence[str]) -> Iterator[bytes]:
    """The lines that a command writes, which must succeed."""
    with tempfile.TemporaryFile() as log:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, env=ENVIRONMENT
        ) as process:
            yield from process.stdout or ()
        if process.returncode:
            log.seek(0)
            sys.exit(log.read().decode())


def _records(message: t.Any) -> int:
    return message if isinstance(message, int) else message["type"] == "RECORD"


def medians(commands: Mapping[K, Sequence[str]], rounds: int) -> dict[K, Cost]:
    """Each command's median over the rounds; the commands take turns."""
    costs: dict[K, list[Cost]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            costs[name].append(run(command))
    return {
        name: Cost(
            statistics.median(cost.seconds for cost in found),
            statistics.median(cost.memory for cost in found),
            statistics.median(cost.cpu for cost in found),
        )
        for name, found in costs.items()
    }


def machine() -> str:
    """The machine in a few words."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def table(*rows: Sequence[object]) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = [[str(cell) for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
