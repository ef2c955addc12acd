"""Worlds of Binance Spot: what its exchange says and hears, in the words that all worlds share.

Sources: web-socket-api.md, user-data-stream.md, web-socket-streams.md, rest-api.md, errors.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from core.model.units import NS_PER_MS
from core.model.venue import Credentials
from tools.world.dialect import (
    AMEND,
    CANCEL,
    MARKET,
    OTHER,
    PLACE,
    PLACING,
    QUERY,
    REPLACE,
    BboKeys,
    Dialect,
    Refusal,
    Reported,
    Request,
    Sent,
)
from tools.world.watched import Watched
from venues.sim.accounts import Account
from venues.sim.binance.exchange import Origin
from venues.sim.binance.methods import METHODS
from venues.sim.binance.streams import StreamSession
from venues.sim.binance.symbols import SYMBOLS
from venues.sim.binance.venue import Venue
from venues.sim.binance.ws_api import PATH as WS_API_PATH
from venues.sim.fixed import ONE, parse, show
from venues.sim.ledger import DEFAULT_BALANCES, DEFAULT_KEY, DEFAULT_SECRET
from venues.sim.symbols import Symbol, symbol_of
from venues.sim.venue import AnyVenue, Session

if TYPE_CHECKING:
    from tools.world.auditor import Auditor

CROSS: Final = symbol_of("ETHBTC", "ETH", "BTC", ONE * 3_200 // 65_000, 100, 10_000, 10_000)
"""A pair of assets that two others trade against the same quote; of a fine grid, so that what is
some ticks away is not beyond any collar."""

_PRIVATE: Final = Ed25519PrivateKey.from_private_bytes(b"hotloop-sim: this is not secret!")

PRIVATE_PEM: Final = _PRIVATE.private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
).decode()
"""A private key that everybody knows."""

PUBLIC_KEY: Final = _PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

KEYS: Final = Credentials({"api_key": DEFAULT_KEY, "api_secret": DEFAULT_SECRET})
"""What the built-in exchange's first account has to begin with."""

KINDS: Final = {
    "order.place": PLACE,
    "order.cancelReplace": REPLACE,
    "order.cancel": CANCEL,
    "order.amend.keepPriority": AMEND,
    "order.status": QUERY,
}

_STREAMS: Final = {b"b": "top", b"d": "delta", b"t": "trade"}

_TIME: Final = re.compile(rb'("E":)(\d{1,15})\b')
"""The venue's time in a message of the market."""

_DEPTH: Final = re.compile(rb'"e":"depthUpdate","E":(\d{1,15}),"s":"([^"]+)"')

_CODE: Final = re.compile(rb'"code":(-\d+)')
"""A code in a reply; of a refused replacement the last one is the new order's."""

_FILTER_CODE: Final = -1013
_FILTER: Final = b'"msg":"Filter failure'
"""The reject whose repetition halts a symbol whatever else is going on: a filter was not kept."""

_EXECUTIONS: Final = frozenset({"NEW", "CANCELED", "REPLACED", "REJECTED", "TRADE", "EXPIRED"})
"""What may be read of a report at all."""

_PLAIN: Final = re.compile(r"[1-9]\d{0,6}\.\d{8}")
"""A price that nobody can take for a mistake in its writing."""


class _Told(msgspec.Struct):
    """A private message that tells of something; all in it may be spoiled."""

    event: dict[str, Any]


No = tuple[int, int, str]
"""Status, code and text of a refusal."""


class WatchedVenue(Watched, Venue):
    """An exchange that tells the auditor what it did before it tells anybody else."""


