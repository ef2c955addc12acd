"""Requests as the venue documents them, and one subscription a channel."""

import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from core.model.commands import (
    CancelAll,
    Command,
    FetchBbos,
    FetchBook,
    FetchInstruments,
    FetchPrice,
    FetchTime,
    Ping,
    SubscribeBook,
    SubscribeMarket,
    SubscribePrivate,
    SubscribeStatus,
    UnsubscribeBook,
)
from core.model.errors import BadConfig, Misuse
from core.model.events import NO_INSTRUMENT
from core.model.venue import HttpRequest, Stream, WireRequest
from tests.venues.kraken import world
from venues.kraken import VENUE, decode, encode

ADAPTER = world.adapter()
SYMBOLS = ["BTC/USD", "MATIC/USD"]


def wire(command: Command) -> tuple[dict[str, Any], WireRequest]:
    request = ADAPTER.encode(command, 17, world.NOW_NS)
    assert isinstance(request, WireRequest)
    assert (request.connection, request.signing) == (decode.MARKET, b"")
    return json.loads(request.body), request


def rest(command: Command) -> HttpRequest:
    request = ADAPTER.encode(command, 17, world.NOW_NS)
    assert isinstance(request, HttpRequest)
    assert (request.method, request.signed, request.body) == ("GET", False, b"")
    assert request == ADAPTER.encode_rest(command, world.NOW_NS)
    return request


def test_each_channel_is_subscribed_to_by_itself_and_answered_for_each_symbol() -> None:
    message, request = wire(SubscribeMarket((Stream.DEPTH,)))
    params = {"channel": "book", "depth": 100, "snapshot": True, "symbol": SYMBOLS}
    assert message == {"method": "subscribe", "params": params, "req_id": 17}
    assert request.replies == 2
    message, _ = wire(SubscribeMarket((Stream.TRADES,)))
    assert message["params"] == {"channel": "trade", "snapshot": False, "symbol": SYMBOLS}
    message, _ = wire(SubscribeMarket((Stream.BBO,)))
    assert message["params"]["event_trigger"] == "bbo"


@pytest.mark.parametrize(
    ("streams", "script"),
    [
        ((Stream.BBO, Stream.DEPTH, Stream.TRADES), (Stream.DEPTH, Stream.TRADES)),
        ((Stream.DEPTH,), (Stream.DEPTH,)),
        ((Stream.BBO, Stream.TRADES), (Stream.BBO, Stream.TRADES)),
    ],
)
def test_no_best_prices_are_told_beside_whole_books(
    streams: tuple[Stream, ...], script: tuple[Stream, ...]
) -> None:
    adapter = world.adapter(streams)
    steps = [SubscribeMarket((one,)) for one in script]
    assert list(adapter.script(decode.MARKET)) == [*steps, SubscribeStatus()]


def test_one_book_begins_anew_by_itself() -> None:
    for command, method in ((SubscribeBook(1), "subscribe"), (UnsubscribeBook(1), "unsubscribe")):
        message, request = wire(command)
        assert message["method"] == method
        assert (message["params"]["symbol"], message["params"]["depth"]) == (["MATIC/USD"], 100)
        assert request.replies == 1


def test_a_ping() -> None:
    message, _ = wire(Ping())
    assert message == {"method": "ping", "req_id": 17}


def test_questions() -> None:
    assert rest(FetchTime()).target == "/0/public/Time"
    assert rest(FetchInstruments(("ADA/BTC",))).target == (
        "/0/public/AssetPairs?pair=XBTUSD%2CMATICUSD%2CADAXBT"
    )
    assert parse_qs(rest(FetchBbos((0, 1))).query) == {"pair": ["XBTUSD,MATICUSD"]}
    assert rest(FetchPrice("ETH/BTC")).target == "/0/public/Ticker?pair=ETHXBT"
    assert rest(FetchBook(0)).target == "/0/public/Depth?pair=XBTUSD&count=100"


def test_the_cancel_of_everything_is_the_whole_accounts() -> None:
    request = ADAPTER.encode(CancelAll(NO_INSTRUMENT), 1, world.NOW_NS)
    assert isinstance(request, WireRequest)
    assert json.loads(request.body) == {
        "method": "cancel_all",
        "params": {"token": ""},
        "req_id": 1,
    }
    by_rest = ADAPTER.encode_rest(CancelAll(NO_INSTRUMENT), world.NOW_NS)
    assert by_rest.path == "/0/private/CancelAll"


def test_what_the_venue_has_no_word_for_is_not_encoded() -> None:
    with pytest.raises(Misuse):
        ADAPTER.encode(SubscribePrivate("ownTrades"), 1, world.NOW_NS)


def test_an_instrument_that_was_never_learned_is_misuse() -> None:
    with pytest.raises(Misuse):
        ADAPTER.encode(SubscribeBook(7), 1, world.NOW_NS)


@pytest.mark.parametrize("symbol", ["BTCUSD", "BTC/USD/EUR", 'BTC/U"D', "/USD", "BTC/", "₿/USD"])
def test_a_symbol_that_is_none_of_the_venues_is_refused(symbol: str) -> None:
    with pytest.raises(BadConfig, match="BTC/USD"):
        VENUE.adapter(world.subscription((symbol,)))


def test_the_depth_is_one_that_the_venue_has() -> None:
    assert encode.DEPTH in (10, 25, 100, 500, 1000)
