"""The last word before an order: worst-case exposure -> ``Approved`` or ``Refusal``.

Here live our own limits and the venue's static filters, the breakers that close the gate, and the
only place that makes an ``Approved``. What never lives here: orders, books and positions (they are
arguments), the venue's request budgets (``core.state.throttle``), PnL sums
(``core.state.position``).

An order is judged as if everything already open were to trade in full, and as if what is unproved
were open: whatever becomes of our orders, the position stays within its limit. All arithmetic is on
integers: ticks, lots, basis points, and units of the instrument's contract.

A limit is stated, or nothing is placed: 0 means nothing, never "no limit". Nothing here raises a
limit while a run goes on; which halts an operator may take back, ``core.model.halts`` says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import asdict

from core.model.commands import Amend, OrderKind, Place, PlaceMany, Replace, TimeInForce
from core.model.contract import Contract
from core.model.errors import BadConfig, Misuse
from core.model.events import Side
from core.model.frozen import Frozen
from core.model.grid import UNIFORM
from core.model.halts import Halt, HaltKind, Halts
from core.model.instrument import Instrument, Trading
from core.model.units import NS_PER_MS, NS_PER_S, amount_text
from core.model.venue import AmendKind, Capabilities, OrderKinds
from core.model.views import BookView, ExposureView, OrderView, Refusal, RefusalReason
from core.model.wording import seconds_text

_BPS = 10_000
"""Basis points in one whole."""

MAX_ORDERS_PER_S = 10_000
"""Largest own rate that can be stated: each order of the last second is remembered by its time."""

MAX_REJECTS = 10_000
"""Largest number of rejects that can be tolerated: each is remembered by its time."""

FIRST_PAUSE_NS = 100 * NS_PER_MS
"""After the first of ordinary refusals on one side: most are a post-only order that the market has
overtaken, and are over with the next change of the book."""

LONGEST_PAUSE_NS = 10 * NS_PER_S
"""Long enough to cost nothing, short enough that funds which are there again are used again."""

MARKET_LEVELS = 100
"""Levels of the book that may cover a market order; one that needs more is refused."""

_HALT_REASONS = {
    HaltKind.BREAKER: RefusalReason.REJECT_RATE,
    HaltKind.DAILY_LOSS: RefusalReason.DAILY_LOSS,
    HaltKind.NOT_VALUED: RefusalReason.NOT_VALUED,
}
"""What a refusal says of a halt where it is more than ``HALTED``."""

_BUY = Side.BUY
_MARKET = OrderKind.MARKET
_POST_ONLY = OrderKind.POST_ONLY
_GTC = TimeInForce.GTC
_IOC = TimeInForce.IOC
_FOK = TimeInForce.FOK
_DAY = TimeInForce.DAY
_OPEN = Trading.OPEN
_TAKEN = {
    Trading.OPEN: frozenset(OrderKind),
    Trading.LIMIT_ONLY: frozenset((OrderKind.LIMIT, OrderKind.POST_ONLY)),
    Trading.POST_ONLY: frozenset((OrderKind.POST_ONLY,)),
}
"""Kinds of orders that are taken; in any other state none is."""

_ALONE = {
    Trading.LIMIT_ONLY: ", which takes no orders at market",
    Trading.POST_ONLY: ", which takes post-only orders alone",
}


EVERY_ORDER: OrderKinds = frozenset(
    {
        *((OrderKind.LIMIT, tif) for tif in (_GTC, _IOC, _FOK)),
        (OrderKind.POST_ONLY, _GTC),
        (OrderKind.MARKET, _IOC),
    }
)
"""Every order that makes sense without a day's end: at a venue that takes them all there is nothing
to be looked up of any other."""


class RiskLimits(Frozen, frozen=True, kw_only=True):
    """What we allow ourselves on one instrument. All inclusive; 0 allows nothing.

    Raises ``BadConfig`` for a value below zero or a rate that cannot be kept.
    """

    max_order_lots: int
    """Largest size of one order."""
    max_order_notional: int
    """Largest value of one order, in units of the contract."""
    max_position_lots: int
    """Largest position either way, with every open order counted as if filled in full."""
    max_open_orders: int
    """Most orders open at once, unproved ones included."""
    collar_bps: int
    """How far through the opposite best price an order may reach."""
    max_book_age_ns: int
    """Longest silence of the feed that the order was made from."""
    max_orders_per_s: int
    """Most new and replacing orders within any one second."""
    max_rejects: int
    """Most unexpected rejects by the venue within ``reject_window_ns``, or in a row however slowly
    they come; the next one halts the instrument."""
    reject_window_ns: int
    max_daily_loss: int
    """Largest loss since midnight UTC in units of the contract; more halts the whole run
    (``core.engine.pnl``).
    """
    max_feed_age_ns: int = 2 * NS_PER_S
    """How far the venue's times in the feed may be off its clock; beyond it there is no book."""
    expiry_lead_ns: int = 60 * NS_PER_S
    """How long before it expires the instrument is halted (``core.engine.reference_data``)."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 0:
                raise BadConfig(f"risk limit {name} is {value}; it must be 0 or more")
        if self.max_orders_per_s > MAX_ORDERS_PER_S:
            raise BadConfig(f"risk limit max_orders_per_s: at most {MAX_ORDERS_PER_S}")
        if self.max_rejects > MAX_REJECTS:
            raise BadConfig(f"risk limit max_rejects: at most {MAX_REJECTS}")


class TotalLimits(Frozen, frozen=True):
    """What we allow ourselves in one asset, over all symbols, in its atoms; 0: not stated."""

    max_daily_loss_atoms: int
    max_notional_atoms: int


class Approved(Frozen, frozen=True):
    """A command that may leave. Made by ``Risk`` and by nothing else."""

    command: Place | PlaceMany | Replace | Amend


class _Rate:
    """At most ``amount`` in any one second: a ring of the newest times."""

    __slots__ = ("_next", "_times_ns", "amount")

    def __init__(self, amount: int) -> None:
        self.amount = amount
        self._times_ns = [-NS_PER_S] * amount
        self._next = 0

    def take(self, now_ns: int) -> bool:
        if not self.amount:
            return False
        place = self._next
        times_ns = self._times_ns
        if now_ns - times_ns[place] < NS_PER_S:
            return False
        times_ns[place] = now_ns
        self._next = place + 1 if place + 1 < self.amount else 0
        return True


class _Breaker:
    """Unexpected rejects, whatever their codes: in a sliding window, and in a row."""

    __slots__ = ("_limits", "_times_ns", "in_a_row")

    def __init__(self, limits: RiskLimits) -> None:
        self._limits = limits
        self.in_a_row = 0
        """How many came since something was taken."""
        self._times_ns: deque[int] = deque(maxlen=limits.max_rejects + 1)

    def forget(self) -> None:
        """Begin to count anew."""
        self._times_ns.clear()
        self.in_a_row = 0

    def trips(self, now_ns: int) -> str:
        """Count a reject; return how many were too many, "" where they were not."""
        limits, times_ns = self._limits, self._times_ns
        self.in_a_row += 1
        while times_ns and now_ns - times_ns[0] >= limits.reject_window_ns:
            times_ns.popleft()
        times_ns.append(now_ns)
        if len(times_ns) > limits.max_rejects:
            return f"within {seconds_text(limits.reject_window_ns)}"
        return "in a row" if self.in_a_row > limits.max_rejects else ""


class _Weather:
    """How long one side of an instrument waits after an ordinary refusal."""

    __slots__ = ("gap_ns", "until_ns", "why")

    def __init__(self) -> None:
        self.gap_ns = FIRST_PAUSE_NS
        """How long the next pause is: twice the last one, until something was taken."""
        self.until_ns = 0
        self.why = ""

    def refused(self, why: str, now_ns: int) -> None:
        self.why = why
        if now_ns >= self.until_ns:  # else it was on its way when the pause began
            self.until_ns = now_ns + self.gap_ns
            self.gap_ns = min(2 * self.gap_ns, LONGEST_PAUSE_NS)


class _Total:
    """All that is held and open in one asset, worst case, in atoms of it."""

    __slots__ = ("most_atoms", "quote", "worst_atoms")

    def __init__(self, quote: str, most_atoms: int) -> None:
        self.quote = quote
        self.most_atoms = most_atoms
        self.worst_atoms = 0


class _Share:
    """What one instrument adds to a total."""

    __slots__ = ("denominator", "numerator", "total", "worst_atoms")

    def __init__(self, total: _Total) -> None:
        self.total = total
        self.numerator = 0
        """The factor from the contract's units to atoms of the total, over ``denominator``; 0 while
        it is not known."""
        self.denominator = 1
        self.worst_atoms = 0

    def put(self, worst_units: int) -> None:
        """Count this much from now on, in units of the contract."""
        worst_atoms = worst_units * self.numerator // self.denominator
        self.total.worst_atoms += worst_atoms - self.worst_atoms
        self.worst_atoms = worst_atoms


class _Row:
    """One instrument: its limits, its halts and its breakers."""

    __slots__ = (
        "breaker",
        "halts",
        "limits",
        "mark_ticks",
        "paused_ns",
        "rate",
        "shares",
        "weather",
    )

    def __init__(self, instrument: int, limits: RiskLimits) -> None:
        self.limits = limits
        self.halts = Halts(instrument)
        self.rate = _Rate(limits.max_orders_per_s)
        self.breaker = _Breaker(limits)
        self.paused_ns = 0
        """Until when one side or the other waits."""
        self.weather = {Side.BUY: _Weather(), Side.SELL: _Weather()}
        self.mark_ticks = 0
        """The last price that is known, 0 for none."""
        self.shares: tuple[_Share, ...] = ()


class Risk:
    """Judges every order of a run, and halts an instrument or everything when a limit is hit.

    What counts rejects says why one is too many; whoever learns that halts, and cancels. A halt
    stops new orders only: cancels need no approval.
    """

    __slots__ = (
        "_halts",
        "_rows",
        "_takes",
        "_totals",
        "can_amend",
        "can_post",
        "can_replace",
        "can_reprice",
        "not_valued",
        "resting",
    )

    def __init__(
        self, totals: Mapping[str, TotalLimits] | None = None, can: Capabilities | None = None
    ) -> None:
        """``totals`` are by quote asset; ``can`` is what the venue can do, ``None`` all of it."""
        self._takes = None if can is None or can.orders >= EVERY_ORDER else can.orders
        """The orders that the venue takes, ``None`` for every one there is."""
        self.can_amend = can is None or can.amend is not AmendKind.NONE
        """Whether an order can be made smaller where it stands."""
        self.can_reprice = can is not None and can.amend is AmendKind.PRICE_AND_SIZE
        """Whether price and size of an order can be changed where it stands."""
        self.can_replace = can is None or can.replace
        """Whether an order can be replaced by another."""
        self.resting = _GTC if can is None else can.resting
        """What an order has that is to stay."""
        self.can_post = can is None or (_POST_ONLY, self.resting) in can.orders
        """Whether an order can be placed that is refused instead of trading at once."""
        self._halts = Halts()
        self._rows: list[_Row] = []
        self._totals = [
            _Total(quote, limits.max_notional_atoms)
            for quote, limits in (totals or {}).items()
            if limits.max_notional_atoms
        ]
        self.not_valued = ""
        """What has no price, so that nobody knows what the day has lost: nothing is placed
        meanwhile. "" where all has."""

    def add(self, instrument: int, limits: RiskLimits) -> None:
        """State the limits of the next instrument; they stand for the whole run."""
        if instrument != len(self._rows):
            raise Misuse(f"limits of instrument {instrument} are stated already, or too early")
        self._rows.append(_Row(instrument, limits))

    def limits(self, instrument: int) -> RiskLimits:
        """Return the limits that stand for an instrument."""
        return self._rows[instrument].limits

    # -- orders --------------------------------------------------------------------------------

    def approve_place(
        self,
        place: Place,
        instrument: Instrument,
        book: BookView,
        book_age_ns: int,
        exposure: ExposureView,
        position_lots: int,
        now_ns: int,
    ) -> Approved | Refusal:
        """Judge a new order; ``exposure`` does not hold it yet."""
        refusal = self._refuse(
            place,
            instrument,
            book,
            book_age_ns,
            exposure,
            position_lots,
            exposure.open_orders + 1,
            place.lots,
            now_ns,
            True,
        )
        return Approved(place) if refusal is None else refusal

    def together(self, instrument: int, approved: Sequence[Approved]) -> Approved:
        """Return new orders that are approved each by itself as one command.

        Raises ``Misuse`` for anything else.
        """
        places = tuple(one.command for one in approved if isinstance(one.command, Place))
        if len(places) != len(approved) or any(p.instrument != instrument for p in places):
            raise Misuse("only new orders on one instrument leave together")
        return Approved(PlaceMany(instrument, places))

    def approve_way_out(
        self,
        place: Place,
        instrument: Instrument,
        book: BookView,
        book_age_ns: int,
        exposure: ExposureView,
        position_lots: int,
        now_ns: int,
    ) -> Approved | Refusal:
        """Judge an order by which the operator gets flat: every limit holds, no halt does.

        It may lead towards zero and not beyond, or it is refused like any other while halted.
        """
        reduces = place.side * position_lots < 0 and place.lots <= abs(position_lots)
        refusal = self._refuse(
            place,
            instrument,
            book,
            book_age_ns,
            exposure,
            position_lots,
            exposure.open_orders + 1,
            place.lots,
            now_ns,
            not reduces,
        )
        return Approved(place) if refusal is None else refusal

    def approve_replace(
        self,
        replace: Replace,
        instrument: Instrument,
        book: BookView,
        book_age_ns: int,
        exposure: ExposureView,
        position_lots: int,
        now_ns: int,
    ) -> Approved | Refusal:
        """Judge a cancel-replace like a new order beside the old one, which ``exposure`` holds.

        The old order may fill in full before it is cancelled, so both sizes count together. Only
        the number of open orders does not grow: the new one is placed if the old one is gone.
        """
        if not self.can_replace:
            return Refusal(
                RefusalReason.VENUE_FILTER,
                f"{instrument.symbol}: the venue replaces no order: cancel it, and place the other "
                "one once it is gone",
            )
        refusal = self._refuse(
            replace.new,
            instrument,
            book,
            book_age_ns,
            exposure,
            position_lots,
            exposure.open_orders,
            replace.new.lots,
            now_ns,
            True,
        )
        return Approved(replace) if refusal is None else refusal

    def approve_reprice(
        self,
        amend: Amend,
        instrument: Instrument,
        order: OrderView,
        book: BookView,
        book_age_ns: int,
        exposure: ExposureView,
        position_lots: int,
        now_ns: int,
    ) -> Approved | Refusal:
        """Judge an amend to another price, or to more, like a new order of what it leaves open.

        ``exposure`` holds the order as it stands. Until the amend is answered the larger of both
        sizes is open, so only what it adds comes to that; fills on the way are part of either.
        """
        size_lots = amend.size_lots
        if 0 < instrument.max_lots < size_lots:
            size, most = instrument.size_text(size_lots), instrument.size_text(instrument.max_lots)
            return Refusal(
                RefusalReason.VENUE_FILTER,
                f"{instrument.symbol}: {size}, what is filled included, is above the venue's "
                f"largest order, {most}",
            )
        place = Place(
            amend.instrument,
            amend.client_order_id,
            order.side,
            _POST_ONLY if amend.post_only else order.kind,
            order.tif,
            amend.price_ticks or 0,
            size_lots - order.filled_lots,
        )
        refusal = self._refuse(
            place,
            instrument,
            book,
            book_age_ns,
            exposure,
            position_lots,
            exposure.open_orders,
            max(0, size_lots - order.size_lots),
            now_ns,
            True,
        )
        return Approved(amend) if refusal is None else refusal

    def approve_amend(
        self, amend: Amend, instrument: Instrument, order: OrderView, now_ns: int
    ) -> Approved | Refusal:
        """Judge an amend of an order that keeps its price.

        It may only make the order smaller, and must leave some of it; that lowers every exposure
        there is. It is held to the venue's smallest order, to our rate, and to the pause after a
        refusal, like a new one; where the venue takes nothing but cancels it takes no amend either.
        """
        if not self.can_amend:
            return Refusal(
                RefusalReason.VENUE_FILTER,
                f"{instrument.symbol}: the venue changes no order where it stands: cancel it, and "
                "place the other one once it is gone",
            )
        row = self._rows[amend.instrument]
        if self._halts.why or row.halts.why:
            return self._halt_refusal(row)
        if instrument.trading not in _TAKEN:
            status = instrument.venue_status or instrument.trading
            why = f"{instrument.symbol} is {status} at the venue"
            return Refusal(RefusalReason.NOT_TRADING, why)
        size_text, lots = instrument.size_text, amend.size_lots
        if type(lots) is not int or not order.filled_lots < lots < order.size_lots:
            return Refusal(
                RefusalReason.ORDER_SIZE,
                f"{instrument.symbol}: a new size must be above the "
                f"{size_text(order.filled_lots)} that are filled and below the present "
                f"{size_text(order.size_lots)}",
            )
        return (
            _least_refusal(instrument, lots, instrument.contract.value(order.price_ticks, lots))
            or self._pause_refusal(row, instrument, order.side, now_ns)
            or (None if row.rate.take(now_ns) else _too_fast(row, instrument))
            or Approved(amend)
        )

    def _pause_refusal(
        self, row: _Row, instrument: Instrument, side: Side, now_ns: int
    ) -> Refusal | None:
        weather = row.weather[side]
        if now_ns >= weather.until_ns:
            return None
        return Refusal(
            RefusalReason.BACK_OFF,
            f"{instrument.symbol}: the venue has just refused a {side.name.lower()}: {weather.why}",
        )

    def _refuse(
        self,
        place: Place,
        instrument: Instrument,
        book: BookView,
        book_age_ns: int,
        exposure: ExposureView,
        position_lots: int,
        open_orders: int,
        adds_lots: int,
        now_ns: int,
        heed_halts: bool,
    ) -> Refusal | None:
        """Return the first objection; ``open_orders`` counts what would be open, this included.

        ``adds_lots`` of the order come to what ``exposure`` holds already.
        """
        row = self._rows[place.instrument]
        limits = row.limits
        if (
            ((self._halts.why or row.halts.why or self.not_valued) and heed_halts)
            or (instrument.trading is not _OPEN and not _is_taken(instrument.trading, place.kind))
            or not book.live
            or book_age_ns > limits.max_book_age_ns
        ):
            return self._gate_refusal(row, place.kind, instrument, book, book_age_ns, heed_halts)
        touch_ticks = _far_touch(book, place.side)
        if not touch_ticks:
            return Refusal(
                RefusalReason.PRICE_COLLAR,
                f"the book of {instrument.symbol} is empty: there is no price to measure by",
            )
        value_ticks, lots = place.price_ticks, place.lots
        if type(lots) is not int or type(value_ticks) is not int:
            return Refusal(
                RefusalReason.VENUE_FILTER,
                f"{instrument.symbol}: size {lots} and price {value_ticks} must be whole numbers "
                "of lots and ticks",
            )
        market = place.kind is _MARKET
        if market:
            value_ticks = _dearest(instrument.contract, touch_ticks, limits.collar_bps)
        notional = instrument.contract.value(value_ticks, lots)
        refusal = (
            _venue_refusal(place, instrument, market, touch_ticks, notional, open_orders)
            or _size_refusal(
                place,
                instrument,
                limits,
                exposure,
                position_lots,
                notional,
                open_orders,
                adds_lots,
            )
            or _price_refusal(place, instrument, market, limits, book, exposure, touch_ticks)
        )
        if refusal is None and (self._takes is not None or place.tif is _DAY):
            takes = EVERY_ORDER if self._takes is None else self._takes
            refusal = _unknown_refusal(place, instrument, takes)
        if refusal is not None:
            return refusal
        if row.shares:
            refusal = self._total_refusal(
                row, place, instrument, exposure, position_lots, value_ticks, adds_lots
            )
        if refusal is None and now_ns < row.paused_ns and heed_halts:
            refusal = self._pause_refusal(row, instrument, place.side, now_ns)
        if refusal is None and not row.rate.take(now_ns):
            refusal = _too_fast(row, instrument)
        return refusal

    def _halt_refusal(self, row: _Row) -> Refusal:
        halts = self._halts if self._halts.why else row.halts
        reason = _HALT_REASONS.get(halts.kind or HaltKind.OPERATOR, RefusalReason.HALTED)
        return Refusal(reason, halts.why)

    def _gate_refusal(
        self,
        row: _Row,
        kind: OrderKind,
        instrument: Instrument,
        book: BookView,
        book_age_ns: int,
        heed_halts: bool,
    ) -> Refusal:
        if (self._halts.why or row.halts.why) and heed_halts:
            return self._halt_refusal(row)
        if self.not_valued and heed_halts:
            return Refusal(RefusalReason.NOT_VALUED, self.not_valued)
        symbol = instrument.symbol
        if not _is_taken(instrument.trading, kind):
            status = instrument.venue_status or instrument.trading
            alone = _ALONE.get(instrument.trading, "")
            return Refusal(RefusalReason.NOT_TRADING, f"{symbol} is {status} at the venue{alone}")
        if not book.live:
            return Refusal(RefusalReason.BOOK_NOT_LIVE, f"the book of {symbol} is {book.state}")
        return Refusal(
            RefusalReason.BOOK_TOO_OLD,
            f"the book of {symbol} was silent for {seconds_text(book_age_ns)}, "
            f"allowed are {seconds_text(row.limits.max_book_age_ns)}",
        )

    # -- halts ---------------------------------------------------------------------------------

    @property
    def halted(self) -> str:
        """Why nothing may be placed on any instrument; "" while it may."""
        return self._halts.why

    @property
    def halt_kind(self) -> HaltKind | None:
        """The kind of ``halted``; ``None`` while orders may be placed."""
        return self._halts.kind

    def halts(self) -> list[Halt]:
        """Return every halt that stands: of the whole run, then by instrument."""
        each = [self._halts, *(row.halts for row in self._rows)]
        return [halt for halts in each for halt in halts.standing()]

    def halt(self, why: str, kind: HaltKind) -> bool:
        """Stop placing on every instrument; of each kind the first reason stands, and is new."""
        return self._halts.add(kind, why)

    def has(self, kind: HaltKind) -> bool:
        """Return whether the whole run is halted for this."""
        return kind in self._halts

    def lift(self, kind: HaltKind) -> bool:
        """Clear a halt of the whole run whose reason is gone; return whether it stood."""
        return self._halts.lift(kind)

    def resume(self) -> list[Halt]:
        """Clear every halt that an operator may clear; return what stays, with its kind and why.

        A breaker that is cleared counts anew.
        """
        self._halts.resume()
        for row in self._rows:
            if HaltKind.BREAKER in row.halts:
                row.breaker.forget()
            row.halts.resume()
        return self.halts()

    def halt_instrument(self, instrument: int, why: str, kind: HaltKind) -> bool:
        """Stop placing on one instrument; of each kind the first reason stands, and is new."""
        return self._rows[instrument].halts.add(kind, why)

    def instrument_halted(self, instrument: int) -> str:
        """Return why nothing may be placed on one instrument alone; "" while it may."""
        return self._rows[instrument].halts.why

    def instrument_halt_kind(self, instrument: int) -> HaltKind | None:
        """Return the kind of ``instrument_halted``; ``None`` while orders may be placed."""
        return self._rows[instrument].halts.kind

    def on_rejected(self, instrument: int, words: str, now_ns: int) -> str:
        """Count an unexpected reject; return why it has to halt the instrument, "" if not."""
        row = self._rows[instrument]
        how = row.breaker.trips(now_ns)
        if not how or row.halts.why:
            return ""
        return f"more than {row.limits.max_rejects} rejects by the venue {how}, the last: {words}"

    def on_weather(self, instrument: int, side: Side, words: str, now_ns: int) -> None:
        """Let one side of an instrument wait: the venue has refused what it now and then does."""
        row = self._rows[instrument]
        row.weather[side].refused(words, now_ns)
        row.paused_ns = max(weather.until_ns for weather in row.weather.values())

    def on_accepted(self, instrument: int, side: Side) -> None:
        """The venue took an order: rows of refusals end."""
        row = self._rows[instrument]
        row.weather[side].gap_ns = FIRST_PAUSE_NS
        row.breaker.in_a_row = 0

    # -- totals --------------------------------------------------------------------------------

    def totals(self) -> list[tuple[str, int, int]]:
        """Return each total by its asset: what is held and open, and what is allowed."""
        return [(total.quote, total.worst_atoms, total.most_atoms) for total in self._totals]

    def weigh(
        self,
        instrument: Instrument,
        exposure: ExposureView,
        position_lots: int,
        mark_ticks: int,
        factors: Mapping[str, tuple[int, int]],
    ) -> None:
        """Take an instrument's price, and count what it holds and has open.

        ``factors`` lead from units of its contract to atoms of every total's asset that it counts
        in; ``(0, 1)`` where there is no price for that. Where nothing is limited, nothing is
        counted.
        """
        if not self._totals:
            return
        row = self._rows[instrument.index]
        row.mark_ticks = mark_ticks
        if not row.shares:
            row.shares = tuple(_Share(t) for t in self._totals if t.quote in factors)
        worst_lots = _worst_lots(exposure, position_lots)
        worst_units = instrument.contract.value(mark_ticks, worst_lots) if mark_ticks else 0
        for share in row.shares:
            share.numerator, share.denominator = factors[share.total.quote]
            share.put(worst_units)

    def _total_refusal(
        self,
        row: _Row,
        place: Place,
        instrument: Instrument,
        exposure: ExposureView,
        position_lots: int,
        value_ticks: int,
        adds_lots: int,
    ) -> Refusal | None:
        """Check what all symbols would hold in one asset, and count the order in.

        What was open and is gone is counted until it is weighed again. An order that does not
        enlarge the worst case of its instrument is never refused.
        """
        before_lots = _worst_lots(exposure, position_lots)
        side_lots = (
            position_lots + exposure.open_buy_lots
            if place.side is _BUY
            else exposure.open_sell_lots - position_lots
        )
        if side_lots + adds_lots <= before_lots:
            return None
        worst_lots, value = side_lots + adds_lots, instrument.contract.value
        worst_units = value(value_ticks, worst_lots)
        if row.mark_ticks:
            worst_units = max(worst_units, value(row.mark_ticks, worst_lots))
        for share in row.shares:
            total = share.total
            if not share.numerator:
                return Refusal(
                    RefusalReason.NOT_VALUED,
                    f"{instrument.symbol}: what {instrument.settle} is worth in {total.quote} is "
                    "not known",
                )
            others_atoms = total.worst_atoms - share.worst_atoms
            worst_atoms = others_atoms + worst_units * share.numerator // share.denominator
            if worst_atoms > total.most_atoms:
                return Refusal(
                    RefusalReason.TOTAL,
                    f"{instrument.symbol}: all symbols could hold "
                    f"{amount_text(worst_atoms, total.quote)} with all that is open, allowed are "
                    f"{amount_text(total.most_atoms, total.quote)}",
                )
        for share in row.shares:
            share.put(worst_units)
        return None


# -- the single checks ---------------------------------------------------------------------------


def _worst_lots(exposure: ExposureView, position_lots: int) -> int:
    """Return the largest size either way if everything open on one side were to trade.

    Never below 0: what is held, bought less sold, counts on one of the two sides.
    """
    return max(position_lots + exposure.open_buy_lots, exposure.open_sell_lots - position_lots)


def _is_taken(trading: Trading, kind: OrderKind) -> bool:
    """Whether the venue takes orders of a kind on an instrument in this state."""
    return kind in _TAKEN.get(trading, ())


def _far_touch(book: BookView, side: Side) -> int:
    """Return the best price opposite to ``side``, else that of its own side, 0 without any."""
    if side is _BUY:
        if book.ask_lots:
            return book.ask_ticks
        return book.bid_ticks if book.bid_lots else 0
    if book.bid_lots:
        return book.bid_ticks
    return book.ask_ticks if book.ask_lots else 0


def _dearest(contract: Contract, touch_ticks: int, collar_bps: int) -> int:
    """Return the price within the collar at which a size has the largest notional."""
    if contract.inverse:
        return touch_ticks * (_BPS - collar_bps) // _BPS
    return -(-touch_ticks * (_BPS + collar_bps) // _BPS)


def _too_fast(row: _Row, instrument: Instrument) -> Refusal:
    return Refusal(
        RefusalReason.ORDER_RATE,
        f"{instrument.symbol}: {row.limits.max_orders_per_s} orders within the last second",
    )


def _venue_refusal(
    place: Place,
    instrument: Instrument,
    market: bool,
    touch_ticks: int,
    notional: int,
    open_orders: int,
) -> Refusal | None:
    """Check the venue's filters, where 0 is the venue's way to state none.

    The venue's collar is measured from an average price that only the venue knows; the best
    price stands in for it, and is near enough for collars that are a multiple of the price.
    """
    ticks, lots = place.price_ticks, place.lots
    if not (
        type(place.side) is Side
        and type(place.kind) is OrderKind
        and type(place.tif) is TimeInForce
    ):
        # A number or text that equals one would be read as another side or kind further on.
        fault = (
            f"side {place.side}, kind {place.kind} and time in force {place.tif} have to be a "
            "Side, an OrderKind and a TimeInForce"
        )
    elif place.kind is _POST_ONLY and (place.tif is _IOC or place.tif is _FOK):
        fault = f"an order that is {place.tif} or nothing cannot be post-only: that one stands"
    elif lots <= 0 or lots < instrument.min_lots:
        return _least_refusal(instrument, lots, 0)
    elif 0 < instrument.max_lots < lots:
        most = instrument.max_lots
        fault = _off(instrument.size_text, lots, "above the venue's largest order", most)
    elif not market and (ticks <= 0 or ticks < instrument.min_ticks):
        least = max(1, instrument.min_ticks)
        fault = _off(instrument.price_text, ticks, "below the venue's lowest price", least)
    elif 0 < instrument.max_ticks < ticks:
        most = instrument.max_ticks
        fault = _off(instrument.price_text, ticks, "above the venue's highest price", most)
    elif instrument.grid is not UNIFORM and not market and not instrument.grid.valid(ticks):
        fault = _between_prices(ticks, instrument)
    elif notional < instrument.min_notional:
        return _least_refusal(instrument, lots, notional)
    elif 0 < instrument.max_notional < notional:
        money_text, most = instrument.contract.money_text, instrument.max_notional
        fault = _off(money_text, notional, "above the venue's most worth of an order", most)
    elif 0 < instrument.max_open_orders < open_orders:
        fault = f"{open_orders} open orders are above the venue's {instrument.max_open_orders}"
    elif market:
        fault = _market_fault(place, instrument)
    elif instrument.collar_up_bps or instrument.collar_down_bps:
        fault = _venue_collar_fault(ticks, instrument, touch_ticks)
    else:
        return None
    return Refusal(RefusalReason.VENUE_FILTER, f"{instrument.symbol}: {fault}") if fault else None


def _unknown_refusal(place: Place, instrument: Instrument, takes: OrderKinds) -> Refusal | None:
    """Check that the venue has orders of that kind at all."""
    # At market there is nothing left to stand, whatever the order says.
    tif = _IOC if place.kind is _MARKET else place.tif
    if (place.kind, tif) in takes:
        return None
    known = ", ".join(sorted(f"{kind} {tif}" for kind, tif in takes)) or "none at all"
    return Refusal(
        RefusalReason.VENUE_FILTER,
        f"{instrument.symbol}: the venue has no orders that are {place.kind} and {tif}; it takes "
        f"{known}",
    )


def _market_fault(place: Place, instrument: Instrument) -> str:
    """Return what a market order alone must not be, "" where it is all right."""
    if place.tif is _FOK:
        return "a market order takes what there is: all or nothing needs a limit"
    if place.price_ticks:
        return (
            f"a market order has no price, this one has {instrument.price_text(place.price_ticks)}"
        )
    size = instrument.size_text
    if place.lots < instrument.min_market_lots:
        least = instrument.min_market_lots
        return _off(size, place.lots, "below the venue's smallest order at market", least)
    if 0 < instrument.max_market_lots < place.lots:
        most = instrument.max_market_lots
        return _off(size, place.lots, "above the venue's largest order at market", most)
    if instrument.market_step_lots and place.lots % instrument.market_step_lots:
        step = instrument.market_step_lots
        return _off(size, place.lots, "no multiple of the venue's step of orders at market", step)
    return ""


def _least_refusal(instrument: Instrument, lots: int, notional: int) -> Refusal | None:
    """Check an order's size, and its notional in value units, against the venue's least."""
    least = max(1, instrument.min_lots)
    if lots < least:
        fault = _off(instrument.size_text, lots, "below the venue's smallest order", least)
    elif notional < instrument.min_notional:
        least = instrument.min_notional
        fault = _off(
            instrument.contract.money_text,
            notional,
            "below the venue's least worth of an order",
            least,
        )
    else:
        return None
    return Refusal(RefusalReason.VENUE_FILTER, f"{instrument.symbol}: {fault}")


def _between_prices(ticks: int, instrument: Instrument) -> str:
    below, above = instrument.grid.down(ticks), instrument.grid.up(ticks)
    price_text = instrument.price_text
    return (
        f"{price_text(ticks)} is between two prices that the venue takes, {price_text(below)} and "
        f"{price_text(above)}"
    )


def _off(text: Callable[[int], str], count: int, how: str, bound: int) -> str:
    return f"{text(count)} is {how}, {text(bound)}"


def _venue_collar_fault(ticks: int, instrument: Instrument, touch_ticks: int) -> str:
    up_bps, down_bps = instrument.collar_up_bps, instrument.collar_down_bps
    if up_bps and ticks * _BPS > touch_ticks * (_BPS + up_bps):
        return _beyond(ticks, instrument, f"{up_bps} bps above", touch_ticks)
    if down_bps and ticks * _BPS < touch_ticks * (_BPS - down_bps):
        return _beyond(ticks, instrument, f"{down_bps} bps below", touch_ticks)
    return ""


def _beyond(ticks: int, instrument: Instrument, how_far: str, touch_ticks: int) -> str:
    price, touch = instrument.price_text(ticks), instrument.price_text(touch_ticks)
    return f"{price} is over the venue's {how_far} {touch}"


def _size_refusal(
    place: Place,
    instrument: Instrument,
    limits: RiskLimits,
    exposure: ExposureView,
    position_lots: int,
    notional: int,
    open_orders: int,
    adds_lots: int,
) -> Refusal | None:
    """Check size, notional, worst-case position and number of open orders against our limits.

    The worst case of an order is on its own side: everything open there trades and nothing on the
    other. An order that leads back towards zero is never refused for the side it leads away from.
    """
    lots = place.lots
    if lots > limits.max_order_lots:
        return Refusal(
            RefusalReason.ORDER_SIZE,
            f"{instrument.symbol}: {instrument.size_text(lots)} are above our largest order, "
            f"{instrument.size_text(limits.max_order_lots)}",
        )
    if notional > limits.max_order_notional:
        money_text = instrument.contract.money_text
        return Refusal(
            RefusalReason.ORDER_NOTIONAL,
            f"{instrument.symbol}: an order worth {money_text(notional)} is above our most, "
            f"{money_text(limits.max_order_notional)}",
        )
    if place.side is _BUY:
        worst_lots = position_lots + exposure.open_buy_lots + adds_lots
    else:
        worst_lots = exposure.open_sell_lots + adds_lots - position_lots
    if worst_lots > limits.max_position_lots:
        return Refusal(
            RefusalReason.POSITION,
            f"{instrument.symbol}: a position of {instrument.size_text(position_lots)} could "
            f"become {instrument.size_text(worst_lots * place.side)} with all that is open on "
            f"this side, allowed are {instrument.size_text(limits.max_position_lots)} either way",
        )
    if open_orders > limits.max_open_orders:
        return Refusal(
            RefusalReason.OPEN_ORDERS,
            f"{instrument.symbol}: {open_orders} open orders are above our "
            f"{limits.max_open_orders}",
        )
    return None


def _price_refusal(
    place: Place,
    instrument: Instrument,
    market: bool,
    limits: RiskLimits,
    book: BookView,
    exposure: ExposureView,
    touch_ticks: int,
) -> Refusal | None:
    """Check the collar around the opposite best price, then that we do not meet ourselves.

    A buy may be priced up to ``ask * (1 + collar)``, a sell down to ``bid * (1 - collar)``; where
    the opposite side is empty our own side's best price stands in for it.
    """
    ticks, collar_bps = place.price_ticks, limits.collar_bps
    if market:
        outside = not _covered(place, book, touch_ticks, collar_bps)
    elif place.side is _BUY:
        outside = ticks * _BPS > touch_ticks * (_BPS + collar_bps)
    else:
        outside = ticks * _BPS < touch_ticks * (_BPS - collar_bps)
    if outside:
        size, price = instrument.size_text(place.lots), instrument.price_text(ticks)
        return Refusal(
            RefusalReason.PRICE_COLLAR,
            f"{instrument.symbol}: {f'{size} at market' if market else price} would reach over "
            f"{collar_bps} bps through the best price, {instrument.price_text(touch_ticks)}",
        )
    if place.side is _BUY:
        own_ticks = exposure.lowest_sell_ticks()
        meets = own_ticks and (market or ticks >= own_ticks)
    else:
        own_ticks = exposure.highest_buy_ticks()
        meets = own_ticks and (market or ticks <= own_ticks)
    if meets:
        return Refusal(
            RefusalReason.SELF_MATCH,
            f"{instrument.symbol}: it could trade with our own order at "
            f"{instrument.price_text(own_ticks)}; cancel that one first",
        )
    return None


def _covered(place: Place, book: BookView, touch_ticks: int, collar_bps: int) -> bool:
    """Return whether the book can fill a market order within the collar, as it stands now."""
    side, wanted_lots = place.side, place.lots
    edge = touch_ticks * (_BPS + side * collar_bps)
    for ticks, lots in book.levels(Side(-side), MARKET_LEVELS):
        if side * (ticks * _BPS - edge) > 0:
            return False
        wanted_lots -= lots
        if wanted_lots <= 0:
            return True
    return False
