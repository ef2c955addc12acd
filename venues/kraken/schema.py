"""Kraken's messages as wire Structs of the fields that are needed, and of no other.

A field that is missing or of another type is drift; unknown fields are skipped. Numbers stand as
they were written (``Raw``): the venue means the digits, and a float would lose some.

Source: docs.kraken.com, WebSocket v2 and REST reference (pages of 2026-05-27).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Crc = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Decimals = Annotated[int, Meta(ge=0, le=18)]


# -- WebSocket: what any message can have at its top -------------------------------------------


class Message(Struct, frozen=True, gc=False):
    channel: str = ""
    method: str = ""
    type: str = ""


class SubscribedTo(Struct, frozen=True, gc=False):
    channel: str = ""


class Answer(Struct, frozen=True, gc=False, kw_only=True):
    """An answer to a request; ``result`` is read again where it says more than that it was done."""

    method: str = ""
    success: bool
    req_id: Count = 0
    error: str = ""
    time_in: str = ""


class Pong(Struct, frozen=True, gc=False, kw_only=True):
    """The answer to a ping; the documented example has neither ``success`` nor an error."""

    success: bool = True
    req_id: Count = 0
    error: str = ""
    time_in: str


# -- WebSocket: market data --------------------------------------------------------------------


class Level(Struct, frozen=True, gc=False):
    price: Raw
    qty: Raw


class Book(Struct, frozen=True, gc=False, kw_only=True):
    symbol: str
    bids: list[Level]
    asks: list[Level]
    checksum: Crc
    timestamp: str = ""


class BookMessage(Struct, frozen=True, gc=False):
    type: Literal["snapshot", "update"]
    data: list[Book]


class Ticker(Struct, frozen=True, gc=False):
    symbol: str
    bid: Raw
    bid_qty: Raw
    ask: Raw
    ask_qty: Raw
    timestamp: str


class TickerMessage(Struct, frozen=True, gc=False):
    data: list[Ticker]


class Trade(Struct, frozen=True, gc=False):
    symbol: str
    side: Literal["buy", "sell"]
    price: Raw
    qty: Raw
    trade_id: Count
    timestamp: str


class TradeMessage(Struct, frozen=True, gc=False):
    type: Literal["snapshot", "update"]
    data: list[Trade]


class Maintenance(Struct, frozen=True, gc=False):
    """Planned work on the venue; what of it is not told counts for nothing."""

    phase: str = ""
    affected_services: list[str] = []


class Status(Struct, frozen=True, gc=False):
    system: str
    upcoming_maintenance: list[Maintenance] = []


class StatusMessage(Struct, frozen=True, gc=False):
    data: list[Status]


class PairStatus(Struct, frozen=True, gc=False):
    symbol: str
    status: str


class Pairs(Struct, frozen=True, gc=False):
    pairs: list[PairStatus]


class PairsMessage(Struct, frozen=True, gc=False):
    data: Pairs


# -- REST --------------------------------------------------------------------------------------


class Failed(Struct, frozen=True, gc=False):
    """What every answer begins with; an empty list is success."""

    error: list[str]


class Envelope(Failed, frozen=True, gc=False):
    result: Raw | UnsetType = UNSET


class ServerTime(Struct, frozen=True, gc=False):
    unixtime: Annotated[int, Meta(ge=0, lt=2**33)]


class AssetPair(Struct, frozen=True, gc=False, kw_only=True):
    altname: str
    base: str
    quote: str
    wsname: str = ""
    pair_decimals: Decimals
    lot_decimals: Decimals
    lot_multiplier: int = 1
    ordermin: str = "0"
    costmin: str = "0"
    tick_size: str = ""
    status: str = "online"


class Depth(Struct, frozen=True, gc=False):
    """Levels are ``[price, volume, timestamp]``: the first two are texts."""

    asks: list[tuple[str, str, Raw]]
    bids: list[tuple[str, str, Raw]]


class TickerInfo(Struct, frozen=True, gc=False):
    """``a`` and ``b`` are ``[price, whole lots, lots]``, ``c`` is ``[price, lots]``."""

    a: tuple[str, str, str]
    b: tuple[str, str, str]
    c: tuple[str, str]
