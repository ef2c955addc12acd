"""Order rules: what a reply, a refusal and a fill prove, and whose an order is."""

from __future__ import annotations

from typing import Any, Final

import core.state.orders
from core.engine.executions import Executions
from core.engine.ledger import Ledger
from core.engine.resolution import Resolution
from core.model.events import Fill, Verdict
from core.model.halts import HaltKind
from core.model.views import OrderState
from core.state.orders import Evidence, Order, Orders, quantities
from core.state.position import Position, TradeIds
from tools.world.canaries.canary import Canary, Change


def _refused(self: Any, order: Order, now_ns: int) -> None:
    self._turn.update(self._orders.on_refused(order, "timed out"))


def _every_fill_is_new(self: Any, order: Order, fills: tuple[Fill, ...]) -> tuple[Fill, ...]:
    order.trade_ids = dict.fromkeys([*order.trade_ids, *(fill.trade_id for fill in fills)])
    for fill in fills:
        order.traded_lots += fill.lots
    order.filled_lots = max(order.filled_lots, order.traded_lots)
    return fills


def _count_every_fill(self: Any, side: int, fill: Fill) -> bool:
    self.lots += side * fill.lots
    if side > 0:
        self.bought_lots += fill.lots
    else:
        self.sold_lots += fill.lots
    return True


_cancelled: Final = Resolution._cancelled


def _reject_is_done(self: Any, cancel: Any, verdict: Verdict, now_ns: int) -> None:
    order = self._orders.find(cancel.client_order_id)
    if verdict is Verdict.REFUSED and order is not None:
        self._turn.update(self._orders._add_evidence(order, Evidence.CANCELED, ""))
    else:
        _cancelled(self, cancel, verdict, now_ns)


_amend: Final = Orders.amend


def _moved_at_once(self: Any, order: Order, price_ticks: int, size_lots: int, now_ns: int) -> None:
    _amend(self, order, price_ticks, size_lots, now_ns)
    if order.amend_lots:
        before = quantities(order)
        self._stand(order, price_ticks, size_lots)
        self._conclude(order, before)


def _absent_at_once(self: Any, order: Order, asked: Any) -> None:
    if not order.proved:
        self._turn.update(self._orders.on_refused(order, "the venue knows no such order"))
        self._resolved(order.client_order_id)


def _mine(self: Any, client_order_id: str) -> bool:
    return True


def _counted_if_known(order: Order) -> tuple[int, int, int]:
    filled_lots = order.filled_lots
    open_lots = 0 if order.state is OrderState.UNKNOWN else order.open_lots
    return filled_lots, open_lots, open_lots + filled_lots - order.traded_lots


def _no_contradiction(order: Order, report: Any) -> str:
    return ""


def _forget_it(self: Any, asset: str, atoms: int, venue_ns: int) -> None:
    """What is paid in or out is nobody's."""


def _anybodys(self: Any, client_order_id: str) -> bool:
    return True


def _known_below(self: Any, after_ns: int) -> None:
    if self._ranks:
        self._floor = self._ranks[-1]


def _as_ever(self: Any, *_: Any) -> None:
    """Numbers are given once."""


def _counted_by_nobody(self: Any, trade: Any) -> None:
    why = "a trade is off today's grid: no position counts it"
    self._turn.halt_instrument(trade.instrument, why, HaltKind.RECORD)


CANARIES: Final[dict[str, Canary]] = {
    "off_grid_is_ours": Canary(
        "a trade off today's grid is ours, whoever made it",
        (Change(Executions, "on_off_grid", _counted_by_nobody),),
    ),
    "trade_ids_for_ever": Canary(
        "a trade whose number is no higher than those known is known, whenever it was made",
        (Change(TradeIds, "begin_anew", _known_below),),
    ),
    "reset_unnoticed": Canary(
        "numbers that begin anew are nothing to be looked at",
        (Change(Executions, "_begun_anew", _as_ever),),
    ),
    "payment_forgotten": Canary(
        "what is paid in is not counted in what the account should hold",
        (Change(Ledger, "paid", _forget_it),),
    ),
    "others_are_ours": Canary(
        "what others trade on the account is taken for ours",
        (Change(Orders, "is_ours", _anybodys),),
    ),
    "timeout_is_rejection": Canary(
        "a reply that is overdue or lost means that the order was rejected",
        (Change(Resolution, "_in_doubt", _refused),),
    ),
    "fills_not_deduplicated": Canary(
        "every message about a fill is a fill",
        (
            Change(Orders, "_new_fills", _every_fill_is_new),
            Change(Position, "on_fill", _count_every_fill),
        ),
    ),
    "cancel_reject_is_done": Canary(
        "an order whose cancel is refused is gone",
        (Change(Resolution, "_cancelled", _reject_is_done),),
    ),
    "amended_at_once": Canary(
        "an order stands where an amend asks for it to stand, once that has left",
        (Change(Orders, "amend", _moved_at_once),),
    ),
    "contradiction_folded": Canary(
        "a report is of the order that it names, whatever else it tells",
        (Change(core.state.orders, "_contradicts", _no_contradiction),),
    ),
    "absent_at_once": Canary(
        "one answer that there is no such order proves it, whenever it comes",
        (Change(Resolution, "_not_found", _absent_at_once),),
    ),
    "strangers_cancelled": Canary(
        "every order on the account is ours",
        (Change(Orders, "is_ours", _mine),),
    ),
    "unknown_frees_exposure": Canary(
        "an order in doubt keeps no exposure",
        (Change(core.state.orders, "quantities", _counted_if_known),),
    ),
}
