"""What the network between us and RainFocus asks of requests, and says through it."""

from __future__ import annotations

import re
import typing as t

import requests
import urllib3
from rainfocus_client.errors import UnreachableError
from rainfocus_client.network.certificates import tls_context, tls_failure
from rainfocus_client.troubles import Trouble
from requests.adapters import HTTPAdapter
from typing_extensions import override

if t.TYPE_CHECKING:
    import ssl

    from rainfocus_client.errors import RainFocusError
    from rainfocus_client.network.proxies import Proxy

_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")
"""As http.client says it, in a plain OSError."""


def http_session(*urls: str, connections: int) -> requests.Session:
    """A session that heeds no variable of the environment but through `rainfocus_client.network`.

    Args:
        urls: What it will ask.
        connections: How many are kept open.

    Raises:
        SettingsError: A variable names certificates that cannot be read.
    """
    made = requests.Session()
    made.trust_env = False
    if any(url.startswith("https:") for url in urls):
        made.mount("https://", _Adapter(tls_context(), connections))
    made.mount("http://", HTTPAdapter(pool_maxsize=connections))
    return made


def failure(host: str, proxy: Proxy | None, error: Exception, timeout: float) -> RainFocusError:
    """What is to be told of a request that got no answer.

    Args:
        host: Whom it was to.
        proxy: What it went through.
        error: That of requests, or of urllib3 while the answer was read.
        timeout: Seconds that an answer may take.
    """
    if told := tls_failure(host, error):
        return told
    if proxy and isinstance(error, requests.exceptions.ProxyError | requests.ConnectTimeout):
        refused = _TUNNEL_REFUSED.search(str(error))
        return proxy.refusal(host, int(refused[1])) if refused else proxy.failure()
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return UnreachableError(
            f"{host} did not answer within {timeout:g} s: check request_timeout.", Trouble.TIMEOUT
        )
    return UnreachableError(
        f"The connection to {host} could not be made, or broke: "
        "check api_url, environment and the network.",
        Trouble.UNREACHABLE,
    )


class _Adapter(HTTPAdapter):
    """Verifies servers with a context of ours; requests' own would trust its bundle as well."""

    def __init__(self, context: ssl.SSLContext, connections: int) -> None:
        self._context = context
        super().__init__(pool_maxsize=connections)

    @override
    def init_poolmanager(self, *arguments: t.Any, **others: t.Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._context, **others)

    @override
    def proxy_manager_for(self, proxy: str, **others: t.Any) -> t.Any:
        contexts = {"ssl_context": self._context, "proxy_ssl_context": self._context}
        return super().proxy_manager_for(proxy, **contexts, **others)

    @override
    def cert_verify(self, conn: t.Any, url: str, verify: t.Any, cert: t.Any) -> None:
        """Load nothing: the context has it all."""
