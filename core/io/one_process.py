"""The trading process is one: no child goes on as it does, and it never ends as if all was well.

Here lives what a strategy could do to the process it runs in. A forked child has copies of its
connections, of its locks and of the journal's memory, and would go on trading beside it where it
returns into a callback: the copies are closed as it begins, and it is ended as soon as it comes
back to us. ``os._exit`` leaves nothing in order, whatever number it is given: the process ends with
the code that says so. What goes past Python (``os.exec*``, a C library) is heard by the guardian
alone.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, NoReturn, Self

NOT_PROVED: Final = 4
"""What a process ends with that has proved nothing: see ``docs/exit-codes.md``."""

CHILD_ENDED: Final = 70
"""What a forked child ends with that came back to us (sysexits.h: internal software error)."""

_exit: Final = os._exit


def end_child() -> NoReturn:
    """End a forked child that goes on as its parent does, and say so."""
    _say("a child that a strategy has forked came back from the callback: it is ended")
    _exit(CHILD_ENDED)


def _say(text: str) -> None:
    print(f"hotloop: {text}", file=sys.stderr, flush=True)


class OneProcess:
    """Held from before a strategy is loaded until its run is over."""

    def __init__(self) -> None:
        self._pid = 0
        self._in_child: list[Callable[[], object]] = []
        self.last_words: Callable[[str], object] = _unheard
        """Where beside the terminal it is said how this process ends."""

    def __enter__(self) -> Self:
        self._pid = os.getpid()
        os.register_at_fork(after_in_child=self._forked)
        os._exit = self._on_exit
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pid = 0
        self._in_child.clear()
        os._exit = _exit

    def in_child(self, call: Callable[[], object]) -> None:
        """Have this called in each forked child, before anything else of it runs."""
        self._in_child.append(call)

    def _forked(self) -> None:
        """Keep nothing of ours in this child; signals mean to it what they always do."""
        if not self._pid:
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        for call in self._in_child:
            call()

    def _on_exit(self, status: int, *_: Any) -> NoReturn:
        if os.getpid() == self._pid and status != NOT_PROVED:
            why = f"os._exit({status}) was called while the run lived, so nothing is proved"
            self.last_words(why)
            _say(f"{why}; the guardian cancels: LOOK AT THE VENUE")
            status = NOT_PROVED
        _exit(status)


def _unheard(text: str) -> None: ...
