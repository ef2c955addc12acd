"""What Kraken Spot shows of itself to the suite that every venue passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import parse_qs

from core.model.commands import (
    BEGINNING,
    Cancel,
    Command,
    FetchAccount,
    FetchBbos,
    FetchBook,
    FetchInstruments,
    FetchOpenOrders,
    FetchPrice,
    FetchTime,
    FetchTrades,
    QueryOrder,
    SubscribeBook,
    UnsubscribeBook,
)
from core.model.events import (
    NOT_NUMBERED,
    AccountReport,
    Balance,
    BalanceMoved,
    Bbo,
    BbosReport,
    BookDelta,
    ExecType,
    Ignored,
    MarketTrade,
    Numbered,
    OrderReport,
    OrdStatus,
    Side,
    Source,
    VenueTime,
)
from core.model.venue import Credentials, HttpRequest
from tests.venues.conformance.samples import Answered, Heard, Refused, Samples, Sent, Told, Traded
from tests.venues.kraken import test_answer as rest
from tests.venues.kraken import test_answers as answers
from tests.venues.kraken import test_executions as executions
from tests.venues.kraken import test_history as history_tests
from tests.venues.kraken import test_private as private
from tests.venues.kraken import world
from tests.venues.kraken.test_executions import ORDER
from venues.kraken import VENUE, decode, verdicts
from venues.kraken.verdicts import ERRORS

KEYS = Credentials(
    {
        "api_key": "FAKEKEY",
        "api_secret": "dmlzaWJseSBmYWtlLCBhbmQgbG9uZyBlbm91Z2ggdG8gYmUgYSBzZWNyZXQgb2Yga3Jha2Vu",
    }
)

FRAMES = [
    world.SNAPSHOT,
    world.UPDATE,
    world.TICKER,
    world.TRADE,
    world.STATUS,
    world.PONG,
    world.SUBSCRIBED,
    world.REFUSED,
    b'{"channel":"heartbeat"}',
]
BODIES: list[tuple[Command, object]] = [
    (FetchTime(), {"unixtime": 1_616_336_594}),
    (FetchInstruments(), world.PAIRS),
    (FetchBbos((0,)), {"XXBTZUSD": rest.TICKER}),
    (FetchPrice("BTC/USD"), {"XXBTZUSD": rest.TICKER}),
    (FetchBook(0), {"XXBTZUSD": {"asks": [["4.1", "1.0", 1]], "bids": [["4.0", "2.5", 1]]}}),
]

BODIES += [
    (FetchOpenOrders(0), {"open": {ORDER: history_tests.info()}}),
    (QueryOrder(0, private.NAME), {"closed": {ORDER: history_tests.info(closetm=1.5)}}),
    (QueryOrder(0, private.NAME, ORDER), {ORDER: history_tests.info()}),
    (FetchTrades(0, BEGINNING), {"trades": {"TA": history_tests.trade()}, "count": 1}),
    (FetchAccount(), {"ZUSD": {"balance": "1", "hold_trade": "0"}}),
]
PRIVATE = [
    *(executions.PENDING, executions.LIVE, executions.TRADED),
    *(executions.SNAPSHOT, executions.DEPOSIT, executions.SOLD),
    *(world.frame(one) for one in answers.ONE_EACH),
]
ADDED = {
    "order_type": "limit",
    "time_in_force": "gtc",
    "side": "buy",
    "order_qty": 1.25,
    "limit_price": 37_500.0,
    "cl_ord_id": private.NAME,
    "fee_preference": "quote",
    "symbol": "BTC/USD",
    "deadline": "2023-11-14T22:13:25.000Z",
    "token": "",
}
"""An order as "Add Order" shows it; the token is the signer's."""

MOST, MOST_ASKED = 50, 20
"""Trades of a page of TradesHistory, and of one QueryTrades."""


def history(trades: Sequence[Traded]) -> Callable[[HttpRequest], bytes]:
    """Answer what is asked of the account's own trades (REST reference, pages of 2026-05-27)."""

    def answer(request: HttpRequest) -> bytes:
        asked = {name: value[0] for name, value in parse_qs(request.body.decode()).items()}
        named = {_name(one): one for one in trades}
        if request.path.endswith("/TradesHistory"):
            start, end = float(asked["start"]), float(asked["end"])
            within = [one for one in reversed(trades) if start < one.at_ns / 1e9 <= end]
            at = int(asked["ofs"])
            page = {_name(one): _own(one) for one in within[at : at + MOST]}
            result: object = {"trades": page, "count": len(within)}
        elif request.path.endswith("/QueryTrades"):
            ids = asked["txid"].split(",")
            assert len(ids) <= MOST_ASKED
            result = {one: _own(named[one]) for one in ids}
        else:
            assert request.path.endswith("/QueryOrders")
            of = [name for name, one in named.items() if _order(one) == asked["txid"]]
            result = {asked["txid"]: {"status": "open", "trades": of}}
        return world.frame({"error": [], "result": result})

    return answer


