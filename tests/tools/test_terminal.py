"""Output that nobody reads is dropped and counted; what is read arrives whole and in order."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.terminal import LAST_WORDS_S, Unread, why_unread

ROOT = Path(__file__).parents[2]

SAYS = """
import sys
from tools.terminal import Terminal
with Terminal():
    for n in range({count}):
        print("out", n)
        print("err", n, file=sys.stderr)
    sys.stderr.flush()
print("done", file=open({done!r}, "w"))
"""


def says(count: int, done: Path) -> list[str]:
    return [sys.executable, "-c", SAYS.format(count=count, done=str(done))]


def test_what_is_read_arrives_whole_and_in_order(tmp_path: Path) -> None:
    done = subprocess.run(
        says(200, tmp_path / "done"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        check=True,
    )
    wanted = [f"{name} {n}" for n in range(200) for name in ("out", "err")]
    assert done.stdout.splitlines() == wanted


@pytest.mark.parametrize("kind", ["terminal", "pipe"])
def test_a_reader_that_does_not_read_holds_nothing_up(tmp_path: Path, kind: str) -> None:
    ours, theirs = pty.openpty() if kind == "terminal" else os.pipe()
    began_s = time.monotonic()
    process = subprocess.Popen(
        says(50_000, tmp_path / "done"), stdout=theirs, stderr=theirs, cwd=ROOT
    )
    os.close(theirs)
    assert process.wait(20) == 0
    assert time.monotonic() - began_s < 10 + LAST_WORDS_S
    assert (tmp_path / "done").exists()
    os.close(ours)


def test_a_reader_that_goes_away_ends_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        says(50_000, tmp_path / "done"), stdout=subprocess.PIPE, cwd=ROOT, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(20) == 0
    assert (tmp_path / "done").exists()


def test_the_shells_own_terminal_stays_as_it_was(tmp_path: Path) -> None:
    """Its description is shared with the shell: what does not block there breaks the shell."""
    ours, theirs = pty.openpty()
    subprocess.run(says(1, tmp_path / "done"), stdout=theirs, stderr=theirs, cwd=ROOT, check=True)
    assert os.get_blocking(theirs)
    os.close(ours)
    os.close(theirs)


def test_what_was_dropped_is_counted_and_told_once_there_is_room() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    stream = Unread(writing, terminal=-1)
    line = b"x" * 4_096
    while not stream.dropped:
        assert stream.write(line) == len(line)
    stream.write(b"lost")
    assert stream.dropped == 2
    os.read(reading, 1 << 20)
    stream.write(b"heard")
    assert os.read(reading, 1 << 20) == b"\n(2 writes were dropped here)\nheard"
    assert stream.dropped == 0
    os.close(reading)
    stream.write(b"nobody")
    assert stream.gone
    os.close(writing)


def test_what_either_stream_drops_is_output_that_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full pipe still takes the short lines of one while the long ones of the other are lost."""
    streams = {name: Unread(-1, terminal=-1) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, SimpleNamespace(buffer=stream))
    assert why_unread() == ""
    for stream in streams.values():
        stream.dropped = 1
        assert "is not being read" in why_unread()
        stream.dropped = 0
        stream.gone = True
        assert "nobody reads the output" in why_unread()
        stream.gone = False
