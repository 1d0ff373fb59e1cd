"""How many events a second the receiver takes, and whether any is lost or doubled.

A sender with 32 connections, the receiver and a reader run as processes of their own; the reader
reads the inbox every second. With --kills the receiver is killed (SIGKILL) and started again that
many times on the way, and the sender tries again what was not answered.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import pushing
from measure import machine, table
from tap_rainfocus.inbox.store import Inbox

INLET = "benchmark-inlet-0123456789"


class Receiver:
    """The command `rainfocus-receiver`, and the most memory that it ever took."""

    def __init__(self, url: str, port: int) -> None:
        self.memory = 0.0
        self._command = [Path(sys.executable).parent / "rainfocus-receiver", "serve"]
        self._environment = {
            **os.environ,
            "RAINFOCUS_RECEIVER_INBOX_URL": url,
            "RAINFOCUS_RECEIVER_INLET": INLET,
            "RAINFOCUS_RECEIVER_PORT": str(port),
        }
        self._port = port

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, env=self._environment, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port)).close()
            except OSError:
                if time.monotonic() > until or self._process.poll() is not None:
                    sys.exit("The receiver does not start.")
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        peak = re.search(r"VmHWM:\s+(\d+)", status)
        self.memory = max(self.memory, int(peak[1]) / 1024 if peak else 0)
        self._process.kill()
        self._process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--url", help="an empty inbox; a new SQLite file unless given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options, options.url or f"sqlite:///{folder}/inbox.db")


def measure(options: argparse.Namespace, url: str) -> None:
    inbox = Inbox(url)
    if inbox.last():
        sys.exit("The inbox is not empty.")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    receiver = Receiver(url, port)
    receiver.start()
    processes = multiprocessing.get_context("spawn")
    pushed, found = processes.Queue(), processes.Queue()
    finished = processes.Event()
    sender = processes.Process(target=pushing.push, args=(port, INLET, options.events, pushed))
    reader = processes.Process(target=pushing.read, args=(url, finished, found))
    load = os.getloadavg()[0]
    sender.start()
    reader.start()
    for number in range(1, options.kills + 1):
        while inbox.last() < number * options.events // (options.kills + 1):
            time.sleep(0.05)
            if not sender.is_alive():
                sys.exit("The sender stopped.")
        receiver.kill()
        receiver.start()
    costs = pushed.get(timeout=pushing.LONGEST)
    finished.set()
    read = found.get(timeout=60)
    receiver.kill()
    inbox.close()
    report(options, url, {**costs, **read}, receiver.memory, load)


def report(
    options: argparse.Namespace, url: str, figures: dict[str, t.Any], memory: float, load: float
) -> None:
    rate = options.events / figures["seconds"]
    print(f"{machine()}; load before {load:.1f}; {pushing.CONNECTIONS} connections\n")
    print(
        table(
            ("inbox", "events", "kills", "events/s", "p50, ms", "p99, ms", "longest, ms", "MiB"),
            (
                url.partition(":")[0],
                f"{options.events:,}",
                options.kills,
                f"{rate:,.0f}",
                *(f"{figures[name] * 1000:.1f}" for name in ("p50", "p99", "longest")),
                f"{memory:.0f}",
            ),
        )
    )
    print(f"\nRetries: {figures['retries']}. Read: {figures['read']:,}.")
    if not figures["read"] == figures["distinct"] == options.events:
        sys.exit(f"Not exactly once: {figures['distinct']:,} of {options.events:,} were read.")


if __name__ == "__main__":
    main()
