"""Runs the tap on made-up catalogues."""

from __future__ import annotations

import typing as t

import jsonschema
import pytest

from tests.tap.catalogue.made_up import QUESTION

if t.TYPE_CHECKING:
    from tests.tap.catalogue.made_up import Item, Reply, Site
    from tests.tap.conftest import Asked, Run, Scripted, ServerMaker, TapRunner

Read = t.Callable[..., "Run"]


@pytest.fixture
def read(run_tap: TapRunner, scripted: ServerMaker) -> Read:
    """Run the tap on a site; what comes out holds to its schema, and each key comes once."""
    current: list[Site] = []

    def answer(asked: Asked) -> Reply:
        return current[-1].answer(asked)

    server = scripted(answer)

    def run(site: Site, *arguments: str, state: Item | None = None, **settings: object) -> Run:
        current.append(site)
        done = run_tap(settings_of(server, **settings), *arguments, state=state)
        if done.code == 0:
            _check(done)
        return done

    return run


def settings_of(server: Scripted, **more: object) -> dict[str, object]:
    return {
        "api_url": f"{server.url}/api",
        "catalogue_profile_id": "profile-1",
        "catalogue_widget_id": "widget-1",
        "requests_per_second": 1000,
        "max_retries": 1,
    } | more


def _check(run: Run) -> None:
    seen: set[tuple[str, str, str]] = set()
    validators = {
        m["stream"]: jsonschema.Draft202012Validator(m["schema"])
        for m in run.messages
        if m["type"] == "SCHEMA"
    }
    for message in run.messages:
        if message["type"] == "RECORD":
            record = message["record"]
            validators[message["stream"]].validate(record)
            key = (message["stream"], record["event_code"], record["_id"])
            assert key not in seen
            seen.add(key)
    assert QUESTION not in run.output
    assert "a ramp" not in run.output
    assert "Hidden talk" not in run.output
