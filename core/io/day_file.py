"""The day's losses of one account scope, whatever run folder they were made in.

Here lives a small file under the user's state folder: what the runs in each folder have made today,
whether that has halted them, and in which folders a run has begun that has not left in order. It
is read before a start, which counts it, and written beside the loop while a run goes on. A day that
is over is forgotten. What the figures mean is known in ``core.engine.pnl``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import trio
from msgspec import Struct

from core.engine.checkpoint import Elsewhere, Losses
from core.io.disk import DISK
from core.model.units import NS_PER_S
from core.state.daily_loss import DAY_NS

MAX_BYTES: Final = 1 << 20
"""Longest file that is read: some thousand folders on one day."""

LOOK_S: Final = 1.0
"""Between two looks whether the run was halted."""

EVERY_S: Final = 5.0
"""Between two writes of what is made meanwhile."""

MAX_OPEN: Final = 100
"""Folders noted whose last run has not left: the newest; a person has that many in no time."""

DIED_S: Final = 600.0
"""A run that died longer ago is in no doubt: what it sent has expired, and lists, which lag by a
minute, show what it has left."""

Beside = Callable[..., Awaitable[None]]

OLD_S: Final = 3 * DAY_NS // NS_PER_S
"""Files of scopes that nobody has traded for so long are removed: nothing of them counts."""


class _Content(Struct, frozen=True, kw_only=True):
    version: int
    books: list[Elsewhere]
    open: list[str] = []
    """Run folders whose last run has not left with the venue's proof."""


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return where the user's state is kept (XDG Base Directory Specification 0.8)."""
    state = environment.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):
        state = os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".local", "state")
    return Path(state) / "hotloop"


class DayFile:
    """The file of one scope. One process at a time has it: who holds the scope's lock."""

    def __init__(self, folder: Path, scope: str) -> None:
        self.path = folder / f"day-{scope}.json"
        self._books: list[Elsewhere] = []
        self._open: list[str] = []
        self._own = ""
        self._written: Elsewhere | None = None
        self._due_s = 0.0

    def open(self, folder: str = "", *, journaled: bool = True, now_s: float = 0.0) -> Losses:
        """Read what there is, and see that it can be written.

        ``folder`` is the run's own, ``journaled`` whether its journal tells of the run before in
        it, ``now_s`` the time since the epoch. What is wrong is told in ``Losses.unknown``: then
        nothing is placed until a person has looked.
        """
        try:
            self._books, self._open = self._read()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Losses(
                unknown=f"what was lost today in other run folders is not known: {self.path}: "
                f"{_words(error)}. Look at it, remove it if nothing else was traded today, then "
                "resume (hotloop ctl resume)"
            )
        died = tuple(one for one in self._open if one != folder or not journaled)
        if died and now_s - self.path.stat().st_mtime > DIED_S:
            died = ()
        try:
            self._put(self._books)
        except OSError as error:
            return Losses(
                books=self._books,
                died=died,
                unknown=f"what is lost here would not be known in other run folders: {self.path} "
                f"cannot be written: {_words(error)}. Set XDG_STATE_HOME to a folder that can, or "
                "resume (hotloop ctl resume)",
            )
        return Losses(books=self._books, died=died)

    def begin(self, folder: str) -> None:
        """Note that a run begins in a folder, which may send orders. Raises ``OSError``."""
        self._own = folder
        self._open = [*(one for one in self._open if one != folder), folder][-MAX_OPEN:]
        self._put(self._books)

    def left(self, *, proved: bool) -> None:
        """Note that the run has left, and whether with the proof that nothing of the scope is left.

        One that sent nothing, and proved nothing, leaves the word about others. Raises ``OSError``.
        """
        self._open = [] if proved else [one for one in self._open if one != self._own]
        self._put(self._books)

    def write(self, own: Elsewhere) -> None:
        """Write what was made here, beside what others have made today. Raises ``OSError``."""
        if own == self._written:
            with suppress(FileNotFoundError):  # removed meanwhile: it is written anew
                os.utime(self.path)  # by which the next start knows until when this run lived
                return
        others = [b for b in self._books if b.book_id != own.book_id and b.day >= own.day]
        self._books = [*others, own]
        self._put(self._books)
        self._written = own

    def _read(self) -> tuple[list[Elsewhere], list[str]]:
        try:
            # Without O_NONBLOCK opening a pipe would wait for its writer, for ever.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return [], []
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError("it has to be a regular file")
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise OSError(f"more than {MAX_BYTES} bytes are too many")
        content = msgspec.json.decode(data, type=_Content)
        if content.version != 1:
            raise OSError(f"it is of version {content.version}, and this hotloop knows 1")
        return content.books, content.open

    def _put(self, books: list[Elsewhere]) -> None:
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.unlink(missing_ok=True)  # whatever it is: nothing is written through a link or a pipe
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(
                msgspec.json.encode(_Content(version=1, books=books, open=self._open)) + b"\n"
            )
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        DISK.sync(folder)

    def sweep(self, now_s: float) -> None:
        """Remove the files of scopes that nobody has traded for days; what cannot be is left."""
        for path in self.path.parent.glob("day-*.json"):
            with suppress(OSError):
                if now_s - path.stat().st_mtime > OLD_S:
                    path.unlink()

    # -- beside a run --------------------------------------------------------------------------

    def keeper(self, own: Callable[[], Elsewhere], log: Callable[[str], None]) -> Beside:
        """Return the task that writes what is made here: a halt within a second, else every few."""

        async def keep(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            task_status.started()
            said = ""
            while True:
                await trio.sleep(LOOK_S)
                now = own()
                if not self.is_due(now, trio.current_time()):
                    continue
                try:
                    # A disk may be slow: the loop has no part in it.
                    await trio.to_thread.run_sync(self.write, now)
                    said = ""
                except OSError as error:
                    if str(error) != said:
                        said = str(error)
                        log(f"what was lost today is not noted for other run folders: {error}")

        return keep

    def is_due(self, own: Elsewhere, now_s: float) -> bool:
        """Return whether to write this now: a halt at once, all else every few seconds."""
        halted = "" if self._written is None else self._written.halted
        if not own.day or (own.halted == halted and now_s < self._due_s):
            return False
        self._due_s = now_s + EVERY_S
        return True


def _words(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
