"""What every test of this folder starts from: instruments, a run, and a few messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.model.commands import OrderKind, Place, TimeInForce
from core.model.contract import Linear
from core.model.events import Event, Side
from core.model.instrument import Instrument
from core.model.units import Grid
from core.model.venue import Credentials, Stream, Subscription
from venues.binance import VENUE, decode
from venues.binance.adapter import SpotAdapter

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"

NOW_NS = 1_645_423_376_532_000_000

DOC_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
DOC_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
"""The example key of the venue's documentation."""
DOC_KEYS = Credentials({"api_key": DOC_KEY, "api_secret": DOC_SECRET})


def instrument(
    symbol: str = "BTCUSDT", index: int = 0, tick: str = "0.01", lot: str = "0.00001"
) -> Instrument:
    return Instrument(
        index=index,
        symbol=symbol,
        base=symbol[:3],
        quote=symbol[3:],
        tick=Grid(tick),
        lot=Grid(lot),
        contract=Linear.spot(symbol[:3], symbol[3:], Grid(tick), Grid(lot)),
        min_ticks=1,
        max_ticks=0,
        min_lots=1,
        max_lots=0,
        max_market_lots=0,
        min_notional=0,
        max_notional=0,
        max_open_orders=200,
    )


BTC = instrument()
LTC = instrument("LTCBNB", 1, "0.01", "0.001")


def subscription(
    symbols: tuple[str, ...] = ("BTCUSDT", "LTCBNB"),
    streams: tuple[Stream, ...] = (Stream.BBO, Stream.DEPTH, Stream.TRADES),
    *,
    session_logon: bool = False,
    request_expiry_ms: int = 5000,
) -> Subscription:
    return Subscription(
        symbols=symbols,
        streams=streams,
        rest_url="http://localhost:1",
        urls={"stream": "ws://localhost:2", "ws_api": "ws://localhost:3/ws-api/v3"},
        session_logon=session_logon,
        request_expiry_ms=request_expiry_ms,
    )


def adapter(*, session_logon: bool = False, request_expiry_ms: int = 5000) -> SpotAdapter:
    made = VENUE.adapter(
        subscription(session_logon=session_logon, request_expiry_ms=request_expiry_ms)
    )
    assert isinstance(made, SpotAdapter)
    made.learn([BTC, LTC])
    return made


ADAPTER = adapter()


def frame(message: object) -> bytes:
    """Return a message as the venue writes it: no blanks, key order kept."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def market(payload: bytes) -> list[Event]:
    events: list[Event] = []
    ADAPTER.decode(decode.MARKET, payload, events)
    return events


def trade(payload: bytes) -> list[Event]:
    events: list[Event] = []
    ADAPTER.decode(decode.TRADE, payload, events)
    return events


def place(**changes: Any) -> Place:
    fields: dict[str, Any] = {
        "instrument": 0,
        "client_order_id": "hl-1",
        "side": Side.SELL,
        "kind": OrderKind.LIMIT,
        "tif": TimeInForce.GTC,
        "price_ticks": 2_341_610,
        "lots": 847,
    }
    return Place(**(fields | changes))
