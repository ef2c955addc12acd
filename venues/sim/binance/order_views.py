"""The forms in which this venue shows orders, order lists, fills, and what happens to them.

Responses carry time in the caller's unit (``unit_ns``: nanoseconds per unit); reports carry
nanoseconds and are scaled where they leave (``in_unit``), since each subscriber chooses its own.
Sources: rest-api.md, user-data-stream.md at a5e0bc3 (2026-07-21).
"""

from typing import Any, Final, NamedTuple

from venues.sim.events import (
    BalancesChanged,
    ListChanged,
    LockedOutside,
    Moved,
    OrderChanged,
    Prevention,
    Told,
)
from venues.sim.fixed import notional, show
from venues.sim.order_lists import OrderList
from venues.sim.orders import NO_LIST, Allocation, Amendment, Execution, Order, PreventedMatch
from venues.sim.refusals import Reason

NOT_WORKING: Final = -1
# Trade groups do not exist here.
NO_GROUP: Final = -1
ZERO: Final = show(0)


class Tag(NamedTuple):
    """What an order of this venue carries that no other venue knows."""

    response: str
    strategy_id: int | None = None
    strategy_type: int | None = None


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
    if order.tag.strategy_id is not None:
        found["strategyId"] = order.tag.strategy_id
    if order.tag.strategy_type is not None:
        found["strategyType"] = order.tag.strategy_type
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


# How the documents call why an order was rejected, the report's ``r``.
_REJECTS: Final = {
    Reason.INSUFFICIENT_FUNDS: "INSUFFICIENT_BALANCES",
    Reason.WOULD_TAKE: "WOULD_MATCH_IMMEDIATELY",
    Reason.WOULD_TRIGGER: "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
    Reason.PAIR_MISPLACED: "OCO_BAD_PRICES",
}


def told(event: Told) -> dict[str, Any] | None:
    """Return a private event as this venue tells it, times in nanoseconds; None for a ledger's."""
    match event:
        case OrderChanged():
            return _order_event(event)
        case ListChanged():
            return _list_status(event)
        case BalancesChanged(_, balances, now_ns):
            return {
                "e": "outboundAccountPosition",
                "E": now_ns,
                "u": now_ns,
                "B": [
                    {"a": asset, "f": show(free), "l": show(locked)}
                    for asset, free, locked in balances
                ],
            }
        case Moved(_, asset, amount, _, _, _, None, now_ns):
            return {"e": "balanceUpdate", "E": now_ns, "a": asset, "d": show(amount), "T": now_ns}
        case LockedOutside(_, asset, amount, now_ns):
            words = {"e": "externalLockUpdate", "E": now_ns, "a": asset, "d": show(amount)}
            return words | {"T": now_ns}
        case _:
            return None


def _order_event(told: OrderChanged) -> dict[str, Any]:
    event = _report(told)
    if told.allocation is not None:
        return event | _allocated(told.allocation)
    if told.prevention is not None:
        return event | _prevented(told.order, told.prevention)
    if told.refused is not None:
        event["r"] = _REJECTS[told.refused]
    return event


def _report(told: OrderChanged) -> dict[str, Any]:
    """Return an executionReport (user-data-stream.md, Order Update), times in nanoseconds."""
    order, execution, now_ns = told.order, told.execution, told.time_ns
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
        "C": told.former_client_id,
        "x": told.kind,
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
        "I": told.execution_id,
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
    if order.tag.strategy_id is not None:
        event["j"] = order.tag.strategy_id
    if order.tag.strategy_type is not None:
        event["J"] = order.tag.strategy_type
    if order.expiry_reason is not None:
        event["eR"] = order.expiry_reason
    if order.used_sor:
        event |= {"uS": True, "k": "SOR"}
    return event


def _allocated(one: Allocation) -> dict[str, Any]:
    """Return what makes a report of a fill tell of an allocation, which has no trade id."""
    return {
        "l": show(one.quantity),
        "L": show(one.price),
        "Y": show(one.quote),
        "n": show(one.commission),
        "N": one.commission_asset,
        "b": "ONE_PARTY_TRADE_REPORT",
        "a": one.allocation_id,
    }


def _prevented(order: Order, prevention: Prevention) -> dict[str, Any]:
    """Return what a TRADE_PREVENTION report says of it; trade groups do not exist here."""
    match = prevention.match
    return {
        "v": match.prevented_id,
        "A": show(order.prevented),
        "B": show(prevention.lost),
        "u": NO_GROUP,
        "U": prevention.counter_id,
        "Cs": order.symbol,
        "pl": show(match.match_quantity),
        "pL": show(match.price),
        "pY": show(notional(match.price, match.match_quantity)),
    }


# -- order lists -------------------------------------------------------------------------------


def shown(one: OrderList, unit_ns: int) -> dict[str, Any]:
    """Return an order list as orderList.status shows it, and as every answer about it begins."""
    return {
        "orderListId": one.list_id,
        "contingencyType": one.contingency,
        "listStatusType": "ALL_DONE" if one.is_done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if one.is_done else "EXECUTING",
        "listClientOrderId": one.client_id,
        "transactionTime": one.updated_ns // unit_ns,
        "symbol": one.symbol,
        "orders": [
            {
                "symbol": one.symbol,
                "orderId": order.order_id,
                "clientOrderId": order.name,
            }
            for order in one.orders
        ],
    }


def amended_shown(one: OrderList) -> dict[str, Any]:
    """Return what an amendment of one of its orders says of the list."""
    full = shown(one, 1)
    return {name: full[name] for name in _AMENDED}


_AMENDED: Final = (
    "orderListId", "contingencyType", "listOrderStatus", "listClientOrderId", "symbol", "orders",
)  # fmt: skip


def _list_status(told: ListChanged) -> dict[str, Any]:
    """Return a listStatus event (user-data-stream.md)."""
    one, now_ns = told.one, told.time_ns
    return {
        "e": "listStatus",
        "E": now_ns,
        "s": one.symbol,
        "g": one.list_id,
        "c": one.contingency,
        "l": told.kind,
        "L": "ALL_DONE" if told.is_done else "EXECUTING",
        "r": "NONE",
        "C": one.client_id,
        "T": now_ns,
        "O": [
            {"s": one.symbol, "i": order.order_id, "c": name}
            for order, name in zip(one.orders, told.names, strict=True)
        ],
    }
