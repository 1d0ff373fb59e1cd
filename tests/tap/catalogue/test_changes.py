"""Catalogues that change: while they are read, and from run to run."""

from __future__ import annotations

import typing as t
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tap.catalogue.made_up import Site, session

if t.TYPE_CHECKING:
    from tests.tap.catalogue.conftest import Read
    from tests.tap.catalogue.made_up import Item, Reply
    from tests.tap.conftest import Asked, Run


def codes(run: Run) -> list[str]:
    return sorted(one["session"]["code"] for one in run.records("sessions"))


def numbers(run: Run) -> list[int]:
    return sorted(int(code.removeprefix("BRK")) - 100 for code in codes(run))


class TestWhileItIsRead:
    def test_a_session_that_goes_lets_none_be_skipped(self, read: Read) -> None:
        items = [session(n) for n in range(120)]
        site = Site([("1", items)])

        def go(form: dict[str, str]) -> None:
            if form["from"] == "50" and len(items) == 120:
                del items[3]  # all behind it move up: the 51st is on page 1 now

        site.before = go
        run = read(site)
        assert run.code == 0
        assert numbers(run) == [n for n in range(120) if n != 3]

    def test_a_session_that_comes_is_not_doubled(self, read: Read) -> None:
        items = [session(n) for n in range(120)]
        site = Site([("1", items)])

        def come(form: dict[str, str]) -> None:
            if form["from"] == "50" and len(items) == 120:
                items.insert(0, session(500))

        site.before = come
        run = read(site)
        assert numbers(run) == [*range(120), 500]

    def test_one_goes_while_another_comes(self, read: Read) -> None:
        items = [session(n) for n in range(120)]
        site = Site([("1", items)])

        def swap(form: dict[str, str]) -> None:
            if form["from"] == "50" and items[0]["code"] == "BRK100":
                items.insert(0, session(500))
                del items[-1]

        site.before = swap
        assert numbers(read(site)) == [*range(119), 500]

    def test_one_that_never_rests_is_told_and_deletes_nothing(self, read: Read) -> None:
        items = [session(n) for n in range(120)]
        site, fresh = Site([("1", items)]), count(500)

        def change(form: dict[str, str]) -> None:
            if form["from"] == "50":
                items.insert(0, session(next(fresh)))

        site.before = change
        run = read(site, activate_version=True)
        assert run.code == 0
        assert set(range(120)) <= set(numbers(run))
        assert "changed while it was read" in run.log
        assert "ACTIVATE_VERSION" not in [
            m["type"] for m in run.messages if m.get("stream") == "sessions"
        ]

    def test_one_page_again_and_again_is_an_error(self, read: Read) -> None:
        items = [session(n) for n in range(120)]
        site = Site([("1", items)])
        site.before = lambda form: form.update({"from": "0"})
        run = read(site)
        assert run.code == 65
        assert "does not heed from" in run.errors[-1]

    def test_an_empty_page_is_asked_for_again(self, read: Read) -> None:
        site, times = Site([("1", [session(n) for n in range(120)])]), count()

        def throttle(form: dict[str, str]) -> object:
            if form["from"] == "50" and next(times) < 1:
                empty = {"responseCode": "0", "total": 120, "numItems": 0, "items": []}
                return 200, {}, empty
            return None

        site.before = throttle
        run = read(site)
        assert (run.code, numbers(run)) == (0, [*range(120)])
        assert "a sign of throttling" in run.log

    def test_the_last_page_may_be_of_another_shape(self, read: Read) -> None:
        site = Site([("1", [session(n) for n in range(60)])])

        def sectioned(form: dict[str, str]) -> object:
            if form["from"] == "50":
                section = {"sectionId": "1", "items": [session(n) for n in range(50, 60)]}
                return 200, {}, {"totalSearchItems": 60, "sectionList": [section]}
            return None

        site.before = sectioned
        assert numbers(read(site)) == [*range(60)]


class TestUntold:
    """Replies that do not say how many items there are."""

    @staticmethod
    def silent(site: Site) -> Site:
        def answer(asked: Asked) -> Reply:
            status, headers, body = Site.answer(site, asked)
            told = ("total", "totalSearchItems")
            page = t.cast("Item", body)
            parts = [page, *page.get("sectionList", [])]
            for part, name in ((part, name) for part in parts for name in told):
                part.pop(name, None)
            return status, headers, page

        site.answer = answer  # type: ignore[method-assign]
        return site

    def test_pages_are_read_until_one_is_empty(self, read: Read) -> None:
        run = read(self.silent(Site([("1", [session(n) for n in range(120)])])))
        assert (run.code, numbers(run)) == (0, [*range(120)])

    def test_one_page_that_comes_again_is_all(self, read: Read) -> None:
        site = self.silent(Site([("1", [session(n) for n in range(20)])]))
        site.before = lambda form: form.update({"from": "0"})
        run = read(site)
        assert (run.code, numbers(run)) == (0, [*range(20)])


