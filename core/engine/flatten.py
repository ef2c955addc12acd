"""Flattening: on the operator's word, take the position of every instrument to zero.

Here lives the way out that no halt closes: on each instrument by itself, once none of our orders is
open there, what is owned is traded away in slices, each an order that takes what stands within the
collar and leaves nothing in the book. Every limit of risk holds, the halts alone do not. What is in
the way is said, and tried again for as long as it may pass; what cannot be traded at all is named.
When all is done, placing stays halted until the operator resumes.

Owned is the position less the fees that were taken out of it in the base asset, and no more than
the account has free. The venue's filters and our sizes are in whole lots: less than one is dust.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from core.engine.desk import TradingDesk
from core.engine.outbound import Outbound
from core.engine.turn import Turn
from core.model.commands import FetchAccount, TimeInForce
from core.model.events import Side
from core.model.halts import WHOLE_RUN, HaltKind
from core.model.instrument import Instrument, InstrumentTable, Trading
from core.model.units import NS_PER_MS, NS_PER_S, amount_text
from core.model.views import OrderState, Refusal, SessionState
from core.model.wording import count_text
from core.state.book import Book
from core.state.orders import Order, Orders
from core.state.position import Position
from core.state.risk import MARKET_LEVELS, Risk, RiskLimits

FRUITLESS = 10
"""Slices in a row that took nothing off a position, before it is given up there: the pauses between
them double, so that this is three minutes of a market or a venue that does not deal with us."""

FIRST_PAUSE_NS = 250 * NS_PER_MS
"""After a slice that took nothing; a book has changed by then."""

LONGEST_PAUSE_NS = 60 * NS_PER_S

BALANCE_NS = 2 * NS_PER_S
"""Between two questions for the account, while it seems to have less free than we own."""

BALANCE_ASKS = 5
"""After so many answers the account has no more: what our cancels set free is told in the first."""

SAID_NS = 5 * NS_PER_S
"""Between two lines about one instrument: what is in the way may change with every tick."""

OVERDUE_NS = 20 * NS_PER_S
"""Without anything traded, after which it is said once more what is in the way; from there on a
line a minute is enough."""

OVERDUE_SAID_NS = 60 * NS_PER_S

_BPS = 10_000


class State(StrEnum):
    """How far the flattening of one instrument is."""

    CANCELLING = "cancelling"
    """Orders of ours are open there, or not proved gone."""
    TRADING = "trading"
    WAITING = "waiting"
    """Something is in the way that may pass."""
    FLAT = "flat"
    NOT_FLAT = "not flat"
    """Something is left, and trying again cannot help."""


_ENDED = (State.FLAT, State.NOT_FLAT)

_UNSURE = (HaltKind.LEDGER, HaltKind.RECORD, HaltKind.GRID)
"""Halts that say that the position itself may be another than we count: what is counted is traded
away, and whether nothing is left then is for a person to see at the venue."""


class Leg(Struct):
    """The flattening of one instrument."""

    instrument: int
    state: State = State.WAITING
    why: str = ""
    """What is in the way, or what is left over; "" where nothing is."""
    orders: int = 0
    """Slices sent."""
    start_lots: int | None = None
    """The position when it began; ``None`` until our table is proved."""
    left_lots: int = 0
    """The position when it was last looked at."""
    slice: str = ""
    """Client id of the newest slice."""
    before_lots: int = 0
    """The position when that was sent."""
    last: str = ""
    """What became of the newest slice that took nothing."""
    fruitless: int = 0
    next_ns: int = 0
    balance_asks: int = 0
    moved_ns: int = 0
    """When something was traded last, or it began."""
    overdue: bool = False
    said: tuple[State, str, int] = (State.WAITING, "", 0)
    said_ns: int = 0


class Flattening:
    """The one flattening that may be under way."""

    def __init__(
        self,
        *,
        table: InstrumentTable,
        books: Sequence[Book],
        positions: Sequence[Position],
        balances: Mapping[str, int],
        orders: Orders,
        turn: Turn,
        desk: TradingDesk,
        outbound: Outbound,
        risk: Risk,
        limits_of: Callable[[Instrument], RiskLimits],
        log: Callable[[str], None],
    ) -> None:
        self._table = table
        self._books = books
        self._positions = positions
        self._balances = balances
        self._orders = orders
        self._turn = turn
        self._desk = desk
        self._outbound = outbound
        self._risk = risk
        self._limits_of = limits_of
        self._log = log
        self.wanted = False
        """Whether a flattening is under way; the strategy's gate is closed meanwhile."""
        self.verdict = ""
        """How the last one ended: "flat", or why not; "" before and while one is under way."""
        self.legs: list[Leg] = []
        """The last flattening, by instrument; empty before any."""

    # -- the operator's words ------------------------------------------------------------------

    def begin(self) -> None:
        """Flatten everything; said again, what was given up is tried again."""
        self.wanted = True
        self.verdict = ""
        self.legs = []

    def stop(self, why: str) -> None:
        """Go on no more: somebody has said something else since."""
        if self.wanted:
            self.wanted = False
            self.verdict = f"not flat: {why}; {self._left()}"
            self._log(f"flattening stopped: {self.verdict}")

    @property
    def flat(self) -> bool:
        """Whether the last one has ended with nothing left that could be traded."""
        return bool(self.verdict) and all(leg.state is State.FLAT for leg in self.legs)

    def slice_of(self, instrument: int) -> str:
        """Return the client id of the slice that is under way there, "" for none."""
        return self.legs[instrument].slice if instrument < len(self.legs) else ""

    # -- going on ------------------------------------------------------------------------------

    def step(self) -> None:
        """Do what can be done now; called again until all is flat."""
        if not self.wanted:
            return
        if self._desk.session is SessionState.LEAVING:
            self.stop("the run is being left")
            return
        now_ns = self._turn.now_ns
        for row in list(self._table)[len(self.legs) :]:
            self.legs.append(Leg(row.index, moved_ns=now_ns))
        for leg in self.legs:
            lots = self._positions[leg.instrument].lots
            if leg.state is State.FLAT and lots != leg.left_lots:
                leg.state = State.WAITING  # an order was found that has traded since
            if leg.state not in _ENDED:
                leg.state, leg.why = self._go_on(leg, now_ns)
                leg.left_lots = lots
                self._say(leg)
        if self.legs and all(leg.state in _ENDED for leg in self.legs):
            self._end()

    def _go_on(self, leg: Leg, now_ns: int) -> tuple[State, str]:
        """Take one instrument a step further; return where it stands, and what is in the way."""
        desk, row = self._desk, self._table[leg.instrument]
        ours = self._orders.exposure(leg.instrument).orders
        if leg.slice in ours:
            known = ours[leg.slice].state is not OrderState.UNKNOWN
            return State.TRADING, "" if known else "it is not known yet what became of an order"
        if ours:
            return State.CANCELLING, f"{count_text(len(ours), 'order')} of ours not proved gone yet"
        if not desk.way_open:
            return State.WAITING, f"there is no proved connection to trade on ({desk.session})"
        position_lots = self._positions[leg.instrument].lots
        if leg.start_lots is None:
            leg.start_lots = position_lots
        self._judge_slice(leg, position_lots)
        side = Side.SELL if position_lots > 0 else Side.BUY
        lots, rest = self._owned(row)
        if not lots:
            return self._done(row, rest)
        if row.carried:
            return State.NOT_FLAT, (
                f"{row.size_text(lots)} are left, and the configuration leaves the symbol out: "
                "add it to symbols (and its limits), then flatten"
            )
        if leg.fruitless >= FRUITLESS:
            return State.NOT_FLAT, (
                f"{FRUITLESS} orders in a row took nothing: {leg.last}; "
                "look at the venue, then flatten again"
            )
        if leg.fruitless and now_ns < leg.next_ns:
            return State.WAITING, f"an order took nothing: {leg.last}; again soon"
        obstacle = self._obstacle(row, side)
        if obstacle:
            return State.WAITING, obstacle
        return self._trade(leg, row, side, lots)

    def _judge_slice(self, leg: Leg, position_lots: int) -> None:
        """See what the last slice has come to."""
        if not leg.slice:
            return
        if position_lots != leg.before_lots:
            leg.fruitless, leg.overdue, leg.moved_ns = 0, False, self._turn.now_ns
        else:
            leg.last = _end_of(self._orders.find(leg.slice))
            pause_ns = FIRST_PAUSE_NS << leg.fruitless
            leg.fruitless += 1
            leg.next_ns = self._turn.now_ns + min(pause_ns, LONGEST_PAUSE_NS)
        leg.slice = ""

    def _owned(self, row: Instrument) -> tuple[int, str]:
        """Return the whole lots to be traded, and what else there is of the position."""
        position = self._positions[row.index]
        if position.lots <= 0:
            return -position.lots, ""
        if not row.contract.delivers:
            return position.lots, ""
        paid_atoms = max(0, position.fees_atoms.get(row.base, 0))
        owned_atoms = max(0, position.lots * row.lot_atoms - paid_atoms)
        lots, dust_atoms = divmod(owned_atoms, row.lot_atoms)
        said = []
        if dust_atoms:
            said.append(f"{amount_text(dust_atoms, row.base)} are left, less than one lot")
        if paid_atoms:
            said.append(f"{amount_text(paid_atoms, row.base)} of it went as fees")
        return lots, ", ".join(said)

    def _done(self, row: Instrument, rest: str) -> tuple[State, str]:
        """Nothing that we count is left to be traded; where our count is in doubt, say so."""
        for halt in self._risk.halts():
            if halt.kind in _UNSURE and halt.instrument in (WHOLE_RUN, row.index):
                doubt = f"by our own count nothing is left; hold it against the venue: {halt.why}"
                return State.NOT_FLAT, doubt
        return State.FLAT, rest

    def _obstacle(self, row: Instrument, side: Side) -> str:
        """Return what keeps every order from being sent, "" where nothing does."""
        if row.trading not in (Trading.OPEN, Trading.LIMIT_ONLY):  # a limit order takes its share
            return f"the venue has {row.symbol} in {row.venue_status or row.trading}"
        book = self._books[row.index]
        if not book.live:
            return f"its book is {book.state}{f' ({book.why})' if book.why else ''}"
        if not (book.bid_lots if side is Side.SELL else book.ask_lots):
            return (
                f"nobody {'buys' if side is Side.SELL else 'sells'}: that side of its book is empty"
            )
        return ""

    def _trade(self, leg: Leg, row: Instrument, side: Side, lots: int) -> tuple[State, str]:
        limits = self._limits_of(row)
        ticks = self._worst_price(row, side, limits)
        least = _least(row, ticks)
        if lots < least and row.contract.inverse is (side is Side.BUY):
            # Worth enough at the best price, maybe.
            book = self._books[row.index]
            ticks = book.ask_ticks if side is Side.BUY else book.bid_ticks
            least = _least(row, ticks)
        if lots < least:
            rest = (
                f"{row.size_text(lots)} are left, too little to trade: the venue takes orders of "
                f"at least {row.size_text(least)} at this price"
            )
            return self._done(row, rest)
        most, narrowest = _most(row, limits, ticks)
        if most < least:
            return State.NOT_FLAT, (
                f"{row.size_text(lots)} are left: {narrowest} allows orders of "
                f"{row.size_text(most)}, the venue's least is {row.size_text(least)}"
            )
        free = self._free(row, side, ticks)
        if free < min(lots, least):
            return self._short_of_balance(leg, row, side, lots)
        lots = min(lots, free)
        size = min(lots, most, max(least, self._within_reach(row, side, ticks)))
        if 0 < lots - size < least:  # what the venue takes no order for would be left over
            size = min(most, lots - least) if lots >= 2 * least else size
        answer = self._desk.way_out(row.index, side, ticks, size, TimeInForce.IOC)
        if isinstance(answer, Refusal):
            return State.WAITING, answer.text
        leg.slice, leg.before_lots = answer.client_order_id, self._positions[row.index].lots
        leg.orders += 1
        leg.balance_asks = 0
        return State.TRADING, ""

    def _worst_price(self, row: Instrument, side: Side, limits: RiskLimits) -> int:
        """Return the worst price that may be taken: within our collar, and the venue's."""
        book = self._books[row.index]
        if side is Side.SELL:
            bps = min(limits.collar_bps, row.collar_down_bps or _BPS)
            return row.grid.up(max(1, row.min_ticks, -(-book.bid_ticks * (_BPS - bps) // _BPS)))
        bps = min(limits.collar_bps, row.collar_up_bps or _BPS)
        worst_ticks = book.ask_ticks * (_BPS + bps) // _BPS
        return row.grid.down(min(worst_ticks, row.max_ticks) if row.max_ticks else worst_ticks)

    def _within_reach(self, row: Instrument, side: Side, ticks: int) -> int:
        """Return what stands in the book up to a price."""
        levels = self._books[row.index].levels(Side(-side), MARKET_LEVELS)
        return sum(lots for at_ticks, lots in levels if side * (at_ticks - ticks) <= 0)

    def _free(self, row: Instrument, side: Side, ticks: int) -> int:
        """Return the whole lots that the account's free balance covers.

        Where nothing is delivered a position covers the order that closes it.
        """
        if not row.contract.delivers:
            return abs(self._positions[row.index].lots)
        if side is Side.SELL:
            return self._balances.get(row.base, 0) // row.lot_atoms
        contract = row.contract
        return contract.lots_for(self._balances.get(row.quote, 0) // contract.unit_atoms, ticks)

    def _short_of_balance(
        self, leg: Leg, row: Instrument, side: Side, lots: int
    ) -> tuple[State, str]:
        """Less is free than we own: hear it from the account again, before that is believed."""
        asset = row.base if side is Side.SELL else row.quote
        free = amount_text(self._balances.get(asset, 0), asset)
        why = f"{row.size_text(lots)} are left, and the account has {free} free"
        if leg.balance_asks >= BALANCE_ASKS and self._turn.now_ns >= leg.next_ns:
            return State.NOT_FLAT, f"{why}: somebody else has it, or it is locked"
        if self._turn.now_ns >= leg.next_ns and self._outbound.request(
            FetchAccount(), self._turn.now_ns
        ):
            leg.balance_asks += 1
            leg.next_ns = self._turn.now_ns + BALANCE_NS
        return State.WAITING, why

    # -- what is said --------------------------------------------------------------------------

    def text(self, leg: Leg) -> str:
        """Return for people where one instrument stands."""
        row = self._table[leg.instrument]
        done = ""
        if leg.start_lots is not None:
            traded = leg.start_lots - self._positions[leg.instrument].lots
            if traded:
                word = "sold" if traded > 0 else "bought"
                done = f"{word} {row.size_text(abs(traded))} in {count_text(leg.orders, 'order')}"
            if leg.state not in _ENDED:
                done += f"{', ' if done else ''}{self._rest(row)} left"
        said = "; ".join(filter(None, (done, leg.why)))
        return f"{row.symbol} {leg.state}{f': {said}' if said else ''}"

    def _rest(self, row: Instrument) -> str:
        lots = self._positions[row.index].lots
        owned_lots, _ = self._owned(row)
        return row.size_text(-owned_lots if lots < 0 else owned_lots)

    def progress(self) -> str:
        """Return for people where all of it stands."""
        if self.legs:
            return "; ".join(self.text(leg) for leg in self.legs)
        return "waiting: the instruments are not known yet"

    def _left(self) -> str:
        """Return what is not flat."""
        open_legs = [leg for leg in self.legs if leg.state is not State.FLAT]
        return "; ".join(self.text(leg) for leg in open_legs) or "nothing was begun"

    def _say(self, leg: Leg) -> None:
        """Log where an instrument stands when that has changed, and no more often than need be."""
        now_ns = self._turn.now_ns
        overdue = not leg.overdue and now_ns - leg.moved_ns >= OVERDUE_NS
        pause_ns = OVERDUE_SAID_NS if leg.overdue else SAID_NS
        news = (leg.state, leg.why, leg.orders)
        due = news != leg.said and now_ns - leg.said_ns >= pause_ns
        if leg.state in _ENDED or overdue or due:
            leg.said, leg.said_ns, leg.overdue = news, now_ns, leg.overdue or overdue
            late = "not flat yet, going on: " if leg.overdue and leg.state not in _ENDED else ""
            self._log(f"flattening: {late}{self.text(leg)}")

    def _end(self) -> None:
        self.wanted = False
        if all(leg.state is State.FLAT for leg in self.legs):
            dust = [f"{self._table[g.instrument].symbol}: {g.why}" for g in self.legs if g.why]
            self.verdict = "; ".join(["flat", *dust])
        else:
            self.verdict = f"not flat: {self._left()}"
        self._risk.halt(f"halted by the operator: {self.verdict}", HaltKind.OPERATOR)
        self._log(f"flattening ended: {self.verdict}")


def _least(row: Instrument, ticks: int) -> int:
    """Return the smallest order in lots that the venue takes at a price."""
    return max(1, row.min_lots, row.contract.least_lots(row.min_notional, ticks))


def _most(row: Instrument, limits: RiskLimits, ticks: int) -> tuple[int, str]:
    """Return the largest slice in lots, and whose limit that is."""
    lots_for = row.contract.lots_for
    bounds = [
        (limits.max_order_lots, "our max_order_size"),
        (lots_for(limits.max_order_notional, ticks), "our max_order_notional"),
    ]
    if row.max_lots:
        bounds.append((row.max_lots, "the venue's largest order"))
    if row.max_market_lots:
        # A slice takes what stands, like an order at market: no larger than the venue allows those.
        bounds.append((row.max_market_lots, "the venue's largest order at market"))
    if row.max_notional:
        bounds.append((lots_for(row.max_notional, ticks), "the venue's largest notional"))
    return min(bounds)


def _end_of(order: Order | None) -> str:
    """Return how a slice ended that took nothing."""
    if order is None:
        return "the venue says no more of it"
    return f"{order.state}{f', {order.reason}' if order.reason else ''}"
