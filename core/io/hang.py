"""A loop that hangs: who notices, where it hangs, and how the process ends all the same.

The hot loop, trio and every callback share one thread. While a callback does not return nothing
else of this process runs, but for what Python does between two of its instructions: that is where
a signal is heard, and where this module looks whether the loop has turned since. Code that holds
the interpreter (a regular expression, a huge number) hears not even that: for it there is the
guardian, which misses the heartbeat, requests the stack, and ends the process if it was told to
end. The stack is written by ``faulthandler``, which works whatever the interpreter is at.
"""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, Self

import trio

from core.model.errors import BadConfig

STACKS: Final = "stacks.log"
"""Name of the file in the run folder that shows where a run has hung."""

ASK: Final = signal.SIGUSR1
"""The signal that has a process write its stack into that file."""

LEAVE: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that a run is left by: the last one tells that its terminal or its ssh has gone."""

MAX_STACK_BYTES: Final = 65_536
"""So much of the file's end is read; a stack of a hundred frames has 10 kB."""

MOST_BYTES: Final = 1 << 20
"""Beyond it the file is begun anew before the next stack is requested: a hundred of the largest."""

_FRAME: Final = re.compile(r'File "([^"]*)", line (\d+|\?\?\?) in (.*)')
_CALLBACKS: Final = "core/engine/callbacks.py"
"""What called the strategy: the frame before it, which is nearer to the end, is the callback."""


class Stacks:
    """The file into which this process writes its stack when ``ASK`` requests it."""

    def __init__(self, path: Path) -> None:
        """Begin the file anew. Raises ``BadConfig`` where it cannot be written."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            self._file = os.open(path, flags, 0o600)
            if not stat.S_ISREG(os.fstat(self._file).st_mode):
                raise BadConfig(f"{path}: has to be a regular file")
            os.ftruncate(self._file, 0)
        except OSError as error:
            raise BadConfig(f"{path}: cannot be written: {error.strerror}") from error
        self._path = path

    def __enter__(self) -> Self:
        faulthandler.register(ASK, self._file, all_threads=True, chain=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        faulthandler.unregister(ASK)
        signal.signal(ASK, signal.SIG_IGN)  # one that comes late must not end us
        os.close(self._file)

    def write(self) -> str:
        """Write the stack as it is now; return where it hangs."""
        faulthandler.dump_traceback(self._file, all_threads=False)
        return hung_in(read_stack(self._path))


def read_stack(path: Path) -> str:
    """Return the end of a file of stacks, "" where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MAX_STACK_BYTES))
            return file.read(MAX_STACK_BYTES).decode(errors="replace")
    except OSError:
        return ""


def bound_stacks(path: Path) -> None:
    """Begin a file of stacks anew where it has grown too long: a loop may hang again and again."""
    with suppress(OSError):
        if path.stat().st_size > MOST_BYTES:
            os.truncate(path, 0)


def hung_in(stacks: str) -> str:
    """Return which callback the latest stack is in, and where; "" where it shows nothing.

    The strategy's own line is the one that counts, not what it has called.
    """
    _, _, latest = stacks.rpartition("(most recent call first):")
    frames = _FRAME.findall(latest)
    if not frames:
        return ""
    inner = [i for i, (file, _, _) in enumerate(frames) if file.endswith(_CALLBACKS)]
    if inner and inner[0] > 0:
        file, line, name = frames[inner[0] - 1]
        return f"{name} ({file.rpartition('/')[2]}, line {line})"
    file, line, name = frames[0]
    return f"no callback, in {name} ({file.rpartition('/')[2]}, line {line})"


class Signals:
    """``LEAVE``, heard also while the loop does not turn, from ``__enter__`` to ``__exit__``.

    While it turns, a signal requests that the run be left. From then on the loop has to turn once
    in every ``patience_s``; when it does not, ``hung`` is called, which ends the process. Wants the
    main thread, and trio running.
    """

    def __init__(
        self,
        *,
        patience_s: float,
        turned: Callable[[], int],
        stop: Callable[[str], None],
        hung: Callable[[str], Any],
    ) -> None:
        """``turned`` returns a number that changes with each turn; ``stop`` and ``hung`` get the
        signal's name.
        """
        self._patience_s = patience_s
        self._turned = turned
        self._stop = stop
        self._hung = hung
        self._told = ""
        self._seen = 0
        self._before: dict[int, Any] = {}
        self._token: trio.lowlevel.TrioToken | None = None

    def __enter__(self) -> Self:
        self._token = trio.lowlevel.current_trio_token()
        for number in LEAVE:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: it is to outlive its terminal
            self._before[number] = signal.signal(number, self._on_signal)
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._on_alarm)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, before in self._before.items():
            signal.signal(number, before)

    def restore(self) -> list[str]:
        """Have the signals again that somebody else has taken; return their names."""
        taken = []
        for number in self._before:
            ours = self._on_alarm if number == signal.SIGALRM else self._on_signal
            if signal.getsignal(number) != ours:
                signal.signal(number, ours)
                taken.append(signal.Signals(number).name)
        return taken

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self._token is not None:
            self._token.run_sync_soon(self._stop, name)
        if not self._told:
            self._told = name
            self._seen = self._turned()
            signal.setitimer(signal.ITIMER_REAL, self._patience_s, self._patience_s)

    def _on_alarm(self, _: int, __: FrameType | None) -> None:
        if not self._told:
            return  # a strategy's own timer
        turned = self._turned()
        if turned == self._seen:
            self._hung(self._told)
        self._seen = turned
