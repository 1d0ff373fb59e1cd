"""The sandbox inside a test's process."""

from __future__ import annotations

import time
import typing as t

import pytest
import requests
from rainfocus_sandbox.testing import running

if t.TYPE_CHECKING:
    from pathlib import Path


def test_it_stops_cleanly_and_soon(tmp_path: Path) -> None:
    with requests.Session() as kept_open:
        with running(tmp_path / "sandbox.db") as sandbox:
            assert kept_open.get(f"{sandbox.url}/sandbox/health", timeout=10).ok
            asked = time.monotonic()
        assert time.monotonic() - asked < 1
        with pytest.raises(requests.ConnectionError):
            kept_open.get(f"{sandbox.url}/sandbox/health", timeout=10)


def test_where_it_answers(tmp_path: Path) -> None:
    with running(tmp_path / "sandbox.db") as sandbox:
        assert sandbox.url.startswith("http://127.0.0.1:")
        assert sandbox.api_url == f"{sandbox.url}/api"
        assert sandbox.token_url == f"{sandbox.url}/oidc/token"
        assert sandbox.org_id == "acme"


def test_touch_is_read_at_once_and_knows_nobody_else(tmp_path: Path) -> None:
    with running(tmp_path / "sandbox.db") as sandbox:
        attendee_id = sandbox.store.attendees("summit26")[0]["attendeeId"]
        sandbox.store.touch("summit26", attendee_id, firstname="Zoë")
        found = requests.get(
            f"{sandbox.api_url}/acme/v3/attendee/load",
            params={"event": "summit26", "attendeeId": attendee_id},
            headers={"apiProfile": sandbox.api_profile},
            timeout=10,
        )
        assert found.json()["data"]["firstname"] == "Zoë"
        with pytest.raises(KeyError):
            sandbox.store.touch("summit26", "nobody")


def test_writes_survive(tmp_path: Path) -> None:
    with running(tmp_path / "sandbox.db") as first:
        attendee_id = first.store.attendees("summit26")[0]["attendeeId"]
        first.store.touch("summit26", attendee_id, firstname="Zoë")
    with running(tmp_path / "sandbox.db") as second:
        assert second.store.attendees("summit26")[0]["firstname"] == "Zoë"
