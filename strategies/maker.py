"""A two-sided market maker: one post-only bid and one offer around the market's middle.

The middle is that of the market without our own orders, the book's echo of those that have just
gone or moved included, so that our quotes never chase themselves. Both quotes lie at least
``half_spread_bps`` away from it, however coarse the ticks are, and are shifted against the position
by up to ``skew_bps``, so that the side which reduces it trades first; the side that would grow it
beyond ``max_position`` shrinks and then disappears, as does one that the balance does not pay for.
A quote is left where it stands, and keeps its place in the queue, until it is more than
``requote_bps`` away from where it should be; while its side pauses after a refusal, it is cancelled
then.

All arithmetic is on integers; half ticks where a middle is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from core.model.errors import BadParameter
from core.model.events import Fill, Side
from core.model.grid import UNIFORM
from core.model.instrument import Instrument
from core.model.strategy import Desk, Quote, Strategy
from core.model.units import NS_PER_MS
from core.model.views import BookView, OrderState, OrderView, SessionState
from strategies.refusals import Refusals
from strategies.sizes import BasisPoints, Fraction, Sizes, check_sizes, lots_of, order_lots_of

# Bound once: to look a member up in its Enum costs 50 ns, and a quote looks at nine.
_BUY, _SELL = Side.BUY, Side.SELL
_TRADING = SessionState.TRADING

ECHO_NS = 300 * NS_PER_MS
"""How long the book may still show what we had there: depth comes every 100 ms, and has a way."""


class MakerParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of ``maker``; they hold for each of its instruments, sizes also one by one."""

    size: Sizes
    """Size of a full quote, in the base asset."""
    max_position: Sizes
    """Largest position either way that quotes may lead to, in the base asset."""
    half_spread_bps: BasisPoints = "2"
    """Distance of each quote from the middle."""
    skew_bps: BasisPoints = "1"
    """Shift of both quotes against the position when that is ``max_position``."""
    requote_bps: BasisPoints = "0.5"
    """How far a quote may be from where it should be before it is moved."""

    def __post_init__(self) -> None:
        """Refuse what is no size, and a spread that the threshold for moving quotes would undo."""
        check_sizes(self.size, "size")
        check_sizes(self.max_position, "max_position")
        spread, requote = Fraction(self.half_spread_bps), Fraction(self.requote_bps)
        if requote.numerator * spread.denominator > spread.numerator * requote.denominator:
            raise BadParameter(
                f'requote_bps = "{self.requote_bps}": must be at most half_spread_bps, '
                f"{self.half_spread_bps}: else a quote is left standing on the wrong side"
            )


class _Echo(NamedTuple):
    """What we no longer have in the book, while the book may still show it."""

    until_ns: int
    side: Side
    price_ticks: int
    lots: int


