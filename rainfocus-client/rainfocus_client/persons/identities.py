"""What tells people apart: e-mail addresses however they are spelled, and hashes."""

from __future__ import annotations

import hashlib
import re
import unicodedata

import idna

LONGEST_LOCAL_PART = 64
LONGEST_ADDRESS = 254
"""Both from RFC 5321 §4.5.3.1."""

_HASH = re.compile(r"[0-9A-Fa-f]{64}")


def mailbox(text: str) -> str:
    """What is the same for every spelling of one mailbox: for comparing, never for sending.

    Case does not count, nor how accents are composed, nor whether the domain is written in
    Unicode or in punycode (UTS 46).
    """
    if text.isascii() and "xn--" not in text:
        return text.lower()
    local, _, domain = text.rpartition("@")
    try:
        domain = idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        domain = unicodedata.normalize("NFKC", domain)
    return unicodedata.normalize("NFC", f"{local}@{domain}".lower())


def is_hash(text: str) -> bool:
    """Whether a text is a SHA-256 in hexadecimal digits."""
    return _HASH.fullmatch(text) is not None


def hash_email(email: str) -> str:
    """The lower-case hexadecimal SHA-256 of a trimmed, lower-cased address (Email_LC_SHA256).

    `user@company.com` gives `549c55aa…`; what already is such a hash is not hashed again.
    """
    return hash_identity(email.strip().lower())


def hash_identity(identity: str) -> str:
    """The SHA-256 of what somebody is known by, in hexadecimal digits; a hash stays as it is."""
    return identity if is_hash(identity) else hashlib.sha256(identity.encode()).hexdigest()
