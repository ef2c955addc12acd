"""What happens to an account, as the executions and balances channels tell it."""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Raw

from venues.sim.accounts import Account
from venues.sim.events import Moved, OrderChanged
from venues.sim.fixed import ONE
from venues.sim.kraken.exchange import Exchange
from venues.sim.kraken.numbers import LEDGER, coarse_stamp, name_of, number, plain, stamp
from venues.sim.kraken.pairs import COST_DECIMALS, Pair
from venues.sim.matching import BUY
from venues.sim.orders import Execution, Order

# An order's state in the venue's words.
_STATUSES: Final = {
    "NEW": "new",
    "PENDING_NEW": "pending_new",
    "PARTIALLY_FILLED": "partially_filled",
    "FILLED": "filled",
    "CANCELED": "canceled",
    "EXPIRED": "expired",
}
# Reasons of the engine for which this venue cancels what another one lets expire.
_CANCELED: Final = {
    "INSUFFICIENT_LIQUIDITY": "Insufficient liquidity",
    "UNFILLED_IOC_QUANTITY_EXPIRED": "IOC order cannot be filled",
    "UNFILLED_FOK_ORDER_EXPIRED": "FOK order cannot be filled",
    "REJECTED": "Insufficient funds",
}
SELF_TRADE: Final = "Self trade prevention"
USER: Final = "User requested"
# Fees are told in dollars with so many decimals.
FEE_DECIMALS: Final = 4
# Fills that a snapshot shows at most.
TRADES_SHOWN: Final = 50


def status_of(order: Order) -> str:
    """Return an order's state: what could not be filled is canceled, what timed out expired."""
    if order.status == "EXPIRED" and order.expiry_reason in _CANCELED:
        return "canceled"
    return _STATUSES.get(order.status, "canceled")


def reason_of(order: Order) -> str | None:
    """Return why an order was canceled or has expired."""
    if order.is_open or order.status == "FILLED":
        return None
    if order.status == "EXPIRED_IN_MATCH":
        return SELF_TRADE
    reason = order.expiry_reason or USER
    return _CANCELED.get(reason, reason)


