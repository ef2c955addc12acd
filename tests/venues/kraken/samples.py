"""What Kraken Spot shows of itself to the suite that every venue passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import parse_qs

from core.model.commands import (
    Command,
    FetchBook,
    FetchInstruments,
    FetchPrice,
    FetchTime,
    FetchTops,
    SubscribeBook,
    UnsubscribeBook,
)
from core.model.events import (
    NOT_NUMBERED,
    BookDelta,
    BookTop,
    Ignored,
    MarketTrade,
    Side,
    TopsReport,
    VenueTime,
)
from core.model.venue import Credentials, HttpRequest
from tests.venues.conformance.samples import Answered, Heard, Refused, Samples, Sent, Told, Traded
from tests.venues.kraken import test_answer as rest
from tests.venues.kraken import world
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
    (FetchTops((0,)), {"XXBTZUSD": rest.TICKER}),
    (FetchPrice("BTC/USD"), {"XXBTZUSD": rest.TICKER}),
    (FetchBook(0), {"XXBTZUSD": {"asks": [["4.1", "1.0", 1]], "bids": [["4.0", "2.5", 1]]}}),
]

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
            line=decode.MARKET,
            payload=world.UPDATE,
            events=(
                BookDelta(1, 0, 0, [(5_657, 109_839_475_580)], [], world.NOW_NS, 2_114_181_697),
            ),
        ),
        Told(
            line=decode.MARKET,
            payload=world.SNAPSHOT,
            events=tuple(world.market(world.SNAPSHOT)),
        ),
        Told(
            line=decode.MARKET,
            payload=world.TRADE,
            events=(
                MarketTrade(0, 4_665_846, 452_835, 2_000_000, Side.SELL, 1_695_628_116_925_533_000),
            ),
            words=("side",),
        ),
        Told(
            line=decode.MARKET,
            payload=b'{"channel":"heartbeat"}',
            events=(Ignored("heartbeat"),),
        ),
    ),
    answered=(
        Answered(
            command=FetchTime(),
            body=b'{"error":[],"result":{"unixtime":1616336594,"rfc1123":"Sun, 21 Mar 21"}}',
            facts=(VenueTime(1_616_336_594_500_000_000, 500_000_000),),
        ),
        Answered(
            command=FetchTops((0,)),
            body=b'{"error":[],"result":{"XXBTZUSD":{"a":["45285.20000","1","1.000"],'
            b'"b":["45283.50000","97","97.000"],"c":["45284.00000","0.00067643"]}}}',
            facts=(
                TopsReport(
                    (BookTop(0, NOT_NUMBERED, 452_835, 9_700_000_000, 452_852, 100_000_000),),
                    sized=False,
                ),
            ),
        ),
    ),
    sent=(
        Sent(command=SubscribeBook(0), message={"method": "subscribe", "req_id": 1}),
        Sent(command=UnsubscribeBook(0), message={"method": "unsubscribe", "req_id": 1}),
    ),
    refused=tuple(
        Refused(code=verdicts.CODE, text=text, verdict=meant.verdict, remedy=meant.remedy)
        for text, meant in ERRORS.items()
    ),
    heard=(
        *(Heard(payload=frame) for frame in FRAMES),
        *(
            Heard(command=command, payload=world.frame({"error": [], "result": told}))
            for command, told in BODIES
        ),
    ),
    history=history,
    judged=lambda code, text: verdicts.of_error(text),
)
