"""The Integration Profile: where events are pushed to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Integration:
    """An Integration Profile, which sends every push type to one endpoint.

    Attributes:
        url: The streaming endpoint, its inlet, which is a secret, in the path.
        flow_id: The dataflow id, sent as `x-adobe-flow-id`.
        token: The Bearer token, if the endpoint wants one.
        timeout: How many seconds an attempt may take.
    """

    url: str
    flow_id: str
    token: str | None = None
    timeout: float = DEFAULT_TIMEOUT_S

    def __post_init__(self) -> None:
        """Reject a profile that could never push.

        Raises:
            ValueError: A field has a value it cannot have.
        """
        if not _is_http(self.url):
            message = "url is not an http or https address"
            raise ValueError(message)
        if not _is_header(self.flow_id):
            message = "flow_id is not a line of printable ASCII"
            raise ValueError(message)
        if self.token is not None and not _is_header(self.token):
            message = "token is not a line of printable ASCII"
            raise ValueError(message)
        if not (math.isfinite(self.timeout) and self.timeout > 0):
            message = "timeout is not more than 0"
            raise ValueError(message)

    @property
    def host(self) -> str:
        """The endpoint without its secret path."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a push.

        Assumption: the header set is not public (docs/rainfocus-api.md §6). `x-adobe-flow-id` and
        Bearer are what the endpoint asks for in raw mode (AEP, streaming ingestion).
        """
        headers = {"Content-Type": "application/json", "x-adobe-flow-id": self.flow_id}
        return headers | ({"Authorization": f"Bearer {self.token}"} if self.token else {})


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_header(text: str) -> bool:
    return bool(text.strip()) and text.isascii() and text.isprintable()
