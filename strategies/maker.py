"""A two-sided market maker: one post-only bid and one offer around the market's middle.

The middle is that of the market without our own orders, so that our quotes never chase
themselves. Both quotes lie ``half_spread_bps`` away from it and are shifted against the position
by up to ``skew_bps``, so that the side which reduces it trades first; the side that would grow it
beyond ``max_position`` shrinks and then disappears. A quote is left where it stands, and keeps its
place in the queue, until it is more than ``requote_bps`` away from where it should be.

All arithmetic is on integers; half ticks where a middle is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from core.errors import BadParameter
from core.events import Fill, Side
from core.instrument import Instrument
from core.strategy import Desk, Quote, Strategy
from core.views import BookView, OrderState, OrderView, SessionState
from strategies.refusals import Refusals
from strategies.sizes import BasisPoints, Fraction, Size, lots_of, order_lots_of

# Bound once: to look a member up in its Enum costs 50 ns, and a quote looks at nine.
_BUY, _SELL = Side.BUY, Side.SELL
_TRADING = SessionState.TRADING


class MakerParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of ``maker``; they hold for each of its instruments."""

    size: Size
    """Size of a full quote, in the base asset."""
    max_position: Size
    """Largest position either way that quotes may lead to, in the base asset."""
    half_spread_bps: BasisPoints = "2"
    """Distance of each quote from the middle."""
    skew_bps: BasisPoints = "1"
    """Shift of both quotes against the position when that is ``max_position``."""
    requote_bps: BasisPoints = "0.5"
    """How far a quote may be from where it should be before it is moved."""

    def __post_init__(self) -> None:
        """Refuse a spread that the threshold for moving quotes would undo."""
        spread, requote = Fraction(self.half_spread_bps), Fraction(self.requote_bps)
        if requote.numerator * spread.denominator > spread.numerator * requote.denominator:
            raise BadParameter(
                f'requote_bps = "{self.requote_bps}": must be at most half_spread_bps, '
                f"{self.half_spread_bps}: else a quote is left standing on the wrong side"
            )


class _Market:
    """One instrument that is being quoted."""

    __slots__ = ("instrument", "max_lots", "refusals", "seen", "size_lots")

    def __init__(self, instrument: Instrument, parameters: MakerParameters) -> None:
        self.instrument = instrument
        self.size_lots = order_lots_of(parameters.size, "size", instrument)
        self.max_lots = lots_of(parameters.max_position, "max_position", instrument)
        self.refusals = Refusals(instrument.symbol, f"retry {instrument.index}")
        self.seen = (0, 0)
        """The best prices that were last quoted on; zeros when they must be looked at anew."""


