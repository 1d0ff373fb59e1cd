"""The target's speed and memory, as ratios in one run: `uv run python benchmarks/target.py`."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import typing as t
from pathlib import Path

from measure import machine, medians, run, table
from singer_input import singer_input
from store import serving

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from store import Clock, Store

HERE = Path(__file__).parent
TARGET = (sys.executable, "-m", "target_rainfocus_attendees")
SENDING = ((0.05, 16), (0.05, 64), (0.05, 128), (0.02, 16), (0.02, 64))
"""Latencies in seconds, and how many are in flight."""

CONTACT_COLUMNS = 10

NOBODY = "http://127.0.0.1:9/api"
"""Where no server is: what asks it fails."""


def main() -> None:
    """Print the tables."""
    tables = {"sending": sending, "busy": busy, "reading": reading, "memory": memory}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="of sending, for each figure")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=tables, action="append", help="print this table")
    arguments = parser.parse_args()
    print(
        f"{machine()}; about {arguments.seconds} s of sending each; medians of {arguments.rounds}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only or tables:
            print(f"\n{tables[name](Path(folder), arguments.seconds, arguments.rounds)}")
            sys.stdout.flush()


def sending(folder: Path, seconds: int, rounds: int) -> str:
    """The share of what is possible where the server takes its time."""
    rows: list[tuple[object, ...]] = [
        ("latency", "really", "in flight", "bound", "target", "share", "bare aiohttp, share")
    ]
    for latency, concurrency in SENDING:
        profiles = round(concurrency / latency * seconds)
        with serving(latency) as store:
            commands = {
                "target": target(folder, store.api_url, profiles, concurrency=concurrency),
                "bare": bare("aiohttp", store, profiles, concurrency),
            }
            clocks = taking_turns(store, dict.fromkeys(commands, profiles), commands, rounds)
        shares = {
            name: statistics.median(clock.rate * clock.latency / concurrency for clock in found)
            for name, found in clocks.items()
        }
        really = statistics.median(clock.latency for clock in clocks["target"])
        rows.append(
            (
                f"{latency * 1000:.0f} ms",
                f"{really * 1000:.1f} ms",
                concurrency,
                f"{concurrency / really:,.0f}",
                f"{statistics.median(clock.rate for clock in clocks['target']):,.0f}",
                *(f"{share:.1%}" for share in shares.values()),
            )
        )
    return table(*rows)


def busy(folder: Path, seconds: int, rounds: int) -> str:
    """Profiles per second where the CPU is the limit."""
    profiles, concurrency = 3000 * seconds, 16
    few = profiles // 4
    with serving() as store:
        sink = [sys.executable, str(HERE / "record_sink.py")]
        commands = {
            "`RecordSink`, requests": [*sink, *load(folder, store.api_url, few)],
            "target-rainfocus-attendees": target(
                folder,
                store.api_url,
                profiles,
                concurrency=concurrency,
                rejects_path=str(folder / "rejects.singer"),
            ),
            "bare aiohttp": bare("aiohttp", store, profiles, concurrency),
            "bare socket: what the store can take": bare("socket", store, profiles, concurrency),
        }
        sizes = {name: few if "RecordSink" in name else profiles for name in commands}
        clocks = taking_turns(store, sizes, commands, rounds)
    rates = {
        name: statistics.median(clock.rate for clock in found) for name, found in clocks.items()
    }
    plain = rates["`RecordSink`, requests"]
    return table(
        ("sender", "profiles/s", "of RecordSink"),
        *((name, f"{rate:,.0f}", f"{rate / plain:.2f}") for name, rate in rates.items()),
    )


def reading(folder: Path, seconds: int, rounds: int) -> str:
    """Records per second where nothing is sent; start-up included."""
    records = 20_000 * seconds
    rows: list[tuple[object, ...]] = [
        ("columns", "empty SDK target, records/s", "`dry_run`, records/s", "ratio")
    ]
    for more in (0, 20):
        empty = [sys.executable, str(HERE / "empty_target.py")]
        costs = medians(
            {
                "empty": [*empty, "--input", str(singer_input(folder, records, more))],
                "ours": target(folder, NOBODY, records, more, dry_run=True, max_retries=0),
            },
            rounds,
        )
        plain, ours = costs["empty"].seconds, costs["ours"].seconds
        rows.append(
            (
                CONTACT_COLUMNS + more,
                f"{records / plain:,.0f}",
                f"{records / ours:,.0f}",
                f"{plain / ours:.2f}",
            )
        )
    return table(*rows)


def memory(folder: Path, seconds: int, rounds: int) -> str:
    """Peak memory at 20,000 and at 500,000 records."""
    peaks = {}
    for records in (20_000, 500_000):
        with serving() as store:
            peaks[records] = run(target(folder, store.api_url, records, concurrency=64)).memory
            assert_all_came(store.clock().requests, records)
    return table(
        ("records", "peak memory, MiB", "of the first"),
        *(
            (f"{records:,}", f"{peak:.0f}", f"{peak / peaks[20_000]:.2f}")
            for records, peak in peaks.items()
        ),
    )


def taking_turns(
    store: Store,
    sizes: Mapping[str, int],
    commands: Mapping[str, Sequence[str]],
    rounds: int,
) -> dict[str, list[Clock]]:
    """What the store saw of each command, round by round."""
    clocks: dict[str, list[Clock]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            run(command)
            clock = store.clock()
            assert_all_came(clock.requests, sizes[name])
            clocks[name].append(clock)
    return clocks


def assert_all_came(came: int, sent: int) -> None:
    """Stop if a profile is missing, or came twice."""
    if came != sent:
        sys.exit(f"{came:,} requests reached the store, not {sent:,}.")


def target(folder: Path, api_url: str, records: int, more: int = 0, **settings: t.Any) -> list[str]:
    """The command that sends so many records to `api_url`."""
    return [*TARGET, *load(folder, api_url, records, more, **settings)]


def bare(name: str, store: Store, profiles: int, concurrency: int) -> list[str]:
    """The command of a sender without a target."""
    script = str(HERE / f"bare_{name}.py")
    return [sys.executable, script, store.api_url, str(profiles), str(concurrency)]


def load(
    folder: Path, api_url: str, records: int, more: int = 0, **settings: t.Any
) -> tuple[str, ...]:
    """Arguments that name a config file and an input."""
    return *config(folder, api_url, **settings), "--input", str(singer_input(folder, records, more))


def config(folder: Path, api_url: str, **settings: t.Any) -> tuple[str, str]:
    """Arguments that name a config file."""
    path = folder / f"config{len(list(folder.iterdir()))}.json"
    base = {"org_id": "acme", "api_url": api_url, "api_profile": "x", "event_code": "summit25"}
    path.write_text(json.dumps(base | settings))
    return "--config", str(path)


if __name__ == "__main__":
    main()
