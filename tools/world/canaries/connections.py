"""Connections: which way a cancel takes, and how one follows another."""

from __future__ import annotations

from typing import Any, Final

from core.engine.lines import Lines
from core.engine.outbound import Outbound
from tools.world.canaries.canary import Canary, Change


def _never(self: Any, *_: Any) -> bool:
    return False


def _close_first(self: Any, line: int, why: str) -> None:
    self.drop(self._sessions[line].link, why, redial_now=True)


CANARIES: Final[dict[str, Canary]] = {
    "one_way_for_cancels": Canary(
        "a cancel goes over the trade line, or not at all",
        (Change(Outbound, "_by_rest", _never),),
    ),
    "break_before_make": Canary(
        "a connection that will end is closed before another is made",
        (Change(Lines, "_make", _close_first),),
    ),
}
