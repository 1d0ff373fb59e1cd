"""The Attendee Store of one event: takes one profile per request."""

from __future__ import annotations

import logging
import time
import typing as t
from functools import cached_property
from http import HTTPStatus

from aiolimiter import AsyncLimiter
from rainfocus_client.adaptive_limit import BUSY, AdaptiveLimit
from rainfocus_client.auth import credentials_from_settings
from rainfocus_client.connection import API_VERSION, Connection
from rainfocus_client.errors import (
    AuthenticationError,
    ParameterError,
    RainFocusError,
    RefusedError,
    RetriableError,
    SettingsError,
    TokenRefusedError,
)
from rainfocus_client.lenient_json import dump_json
from rainfocus_client.responses import (
    SUCCESS_CODE,
    attendee_id,
    judge,
    refusal,
    reply_text,
    response_code,
)
from rainfocus_client.retry import parse_retry_after, policy
from rainfocus_client.troubles import Trouble
from yarl import URL

from target_rainfocus_attendees import PACKAGE
from target_rainfocus_attendees.delivery.auth import Authorization
from target_rainfocus_attendees.delivery.transport import Transport
from target_rainfocus_attendees.delivery.turns import Turns
from target_rainfocus_attendees.mapping.columns import EMAIL
from target_rainfocus_attendees.models import Outcome, Reason, Receipt, Underway

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from rainfocus_client.report import Traffic

    from target_rainfocus_attendees.delivery.auth import Headers
    from target_rainfocus_attendees.delivery.transport import Response
    from target_rainfocus_attendees.mapping.profiles import Fields
    from target_rainfocus_attendees.models import Extraction, Item, Withdrawal
    from target_rainfocus_attendees.settings import TargetSettings

CALLS = {"upsert": "attendee/store", "update": "attendee/update"}
"""Mode → call: `store` creates and updates, `update` fails where there is nobody (client code
written from the vendor's documentation, docs/rainfocus-api.md §7)."""

JSON = {"Content-Type": "application/json"}

GOOD = frozenset({None, SUCCESS_CODE})

logger = logging.getLogger(PACKAGE)


class StoreCall:
    """The request that writes a profile, as setting `store` says; every default is assumed.

    Attributes:
        name: For messages.
        headers: Those that say what is sent, and into which event.
    """

    def __init__(self, settings: TargetSettings) -> None:
        """Read the settings; none of the connection is needed until it is made."""
        form = settings.store
        path = str(form.get("path") or f"{API_VERSION}/{CALLS[settings.mode]}").lstrip("/")
        self.name = path.partition("?")[0].removeprefix(f"{API_VERSION}/")
        self._settings = settings
        self._path = path
        parameter = form.get("event_parameter") or settings.event_parameter
        event = {parameter: settings.event_code}
        # That the event code goes into the query, as in v2, is an assumption.
        place = form.get("event_in", "query")
        self._query = event if place == "query" else {}
        self.headers = JSON | (event if place == "header" else {})
        self._event = event if place == "body" else {}
        self._wrapper = form.get("wrapper")
        self._names = form.get("names", {})
        self._codes = form.get("codes", {})

    @cached_property
    def url(self) -> URL:
        """Where it goes."""
        address = Connection.from_settings(self._settings).base_url(self._path)
        return URL(address).update_query(self._query)

    def body(self, fields: Fields) -> bytes:
        """The body that carries a profile, and a line feed."""
        if self._names:
            fields = {self._names.get(name, name): value for name, value in fields.items()}
        if self._wrapper:
            fields = {self._wrapper: fields}
        return dump_json(self._event | fields)

    def meaning(self, reply: Response) -> str | None:
        """What the settings say of a reply: stored, rejected, retry or stop."""
        if not self._codes:
            return None
        given = reply.body.get("responseCode") if isinstance(reply.body, dict) else None
        for code in (str(given), f"HTTP {reply.status}"):
            if code in self._codes:
                return t.cast("str", self._codes[code])
        return None


