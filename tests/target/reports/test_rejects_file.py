"""The rejects are kept whatever else fails, and what stood in their file is not lost."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import stat
import threading
import typing as t

import pytest
from rainfocus_client.errors import FileError
from target_rainfocus_attendees.models import Source
from target_rainfocus_attendees.reports.rejects import Rejects

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Json = dict[str, t.Any]
    Call = Callable[..., t.Any]
    Singer = t.Any
    Script = t.Any
    Server = t.Any
    Serve = Callable[..., t.ContextManager[t.Any]]


def answer(_: Script, body: Json) -> tuple[int, Json, dict[str, str]]:
    if body.get("firstname") == "Refused":
        return 400, {"responseCode": "105"}, {}
    return 200, {"responseCode": "0"}, {}


@pytest.fixture
def served(script: Serve) -> Iterator[Script]:
    with script(answer) as serving:
        yield serving


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rejects.singer"


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    return tmp_path / "rejects.singer.cut"


def lines_of(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def emails_in(path: Path) -> list[str]:
    return [line["record"]["email"] for line in lines_of(path) if line["type"] == "RECORD"]


@pytest.mark.parametrize(
    "last",
    [
        '{"type":"RECORD","stream":"people","record":{"email":"bob@example.com","city":"Lehi",}}',
        "my only notes: one line, no line feed",
        "x" * 3_000_000,
        b"\xff\xfe caf\xe9",
    ],
    ids=["a comma too much", "notes", "a long line", "not text"],
)
def test_a_last_line_that_is_not_json_is_moved_aside(
    call: Call, singer: Singer, served: Script, path: Path, cut: Path, last: str | bytes
) -> None:
    line = last if isinstance(last, bytes) else last.encode()
    whole = [singer.schema, singer.record("ada")]
    before = "".join(f"{json.dumps(message)}\n" for message in whole).encode()
    path.write_bytes(before + line)
    messages = [singer.schema, singer.record("eve@example.com"), singer.record("nobody")]
    settings = served.settings | {"rejects_path": str(path)}
    ended = call([*messages, singer.state(1)], settings)
    assert ended.code == 0, ended.log
    assert ended.states == [{"n": 1}]
    assert cut.read_bytes() == line + b"\n"
    assert stat.S_IMODE(cut.stat().st_mode) == 0o600
    (warning,) = (line for line in ended.lines("WARNING") if "cut off" in line)
    assert f"The last line of {path} was cut off; it is now in rejects.singer.cut." in warning
    assert path.read_bytes().startswith(before)
    assert emails_in(path) == ["ada", "nobody"]
    ended = call(path, served.settings)
    assert ended.counts == {"read": 2, "invalid": 2}


def test_a_last_line_that_only_lacks_its_end_stays(
    call: Call, singer: Singer, served: Script, path: Path, cut: Path
) -> None:
    path.write_text(f"{json.dumps(singer.schema)}\n{json.dumps(singer.record('ada'))}")
    messages = [singer.schema, singer.record("eve@example.com"), singer.record("nobody")]
    ended = call(messages, served.settings | {"rejects_path": str(path)})
    assert ended.code == 0
    assert "cut off" not in ended.log
    assert not cut.exists()
    assert emails_in(path) == ["ada", "nobody"]


def test_what_is_moved_aside_is_added_to_what_was(
    call: Call, singer: Singer, served: Script, path: Path, cut: Path
) -> None:
    messages = [singer.schema, singer.record("eve@example.com"), singer.record("nobody")]
    for notes in ("first", "second"):
        with path.open("a") as file:
            file.write(notes)
        assert call(messages, served.settings | {"rejects_path": str(path)}).code == 0
    assert cut.read_text() == "first\nsecond\n"
    assert emails_in(path) == ["nobody", "nobody"]


@pytest.mark.parametrize("number", [10, 300])
def test_all_are_kept_when_all_are_refused_and_too_many(
    call: Call, singer: Singer, served: Script, path: Path, number: int
) -> None:
    people = [
        singer.record(f"eve{n}@example.com", firstname="Refused", city=str(n))
        for n in range(number)
    ]
    messages = [singer.schema, *people, singer.state(1)]
    settings = served.settings | {"rejects_path": str(path), "max_rejects": 5}
    ended = call(messages, settings)
    assert ended.code == 65
    assert "More than max_rejects (5) records are not stored" in ended.error
    assert f"They are in {path}" in ended.error
    rejected = ended.counts["rejected"]
    assert rejected > 5
    assert sorted(emails_in(path)) == sorted({body["email"] for body in served.bodies})
    assert len(emails_in(path)) == rejected
    if ended.states:
        assert rejected == number


@pytest.mark.parametrize("size", ["shorter", "the same"])
def test_a_file_that_was_replaced_gets_what_comes_then_under_its_schema(
    singer: Singer, path: Path, size: str
) -> None:
    rejects = Rejects(path, {})
    rejects.add(Source(singer.schema, singer.record("ada")), "x", "y")
    rejects.sync()
    before = path.stat().st_size
    other = path.with_name("other")
    other.write_text("{}\n".rjust(before) if size == "the same" else "")
    rejects.add(Source(singer.schema, singer.record("bob")), "x", "y")
    waiting = threading.Thread(target=rejects.sync)
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        other.replace(path)
    waiting.join()
    lines = [line for line in lines_of(path) if line]
    assert [line["type"] for line in lines] == ["SCHEMA", "RECORD"]
    assert lines[1]["record"]["email"] == "bob"


@pytest.mark.parametrize("space", [0, 30])
def test_a_write_that_failed_is_made_again_under_its_schema(
    singer: Singer, path: Path, cut: Path, space: int
) -> None:
    other = singer.schema | {"stream": "other"}
    rejects = Rejects(path, {})
    rejects.add(Source(singer.schema, singer.record("ada")), "x", "y")
    rejects.sync()
    rejects.add(Source(other, singer.record("bob") | {"stream": "other"}), "x", "y")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + space, before[1]))
        with pytest.raises(FileError) as failed:
            rejects.sync()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (
        str(failed.value) == "The rejects cannot be written (File too large): check rejects_path."
    )
    rejects.sync()
    assert [(line["type"], line["stream"]) for line in lines_of(path)] == [
        ("SCHEMA", "people"),
        ("RECORD", "people"),
        ("SCHEMA", "other"),
        ("RECORD", "other"),
    ]
    assert (len(cut.read_bytes()) if cut.exists() else 0) == (space and space + 1)


def test_a_disk_too_full_for_the_activation_log_costs_nothing_else(
    call: Call, singer: Singer, served: Script, path: Path
) -> None:
    messages = [singer.schema, singer.record("ada@example.com"), singer.record("nobody")]
    eve = singer.record("eve@example.com", firstname="Refused")
    settings = {"rejects_path": str(path), "activation_log_path": "/dev/full"}
    ended = call([*messages, eve, singer.state(1)], served.settings | settings)
    assert ended.code == 74
    assert "The activation log cannot be written (No space left on device)" in ended.error
    assert ended.counts == {"read": 3, "stored": 1, "invalid": 1, "rejected": 1}
    assert sorted(emails_in(path)) == ["eve@example.com", "nobody"]
    assert ended.states == [{"n": 1}]


def test_a_disk_too_full_for_the_activation_log_ends_a_long_run_where_it_can_be_resumed(
    call: Call, singer: Singer, loop_server: Serve, path: Path
) -> None:
    messages = [singer.schema]
    for n in range(1, 2001):
        email = f"ada{n}@example.com" if n % 10 else f"ada{n}"
        messages += [singer.record(email), singer.state(n)]
    settings = {"rejects_path": str(path), "activation_log_path": "/dev/full"}
    with loop_server() as server:
        ended = call(messages, server.settings | settings | {"batch_size_rows": 50})
        stored = {int(email[3:].split("@")[0]) for email in server.people}
    assert ended.code == 74
    assert "The activation log cannot be written (No space left on device)" in ended.error
    kept = {int(email[3:]) for email in emails_in(path)}
    assert ended.counts["stored"] == len(stored) > 0
    assert ended.counts["invalid"] == len(kept)
    last = ended.states[-1]["n"] if ended.states else 0
    assert set(range(1, last + 1)) <= stored | kept
    assert last >= ended.counts["read"] - 1


@pytest.mark.parametrize(
    "first", ["name,email\n", '{"type":"SCHEMA","stream":"rainfocus_activations"}\n', "[1]\n"]
)
def test_a_file_of_something_else_is_left_alone(
    call: Call, singer: Singer, served: Script, path: Path, first: str
) -> None:
    path.write_text(first)
    ended = call([singer.schema, singer.record("x")], served.settings | {"rejects_path": str(path)})
    assert (ended.code, path.read_text()) == (78, first)
    assert "rejects_path names a file that holds no rejects" in ended.error


@pytest.mark.parametrize("setting", ["rejects_path", "activation_log_path"])
@pytest.mark.parametrize("name", ["gone/x", "nul\0", "x" * 300, "loop"])
def test_a_path_that_can_be_none_is_told_before_anything_is_sent(
    call: Call, singer: Singer, served: Script, tmp_path: Path, setting: str, name: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to(tmp_path / "gone" / "x")
    named = str(tmp_path / ("link" if name == "gone/x" else name))
    ended = call([singer.schema, singer.record("x")], served.settings | {setting: named})
    assert (ended.code, served.bodies) == (78, [])
    assert f"Setting {setting} names no file that can be written" in ended.error


@pytest.mark.parametrize("setting", ["rejects_path", "activation_log_path"])
def test_a_pipe_that_nobody_reads_is_an_error(
    call: Call, singer: Singer, served: Script, tmp_path: Path, setting: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ended = call([singer.schema, singer.record("x")], served.settings | {setting: str(pipe)})
    assert ended.code == 74
    assert f"check {setting}" in ended.error


def test_a_device_keeps_its_mode(
    call: Call, singer: Singer, served: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[object] = []
    monkeypatch.setattr(os, "fchmod", lambda *what: changed.append(what))
    settings = served.settings | {"dry_run": True, "dry_run_path": "/dev/full"}
    call([singer.schema, singer.record("ada@example.com")], settings)
    assert changed == []
