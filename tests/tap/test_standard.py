"""The SDK's own test suite, as it is."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from singer_sdk.testing import get_tap_test_class
from tap_rainfocus.tap import TapRainFocus

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from rainfocus_sandbox.testing import RunningSandbox

    InboxFiller = Callable[..., None]

# The suite wants its settings before a sandbox runs; the addresses are filled in when one does.
CONFIG: dict[str, t.Any] = {
    "org_id": "acme",
    "api_url": "http://127.0.0.1:1/api",
    "api_profile": "sandboxprofile",
    "event_codes": ["summit25"],
    "inbox_url": "sqlite:///inbox.db",
}


@pytest.fixture(scope="module", autouse=True)
def _address(
    sandbox: RunningSandbox, fill_inbox: InboxFiller, tmp_path_factory: pytest.TempPathFactory
) -> None:
    CONFIG["api_url"] = sandbox.api_url
    CONFIG["inbox_url"] = f"sqlite:///{tmp_path_factory.mktemp('standard') / 'inbox.db'}"
    event = json.loads(Path(__file__).with_name("assumed_event.json").read_text())
    fill_inbox(CONFIG["inbox_url"], event, {"eventType": "Test"})


TestTapRainFocus = get_tap_test_class(TapRainFocus, config=CONFIG)
