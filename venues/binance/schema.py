"""Binance Spot's messages as they are on the wire, field for field and in the wire's order.

Here live the names and types of JSON fields, nothing else: no meaning, no number made from text.
Every number that is money or size is a string here. Fields we do not need are left out; the
decoder skips what it does not know, so that a new field is never an error, while a field that
misses or changes its type is (``Drifted``, with the field's path).

Source: binance-spot-api-docs at a5e0bc3 (2026-07-21): web-socket-streams.md, web-socket-api.md,
user-data-stream.md, rest-api.md.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Order, trade and update numbers."""

SignedId = Annotated[int, Meta(ge=-1, le=2**63 - 1)]
"""Numbers that are -1 where there is none: the trade id of a report that is no trade."""

Ms = Annotated[int, Meta(ge=0, le=9_000_000_000_000)]
"""Milliseconds since 1970, until the year 2255: as nanoseconds they fit an int64. A feed switched
to microseconds is out of this range, and is refused instead of being read as the year 50,000."""

Level = tuple[str, str]
"""Price and quantity."""


class Market(Struct, frozen=True, gc=False):
    """Root of the messages of the market connection."""


class Camel(Struct, frozen=True, gc=False, rename="camel"):
    """Root of the objects whose fields are spelt out."""


# -- market connection -----------------------------------------------------------------------


class BookTicker(Market, frozen=True, gc=False):
    update_id: Id = field(name="u")
    symbol: str = field(name="s")
    bid_price: str = field(name="b")
    bid_qty: str = field(name="B")
    ask_price: str = field(name="a")
    ask_qty: str = field(name="A")


class BookTickerFrame(Market, frozen=True, gc=False):
    data: BookTicker


class DepthUpdate(Market, frozen=True, gc=False):
    event_time: Ms = field(name="E")
    symbol: str = field(name="s")
    first_update_id: Id = field(name="U")
    last_update_id: Id = field(name="u")
    bids: list[Level] = field(name="b")
    asks: list[Level] = field(name="a")


class DepthUpdateFrame(Market, frozen=True, gc=False):
    data: DepthUpdate


class Trade(Market, frozen=True, gc=False):
    symbol: str = field(name="s")
    trade_id: Id = field(name="t")
    price: str = field(name="p")
    qty: str = field(name="q")
    trade_time: Ms = field(name="T")
    buyer_is_maker: bool = field(name="m")


class TradeFrame(Market, frozen=True, gc=False):
    data: Trade


class StreamError(Struct, frozen=True, gc=False):
    code: int
    msg: str = ""


class MarketFrame(Struct, frozen=True, gc=False):
    """What any frame of the market connection can have at its top."""

    stream: str = ""
    event_type: str = field(name="e", default="")
    id: str | int | UnsetType | None = UNSET
    code: int | UnsetType = UNSET
    msg: str = ""
    error: StreamError | None = None


# -- trade connection: what every answer has -------------------------------------------------


class RateLimit(Camel, frozen=True, gc=False):
    rate_limit_type: str
    interval: str
    interval_num: int
    limit: Id
    count: Id = 0


class ErrorBody(Struct, frozen=True, gc=False):
    code: int
    msg: str = ""
    data: Raw | UnsetType = UNSET

    @property
    def name(self) -> str:
        """Its code as core names errors; 0 names none."""
        return str(self.code) if self.code else ""


class RetryData(Camel, frozen=True, gc=False):
    retry_after: Ms = 0


class Answer(Camel, frozen=True, gc=False, kw_only=True):
    """An answer whose result, if any, says nothing more than that it was done."""

    id: str | int | None
    status: int
    error: ErrorBody | None = None
    rate_limits: list[RateLimit] = []


class RawAnswer(Answer, frozen=True, gc=False, kw_only=True):
    """An answer whose result has more than one shape."""

    result: Raw | UnsetType = UNSET


class ListAnswer(Answer, frozen=True, gc=False, kw_only=True):
    result: list[Raw] | UnsetType = UNSET


# -- orders ----------------------------------------------------------------------------------


class WireFill(Camel, frozen=True, gc=False):
    """One of the trades of a FULL answer; its order was the taker."""

    price: str
    qty: str
    commission: str
    commission_asset: str
    trade_id: Id


class Order(Camel, frozen=True, gc=False, kw_only=True):
    """An order in any answer that is not an amend: placed, cancelled or requested."""

    symbol: str
    orig_client_order_id: str = ""
    order_id: SignedId
    client_order_id: str
    transact_time: Ms = 0
    price: str
    orig_qty: str
    executed_qty: str
    status: str
    side: str
    update_time: Ms = 0
    fills: list[WireFill] = []
    prevented_quantity: str = "0"
    expiry_reason: str = ""


class OrderAnswer(Answer, frozen=True, gc=False, kw_only=True):
    result: Order | UnsetType = UNSET


class Cancelled(Camel, frozen=True, gc=False):
    """Tells a cancelled order list, which has this field, from a cancelled order."""

    order_reports: list[Order] | UnsetType = UNSET


class ReplaceHalves(Camel, frozen=True, gc=False):
    """Both halves of a cancel-replace, each an order, an error, or ``null``."""

    cancel_result: str
    new_order_result: str
    cancel_response: Raw
    new_order_response: Raw


class ReplaceAnswer(Answer, frozen=True, gc=False, kw_only=True):
    result: ReplaceHalves | UnsetType = UNSET


class AmendedOrder(Camel, frozen=True, gc=False):
    symbol: str
    order_id: SignedId
    orig_client_order_id: str
    price: str
    qty: str
    executed_qty: str
    prevented_qty: str
    status: str
    side: str


