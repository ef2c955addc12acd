"""A client's day in steps: what each said, and whether it was right.

Runs in a client's own environment, where hotloop is not installed; it needs the standard library
alone. Every step is one line of JSON on standard output, for ``tools.peer_clients`` to read.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

SYMBOL = "BTCUSDT"
SIZE = "0.01"
STEP_SECONDS = 20
"""Any single step of a client takes milliseconds on the loopback; some back off for seconds."""

Seen = Callable[..., None]


class Day:
    """Runs steps, prints a line for each, remembers whether all succeeded."""

    def __init__(self) -> None:
        self.where: dict[str, Any] = json.loads(sys.argv[1])
        self._failed = False

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Seen]:
        """Give ``seen(value, *conditions)``; a false condition, or an error, fails the step."""
        heard: list[tuple[object, bool]] = []
        try:
            yield lambda value, *conditions: heard.append((value, all(conditions)))
        except Exception as error:  # noqa: BLE001 - whatever a client raises, the day goes on
            heard.append((f"{type(error).__name__}: {error}", False))
        value, succeeded = heard[-1] if heard else ("said nothing", False)
        self._say(name, succeeded, value)

    @contextlib.contextmanager
    def refusal(self, name: str, words: object) -> Iterator[None]:
        """Hold that what happens inside is refused with these words (a code) of the venue."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - each client has errors of its own
            text = f"{type(error).__name__}: {error}"
            self._say(name, str(words) in f"{text} {vars(error)}", text)
        else:
            self._say(name, False, "accepted")

    def end(self) -> None:
        """Exit with 1 when a step failed."""
        sys.stdout.flush()
        sys.exit(1 if self._failed else 0)

    def _say(self, name: str, succeeded: bool, value: object) -> None:
        self._failed |= not succeeded
        print(json.dumps([name, succeeded, str(value)]), flush=True)


def below(best: object) -> str:
    """Return a price a tenth below the best, where nothing trades, as the venue writes it."""
    return f"{float(str(best)) * 0.9:.2f}"


def above(best: object) -> str:
    """Return a price a tenth above the best, where nothing trades."""
    return f"{float(str(best)) * 1.1:.2f}"
