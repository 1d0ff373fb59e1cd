"""The files a user meets first say the same as the code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import yaml
from tap_rainfocus.tap import TapRainFocus
from target_rainfocus_attendees.target import TargetRainFocusAttendees

SDK_SETTINGS = {
    "stream_maps",
    "stream_map_config",
    "faker_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_max_key_length",
    "flattening_separator",
}
ROOT = Path(__file__).parents[2]

KINDS = {
    "array": "string",  # in a variable Meltano takes them as JSON only, and fails otherwise
    "boolean": "boolean",
    "integer": "integer",
    "number": "string",  # Meltano cannot hand on a decimal from the environment
    "object": "string",
    "string": "string",
}


def about(module: str) -> dict[str, t.Any]:
    done = subprocess.run(
        [sys.executable, "-m", module, "--about", "--format=json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told: dict[str, t.Any] = json.loads(done.stdout)
    return told


def meltano_setting(name: str, schema: dict[str, t.Any]) -> dict[str, t.Any]:
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    setting: dict[str, t.Any] = {"name": name, "kind": KINDS[kinds[0]]}
    if kinds[0] == "array":
        setting["value_processor"] = "stringify"  # else its variable holds Python's form
    if schema.get("format") == "date-time":
        setting["kind"] = "date_iso8601"
    if "enum" in schema:
        setting["kind"] = "options"
        setting["options"] = [{"label": choice, "value": choice} for choice in schema["enum"]]
    if schema.get("secret"):
        setting["sensitive"] = True
    if schema.get("default") is not None:
        setting["value"] = schema["default"]
    return setting


@pytest.mark.parametrize("plugin", [TapRainFocus, TargetRainFocusAttendees])
def test_every_setting_is_an_attribute_and_has_one_default(
    plugin: type[TapRainFocus | TargetRainFocusAttendees],
) -> None:
    schema = plugin.config_jsonschema["properties"]
    attributes = {field.name: field for field in fields(plugin.settings_class)}
    assert schema.keys() - SDK_SETTINGS == attributes.keys() - SDK_SETTINGS
    for name, attribute in attributes.items():
        has_default = (attribute.default, attribute.default_factory) != (MISSING, MISSING)
        assert has_default != ("default" in schema.get(name, {})), name


@pytest.mark.parametrize(
    ("kind", "name"),
    [("extractors", "tap-rainfocus"), ("loaders", "target-rainfocus-attendees")],
)
def test_meltano_yml_mirrors_the_settings_and_capabilities(kind: str, name: str) -> None:
    told = about(name.replace("-", "_"))
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    plugin = next(p for p in project["plugins"][kind] if p["name"] == name)
    assert plugin["settings"] == [
        meltano_setting(setting, schema)
        for setting, schema in told["settings"]["properties"].items()
    ]
    assert sorted(plugin["capabilities"]) == sorted(told["capabilities"])


def test_env_example_names_the_variables_of_dev_and_prod() -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    named = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    for environment in project["environments"]:
        if environment["name"] != "sandbox":
            used = set(re.findall(r"\$(RAINFOCUS_\w+)", json.dumps(environment)))
            assert used == named


def test_dev_is_as_prod() -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    dev, prod = (
        next(environment for environment in project["environments"] if environment["name"] == name)
        for name in ("dev", "prod")
    )
    assert prod["state_id_suffix"] == "$RAINFOCUS_WRITE_EVENT"
    in_dev = yaml.safe_load(yaml.safe_dump(prod | {"name": "dev"}))
    for kind in ("extractors", "loaders"):
        in_dev["config"]["plugins"][kind][0]["config"]["environment"] = "dev"
    assert dev == in_dev


def test_what_runs_by_itself_says_where() -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    known = {environment["name"] for environment in project["environments"]}
    for schedule in project["schedules"]:
        assert schedule["env"]["MELTANO_ENVIRONMENT"] in known - {"sandbox"}


def test_the_readme_begins_with_the_two_commands() -> None:
    first = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert first
    assert first[1].splitlines() == [
        "python3 -m pip install --target .uv uv && .uv/bin/uvx meltano@4.4.1 run demo",
        ".uv/bin/uv run pytest",
    ]


@pytest.mark.parametrize(
    ("module", "readme"),
    [
        ("tap_rainfocus", "tap-rainfocus"),
        ("target_rainfocus_attendees", "target-rainfocus-attendees"),
    ],
)
def test_readmes_name_every_setting(module: str, readme: str) -> None:
    for setting in about(module)["settings"]["properties"]:
        for file in (ROOT / "README.md", ROOT / readme / "README.md"):
            assert f"`{setting}`" in file.read_text() or setting.startswith(("faker", "flattening"))


def test_a_checkout_has_no_leftovers_of_a_machine() -> None:
    tracked = subprocess.run(
        ["git", "grep", "-nIE", r"/(home|root|work)/|\.\./shared"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ,
    )
    found = [line for line in tracked.stdout.splitlines() if "pipelines/test_project" not in line]
    assert found == []
