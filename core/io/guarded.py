"""The guardian's process, as the trading process sees it: started, heard, missed, let go.

Here lives the pipe that only the trading process holds the writing end of. What is said on it is
the charge at the start, a beat as long as the loop turns, the signals that we get, and one word at
the end; when it is silent or closes without that word, the guardian in ``core.io.guardian`` does
its work. Keys go through this pipe, never through arguments, environment or files.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Any, Final, cast

import msgspec
import trio

from core.io.guardian import BEAT, BEAT_S, LEFT, LOG, Charge
from core.model.errors import Unguarded

START_S: Final = 15.0
"""How long it may take until it watches: an interpreter and its imports take one second, and ten
on a machine that is starting everything at once."""

GOODBYE_S: Final = 3.0
"""How long it may take to end once it was told that all is well."""

SILENT_S: Final = 3.0
"""A guardian that has said nothing for so long is stopped or hangs: it speaks every half second."""

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0
"""Before another guardian is started: at once where the last has watched for as long as the longest
wait, else twice as long each time, since what ended it will end the next one too."""

MAX_NOTE_BYTES: Final = 65_536
"""Longest line that is heard from it; a note has some hundred bytes."""

READY: Final = "watching"
"""The note that a guardian begins with."""


class Watch(StrEnum):
    """Whether there is a guardian."""

    STARTING = "starting"
    WATCHING = "watching"
    GONE = "gone"
    """It could not be replaced yet: nothing cancels when this process dies."""


class Guarded:
    """Keeps a guardian beside this process."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        charge: Charge,
        *,
        left: Callable[[], bool],
        log: Callable[[str], None],
    ) -> None:
        """``left`` tells whether the venue has proved that none of our orders is alive."""
        self._command = command
        self._environment = environment
        self._charge = msgspec.json.encode(charge) + b"\n"
        self._left = left
        self._log = log
        self.state = Watch.STARTING
        self.process: trio.Process | None = None
        """The latest guardian's."""

    async def keep(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start a guardian, hear it, and start another should it die or stop; until cancelled.

        Raises ``Unguarded`` where the first one does not start. In the end the guardian is told
        whether its work is needed.
        """
        began = trio.current_time()
        what = await self._live(task_status.started)
        wait_s = 0.0
        while True:
            if trio.current_time() - began > LONGEST_WAIT_S:
                wait_s = 0.0
            if wait_s:
                self.state = Watch.GONE
                self._log(
                    f"the guardian {what}; NO GUARDIAN for {wait_s:g} s: should this process die "
                    "meanwhile, its orders stay at the venue"
                )
                await trio.sleep(wait_s)
            else:
                self._log(f"the guardian {what}; starting another")
            wait_s = min(max(FIRST_WAIT_S, 2 * wait_s), LONGEST_WAIT_S)
            began = trio.current_time()
            try:
                what = await self._live(lambda: None)
            except Unguarded:
                what = "did not begin to watch"

    async def _live(self, started: Callable[[], None]) -> str:
        """Have one guardian until it is of no use, and return why it is not.

        Raises ``Unguarded`` if it never watched.
        """
        self.state = Watch.STARTING
        self.process = process = await trio.lowlevel.open_process(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,  # the terminal's Ctrl-C is not for it
        )
        over = ""
        try:
            over = await self._hear_out(process, started)
        finally:
            with trio.CancelScope(shield=True):
                if over:
                    await _end(process)
                else:
                    await self._let_go(process)
        if self.state is not Watch.WATCHING:
            raise Unguarded(
                f"the guardian does not watch after {START_S:g} s, and nothing is placed without "
                f"one; {LOG} in the run folder may say why, or: {' '.join(self._command)}"
            )
        return over

    async def _hear_out(self, process: trio.Process, started: Callable[[], None]) -> str:
        """Give a guardian its charge, and hear it as long as it speaks; return why no longer."""
        stdin, stdout = process.stdin, process.stdout
        if stdin is None or stdout is None:
            raise AssertionError("both are pipes")
        watching = trio.Event()
        over = "did not begin to watch"

        async def hear() -> None:
            nonlocal over
            over = await self._hear(stdout, watching)
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear)
            with suppress(trio.BrokenResourceError):
                with trio.move_on_after(START_S) as patience:
                    await stdin.send_all(self._charge)
                    await watching.wait()
                if patience.cancelled_caught:
                    nursery.cancel_scope.cancel()
                else:
                    self.state = Watch.WATCHING
                    started()
                    await _beat(stdin)
        return over

    async def _hear(self, stdout: trio.abc.ReceiveStream, watching: trio.Event) -> str:
        """Log what a guardian notes as long as it speaks; return why no longer."""
        heard = b""
        while True:
            with trio.move_on_after(SILENT_S if watching.is_set() else START_S):
                piece = await stdout.receive_some()
                if not piece:
                    return "has died"
                *lines, heard = (heard + piece).split(b"\n")
                self._note(lines, watching)
                if len(heard) > MAX_NOTE_BYTES:
                    return "talks nonsense"
                continue
            return f"has been silent for {SILENT_S:g} s, so it is stopped or hangs"

    def _note(self, lines: Sequence[bytes], watching: trio.Event) -> None:
        """Log notes; an empty line only says that the guardian lives."""
        for line in filter(None, lines):
            note: dict[str, Any] = msgspec.json.decode(line)
            if note["action"] == READY:
                watching.set()
            self._log(f"guardian: {', '.join(str(note[key]) for key in note if key != 'time')}")

    async def _let_go(self, process: trio.Process) -> None:
        """Tell a guardian how the run has ended; where that is well, wait for it to end too."""
        if not self._left():
            await _hang_up(process)
            self._log(f"the guardian goes on until our orders are gone; see {LOG}")
            return
        if process.stdin is not None:
            with suppress(trio.BrokenResourceError):
                await process.stdin.send_all(LEFT)
        with trio.move_on_after(GOODBYE_S):
            await process.wait()
        await _end(process)


async def _beat(pipe: trio.abc.SendStream) -> None:
    """Say that the loop turns, for as long as it does."""
    with _signals_told_on(pipe):
        while True:
            await pipe.send_all(BEAT)
            await trio.sleep(BEAT_S)


@contextmanager
def _signals_told_on(pipe: trio.abc.SendStream) -> Iterator[None]:
    """Have the number of each signal that this process gets written into a pipe, as one byte.

    Python's own signal handler does that in C, so that it is done, too, by a process that hangs in
    code that holds the interpreter. Trio wakes without it: its queue has a wakeup of its own.
    """
    descriptor = cast(trio.lowlevel.FdStream, pipe).fileno()
    before = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)


async def _end(process: trio.Process) -> None:
    """End a guardian that has nothing to do."""
    process.kill()  # before its pipe closes, which it would take for our death
    await process.wait()
    await _hang_up(process)


async def _hang_up(process: trio.Process) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            await stream.aclose()
