"""Whose bookmark it is: of which org and host, of which inbox; and states that cannot be."""

from __future__ import annotations

import shutil
import sqlite3
import typing as t
from contextlib import closing
from pathlib import Path

import pytest
from tap_rainfocus.inbox.keeping import KeptInbox

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Postgres

    Json = dict[str, t.Any]
    Run = t.Any
    TapRunner = Callable[..., Run]
    ServerMaker = Callable[..., t.Any]
    InboxFiller = Callable[..., None]

OLD = "2020-01-01T00:00:00.000Z"
NEW = "2023-04-01T00:39:17.133Z"
EVENTS = "experience_events"


def state_of(*partitions: Json) -> Json:
    return {"bookmarks": {"attendees": {"partitions": list(partitions)}}}


def mark(event: str = "e1", value: str = OLD, **more: str) -> Json:
    key = {"replication_key": "timestamp", "replication_key_value": value}
    return {"context": {"event": event}} | key | more


@pytest.fixture
def asked(scripted: ServerMaker) -> t.Any:
    reply = {"timestamp": "1680309557133", "results": [{"attendeeId": "1"}]}
    return scripted(lambda _: (200, {}, reply))


def since(server: t.Any) -> list[str | None]:
    return [one.query.get("since") for one in server.asked if "search" in one.path]


class TestSource:
    """A bookmark is of one org on one host."""

    def test_it_goes_on_where_it_was(self, run_tap: TapRunner, asked: t.Any) -> None:
        settings = asked.settings | {"event_codes": ["e1"]}
        first = run_tap(settings, select=["attendees"])
        (partition,) = first.state["bookmarks"]["attendees"]["partitions"]
        host = asked.url.removeprefix("http://")
        assert partition == mark(value=NEW, source=f"{host}/acme")
        again = run_tap(settings, state=first.state, select=["attendees"])
        assert since(asked) == [None, "1680309557133"]
        assert again.state == first.state

    @pytest.mark.parametrize("other", ["events.rainfocus.com/acme", "{host}/other"])
    def test_that_of_another_is_not_used(
        self, run_tap: TapRunner, asked: t.Any, other: str
    ) -> None:
        source = other.format(host=asked.url.removeprefix("http://"))
        settings = asked.settings | {"event_codes": ["e1", "e2"], "concurrency": 1}
        state = state_of(mark(source=source), mark("e2"))
        run = run_tap(settings, state=state, select=["attendees"])
        assert run.code == 0, run.log
        assert since(asked) == [None, "1577836800000"]
        assert "The bookmark of stream attendees is of another org, host or catalogue" in run.log
        assert [
            p["replication_key_value"] for p in run.state["bookmarks"]["attendees"]["partitions"]
        ] == [NEW] * 2

    def test_a_run_that_breaks_does_not_bring_it_back(
        self, run_tap: TapRunner, scripted: ServerMaker
    ) -> None:
        settings = scripted(lambda _: (500, {}, {})).settings | {"event_codes": ["e1"]}
        run = run_tap(settings, state=state_of(mark(source="elsewhere/acme")), select=["attendees"])
        assert run.code == 75
        assert OLD not in run.output


WRONG: dict[str, tuple[Json, str]] = {
    "twice": (
        state_of(mark(), mark(value=NEW)),
        "The state has 2 bookmarks of stream attendees for event e1: leave the oldest one",
    ),
    "another context": (state_of({"context": {"code": "e1"}}), "of another version"),
    "no context": (state_of({"replication_key_value": OLD}), "of another version"),
    "a list": ({"bookmarks": {"attendees": [mark()]}}, "of another version"),
    "no list": ({"bookmarks": {"attendees": {"partitions": {"e1": mark()}}}}, "of another version"),
    "a text": ({"bookmarks": {"attendees": {"partitions": ""}}}, "of another version"),
    "nothing hashable": (state_of({"context": {"event": ["e1"]}}), "of another version"),
    "a message": ({"type": "STATE", "value": {}}, "give what is under its value"),
}


@pytest.mark.parametrize(("state", "advice"), WRONG.values(), ids=WRONG.keys())
def test_a_state_that_cannot_be(run_tap: TapRunner, asked: t.Any, state: Json, advice: str) -> None:
    run = run_tap(asked.settings, state=state, select=["attendees"])
    assert run.code == 78
    assert len(run.errors) == 1, run.log
    assert advice in run.errors[0]
    assert asked.asked == []


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'inbox.db'}"


def events(first: int, last: int) -> list[Json]:
    return [{"transmissionId": f"t{n}", "eventType": "x"} for n in range(first, last + 1)]


