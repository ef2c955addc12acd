"""What a trading process says on its terminal, without ever waiting for whoever reads it.

A terminal that was stopped (Ctrl-S), a pipe that nobody reads and a stalled ssh all hold up whoever
writes to them. So nothing here writes to them but a small process of its own, the pump: we give it
what there is to say through a pipe that never blocks, and what does not fit is dropped and counted.
The descriptors 1 and 2 themselves are changed over, so that it holds for a strategy's ``print``,
for warnings and for tracebacks as well. What matters is in the run's log, whoever reads here.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from types import TracebackType
from typing import BinaryIO, Final, Self, TextIO, cast

STDOUT: Final = 1
STDERR: Final = 2

LAST_WORDS_S: Final = 1.0
"""How long the pump may take over what was said last: a terminal takes milliseconds, and one that
is stopped may stay so for ever."""

NO_TERMINAL: Final = 80
"""Columns where the width cannot be told."""

PUMP: Final = """
import os, signal
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
while data := os.read(0, 65536):
    while data:
        data = data[os.write(1, data):]
"""
"""Ends with its input, or when nobody reads any more. Signals are for the trading process, whose
last words it has to pass on."""


class Terminal:
    """Keeps this process's output from ever blocking, from ``__enter__`` to ``__exit__``."""

    def __init__(self) -> None:
        self._restore: list[tuple[int, int]] = []
        self._pumps: list[subprocess.Popen[bytes]] = []
        self._streams: list[Unread] = []
        self._texts: tuple[TextIO, TextIO] | None = None

    def __enter__(self) -> Self:
        """Change the descriptors over. What was printed before stays before."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._texts = (sys.stdout, sys.stderr)
        kept = {number: os.dup(number) for number in (STDOUT, STDERR)}
        one = os.path.sameopenfile(STDOUT, STDERR)
        self._restore = list(kept.items())
        for number in (STDOUT, STDERR):
            if number == STDERR and one:
                os.dup2(STDOUT, STDERR, inheritable=True)
            else:
                self._change_over(number, kept[number])
            self._streams.append(Unread(number, terminal=kept[number]))
        out, err = (
            io.TextIOWrapper(cast(BinaryIO, stream), "utf-8", "replace", line_buffering=True)
            for stream in self._streams
        )
        sys.stdout, sys.stderr = out, err
        return self

    def _change_over(self, number: int, to: int) -> None:
        reading, writing = os.pipe()
        self._pumps.append(
            subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", PUMP],
                stdin=reading,
                stdout=to,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # the terminal's Ctrl-C is not for it
            )
        )
        os.close(reading)
        # Of our end alone: the terminal's own description is shared with the shell.
        os.set_blocking(writing, False)
        os.dup2(writing, number, inheritable=True)
        os.close(writing)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Change the descriptors back; what nobody has read by then is lost."""
        if self._texts is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = self._texts
        for number, kept in self._restore:
            os.dup2(kept, number, inheritable=True)
            os.close(kept)
        for pump in self._pumps:
            try:
                pump.wait(LAST_WORDS_S)
            except subprocess.TimeoutExpired:
                pump.kill()
                pump.wait()


class Unread(io.RawIOBase):
    """A stream to a descriptor that never blocks: what does not fit is dropped, and counted."""

    def __init__(self, descriptor: int, *, terminal: int) -> None:
        """``terminal`` is what the pump writes to: it tells how wide a line may be."""
        super().__init__()
        self._descriptor = descriptor
        self._terminal = terminal
        self.dropped = 0
        """Writes of which something was dropped since the last that passed."""
        self.gone = False
        """Whether nobody reads any more."""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return not self.closed and _is_terminal(self._terminal)

    @property
    def columns(self) -> int:
        """The width of the terminal."""
        try:
            return os.get_terminal_size(self._terminal).columns
        except OSError:
            return NO_TERMINAL

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # any buffer, as bytes
        """Take all of ``data``, whatever becomes of it."""
        whole = bytes(data)
        told = f"\n({self.dropped} writes were dropped here)\n".encode() if self.dropped else b""
        if self._put(told + whole):
            self.dropped = 0
        else:
            self.dropped += 1
        return len(whole)

    def _put(self, data: bytes) -> bool:
        try:
            return os.write(self._descriptor, data) == len(data)
        except BlockingIOError:
            return False
        except OSError:
            self.gone = True
            return False


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def width() -> int:
    """Return how many columns whoever reads stderr sees."""
    stream = getattr(sys.stderr, "buffer", None)
    return stream.columns if isinstance(stream, Unread) else NO_TERMINAL


def why_unread() -> str:
    """Return why what is written to stdout or stderr is not read, "" where all is well."""
    buffers = (getattr(stream, "buffer", None) for stream in (sys.stdout, sys.stderr))
    streams = [stream for stream in buffers if isinstance(stream, Unread)]
    if any(stream.gone for stream in streams):
        return "nobody reads the output any more; the run goes on without"
    dropped = any(stream.dropped for stream in streams)
    return "the output is not being read; what does not fit is dropped" if dropped else ""