def _name(trade: Traded) -> str:
    return f"T{trade.number:05d}-SZ-3FKGH6"


def _order(trade: Traded) -> str:
    return str(trade.order)


def _own(trade: Traded) -> dict[str, object]:
    return {
        "ordertxid": _order(trade),
        "pair": "XXBTZUSD",
        "time": trade.at_ns / 1e9,
        "type": "buy",
        "ordertype": "limit",
        "price": world.BTC.tick.text(trade.ticks),
        "cost": "0",
        "fee": "0",
        "vol": world.BTC.lot.text(trade.lots),
        "margin": "0",
        "maker": True,
    }


SAMPLES = Samples(
    venue=VENUE,
    adapter=world.adapter,
    instruments=(world.BTC, world.MATIC),
    keys=(KEYS,),
    told=(
        Told(
            connection=decode.MARKET,
            payload=world.UPDATE,
            events=(
                BookDelta(1, 0, 0, [(5_657, 109_839_475_580)], [], world.NOW_NS, 2_114_181_697),
            ),
        ),
        Told(
            connection=decode.MARKET,
            payload=world.SNAPSHOT,
            events=tuple(world.market(world.SNAPSHOT)),
        ),
        Told(
            connection=decode.MARKET,
            payload=world.TRADE,
            events=(
                MarketTrade(0, "4665846", 452_835, 2_000_000, Side.SELL, 1_695_628_116_925_533_000),
            ),
            words=("side",),
        ),
        Told(
            connection=decode.MARKET,
            payload=b'{"channel":"heartbeat"}',
            events=(Ignored("heartbeat"),),
        ),
        Told(
            connection=decode.TRADE,
            payload=executions.PENDING,
            events=(
                Numbered("executions", 8, first=False),
                OrderReport(
                    instrument=0,
                    client_order_id="",
                    venue_order_id=ORDER,
                    source=Source.STREAM,
                    exec_type=ExecType.NEW,
                    status=OrdStatus.PENDING,
                    side=Side.SELL,
                    price_ticks=265_000,
                    size_lots=500_000,
                    filled_lots=0,
                    venue_ns=1_695_378_785_709_950_000,
                ),
            ),
            words=("exec_type", "order_status", "side"),
        ),
        Told(
            connection=decode.TRADE,
            payload=executions.DEPOSIT,
            events=(
                Numbered("balances", 2, first=False),
                BalanceMoved("BTC", 10**16, 1_695_378_222_925_034_000),
            ),
        ),
    ),
    answered=(
        Answered(
            command=FetchAccount(),
            body=b'{"error":[],"result":{"XXBT":{"balance":"1.2435","hold_trade":"0.8423"}}}',
            events=(
                AccountReport((Balance("BTC", 4_012 * 10**14, 8_423 * 10**14),), True, None, 0),
            ),
        ),
        Answered(
            command=FetchTime(),
            body=b'{"error":[],"result":{"unixtime":1616336594,"rfc1123":"Sun, 21 Mar 21"}}',
            events=(VenueTime(1_616_336_594_500_000_000, 500_000_000),),
        ),
        Answered(
            command=FetchBbos((0,)),
            body=b'{"error":[],"result":{"XXBTZUSD":{"a":["45285.20000","1","1.000"],'
            b'"b":["45283.50000","97","97.000"],"c":["45284.00000","0.00067643"]}}}',
            events=(
                BbosReport(
                    (Bbo(0, NOT_NUMBERED, 452_835, 9_700_000_000, 452_852, 100_000_000),),
                    sized=False,
                ),
            ),
        ),
    ),
    sent=(
        Sent(command=private.place(), message={"method": "add_order", "params": ADDED}),
        Sent(
            command=Cancel(0, private.NAME, ORDER),
            message={"method": "cancel_order", "params": {"order_id": [ORDER], "token": ""}},
        ),
        Sent(
            command=Cancel(0, private.NAME, ""),
            message={
                "method": "cancel_order",
                "params": {"cl_ord_id": [private.NAME], "token": ""},
            },
        ),
        Sent(
            command=QueryOrder(0, private.NAME, ORDER),
            message=HttpRequest(
                "POST", "/0/private/QueryOrders", body=b"txid=" + ORDER.encode(), signed=True
            ),
        ),
        Sent(command=SubscribeBook(0), message={"method": "subscribe", "req_id": 1}),
        Sent(command=UnsubscribeBook(0), message={"method": "unsubscribe", "req_id": 1}),
    ),
    refused=tuple(
        Refused(code=code, text="", verdict=meant.verdict, remedy=meant.remedy)
        for code, meant in ERRORS.items()
    ),
    heard=(
        *(Heard(payload=frame) for frame in FRAMES),
        *(Heard(connection=decode.TRADE, payload=frame) for frame in PRIVATE),
        *(
            Heard(command=command, payload=world.frame({"error": [], "result": told}))
            for command, told in BODIES
        ),
    ),
    history=history,
    judged=lambda code, text: verdicts.of_error(code),
)
