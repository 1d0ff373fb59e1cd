"""Whether texts are e-mail addresses."""

from __future__ import annotations

import re
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email
from rainfocus_client.persons.identities import LONGEST_ADDRESS, LONGEST_LOCAL_PART

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@([A-Za-z0-9.-]+)")


def is_email(text: str) -> bool:
    """Whether a text is an e-mail address by its form; no name server is asked."""
    plain = _PLAIN.fullmatch(text)
    if plain and len(plain[1]) <= LONGEST_LOCAL_PART and len(text) <= LONGEST_ADDRESS:
        return _is_domain(plain[2])
    return _validates(text)


@lru_cache(maxsize=65536)
def _is_domain(domain: str) -> bool:
    return _validates(f"a@{domain}")


def _validates(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True
