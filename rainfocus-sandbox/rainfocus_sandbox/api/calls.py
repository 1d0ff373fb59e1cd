"""The v3 calls that the sandbox answers (docs/rainfocus-api.md §4, §5, §7)."""

from __future__ import annotations

import base64
import re
import typing as t
from dataclasses import dataclass
from functools import partial

from rainfocus_sandbox.api.envelopes import (
    Envelope,
    bad_email,
    email_taken,
    malformed,
    missing,
    success,
    unknown_attendee,
)
from rainfocus_sandbox.data.clock import now_ms

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rainfocus_sandbox.data.store import Entity, Store

_DEFAULT_PAGE_SIZE = 1000
_MAX_PAGE_SIZE = 10_000
_HASH = "email_lc_sha256"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NATURAL = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a call is given: the event, the query of a GET, the body of a POST."""

    event: str
    query: Mapping[str, str]
    body: Mapping[str, t.Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A call: its method, its name in a refusal, and the function that answers it."""

    method: str
    endpoint: str
    answer: Callable[[Store, Arguments], Envelope]


def _search(entity: Entity, store: Store, arguments: Arguments) -> Envelope:
    """Answer a search page by page.

    Assumptions: the largest page is 10,000 records and larger sizes mean that; `since` compares
    the time of the last change and includes it, so a change in the very millisecond of a
    `timestamp` is not lost; of the filters by field name only `email` and `attendeeId` work,
    without wildcards.
    """
    query = arguments.query
    limit = min(_whole(query, "pageSize", _DEFAULT_PAGE_SIZE, least=1), _MAX_PAGE_SIZE)
    since = _whole(query, "since", 0)
    cursor = query.get("cursor")
    now = now_ms()
    page = store.page(
        arguments.event,
        entity,
        limit=limit + 1,
        after=_position(cursor, arguments.event, entity) if cursor is not None else 0,
        since=since,
        email=query["email"].strip().lower() if "email" in query else None,
        attendee_id=query.get("attendeeId"),
    )
    members = [] if cursor is not None else [b'"timestamp":"%d"' % now]
    if len(page) > limit:
        page.pop()
        members.append(b'"cursor":"%s"' % _cursor(arguments.event, entity, page[-1][0]))
    members.append(b'"results":[%s]' % b",".join(body for _, body in page))
    return success(*members, records=len(page))


def _dump(entity: Entity, store: Store, arguments: Arguments) -> Envelope:
    """Answer a dump.

    Assumption: without `pageSize` it ends after 1000 records (inferred, docs/rainfocus-api.md §5).
    There is no cursor, so what is cut off is lost silently.
    """
    limit = _whole(arguments.query, "pageSize", _DEFAULT_PAGE_SIZE, least=1)
    bodies = [body for _, body in store.page(arguments.event, entity, limit=limit)]
    return success(b'"data":[%s]' % b",".join(bodies), records=len(bodies))


def _load(store: Store, arguments: Arguments) -> Envelope:
    attendee_id = arguments.query.get("attendeeId")
    if not attendee_id:
        raise missing(parameter="attendeeId")
    body = store.attendee(arguments.event, attendee_id)
    if body is None:
        raise unknown_attendee()
    return success(b'"data":%s' % body, records=1)


def _store(store: Store, arguments: Arguments) -> Envelope:
    """Create or update the attendee with that e-mail address.

    Assumption: e-mail is the only match key, within the event, lower case and trimmed. Assumption:
    its hash may stand for it, but cannot make an attendee; a store that would have to is one
    without an e-mail address.
    """
    event, fields = arguments.event, dict(arguments.body)
    attendee_id = _owner(store, event, fields)
    if attendee_id is not None:
        store.update_attendee(event, attendee_id, fields)
    elif "email" in fields:
        attendee_id = store.add_attendee(event, fields["email"], fields)
    else:
        raise missing(parameter="email")
    return _stored(attendee_id)


