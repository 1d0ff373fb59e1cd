"""What must never be shown, and how a command ends."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t

import pytest
from rainfocus_client.redaction import Redactor

if t.TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("to user.name+x@mail.company.com now", "to [email] now"),
        ("GET /api/x?email=user%40company.com&a=1 HTTP/1.1", "GET /api/x?[query] HTTP/1.1"),
        ("the s3cr3t is out", "the [secret] is out"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [secret]"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [secret]"),
        ("is it 5 or 6? nobody knows", "is it 5 or 6? nobody knows"),
        ("user%40company.com", "[email]"),
    ],
)
def test_redaction(text: str, clean: str) -> None:
    assert Redactor("s3cr3t", None, "")(text) == clean


def test_what_is_too_short_for_a_secret_is_left_alone() -> None:
    assert Redactor("no")("could not") == "could not"


PROGRAM = """
import logging, sys
from rainfocus_client.command import run_command
from rainfocus_client.errors import SettingsError
from rainfocus_client.redaction import Redactor, protect_logs
from rainfocus_client.troubles import Trouble
logging.basicConfig(format="%(levelname)s %(message)s", level={level})
protect_logs(Redactor("s3cr3t"))
def work():
    {work}
run_command(work, logging.getLogger("x"))
"""


def run(
    work: str,
    level: str = "logging.INFO",
    *,
    stdout: t.IO[bytes] | int = subprocess.PIPE,
    stderr: t.IO[bytes] | int | None = None,
) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(work=work, level=level)
    return subprocess.run(
        [sys.executable, "-c", program],
        stdout=stdout,
        stderr=stderr or subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )


def test_our_errors_end_in_one_line() -> None:
    done = run("raise SettingsError('do this with s3cr3t', Trouble.SETTING)")
    assert (done.returncode, done.stderr) == (78, "ERROR do this with [secret] [RF-101]\n")


def test_other_errors_show_kind_and_place_only() -> None:
    done = run("{}['user@company.com']")
    assert done.returncode == 1
    assert done.stderr.startswith("ERROR Unexpected KeyError in ")
    assert len(done.stderr.splitlines()) == 1
    assert "company" not in done.stderr


def test_a_file_that_cannot_be_used_is_named() -> None:
    done = run("open('config.json')")
    assert done.returncode == 74
    assert done.stderr == "ERROR config.json: No such file or directory. [RF-601]\n"


def test_output_that_cannot_be_written_is_told() -> None:
    done = run("raise OSError(28, 'No space left on device')")
    assert done.stderr == "ERROR Standard output: No space left on device. [RF-601]\n"


@pytest.mark.parametrize("streams", ["stdout", "stdout and stderr"])
def test_output_that_nobody_reads_is_told_once(streams: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = run("print('lost')", stdout=pipe, stderr=pipe if "stderr" in streams else None)
    assert done.returncode == 74
    assert done.stderr in {None, "ERROR Standard output: Broken pipe. [RF-601]\n"}


def test_output_that_finds_no_room_is_told_once(tmp_path: Path) -> None:
    no_room = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    with (tmp_path / "out").open("wb") as out:
        done = run(f"{no_room}; print('lost')", stdout=out)
    assert (done.returncode, done.stderr) == (
        74,
        "ERROR Standard output: File too large. [RF-601]\n",
    )


def test_debug_shows_the_way_to_an_unexpected_error() -> None:
    done = run("raise ValueError('Ada Lovelace')", "logging.DEBUG")
    assert "in work" in done.stderr
    assert "ValueError: Ada" not in done.stderr


def test_success_is_exit_code_0() -> None:
    assert run("pass").returncode == 0


def test_the_text_of_an_exception_is_redacted() -> None:
    done = run("""
    try:
        raise ValueError('user@company.com has s3cr3t')
    except ValueError:
        logging.getLogger('urllib3').exception('no luck')
    """)
    first, *others = done.stderr.splitlines()
    assert first == "ERROR no luck"
    assert others[-1] == "ValueError: [email] has [secret]"
    assert "company" not in done.stderr


def test_libraries_are_redacted_too() -> None:
    done = run("logging.getLogger('urllib3').warning('%s for %s', 'x', 'user@company.com')")
    assert done.stderr == "WARNING x for [email]\n"
