"""The guardian's process, as the trading process sees it: started, heard, missed, let go.

Here lives the pipe that only the trading process holds the writing end of. What is said on it is
the charge at the start and one word at the end; when it closes without that word, the guardian in
``core.io.guardian`` does its work. Keys go through this pipe, never through arguments, environment
or files.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final

import msgspec
import trio

from core.errors import Unguarded
from core.io.guardian import LEFT, LOG, Charge

START_S: Final = 15.0
"""How long it may take until it watches: an interpreter and its imports take one second, and ten
on a machine that is starting everything at once."""

GOODBYE_S: Final = 3.0
"""How long it may take to end once it was told that all is well."""

RESTARTS: Final = 1
"""One accident is made good; whatever ends a guardian twice would end the next one too."""

MAX_NOTE_BYTES: Final = 65_536
"""Longest line that is heard from it; a note has some hundred bytes."""

READY: Final = "watching"
"""The note that a guardian begins with."""


class Watch(StrEnum):
    """Whether there is a guardian."""

    STARTING = "starting"
    WATCHING = "watching"
    GONE = "gone"
    """It has died twice: nothing cancels when this process dies."""


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
        """Start a guardian, hear it, and start another should it die; until cancelled.

        Raises ``Unguarded`` where the first one does not start. In the end the guardian is told
        whether its work is needed.
        """
        await self._live(task_status.started)
        for _ in range(RESTARTS):
            self._log("the guardian has died; starting another")
            with suppress(Unguarded):
                await self._live(lambda: None)
        self.state = Watch.GONE
        self._log("NO GUARDIAN any more: should this process die, its orders stay at the venue")
        await trio.sleep_forever()

    async def _live(self, started: Callable[[], None]) -> None:
        """Have one guardian until it has died. Raises ``Unguarded`` if it never watched."""
        self.state = Watch.STARTING
        self.process = process = await trio.lowlevel.open_process(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,  # the terminal's Ctrl-C is not for it
        )
        died = False
        try:
            await self._hear_out(process, started)
            died = True
        finally:
            with trio.CancelScope(shield=True):
                if died:
                    await _end(process)
                else:
                    await self._let_go(process)
        if self.state is not Watch.WATCHING:
            raise Unguarded(
                f"the guardian does not watch after {START_S:g} s, and nothing is placed without "
                f"one; {LOG} in the run folder may say why, or: {' '.join(self._command)}"
            )

    async def _hear_out(self, process: trio.Process, started: Callable[[], None]) -> None:
        """Give a guardian its charge, and hear it until it has died or does not begin to watch."""
        stdin, stdout = process.stdin, process.stdout
        if stdin is None or stdout is None:
            raise AssertionError("both are pipes")
        watching = trio.Event()

        async def hear() -> None:
            await self._hear(stdout, watching)
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear)
            with trio.move_on_after(START_S) as patience, suppress(trio.BrokenResourceError):
                await stdin.send_all(self._charge)
                await watching.wait()
                self.state = Watch.WATCHING
                started()
            if patience.cancelled_caught:
                nursery.cancel_scope.cancel()

    async def _hear(self, stdout: trio.abc.ReceiveStream, watching: trio.Event) -> None:
        """Log what a guardian notes, until it says no more."""
        heard = b""
        async for piece in stdout:
            *lines, heard = (heard + piece).split(b"\n")
            for line in lines:
                note: dict[str, Any] = msgspec.json.decode(line)
                if note["action"] == READY:
                    watching.set()
                self._log(f"guardian: {', '.join(str(note[key]) for key in note if key != 'time')}")
            if len(heard) > MAX_NOTE_BYTES:
                return

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


async def _end(process: trio.Process) -> None:
    """End a guardian that has nothing to do."""
    process.kill()  # before its pipe closes, which it would take for our death
    await process.wait()
    await _hang_up(process)


async def _hang_up(process: trio.Process) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            await stream.aclose()
