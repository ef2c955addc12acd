"""An order's record and the forms in which the venue shows it.

Responses carry time in the caller's unit (``unit_ns``: nanoseconds per unit); reports carry
nanoseconds and are scaled where they leave (``in_unit``), since each subscriber chooses its own.
"""

import copy
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from venues.sim.durations import SECOND_NS
from venues.sim.fixed import show
from venues.sim.matching import BUY, Resting, SelfTrade
from venues.sim.tape import Trade

NO_LIST: Final = -1
NOT_WORKING: Final = -1
# An order of a list that is not placed before another one is filled.
PENDING: Final = "PENDING_NEW"
# Trade groups do not exist here.
NO_GROUP: Final = -1
ZERO: Final = show(0)
# How far back what an order was is kept: as far as a replica may be behind.
REPLICA_NS: Final = 60 * SECOND_NS


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A request to place an order, checked for form but not yet against the book or balances."""

    side: bool
    kind: str
    time_in_force: str
    price: int
    quantity: int
    quote_quantity: int
    client_id: str | None
    response: str
    self_trade: SelfTrade
    strategy_id: int | None
    strategy_type: int | None
    stop_price: int = 0
    trailing_delta: int | None = None
    iceberg: int = 0


class Order(Resting):
    """An order of an account, from acceptance on."""

    __slots__ = (
        "amends", "client_id", "created_ns", "executed", "expiry_reason", "extreme", "iceberg",
        "kind", "list_id", "lock_price", "locked", "names", "past", "prevented", "prevented_id",
        "quantity", "quote_executed", "quote_quantity",
        "self_trade", "status", "stop_price", "strategy_id", "strategy_type", "symbol",
        "time_in_force", "trailing_delta", "trailing_ns", "updated_ns", "used_sor", "working_ns",
    )  # fmt: skip

    def __init__(
        self, request: NewOrder, symbol: str, order_id: int, owner: int, client_id: str, now_ns: int
    ) -> None:
        super().__init__(order_id, owner, request.side, request.price, request.quantity)
        self.symbol = symbol
        self.client_id = client_id
        # Every client order id this order ever had; it can be asked for by each of them.
        self.names = [client_id]
        self.kind = request.kind
        self.time_in_force = request.time_in_force
        self.quantity = request.quantity
        self.quote_quantity = request.quote_quantity
        self.self_trade = request.self_trade
        self.strategy_id = request.strategy_id
        self.strategy_type = request.strategy_type
        self.status = "NEW"
        self.executed = 0
        self.quote_executed = 0
        self.prevented = 0
        self.prevented_id: int | None = None
        self.expiry_reason: str | None = None
        self.used_sor = False
        self.locked = 0
        # What a unit of a buy order locks; None where its whole cost is known and locked.
        self.lock_price: int | None = request.price or None
        self.list_id = NO_LIST
        self.stop_price = request.stop_price
        self.trailing_delta = request.trailing_delta
        # Since when a trailing order follows the price, and the best price it has seen since.
        self.trailing_ns: int | None = None
        self.extreme = 0
        self.iceberg = request.iceberg
        self.amends: list[Amendment] = []
        self.created_ns = self.updated_ns = now_ns
        self.working_ns: int | None = now_ns
        # What the order was after each change that a replica may still show, oldest first.
        self.past: list[Order] = []

    @property
    def side_name(self) -> str:
        return "BUY" if self.side is BUY else "SELL"

    @property
    def is_open(self) -> bool:
        return self.status in {"NEW", "PARTIALLY_FILLED", PENDING}

    def remember(self) -> None:
        """Keep what the order is now for replicas that are behind, which reach so far back."""
        past = self.past
        past.append(copy.copy(self))
        while len(past) > 1 and past[1].updated_ns <= self.updated_ns - REPLICA_NS:
            del past[0]

    def at(self, seen_ns: int) -> "Order | None":
        """Return the order as it was at a time, None where it was not known by then."""
        if self.updated_ns <= seen_ns:
            return self
        return next((one for one in reversed(self.past) if one.updated_ns <= seen_ns), None)

    def rename(self, client_id: str) -> str:
        """Give the order a new client order id and return the former one."""
        former, self.client_id = self.client_id, client_id
        self.names.append(client_id)
        return former


class Amendment(NamedTuple):
    """One reduction of an order's quantity."""

    execution_id: int
    former_client_id: str
    client_id: str
    former_quantity: int
    quantity: int
    time_ns: int


