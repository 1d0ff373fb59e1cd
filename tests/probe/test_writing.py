"""What the probe writes: nothing unasked, and then one profile."""

from __future__ import annotations

import typing as t

import pytest

if t.TYPE_CHECKING:
    from tests.probe.conftest import FakeRainFocus, Prober

ME = "--write-to=me@company.example"


@pytest.mark.parametrize("ways", [{}, {"wrapper": "attendee", "event_parameter": "eventCode"}])
def test_nothing_is_written_unasked(
    rainfocus: FakeRainFocus, run_probe: Prober, ways: dict[str, t.Any]
) -> None:
    before = dict(rainfocus.reset(**ways).people)
    probed = run_probe()
    assert probed.code == 0
    assert rainfocus.writes == []
    assert rainfocus.people == before
    assert probed.verdict("store") == "not decided"


def test_one_profile_is_written_and_the_others_stay(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    before = rainfocus.others
    assert run_probe(ME).code == 0
    assert len(rainfocus.writes) == 3  # written, updated, and with a made-up field
    assert rainfocus.others == before
    assert rainfocus.people.keys() - {one["email"] for one in before} == {"me@company.example"}


def test_a_second_probe_takes_the_same_profile(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    run_probe(ME)
    assert run_probe(ME).verdict("store") == "verified"
    assert len(rainfocus.people) == 6


def test_the_profile_is_whole_in_the_end(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    rainfocus.reset(keeps_the_rest=False, unknown_field=(400, "612"))
    run_probe(ME)
    assert rainfocus.people["me@company.example"]["lastname"] == "RainFocusProbe"


def test_somebody_who_is_there_is_left_alone(rainfocus: FakeRainFocus, run_probe: Prober) -> None:
    before = rainfocus.others
    probed = run_probe("--write-to=Ada@people.example")
    assert probed.verdict("store") == "not decided"
    assert rainfocus.writes == []
    assert rainfocus.others == before


def test_a_form_that_is_taken_and_not_stored_is_not_believed(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    rainfocus.reset(stores=False)
    probed = run_probe(ME)
    assert probed.verdict("store") == "not decided"
    assert "no profile to be seen" in probed.findings["store"]["seen"]
    assert probed.target == {}
    assert len(rainfocus.writes) <= 60
    assert len(rainfocus.people) == 5


def test_a_profile_that_cannot_be_read_back_is_not_decided(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    rainfocus.reset(denied=frozenset({"attendee"}))
    probed = run_probe(ME)
    assert probed.verdict("store") == "not decided"
    assert "cannot be read back" in probed.findings["store"]["seen"]
    assert len(rainfocus.writes) == 1


def test_a_store_that_is_denied_says_what_to_enable(
    rainfocus: FakeRainFocus, run_probe: Prober
) -> None:
    rainfocus.reset(denied=frozenset({"attendeeStore"}))
    found = run_probe(ME).findings["store"]
    assert found["verdict"] == "not decided"
    assert "enable endpoint attendeeStore" in found["seen"]
    assert set(rainfocus.writes) >= {"/api/acme/v3/attendee/store"}
    assert len(rainfocus.people) == 5


@pytest.mark.parametrize("address", ["nobody", "a@b", "me@company.example,you@company.example"])
def test_what_is_no_address_is_refused(
    rainfocus: FakeRainFocus, run_probe: Prober, address: str
) -> None:
    probed = run_probe(f"--write-to={address}")
    assert probed.code == 2
    assert rainfocus.asked == []
    assert address not in probed.called.log
