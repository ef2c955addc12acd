"""What happens to an account, as the executions and balances channels tell it."""

from collections.abc import Iterator
from typing import Any, Final

from venues.sim.accounts import Account
from venues.sim.events import Moved, OrderChanged
from venues.sim.fixed import ONE
from venues.sim.kraken.exchange import Exchange
from venues.sim.kraken.numbers import LEDGER, coarse_stamp, name_of, plain, stamp
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
    reason = order.expiry_reason or "User requested"
    return _CANCELED.get(reason, reason)


class Reporter:
    """Makes reports of events and of what stands."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._ledger = 0

    def of(self, event: OrderChanged) -> Iterator[dict[str, Any]]:
        """Yield the reports of one event, in order."""
        order = event.order
        match event.kind:
            case "NEW" if not order.stop_price or order.working_ns is None:
                yield self._whole(order, "pending_new", event.time_ns) | {
                    "order_status": "pending_new"
                }
                yield self._brief(order, "new", event.time_ns)
            case "NEW":
                yield self._brief(order, "status", event.time_ns) | {
                    "triggers": _triggers(order, event.time_ns)
                }
            case "TRADE" if event.execution is not None:
                yield self.trade(order, event.execution)
                if order.status == "FILLED":
                    yield self._brief(order, "filled", event.time_ns) | self._filled(order)
            case "REPLACED":
                yield self._whole(order, "amended", event.time_ns) | {"amended": True}
            case "TRADE_PREVENTION" if order.is_open:
                yield self._brief(order, "restated", event.time_ns) | {
                    "order_qty": plain(order.quantity - order.prevented),
                    "reason": SELF_TRADE,
                }
            case "REJECTED" | "NEW":
                return
            case _:
                exec_type = "expired" if status_of(order) == "expired" else "canceled"
                yield (
                    self._brief(order, exec_type, event.time_ns)
                    | self._filled(order)
                    | {
                        "reason": reason_of(order),
                        "cancel_reason": reason_of(order),
                    }
                )

    def standing(self, order: Order) -> dict[str, Any]:
        """Return an open order as a snapshot shows it."""
        report = self._whole(order, status_of(order), order.created_ns)
        report["exec_type"] = "new" if order.status == "NEW" else "status"
        return report | self._filled(order) | {"amended": order.tag.amended}

    def trade(self, order: Order, execution: Execution) -> dict[str, Any]:
        """Return the report of a fill; the last one of an order calls it partially filled too."""
        trade, pair = execution.trade, self._exchange.pairs.by_name[order.symbol]
        return (
            self._brief(order, "trade", trade.time_ns)
            | {
                "exec_id": self._exchange.trade_id(pair, execution),
                "trade_id": trade.trade_id,
                "symbol": order.symbol,
                "side": "buy" if order.side is BUY else "sell",
                "order_type": order.tag.type_name,
                "last_qty": plain(trade.quantity),
                "last_price": plain(trade.price),
                "liquidity_ind": "m" if execution.is_maker else "t",
                "cost": plain(trade.quote),
                "order_status": "partially_filled",
                "order_qty": plain(order.quantity),
                "fees": [{"asset": execution.commission_asset, "qty": plain(execution.commission)}],
            }
            | self._filled(order)
        )

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
        report: dict[str, Any] = {
            "order_id": self._exchange.order_id(order),
            "exec_type": exec_type,
            "order_status": status_of(order),
            "timestamp": stamp(now_ns),
        }
        if order.client_id:
            report["cl_ord_id"] = order.client_id
        if order.tag.userref is not None:
            report["order_userref"] = order.tag.userref
        return report

    def _whole(self, order: Order, exec_type: str, now_ns: int) -> dict[str, Any]:
        report = self._brief(order, exec_type, now_ns) | {
            "symbol": order.symbol,
            "side": "buy" if order.side is BUY else "sell",
            "order_type": order.tag.type_name,
            "order_qty": plain(order.quantity),
            "cum_qty": plain(order.executed),
            "cum_cost": plain(order.quote_executed),
            "time_in_force": "GTD" if order.tag.expire_ns else order.time_in_force,
            "post_only": order.tag.post_only,
            "reduce_only": False,
            "fee_usd_equiv": plain(0),
            "fee_ccy_pref": "fciq",
        }
        if order.price:
            report |= {"limit_price": plain(order.price), "limit_price_type": "static"}
        if order.stop_price:
            report["triggers"] = _triggers(order, None)
        if order.iceberg:
            report["display_qty"] = plain(order.iceberg)
            report["display_qty_remain"] = plain(order.open_quantity)
        if order.tag.expire_ns:
            report["expire_time"] = coarse_stamp(order.tag.expire_ns)
        return report

    def _filled(self, order: Order) -> dict[str, Any]:
        """Return what an order has been filled with, and at what."""
        executed = order.executed
        report: dict[str, Any] = {
            "cum_qty": plain(executed),
            "cum_cost": plain(order.quote_executed),
            "fee_usd_equiv": plain(order.paid if order.symbol.endswith("/USD") else 0),
        }
        if executed:
            report["avg_price"] = plain(order.quote_executed * ONE // executed)
        return report


def _triggers(order: Order, triggered_ns: int | None) -> dict[str, Any]:
    triggers: dict[str, Any] = {
        "reference": "last",
        "price": plain(order.stop_price),
        "price_type": "static",
        "actual_price": plain(order.stop_price),
        "status": "untriggered",
    }
    if triggered_ns is not None:
        triggers |= {"status": "triggered", "timestamp": stamp(triggered_ns)}
    return triggers