class _Market:
    """One instrument that is being quoted."""

    __slots__ = ("echoes", "instrument", "max_lots", "refusals", "seen", "size_lots", "stood")

    def __init__(self, instrument: Instrument, parameters: MakerParameters) -> None:
        self.instrument = instrument
        self.size_lots = order_lots_of(parameters.size, "size", instrument)
        self.max_lots = lots_of(parameters.max_position, "max_position", instrument)
        self.refusals = {
            side: Refusals(f"{instrument.symbol} {name}", f"retry {instrument.index} {name}")
            for side, name in ((_BUY, "bid"), (_SELL, "offer"))
        }
        self.echoes: list[_Echo] = []
        self.seen = (0, 0)
        """The best prices that were last quoted on; zeros when they must be looked at anew."""
        self.stood: dict[str, int] = {}
        """Where each of our orders was last told to stand, by client id."""

    def affordable_lots(self, desk: Desk, side: Side, price_ticks: int, own_lots: int) -> int:
        """Return what the balance pays for on a side; ``own_lots`` of ours there are paid for.

        Where nothing is delivered no balance is spent: the limits say what there may be.
        """
        row, contract = self.instrument, self.instrument.contract
        if not contract.delivers:
            return self.size_lots
        if side is _SELL:
            return own_lots + desk.balance_atoms(row.base) // row.lot_atoms
        units = desk.balance_atoms(row.quote) // contract.unit_atoms
        return own_lots + contract.lots_for(units, price_ticks)


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
            market.refusals[order.side].succeeded()
        elif order.state is OrderState.REJECTED:
            market.refusals[order.side].note(desk, "rejected", "the venue refused an order")
        elif order.state is OrderState.CANCELED or order.state is OrderState.EXPIRED:
            lots = order.size_lots - order.filled_lots
            self._gone(desk, market, order.side, order.price_ticks, lots)
        stood_ticks = market.stood.pop(order.client_order_id, order.price_ticks)
        if stood_ticks != order.price_ticks:
            self._gone(desk, market, order.side, stood_ticks, order.open_lots)
        if not order.state.terminal:
            market.stood[order.client_order_id] = order.price_ticks
        if order.state is not OrderState.PENDING:
            self._look(desk, market)

    def on_fill(self, desk: Desk, order: OrderView, fill: Fill) -> None:
        market = self._markets[order.instrument]
        self._gone(desk, market, order.side, order.price_ticks, fill.lots)
        self._look(desk, market)

    def _gone(self, desk: Desk, market: _Market, side: Side, price_ticks: int, lots: int) -> None:
        now_ns = desk.now_ns
        market.echoes = [echo for echo in market.echoes if echo.until_ns > now_ns]
        market.echoes.append(_Echo(now_ns + ECHO_NS, side, price_ticks, lots))

    def on_timer(self, desk: Desk, tag: str) -> None:
        for market in self._markets:
            for refusals in market.refusals.values():
                if refusals.tag == tag:
                    refusals.resume()
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
        if desk.session is not _TRADING:
            return
        market.seen = (book.bid_ticks, book.ask_ticks)
        index, now_ns = market.instrument.index, desk.now_ns
        orders = desk.open_orders(index)
        echoes = [echo for echo in market.echoes if echo.until_ns > now_ns]
        best_bid = _best_of_others(book, _BUY, orders, echoes)
        best_ask = _best_of_others(book, _SELL, orders, echoes)
        if best_bid is None or best_ask is None:
            refusal = desk.quote(index, None, None)  # nobody to make a market against
        else:
            position = desk.position(index).lots
            bid_ticks, ask_ticks = self._prices(market, best_bid, best_ask, position)
            slack = self._requote.of(best_bid)
            bid_ticks = min(bid_ticks, book.ask_ticks - 1)
            ask_ticks = max(ask_ticks, book.bid_ticks + 1)
            grid = market.instrument.grid
            if grid is not UNIFORM:
                bid_ticks, ask_ticks = grid.down(bid_ticks), grid.up(ask_ticks)
            refusal = desk.quote(
                index,
                _side(desk, market, _BUY, bid_ticks, position, orders, slack),
                _side(desk, market, _SELL, ask_ticks, position, orders, slack),
            )
        if refusal is not None:
            market.refusals[refusal.side or _BUY].note(desk, refusal.reason, refusal.text)

    def _prices(
        self, market: _Market, best_bid: int, best_ask: int, position: int
    ) -> tuple[int, int]:
        """Return where bid and offer should be: what is no whole tick goes away from the middle,
        and no two of them ever meet there.
        """
        middle = best_bid + best_ask  # in half ticks
        lean = min(abs(position), market.max_lots)
        shift = self._skew.of(middle) * lean // market.max_lots
        centre = middle - shift if position > 0 else middle + shift
        distance = max(1, self._half_spread.at_least_of(middle))
        return (centre - distance) // 2, -((-centre - distance) // 2)


def _best_of_others(
    book: BookView, side: Side, orders: Sequence[OrderView], echoes: Sequence[_Echo]
) -> int | None:
    """Return the best price of a side at which more stands than our own, in ticks."""
    own: dict[int, int] = {}
    for order in orders:
        if order.side is side:
            own[order.price_ticks] = own.get(order.price_ticks, 0) + order.open_lots
            if order.amend_ticks not in (0, order.price_ticks):  # it may stand there already
                own[order.amend_ticks] = own.get(order.amend_ticks, 0) + order.open_lots
    for echo in echoes:
        if echo.side is side:
            own[echo.price_ticks] = own.get(echo.price_ticks, 0) + echo.lots
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
    desk: Desk,
    market: _Market,
    side: Side,
    price_ticks: int,
    position: int,
    orders: Sequence[OrderView],
    slack_ticks: int,
) -> Quote | None:
    """Return one side's quote: what stands, if that is near enough, else a new one.

    ``None`` where there is nothing to quote, or the side pauses and what stands is too far off.
    """
    instrument = market.instrument
    if price_ticks < max(instrument.min_ticks, 1) or 0 < instrument.max_ticks < price_ticks:
        return None
    own = [order for order in orders if order.side is side]
    own_lots = sum(order.open_lots for order in own)
    lots = min(
        market.size_lots,
        market.max_lots - side * position,
        market.affordable_lots(desk, side, price_ticks, own_lots),
    )
    if lots < instrument.min_lots or lots <= 0:
        return None
    if (
        lots < market.size_lots
        and instrument.contract.value(price_ticks, lots) < instrument.min_notional
    ):
        return None  # what is left is less than the venue takes; a full size is for risk to say
    for order in own:
        if 2 * order.open_lots >= lots and abs(order.price_ticks - price_ticks) <= slack_ticks:
            return Quote(order.price_ticks, min(lots, order.open_lots))
    return None if market.refusals[side].paused else Quote(price_ticks, lots)
