"""The codes of messages: each is used, and stands in the page that says what to do."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from rainfocus_client.troubles import Trouble, with_code

ROOT = Path(__file__).parents[2]
PACKAGES = ("rainfocus-client", "rainfocus-probe", "tap-rainfocus", "target-rainfocus-attendees")


def test_the_page_has_a_line_for_each_code_and_no_other() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| RF-")]
    assert rows == [f"| {one.code} | {one.meaning} | {one.advice} |" for one in Trouble]


def test_each_code_is_one_thing_and_in_order() -> None:
    codes = [one.code for one in Trouble]
    assert codes == sorted(set(codes))
    assert all(re.fullmatch(r"RF-\d{3}", code) for code in codes)


def test_each_code_is_used() -> None:
    used: Counter[str] = Counter()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            used.update(re.findall(r"Trouble\.([A-Z_]+)", path.read_text(encoding="utf-8")))
    assert used.keys() == {one.name for one in Trouble}


def test_a_message_has_one_code() -> None:
    told = with_code("No credentials are set.", Trouble.NO_CREDENTIALS)
    assert told == "No credentials are set. [RF-104]"
    assert with_code(told, Trouble.RECEIVER_ENDED) == told
