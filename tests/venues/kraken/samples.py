"""What Kraken Spot shows of itself to the suite that every venue passes."""

from __future__ import annotations

from core.model.commands import FetchTime, FetchTops, SubscribeBook, UnsubscribeBook
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
from core.model.venue import Credentials
from tests.venues.conformance.samples import Answered, Refused, Samples, Sent, Told
from tests.venues.kraken import world
from venues.kraken import VENUE, decode, verdicts
from venues.kraken.verdicts import ERRORS

KEYS = Credentials(
    {
        "api_key": "FAKEKEY",
        "api_secret": "dmlzaWJseSBmYWtlLCBhbmQgbG9uZyBlbm91Z2ggdG8gYmUgYSBzZWNyZXQgb2Yga3Jha2Vu",
    }
)

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
                    (BookTop(0, NOT_NUMBERED, 452_835, 9_700_000_000, 452_852, 100_000_000),)
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
    judged=lambda code, text: verdicts.of_error(text),
)
