"""What is said of a push that was captured."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from tests.probe.conftest import Prober

EVENT = json.loads((Path(__file__).parents[1] / "tap" / "assumed_event.json").read_text())


@pytest.mark.parametrize("keys", [("answer",), ("answer", "rows")])
def test_what_wraps_a_push_is_found(
    run_probe: Prober, tmp_path: Path, keys: tuple[str, ...]
) -> None:
    wrapped = EVENT
    for key in reversed(keys):
        wrapped = {key: wrapped}
    sample = tmp_path / "push.json"
    sample.write_text(json.dumps(wrapped))
    probed = run_probe(f"--sample={sample}")
    assert probed.code == 0, probed.called.log
    key = ".".join(keys)
    assert probed.report["settings"]["rainfocus-receiver"] == {
        "RAINFOCUS_RECEIVER_PAYLOAD_KEY": key
    }
    assert f"RAINFOCUS_RECEIVER_PAYLOAD_KEY={key}\n" in probed.called.out


def test_a_push_as_it_is_assumed_is_read(run_probe: Prober, tmp_path: Path) -> None:
    sample = tmp_path / "push.json"
    sample.write_text(json.dumps(EVENT | {"odd": {"note": "secret value"}}, indent=1))
    probed = run_probe(f"--sample={sample}")
    found = probed.findings["push"]
    assert found["verdict"] == "verified"
    assert len(found["facts"]["fields"]) == 23
    assert found["facts"]["not_known"] == ["odd"]
    told = probed.called.out + json.dumps(probed.report)
    assert all(value not in told for value in ("ada@", "secret value", "asked for a demo"))


@pytest.mark.parametrize("content", ["", "nonsense", '{"a": 1}'])
def test_what_is_no_push_is_not_decided(run_probe: Prober, tmp_path: Path, content: str) -> None:
    sample = tmp_path / "push.json"
    sample.write_text(content)
    probed = run_probe(f"--sample={sample}")
    assert probed.code == 0, probed.called.log
    assert probed.verdict("push") == "not decided"


def test_a_sample_that_is_not_there_ends_in_one_line(run_probe: Prober, tmp_path: Path) -> None:
    probed = run_probe(f"--sample={tmp_path / 'none.json'}")
    assert probed.code == 74
    assert probed.error.endswith("[RF-704]")