class Execution(NamedTuple):
    """One account's side of a trade."""

    trade: Trade
    order_id: int
    is_buyer: bool
    is_maker: bool
    commission: int
    commission_asset: str


class Allocation(NamedTuple):
    """A fill that the exchange gave an order instead of a trade (faqs/sor_faq.md)."""

    allocation_id: int
    order_id: int
    is_buyer: bool
    price: int
    quantity: int
    quote: int
    commission: int
    commission_asset: str
    time_ns: int


class PreventedMatch(NamedTuple):
    """A self-trade that was prevented."""

    prevented_id: int
    taker_order_id: int
    maker_order_id: int
    mode: SelfTrade
    time_ns: int
    price: int
    taker_quantity: int
    maker_quantity: int
    match_quantity: int


# -- responses ---------------------------------------------------------------------------------


def ack(order: Order, unit_ns: int) -> dict[str, Any]:
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "transactTime": order.updated_ns // unit_ns,
    }


def placed(
    order: Order,
    response: str,
    executions: list[Execution],
    prevented: list[PreventedMatch],
    unit_ns: int,
) -> dict[str, Any]:
    """Return the answer to a placement in the asked detail: ACK, RESULT or FULL."""
    answer = ack(order, unit_ns)
    if response == "ACK":
        return answer
    answer |= _numbers(order)
    answer["workingTime"] = _working_time(order, unit_ns)
    answer["selfTradePreventionMode"] = order.self_trade.value
    answer |= _conditional(order, unit_ns)
    if response == "FULL":
        answer["fills"] = [
            {
                "price": show(one.trade.price),
                "qty": show(one.trade.quantity),
                "commission": show(one.commission),
                "commissionAsset": one.commission_asset,
                "tradeId": one.trade.trade_id,
            }
            for one in executions
        ]
        if prevented:
            answer["preventedMatches"] = [_prevented_match(order, one) for one in prevented]
    return answer


def canceled(order: Order, former_client_id: str, unit_ns: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "symbol": order.symbol,
        "origClientOrderId": former_client_id,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "transactTime": order.updated_ns // unit_ns,
    }
    answer |= _numbers(order)
    answer["selfTradePreventionMode"] = order.self_trade.value
    return answer | _conditional(order, unit_ns)


def amended(order: Order, amendment: Amendment, unit_ns: int) -> dict[str, Any]:
    return {
        "transactTime": amendment.time_ns // unit_ns,
        "executionId": amendment.execution_id,
        "amendedOrder": {
            "symbol": order.symbol,
            "orderId": order.order_id,
            "orderListId": order.list_id,
            "origClientOrderId": amendment.former_client_id,
            "clientOrderId": order.client_id,
            "price": show(order.price),
            "qty": show(order.quantity),
            "executedQty": show(order.executed),
            "preventedQty": show(order.prevented),
            "quoteOrderQty": show(order.quote_quantity),
            "cumulativeQuoteQty": show(order.quote_executed),
            "status": order.status,
            "timeInForce": order.time_in_force,
            "type": order.kind,
            "side": order.side_name,
            "workingTime": _working_time(order, unit_ns),
            "selfTradePreventionMode": order.self_trade.value,
        },
    }


