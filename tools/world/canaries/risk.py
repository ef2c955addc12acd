"""Our own limits, and what a halt stops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import structs

from core.engine.desk import TradingDesk
from core.engine.flatten import Flattening, State
from core.engine.ledger import Ledger
from core.model.views import Refusal, RefusalReason
from core.state.daily_loss import Begun, DayResult
from core.state.orders import Exposure
from core.state.position import Position
from core.state.risk import MAX_ORDERS_PER_S, MAX_REJECTS, Risk, RiskLimits
from tools.world.canaries.canary import Canary, Change

NEVER: Final = 10**18
"""No limit."""


def _nothing(self: Any, *_: Any, **__: Any) -> None: ...


def _refuse_all(self: Any, *_: Any) -> Refusal:
    return Refusal(RefusalReason.HALTED, "for no reason at all")


_add: Final = Risk.add


def _without(**limits: int) -> Change:
    """Return what has limits of a run stated as if there were none."""

    def add(self: Risk, instrument: int, stated: RiskLimits) -> None:
        _add(self, instrument, structs.replace(stated, **limits))

    return Change(Risk, "add", add)


def _no_price(self: Any) -> int:
    return 0


def _agree(self: Any, *_: Any) -> list[Any]:
    return []


def _no_way_out(self: Any, *asked: Any) -> Any:
    return self.approve_place(*asked)


def _give_up(self: Any, *_: Any) -> str:
    """Say that all is done before anything is."""
    self.wanted, self.verdict = False, "flat"
    for leg in self.legs:
        leg.state = State.FLAT
    return "flat"


_pnl: Final = Position.pnl


def _wrong_way(self: Position, mark_ticks: int) -> int:
    return -_pnl(self, mark_ticks)


def _forget_the_day(self: DayResult, begun: Begun, fees: Mapping[str, int]) -> None:
    self.day = begun.day
    self.forget_base(fees)


def _no_midnight(self: DayResult, day: int) -> bool:
    self.day = day
    return False


def _no_fees(self: DayResult) -> dict[str, int]:
    return {}


CANARIES: Final[dict[str, Canary]] = {
    "nothing_placed": Canary(
        "risk refuses everything",
        (
            Change(Risk, "approve_place", _refuse_all),
            Change(Risk, "approve_replace", _refuse_all),
        ),
    ),
    "order_after_halt": Canary(
        "a halt stops nothing",
        (Change(Risk, "halt", _nothing), Change(Risk, "halt_instrument", _nothing)),
    ),
    "halt_cancels_nothing": Canary(
        "what stands on what is halted stays", (Change(TradingDesk, "force_cancel", _nothing),)
    ),
    "collar_off": Canary("any price will do", (_without(collar_bps=NEVER),)),
    "self_match_off": Canary(
        "an order may meet our own",
        (
            Change(Exposure, "lowest_sell_ticks", _no_price),
            Change(Exposure, "highest_buy_ticks", _no_price),
        ),
    ),
    "book_age_off": Canary("a book is never too old", (_without(max_book_age_ns=NEVER),)),
    "open_orders_off": Canary("any number of orders may stand", (_without(max_open_orders=NEVER),)),
    "own_rate_off": Canary(
        "any number of orders may leave", (_without(max_orders_per_s=MAX_ORDERS_PER_S),)
    ),
    "daily_loss_off": Canary("any loss will do", (_without(max_daily_loss=NEVER),)),
    "day_forgotten": Canary(
        "a restart begins the day anew", (Change(DayResult, "restore", _forget_the_day),)
    ),
    "midnight_missed": Canary(
        "no midnight begins a day", (Change(DayResult, "turn", _no_midnight),)
    ),
    "late_fills_are_todays": Canary(
        "a fill of before midnight that is told after it is today's",
        (Change(DayResult, "count_before", _nothing),),
    ),
    "other_fees_ignored": Canary(
        "fees in other assets cost nothing", (Change(DayResult, "fees_today", _no_fees),)
    ),
    "breaker_off": Canary("any number of rejects will do", (_without(max_rejects=MAX_REJECTS),)),
    "halt_refuses_flatten": Canary(
        "a halt refuses the operator's way out, too",
        (Change(Risk, "approve_way_out", _no_way_out),),
    ),
    "flat_too_early": Canary(
        "what was begun is told as done", (Change(Flattening, "step", _give_up),)
    ),
    "profit_wrong_way": Canary(
        "a loss is told as a profit", (Change(Position, "pnl", _wrong_way),)
    ),
    "ledgers_agree": Canary(
        "balances are never held against our fills", (Change(Ledger, "compare", _agree),)
    ),
}
