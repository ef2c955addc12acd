"""The venue's budgets and bans."""

from __future__ import annotations

from typing import Any, Final

from core.engine.desk import TradingDesk
from core.state import meters
from core.state.throttle import Throttle
from tools.world.canaries.canary import Canary, Change
from venues.binance import verdicts


def _always(self: Any, *_: Any) -> bool:
    return True


def _leave_it(self: Any, *_: Any) -> bool:
    return True


def _sharing_all(owner: Any) -> Change:
    """Return what has one kind of meter keep nothing back for cancels."""
    resize = owner.resize

    def share_all(self: Any, limit: Any, *, shared: bool) -> None:
        resize(self, limit, shared=False)

    return Change(owner, "resize", share_all)


def _do_not_wait(self: Any, now_ns: int) -> None: ...


CANARIES: Final[dict[str, Canary]] = {
    "cancels_throttled_on": Canary(
        "a throttled cancel is followed by the next at once",
        (Change(Throttle, "hold_cancels", _do_not_wait),),
    ),
    "time_refused_again": Canary(
        "where the venue takes no time of ours nothing follows",
        (Change(verdicts, "CLOCK_CODE", ""),),
    ),
    "throttle_off": Canary(
        "requests leave whatever the venue's budgets and bans say",
        (Change(Throttle, "take", _always),),
    ),
    "cancels_share_spent": Canary(
        "anything may spend what is kept for cancels",
        (_sharing_all(meters.Window), _sharing_all(meters.Bucket)),
    ),
    "quote_frozen": Canary(
        "a quote that cannot be moved stands where it was",
        (Change(TradingDesk, "_is_in_the_way", _leave_it),),
    ),
}