class AttendeeStore:
    """Writes profiles into an event."""

    def __init__(self, settings: TargetSettings, traffic: Traffic) -> None:
        """Read the settings; to be made inside the loop that uses it.

        Args:
            settings: Complete and checked.
            traffic: Counts the requests.
        """
        connection = Connection.from_settings(settings)
        most = settings.concurrency
        self._transport = Transport(
            connections=most,
            timeout=settings.request_timeout,
            policy=policy(settings.max_retries, logger, traffic, tells_all=False),
            traffic=traffic,
        )
        credentials = credentials_from_settings(settings)
        self._authorization = Authorization(credentials, connection.token_url, self._transport)
        self._call = StoreCall(settings)
        rate = settings.requests_per_second
        self._limiter = AsyncLimiter(1, 1 / rate) if rate else None
        self._is_by_address = settings.identity == EMAIL
        self._may_miss = settings.mode == "update"
        self._limit = AdaptiveLimit(most, "profiles are sent", logger)
        self._turns = Turns(self._limit, self._transport.wait_for)

    async def __aenter__(self) -> t.Self:
        """Sign in, so that wrong credentials show before the first profile is sent."""
        try:
            await self._authorization.headers()
        except BaseException:
            await self._transport.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._transport.close()

    @property
    def underway(self) -> Underway:
        """What is in flight, and how long nothing more may be."""
        return Underway(self._transport.in_flight, self._limit.rest or self._transport.pause)

    def halt(self) -> None:
        """Let running requests finish and begin none."""
        self._transport.halt()

    async def sift(self, identity: str, items: list[Item]) -> list[bool]:  # noqa: ARG002
        """Which records are older than what came before: nobody knows."""
        return [False] * len(items)

    async def withdraw(self, withdrawal: Withdrawal) -> None:
        """Nothing is written down."""

    async def send(
        self,
        identity: str,  # noqa: ARG002
        fields: Fields,
        extractions: Sequence[Extraction] = (),  # noqa: ARG002
        *,
        is_probe: bool = False,
    ) -> Receipt:
        """Store one profile.

        Args:
            identity: Whose profile it is.
            fields: What is sent.
            extractions: When it was taken from its sources.
            is_probe: Whether a fault that may be this request's own is final at once.
        """
        request = _Request(self, self._call.body(fields))
        began = time.monotonic()
        outcome, reason, failure = Outcome.STORED, None, None
        try:
            await self._transport.persist(request.attempt, is_probe=is_probe)
        except RefusedError as error:
            outcome, reason = Outcome.REJECTED, Reason(str(error), error.trouble)
        except Exception as error:  # noqa: BLE001, the receipt carries it
            outcome, failure = Outcome.UNFINISHED, error
        return Receipt(
            outcome,
            reason,
            failure,
            attempts=request.attempts,
            status=request.status,
            code=request.code,
            attendee_id=request.attendee_id,
            seconds=time.monotonic() - began,
            asked_at=request.asked_at,
            failed_at=request.failed_at,
        )

    async def headers(self, refused: Headers | None = None) -> Headers:
        """The headers that say who we are, renewed where they were refused."""
        return await self._authorization.headers(refused=refused)

    async def turn(self) -> None:
        """Wait until a request may be made."""
        await self._turns.take()
        if self._limiter:
            await self._transport.wait_for(self._limiter.acquire())
            while await self._turns.rest():
                await self._transport.wait_for(self._limiter.acquire())

    async def post(self, body: bytes, headers: Headers) -> Response:
        """Make one request, and let the pace learn from how it ends."""
        began = time.monotonic()
        try:
            reply = await self._transport.post(self._call.url, body, headers | self._call.headers)
        except BaseException:
            self._limit.failed()
            raise
        else:
            if reply.status in BUSY:
                retry_after = parse_retry_after(reply.headers)
                self._limit.refused(retry_after, f"HTTP {reply.status}")
            elif reply.status < HTTPStatus.BAD_REQUEST and response_code(reply.body) in GOOD:
                self._limit.answered(time.monotonic() - began)
            else:
                self._limit.failed()
            return reply
        finally:
            self._turns.give_back()

    def judge(self, reply: Response, code: str | None) -> None:
        """Check that RainFocus took the profile: an answer without a body will do.

        Args:
            reply: What was answered.
            code: Its responseCode.

        Raises:
            RefusedError: RainFocus refused this profile; others may pass.
            RainFocusError: RainFocus did not take it for a reason that may not be in the profile.
        """
        match self._call.meaning(reply):
            case "stored":
                return
            case "rejected":
                raise refusal(self._call.name, reply.status, code)
            case "retry":
                later = "store.codes says to try again."
                raise RetriableError(
                    reply_text(self._call.name, reply.status, code, later), Trouble.BUSY
                )
            case "stop":
                stop = "store.codes says to stop."
                raise SettingsError(
                    reply_text(self._call.name, reply.status, code, stop), Trouble.REFUSED
                )
        if reply.is_empty and HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            return
        is_api = reply.is_empty or reply.body is not None
        if self._may_miss and reply.status == HTTPStatus.NOT_FOUND and is_api:
            raise refusal(self._call.name, reply.status, code)
        try:
            judge(self._call.name, reply.status, reply.body, reply.headers)
        except ParameterError as error:
            # With a hash or an id in place of the address it is that which may be missing.
            if not self._is_by_address:
                raise refusal(self._call.name, reply.status, code) from error
            raise


class _Request:
    """The request for one profile, and its repeats."""

    def __init__(self, store: AttendeeStore, body: bytes) -> None:
        self._store = store
        self._body = body
        self.attempts = 0
        self.status: int | None = None
        self.code: str | None = None
        self.attendee_id: str | None = None
        self.asked_at = 0.0
        self.failed_at: float | None = None

    async def attempt(self) -> None:
        try:
            await self._ask_signed_in()
        except RainFocusError:
            self.failed_at = self.failed_at or time.monotonic()
            raise

    async def _ask_signed_in(self) -> None:
        headers = await self._store.headers()
        try:
            await self._ask(headers)
        except TokenRefusedError:
            headers = await self._store.headers(refused=headers)
            try:
                await self._ask(headers)
            except TokenRefusedError as error:
                raise AuthenticationError(str(error), error.trouble) from error

    async def _ask(self, headers: Headers) -> None:
        await self._store.turn()
        self.attempts += 1
        self.status = self.code = None
        self.asked_at = time.monotonic()
        reply = await self._store.post(self._body, headers)
        self.status, self.code = reply.status, response_code(reply.body)
        self.attendee_id = attendee_id(reply.body)
        self._store.judge(reply, self.code)