class Maker(Strategy[MakerParameters]):
    """Quotes both sides of every instrument, post-only, leaning against its position."""

    Parameters = MakerParameters

    def __init__(self, parameters: MakerParameters) -> None:
        super().__init__(parameters)
        self._markets: list[_Market] = []
        self._read_parameters()

    def _read_parameters(self) -> None:
        self._half_spread = Fraction(self.parameters.half_spread_bps)
        self._skew = Fraction(self.parameters.skew_bps)
        self._requote = Fraction(self.parameters.requote_bps)

    def on_start(self, desk: Desk) -> None:
        self._markets = [_Market(each, self.parameters) for each in desk.instruments]

    def on_parameters(self, desk: Desk) -> None:
        self._read_parameters()
        self.on_start(desk)
        for market in self._markets:
            self._look(desk, market)

    def on_book(self, desk: Desk, book: BookView) -> None:
        market = self._markets[book.instrument]
        if not book.live:
            market.seen = (0, 0)
        elif (book.bid_ticks, book.ask_ticks) != market.seen:
            self._quote(desk, market, book)

    def on_order(self, desk: Desk, order: OrderView) -> None:
        market = self._markets[order.instrument]
        if order.state is OrderState.LIVE:
            market.refusals.succeeded()
        elif order.state is OrderState.REJECTED:
            market.refusals.note(desk, "rejected", "the venue refused an order")
        if order.state is not OrderState.PENDING:
            self._look(desk, market)

    def on_fill(self, desk: Desk, order: OrderView, fill: Fill) -> None:
        self._look(desk, self._markets[order.instrument])

    def on_timer(self, desk: Desk, tag: str) -> None:
        for market in self._markets:
            if market.refusals.tag == tag:
                market.refusals.resume()
                self._look(desk, market)

    def on_session(self, desk: Desk, session: SessionState) -> None:
        for market in self._markets:
            self._look(desk, market)

    def _look(self, desk: Desk, market: _Market) -> None:
        """Quote anew, whatever the prices were."""
        market.seen = (0, 0)
        book = desk.book(market.instrument.index)
        if book.live:
            self._quote(desk, market, book)

    def _quote(self, desk: Desk, market: _Market, book: BookView) -> None:
        if desk.session is not _TRADING or market.refusals.paused:
            return
        market.seen = (book.bid_ticks, book.ask_ticks)
        index = market.instrument.index
        orders = desk.open_orders(index)
        best_bid = _best_of_others(book, _BUY, orders)
        best_ask = _best_of_others(book, _SELL, orders)
        if best_bid is None or best_ask is None:
            refusal = desk.quote(index, None, None)  # nobody to make a market against
        else:
            position = desk.position(index).lots
            bid_ticks, ask_ticks = self._prices(market, best_bid, best_ask, position)
            slack = self._requote.of(best_bid)
            refusal = desk.quote(
                index,
                _side(market, _BUY, min(bid_ticks, book.ask_ticks - 1), position, orders, slack),
                _side(market, _SELL, max(ask_ticks, book.bid_ticks + 1), position, orders, slack),
            )
        if refusal is not None:
            market.refusals.note(desk, refusal.reason, refusal.text)

    def _prices(
        self, market: _Market, best_bid: int, best_ask: int, position: int
    ) -> tuple[int, int]:
        """Return where bid and offer should be; a half tick goes away from the middle."""
        middle = best_bid + best_ask  # in half ticks
        lean = min(abs(position), market.max_lots)
        shift = self._skew.of(middle) * lean // market.max_lots
        centre = middle - shift if position > 0 else middle + shift
        distance = self._half_spread.of(middle)
        return (centre - distance) // 2, -((-centre - distance) // 2)


def _best_of_others(book: BookView, side: Side, orders: Sequence[OrderView]) -> int | None:
    """Return the best price of a side at which more stands than our own, in ticks."""
    own: dict[int, int] = {}
    for order in orders:
        if order.side is side:
            own[order.price_ticks] = own.get(order.price_ticks, 0) + order.open_lots
    if not own:
        ticks, lots = (
            (book.bid_ticks, book.bid_lots) if side is _BUY else (book.ask_ticks, book.ask_lots)
        )
        return ticks if lots else None
    for ticks, lots in book.levels(side, len(own) + 1):
        if lots > own.get(ticks, 0):
            return ticks
    return None


def _side(
    market: _Market,
    side: Side,
    price_ticks: int,
    position: int,
    orders: Sequence[OrderView],
    slack_ticks: int,
) -> Quote | None:
    """Return one side's quote: what stands, if that is near enough, else a new one."""
    instrument = market.instrument
    lots = min(market.size_lots, market.max_lots - side * position)
    if lots < instrument.min_lots or lots <= 0 or price_ticks < max(instrument.min_ticks, 1):
        return None
    for order in orders:
        if (
            order.side is side
            and 2 * order.open_lots >= lots
            and abs(order.price_ticks - price_ticks) <= slack_ticks
        ):
            return Quote(order.price_ticks, min(lots, order.open_lots))
    if lots < market.size_lots and price_ticks * lots < instrument.min_notional:
        return (
            None  # what room is left is less than the venue takes; a full size is for risk to say
        )
    return Quote(price_ticks, lots)
