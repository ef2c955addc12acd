"""REST: endpoints, signing, and the forms in which they show orders and trades.

``receive`` is all of it but the socket. Private requests are POSTs with a nonce in their body, a
form or JSON. Every reply is ``{"error": [], "result": ...}`` with status 200; the front of the
venue answers with pages of HTML.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from email.utils import formatdate
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

import msgspec

from venues.sim.accounts import Account, Balance
from venues.sim.durations import DAY_NS, SECOND_NS
from venues.sim.faults import Connection, ConnectionName, Moment, Outlet, Part, Switchboard
from venues.sim.fixed import ONE
from venues.sim.http import HttpReply, HttpRequest
from venues.sim.kraken import keys, trading, words
from venues.sim.kraken.exchange import Exchange, Reply
from venues.sim.kraken.keys import ApiKey
from venues.sim.kraken.market_data import INTERVALS, average, candle_rows
from venues.sim.kraken.numbers import (
    ORDER,
    NotNumberError,
    coarse_stamp,
    fixed,
    name_of,
    read_name,
    read_seconds,
    unix,
)
from venues.sim.kraken.pairs import COST_DECIMALS, Asset, Pair, asset, decimals_of
from venues.sim.kraken.reports import reason_of, status_of
from venues.sim.kraken.words import ApiError
from venues.sim.matching import BUY, Side
from venues.sim.orders import Execution, Order
from venues.sim.tape import Candle, open_of

PAGE: Final = 50
LONGEST_QUERY: Final = 50
LONGEST_TRADE_QUERY: Final = 20
LARGEST_DEPTH: Final = 500
TRADES_SHOWN: Final = 1_000
# Digits of the longest time in seconds.
LONGEST_TIME: Final = 10

_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(float_hook=Decimal).decode
Params = Mapping[str, Any]
NOT_FOUND: Final = 404


class Call:
    """One request while it is handled."""

    __slots__ = ("_key", "now_ns", "p", "received_ns", "seen_ns")

    def __init__(self, p: Params, key: ApiKey | None, moment: Moment) -> None:
        self.p = p
        self._key = key
        self.now_ns = moment.now_ns
        self.received_ns = moment.received_ns
        self.seen_ns = moment.seen_ns

    @property
    def key(self) -> ApiKey:
        assert self._key is not None  # noqa: S101 - private endpoints only
        return self._key

    @property
    def account(self) -> Account:
        return self.key.account

    def text(self, name: str) -> str | None:
        value = self.p.get(name)
        return None if value is None or value == "" else str(value)

    def flag(self, name: str) -> bool:
        return str(self.p.get(name, "false")).lower() in {"true", "1"}

    def whole(self, name: str, default: int) -> int:
        """Return a number that is not negative."""
        text = self.text(name)
        if text is None:
            return default
        if not text.isdecimal() or len(text) > 20:
            raise words.arguments(name)
        return int(text)


# -- market data -------------------------------------------------------------------------------


def _time(exchange: Exchange, call: Call) -> Any:
    seconds = call.now_ns // SECOND_NS
    return {"unixtime": seconds, "rfc1123": _rfc1123(seconds)}


def _rfc1123(seconds: int) -> str:
    return formatdate(seconds, usegmt=True).replace("GMT", "+0000")


def _system_status(exchange: Exchange, call: Call) -> Any:
    return {"status": exchange.system, "timestamp": coarse_stamp(call.now_ns)}


def _assets(exchange: Exchange, call: Call) -> Any:
    wanted = call.text("asset")
    found = exchange.pairs.assets()
    if wanted is not None:
        by_name = {name: one for one in found for name in (one.key, one.short, one.name)}
        names = wanted.split(",")
        if any(name not in by_name for name in names):
            raise ApiError("EQuery:Unknown asset")
        found = [by_name[name] for name in names]
    return {
        one.key: {
            "aclass": "currency",
            "altname": one.short,
            "decimals": one.decimals,
            "display_decimals": one.display,
            "status": "enabled",
        }
        for one in found
    }


def _asset_pairs(exchange: Exchange, call: Call) -> Any:
    return {key: pair.published() for key, pair in _named(exchange, call)}


def _named(exchange: Exchange, call: Call) -> list[tuple[str, Pair]]:
    """Return the pairs requested, each with the key under which the reply shows it.

    A name with a slash is its own key.
    """
    names = call.text("pair")
    if names is None:
        return [(pair.key, pair) for pair in exchange.pairs.all]
    found = [(name.strip(), _pair(exchange, name)) for name in names.split(",")]
    return [(name if "/" in name else pair.key, pair) for name, pair in found]


def _pair(exchange: Exchange, name: str | None) -> Pair:
    found = None if name is None else exchange.pairs.find(name.strip())
    if found is None:
        raise words.arguments("pair") if name is None else ApiError(words.UNKNOWN_PAIR)
    return found


def _ticker(exchange: Exchange, call: Call) -> Any:
    return {key: _ticker_of(pair, call.now_ns) for key, pair in _named(exchange, call)}


def _ticker_of(pair: Pair, now_ns: int) -> dict[str, Any]:
    market, decimals = pair.market, 5
    best = market.book.best()
    last = market.tape.trades[-1] if market.tape.trades else None
    nothing = Candle(now_ns, market.last_price())
    today = market.tape.since(open_of("1d", now_ns)) or nothing
    day = market.tape.since(now_ns - DAY_NS) or nothing

    def price(units: int) -> str:
        return fixed(units, decimals)

    def size(units: int) -> str:
        return fixed(units, pair.lot_decimals)

    def level(at: int, total: int) -> list[str]:
        return [price(at), str(total // ONE), fixed(total, 3)]

    return {
        "a": level(best.ask, best.ask_quantity),
        "b": level(best.bid, best.bid_quantity),
        "c": [price(market.last_price()), size(0 if last is None else last.quantity)],
        "v": [size(today.volume), size(day.volume)],
        "p": [price(average(today, pair)), price(average(day, pair))],
        "t": [today.count, day.count],
        "l": [price(today.low), price(day.low)],
        "h": [price(today.high), price(day.high)],
        "o": price(today.open),
    }


def _depth(exchange: Exchange, call: Call) -> Any:
    pair = _pair(exchange, call.text("pair"))
    count = call.whole("count", 100)
    if not 1 <= count <= LARGEST_DEPTH:
        raise words.arguments("count")
    book = pair.market.book
    return {
        pair.key: {
            "asks": _levels(pair, book.asks, count),
            "bids": _levels(pair, book.bids, count),
        }
    }


def _levels(pair: Pair, side: Side, count: int) -> list[list[Any]]:
    found = []
    for key in side.levels.islice(0, count):
        level = side.levels[key]
        placed_ns = max(one.placed_ns for one in level.orders.values())
        price = fixed(key * side.sign, 5)
        found.append([price, fixed(level.total, 3), placed_ns // SECOND_NS])
    return found


def _trades(exchange: Exchange, call: Call) -> Any:
    pair = _pair(exchange, call.text("pair"))
    count = call.whole("count", TRADES_SHOWN)
    if not 1 <= count <= TRADES_SHOWN:
        raise words.arguments("count")
    since_ns = call.whole("since", 0)
    # Seconds or nanoseconds: what is small enough is seconds.
    since_ns = since_ns * SECOND_NS if since_ns < 10**11 else since_ns
    found = [one for one in pair.market.tape.trades if one.time_ns > since_ns]
    found = found[:count] if since_ns else found[-count:]
    rows = [
        [
            fixed(one.price, 5),
            fixed(one.quantity, pair.lot_decimals),
            unix(one.time_ns),
            "s" if one.buyer_is_maker else "b",
            "l",
            "",
            one.trade_id,
        ]
        for one in found
    ]
    last = found[-1].time_ns if found else since_ns or call.now_ns
    return {pair.key: rows, "last": str(last)}


def _ohlc(exchange: Exchange, call: Call) -> Any:
    pair = _pair(exchange, call.text("pair"))
    interval = call.whole("interval", 1)
    if interval not in INTERVALS:
        raise words.arguments("interval")
    rows = candle_rows(pair, interval, call.now_ns)
    since = call.whole("since", 0)
    last = rows[-2][0] if len(rows) > 1 else 0
    # The current candle is always there, whatever the start.
    return {pair.key: [row for row in rows if row[0] > since or row is rows[-1]], "last": last}


# -- accounts ----------------------------------------------------------------------------------


def _balance(exchange: Exchange, call: Call) -> Any:
    return {
        one.key: fixed(balance.free + balance.locked, one.decimals)
        for one, balance in _balances(call)
    }


def _balances(call: Call) -> list[tuple[Asset, Balance]]:
    balances = call.account.balances_at(call.seen_ns)
    return [(asset(name), balance) for name, balance in sorted(balances.items())]


def _balance_ex(exchange: Exchange, call: Call) -> Any:
    return {
        one.key: {
            "balance": fixed(balance.free + balance.locked, one.decimals),
            "hold_trade": fixed(balance.locked, one.decimals),
        }
        for one, balance in _balances(call)
    }


def _trade_balance(exchange: Exchange, call: Call) -> Any:
    value = 0
    for one, balance in _balances(call):
        pair = exchange.pairs.by_name.get(f"{one.name}/USD")
        price = ONE if one.name == "USD" else 0 if pair is None else pair.market.last_price()
        value += (balance.free + balance.locked) * price // ONE
    unexecuted = sum(one.left * one.price // ONE for one in _open_at(exchange, call))
    whole, nothing = fixed(value, 4), fixed(0, 4)
    return {
        "eb": whole, "tb": whole, "m": nothing, "uv": fixed(unexecuted, 4), "n": nothing,
        "c": nothing, "v": nothing, "e": whole, "mf": whole,
    }  # fmt: skip


def _open_orders(exchange: Exchange, call: Call) -> Any:
    return {"open": _shown(exchange, call, _filtered(_open_at(exchange, call), call))}


def _open_at(exchange: Exchange, call: Call) -> list[Order]:
    """Return the orders that were open at the moment the caller is shown, oldest first."""
    if call.seen_ns >= call.now_ns:
        return exchange.open_orders(call.account)
    found = [one for one in _orders_at(exchange, call) if one.is_open]
    return sorted(found, key=lambda order: (order.created_ns, order.order_id))


def _orders_at(exchange: Exchange, call: Call) -> list[Order]:
    """Return every order of the account as it was at the moment the caller is shown."""
    return [
        seen
        for pair in exchange.pairs.all
        for order in exchange.engine.file(call.account, pair.name).orders.values()
        if (seen := order.at(call.seen_ns)) is not None
    ]


def _shown(exchange: Exchange, call: Call, orders: list[Order]) -> dict[str, Any]:
    """Return orders by their ids."""
    seen_ns = call.seen_ns if call.flag("trades") else None
    return {exchange.order_id(one): _order(exchange, one, seen_ns) for one in orders}


def _closed_orders(exchange: Exchange, call: Call) -> Any:
    found = _filtered([one for one in _orders_at(exchange, call) if not one.is_open], call)
    by_open = call.text("closetime") == "open"

    def time_ns(order: Order) -> int:
        return order.created_ns if by_open else order.updated_ns

    start_ns, end_ns = _span(exchange, call)
    found = [one for one in found if start_ns < time_ns(one) <= end_ns]
    found.sort(key=time_ns, reverse=True)
    offset = call.whole("ofs", 0)
    page = found[offset : offset + PAGE]
    result: dict[str, Any] = {"closed": _shown(exchange, call, page)}
    return result if call.flag("without_count") else result | {"count": len(found)}


def _query_orders(exchange: Exchange, call: Call) -> Any:
    named = call.text("txid")
    name = call.text("cl_ord_id")
    if (named is None) == (name is None):
        raise words.arguments("txid")
    if named is not None:
        texts = [text.strip() for text in named.split(",")]
        if len(texts) > LONGEST_QUERY:
            raise words.arguments("txid")
        found = []
        for text in texts:
            order = exchange.find(call.account, text)
            seen = None if order is None else order.at(call.seen_ns)
            if seen is None:
                raise ApiError("EOrder:Invalid order")
            found.append(seen)
    else:
        found = [order for order in _orders_at(exchange, call) if order.client_id == name]
    return _shown(exchange, call, _filtered(found, call))


def _filtered(orders: list[Order], call: Call) -> list[Order]:
    userref, name = call.text("userref"), call.text("cl_ord_id")
    if userref is not None:
        orders = [one for one in orders if str(one.tag.userref) == userref]
    return orders if name is None else [one for one in orders if one.client_id == name]


def _span(exchange: Exchange, call: Call) -> tuple[int, int]:
    """Return the start (exclusive) and the end (inclusive), given as seconds or as ids."""
    found = []
    for name, default in (("start", -1), ("end", 2**63)):
        text = call.text(name)
        if text is None:
            found.append(default)
            continue
        time_ns = _time_of(exchange, call, text)
        if time_ns is None:
            try:
                time_ns = read_seconds(text)
            except NotNumberError:
                raise words.arguments(name) from None
        found.append(time_ns)
    return found[0], found[1]


def _time_of(exchange: Exchange, call: Call, text: str) -> int | None:
    """Return when an order was placed or a trade happened that is named by its id."""
    order = exchange.find(call.account, text)
    if order is not None:
        return order.created_ns
    found = _trade_named(exchange, call.account, text)
    return None if found is None else found[1].trade.time_ns


def _trades_history(exchange: Exchange, call: Call) -> Any:
    start_ns, end_ns = _span(exchange, call)
    found = [
        (pair, one)
        for pair in exchange.pairs.all
        for one in exchange.engine.file(call.account, pair.name).executions
        if start_ns < one.trade.time_ns <= min(end_ns, call.seen_ns)
    ]
    found.sort(key=lambda one: (one[1].trade.time_ns, one[1].trade.trade_id), reverse=True)
    offset = call.whole("ofs", 0)
    page = found[offset : offset + PAGE]
    result: dict[str, Any] = {
        "trades": {
            exchange.trade_id(pair, one): _trade(exchange, call.account, pair, one)
            for pair, one in page
        }
    }
    return result if call.flag("without_count") else result | {"count": len(found)}


def _query_trades(exchange: Exchange, call: Call) -> Any:
    texts = [text.strip() for text in (call.text("txid") or "").split(",")]
    if not texts[0] or len(texts) > LONGEST_TRADE_QUERY:
        raise words.arguments("txid")
    result = {}
    for text in texts:
        found = _trade_named(exchange, call.account, text)
        if found is None or found[1].trade.time_ns > call.seen_ns:
            raise ApiError("EQuery:Unknown trade")
        result[text] = _trade(exchange, call.account, *found)
    return result


def _trade_named(exchange: Exchange, account: Account, text: str) -> tuple[Pair, Execution] | None:
    read = read_name("T", text)
    pair = None if read is None else exchange.pairs.by_number.get(read[0])
    if pair is None:
        return None
    for one in exchange.engine.file(account, pair.name).executions:
        if exchange.trade_id(pair, one) == text:
            return pair, one
    return None


def _trade(exchange: Exchange, account: Account, pair: Pair, one: Execution) -> dict[str, Any]:
    trade = one.trade
    order = exchange.engine.file(account, pair.name).orders.get(one.order_id)
    shown: dict[str, Any] = {
        "ordertxid": name_of(ORDER, pair.number, one.order_id),
        "postxid": name_of("T", 0, one.order_id),
        "pair": pair.key,
        "time": unix(trade.time_ns),
        "type": "buy" if one.is_buyer else "sell",
        "ordertype": "limit" if order is None else order.tag.type_name,
        "price": fixed(trade.price, max(5, decimals_of(trade.price))),
        "cost": fixed(trade.quote, COST_DECIMALS),
        "fee": fixed(one.commission, COST_DECIMALS),
        "vol": fixed(trade.quantity, max(pair.lot_decimals, decimals_of(trade.quantity))),
        "margin": fixed(0, 5),
        "leverage": "0",
        "misc": "",
        "trade_id": trade.trade_id,
        "maker": one.is_maker,
    }
    return shown


def _trade_volume(exchange: Exchange, call: Call) -> Any:
    volume = 0
    for pair in exchange.pairs.all:
        if pair.quote.name == "USD":
            done = exchange.engine.file(call.account, pair.name).executions
            volume += sum(one.trade.quote for one in done)
    result: dict[str, Any] = {"currency": "ZUSD", "volume": fixed(volume, 4)}
    if call.text("pair") is not None:
        found = _named(exchange, call)
        account = call.account
        result["fees"] = {key: _fee(account.taker_rate) for key, _ in found}
        result["fees_maker"] = {key: _fee(account.maker_rate) for key, _ in found}
    return result


def _fee(rate: int) -> dict[str, Any]:
    percent = fixed(rate * 100, 4)
    return {
        "fee": percent, "minfee": percent, "maxfee": percent,
        "nextfee": None, "nextvolume": None, "tiervolume": fixed(0, 4),
    }  # fmt: skip


def _token(exchange: Exchange, call: Call) -> Any:
    return {"token": exchange.new_token(call.key, call.now_ns), "expires": 900}


_STATES: Final = {"new": "open", "partially_filled": "open", "filled": "closed"}


def _order(exchange: Exchange, order: Order, seen_ns: int | None) -> dict[str, Any]:
    """Return an order as OpenOrders, ClosedOrders and QueryOrders show it.

    With ``seen_ns`` its trades are named as far as they had happened by then.
    """
    pair = exchange.pairs.by_name[order.symbol]
    average_price = order.quote_executed * ONE // order.executed if order.executed else 0
    state = status_of(order)
    shown: dict[str, Any] = {
        "refid": None,
        "userref": order.tag.userref,
        "cl_ord_id": order.client_id or None,
        "status": _STATES.get(state, state),
        "opentm": unix(order.created_ns),
        "starttm": 0,
        "expiretm": order.tag.expire_ns // SECOND_NS,
        "descr": _description(pair, order),
        "vol": fixed(order.quantity, pair.lot_decimals),
        "vol_exec": fixed(order.executed, pair.lot_decimals),
        "cost": fixed(order.quote_executed, COST_DECIMALS),
        "fee": fixed(order.paid, COST_DECIMALS),
        "price": fixed(average_price, 5),
        "stopprice": fixed(order.stop_price, 5),
        "limitprice": fixed(0, 5),
        "misc": "amended" if order.tag.amended else "",
        "oflags": "fciq,post" if order.tag.post_only else "fciq",
    }
    if seen_ns is not None:
        done = exchange.engine.file(exchange.engine.accounts[order.owner], order.symbol).executions
        shown["trades"] = [
            exchange.trade_id(pair, one)
            for one in done
            if one.order_id == order.order_id and one.trade.time_ns <= seen_ns
        ]
    if not order.is_open:
        shown |= {"closetm": unix(order.updated_ns), "reason": reason_of(order)}
    return shown


def _description(pair: Pair, order: Order) -> dict[str, Any]:
    side = "buy" if order.side is BUY else "sell"
    name, decimals = order.tag.type_name, pair.price_decimals
    first, second = order.stop_price or order.price, order.price if order.stop_price else 0
    spaced = name.replace("-", " ")
    words_ = f"{side} {fixed(order.quantity, pair.lot_decimals)} {pair.short} @ {spaced}"
    if first:
        words_ += f" {fixed(first, decimals)}"
    if second:
        words_ += f" -> limit {fixed(second, decimals)}"
    return {
        "pair": pair.short,
        "type": side,
        "ordertype": name,
        "price": fixed(first, decimals) if first else "0",
        "price2": fixed(second, decimals) if second else "0",
        "leverage": "none",
        "order": words_,
        "close": "",
    }


# -- trading -----------------------------------------------------------------------------------


def _order_params(p: Params, symbol: str | None) -> dict[str, Any]:
    """Return the parameters of an order in the names of WebSocket v2."""
    flags = [flag for flag in str(p.get("oflags") or "").split(",") if flag]
    unknown = set(flags) - {"post", "fciq", "fcib", "nompp", "viqc"}
    if unknown:
        raise words.arguments("oflags")
    for name in ("leverage", "reduce_only", "close[ordertype]", "close", "starttm"):
        if str(p.get(name) or "0").lower() not in {"0", "none", "false"}:
            raise words.arguments(name)
    kind = str(p.get("ordertype") or "")
    params: dict[str, Any] = {
        "symbol": symbol,
        "side": p.get("type"),
        "order_type": kind,
        "cash_order_qty" if "viqc" in flags else "order_qty": p.get("volume"),
        "post_only": "post" in flags,
    }
    price, second = p.get("price"), p.get("price2")
    if kind in trading.TRIGGERED:
        params["triggers"] = {"price": price, "reference": p.get("trigger", "last")}
        params["limit_price"] = second
    else:
        params["limit_price"] = price
    names = {
        "timeinforce": "time_in_force",
        "deadline": "deadline",
        "cl_ord_id": "cl_ord_id",
        "displayvol": "display_qty",
    }
    params |= {ours: p[name] for name, ours in names.items() if p.get(name) not in (None, "")}
    if p.get("stptype"):
        params["stp_type"] = str(p["stptype"]).replace("-", "_")
    if p.get("userref") not in (None, ""):
        params["order_userref"] = _int(p, "userref")
    if p.get("expiretm") not in (None, "", "0", 0):
        text = str(p["expiretm"]).removeprefix("+")
        if not text.isdecimal() or len(text) > LONGEST_TIME:
            raise words.arguments("expiretm")
        params["expire_time"] = coarse_stamp(int(text) * SECOND_NS)
    return {name: value for name, value in params.items() if value is not None}


def _int(p: Params, name: str) -> int:
    try:
        return int(str(p[name]))
    except ValueError:
        raise words.arguments(name) from None


def _add_order(exchange: Exchange, call: Call) -> Any:
    trading.check_deadline(call.p, call.received_ns, call.now_ns)
    pair = _pair(exchange, call.text("pair"))
    params = _order_params(call.p, pair.name)
    if call.flag("validate"):
        request = trading.read_order(params, pair, call.now_ns)
        order = Order(request, pair.name, 0, call.account.number, call.now_ns)
        return {"descr": {"order": _description(pair, order)["order"]}}
    order = trading.add(exchange, call.account, params, call.now_ns)
    return _added(exchange, order)


def _added(exchange: Exchange, order: Order) -> dict[str, Any]:
    pair = exchange.pairs.by_name[order.symbol]
    result: dict[str, Any] = {
        "txid": [exchange.order_id(order)],
        "descr": {"order": _description(pair, order)["order"]},
    }
    if order.client_id:
        result["cl_ord_id"] = order.client_id
    return result


def _add_batch(exchange: Exchange, call: Call) -> Any:
    trading.check_deadline(call.p, call.received_ns, call.now_ns)
    pair = _pair(exchange, call.text("pair"))
    orders = call.p.get("orders")
    if isinstance(orders, str):
        orders = _json(orders)
    if not isinstance(orders, list) or not all(isinstance(one, dict) for one in orders):
        raise words.arguments("orders")
    read = [_order_params(one, pair.name) for one in orders]
    validate = call.flag("validate")
    done = trading.add_batch(
        exchange, call.account, pair.name, read, call.now_ns, validate=validate
    )
    return {
        "orders": [
            {"error": one.text}
            if isinstance(one, ApiError)
            else _added(exchange, one) | {"txid": exchange.order_id(one)}
            for one in done
        ]
    }


def _amend_order(exchange: Exchange, call: Call) -> Any:
    trading.check_deadline(call.p, call.received_ns, call.now_ns)
    params: dict[str, Any] = {
        name: call.p[name]
        for name in ("order_qty", "limit_price", "trigger_price", "display_qty", "cl_ord_id")
        if call.text(name) is not None
    }
    if call.text("txid") is not None:
        params["order_id"] = call.text("txid")
    if call.flag("post_only"):
        params["post_only"] = True
    _, amend_id = trading.amend(exchange, call.account, params, call.now_ns)
    return {"amend_id": amend_id}


_USERREF: Final = re.compile(r"-?\d{1,10}", re.ASCII)


def _cancel_order(exchange: Exchange, call: Call) -> Any:
    text, name = call.text("txid"), call.text("cl_ord_id")
    if text is not None and _USERREF.fullmatch(text):
        params: dict[str, Any] = {"order_userref": [int(text)]}
    elif text is not None:
        params = {"order_id": [text]}
    else:
        params = {"cl_ord_id": [name]} if name is not None else {}
    orders = trading.chosen(exchange, call.account, params)
    for order in orders:
        trading.cancel(exchange, call.account, order, call.now_ns)
    return {"count": len(orders)}


def _cancel_all(exchange: Exchange, call: Call) -> Any:
    return {"count": trading.cancel_all(exchange, call.account, call.now_ns)}


def _cancel_after(exchange: Exchange, call: Call) -> Any:
    timeout = call.p.get("timeout")
    return trading.cancel_after(exchange, call.account, timeout, call.now_ns)


def _cancel_batch(exchange: Exchange, call: Call) -> Any:
    orders, names = call.p.get("orders"), call.p.get("cl_ord_ids")
    orders = _json(orders) if isinstance(orders, str) else orders
    names = _json(names) if isinstance(names, str) else names
    ids, named = _plain(orders, "txid"), _plain(names, "cl_ord_id")
    return {"count": trading.cancel_batch(exchange, call.account, ids, named, call.now_ns)}


def _plain(entries: Any, name: str) -> list[Any]:
    """Return what a list has, each plainly or in an object."""
    if entries is not None and not isinstance(entries, list):
        raise words.arguments("orders")
    return [one.get(name) if isinstance(one, dict) else one for one in entries or []]


def _json(text: str) -> Any:
    try:
        return _read(text)
    except (ValueError, RecursionError):
        raise ApiError(words.ARGUMENTS) from None


# -- the table ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What an endpoint does, what a key needs for it, and what it adds to the call counter.

    ``name`` is what faults know it by: the WebSocket method where there is one.
    """

    handler: Callable[[Exchange, Call], Any]
    name: str
    permission: str | None = None
    cost: float = 1.0


