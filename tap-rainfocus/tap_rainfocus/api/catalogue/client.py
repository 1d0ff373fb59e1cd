"""Asks a public catalogue, as its web page does."""

from __future__ import annotations

import typing as t

from rainfocus_client.errors import (
    AuthenticationError,
    EndpointDeniedError,
    ForbiddenError,
    ParameterError,
    RefusedError,
    SettingsError,
    TokenRefusedError,
)
from rainfocus_client.troubles import Trouble

from tap_rainfocus.api.catalogue.pages import CataloguePage

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_rainfocus.api.sender import Sender

    Form: t.TypeAlias = Mapping[str, str | float | Sequence[str]]

_REFUSALS = (AuthenticationError, ForbiddenError, ParameterError, RefusedError, TokenRefusedError)


class CatalogueClient:
    """Posts forms with the two headers that name a catalogue; they are public."""

    def __init__(
        self, api_url: str, profile_id: str, widget_id: str | None, sender: Sender
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._api_url = api_url
        # Captured: the profile always, the widget by some sites (docs/rainfocus-api.md §3.3).
        self._identity = {"rfApiProfileId": profile_id} | (
            {"rfWidgetId": widget_id} if widget_id else {}
        )
        self._sender = sender

    def ask(self, path: str, form: Form, rest: Callable[[], bool]) -> CataloguePage:
        """Ask for a page once.

        Args:
            path: Such as `search`.
            form: The form's fields.
            rest: Waits for the end of a pause and says whether there was one.

        Raises:
            EndpointDeniedError: The profile may not use the call.
            SettingsError: The catalogue is refused.
            RainFocusError: See `rainfocus_client.responses.judge`.
        """
        self._sender.keep_pace(rest)
        answer = self._sender.send("POST", f"{self._api_url}/{path}", self._identity, data=form)
        try:
            body = answer.body(path)
        except EndpointDeniedError as denial:
            msg = f"{_said(denial)}: the catalogue does not give this to the public."
            raise EndpointDeniedError(msg, denial.trouble) from None
        except _REFUSALS as refusal:
            msg = (
                f"{_said(refusal)}: the catalogue is refused. Check catalogue_profile_id, "
                "catalogue_widget_id, catalogue_search and api_url."
            )
            raise SettingsError(msg, Trouble.CATALOGUE) from None
        return CataloguePage.from_reply(path, body, answer.headers)


def _said(error: Exception) -> str:
    """What was answered, without the advice: that is for other credentials."""
    return str(error).split(": ", maxsplit=1)[0]