class Amended(Camel, frozen=True, gc=False):
    transact_time: Ms
    amended_order: AmendedOrder


class AmendAnswer(Answer, frozen=True, gc=False, kw_only=True):
    result: Amended | UnsetType = UNSET


# -- trade connection: what was sent there, read again ---------------------------------------


class SentOrder(Struct, frozen=True, gc=False):
    """What is looked at in the parameters of a recorded new order."""

    symbol: str
    side: Literal["BUY", "SELL"]
    quantity: str
    client_order_id: str = field(name="newClientOrderId")
    price: str = "0"
    type: str = "LIMIT"
    tif: Literal["GTC", "IOC", "FOK"] = field(name="timeInForce", default="GTC")


class Sent(Struct, frozen=True, gc=False):
    params: SentOrder


# -- trade connection: the account's own events ----------------------------------------------


class ExecutionReport(Struct, frozen=True, gc=False):
    symbol: str = field(name="s")
    client_order_id: str = field(name="c")
    side: str = field(name="S")
    qty: str = field(name="q")
    price: str = field(name="p")
    orig_client_order_id: str = field(name="C")
    execution_type: str = field(name="x")
    order_status: str = field(name="X")
    reject_reason: str = field(name="r")
    order_id: SignedId = field(name="i")
    last_qty: str = field(name="l")
    cumulative_qty: str = field(name="z")
    last_price: str = field(name="L")
    commission: str | None = field(name="n")
    commission_asset: str | None = field(name="N")
    transact_time: Ms = field(name="T")
    trade_id: SignedId = field(name="t")
    maker: bool = field(name="m")
    allocation_id: SignedId = field(name="a", default=-1)
    prevented_qty: str = field(name="A", default="0")
    expiry_reason: str = field(name="eR", default="")


class ExecutionReportFrame(Struct, frozen=True, gc=False):
    event: ExecutionReport


class AccountBalance(Struct, frozen=True, gc=False):
    asset: str = field(name="a")
    free: str = field(name="f")
    locked: str = field(name="l")


class AccountPosition(Struct, frozen=True, gc=False):
    update_time: Ms = field(name="u")
    balances: list[AccountBalance] = field(name="B")


class AccountPositionFrame(Struct, frozen=True, gc=False):
    event: AccountPosition


class ExternalLock(Struct, frozen=True, gc=False):
    asset: str = field(name="a")
    delta: str = field(name="d")
    transact_time: Ms = field(name="T")


class ExternalLockFrame(Struct, frozen=True, gc=False):
    event: ExternalLock


class BalanceUpdate(Struct, frozen=True, gc=False):
    asset: str = field(name="a")
    delta: str = field(name="d")
    clear_time: Ms = field(name="T")


class BalanceUpdateFrame(Struct, frozen=True, gc=False):
    event: BalanceUpdate


class EventHead(Struct, frozen=True, gc=False):
    event_type: str = field(name="e")


class PrivateFrame(Struct, frozen=True, gc=False):
    """What any frame of the trade connection can have at its top."""

    event: EventHead | UnsetType = UNSET
    event_type: str = field(name="e", default="")
    id: str | int | UnsetType | None = UNSET


# -- REST ------------------------------------------------------------------------------------


class Depth(Camel, frozen=True, gc=False):
    last_update_id: Id
    bids: list[Level]
    asks: list[Level]


class Bbo(Camel, frozen=True, gc=False):
    symbol: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str


class Tested(Struct, frozen=True, gc=False):
    """The answer to a test of an order: an object that tells nothing, and is no error."""

    code: UnsetType = UNSET


class TickerPrice(Camel, frozen=True, gc=False):
    symbol: str
    price: str


class Balance(Struct, frozen=True, gc=False):
    asset: str
    free: str
    locked: str


class Account(Camel, frozen=True, gc=False):
    can_trade: bool
    update_time: Ms
    balances: list[Balance]


class OwnTrade(Camel, frozen=True, gc=False):
    symbol: str
    id: Id
    order_id: Id
    price: str
    qty: str
    commission: str
    commission_asset: str
    time: Ms
    is_buyer: bool
    is_maker: bool


class ServerTime(Camel, frozen=True, gc=False):
    server_time: Ms


class Filter(Camel, frozen=True, gc=False, kw_only=True):
    """Any filter that we use, with the fields of all of these."""

    filter_type: str
    min_price: str = "0"
    max_price: str = "0"
    tick_size: str = "0"
    min_qty: str = "0"
    max_qty: str = "0"
    step_size: str = "0"
    min_notional: str = "0"
    max_notional: str = "0"
    multiplier_up: str = ""
    multiplier_down: str = ""
    bid_multiplier_up: str = ""
    bid_multiplier_down: str = ""
    ask_multiplier_up: str = ""
    ask_multiplier_down: str = ""
    max_num_orders: Id = 0
    limit: Id = 0


class FilterType(Camel, frozen=True, gc=False):
    """What a filter is: all that is read of one that we do not use."""

    filter_type: str


class Symbol(Camel, frozen=True, gc=False, kw_only=True):
    symbol: str
    status: str
    base_asset: str
    base_asset_precision: Annotated[int, Meta(ge=0, le=18)]
    quote_asset: str
    quote_asset_precision: Annotated[int, Meta(ge=0, le=18)]
    is_spot_trading_allowed: bool = True
    filters: list[Raw]


class ExchangeInfo(Camel, frozen=True, gc=False):
    rate_limits: list[RateLimit]
    symbols: list[Symbol]
    exchange_filters: list[Raw] = []