HISTORY: Final = 2.0
PUBLIC: Final = {
    "Time": Endpoint(_time, "Time"),
    "SystemStatus": Endpoint(_system_status, "SystemStatus"),
    "Assets": Endpoint(_assets, "Assets"),
    "AssetPairs": Endpoint(_asset_pairs, "AssetPairs"),
    "Ticker": Endpoint(_ticker, "Ticker"),
    "Depth": Endpoint(_depth, "Depth"),
    "Trades": Endpoint(_trades, "Trades"),
    "OHLC": Endpoint(_ohlc, "OHLC"),
}
PRIVATE: Final = {
    "Balance": Endpoint(_balance, "Balance", keys.FUNDS),
    "BalanceEx": Endpoint(_balance_ex, "BalanceEx", keys.FUNDS),
    "TradeBalance": Endpoint(_trade_balance, "TradeBalance", keys.FUNDS),
    "OpenOrders": Endpoint(_open_orders, "OpenOrders", keys.OPEN),
    "ClosedOrders": Endpoint(_closed_orders, "ClosedOrders", keys.CLOSED, HISTORY),
    "QueryOrders": Endpoint(_query_orders, "QueryOrders", keys.CLOSED),
    "TradesHistory": Endpoint(_trades_history, "TradesHistory", keys.CLOSED, HISTORY),
    "QueryTrades": Endpoint(_query_trades, "QueryTrades", keys.CLOSED, HISTORY),
    "TradeVolume": Endpoint(_trade_volume, "TradeVolume", keys.FUNDS),
    "GetWebSocketsToken": Endpoint(_token, "GetWebSocketsToken", keys.SOCKETS),
    "AddOrder": Endpoint(_add_order, "add_order", keys.MODIFY, 0),
    "AddOrderBatch": Endpoint(_add_batch, "batch_add", keys.MODIFY, 0),
    "AmendOrder": Endpoint(_amend_order, "amend_order", keys.MODIFY, 0),
    "CancelOrder": Endpoint(_cancel_order, "cancel_order", keys.CANCEL, 0),
    "CancelAll": Endpoint(_cancel_all, "cancel_all", keys.CANCEL, 0),
    "CancelAllOrdersAfter": Endpoint(_cancel_after, "cancel_all_orders_after", keys.CANCEL, 0),
    "CancelOrderBatch": Endpoint(_cancel_batch, "batch_cancel", keys.CANCEL, 0),
}


