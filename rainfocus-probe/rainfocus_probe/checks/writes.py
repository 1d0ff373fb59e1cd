"""How a profile is written: the form, the names, what an update leaves alone."""

from __future__ import annotations

import secrets
import typing as t
from collections import Counter

from rainfocus_client.responses import attendee_id, endpoint_name

from rainfocus_probe.checks.events import parameters
from rainfocus_probe.checks.forms import Form, forms, store_call
from rainfocus_probe.checks.readback import LOOKS, ReadBack, has, values
from rainfocus_probe.checks.refusals import codes_for
from rainfocus_probe.findings import Finding, Verdict, decided
from rainfocus_probe.shapes import listed, shape

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rainfocus_probe.asking import Reply
    from rainfocus_probe.context import Context
    from rainfocus_probe.findings import Settings
    from rainfocus_probe.records import Record

MOST_TRIES = 60
"""Forms that are tried."""

MOST_UNSEEN = 6
"""Forms that are taken without a profile to be seen, after which no other is tried."""

MARK = "RainFocusProbe"
"""The last name of the profile, by which a later probe knows it as one of a probe."""

UNKNOWN_FIELD = "rainfocusProbeField"

OTHER_NAMES = {
    "firstname": ("firstName", "first_name"),
    "lastname": ("lastName", "last_name"),
    "companyname": ("companyName", "company"),
    "jobtitle": ("jobTitle", "title"),
    "city": ("City", "addressCity"),
    "countryid": ("countryId", "country"),
}
"""Field of the Attendee Store → what it may be called as well."""

COUNTRY = "US"

_FORM = "a profile is written by POST v3/attendee/store, with the event in the query"
_NAMES = "fields are called as Adobe's destination calls them"
_UPDATE = "what an update does not send stays as it was"


def check_writes(context: Context) -> Iterator[Finding]:
    """Write one profile, read it back, update it, read it back; only if that was asked for."""
    if not context.write_to:
        yield Finding("store", _FORM, Verdict.OPEN, "nothing is written without --write-to")
        return
    writer = _Writer(context, context.write_to)
    there = writer.back.find()
    if there is not None and not has(there, MARK):
        seen = "[email] is somebody in this event already: give --write-to an address that is not"
        yield Finding("store", _FORM, Verdict.OPEN, seen)
        return
    yield from writer.run()


