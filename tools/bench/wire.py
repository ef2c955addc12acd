"""What the load generator says: just enough Binance Spot, as prepared bytes.

Here live the templates of ticks, replies and REST bodies, and how an order tells which tick it
answers: the tick's best bid size is its number in disguise, and a strategy that joins the best bid
with the best bid's own size sends the number back. Sockets and clocks never live here, nor does
matching: an order that may not rest expires, another one stands.

Source: web-socket-streams.md, web-socket-api.md and rest-api.md at a5e0bc3 (2026-07-21).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any, Final

SYMBOL: Final = "BTCUSDT"
FIRST_ID: Final = 10_000_000_000
"""First update id. All ids of a run have eleven digits, so that all ticks of a stream are equally
long and the floor finds the size of a tick at a fixed place."""

NUMBERS: Final = 10_000
"""Ticks told apart by their size: half a second at 20,000 ticks a second, longer than any pause."""

MOST_MADE: Final = {"bookTicker": 400_000, "depth": 60_000}
"""Most ticks that are made before they are sent: 70 and 60 MB."""

LEAST_LOTS: Final = 100
"""Smallest best bid (0.00100 BTC) that asks for an order; a burst's bids are smaller."""

IDS_A_DELTA: Final = 20
CHANGES: Final = 20
"""Changed levels of a depth update, half of them bids."""
LADDER_STEP: Final = 2
"""Cents between two levels of the snapshot; what lies between is added and removed."""

BASE_CENTS: Final = 6_000_000
"""The best bid in cents; every other tick it is a cent higher."""
FIRST_ASK_CENTS: Final = BASE_CENTS + 10

_CYCLE: Final = 64
"""Depth updates after which the changes beside the best bid repeat."""


def price_text(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}000000"


def size_text(lots: int) -> str:
    """Return a size in BTC; a lot is 0.00001."""
    return f"{lots // 100_000}.{lots % 100_000:05d}000"


def lots_of(number: int) -> int:
    """Return the best bid size of a tick."""
    return LEAST_LOTS + number % NUMBERS


# -- WebSocket frames ------------------------------------------------------------------------


