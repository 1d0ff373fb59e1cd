"""The proxy on the way to a host, as the environment names it for requests and curl."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from rainfocus_client.errors import NotConnectedError, SettingsError
from rainfocus_client.troubles import Trouble

if t.TYPE_CHECKING:
    from rainfocus_client.errors import RainFocusError


DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        url: Its address, with user name and password if it wants them.
        source: The variable that names it.
    """

    url: str = field(repr=False)
    source: str

    def refusal(self, host: str, status: int) -> RainFocusError:
        """What is to be told of a proxy that did not connect us to a host."""
        answered = f"The proxy that {self.source} names answered with HTTP {status}"
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return SettingsError(
                f"{answered}: give it user name and password, as http://user:password@host:port.",
                Trouble.PROXY_CREDENTIALS,
            )
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return SettingsError(
                f"{answered}: have {host} allowed, or name it in NO_PROXY.", Trouble.PROXY_FORBIDS
            )
        return NotConnectedError(
            f"{answered} when it should connect to {host}.", Trouble.PROXY_UNREACHABLE
        )

    def failure(self) -> RainFocusError:
        """What is to be told of a proxy that cannot be reached."""
        return NotConnectedError(
            f"The proxy that {self.source} names cannot be reached: check it, and NO_PROXY.",
            Trouble.PROXY_UNREACHABLE,
        )


def find_proxy(url: str) -> Proxy | None:
    """The proxy for an address: of HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, unless of NO_PROXY.

    Raises:
        SettingsError: It is no HTTP proxy.
    """
    target = urlsplit(url)
    scheme = target.scheme
    # With its port, which NO_PROXY may name though the address does not.
    host = f"[{target.hostname}]" if ":" in (target.hostname or "") else target.hostname
    whole = f"{scheme}://{host}:{target.port or DEFAULT_PORTS[scheme]}"
    address = select_proxy(whole, get_environ_proxies(whole))
    if not address:
        return None
    names = [name for key in (scheme, "all") for name in (f"{key}_proxy", f"{key}_proxy".upper())]
    source = next((name for name in names if os.environ.get(name)), "the system")
    try:
        proxy = address if "://" in address else f"http://{address}"
        parts = urlsplit(proxy)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        msg = f"{source} names no HTTP proxy: give it as http://host:port."
        raise SettingsError(msg, Trouble.PROXY)
    return Proxy(proxy, source)
