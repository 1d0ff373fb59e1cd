"""The tap's speed, memory and start-up, as ratios in one run: `uv run python benchmarks/tap.py`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from measure import machine, medians, output, records, run, table
from pages import PAGE_SIZE, serving
from peers import codes

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from measure import Cost

HERE = Path(__file__).parent
LATENCY = 0.1
EVENTS, PAGES_OF_EVENT, LATENCY_OF_EVENTS, WORKERS = 16, 10, 0.2, 4
SIDE_BY_SIDE = ((10, 0.2, 4), (10, 0.2, 8), (4, 1.0, 16))
"""Pages of each event, seconds a page, and how many events are read at a time."""
FEW, MANY, RECORDS_OF_EVENT = 100, 3000, 2
PEERS = {"singer-python": "6.8.0", "dlt": "1.31.0", "airbyte-cdk": "7.39.1"}
"""Other readers, and their versions."""


def main() -> None:
    """Print the tables."""
    tables = {
        "throughput": throughput,
        "events": events,
        "concurrency": concurrency,
        "many": many,
        "latency": latency,
        "memory": memory,
        "startup": startup,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=200, help="pages of 1,000 records")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=tables, action="append", help="print this table")
    arguments = parser.parse_args()
    print(
        f"{machine()}; {arguments.pages:,} pages of 1,000 attendees; medians of {arguments.rounds}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only or tables:
            found = tables[name](Path(folder), arguments.pages, arguments.rounds)
            print(f"\n{found}", flush=True)


def throughput(folder: Path, pages: int, rounds: int) -> str:
    """Records per second where the CPU is the limit."""
    with serving(pages) as url:
        costs = medians(
            {
                "plain RESTStream": [
                    sys.executable,
                    str(HERE / "plain_tap.py"),
                    *config(folder, url),
                ],
                "tap-rainfocus": tap(folder, url),
                "tap-rainfocus, record by record": tap(folder, url, stream_maps={"attendees": {}}),
                "script: requests, orjson, no SDK": [sys.executable, str(HERE / "script.py"), url],
                "singer-python, no reshaping": peer(folder, "singer-python", url),
                "dlt, iterates only, no reshaping": peer(folder, "dlt", url),
            },
            rounds,
        )
    plain, script = costs["plain RESTStream"], costs["script: requests, orjson, no SDK"]
    return table(
        ("reader", "records/s", "of plain", "of script"),
        *(
            (
                name,
                f"{pages * PAGE_SIZE / cost.seconds:,.0f}",
                f"{plain.seconds / cost.seconds:.2f}",
                f"{script.seconds / cost.seconds:.2f}",
            )
            for name, cost in costs.items()
        ),
    )


def events(folder: Path, pages: int, rounds: int) -> str:
    """Many events at once: 16 of 10 pages, 200 ms a page, 4 workers."""
    expected = EVENTS * PAGES_OF_EVENT * PAGE_SIZE
    with serving(PAGES_OF_EVENT) as url:
        for (name, reshaping), command in readers(folder, url).items():
            if (found := records(command)) != expected:
                sys.exit(f"{name}, reshaping: {reshaping}: {found:,} records of {expected:,}")
    with serving(PAGES_OF_EVENT, LATENCY_OF_EVENTS) as url:
        costs = medians(readers(folder, url), rounds)
    bound = EVENTS * PAGES_OF_EVENT * LATENCY_OF_EVENTS / WORKERS
    ours = next(iter(costs.values()))
    return table(
        ("reader", "reshaping", "seconds", "share of the bound", "of ours", "CPU seconds"),
        *(
            (
                *reader,
                f"{cost.seconds:.1f}",
                f"{bound / cost.seconds:.0%}",
                f"{cost.seconds / ours.seconds:.2f}",
                f"{cost.cpu:.1f}",
            )
            for reader, cost in costs.items()
        ),
    )


def readers(folder: Path, url: str) -> Mapping[tuple[str, str], Sequence[str]]:
    """The commands that read many events: by the reader, and by whether it reshapes; ours first."""
    settings = {"event_codes": codes(EVENTS), "concurrency": WORKERS}
    asked = (str(EVENTS), str(WORKERS))
    return {
        ("tap-rainfocus", "yes"): tap(folder, url, **settings),
        **{(name, "yes"): peer(folder, name, url, *asked, "--reshape") for name in PEERS},
        **{(name, "no"): peer(folder, name, url, *asked) for name in PEERS},
    }


def concurrency(folder: Path, pages: int, rounds: int) -> str:
    """16 events, several at a time: the share of what latency and the CPU allow, and memory."""
    rows: list[tuple[object, ...]] = [
        ("pages", "a page", "at a time", "seconds", "latency alone", "CPU", "share", "MiB")
    ]
    for pages_of_event, seconds, workers in SIDE_BY_SIDE:
        with serving(pages_of_event, seconds) as url:
            cost = several(folder, url, rounds, workers)[workers]
        waiting = EVENTS * pages_of_event * seconds / workers
        share = max(waiting, cost.cpu) / cost.seconds
        shown = f"{seconds * 1000:.0f} ms", workers, f"{cost.seconds:.1f}", f"{waiting:.1f}"
        rows.append(
            (pages_of_event, *shown, f"{cost.cpu:.1f}", f"{share:.0%}", f"{cost.memory:.0f}")
        )
    with serving(PAGES_OF_EVENT) as url:
        costs = several(folder, url, rounds, 1, WORKERS, 2 * WORKERS)
    for workers, cost in costs.items():
        share = costs[1].seconds / cost.seconds
        shown = "0 ms", workers, f"{cost.seconds:.1f}", "0.0", f"{cost.cpu:.1f}"
        rows.append((PAGES_OF_EVENT, *shown, f"{share:.2f} of one", f"{cost.memory:.0f}"))
    return table(*rows)


def several(folder: Path, url: str, rounds: int, *workers: int) -> Mapping[int, Cost]:
    """What it takes to read the events, so many at a time."""
    asked = {"event_codes": codes(EVENTS)}
    return medians({many: tap(folder, url, **asked, concurrency=many) for many in workers}, rounds)


def many(folder: Path, pages: int, rounds: int) -> str:
    """All six streams of many small events: what an event costs, and how much STATE is written."""
    rows: list[tuple[object, ...]] = [("events", "ms an event", "STATE, kB", "MiB")]
    with serving(1, size=RECORDS_OF_EVENT) as url:
        for number in (FEW, MANY):
            command = [sys.executable, "-m", "tap_rainfocus"]
            command += config(folder, url, event_codes=codes(number))
            cost = medians({"": command}, rounds if number == FEW else 1)[""]
            per_event = f"{cost.seconds * 1000 / number:.1f}"
            states = sum(len(line) for line in output(command) if b'"type":"STATE"' in line)
            shown = per_event, f"{states / 1000:,.0f}", f"{cost.memory:.0f}"
            rows.append((f"{number:,}", *shown))
    return table(*rows)


def latency(folder: Path, pages: int, rounds: int) -> str:
    """The share of what is possible where every page takes 100 ms."""
    with serving(pages) as url:
        busy = medians({"": tap(folder, url)}, rounds)[""].seconds
    with serving(pages, LATENCY) as url:
        slow = medians({"": tap(folder, url)}, rounds)[""].seconds
    bound = max(pages * LATENCY, busy)
    return table(
        ("latency a page", "seconds", "bound", "share of the bound"),
        (f"{LATENCY * 1000:.0f} ms", f"{slow:.1f}", f"{bound:.1f}", f"{bound / slow:.0%}"),
    )


def memory(folder: Path, pages: int, rounds: int) -> str:
    """Peak memory at 50,000 and at 1,000,000 records."""
    peaks = {}
    for size in (50, 1000):
        with serving(size) as url:
            peaks[size] = run(tap(folder, url)).memory
    return table(
        ("records", "peak memory, MiB", "of the first"),
        *(
            (f"{size * PAGE_SIZE:,}", f"{peak:.0f}", f"{peak / peaks[50]:.2f}")
            for size, peak in peaks.items()
        ),
    )


def startup(folder: Path, pages: int, rounds: int) -> str:
    """Start-up against a tap that does nothing."""
    rows: list[tuple[object, ...]] = [("command", "empty SDK tap, s", "tap-rainfocus, s", "ratio")]
    for argument in ("--version", "--discover"):
        costs = medians(
            {
                "empty": [sys.executable, str(HERE / "empty_tap.py"), argument],
                "ours": [sys.executable, "-m", "tap_rainfocus", argument],
            },
            2 * rounds,
        )
        empty, ours = costs["empty"].seconds, costs["ours"].seconds
        rows.append((argument, f"{empty:.2f}", f"{ours:.2f}", f"{ours / empty:.2f}"))
    return table(*rows)


def tap(folder: Path, url: str, **settings: t.Any) -> list[str]:
    """The command that reads the attendees from `url`."""
    return [
        *(sys.executable, "-m", "tap_rainfocus"),
        *config(folder, url, **settings),
        *("--catalog", catalog(folder)),
    ]


def peer(folder: Path, name: str, *arguments: str) -> list[str]:
    """The command of another reader."""
    script = HERE / f"peer_{name.replace('-', '_')}.py"
    return [environment(folder, name), str(script), *arguments]


def environment(folder: Path, name: str) -> str:
    """The Python of an environment that holds another reader and nothing of ours."""
    home = folder / name
    if not home.exists():
        uv, version = os.environ.get("UV", "uv"), platform.python_version()
        subprocess.run([uv, "venv", "--quiet", "--python", version, home], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", home]
        packages = (f"{name}=={PEERS[name]}", "requests", "orjson")
        subprocess.run([*install, *packages], check=True)
    return str(home / "bin" / "python")


def config(folder: Path, url: str, **settings: t.Any) -> tuple[str, str]:
    """Arguments that name a config file for the page server."""
    path = folder / f"config{len(list(folder.iterdir()))}.json"
    base = {"org_id": "acme", "api_url": url, "api_profile": "x", "event_codes": ["summit25"]}
    path.write_text(json.dumps(base | settings))
    return "--config", str(path)


def catalog(folder: Path) -> str:
    """A catalog with only the attendees selected."""
    path = folder / "catalog.json"
    if not path.exists():
        command = [sys.executable, "-m", "tap_rainfocus", "--discover"]
        found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        for stream in found["streams"]:
            for entry in stream["metadata"]:
                if not entry["breadcrumb"]:
                    entry["metadata"]["selected"] = stream["tap_stream_id"] == "attendees"
        path.write_text(json.dumps(found))
    return str(path)


if __name__ == "__main__":
    main()
