"""One person, and whether a value of any kind holds something of them."""

from __future__ import annotations

import math
import re
import typing as t
import unicodedata
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from urllib.parse import unquote

from rainfocus_client.lenient_json import parse_json
from rainfocus_client.persons.identities import (
    LONGEST_ADDRESS,
    LONGEST_LOCAL_PART,
    hash_email,
    hash_identity,
    is_hash,
    mailbox,
)
from rainfocus_client.persons.texts import visible

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

AT = "@"
AT_IN_URL = "%40"
HASH_LENGTH = 64

SHORTEST_ID = 4
"""Characters of an id that is looked for in a text: shorter ones are in many."""

_OF_IDS = re.compile(r"(?:(?:^|[^A-Za-z])id|I[dD]|ID|(?:attendee|external|client|user|person)id)$")
"""Names of ids: `id`, `attendeeId`, `attendee_id`, `attendeeid`, and not `paid`."""

_RUN = re.compile(r"[\w.!#$%&'*+/=?^`{|}~@-]+")
"""Characters that an address may be made of (RFC 5322, RFC 6531)."""

_PUNCTUATION = re.compile(r"[!#$%&*/=?^`{|}~]")
"""Those that more likely stand before an address than in it, as in `to=user@company.com`."""

_DOMAIN = re.compile(r"[^\W_](?:[\w-]*[^\W_])?(?:\.[^\W_](?:[\w-]*[^\W_])?)*")
_HASH = re.compile(r"(?<!\w)[0-9A-Fa-f]{64}(?!\w)")


class Person:
    """Somebody known by an e-mail address, or its hash, or an id, or by address and id.

    Attributes:
        hashes: The SHA-256 of whatever they may be known by, in hexadecimal digits.
    """

    def __init__(
        self,
        email: str | None,
        entity: str | None,
        id_columns: Iterable[str] = (),
        mend_id: Callable[[str], str | None] = str,
    ) -> None:
        """Take note of who it is.

        Args:
            email: Address, or its SHA-256 in hexadecimal digits.
            entity: RainFocus' id for the person.
            id_columns: Names of columns that hold such ids, beside those that end in `id`.
            mend_id: Makes an id what it was before a spreadsheet read it, where that is known.
        """
        self._mend_id = mend_id
        self._emails = frozenset(_hashes(_plain(email))) if email else frozenset()
        self._id = self._mended(_plain(entity)) if entity else None
        self.hashes = self._emails | ({hash_identity(self._id)} if self._id else set())
        self._id_columns = set(map(_folded, id_columns))
        is_long = self._id and len(self._id) >= SHORTEST_ID
        self._id_in_text = (
            re.compile(rf"(?<!\w){re.escape(self._id)}(?!\w)") if self._id and is_long else None
        )

    def is_in(self, value: object) -> bool:
        """Whether a JSON value holds address, hash or id: in a column of any name, at any depth.

        The address may stand in a longer text. The id has to be the whole value of a column of
        ids, since another number may be the same.
        """
        todo = [("", value)]
        while todo:
            name, value = todo.pop()
            if isinstance(value, dict):
                todo += [("", key) for key in value]
                todo += value.items()
            elif isinstance(value, list):
                todo += [(name, inner) for inner in value]
            elif self._is_id(name, value):
                return True
            elif isinstance(value, str):
                if self._is_told_in(value):
                    return True
                if value.lstrip()[:1] in {"{", "["}:
                    with suppress(ValueError):
                        todo.append((name, parse_json(value)))
        return False

    def has_address(self, text: str) -> bool:
        """Whether a text is the address, and nothing else."""
        return not self._emails.isdisjoint(_hashes(_plain(text)))

    def is_in_text(self, text: str) -> bool:
        """Whether a text holds address, hash or id as a word."""
        return self._is_told_in(text) or bool(self._id_in_text and self._id_in_text.search(text))

    def _is_id(self, name: str, value: object) -> bool:
        if not self._id or not isinstance(value, str | int | float | Decimal):
            return False
        if isinstance(value, str) and self._id not in value:
            return False
        column = _folded(name)
        is_of_ids = _OF_IDS.search(name) or column in self._id_columns
        return bool(is_of_ids) and self._mended(_text(value)) == self._id

    def _mended(self, text: str) -> str:
        return self._mend_id(text) or text

    def _is_told_in(self, text: str) -> bool:
        if len(text) >= HASH_LENGTH and any(
            digest.lower() in self.hashes for digest in _HASH.findall(text)
        ):
            return True
        if AT not in text and AT_IN_URL not in text:
            return False
        words = set(_addresses(_plain(text)))
        return any(not self._emails.isdisjoint(_hashes(word)) for word in words)


def _folded(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _text(value: str | float | Decimal) -> str:
    if isinstance(value, str):
        return visible(value)
    return str(int(value) if math.isfinite(value) and value == int(value) else value)


def _hashes(email: str) -> set[str]:
    """The hashes of an address: as it is written in lower case, and of its mailbox."""
    if is_hash(email):
        return {email.lower()}
    return {hash_email(email), hash_identity(mailbox(email))}


def _plain(text: str) -> str:
    """A text that can be looked through: composed, in UTF-8, without what nobody sees."""
    if "%" in text:
        text = unquote(text, errors="replace")
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.encode(errors="replace").decode())
    return visible(text)


def _addresses(text: str) -> Iterator[str]:
    """Whatever in a text may be an address, first of all the text itself."""
    if len(text) <= LONGEST_ADDRESS:
        yield text
    for run in _RUN.findall(text):
        parts = run.split(AT)
        for before, after in pairwise(parts):
            found = _DOMAIN.match(after)
            if found and len(found[0]) <= LONGEST_ADDRESS:
                for local in _local_parts(before[-LONGEST_LOCAL_PART - 1 :]):
                    yield f"{local}{AT}{found[0]}"


def _local_parts(text: str) -> Iterator[str]:
    """What may be meant by the characters before the `@`: all of them, or the last word."""
    yield text
    for begin in (0, *(mark.end() for mark in _PUNCTUATION.finditer(text))):
        yield text[begin:].lstrip("'.-")
