"""What every test of this folder starts from: instruments, a run, and the documented messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.model.contract import Linear
from core.model.events import Event
from core.model.instrument import Instrument
from core.model.units import Grid
from core.model.venue import Stream, Subscription
from venues.kraken import VENUE, decode
from venues.kraken.adapter import SpotAdapter

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"

NOW_NS = 1_696_613_755_440_295_000

BOTH = (Stream.DEPTH, Stream.TRADES)


def instrument(
    symbol: str = "BTC/USD",
    index: int = 0,
    tick: str = "0.1",
    lot: str = "0.00000001",
    code: str = "XXBTZUSD",
) -> Instrument:
    base, _, quote = symbol.partition("/")
    return Instrument(
        index=index,
        symbol=symbol,
        base=base,
        quote=quote,
        tick=Grid(tick),
        lot=Grid(lot),
        contract=Linear.spot(base, quote, Grid(tick), Grid(lot)),
        min_ticks=1,
        max_ticks=0,
        min_lots=1,
        max_lots=0,
        max_market_lots=0,
        min_notional=0,
        max_notional=0,
        max_open_orders=60,
        code=code,
    )


BTC = instrument()
MATIC = instrument("MATIC/USD", 1, "0.0001", code="MATICUSD")


def subscription(
    symbols: tuple[str, ...] = ("BTC/USD", "MATIC/USD"),
    streams: tuple[Stream, ...] = BOTH,
    *,
    keyed: bool = False,
) -> Subscription:
    return Subscription(
        symbols=symbols,
        streams=streams,
        rest_url="http://localhost:1",
        urls={"public": "ws://localhost:2/v2", "private": "ws://localhost:3/v2"},
        session_logon=keyed,
        request_expiry_ms=5000,
    )


def adapter(streams: tuple[Stream, ...] = BOTH) -> SpotAdapter:
    made = VENUE.adapter(subscription(streams=streams))
    assert isinstance(made, SpotAdapter)
    made.learn([BTC, MATIC])
    return made


def frame(message: object) -> bytes:
    """Return a message as the venue writes it: no blanks, key order kept."""
    return json.dumps(message, separators=(",", ":")).encode()


def market(payload: bytes, by: SpotAdapter | None = None) -> list[Event]:
    events: list[Event] = []
    (by or adapter()).decode(decode.MARKET, payload, events)
    return events


# -- the documented messages, with their numbers as they are written ---------------------------

BIDS = b"""0.5666 4831.75496356|0.5665 6658.22734739|0.5664 18724.91513344|0.5663 11563.92544914
0.5662 14006.65365711|0.5661 17454.85679807|0.566 18097.1547|0.5659 33644.89175666
0.5658 148.3464|0.5657 606.70854372"""
ASKS = b"""0.5668 4410.79769741|0.5669 4655.40412487|0.567 49844.89424998|0.5671 24306.41678
0.5672 29783.25223475|0.5673 57234.71239278|0.5674 45065.04744|0.5675 5912.76380354
0.5676 42514.92434778|0.5677 36304.0847022"""


def levels(text: bytes) -> bytes:
    pairs = [pair.split() for pair in text.replace(b"\n", b"|").split(b"|")]
    return b",".join(b'{"price":%b,"qty":%b}' % (price, size) for price, size in pairs)


def book(
    kind: bytes, bids: bytes, asks: bytes, checksum: int, symbol: bytes = b"MATIC/USD"
) -> bytes:
    return (
        b'{"channel":"book","type":"%b","data":[{"symbol":"%b","bids":[%b],"asks":[%b],'
        b'"checksum":%d,"timestamp":"2023-10-06T17:35:55.440295Z"}]}'
        % (kind, symbol, bids, asks, checksum)
    )


SNAPSHOT = book(b"snapshot", levels(BIDS), levels(ASKS), 2_439_117_997)
UPDATE = book(b"update", levels(b"0.5657 1098.3947558"), b"", 2_114_181_697)
TICKER = (
    b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":45283.5,'
    b'"bid_qty":0.10000000,"ask":45285.2,"ask_qty":0.00100000,"last":45284.0,"volume":1.0,'
    b'"vwap":1.0,"low":1.0,"high":1.0,"change":-0.1,"change_pct":-0.1,'
    b'"timestamp":"2023-09-25T09:04:31.742648Z"}]}'
)
TRADE = (
    b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell",'
    b'"price":45283.5,"qty":0.02000000,"ord_type":"limit","trade_id":4665846,'
    b'"timestamp":"2023-09-25T07:48:36.925533Z"}]}'
)
STATUS = (
    b'{"channel":"status","type":"update","data":[{"api_version":"v2",'
    b'"connection_id":12834474307431577077,"system":"online","version":"2.0.0"}]}'
)
PONG = (
    b'{"method":"pong","req_id":101,"time_in":"2023-09-24T14:10:23.799685Z",'
    b'"time_out":"2023-09-24T14:10:23.799703Z"}'
)
SUBSCRIBED = (
    b'{"method":"subscribe","req_id":7,"result":{"channel":"book","depth":10,"snapshot":true,'
    b'"symbol":"ALGO/USD"},"success":true,"time_in":"2023-10-06T17:35:55.219022Z",'
    b'"time_out":"2023-10-06T17:35:55.219067Z"}'
)
REFUSED = (
    b'{"error":"Currency pair not supported XBT/USD","method":"subscribe","req_id":7,'
    b'"success":false,"symbol":"XBT/USD","time_in":"2023-10-06T17:35:55.219022Z",'
    b'"time_out":"2023-10-06T17:35:55.219067Z"}'
)


def pair(**changes: Any) -> dict[str, Any]:
    """Return an entry of AssetPairs, as documented."""
    fields: dict[str, Any] = {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "aclass_base": "currency",
        "base": "XXBT",
        "aclass_quote": "currency",
        "quote": "ZUSD",
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "fees": [[0, 0.4]],
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }
    return fields | changes


PAIRS = {
    "XXBTZUSD": pair(),
    "MATICUSD": pair(
        altname="MATICUSD", wsname="MATIC/USD", base="MATIC", pair_decimals=4, tick_size="0.0001"
    ),
}