class TestShort:
    @staticmethod
    def stopping(announced: int, given_items: int) -> Site:
        return Site([("1", [session(n) for n in range(given_items)])], total=announced)

    def test_less_than_the_floor_ends_the_run(self, read: Read) -> None:
        run = read(self.stopping(8493, 100))
        assert run.code == 75
        assert "gave 100 of the 8,493 items that it announces" in run.errors[-1]
        assert not run.records("sessions")

    def test_less_than_is_announced_is_told(self, read: Read) -> None:
        run = read(self.stopping(120, 118), activate_version=True)
        assert run.code == 0
        assert len(run.records("sessions")) == 118
        assert "gave 118 of the 120 items" in run.log
        assert "ACTIVATE_VERSION" not in [
            m["type"] for m in run.messages if m.get("stream") == "sessions"
        ]

    def test_a_floor_of_nothing_takes_what_there_is(self, read: Read) -> None:
        run = read(self.stopping(8493, 100), catalogue_floor=0)
        assert (run.code, len(run.records("sessions"))) == (0, 100)


class TestFromRunToRun:
    def test_a_catalogue_that_has_shrunk_beyond_belief(self, read: Read) -> None:
        first = read(Site([("1", [session(n) for n in range(100)])]))
        assert first.state["bookmarks"]["sessions"]["count"] == 100
        run = read(Site([("1", [session(n) for n in range(89)])]), state=first.state)
        assert run.code == 65
        assert "gives 89 items for session_times, after 100 in the last run" in run.errors[-1]
        assert not run.records("sessions")
        assert not run.records("session_times")
        assert "RF-407" in run.errors[-1]

    def test_it_may_shrink_a_little(self, read: Read) -> None:
        first = read(Site([("1", [session(n) for n in range(100)])]))
        run = read(Site([("1", [session(n) for n in range(90)])]), state=first.state)
        assert run.code == 0
        assert run.state["bookmarks"]["sessions"]["count"] == 90

    def test_one_run_with_a_lower_floor_is_enough(self, read: Read) -> None:
        first = read(Site([("1", [session(n) for n in range(100)])]))
        little = Site([("1", [session(n) for n in range(10)])])
        second = read(little, state=first.state, catalogue_floor=0)
        assert second.code == 0
        assert read(little, state=second.state).code == 0

    def test_the_state_of_a_failed_run_keeps_the_count(self, read: Read) -> None:
        first = read(Site([("1", [session(n) for n in range(100)])]))
        failed = read(Site([("1", [session(1)])]), state=first.state)
        states = [m["value"] for m in failed.messages if m["type"] == "STATE"]
        for state in states:
            assert state["bookmarks"]["sessions"]["count"] == 100

    def test_another_search_is_another_catalogue(self, read: Read) -> None:
        first = read(Site([("1", [session(n) for n in range(100)])]))
        few = Site([("1", [session(n) for n in range(10)])])
        assert read(few, state=first.state).code == 65
        one_track = {"search.track": "data"}
        assert read(few, state=first.state, catalogue_search=one_track).code == 0

    def test_a_series_of_crawls(self, read: Read) -> None:
        """Sessions come, change, go and return; each run tells what is there then."""
        state = None
        for step in range(6):
            there = [n for n in range(150) if (n + step) % 25]
            items = [session(n, title=f"Talk {n}, version {step}") for n in there]
            run = read(Site([("1", items)]), state=state, activate_version=True)
            state = run.state
            assert run.code == 0
            assert numbers(run) == there
            assert {one["session"]["title"][-1] for one in run.records("sessions")} == {str(step)}
            kinds = [m["type"] for m in run.messages if m.get("stream") == "sessions"]
            assert kinds[-1] == "ACTIVATE_VERSION"


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_session_comes_once(read: Read, data: st.DataObject) -> None:
    """Any number of sections, in any order, some sessions in several, on pages of any length."""
    wanted = data.draw(st.integers(0, 70), "sessions")
    everywhere = st.lists(st.integers(0, max(wanted - 1, 0)), max_size=60)
    several = data.draw(st.lists(everywhere, max_size=4), "sections")
    missing = set(range(wanted)) - {n for one in several for n in one}
    places = [*several, data.draw(st.permutations(sorted(missing)), "the rest")]
    names = data.draw(st.permutations(range(len(places))), "names")
    named = [
        (f"s{name}", [session(n) for n in dict.fromkeys(place) if n < wanted])
        for name, place in zip(names, places, strict=True)
    ]
    run = read(Site(named, page_size=data.draw(st.integers(1, 50), "page size")))
    assert run.code == 0, run.log
    assert numbers(run) == [*range(wanted)]