class _Writer:
    """Writes the one profile, again and again."""

    def __init__(self, context: Context, address: str) -> None:
        """Prepare; nothing is sent yet."""
        self._context = context
        self.back = ReadBack(context, address)
        nonce = secrets.token_hex(4)
        self._fields = {
            "email": address,
            "firstname": f"Probe {nonce}a",
            "lastname": MARK,
            "companyname": f"Probe {nonce}b",
            "jobtitle": f"Probe {nonce}c",
            "city": f"Probe {nonce}d",
            "countryid": COUNTRY,
        }
        self._changed = f"Probe {nonce}e"
        self._event_parameter = context.known.event_parameter or parameters(context)[0]
        self._store: dict[str, t.Any] = {}

    def run(self) -> Iterator[Finding]:
        """Find the form, then the names, then what an update does."""
        refused: Counter[str] = Counter()
        form, reply, record = self._find_form(refused)
        if form is None or reply is None:
            answers = ", ".join(f"{count} x {told}" for told, count in refused.most_common())
            yield Finding(
                "store", _FORM, Verdict.OPEN, f"no form was taken: {answers}", facts=dict(refused)
            )
            return
        yield self._told(form, reply, refused, record)
        yield _reply_told(reply)
        if record is None:
            return
        yield self._find_names(record)
        yield self._update()
        yield self._unknown_field()

    def _find_form(self, refused: Counter[str]) -> tuple[Form | None, Reply | None, Record | None]:
        """The first form after which the profile is there; the reply, and the profile."""
        names = list(dict.fromkeys([self._event_parameter, *parameters(self._context)]))
        is_bound = self._context.known.event_parameter is None
        absent: set[str] = set()
        tries = unseen = 0
        for form in forms(names, is_bound=is_bound):
            if form.path in absent:
                continue
            if tries == MOST_TRIES or unseen == MOST_UNSEEN:
                break
            tries += 1
            self._store = form.setting(self._event_parameter)
            reply = self._write(self._fields)
            if reply.is_absent or reply.is_denied:
                absent.add(form.path)
            if reply.is_denied:
                refused[f"{reply.told}: enable endpoint {endpoint_name('attendeeStore')}"] += 1
                continue
            if not reply.was_accepted:
                refused[reply.told] += 1
                continue
            self.back.attendee_id = attendee_id(reply.body)
            record = self.back.await_value(self._fields["firstname"], 1 if unseen else LOOKS)
            if not self.back.can_read:
                return form, reply, None
            if record is not None and self._is_written(record):
                if reply.code not in {None, "0"}:
                    self._store["codes"] = {reply.code: "stored"}
                return form, reply, record
            unseen += 1
            refused[f"{reply.told}, and no profile to be seen"] += 1
        return None, None, None

    def _is_written(self, record: Record) -> bool:
        """Whether any value of this probe is there."""
        mine = {value for value in self._fields.values() if value.startswith("Probe ")}
        return any(str(value) in mine for value in values(record))

    def _told(
        self, form: Form, reply: Reply, refused: Counter[str], record: Record | None
    ) -> Finding:
        way = "in no place" if form.place == "none" else f"in the {form.place}"
        named = f" as {form.parameter}" if form.parameter else ""
        around = f", wrapped in {form.wrapper}" if form.wrapper else ""
        written = f"{form.path}, the event {way}{named}{around}"
        facts = {"form": form._asdict(), "refused": dict(refused), **reply.facts}
        if record is None:
            seen = f"{written}: taken ({reply.told}), and cannot be read back"
            return Finding("store", _FORM, Verdict.OPEN, seen, facts=facts)
        return Finding(
            "store",
            _FORM,
            decided(holds=not self._store),
            written if reply.code in {None, "0"} else f"{written}; {reply.told} means stored",
            target={"store": dict(self._store)} if self._store else {},
            facts=facts | {"read_back": self.back.way},
        )

    def _find_names(self, record: Record) -> Finding:
        """Try the other names of fields that were not stored."""
        lacking = self._lacking(record)
        first = list(lacking)
        names: dict[str, str] = {}
        for turn in range(max(map(len, OTHER_NAMES.values()))):
            if not lacking:
                break
            tried = {name: OTHER_NAMES[name][turn] for name in lacking}
            self._store["names"] = names | tried
            self._write(self._fields)
            wanted = self._fields[lacking[0]]
            again = self.back.await_value(wanted) or {}
            lacking = self._lacking(again)
            names |= {name: other for name, other in tried.items() if name not in lacking}
        self._store.pop("names", None)
        if names:
            self._store["names"] = names
        missing = f"; not found again: {listed(lacking)}" if lacking else ""
        if not first:
            seen = f"all {len(OTHER_NAMES)} that were sent are read back"
        elif names:
            seen = f"{listed(f'{name} is {other}' for name, other in names.items())}{missing}"
        else:
            seen = missing.removeprefix("; ")
        verdict = Verdict.DIFFERS if names else Verdict.OPEN if lacking else Verdict.VERIFIED
        return Finding(
            "store_names",
            _NAMES,
            verdict,
            seen,
            target={"store": {"names": names}} if names else {},
            facts={"names": names, "not_found": lacking},
        )

    def _lacking(self, record: Record) -> list[str]:
        """The fields whose values are not in the profile."""
        return [name for name in OTHER_NAMES if not _is_there(record, name, self._fields[name])]

    def _update(self) -> Finding:
        """Send the first name alone, and look whether the others are still there."""
        sent = {"email": self._fields["email"], "firstname": self._changed}
        reply = self._write(sent)
        record = self.back.await_value(self._changed)
        if record is None or not has(record, self._changed):
            seen = f"the update is not seen ({reply.told})"
            return Finding("partial_update", _UPDATE, Verdict.OPEN, seen, facts=reply.facts)
        self._fields["firstname"] = self._changed
        lost = self._lacking(record)
        return Finding(
            "partial_update",
            _UPDATE,
            decided(holds=not lost),
            f"gone: {listed(lost)}: send all fields of a person in each record"
            if lost
            else "all is still there",
            facts={"lost": lost},
        )

    def _unknown_field(self) -> Finding:
        """Send a field that there is not, with all others; then all others, if that is refused."""
        reply = self._write(self._fields | {UNKNOWN_FIELD: "Probe"})
        if not reply.was_accepted or not reply.is_good:
            self._write(self._fields)
        codes = {} if self._means_stored(reply) else codes_for(reply)
        return Finding(
            "unknown_field",
            "a field that is not known is ignored, or refused with its profile",
            decided(holds=not codes),
            f"a made-up field gets {reply.told}",
            target={"store": {"codes": codes}} if codes else {},
            facts=reply.facts,
        )

    def _means_stored(self, reply: Reply) -> bool:
        codes: Settings = self._store.get("codes", {})
        return reply.code is not None and reply.code in codes

    def _write(self, fields: dict[str, str]) -> Reply:
        call = store_call(self._context, self._event_parameter, self._store)
        return self._context.asker.ask(
            "POST", str(call.url), call.name, data=call.body(fields), headers=call.headers
        )


def _is_there(record: Record, name: str, value: str) -> bool:
    if name != "countryid":
        return has(record, value)
    # It may be read as a name or in three letters.
    return any(key.lower().startswith("country") and record[key] for key in record) or has(
        record, value
    )


def _reply_told(reply: Reply) -> Finding:
    named = attendee_id(reply.body) is not None
    return Finding(
        "store_reply",
        "the reply to a write names the attendee",
        decided(holds=named),
        f"it does ({reply.told})" if named else f"it does not ({reply.told})",
        facts={"reply": shape(reply.body), "attendee_id": named},
    )
