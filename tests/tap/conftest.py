"""The tap as its users run it: the command, against a sandbox, over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from functools import cached_property

import pytest
from rainfocus_sandbox.testing import running

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rainfocus_sandbox.testing import RunningSandbox

Settings: t.TypeAlias = dict[str, t.Any]


@dataclass
class Run:
    """What one run of the command left behind."""

    code: int
    output: str
    log: str

    @cached_property
    def messages(self) -> list[dict[str, t.Any]]:
        return [json.loads(line) for line in self.output.splitlines()]

    def records(self, stream: str) -> list[dict[str, t.Any]]:
        return [
            m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream
        ]

    def schema(self, stream: str) -> dict[str, t.Any]:
        return next(
            m["schema"] for m in self.messages if m["type"] == "SCHEMA" and m["stream"] == stream
        )

    @property
    def state(self) -> dict[str, t.Any]:
        states: list[dict[str, t.Any]] = [m["value"] for m in self.messages if m["type"] == "STATE"]
        return states[-1]

    @property
    def errors(self) -> list[str]:
        return [line for line in self.log.splitlines() if "| ERROR" in line]


TapRunner: t.TypeAlias = "Callable[..., Run]"
SettingsMaker: t.TypeAlias = "Callable[..., Settings]"


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running(tmp_path_factory.mktemp("sandbox") / "rainfocus.db") as sandbox:
        yield sandbox


@pytest.fixture
def fresh_sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    """A sandbox of its own, for tests that change what is in it."""
    with running(tmp_path / "rainfocus.db") as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def settings_for() -> SettingsMaker:
    def make(sandbox: RunningSandbox, **more: object) -> Settings:
        return {
            "org_id": sandbox.org_id,
            "api_url": sandbox.api_url,
            "client_id": sandbox.client_id,
            "client_secret": sandbox.client_secret,
            "event_codes": ["summit25"],
            "max_retries": 1,
        } | more

    return make


@pytest.fixture(scope="session")
def settings(sandbox: RunningSandbox, settings_for: SettingsMaker) -> Settings:
    return settings_for(sandbox)


@pytest.fixture(scope="session")
def full_run(run_tap: TapRunner, settings: Settings) -> Run:
    """One undisturbed run of all streams."""
    run = run_tap(settings)
    assert run.code == 0, run.log
    return run


@pytest.fixture(scope="session")
def run_tap(tmp_path_factory: pytest.TempPathFactory) -> TapRunner:
    def run(
        config: Settings | None = None,
        *arguments: str,
        state: dict[str, t.Any] | None = None,
        select: list[str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> Run:
        command = [sys.executable, "-m", "tap_rainfocus", *arguments]
        tmp_path = tmp_path_factory.mktemp("run")
        if config is not None:
            command += ["--config", _file(tmp_path / "config.json", config)]
        if state is not None:
            command += ["--state", _file(tmp_path / "state.json", state)]
        if select is not None:
            command += ["--catalog", _file(tmp_path / "catalog.json", _catalog(select))]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | (environment or {}),
        )
        return Run(done.returncode, done.stdout, done.stderr)

    return run


def _file(path: Path, content: object) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def _catalog(select: list[str]) -> dict[str, t.Any]:
    command = [sys.executable, "-m", "tap_rainfocus", "--discover"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    catalog: dict[str, t.Any] = json.loads(found.stdout)
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in select
    return catalog
