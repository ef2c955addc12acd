"""Worlds of Kraken Spot: what its exchange says and hears, in the words that all worlds share.

Source: docs.kraken.com, WebSocket v2 and REST reference, guide "Spot Error Messages" (pages of
2026-05-27).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from msgspec import Raw

from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Credentials
from tools.world.audit.kraken import Nonces, Proofs, Queues, Sessions, States, Timer
from tools.world.dialect import (
    AMEND,
    CANCEL,
    DEAD_MAN,
    MARKET,
    OTHER,
    PLACE,
    BboKeys,
    Dialect,
    Refusal,
    Reported,
    Request,
    Sent,
)
from tools.world.watched import Watched
from venues.sim.accounts import Account
from venues.sim.actions import ActionError
from venues.sim.faults import Outlet
from venues.sim.fixed import ONE, show
from venues.sim.http import HttpReply, HttpRequest
from venues.sim.kraken import words
from venues.sim.kraken.actions import AskElsewhere, UseNonce
from venues.sim.kraken.numbers import NotNumberError, name_of, read, read_stamp, stamp
from venues.sim.kraken.pairs import SYMBOLS
from venues.sim.kraken.venue import (
    DEFAULT_BALANCES,
    DEFAULT_SECRET,
    LEVEL3_PATH,
    PRIVATE_PATH,
    PUBLIC_PATH,
    Venue,
)
from venues.sim.ledger import DEFAULT_KEY
from venues.sim.symbols import Symbol
from venues.sim.venue import AnyVenue

if TYPE_CHECKING:
    from tools.world.auditor import Auditor

_MIN_COST: Final = ONE // 2


def _pair(base: str, quote: str, price: int, tick: int, step: int, least: int) -> Symbol:
    return Symbol(
        f"{base}/{quote}",
        base,
        quote,
        tick_size=tick,
        step_size=step,
        opening_price=price,
        cost_step=1_000,
        min_quantity=least,
        min_notional=_MIN_COST if quote == "USD" else ONE // 50_000,
    )


BTC: Final = _pair("BTC", "USD", 65_000 * ONE, ONE // 10, ONE // 100_000, ONE // 20_000)
ETH: Final = _pair("ETH", "USD", 3_200 * ONE, ONE // 100, ONE // 10_000, ONE // 1_000)
SOL: Final = _pair("SOL", "USD", 150 * ONE, ONE // 100, ONE // 1_000, ONE // 50)
CROSS: Final = _pair("ETH", "BTC", ONE * 3_200 // 65_000 // 1_000 * 1_000, 1_000, 10_000, 100_000)
"""Their lots are a thousand of the venue's own, so that some lots are an order; a lot of a pair is
what ``lot_decimals`` says."""

METHODS: Final = {
    b"add_order": PLACE,
    b"batch_add": PLACE,
    b"cancel_order": CANCEL,
    b"batch_cancel": CANCEL,
    b"cancel_all": CANCEL,
    b"amend_order": AMEND,
    b"cancel_all_orders_after": DEAD_MAN,
}

BOOKS: Final = (b"book", b"level3")
TOLD_BOOKS: Final = tuple(b'{"channel":"%b"' % name for name in BOOKS)
WHOLE_BOOKS: Final = tuple(head + b',"type":"snapshot"' for head in TOLD_BOOKS)
"""Books by level and by order."""

REPORTS: Final = {
    b"pending_new": "report.NEW",
    b"new": "report.NEW",
    b"trade": "report.TRADE",
    b"canceled": "report.CANCELED",
    b"expired": "report.EXPIRED",
}

REST: Final = {
    "Time": "time",
    "AssetPairs": "exchangeInfo",
    "Ticker": "bookTicker",
    "Depth": "depth",
    "OpenOrders": "openOrders",
    "QueryOrders": "order",
    "ClosedOrders": "order",
    "TradesHistory": "myTrades",
    "QueryTrades": "myTrades",
    "BalanceEx": "account",
    "GetWebSocketsToken": "token",
}

_METHOD: Final = b'{"method":"'
_REPLY: Final = re.compile(rb'"method":"([a-z_]+)"')
_REQUEST: Final = re.compile(rb'"req_id":(\d{1,18})')
_EXECUTION: Final = re.compile(rb'"exec_type":"([a-z_]+)"')
_ERROR: Final = re.compile(rb'"error":"([^"]*)"')
_SYMBOL: Final = re.compile(rb'"symbol":"([^"]+)"')
_STAMP: Final = re.compile(rb'("timestamp":")([^"]+)(")')
_LIMITS: Final = (
    b"EAPI:Rate limit", b"EOrder:Rate limit", b"EGeneral:Temporary lockout", b"EService:Throttled",
    b"EOrder:Domain rate limit",
)  # fmt: skip
_THROTTLES: Final = (b"EService:Throttled",)
"""What is said to whoever asks too much of anything; a limit by its name is spent alone."""
_WRONG: Final = frozenset(
    {
        words.TICK_SIZE, words.INVALID_PRICE, words.ORDER_MINIMUM, words.COST_MINIMUM,
    }
)  # fmt: skip
"""Refusals of the order itself: sent again as it is, it is refused again."""

_read = msgspec.json.Decoder(float_hook=lambda text: Raw(text.encode())).decode
_write = msgspec.json.Encoder().encode

_PLAIN: Final = re.compile(rb"[1-9]\d{0,6}\.\d{1,8}")
"""A price that nobody can take for a mistake in its writing."""

_LONGEST_MS: Final = 253_402_300_799_999
"""The last moment that a time in RFC 3339 has a year for."""


class WatchedVenue(Watched, Venue):
    """An exchange that tells the auditor what it did before it tells anybody else."""

    def receive(self, request: HttpRequest, outlet: Outlet[HttpReply], now_ns: int) -> None:
        if self.auditor is not None and request.headers.get("api-key") == DEFAULT_KEY:
            self.auditor.watch_of(Nonces).on_body(request.body)
        super().receive(request, outlet, now_ns)


class Kraken(Dialect):
    """Kraken Spot's answers."""

    name = "kraken"
    usual = (BTC, ETH, SOL)
    triangle = (BTC, ETH, CROSS)
    default_symbol = "BTC/USD"
    max_order: Mapping[str, str] = {
        "BTC/USD": "0.003", "ETH/USD": "0.03", "SOL/USD": "0.3", "ETH/BTC": "0.03",
    }  # fmt: skip
    losses: Mapping[str, tuple[int, int]] = {
        "USD": (10 * ONE, 100_000 * ONE),
        "BTC": (20_000, 2 * ONE),
    }
    default_balances = DEFAULT_BALANCES
    tells_spent = False
    tells_balances = False
    # Four decimals of a dollar are told, of the balance and of what orders hold of it.
    cut_off: Mapping[str, int] = {"USD": 2 * 10**4}
    secret = DEFAULT_SECRET
    api_key = DEFAULT_KEY
    rest_prices = ("/Ticker", "/Depth")
    connections = (PUBLIC_PATH, PRIVATE_PATH)
    orders_path = LEVEL3_PATH
    places = ("public", "private")

    lacks: Mapping[str, str] = {
        "snapshot_old": "a book's snapshot comes in its feed, none is asked for",
        "snapshot_ahead": "a book's snapshot comes in its feed, none is asked for",
        "delta_renumbered": "changes of a book have no numbers",
        "book_renumbered": "changes of a book have no numbers",
        "stream_ended": "the private channels end with their connection, without a word",
        "shutdown": "the venue announces no end of a connection",
        "both_end": "the venue announces no end of a connection",
        "weight_spent": "no request has a weight, and nobody is told what others have used",
        "banned": "a lockout lasts a quarter of an hour, more than a world's calm",
        "rest_banned": "a lockout lasts a quarter of an hour, more than a world's calm",
        "ids_begin_anew": "ids do not rise, and no environment of the venue is set up anew",
        "clock_refused": "no request is refused for its time, but for a deadline that has passed",
        "others_elsewhere": "the built-in exchange opens no pair while it runs",
        "others_off_grid": "nothing is allocated at a price off the grid",
        "market_closed": "a pair's status is told, and its refusals: see system_status",
    }
    unbreakable: Mapping[str, str] = {
        "snapshot_ahead_believed": "a book's snapshot comes in its feed, none is asked for",
        "trade_ids_for_ever": "no environment of the venue is set up anew",
        "reset_unnoticed": "no environment of the venue is set up anew",
        "only_the_configured_listed": "a list of open orders is always the whole account's",
        "far_price_believed": "no best prices are subscribed to beside a whole book",
        "other_fees_ignored": "fees are taken in the quote currency",
        "time_refused_again": "no request is refused for its time",
        "answer_over_news": "what is free is told by answers alone, so that none is overtaken",
    }
    acts_lacking = frozenset({"lock", "allocation", "list"})
    settings_lacking: Mapping[str, str] = {
        "logs_on": "keys of one kind alone; a session's token is fetched in every world",
        "fees_in_bnb": "fees are taken in the quote currency",
    }

    def open(
        self, now_ns: int, seed: int, symbols: tuple[Symbol, ...] | None, rate: float
    ) -> Venue:
        return Venue(now_ns, seed=seed, rate=rate, symbols=symbols or SYMBOLS)

    def watched(self, now_ns: int, seed: int, symbols: tuple[Symbol, ...]) -> WatchedVenue:
        return WatchedVenue(now_ns, seed=seed, rate=0.0, symbols=symbols)

    def add_key(self, venue: AnyVenue, account: Account, *, logs_on: bool) -> None:
        cast(Venue, venue).exchange.add_key(DEFAULT_KEY, DEFAULT_SECRET, account)

    def keys(self, *, logs_on: bool) -> Credentials:
        return Credentials({"api_key": DEFAULT_KEY, "api_secret": DEFAULT_SECRET})

    def secrets(self, venue: AnyVenue) -> Sequence[bytes]:
        tokens = (token.encode() for token in cast(Venue, venue).exchange.tokens)
        return (DEFAULT_SECRET.encode(), *tokens)

    def marker(self, scope: str) -> str:
        digest = int.from_bytes(hashlib.sha256(scope.encode()).digest())
        return f"{digest % 16**8:08x}"

    def is_private(self, target: str) -> bool:
        return target.partition("?")[0] in (PRIVATE_PATH, LEVEL3_PATH)

    def weigh(self, auditor: Auditor, venue: AnyVenue, ip: str) -> None:
        """Nobody is told what is used."""

    def attend(self, auditor: Auditor, venue: AnyVenue, account: Account) -> None:
        context, exchange = auditor.context, cast(Venue, venue).exchange

        def left_ns() -> int:
            return exchange.armed_ns(account) - venue.faults.now_ns

        def is_needed(now_ns: int) -> bool:
            held_up = auditor.shared or auditor.connection.is_slow(now_ns)
            return not held_up and exchange.system != "maintenance"

        auditor.take_in(
            States(context, exchange, account),
            Sessions(context),
            Nonces(context),
            Timer(context, left_ns, is_needed),
            Proofs(context),
            Queues(context, exchange),
        )

    def was_ahead(self, venue: AnyVenue, ahead_ns: int) -> None:
        if ahead_ns > 0:
            used = UseNonce(api_key=DEFAULT_KEY, ahead_s=ahead_ns // NS_PER_S)
            used.perform(cast(Venue, venue).exchange, venue.faults.now_ns)

    def order_key(self, symbol: str, market: int, number: int) -> tuple[str, str]:
        return "", name_of("O", market, number)

    def fill_name(self, market: int, number: int, *, bought: bool) -> str:
        return name_of("T", market, number * 2 + bought)

    # -- what our side says --------------------------------------------------------------------

    def asks(self, payload: bytes) -> str:
        return METHODS.get(payload[11 : payload.find(b'"', 11)], OTHER)

    def request(self, payload: bytes) -> Request:
        request = _read(payload)
        method, values = request["method"], request.get("params", {})
        kind = METHODS.get(method.encode(), OTHER)
        orders: tuple[Sent, ...] = ()
        if method == "add_order" and values.get("validate") is not True:
            orders = (_order(values, values["symbol"]),)
        elif method == "batch_add":
            orders = tuple(_order(one, values["symbol"]) for one in values["orders"])
        return Request(
            kind if kind != PLACE or orders else OTHER,
            str(request.get("req_id", "")),
            method,
            values,
            orders,
            _first(values.get("cl_ord_id")),
            _first(values.get("order_id")),
        )

    def request_name(self, payload: bytes) -> bytes:
        return payload[payload.rfind(b'"req_id":') :]

    def request_id(self, payload: bytes) -> str:
        found = _REQUEST.search(payload, max(0, len(payload) - 40))
        return "" if found is None else found[1].decode()

    def is_request(self, payload: bytes) -> bool:
        return payload.startswith(_METHOD)

    def rest_kind(self, path: str) -> str:
        name = path.rsplit("/", 1)[1]
        return REST.get(name, name)

    def listed_symbol(self, query: str) -> str:
        return ""  # a list is always the whole account's

    # -- what the exchange says ----------------------------------------------------------------

    def kind_of(self, connection: int, payload: bytes) -> str:
        if payload.startswith(b'{"channel":"'):
            channel = payload[12 : payload.find(b'"', 12)]
            if connection == MARKET:
                if channel in BOOKS:
                    return "delta" if b'"type":"update"' in payload[:45] else "snapshot"
                return {b"ticker": "top", b"trade": "trade"}.get(channel, "market.answer")
            if channel == b"executions" and b'"type":"update"' in payload[:50]:
                found = _EXECUTION.search(payload)
                return "account" if found is None else REPORTS.get(found[1], "account")
            return "account" if connection != MARKET else "market.answer"
        if connection == MARKET:
            return "market.answer"
        found = _REPLY.search(payload)
        return "reply." + (OTHER if found is None else METHODS.get(found[1], OTHER))

    def reply_id(self, payload: bytes) -> str:
        if payload.startswith(b'{"channel"'):
            return ""
        found = _REQUEST.search(payload)
        return "" if found is None else found[1].decode()

    def reply_mark(self, payload: bytes) -> bytes:
        return b'"req_id":%b,' % self.request_id(payload).encode()

    def _error(self, payload: bytes) -> bytes:
        if payload.startswith(b'{"channel"'):
            return b""
        found = _ERROR.search(payload)
        return b"" if found is None else found[1]

    def refused_for_limits(self, payload: bytes) -> bool:
        return self._error(payload).startswith(_LIMITS)

    def throttled(self, payload: bytes) -> bool:
        return self._error(payload).startswith(_THROTTLES)

    def cancel_throttled(self, payload: bytes) -> bool:
        return self.throttled(payload) and b'"method":"cancel_order"' in payload

    def banned_ns(self, payload: bytes) -> int | None:
        return 0 if self._error(payload).startswith(b"EGeneral:Temporary lockout") else None

    def subscribed(self, payload: bytes) -> bool:
        return (
            payload.startswith(_METHOD + b'subscribe"')
            and b'"channel":"executions"' in payload
            and b'"success":true' in payload
        )

    def time_refused(self, payload: bytes) -> bool:
        return False

    def refusal(self, payload: bytes) -> Refusal | None:
        error = self._error(payload).decode(errors="replace")
        if not error:
            return None
        return Refusal(self.reply_id(payload), error, error in _WRONG)

    def insufficient(self, payload: bytes) -> bool:
        return self._error(payload).startswith(words.INSUFFICIENT_FUNDS.encode())

    def reported(self, payload: bytes) -> list[Reported]:
        if not payload.startswith(b'{"channel":"executions"'):
            return []
        try:
            data = _read(payload).get("data")
        except (msgspec.DecodeError, AttributeError, RecursionError):
            return []
        entries = data if isinstance(data, list) else []
        found = [_reported(one) for one in entries if isinstance(one, dict)]
        return [one for one in found if one is not None]

    def dated(self, payload: bytes) -> tuple[str, int] | None:
        if not payload.startswith(TOLD_BOOKS):
            return None
        symbol, told = _SYMBOL.search(payload), _STAMP.search(payload)
        if symbol is None or told is None:
            return None
        try:
            return symbol[1].decode(errors="replace"), read_stamp(told[2].decode())
        except (NotNumberError, UnicodeDecodeError):
            return None

    def snapshot_of(self, payload: bytes) -> str:
        if not payload.startswith(WHOLE_BOOKS):
            return ""
        symbol = _SYMBOL.search(payload)
        return "" if symbol is None else symbol[1].decode(errors="replace")

    def listed(self, status: int, body: bytes) -> bool:
        return status == 200 and body.startswith(b'{"error":[],')

    # -- what faults make of it ----------------------------------------------------------------

    numbered = False
    bbo = BboKeys("bid", "bid_qty", "ask", "ask_qty")
    lies = ("NaN", "Infinity", "1e999", "1_000", "", "-1.00000000", "9" * 30, "0x10", "१", "{}")
    may_be_negative = frozenset({"fees"})
    needed: Mapping[str, tuple[str, ...]] = {
        "top": ("symbol", "bid", "bid_qty", "ask", "ask_qty", "timestamp"),
        "delta": ("symbol", "bids", "asks", "checksum"),
        "trade": ("symbol", "price", "qty", "trade_id"),
        "event": ("order_id", "exec_type", "timestamp"),
    }
    bombs = (
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"method":"add_order","req_id":' + b"1" * 1_000_000 + b"}",
        b'{"channel":"trade","type":"update","data":[{"trade_id":' + b"9" * 5_000 + b"}]}",
        b'"' + b"x" * 1_000_000 + b'"',
        b'{"channel":"executions","type":"update","data":[{"order_id":"'
        + b"\\u0000" * 10_000
        + b'"}]}',
        b"\x00\x00\x00",
        b"",
        b"<html><body>502 Bad Gateway</body></html>",
    )
    unknown_public = b'{"channel":"liquidity","type":"update","data":[{"symbol":"BTC/USD"}]}'
    flood = b'{"channel":"liquidity","type":"update","data":[{"x":"%s"}]}' % (b"-" * 60)
    unknown_private = b'{"channel":"liabilities","type":"update","data":[{"asset":"BTC"}]}'
    logged_out = (
        b'{"error":"ESession:Invalid session","method":"add_order","req_id":0,"success":false,'
        b'"time_in":"2026-09-21T00:00:00.000000Z","time_out":"2026-09-21T00:00:00.000000Z"}'
    )
    paths: Mapping[str, str] = {
        "account": "/0/private/BalanceEx",
        "exchangeInfo": "/0/public/AssetPairs",
        "time": "/0/public/Time",
    }
    methods: Mapping[str, str] = {
        "place": "add_order",
        "cancel": "cancel_order",
        "status": "QueryOrders",
    }
    questions = ("QueryOrders", "OpenOrders", "TradesHistory", "ClosedOrders")
    no_html = (
        b'{"error":["EGeneral:Internal error"]}',
        b'{"error":["EService:Unavailable"]}',
    )
    forbidden = (
        "EGeneral:Permission denied",
        "EAccount:Invalid permissions",
        "EAuth:Account temporary disabled",
        "EAPI:Feature disabled",
        "EQuery:Unknown asset pair",
    )
    errors = (
        "EGeneral:Internal error",
        "EService:Unavailable",
        "EService:Busy",
        "EService:Deadline elapsed",
        "EService:A text that nobody has documented",
    )
    too_many = "EService:Throttled"
    calls_limit = "calls"
    orders_spent = "EOrder:Rate limit exceeded"
    orders_limit = "orders_pair"
    closed = "EService:Market in cancel_only mode"
    filter = "EOrder:Tick size check failed"
    banned = "EGeneral:Temporary lockout"
    # A call counter forgets one in three seconds, and to ask for an order by its name costs two.
    proof_more_s = 90.0
    silent_s = 15.0
    noticed_s = 8.0

    def decode(self, payload: bytes) -> Any:
        return _read(payload)

    def encode(self, body: Any) -> bytes:
        return _write(body)

    def entry(self, body: Any) -> dict[str, Any] | None:
        data = body.get("data") if isinstance(body, dict) else None
        return data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else None

    def text(self, value: Any) -> str:
        return bytes(value).decode() if isinstance(value, Raw) else str(value)

    def number(self, text: str) -> Any:
        return Raw(text.encode())

    def is_number(self, value: Any) -> bool:
        return isinstance(value, Raw)

    def symbol(self, body: Any) -> str:
        return str(body["data"][0]["symbol"])

    def misdate(self, payload: bytes, by_ms: int) -> bytes:
        def other(found: re.Match[bytes]) -> bytes:
            try:
                then_ns = read_stamp(found[2].decode()) + by_ms * NS_PER_MS
            except (NotNumberError, UnicodeDecodeError):
                return found[0]
            return found[1] + stamp(then_ns).encode() + found[3]

        return _STAMP.sub(other, payload)

    def date(self, body: Any, at_ms: int) -> None:
        told = str(at_ms)
        if 0 <= at_ms <= _LONGEST_MS:
            told = stamp(at_ms * NS_PER_MS)
        body["data"][0]["timestamp"] = told

    def time_ms(self, body: Any) -> int:
        return read_stamp(body["data"][0]["timestamp"]) // NS_PER_MS

    def report_name(self, body: Any) -> str:
        return str(body["data"][0].get("cl_ord_id", ""))

    def make_unknown(self, body: Any) -> None:
        body["data"][0]["exec_type"] = "funding"

    def contradict(self, body: Any, *, side: bool, price: int) -> bool:
        told = body["data"][0]
        if side and "side" in told:
            told["side"] = "sell" if told["side"] == "buy" else "buy"
            return True
        if not side and "limit_price" in told:
            told["limit_price"] = Raw(show(price).encode())
            return True
        return False

    def trade_id(self, body: Any) -> str:
        return str(body["data"][0]["exec_id"])

    def refuses(self, payload: bytes, refusal: Any, venue_ns: int, until_ns: int) -> bytes:
        asked = _read(payload)
        return _write(
            {
                "method": asked["method"],
                "req_id": asked.get("req_id", 0),
                "error": refusal,
                "success": False,
                "time_in": stamp(venue_ns),
                "time_out": stamp(venue_ns),
            }
        )

    def words(self, refusal: Any) -> str:
        return str(refusal)

    def rest_refused(self, status: int, body: bytes) -> str:
        if b'"EGeneral:Temporary lockout' in body[:60]:
            return "banned"
        return "throttled" if status == 429 or b'"EAPI:Rate limit' in body[:60] else ""

    def throttled_rest(self) -> tuple[int, bytes]:
        return 200, b'{"error":["EAPI:Rate limit exceeded"]}'

    def with_more(self, body: bytes, asset: str, more: int) -> bytes:
        told = msgspec.json.decode(body)
        if told["error"]:
            return body
        name = {"BTC": "XXBT", "ETH": "XETH", "USD": "ZUSD"}.get(asset, asset)
        held = told["result"].setdefault(name, {"balance": "0.0000000000", "hold_trade": "0"})
        held["balance"] = str(Decimal(held["balance"]) + Decimal(more) / ONE)
        return _write(told)

    def with_grid(self, body: bytes, symbol: str, *, tick: bool, factor: int) -> bytes:
        told = msgspec.json.decode(body)
        base, _, quote = symbol.partition("/")
        for pair in () if told["error"] else told["result"].values():
            old = {"BTC": "XBT"}
            if pair["wsname"] != f"{old.get(base, base)}/{old.get(quote, quote)}":
                continue
            if tick:
                pair["tick_size"] = str(Decimal(pair["tick_size"]) * factor)
            else:
                pair["lot_decimals"] -= 1
        return _write(told)

    def place_elsewhere(
        self, venue: AnyVenue, symbol: str, buy: bool, price: int, size: int, now_ns: int
    ) -> bool:
        exchange = cast(Venue, venue).exchange
        pair = exchange.pairs.by_name.get(symbol)
        if pair is None:
            return False
        order = {
            "pair": symbol,
            "type": "buy" if buy else "sell",
            "ordertype": "limit",
            "price": show(price),
            "volume": show(size),
        }
        try:
            asked = AskElsewhere(api_key=DEFAULT_KEY, method="AddOrder", parameters=order)
            asked.perform(exchange, now_ns)
        except ActionError:
            return False
        return True


def _first(named: Any) -> str:
    """Return the first of what a request names, in a list or plainly."""
    if isinstance(named, list):
        named = named[0] if named else ""
    return named if isinstance(named, str) else ""


def _units(value: Any) -> int:
    """Return a number as it was written in units of 1e-8."""
    return read(Decimal(bytes(value).decode()) if isinstance(value, Raw) else value)


def _order(values: Mapping[str, Any], symbol: str) -> Sent:
    """Return the order that a request contains."""
    market, only_makes = values["order_type"] == "market", values.get("post_only") is True
    tif = str(values.get("time_in_force", "gtc")).upper()
    return Sent(
        client_id=values["cl_ord_id"],
        symbol=symbol,
        buy=values["side"] == "buy",
        kind="MARKET" if market else "LIMIT_MAKER" if only_makes else "LIMIT",
        tif="" if market or only_makes else tif,
        price=_units(values["limit_price"]) if "limit_price" in values else 0,
        size=_units(values["order_qty"]),
        replaces="",
    )


def _reported(told: Mapping[str, Any]) -> Reported | None:
    name = told.get("cl_ord_id")
    if not isinstance(name, str) or not name:
        return None
    side, price, symbol = told.get("side"), told.get("limit_price"), told.get("symbol")
    if str(told.get("exec_type")).encode() not in REPORTS:
        side = price = None
    plain = isinstance(price, Raw) and _PLAIN.fullmatch(bytes(price)) is not None
    return Reported(
        name,
        symbol if isinstance(symbol, str) else "",
        side == "buy" if side in ("buy", "sell") else None,
        _units(price) if plain else 0,
    )


KRAKEN: Final = Kraken()