class Binance(Dialect):
    """Binance Spot's answers."""

    name = "binance"
    usual = SYMBOLS
    triangle = (*(one for one in SYMBOLS if one.name in ("BTCUSDT", "ETHUSDT")), CROSS)
    default_symbol = "BTCUSDT"
    max_order: Mapping[str, str] = {
        "BTCUSDT": "0.003", "ETHUSDT": "0.03", "BNBUSDT": "0.3", "ETHBTC": "0.03",
    }  # fmt: skip
    losses: Mapping[str, tuple[int, int]] = {
        "USDT": (10 * ONE, 100_000 * ONE),
        "BTC": (20_000, 2 * ONE),
    }
    default_balances = DEFAULT_BALANCES
    secret = DEFAULT_SECRET
    api_key = DEFAULT_KEY
    rest_prices = ("/ticker/bookTicker", "/depth")
    connections = ("", WS_API_PATH)
    places = ("stream", "ws_api")

    lacks: Mapping[str, str] = {
        "checksum_wrong": "books have numbers, and no checksums",
        "level_wrong": "books have numbers, and no checksums",
        "token_expired": "each request is signed, or its connection logged on: nothing expires",
        "token_refused": "each request is signed, or its connection logged on: nothing expires",
        "nonce_refused": "requests have a time, and no number that rises",
        "system_status": "no state of the whole is told, and a symbol's is asked for",
        "dead_man_fires": "the venue has no timer that cancels",
        "dead_man_unheard": "the venue has no timer that cancels",
    }
    unbreakable: Mapping[str, str] = {
        "amended_at_once": "orders are made smaller alone, and the answer tells that they are",
        "closed_market_traded": "no state of the whole is told, and a symbol's is asked for",
        "refused_token_kept": "each request is signed, or its connection logged on",
        "nonce_of_the_clock": "requests have a time, and no number that rises",
        "nonce_never_leaps": "requests have a time, and no number that rises",
        "timer_set_once": "the venue has no timer that cancels",
        "timer_left_running": "the venue has no timer that cancels",
        "checksum_ignored": "books have numbers, and no checksums",
        "all_books_anew": "books have numbers, and no checksums that could be wrong",
    }
    settings_lacking: Mapping[str, str] = {"by_order": "the venue tells of no single orders"}

    def open(
        self, now_ns: int, seed: int, symbols: tuple[Symbol, ...] | None, rate: float
    ) -> Venue:
        return Venue(now_ns, seed=seed, rate=rate, symbols=symbols or SYMBOLS)

    def watched(self, now_ns: int, seed: int, symbols: tuple[Symbol, ...]) -> WatchedVenue:
        return WatchedVenue(now_ns, seed=seed, rate=0.0, symbols=symbols)

    def add_key(self, venue: AnyVenue, account: Account, *, logs_on: bool) -> None:
        exchange = cast(Venue, venue).exchange
        if logs_on:
            exchange.add_ed25519_key(DEFAULT_KEY, PUBLIC_KEY, account)
        else:
            exchange.add_hmac_key(DEFAULT_KEY, DEFAULT_SECRET, account)

    def keys(self, *, logs_on: bool) -> Credentials:
        if logs_on:
            return Credentials({"api_key": DEFAULT_KEY, "private_key": PRIVATE_PEM})
        return KEYS

    def secrets(self, venue: AnyVenue) -> Sequence[bytes]:
        return (DEFAULT_SECRET.encode(), b'"signature"')

    def marker(self, scope: str) -> str:
        return scope

    def is_private(self, target: str) -> bool:
        return target.partition("?")[0] == WS_API_PATH

    def control(self, session: Session, now_ns: int) -> None:
        if isinstance(session, StreamSession):
            session.budget.spend(now_ns)

    def weigh(self, auditor: Auditor, venue: AnyVenue, ip: str) -> None:
        requests = cast(Venue, venue).exchange.requests_of(ip)
        auditor.weight.limit = requests.weight.limit.limit
        auditor.weight.counted = requests.weight.count

    # -- what our side says --------------------------------------------------------------------

    def asks(self, payload: bytes) -> str:
        return chr(payload[7])

    def request(self, payload: bytes) -> Request:
        request = msgspec.json.decode(payload)
        method, values = request["method"], request.get("params", {})
        kind = KINDS.get(method, OTHER)
        name = values.get("newClientOrderId") or values.get("origClientOrderId") or ""
        return Request(
            kind,
            request["id"],
            method,
            values,
            (_order(values),) if kind in PLACING else (),
            str(name),
            str(values.get("orderId") or ""),
        )

    def request_name(self, payload: bytes) -> bytes:
        return payload[: payload.find(b",")]

    def request_id(self, payload: bytes) -> str:
        return payload[7 : payload.find(b'"', 7)].decode()

    def is_request(self, payload: bytes) -> bool:
        return payload.startswith(b'{"id"')

    def rest_kind(self, path: str) -> str:
        return path.rsplit("/", 1)[1]

    def listed_symbol(self, query: str) -> str:
        return query.partition("symbol=")[2].partition("&")[0]

    # -- what the exchange says ----------------------------------------------------------------

    def kind_of(self, connection: int, payload: bytes) -> str:
        if connection == MARKET:
            at = payload.find(b"@", 11, 40)
            letter = payload[at + 1 : at + 2] if at > 0 else b""
            return _STREAMS.get(letter, "market.answer")
        if payload.startswith(b'{"id":"'):
            return "reply." + chr(payload[7])
        at = payload.find(b'"x":"', 0, 400)
        if at > 0:
            return "report." + payload[at + 5 : payload.find(b'"', at + 5)].decode()
        return "account"

    def reply_id(self, payload: bytes) -> str:
        if not payload.startswith(b'{"id":"'):
            return ""
        return payload[7 : payload.find(b'"', 7)].decode(errors="replace")

    def reply_mark(self, payload: bytes) -> bytes:
        return payload[1 : payload.find(b",")]

    def refused_for_limits(self, payload: bytes) -> bool:
        return b'"status":429' in payload[:40] or b'"status":418' in payload[:40]

    def throttled(self, payload: bytes) -> bool:
        return b'"status":429' in payload[:40]

    def cancel_throttled(self, payload: bytes) -> bool:
        return payload.startswith(b'{"id":"c') and b'"status":429' in payload[:40]

    def banned_ns(self, payload: bytes) -> int | None:
        if b'"status":418' not in payload[:40]:
            return None
        told = msgspec.json.decode(payload)["error"].get("data", {})
        return int(told.get("retryAfter", 0)) * NS_PER_MS

    def subscribed(self, payload: bytes) -> bool:
        return payload.startswith(b'{"id":"u') and b'"status":200' in payload[:40]

    def time_refused(self, payload: bytes) -> bool:
        return payload.startswith(b'{"id":') and b'"code":-1021' in payload[:70]

    def refusal(self, payload: bytes) -> Refusal | None:
        if not payload.startswith(b'{"id":"') or b'"error":{' not in payload[:60]:
            return None
        codes = _CODE.findall(payload)
        if not codes:
            return Refusal(self.reply_id(payload), "", must=False)
        return Refusal(self.reply_id(payload), codes[-1].decode(), _FILTER in payload)

    def insufficient(self, payload: bytes) -> bool:
        return b"insufficient balance" in payload

    def reported(self, payload: bytes) -> list[Reported]:
        if b'"e":"executionReport"' not in payload:
            return []
        try:
            event = msgspec.json.decode(payload, type=_Told).event
        except msgspec.DecodeError:
            return []
        name = event.get("C") or event.get("c")
        if not isinstance(name, str):
            return []
        side, price, number = event.get("S"), event.get("p"), event.get("i")
        if str(event.get("x")) not in _EXECUTIONS:
            side = price = None
        plain = isinstance(price, str) and _PLAIN.fullmatch(price) is not None
        return [
            Reported(
                name,
                str(event.get("s")),
                side == "BUY" if side in ("BUY", "SELL") else None,
                parse(str(price)) if plain else 0,
                number if isinstance(number, int) else 0,
            )
        ]

    def dated(self, payload: bytes) -> tuple[str, int] | None:
        change = _DEPTH.search(payload, 0, 200)
        if change is None:
            return None
        return change[2].decode(errors="replace"), int(change[1]) * NS_PER_MS

    def snapshot_of(self, payload: bytes) -> str:
        return ""  # it is asked for over REST

    # -- what faults make of it ----------------------------------------------------------------

    numbered = True
    bbo = BboKeys("b", "B", "a", "A")
    lies = (
        "NaN", "Infinity", "-0", "1e999", "1_000", "", "-1.00000000", "9" * 30, "0x10", "१",
    )  # fmt: skip
    may_be_negative = frozenset({"n", "commission"})
    needed: Mapping[str, tuple[str, ...]] = {
        "top": ("u", "b", "B", "a", "A"),
        "delta": ("U", "u", "b", "a"),
        "trade": ("t", "p", "q"),
        "event": ("s", "c", "x", "X", "i", "q", "z"),
    }
    bombs = (
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"id":"p1","status":' + b"1" * 1_000_000 + b"}",
        b'{"stream":"btcusdt@trade","data":{"e":"trade","e":"trade","t":' + b"9" * 5_000 + b"}}",
        b'"' + b"x" * 1_000_000 + b'"',
        b'{"subscriptionId":0,"event":{"e":"executionReport","s":"' + b"\\u0000" * 10_000 + b'"}}',
        b"\x00\x00\x00",
        b"",
        b"<html><body>502 Bad Gateway</body></html>",
    )
    unknown_public = b'{"stream":"btcusdt@newFeed","data":{"e":"newFeed","E":1}}'
    flood = b'{"stream":"btcusdt@newFeed","data":{"e":"newFeed","E":1,"x":"%s"}}' % (b"-" * 60)
    unknown_private = b'{"subscriptionId":0,"event":{"e":"liabilityUpdate","E":1,"a":"BTC"}}'
    stream_ended = b'{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}'
    logged_out = (
        b'{"id":null,"status":401,"error":'
        b'{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}}'
    )
    look_again = (
        b'{"id":"q0","status":400,"error":'
        b'{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}}'
    )
    paths: Mapping[str, str] = {
        "account": "/api/v3/account",
        "exchangeInfo": "/api/v3/exchangeInfo",
        "time": "/api/v3/time",
    }
    methods: Mapping[str, str] = {
        "place": "order.place",
        "cancel": "order.cancel",
        "status": "order.status",
    }
    questions = ("order.status", "openOrders.status", "myTrades", "allOrders")
    no_html = (
        b'{"code":-1000,"msg":"An unknown error occurred"}',
        b'{"code":-1001,"msg":"Internal error"}',
    )
    forbidden: tuple[No, ...] = (
        (401, -2015, "Invalid API-key, IP, or permissions for action."),
        (400, -2010, "This account may not place or cancel orders."),
        (400, -2010, "This action is disabled on this account."),
        (400, -2010, "This symbol is not permitted for this account."),
        (400, -1121, "Invalid symbol."),
    )
    errors: tuple[No, ...] = (
        (500, -1000, "An unknown error occurred while processing the request."),
        (500, -1001, "Internal error; unable to process your request. Please try again."),
        (503, -1006, "An unexpected response was received. Execution status unknown."),
        (504, -1007, "Timeout waiting for response from backend server."),
        (400, -1008, "Server is currently overloaded with other requests."),
        (503, -1016, "This service is no longer available."),
        (400, -9999, "A code that nobody has documented."),
    )
    too_many: No = (429, -1003, "Too much request weight used; please slow down.")
    orders_spent: No = (
        429,
        -1015,
        "Too many new orders; current limit is 50 orders per 10 SECOND.",
    )
    orders_limit = "orders_10s"
    closed: No = (400, -1013, "Market is closed.")
    filter: No = (400, _FILTER_CODE, "Filter failure: PERCENT_PRICE_BY_SIDE")
    banned: No = (418, -1003, "Way too many requests; IP banned.")
    silent_s = 50.0
    noticed_s = 25.0

    def decode(self, payload: bytes) -> Any:
        return msgspec.json.decode(payload)

    def encode(self, body: Any) -> bytes:
        return msgspec.json.encode(body)

    def entry(self, body: Any) -> dict[str, Any] | None:
        inner = body.get("data") or body.get("event")
        return inner if isinstance(inner, dict) else None

    def text(self, value: Any) -> str:
        return str(value)

    def number(self, text: str) -> Any:
        return text

    def is_number(self, value: Any) -> bool:
        return isinstance(value, str) and "." in value and value[0].isdigit()

    def symbol(self, body: Any) -> str:
        return str(body["data"]["s"])

    def misdate(self, payload: bytes, by_ms: int) -> bytes:
        return _TIME.sub(lambda found: b"%s%d" % (found[1], int(found[2]) + by_ms), payload, 1)

    def date(self, body: Any, at_ms: int) -> None:
        body["data"]["E"] = at_ms

    def time_ms(self, body: Any) -> int:
        return int(body["data"]["E"])

    def report_name(self, body: Any) -> str:
        return str(body["event"]["C"] or body["event"]["c"])

    def make_unknown(self, body: Any) -> None:
        body["event"]["x"] = "FUNDING"

    def contradict(self, body: Any, *, side: bool, price: int) -> bool:
        event = body["event"]
        if side:
            event["S"] = "SELL" if event["S"] == "BUY" else "BUY"
        else:
            event["p"] = show(price)
        return True

    def trade_id(self, body: Any) -> str:
        return str(body["event"]["t"])

    def refuses(self, payload: bytes, refusal: Any, venue_ns: int, until_ns: int) -> bytes:
        status, code, text = refusal
        error: dict[str, Any] = {"code": code, "msg": text}
        if until_ns:
            now_ms, until_ms = venue_ns // NS_PER_MS, until_ns // NS_PER_MS
            error["data"] = {"serverTime": now_ms, "retryAfter": until_ms}
        said = {"id": msgspec.json.decode(payload)["id"], "status": status, "error": error}
        return msgspec.json.encode(said)

    def words(self, refusal: Any) -> str:
        return str(refusal[2])

    def rest_refused(self, status: int, body: bytes) -> str:
        return {429: "throttled", 418: "banned"}.get(status, "")

    def throttled_rest(self) -> tuple[int, bytes]:
        return 429, b'{"code":-1003,"msg":"Too many requests."}'

    def with_more(self, body: bytes, asset: str, more: int) -> bytes:
        account = msgspec.json.decode(body)
        found = [balance for balance in account["balances"] if balance["asset"] == asset]
        balance = found[0] if found else {"asset": asset, "free": "0", "locked": "0"}
        balance["free"] = show(parse(balance["free"]) + more)
        account["balances"] += [] if found else [balance]
        return msgspec.json.encode(account)

    def with_grid(self, body: bytes, symbol: str, *, tick: bool, factor: int) -> bytes:
        key, kind = ("tickSize", "PRICE_FILTER") if tick else ("stepSize", "LOT_SIZE")
        info = msgspec.json.decode(body)
        for one in info["symbols"]:
            for each in one["filters"] if one["symbol"] == symbol else ():
                if each["filterType"] == kind:
                    each[key] = show(parse(each[key]) * factor)
        return msgspec.json.encode(info)

    def place_elsewhere(
        self, venue: AnyVenue, symbol: str, buy: bool, price: int, size: int, now_ns: int
    ) -> bool:
        exchange = cast(Venue, venue).exchange
        values = {
            "symbol": symbol,
            "side": "BUY" if buy else "SELL",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "price": show(price),
            "quantity": show(size),
            "timestamp": str(now_ns // NS_PER_MS),
        }
        origin = Origin("10.0.0.9", session=exchange.keys[DEFAULT_KEY])
        reply = exchange.call(METHODS["order.place"], values, origin, now_ns)
        return reply.error is None


def _order(values: Mapping[str, Any]) -> Sent:
    """Return the order that a request contains."""
    return Sent(
        client_id=values["newClientOrderId"],
        symbol=values["symbol"],
        buy=values["side"] == "BUY",
        kind=values["type"],
        tif=values.get("timeInForce", ""),
        price=parse(values["price"]) if "price" in values else 0,
        size=parse(values["quantity"]),
        replaces=values.get("cancelOrigClientOrderId") or str(values.get("cancelOrderId", "")),
    )


BINANCE: Final = Binance()
