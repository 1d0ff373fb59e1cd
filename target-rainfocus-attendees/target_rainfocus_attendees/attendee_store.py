"""The Attendee Store of one event: takes one profile per request."""

from __future__ import annotations

import logging
import typing as t

import orjson
from aiolimiter import AsyncLimiter
from rainfocus_client.connection import Connection
from rainfocus_client.credentials import credentials_from_settings
from rainfocus_client.errors import AuthenticationError, TokenRefusedError
from rainfocus_client.judgement import judge
from rainfocus_client.retry import policy

from target_rainfocus_attendees.access import Access
from target_rainfocus_attendees.wire import PACKAGE, Wire

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_rainfocus_attendees.access import Headers

CALL = "attendee/store"

logger = logging.getLogger(PACKAGE)


class AttendeeStore:
    """Upserts profiles, matched by e-mail address, into an event."""

    def __init__(self, settings: Mapping[str, t.Any]) -> None:
        """Read the settings; to be made inside the loop that uses it."""
        connection = Connection.from_settings(settings)
        self._wire = Wire(
            connections=settings["concurrency"],
            timeout=settings["request_timeout"],
            policy=policy(settings["max_retries"], logger),
        )
        credentials = credentials_from_settings(settings)
        self._access = Access(credentials, connection.token_url, self._wire)
        self._url = connection.url(CALL)
        # That the event code goes into the query, as in v2, is an assumption.
        self._params = {settings["event_parameter"]: settings["event_code"]}
        rate = settings.get("requests_per_second")
        self._limiter = AsyncLimiter(1, 1 / rate) if rate else None

    async def __aenter__(self) -> t.Self:
        """Sign in, so that wrong credentials show before the first profile is sent."""
        try:
            await self._access.headers()
        except BaseException:
            await self._wire.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._wire.close()

    def halt(self) -> None:
        """Let running requests finish and begin none."""
        self._wire.halt()

    async def send(self, fields: dict[str, str]) -> None:
        """Store one profile.

        Raises:
            RefusedError: RainFocus refused this profile; others may pass.
            RainFocusError: Going on is pointless.
            HaltedError: There was a halt before the profile was sent.
        """
        body = orjson.dumps(fields)
        await self._wire.persist(lambda: self._attempt(body))

    async def _attempt(self, body: bytes) -> None:
        headers = await self._access.headers()
        try:
            await self._post(body, headers)
        except TokenRefusedError:
            headers = await self._access.headers(refused=headers)
            try:
                await self._post(body, headers)
            except TokenRefusedError as error:
                raise AuthenticationError(*error.args) from error

    async def _post(self, body: bytes, headers: Headers) -> None:
        if self._limiter:
            await self._wire.wait_for(self._limiter.acquire())
        json = {"Content-Type": "application/json"}
        reply = await self._wire.post(self._url, body, headers | json, self._params)
        judge(CALL, reply.status, reply.body, reply.headers)
