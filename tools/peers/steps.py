"""A client's day in steps: what each said, and whether it was right.

Runs in a client's own environment, where hotloop is not installed; it needs the standard library
alone. Every step is one line of JSON on standard output, for ``tools.peer_clients`` to read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

SYMBOL = "BTCUSDT"
SIZE = "0.01"
STEP_SECONDS = 20
"""Any single step of a client takes milliseconds on the loopback; some back off for seconds."""


class Step:
    """One step: it succeeds when it was ``seen`` last with conditions that all hold.

    An error that leaves it is what was seen, and no success: each client has kinds of its own, and
    the day goes on.
    """

    def __init__(self, day: Day, name: str) -> None:
        self._day = day
        self._name = name
        self._seen: tuple[object, bool] = ("said nothing", False)

    def __enter__(self) -> Callable[..., None]:
        return self._see

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if error is not None:
            self._seen = (words(error), False)
        self._day.say(self._name, *self._seen)
        return error is None or isinstance(error, Exception)

    def _see(self, value: object, *conditions: object) -> None:
        self._seen = (value, all(conditions))


class Refusal:
    """A step that has to end with an error which says these words: a code of the venue."""

    def __init__(self, day: Day, name: str, expected: object) -> None:
        self._day = day
        self._name = name
        self._expected = str(expected)

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if error is None:
            self._day.say(self._name, "accepted", False)
            return True
        known = f"{words(error)} {getattr(error, '__dict__', '')}"
        self._day.say(self._name, words(error), self._expected in known)
        return isinstance(error, Exception)


class Day:
    """Runs steps, prints a line for each, remembers whether all succeeded."""

    def __init__(self) -> None:
        self.where: dict[str, Any] = json.loads(sys.argv[1])
        self._failed = False

    def step(self, name: str) -> Step:
        """Return a step; ``with`` it gives ``seen(value, *conditions)``."""
        return Step(self, name)

    def refusal(self, name: str, expected: object) -> Refusal:
        """Return a step that has to be refused with these words."""
        return Refusal(self, name, expected)

    def end(self) -> None:
        """Exit with 1 when a step failed."""
        sys.exit(1 if self._failed else 0)

    def say(self, name: str, value: object, succeeded: bool) -> None:
        """Print what a step saw."""
        self._failed |= not succeeded
        print(json.dumps([name, bool(succeeded), str(value)]), flush=True)


def words(error: BaseException) -> str:
    """Return an error's kind and message."""
    return f"{type(error).__name__}: {error}"


def below(best: object) -> str:
    """Return a price a tenth below the best, where nothing trades, as the venue writes it."""
    return f"{float(str(best)) * 0.9:.2f}"


def above(best: object) -> str:
    """Return a price a tenth above the best, where nothing trades."""
    return f"{float(str(best)) * 1.1:.2f}"
