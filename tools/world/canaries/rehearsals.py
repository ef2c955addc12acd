"""Rehearsals: nothing of one leaves, and nothing of the run is other after it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final

from core.engine.engine import Engine
from core.engine.understudy import Understudy
from tools.world.canaries.canary import Canary, Change

_prepare: Final = Understudy.prepare


def _sharing(share: Callable[[Understudy, Engine], None]) -> Callable[..., Any]:
    """Return a preparation after which the understudy and the run have something in common."""

    def prepare(self: Understudy, run: Engine, now_ns: int) -> Generator[None, None, str]:
        why = yield from _prepare(self, run, now_ns)
        share(self, run)
        return why

    return prepare


def _budget(understudy: Understudy, run: Engine) -> None:
    understudy.engine.outbound._take = run.throttle.take


def _ids(understudy: Understudy, run: Engine) -> None:
    understudy.engine.orders.next_id = run.orders.next_id  # type: ignore[method-assign]


def _way_out(understudy: Understudy, run: Engine) -> None:
    understudy.port.send = run._port.send  # type: ignore[method-assign]


CANARIES: Final[dict[str, Canary]] = {
    "rehearsal_spends_budget": Canary(
        "a rehearsal takes from the budgets of the run",
        (Change(Understudy, "prepare", _sharing(_budget)),),
    ),
    "rehearsal_takes_ids": Canary(
        "a rehearsal takes the run's client order ids",
        (Change(Understudy, "prepare", _sharing(_ids)),),
    ),
    "rehearsal_is_sent": Canary(
        "what is rehearsed leaves",
        (Change(Understudy, "prepare", _sharing(_way_out)),),
    ),
}
