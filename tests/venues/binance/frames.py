"""Legal messages and answers of each kind, by where they come."""

from __future__ import annotations

from core.model.commands import (
    BEGINNING,
    Cancel,
    Command,
    FetchAccount,
    FetchBbos,
    FetchBook,
    FetchInstruments,
    FetchOpenOrders,
    FetchTime,
    FetchTrades,
)
from tests.venues.binance import test_answer as rest
from tests.venues.binance import test_decode_market as public
from tests.venues.binance import test_decode_trade as private
from tests.venues.binance import test_rules as info
from venues.binance import decode

ANSWERS: dict[str, object] = {
    "p1": private.ORDER,
    "q1": private.ORDER,
    "c1": private.CANCELED,
    "x1": [private.CANCELED, private.LIST],
    "a1": private.AMENDED,
    "r1": private.halves("SUCCESS", "SUCCESS", private.CANCELED, private.NEW_ORDER),
    "l1": {"apiKey": "k"},
}
TRADE_FRAMES: list[object] = [
    {"subscriptionId": 0, "event": private.REPORT},
    {"subscriptionId": 0, "event": {"e": "outboundAccountPosition", "u": 1, "B": []}},
    {"subscriptionId": 0, "event": {"e": "balanceUpdate", "a": "BTC", "d": "1.0", "T": 1}},
    {"id": None, "status": 401, "error": {"code": -2015, "msg": "no"}},
    {"id": "p1", "status": 429, "error": {"code": -1003, "msg": "", "data": {"retryAfter": 5}}},
    *(
        {"id": wire_id, "status": 200, "result": result, "rateLimits": private.RATES}
        for wire_id, result in ANSWERS.items()
    ),
]
MARKET_FRAMES: list[object] = [
    public.BBO,
    public.DELTA,
    public.TRADE,
    {"result": None, "id": "m1"},
    {"code": 2, "msg": "no", "id": "m1"},
]
LINES = [(decode.MARKET, one) for one in MARKET_FRAMES] + [
    (decode.TRADE, one) for one in TRADE_FRAMES
]
BODIES: list[tuple[Command, object]] = [
    (
        FetchBbos((0,)),
        [{"symbol": "BTCUSDT", "bidPrice": "4.0", "bidQty": "4.0", "askPrice": "5", "askQty": "1"}],
    ),
    (FetchBook(0), {"lastUpdateId": 1, "bids": [["4.0", "4.0"]], "asks": []}),
    (FetchOpenOrders(0), [rest.ORDER]),
    (Cancel(0, "a", "1"), rest.ORDER),
    (FetchTrades(0, BEGINNING), []),
    (FetchAccount(), {"canTrade": True, "updateTime": 1, "balances": []}),
    (
        FetchInstruments(),
        {"rateLimits": info.RATES, "symbols": [info.symbol(), info.symbol("LTCBNB")]},
    ),
    (FetchTime(), {"serverTime": 1}),
]