class Reporter:
    """Makes reports of events and of what stands.

    Which fields each has, and how many decimals, is as in messages recorded of the venue in 2024 to
    2026 by public clients.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._ledger = 0

    def of(self, event: OrderChanged) -> Iterator[dict[str, Any]]:
        """Yield the reports of one event, in order."""
        order, now_ns = event.order, event.time_ns
        match event.kind:
            case "NEW" if not order.stop_price or order.working_ns is None:
                yield self._pending(order)
                yield self._brief(order, "new", now_ns)
            case "NEW":
                triggers = self._triggers(order, now_ns)
                yield self._brief(order, "status", now_ns) | {"triggers": triggers}
            case "TRADE" if event.execution is not None:
                yield self.trade(order, event.execution) | {
                    "order_status": "partially_filled",
                    "cum_qty": self._size(order, order.executed),
                    "cum_cost": number(order.quote_executed, COST_DECIMALS),
                    "avg_price": self._average(order),
                }
                if order.status == "FILLED":
                    yield self._brief(order, "filled", now_ns) | self._filled(order)
            case "REPLACED":
                yield self._brief(order, "amended", now_ns) | {
                    "cum_qty": self._size(order, order.executed),
                    "reason": USER,
                    "amended": True,
                    "order_qty": self._size(order, order.quantity),
                    "limit_price": self._price(order, order.price),
                    "limit_price_type": "static",
                }
            case "TRADE_PREVENTION" if order.is_open:
                yield self._brief(order, "restated", now_ns) | {
                    "order_qty": self._size(order, order.quantity - order.prevented),
                    "reason": SELF_TRADE,
                }
            case "REJECTED":
                return
            case _:
                exec_type = "expired" if status_of(order) == "expired" else "canceled"
                reason = reason_of(order)
                yield (
                    self._brief(order, exec_type, now_ns)
                    | self._filled(order)
                    | {"reason": reason, "cancel_reason": reason}
                )

    def standing(self, order: Order) -> dict[str, Any]:
        """Return an open order as a snapshot shows it."""
        return self._pending(order) | {
            "exec_type": "new" if order.status == "NEW" else "status",
            "order_status": status_of(order),
            "amended": order.tag.amended,
            **self._filled(order),
        }

    def trade(self, order: Order, execution: Execution) -> dict[str, Any]:
        """Return a fill as a snapshot shows it: the order's state is that of today."""
        trade, pair = execution.trade, self._pair(order)
        in_dollars = execution.commission_asset == "USD"
        fee = execution.commission
        return self._brief(order, "trade", trade.time_ns) | {
            "exec_id": self._exchange.trade_id(pair, execution),
            "trade_id": trade.trade_id,
            "symbol": order.symbol,
            "side": "buy" if order.side is BUY else "sell",
            "order_type": order.tag.type_name,
            "last_qty": self._size(order, trade.quantity),
            "last_price": self._price(order, trade.price),
            "liquidity_ind": "m" if execution.is_maker else "t",
            "cost": number(trade.quote, COST_DECIMALS),
            "fee_usd_equiv": number(fee if in_dollars else 0, COST_DECIMALS),
            "fees": [{"asset": execution.commission_asset, "qty": number(fee, COST_DECIMALS)}],
        }

    def moved(self, event: Moved) -> dict[str, Any]:
        """Return an entry of an account's ledger."""
        self._ledger += 1
        is_trade = event.execution is not None
        kind = "trade" if is_trade else ("deposit" if event.amount >= 0 else "withdrawal")
        reference = name_of("Q", 0, self._ledger)
        if event.execution is not None:
            pair = self._exchange.pairs.by_name[event.symbol]
            reference = self._exchange.trade_id(pair, event.execution)
        return {
            "ledger_id": name_of(LEDGER, 0, self._ledger),
            "ref_id": reference,
            "timestamp": stamp(event.time_ns),
            "type": kind,
            "asset": event.asset,
            "asset_class": "currency",
            "category": kind,
            "wallet_type": "spot",
            "wallet_id": "main",
            "amount": plain(event.amount),
            "fee": plain(event.fee),
            "balance": plain(event.total),
        }

    def balances(self, account: Account) -> list[dict[str, Any]]:
        """Return what an account has."""
        return [
            {
                "asset": name,
                "asset_class": "currency",
                "balance": plain(one.free + one.locked),
                "wallets": [
                    {"type": "spot", "id": "main", "balance": plain(one.free + one.locked)}
                ],
            }
            for name, one in sorted(account.balances.items())
        ]

    def last_trades(self, account: Account) -> list[dict[str, Any]]:
        """Return the latest fills of an account, newest first."""
        found = [
            (execution, pair)
            for pair in self._exchange.pairs.all
            for execution in self._exchange.engine.file(account, pair.name).executions
        ]
        found.sort(key=lambda one: one[0].trade.time_ns, reverse=True)
        reports = []
        for execution, pair in found[:TRADES_SHOWN]:
            file = self._exchange.engine.file(account, pair.name)
            order = file.orders.get(execution.order_id)
            if order is not None:
                reports.append(self.trade(order, execution))
        return reports

    def _brief(self, order: Order, exec_type: str, now_ns: int) -> dict[str, Any]:
        """Return what every report of an order has."""
        report: dict[str, Any] = {
            "timestamp": stamp(now_ns),
            "order_status": status_of(order),
            "exec_type": exec_type,
        }
        if order.client_id:
            report["cl_ord_id"] = order.client_id
        else:
            report["order_userref"] = order.tag.userref or 0
        if order.tag.post_only:
            report["post_only"] = True
        return report | {"order_id": self._exchange.order_id(order)}

    def _pending(self, order: Order) -> dict[str, Any]:
        """Return all that an order was placed with."""
        report = self._brief(order, "pending_new", order.created_ns) | {
            "symbol": order.symbol,
            "order_qty": self._size(order, order.quantity),
            "cum_cost": number(0, COST_DECIMALS),
            "time_in_force": "GTD" if order.tag.expire_ns else order.time_in_force,
            "side": "buy" if order.side is BUY else "sell",
            "order_type": order.tag.type_name,
            "limit_price_type": "static",
            "limit_price": self._price(order, order.price),
            "stop_price": self._price(order, order.stop_price),
            "order_status": "pending_new",
            "fee_usd_equiv": number(0, FEE_DECIMALS),
            "fee_ccy_pref": "fciq",
        }
        if order.stop_price:
            report["triggers"] = self._triggers(order, None)
        if order.iceberg:
            report["display_qty"] = self._size(order, order.iceberg)
            report["display_qty_remain"] = self._size(order, order.open_quantity)
        if order.tag.expire_ns:
            report["expire_time"] = coarse_stamp(order.tag.expire_ns)
        return report

    def _filled(self, order: Order) -> dict[str, Any]:
        """Return what an order has been filled with, and at what."""
        in_dollars = self._pair(order).quote.name == "USD"
        return {
            "cum_qty": self._size(order, order.executed),
            "cum_cost": number(order.quote_executed, COST_DECIMALS),
            "fee_usd_equiv": number(order.paid if in_dollars else 0, FEE_DECIMALS),
            "avg_price": self._average(order),
        }

    def _triggers(self, order: Order, triggered_ns: int | None) -> dict[str, Any]:
        triggers: dict[str, Any] = {
            "reference": "last",
            "price": self._price(order, order.stop_price),
            "price_type": "static",
            "actual_price": self._price(order, order.stop_price),
            "status": "untriggered",
        }
        if triggered_ns is not None:
            triggers |= {"status": "triggered", "timestamp": stamp(triggered_ns)}
        return triggers

    def _average(self, order: Order) -> Raw:
        executed = order.executed
        return self._price(order, order.quote_executed * ONE // executed if executed else 0)

    def _price(self, order: Order, units: int) -> Raw:
        return number(units, self._pair(order).price_decimals)

    def _size(self, order: Order, units: int) -> Raw:
        return number(units, self._pair(order).lot_decimals)

    def _pair(self, order: Order) -> Pair:
        return self._exchange.pairs.by_name[order.symbol]