class Served(Protocol):
    """What serves these requests: an exchange, and what goes wrong on the way to it."""

    exchange: Exchange
    faults: Switchboard


def receive(venue: Served, request: HttpRequest, outlet: Outlet[HttpReply], now_ns: int) -> None:
    """Take one request; its reply leaves through ``outlet``, or not where a fault is on."""
    connection = Connection(venue.faults, ConnectionName.REST, outlet)
    endpoint = _find(request)
    name = request.path if endpoint is None else endpoint.name
    connection.request(
        name,
        partial(_execute, venue.exchange, request),
        lambda reply, then_ns: connection.send(_http(reply), Part.REPLIES, name),
        now_ns,
    )


def respond(exchange: Exchange, request: HttpRequest, now_ns: int) -> HttpReply:
    """Answer one request without faults."""
    return _http(_execute(exchange, request, Moment.at(now_ns)))


def _find(request: HttpRequest) -> Endpoint | None:
    version, _, rest = request.path.removeprefix("/").partition("/")
    kind, _, name = rest.partition("/")
    if version != "0":
        return None
    return {"public": PUBLIC, "private": PRIVATE}.get(kind, {}).get(name)


def _execute(exchange: Exchange, request: HttpRequest, moment: Moment) -> Reply:
    if not request.path.startswith("/0/"):
        return Reply(status=NOT_FOUND)
    endpoint = _find(request)
    if endpoint is None:
        return Reply(error=words.UNKNOWN_METHOD)
    try:
        key: ApiKey | None = None
        values = _values(request)
        if request.path.startswith("/0/private/"):
            if request.method != "POST":
                raise ApiError(words.UNKNOWN_METHOD)
            key = _authenticate(exchange, request, values, endpoint)
            exchange.count_call(key.account, endpoint.cost, moment.now_ns)
        return Reply(endpoint.handler(exchange, Call(values, key, moment)))
    except ApiError as error:
        return Reply(error=error.text)


def _values(request: HttpRequest) -> dict[str, Any]:
    values: dict[str, Any] = dict(parse_qsl(request.query, keep_blank_values=True))
    if request.body.lstrip().startswith("{"):
        body = _json(request.body)
        return values | body if isinstance(body, dict) else values
    return values | dict(parse_qsl(request.body, keep_blank_values=True))


def _authenticate(
    exchange: Exchange, request: HttpRequest, values: Params, endpoint: Endpoint
) -> ApiKey:
    key = exchange.keys.get(request.headers.get("api-key", ""))
    if key is None:
        raise ApiError(words.INVALID_KEY)
    nonce = str(values.get("nonce", ""))
    if not nonce:
        raise ApiError(words.INVALID_NONCE)
    key.check(request.path, nonce, request.body, request.headers.get("api-sign", ""))
    if not key.allows(endpoint.permission, request.ip):
        raise ApiError(words.PERMISSION)
    return key


def _http(reply: Reply) -> HttpReply:
    if reply.status != 200:
        page = f"<html><body><h1>{reply.status}</h1></body></html>".encode()
        return HttpReply(reply.status, page, {}, "text/html")
    return HttpReply(200, _encode(words.rest_body(reply.error, reply.result)), {})