def frame(payload: bytes) -> bytes:
    """Return a server's text frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return b"\x81%c%b" % (size, payload)
    if size <= 0xFFFF:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), payload)


def pong(payload: bytes) -> bytes:
    return b"\x8a%c%b" % (len(payload), payload)


def take_frame(data: bytes) -> tuple[int, bytes, int] | None:
    """Return opcode, unmasked payload and length of a client's first frame, None where torn."""
    if len(data) < 6:
        return None
    size, start = data[1] & 0x7F, 2
    if size == 126:
        size, start = int.from_bytes(data[2:4]), 4
    elif size == 127:
        size, start = int.from_bytes(data[2:10]), 10
    if data[1] & 0x80:
        key = data[start : start + 4]
        start += 4
    else:
        key = b""
    end = start + size
    if len(data) < end:
        return None
    payload = data[start:end]
    if any(key):
        mask = int.from_bytes((key * (size // 4 + 1))[:size])
        payload = (int.from_bytes(payload) ^ mask).to_bytes(size)
    return data[0] & 0x0F, payload, end


def masked_frame(payload: bytes) -> bytes:
    """Return a client's text frame whose mask is zero: for the floor, which spends nothing."""
    head = frame(payload)
    return b"%c%c%b" % (head[0], head[1] | 0x80, head[2 : len(head) - len(payload)]) + (
        b"\0\0\0\0" + payload
    )


def accept_key(key: str) -> str:
    """Return ``Sec-WebSocket-Accept`` for a client's key (RFC 6455, 4.2.2)."""
    magic = f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(magic.encode(), usedforsecurity=False).digest()).decode()


# -- ticks -----------------------------------------------------------------------------------


class Ticks:
    """Makes the frames of one stream; ids go on as long as the generator lives."""

    def __init__(self, stream: str, *, combined: bool) -> None:
        """``stream`` is ``bookTicker`` or ``depth``; ``combined`` wraps it as ``/stream`` does.

        The best bid is at one price and the next cent in turn, by the id alone.
        """
        self.update_id = FIRST_ID
        self._bodies = [_changes(step) for step in range(_CYCLE)]
        self._depth = stream == "depth"
        self.ids_each = IDS_A_DELTA if self._depth else 1
        name = "btcusdt@depth@100ms" if self._depth else "btcusdt@bookTicker"
        data = _DEPTH if self._depth else _BBO
        whole = b'{"stream":"%b","data":%b}' % (name.encode(), data) if combined else data
        # A frame's length does not depend on the tick, so its head is part of the template.
        sample = whole % (self._bbo(0) if not self._depth else self._delta(0, 0))
        self._form = frame(sample)[: -len(sample)].replace(b"%", b"%%") + whole
        self.update_id = FIRST_ID

    def frame(self, lots: int, now_ms: int) -> bytes:
        """Return the next tick, with this size of the best bid."""
        return self._form % (self._delta(lots, now_ms) if self._depth else self._bbo(lots))

    def _bbo(self, lots: int) -> tuple[int, ...]:
        self.update_id += 1
        cents = self.update_id & 1
        return self.update_id, cents, lots, cents + 1

    def _delta(self, lots: int, now_ms: int) -> tuple[Any, ...]:
        first = self.update_id + 1
        self.update_id += IDS_A_DELTA
        step = self.update_id // IDS_A_DELTA
        bids, asks = self._bodies[step % _CYCLE]
        lower, upper = (12_345, lots) if step & 1 else (lots, 0)
        return now_ms, first, self.update_id, lower, upper, bids, asks


_BBO: Final = (
    b'{"u":%d,"s":"BTCUSDT","b":"60000.%02d000000","B":"0.%05d000",'
    b'"a":"60000.%02d000000","A":"3.51200000"}'
)
_DEPTH: Final = (
    b'{"e":"depthUpdate","E":%013d,"s":"BTCUSDT","U":%d,"u":%d,"b":['
    b'["60000.00000000","0.%05d000"],["60000.01000000","0.%05d000"],%b],"a":[%b]}'
)


def _changes(step: int) -> tuple[bytes, bytes]:
    """Return eight changes of bids and ten of asks: sizes, new levels, and the same ones gone."""
    bids = [_change(BASE_CENTS - 1 - LADDER_STEP * ((step * 7 + i * 13) % 200), 1) for i in (1, 2)]
    asks = [
        _change(FIRST_ASK_CENTS + LADDER_STEP * ((step * 5 + i * 11) % 200), 1) for i in (1, 2, 3)
    ]
    added = step % 2 == 0
    bids += [
        _change(BASE_CENTS - 2 - LADDER_STEP * (step // 2 * 6 + i), added)
        for i in range(CHANGES // 2 - 2 - len(bids))
    ]
    asks += [
        _change(FIRST_ASK_CENTS + 1 + LADDER_STEP * (step // 2 * 7 + i), added)
        for i in range(CHANGES // 2 - len(asks))
    ]
    return ",".join(bids).encode(), ",".join(asks).encode()


def _change(cents: int, size: int) -> str:
    return f'["{price_text(cents)}","{size_text(size * (cents % 89_999 + 1))}"]'


# -- orders ----------------------------------------------------------------------------------

QUANTITY: Final = re.compile(rb'quantity(?:":\s*"?|=)([0-9.]+)')
_TOKEN: Final = rb'"%b":\s*("[^"]*"|[-0-9]+)'
ID: Final = re.compile(_TOKEN % b"id")
METHOD: Final = re.compile(rb'"method":\s*"([^"]*)"')
CLIENT_ID: Final = re.compile(rb'newClientOrderId(?:":\s*"|=)([^"&]*)')
OLD_ID: Final = re.compile(rb'"(?:cancelOrderId|orderId)":\s*"?([0-9]+)')
PRICE: Final = re.compile(rb'"price":\s*"?([0-9.]+)')


def number_of(order: bytes) -> int | None:
    """Return the number, modulo ``NUMBERS``, of the tick that an order answers."""
    found = QUANTITY.search(order)
    return None if found is None else round(float(found[1]) * 100_000) - LEAST_LOTS


LIMITS: Final = json.dumps(
    [
        {
            "rateLimitType": kind,
            "interval": interval,
            "intervalNum": number,
            "limit": 900_000_000,
            "count": 1,
        }
        for kind, interval, number in (
            ("REQUEST_WEIGHT", "MINUTE", 1),
            ("ORDERS", "SECOND", 10),
            ("ORDERS", "DAY", 1),
            ("RAW_REQUESTS", "MINUTE", 5),
        )
    ],
    separators=(",", ":"),
)
"""So large that nobody is throttled: what is measured is not the venue's patience."""

_ORDER: Final = (
    b'{"symbol":"BTCUSDT","orderId":%d,"orderListId":-1,"clientOrderId":"%b","transactTime":%d,'
    b'"price":"%b","origQty":"%b","executedQty":"0.00000000","origQuoteOrderQty":"0.00000000",'
    b'"cummulativeQuoteQty":"0.00000000","status":"%b","timeInForce":"%b","type":"LIMIT",'
    b'"side":"BUY","workingTime":%d,"fills":[],"selfTradePreventionMode":"NONE"}'
)
_CANCELLED: Final = (
    b'{"symbol":"BTCUSDT","origClientOrderId":"%b","orderId":%d,"orderListId":-1,'
    b'"clientOrderId":"cancel%d","transactTime":%d,"price":"%b","origQty":"%b",'
    b'"executedQty":"0.00000000","origQuoteOrderQty":"0.00000000",'
    b'"cummulativeQuoteQty":"0.00000000","status":"CANCELED","timeInForce":"GTC","type":"LIMIT",'
    b'"side":"BUY","selfTradePreventionMode":"NONE"}'
)
_REPLY: Final = b'{"id":%b,"status":200,"result":%b,"rateLimits":' + LIMITS.encode() + b"}"
_EXECUTION: Final = (
    b'{"e":"executionReport","E":%d,"s":"BTCUSDT","c":"%b","S":"BUY",'
    b'"o":"LIMIT","f":"%b","q":"%b","p":"%b","P":"0.00000000","F":"0.00000000","g":-1,"C":"%b",'
    b'"x":"%b","X":"%b","r":"NONE","i":%d,"l":"0.00000000","z":"0.00000000","L":"0.00000000",'
    b'"n":"0","N":null,"T":%d,"t":-1,"I":%d,"w":%b,"m":false,"M":false,"O":%d,"Z":"0.00000000",'
    b'"Y":"0.00000000","Q":"0.00000000","W":%d,"V":"NONE"}'
)


class Order:
    """An order as it came in, and the replies to it."""

    __slots__ = ("client_id", "order_id", "price", "size", "tif")

    def __init__(self, text: bytes, order_id: int) -> None:
        client_id = CLIENT_ID.search(text)
        price = PRICE.search(text)
        size = QUANTITY.search(text)
        self.client_id = client_id[1] if client_id else b"c%d" % order_id
        self.price = price[1] if price else b"60000.00000000"
        self.size = size[1] if size else b"0.00100000"
        self.tif = b"IOC" if b"IOC" in text else b"GTC"
        self.order_id = order_id

    @property
    def rests(self) -> bool:
        return self.tif == b"GTC"

    def placed(self, now_ms: int) -> bytes:
        """Return what the venue says of it in an answer of type FULL."""
        status = b"NEW" if self.rests else b"EXPIRED"
        return _ORDER % (
            *(self.order_id, self.client_id, now_ms, self.price, self.size, status, self.tif),
            now_ms,
        )

    def cancelled(self, now_ms: int) -> bytes:
        order_id = self.order_id
        return _CANCELLED % (self.client_id, order_id, order_id, now_ms, self.price, self.size)

    def reports(self, now_ms: int) -> list[bytes]:
        """Return its life on the private stream."""
        new = self._report(b"NEW", self.client_id, b"", now_ms)
        return [new] if self.rests else [new, self._report(b"EXPIRED", self.client_id, b"", now_ms)]

    def gone(self, now_ms: int) -> bytes:
        """Return the private stream's word that it was cancelled."""
        return self._report(b"CANCELED", b"cancel%d" % self.order_id, self.client_id, now_ms)

    def _report(self, change: bytes, client_id: bytes, orig: bytes, now_ms: int) -> bytes:
        live = b"true" if change == b"NEW" else b"false"
        return _EXECUTION % (
            *(now_ms, client_id, self.tif, self.size, self.price, orig, change, change),
            *(self.order_id, now_ms, self.order_id * 4 + len(change), live, now_ms, now_ms),
        )


def private(event: bytes) -> bytes:
    """Return the frame of an account's event on the WebSocket API."""
    return frame(b'{"subscriptionId":0,"event":%b}' % event)


def reply(request_id: bytes, result: bytes) -> bytes:
    """Return the answer to a request; ``request_id`` is the JSON it was sent as."""
    return _REPLY % (request_id, result)


def replaced(cancelled: bytes, placed: bytes) -> bytes:
    """Return the result of a cancel-replace of which both halves succeeded."""
    return (
        b'{"cancelResult":"SUCCESS","newOrderResult":"SUCCESS","cancelResponse":%b,'
        b'"newOrderResponse":%b}' % (cancelled, placed)
    )


# -- REST ------------------------------------------------------------------------------------


def exchange_info() -> dict[str, Any]:
    """Return the one symbol, with filters that let every tick's size through."""
    return {
        "timezone": "UTC",
        "serverTime": 0,
        "rateLimits": json.loads(LIMITS),
        "exchangeFilters": [],
        "symbols": [
            {
                "symbol": SYMBOL,
                "status": "TRADING",
                "baseAsset": "BTC",
                "baseAssetPrecision": 8,
                "quoteAsset": "USDT",
                "quotePrecision": 8,
                "quoteAssetPrecision": 8,
                "baseCommissionPrecision": 8,
                "quoteCommissionPrecision": 8,
                "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
                "icebergAllowed": False,
                "ocoAllowed": False,
                "otoAllowed": False,
                "opoAllowed": False,
                "quoteOrderQtyMarketAllowed": True,
                "allowTrailingStop": False,
                "cancelReplaceAllowed": True,
                "amendAllowed": True,
                "pegInstructionsAllowed": False,
                "isSpotTradingAllowed": True,
                "isMarginTradingAllowed": False,
                "filters": [
                    {
                        "filterType": "PRICE_FILTER",
                        "minPrice": "0.01000000",
                        "maxPrice": "1000000.00000000",
                        "tickSize": "0.01000000",
                    },
                    {
                        "filterType": "LOT_SIZE",
                        "minQty": "0.00001000",
                        "maxQty": "9000.00000000",
                        "stepSize": "0.00001000",
                    },
                    {
                        "filterType": "NOTIONAL",
                        "minNotional": "0.10000000",
                        "applyMinToMarket": True,
                        "maxNotional": "9000000.00000000",
                        "applyMaxToMarket": False,
                        "avgPriceMins": 5,
                    },
                    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 100_000},
                ],
                "permissions": ["SPOT"],
                "permissionSets": [["SPOT"]],
                "defaultSelfTradePreventionMode": "NONE",
                "allowedSelfTradePreventionModes": ["NONE"],
            }
        ],
    }


def account(now_ms: int) -> dict[str, Any]:
    rates = {"maker": "0.00100000", "taker": "0.00100000", "buyer": "0.0", "seller": "0.0"}
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": rates,
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": now_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": "BTC", "free": "1000.00000000", "locked": "0.00000000"},
            {"asset": "USDT", "free": "90000000.00000000", "locked": "0.00000000"},
        ],
        "permissions": ["SPOT"],
        "uid": 1,
    }


def fees() -> list[dict[str, str]]:
    rate = "0.00100000"
    return [{"symbol": SYMBOL, "makerCommission": rate, "takerCommission": rate}]


def depth(last_id: int, levels: int) -> dict[str, Any]:
    """Return the snapshot that the depth updates after ``last_id`` change."""
    bids = [["60000.00000000", "0.12345000"]]
    bids += [
        [price_text(BASE_CENTS - 1 - LADDER_STEP * i), size_text(1 + i)] for i in range(levels)
    ]
    asks = [
        [price_text(FIRST_ASK_CENTS + LADDER_STEP * i), size_text(1 + i)] for i in range(levels)
    ]
    return {"lastUpdateId": last_id, "bids": bids, "asks": asks}
