"""The SDK's own test suite, as it is."""

from __future__ import annotations

import typing as t

import pytest
from singer_sdk.testing import get_tap_test_class
from tap_rainfocus.tap import TapRainFocus

if t.TYPE_CHECKING:
    from rainfocus_sandbox.testing import RunningSandbox

# The suite wants its settings before a sandbox runs; the address is filled in when one does.
CONFIG: dict[str, t.Any] = {
    "org_id": "acme",
    "api_url": "http://127.0.0.1:1/api",
    "api_profile": "sandboxprofile",
    "event_codes": ["summit25"],
}


@pytest.fixture(scope="module", autouse=True)
def _address(sandbox: RunningSandbox) -> None:
    CONFIG["api_url"] = sandbox.api_url


TestTapRainFocus = get_tap_test_class(TapRainFocus, config=CONFIG)