def queried(order: Order, unit_ns: int) -> dict[str, Any]:
    """Return an order as order.status, openOrders and allOrders show it."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "price": show(order.price),
        "origQty": show(order.quantity),
        "executedQty": show(order.executed),
        "cummulativeQuoteQty": show(order.quote_executed),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.kind,
        "side": order.side_name,
        "stopPrice": ZERO,
        "icebergQty": ZERO,
        "time": order.created_ns // unit_ns,
        "updateTime": order.updated_ns // unit_ns,
        "isWorking": order.working_ns is not None,
        "workingTime": _working_time(order, unit_ns),
        "origQuoteOrderQty": show(order.quote_quantity),
        "selfTradePreventionMode": order.self_trade.value,
    } | _conditional(order, unit_ns)


def traded(symbol: str, one: Execution, unit_ns: int) -> dict[str, Any]:
    """Return an execution as myTrades shows it."""
    return {
        "symbol": symbol,
        "id": one.trade.trade_id,
        "orderId": one.order_id,
        "orderListId": NO_LIST,
        "price": show(one.trade.price),
        "qty": show(one.trade.quantity),
        "quoteQty": show(one.trade.quote),
        "commission": show(one.commission),
        "commissionAsset": one.commission_asset,
        "time": one.trade.time_ns // unit_ns,
        "isBuyer": one.is_buyer,
        "isMaker": one.is_maker,
        "isBestMatch": True,
    }


def allocated(symbol: str, one: Allocation, unit_ns: int) -> dict[str, Any]:
    """Return an allocation as myAllocations shows it."""
    return {
        "symbol": symbol,
        "allocationId": one.allocation_id,
        "allocationType": "SOR",
        "orderId": one.order_id,
        "orderListId": NO_LIST,
        "price": show(one.price),
        "qty": show(one.quantity),
        "quoteQty": show(one.quote),
        "commission": show(one.commission),
        "commissionAsset": one.commission_asset,
        "time": one.time_ns // unit_ns,
        "isBuyer": one.is_buyer,
        "isMaker": False,
        "isAllocator": False,
    }


def prevented(symbol: str, one: PreventedMatch, unit_ns: int) -> dict[str, Any]:
    """Return a prevented match as myPreventedMatches shows it."""
    return {
        "symbol": symbol,
        "preventedMatchId": one.prevented_id,
        "takerOrderId": one.taker_order_id,
        "makerSymbol": symbol,
        "makerOrderId": one.maker_order_id,
        "tradeGroupId": NO_GROUP,
        "selfTradePreventionMode": one.mode.value,
        "price": show(one.price),
        **_prevented_quantities(one),
        "transactTime": one.time_ns // unit_ns,
    }


def _prevented_quantities(one: PreventedMatch) -> dict[str, str]:
    """Return what each side lost, where it lost anything."""
    lost = {
        "takerPreventedQuantity": one.taker_quantity,
        "makerPreventedQuantity": one.maker_quantity,
    }
    return {name: show(quantity) for name, quantity in lost.items() if quantity}


def _numbers(order: Order) -> dict[str, Any]:
    return {
        "price": show(order.price),
        "origQty": show(order.quantity),
        "executedQty": show(order.executed),
        "origQuoteOrderQty": show(order.quote_quantity),
        "cummulativeQuoteQty": show(order.quote_executed),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.kind,
        "side": order.side_name,
    }


def _working_time(order: Order, unit_ns: int) -> int:
    return NOT_WORKING if order.working_ns is None else order.working_ns // unit_ns


def _conditional(order: Order, unit_ns: int) -> dict[str, Any]:
    """Return the fields that appear only under conditions (rest-api.md, conditional fields)."""
    found: dict[str, Any] = {}
    if order.stop_price:
        found["stopPrice"] = show(order.stop_price)
    if order.trailing_delta is not None:
        since_ns = order.trailing_ns
        found["trailingDelta"] = order.trailing_delta
        found["trailingTime"] = NOT_WORKING if since_ns is None else since_ns // unit_ns
    if order.iceberg:
        found["icebergQty"] = show(order.iceberg)
    if order.strategy_id is not None:
        found["strategyId"] = order.strategy_id
    if order.strategy_type is not None:
        found["strategyType"] = order.strategy_type
    if order.prevented_id is not None:
        found["preventedMatchId"] = order.prevented_id
        found["preventedQuantity"] = show(order.prevented)
    if order.expiry_reason is not None:
        found["expiryReason"] = order.expiry_reason
    if order.used_sor:
        found |= {"usedSor": True, "workingFloor": "SOR"}
    return found


def _prevented_match(order: Order, one: PreventedMatch) -> dict[str, Any]:
    return {
        "preventedMatchId": one.prevented_id,
        "makerSymbol": order.symbol,
        "makerOrderId": one.maker_order_id,
        "price": show(one.price),
        **_prevented_quantities(one),
    }


# -- reports -----------------------------------------------------------------------------------

_TIMES: Final = {
    "executionReport": ("E", "T", "O", "W", "D"),
    "listStatus": ("E", "T"),
    "outboundAccountPosition": ("E", "u"),
    "balanceUpdate": ("E", "T"),
    "externalLockUpdate": ("E", "T"),
    "eventStreamTerminated": ("E",),
    "serverShutdown": ("E",),
}


def in_unit(event: dict[str, Any], unit_ns: int) -> dict[str, Any]:
    """Return a copy of a private event with its times in units of ``unit_ns``."""
    scaled = dict(event)
    for name in _TIMES[event["e"]]:
        if scaled.get(name, NOT_WORKING) != NOT_WORKING:
            scaled[name] //= unit_ns
    return scaled


def report(
    order: Order,
    execution_type: str,
    execution_id: int,
    now_ns: int,
    *,
    former_client_id: str = "",
    execution: Execution | None = None,
) -> dict[str, Any]:
    """Return an executionReport (user-data-stream.md, Order Update), times in nanoseconds."""
    trade = None if execution is None else execution.trade
    event: dict[str, Any] = {
        "e": "executionReport",
        "E": now_ns,
        "s": order.symbol,
        "c": order.client_id,
        "S": order.side_name,
        "o": order.kind,
        "f": order.time_in_force,
        "q": show(order.quantity),
        "p": show(order.price),
        "P": show(order.stop_price),
        "F": show(order.iceberg),
        "g": order.list_id,
        "C": former_client_id,
        "x": execution_type,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": ZERO if trade is None else show(trade.quantity),
        "z": show(order.executed),
        "L": ZERO if trade is None else show(trade.price),
        "n": "0" if execution is None else show(execution.commission),
        "N": None if execution is None else execution.commission_asset,
        "T": now_ns,
        "t": -1 if trade is None else trade.trade_id,
        "I": execution_id,
        "w": order.is_open and order.working_ns is not None and bool(order.price),
        "m": execution is not None and execution.is_maker,
        "M": execution is not None,
        "O": order.created_ns,
        "Z": show(order.quote_executed),
        "Y": ZERO if trade is None else show(trade.quote),
        "Q": show(order.quote_quantity),
        "V": order.self_trade.value,
    }
    if order.working_ns is not None:
        event["W"] = order.working_ns
    if order.trailing_delta is not None:
        event["d"] = order.trailing_delta
        event["D"] = NOT_WORKING if order.trailing_ns is None else order.trailing_ns
    if order.strategy_id is not None:
        event["j"] = order.strategy_id
    if order.strategy_type is not None:
        event["J"] = order.strategy_type
    if order.expiry_reason is not None:
        event["eR"] = order.expiry_reason
    if order.used_sor:
        event |= {"uS": True, "k": "SOR"}
    return event


def allocated_report(one: Allocation, base: dict[str, Any]) -> dict[str, Any]:
    """Make a report of a fill tell of an allocation, which has no trade id."""
    return base | {
        "l": show(one.quantity),
        "L": show(one.price),
        "Y": show(one.quote),
        "n": show(one.commission),
        "N": one.commission_asset,
        "b": "ONE_PARTY_TRADE_REPORT",
        "a": one.allocation_id,
    }


def prevented_report(
    order: Order, counter_order_id: int, lost: int, match: PreventedMatch, base: dict[str, Any]
) -> dict[str, Any]:
    """Add to a TRADE_PREVENTION report what was prevented; trade groups do not exist here."""
    return base | {
        "v": match.prevented_id,
        "A": show(order.prevented),
        "B": show(lost),
        "u": NO_GROUP,
        "U": counter_order_id,
        "Cs": order.symbol,
        "pl": show(match.match_quantity),
        "pL": show(match.price),
        "pY": show(match.price * match.match_quantity // 100_000_000),
    }


def rejection(
    request: NewOrder, symbol: str, client_id: str, reason: str, execution_id: int, now_ns: int
) -> dict[str, Any]:
    """Return the executionReport of an order the matching engine refused; it has no order id."""
    order = Order(request, symbol, -1, -1, client_id, now_ns)
    order.status = "REJECTED"
    event = report(order, "REJECTED", execution_id, now_ns)
    event["r"] = reason
    event.pop("W", None)
    return event
