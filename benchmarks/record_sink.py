"""The target one writes first: a plain `RecordSink` and `requests`, all defaults."""

from __future__ import annotations

import typing as t

import requests
from singer_sdk import RecordSink, Target


class Contacts(RecordSink):
    """Sends one record after the other."""

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._url = f"{self.config['api_url']}/{self.config['org_id']}/v3/attendee/store"
        self._params = {"event": self.config["event_code"]}
        self._session = requests.Session()
        self._session.headers["apiProfile"] = self.config["api_profile"]

    def process_record(self, record: dict[str, t.Any], context: dict[str, t.Any]) -> None:
        reply = self._session.post(self._url, params=self._params, json=record, timeout=60)
        reply.raise_for_status()
        if reply.json()["responseCode"] != "0":
            raise RuntimeError


class PlainTarget(Target):
    """A plain target."""

    name = "plain-target"
    default_sink_class = Contacts
    config_jsonschema: t.ClassVar = {
        "properties": {
            name: {"type": "string"} for name in ("api_url", "org_id", "event_code", "api_profile")
        }
    }


if __name__ == "__main__":
    PlainTarget.cli()