def _update(store: Store, arguments: Arguments) -> Envelope:
    """Update an attendee who exists.

    Assumption: `attendeeId` is the key when it is sent, and an e-mail address beside it is the
    attendee's new one, unless another attendee has it. Assumption: the hash of the e-mail address
    is a key as well.
    """
    event, fields = arguments.event, dict(arguments.body)
    attendee_id = fields.get("attendeeId")
    has_email = "email" in fields or _HASH in fields
    if not attendee_id and not has_email:
        raise missing(parameter="attendeeId")
    owner = _owner(store, event, fields) if has_email else None
    attendee_id = str(attendee_id) if attendee_id else owner
    if attendee_id is None or store.attendee(event, attendee_id) is None:
        raise unknown_attendee()
    if owner not in {None, attendee_id}:
        raise email_taken()
    store.update_attendee(event, attendee_id, fields)
    return _stored(attendee_id)


def _stored(attendee_id: str) -> Envelope:
    """Tell the id.

    Assumption: the reply of a store is not public; v2 `attendee/update` gives `attendeeId`.
    """
    return success(b'"attendeeId":"%s"' % attendee_id.encode(), records=1)


def _owner(store: Store, event: str, fields: dict[str, t.Any]) -> str | None:
    """Return the id of the attendee with the e-mail address in `fields`, which is made regular.

    Assumption: where there is only its hash, that is the SHA-256 of the trimmed, lower-cased
    address in 64 lower-case hex digits, and anything else is malformed.
    """
    if "email" in fields or _HASH not in fields:
        fields["email"] = _email(fields)
        return store.attendee_id(event, fields["email"])
    email_lc_sha256 = fields[_HASH]
    if not isinstance(email_lc_sha256, str) or not _SHA256.fullmatch(email_lc_sha256):
        raise malformed(parameter=_HASH)
    return store.attendee_id_of_hash(event, email_lc_sha256)


def _email(body: Mapping[str, t.Any]) -> str:
    email = body.get("email")
    if email is None or not str(email).strip():
        raise missing(parameter="email")
    email = str(email).strip().lower()
    name, _, domain = email.partition("@")
    if not (name and domain) or "@" in domain or " " in email:
        raise bad_email()
    return email


def _whole(query: Mapping[str, str], name: str, default: int, *, least: int = 0) -> int:
    if name not in query:
        return default
    number = _natural(query[name])
    if number is None or number < least:
        raise malformed(parameter=name)
    return number


def _natural(text: str) -> int | None:
    return int(text) if _NATURAL.fullmatch(text) else None


def first_cursor(event: str, search: str) -> str:
    """Return the cursor that the first page of `search` would have, if pages were asked by one."""
    return _cursor(event, search.removesuffix("/search"), 0).decode()


def _cursor(event: str, entity: str, position: int) -> bytes:
    return base64.urlsafe_b64encode(f"{event}/{entity}/{position}".encode())


def _position(cursor: str, event: str, entity: Entity) -> int:
    try:
        found = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise malformed(parameter="cursor") from error
    start, _, number = found.rpartition("/")
    position = _natural(number)
    if start != f"{event}/{entity}" or position is None:
        raise malformed(parameter="cursor")
    return position


CALLS: Mapping[str, Call] = {
    "attendee/search": Call("GET", "attendee", partial(_search, "attendee")),
    "attendee/load": Call("GET", "attendee", _load),
    "attendee/store": Call("POST", "attendeeStore", _store),
    "attendee/update": Call("POST", "attendeeUpdate", _update),
    "lead/search": Call("GET", "lead", partial(_search, "lead")),
    # Assumption: the three below answer as `attendee/search` does (`session/search` is in client
    # code, the other two are inferred from their names; docs/rainfocus-api.md §4.3, §4.5).
    "session/search": Call("GET", "session", partial(_search, "session")),
    "exhibitor/search": Call("GET", "exhibitor", partial(_search, "exhibitor")),
    "speaker/search": Call("GET", "speaker", partial(_search, "speaker")),
    "entityDataDump/session": Call("GET", "session", partial(_dump, "session")),
    "entityDataDump/exhibitor": Call("GET", "exhibitor", partial(_dump, "exhibitor")),
    "entityDataDump/speaker": Call("GET", "speaker", partial(_dump, "speaker")),
}
