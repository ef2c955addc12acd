"""Connections: which way a cancel takes, and how one follows another."""

from __future__ import annotations

from typing import Any, Final

from core.engine.connections import Connections
from core.engine.outbound import Outbound
from core.engine.replies import Replies
from tools.world.canaries.canary import Canary, Change


def _never(self: Any, *_: Any) -> bool:
    return False


def _close_first(self: Any, connection: int, why: str) -> None:
    self.drop(self._sessions[connection].link, why, redial_now=True)


def _only_that_line(self: Any, *_: Any) -> None:
    """The connection that was refused waits by itself."""


CANARIES: Final[dict[str, Canary]] = {
    "one_way_for_cancels": Canary(
        "a cancel goes over the trade line, or not at all",
        (Change(Outbound, "_by_rest", _never),),
    ),
    "handshake_is_no_word": Canary(
        "too many requests at a handshake are too many everywhere",
        (Change(Replies, "dial_refused", _only_that_line),),
    ),
    "break_before_make": Canary(
        "a connection that will end is closed before another is made",
        (Change(Connections, "_make", _close_first),),
    ),
}
