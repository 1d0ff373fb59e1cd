"""The SDK's standard tests, all of them, over a running sandbox."""

from __future__ import annotations

import typing as t

import pytest
from singer_sdk.testing import get_target_test_class
from target_rainfocus_attendees.target import TargetRainFocusAttendees

CONFIG: dict[str, t.Any] = {"org_id": "acme"}

_Standard = get_target_test_class(TargetRainFocusAttendees, config=CONFIG, parse_env_config=False)


class TestStandard(_Standard):  # type: ignore[valid-type, misc]
    @pytest.fixture(autouse=True)
    def _config(self, settings: dict[str, t.Any]) -> None:
        CONFIG.update(settings)
