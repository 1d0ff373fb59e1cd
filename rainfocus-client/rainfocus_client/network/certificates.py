"""Whom to trust with TLS: the certificates that the environment names, else the system's."""

from __future__ import annotations

import os
import ssl
import typing as t
from pathlib import Path

import truststore

from rainfocus_client.errors import NotConnectedError, RainFocusError, SettingsError
from rainfocus_client.troubles import Trouble

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables of requests and curl, for a file or a folder; the first that is set counts alone."""

FILE, FOLDERS = "SSL_CERT_FILE", "SSL_CERT_DIR"
"""Variables of OpenSSL, which count where no bundle is named, and count together."""

HUNG_UP = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


class _Named(t.NamedTuple):
    """Certificates, and the variables that name them."""

    variables: str
    file: str | None = None
    folders: str | None = None


def tls_context() -> ssl.SSLContext:
    """What verifies the servers that are spoken to.

    Raises:
        SettingsError: A variable names certificates that cannot be read.
    """
    named = _named()
    if named is None:
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    folders = named.folders.split(os.pathsep) if named.folders else []
    try:
        if folders and not any(Path(folder).is_dir() for folder in folders):
            raise FileNotFoundError
        return ssl.create_default_context(cafile=named.file, capath=named.folders)
    except OSError as error:
        msg = f"The CA certificates cannot be read: check {named.variables}."
        raise SettingsError(msg, Trouble.CA_CERTIFICATES) from error


def tls_failure(host: str, error: BaseException) -> RainFocusError | None:
    """What is to be told of a connection that failed over TLS; None if it failed otherwise.

    Args:
        host: Whom it was to.
        error: That of the HTTP library, which stands for others.
    """
    cause = _cause(error)
    if cause is None:
        return None
    if isinstance(cause, HUNG_UP):
        return NotConnectedError(
            f"{host} hung up while TLS was agreed on: check api_url.", Trouble.TLS
        )
    if isinstance(cause, ssl.SSLCertVerificationError):
        named = _named()
        where = f"are not in what {named.variables} names" if named else "are not the system's"
        return SettingsError(
            f"TLS certificate verification failed at {host} ({cause.verify_message}): check "
            f"api_url, and whether the CA certificates of your network {where}."
            + ("" if named else f" {FILE} can name a file of them."),
            Trouble.CERTIFICATE,
        )
    reason = f" ({cause.reason})" if cause.reason else ""
    return SettingsError(f"No TLS with {host}{reason}: check api_url and token_url.", Trouble.TLS)


def _cause(error: BaseException) -> ssl.SSLError | None:
    """The deepest TLS error: those of aiohttp are TLS errors, too, and say less."""
    found = None
    link: BaseException | None = error
    while link is not None:
        found = link if isinstance(link, ssl.SSLError) else found
        link = link.__context__ or link.__cause__
    return found


def _named() -> _Named | None:
    for variable in BUNDLES:
        if path := os.environ.get(variable):
            is_folder = Path(path).is_dir()
            return _Named(variable, folders=path) if is_folder else _Named(variable, file=path)
    variables = [variable for variable in (FILE, FOLDERS) if os.environ.get(variable)]
    if not variables:
        return None
    values = os.environ.get(FILE) or None, os.environ.get(FOLDERS) or None
    return _Named(" and ".join(variables), *values)