BACK_TO_3 = "UPDATE rainfocus_inbox_sequence SET last = 3"


def alter(url: str, *statements: str) -> None:
    """Do to an inbox what no command of ours does."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as opened:
        for statement in statements:
            opened.execute(statement)
        opened.commit()


def remove(url: str) -> None:
    for file in Path(url.removeprefix("sqlite:///")).parent.glob("inbox.db*"):
        file.unlink()


def ids(run: Run) -> list[str]:
    assert run.code == 0, run.log
    return [record["transmissionId"] for record in run.records(EVENTS)]


class TestInbox:
    """A bookmark is of one inbox, as it was."""

    def test_it_goes_on_where_it_was(
        self, run_tap: TapRunner, fill_inbox: InboxFiller, url: str
    ) -> None:
        fill_inbox(url, events(1, 3))
        first = run_tap({"inbox_url": url})
        fill_inbox(url, events(2, 5))
        second = run_tap({"inbox_url": url}, state=first.state)
        assert ids(second) == ["t4", "t5"]
        assert ids(run_tap({"inbox_url": url}, state=second.state)) == []

    def test_another_behind_the_same_url(
        self, run_tap: TapRunner, fill_inbox: InboxFiller, url: str
    ) -> None:
        fill_inbox(url, events(1, 3))
        first = run_tap({"inbox_url": url})
        remove(url)
        fill_inbox(url, events(11, 15))
        run = run_tap({"inbox_url": url}, state=first.state)
        assert ids(run) == [f"t{n}" for n in range(11, 16)]
        assert "The inbox is another one than in the run before" in run.log
        assert ids(run_tap({"inbox_url": url}, state=run.state)) == []

    @pytest.mark.parametrize("later", [0, 1, 5])
    def test_one_that_was_restored(
        self, run_tap: TapRunner, fill_inbox: InboxFiller, url: str, tmp_path: Path, later: int
    ) -> None:
        file = tmp_path / "inbox.db"
        fill_inbox(url, events(1, 3))
        with (
            closing(sqlite3.connect(file)) as opened,
            closing(sqlite3.connect(tmp_path / "backup")) as backup,
        ):
            opened.backup(backup)
        fill_inbox(url, events(4, 4))
        first = run_tap({"inbox_url": url})
        assert ids(first) == ["t1", "t2", "t3", "t4"]
        for journal in tmp_path.glob("inbox.db-*"):
            journal.unlink()
        shutil.copy(tmp_path / "backup", file)
        fill_inbox(url, events(11, 10 + later))
        run = run_tap({"inbox_url": url}, state=first.state)
        assert ids(run) == ["t1", "t2", "t3", *(f"t{n}" for n in range(11, 11 + later))]
        assert "put back to an earlier state" in run.log
        assert ids(run_tap({"inbox_url": url}, state=run.state)) == []

    def test_one_that_was_restored_where_a_duplicate_took_the_place(
        self, run_tap: TapRunner, fill_inbox: InboxFiller, url: str
    ) -> None:
        fill_inbox(url, events(1, 4))
        first = run_tap({"inbox_url": url})
        alter(url, "DELETE FROM rainfocus_inbox WHERE sequence = 4", BACK_TO_3)
        fill_inbox(url, events(1, 1), events(5, 6))
        run = run_tap({"inbox_url": url}, state=first.state)
        assert ids(run) == ["t1", "t2", "t3", "t5", "t6"]

    @pytest.mark.parametrize(
        "bookmark",
        [{}, {"inbox": {"identity": None}}, {"inbox": {"row": "4", "mark": 1}}, {"inbox": 5}],
    )
    def test_what_is_taken_over_is_marked_at_once(
        self, run_tap: TapRunner, fill_inbox: InboxFiller, url: str, bookmark: Json
    ) -> None:
        fill_inbox(url, events(1, 4))
        value = {"replication_key": "inboxSequence", "replication_key_value": 4} | bookmark
        first = run_tap({"inbox_url": url}, state={"bookmarks": {EVENTS: value}})
        assert ids(first) == []
        alter(url, "DELETE FROM rainfocus_inbox WHERE sequence = 4", BACK_TO_3)
        fill_inbox(url, events(11, 13))
        run = run_tap({"inbox_url": url}, state=first.state)
        assert ids(run) == ["t1", "t2", "t3", "t11", "t12", "t13"]

    def test_one_without_identity_that_was_replaced(
        self, run_tap: TapRunner, fill_inbox: InboxFiller, url: str
    ) -> None:
        fill_inbox(url, events(1, 4))
        alter(url, "DROP TABLE rainfocus_inbox_identity")
        first = run_tap({"inbox_url": url})
        remove(url)
        fill_inbox(url, events(11, 15))
        run = run_tap({"inbox_url": url}, state=first.state)
        assert ids(run) == [f"t{n}" for n in range(11, 16)]

    def test_rows_in_the_place_of_duplicates_show_that_it_was_restored(
        self, run_tap: TapRunner, fill_inbox: InboxFiller, url: str
    ) -> None:
        fill_inbox(url, events(1, 3), events(1, 2))
        first = run_tap({"inbox_url": url})
        assert first.state["bookmarks"][EVENTS]["replication_key_value"] == 5
        alter(url, BACK_TO_3)
        fill_inbox(url, events(11, 13))
        run = run_tap({"inbox_url": url}, state=first.state)
        assert ids(run) == ["t1", "t2", "t3", "t11", "t12", "t13"]

    def test_a_database_of_something_else_is_left_as_it_is(
        self, run_tap: TapRunner, url: str
    ) -> None:
        file = Path(url.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(file)) as opened:
            opened.execute("CREATE TABLE customers (id INTEGER)")
        before = file.read_bytes()
        run = run_tap({"inbox_url": url})
        assert run.code == 78
        assert "There is no inbox where inbox_url says" in run.errors[0]
        with closing(sqlite3.connect(file)) as opened:
            tables = opened.execute("SELECT name FROM sqlite_schema").fetchall()
        assert tables == [("customers",)]
        assert len(file.read_bytes()) == len(before)

    def test_one_that_was_pruned(
        self, run_tap: TapRunner, fill_inbox: InboxFiller, url: str
    ) -> None:
        fill_inbox(url, events(1, 4))
        first = run_tap({"inbox_url": url})
        fill_inbox(url, events(5, 6))
        with closing(KeptInbox(url)) as opened:
            opened.prune(sequence=5)
        run = run_tap({"inbox_url": url}, state=first.state)
        assert ids(run) == ["t6"]
        assert "WARNING" not in run.log
        with closing(KeptInbox(url)) as opened:
            opened.prune(sequence=6)
        later = run_tap({"inbox_url": url}, state=run.state)
        assert later.state["bookmarks"] == run.state["bookmarks"]
        assert later.state["bookmarks"][EVENTS]["inbox"]["row"] == 6

    def test_a_bookmark_of_the_version_before_is_taken_over(
        self, run_tap: TapRunner, fill_inbox: InboxFiller, url: str
    ) -> None:
        fill_inbox(url, events(1, 4))
        value = {"replication_key": "inboxSequence", "replication_key_value": 2}
        run = run_tap({"inbox_url": url}, state={"bookmarks": {EVENTS: value}})
        assert ids(run) == ["t3", "t4"]
        assert len(run.state["bookmarks"][EVENTS]["inbox"]["identity"]) == 32

    def test_so_is_an_inbox_of_the_version_before(
        self, run_tap: TapRunner, fill_inbox: InboxFiller, url: str
    ) -> None:
        fill_inbox(url, events(1, 4))
        alter(url, "DROP TABLE rainfocus_inbox_identity")
        first = run_tap({"inbox_url": url})
        assert len(ids(first)) == 4
        fill_inbox(url, events(5, 5))  # the receiver of today has written to it
        second = run_tap({"inbox_url": url}, state=first.state)
        assert ids(second) == ["t5"]
        assert second.state["bookmarks"][EVENTS]["inbox"]["identity"]

    def test_on_postgres_who_may_only_read_can(
        self, run_tap: TapRunner, fill_inbox: InboxFiller, postgres: Postgres
    ) -> None:
        postgres.run("CREATE SCHEMA kept; CREATE ROLE reader LOGIN;")
        place = f"{postgres.host}:{postgres.port}/{postgres.database}?options=-csearch_path%3Dkept"
        fill_inbox(f"postgresql+psycopg://{postgres.user}@{place}", events(1, 2))
        postgres.run(
            "DROP TABLE kept.rainfocus_inbox_identity; GRANT USAGE ON SCHEMA kept TO reader; "
            "GRANT SELECT ON ALL TABLES IN SCHEMA kept TO reader;"
        )
        first = run_tap({"inbox_url": f"postgresql+psycopg://reader@{place}"})
        assert ids(first) == ["t1", "t2"]
        again = run_tap({"inbox_url": f"postgresql+psycopg://reader@{place}"}, state=first.state)
        assert ids(again) == []
