"""PnL: what each instrument has made, and the day's loss checked against its limit.

Here positions, prices and fees of all boots become the result of the day, by symbol and in each
settlement asset, and a loss beyond its limit halts the run. What a day begins from is known in
``core.state.daily_loss``, where prices come from in ``core.engine.prices``.

A loss is never 0 for want of a price. A position counts at its last price, and where that is old
the venue is queried for another one. While something has no price at all nothing is placed, and
where that lasts, or the venue knows none, the run halts until there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.engine.checkpoint import Day, DayNote, Elsewhere
from core.engine.prices import Prices
from core.engine.turn import Turn
from core.model.events import Fill, Side
from core.model.halts import HaltKind
from core.model.instrument import Instrument, InstrumentTable
from core.model.units import (
    ASSET_DECIMALS,
    NS_PER_S,
    amount_text,
    format_decimal,
    parse_decimal,
    plain,
)
from core.state.book import Book
from core.state.daily_loss import DAY_NS, LATER, DayResult, Price
from core.state.orders import Orders
from core.state.position import Position
from core.state.risk import Risk, TotalLimits
from core.state.venue_clock import VenueClock

WITHOUT_BOOK_NS = 2 * NS_PER_S
"""A position whose book gives no price for so long is valued by asking the venue: a resync takes
less."""

OLD_NS = 60 * NS_PER_S
"""A position whose price is older has none: three questions for another one went unanswered."""

PATIENCE_NS = 10 * NS_PER_S
"""So long nothing is placed for want of a price, before the run halts and its orders go: the first
fee in another asset is valued within one answer of the venue."""

_ATOMS = 10**ASSET_DECIMALS

_IN_ANOTHER = " (in another run folder)"
"""Said after the words of a halt that was not this folder's."""


class _Row:
    """One instrument."""

    __slots__ = ("began_ticks", "mark_ticks", "priced_ns", "result", "until_ticks")

    def __init__(self) -> None:
        self.result = DayResult()
        self.mark_ticks = 0
        """The last price that is known, 0 for none."""
        self.priced_ns = 0
        """When it was told in this boot, 0 for an earlier one's or a fill's."""
        self.until_ticks = 0
        """The last price that was known while the venue's time was, 0 for none."""
        self.began_ticks = 0
        """The same before the day began, 0 for none."""


class PnL:
    """The PnL of one run."""

    def __init__(
        self,
        *,
        book_id: str,
        table: InstrumentTable,
        books: Sequence[Book],
        positions: Sequence[Position],
        orders: Orders,
        risk: Risk,
        turn: Turn,
        clock: VenueClock,
        prices: Prices,
        totals: Mapping[str, TotalLimits],
        log: Callable[[str], None],
    ) -> None:
        self._book_id = book_id
        """What tells this run folder's results from those of others on the same account."""
        self._table = table
        self._books = books
        self._positions = positions
        self._orders = orders
        self._risk = risk
        self._turn = turn
        self._clock = clock
        self._prices = prices
        self._totals = totals
        self._log = log
        self._rows: list[_Row] = []
        self._kept: list[DayNote] = []
        """Of symbols that are not in the table: handed on as they are."""
        self._elsewhere: list[Elsewhere] = []
        self._told: set[str] = set()
        """Symbols of which another folder has told today's result."""
        self._began_ns = 0
        """When it was first known which day it is, by the venue's clock."""
        self._others: dict[str, int] = {}
        """The day's results that no instrument of ours has, by settlement asset."""
        self._others_past: list[tuple[int, dict[str, int]]] = []
        """Those of days before: a clock that was ahead and is set back makes one of them today."""
        self._halted_day = 0
        self._halted = ""
        """The day on which its loss has halted the run, and the words."""
        self._today = 0
        """Days since 1970-01-01 by the venue's clock, 0 until that is known."""
        self._no_price_ns = 0
        """Since when something has no price, 0 where all has."""
        self._unnoted = False
        """Whether a day has begun of which the next boot would not know from what."""

    # -- what earlier boots have left ----------------------------------------------------------

    def keep(self, elsewhere: Sequence[Elsewhere]) -> None:
        """Remember the results of other folders, until the instruments are known."""
        self._elsewhere = list(elsewhere)

    def restore(self, left: Day | None) -> None:
        """Go on from what the boot before has noted. Positions are restored already."""
        days: list[DayNote] = []
        if left is not None:
            self._book_id, days = left.book_id, left.symbols
            self._halted_day, self._halted = left.halted_day, left.halted
        noted = {note.symbol: note for note in days}
        for row in self._table:
            note = noted.pop(row.symbol, None)
            held, position = self._row(row.index), self._positions[row.index]
            if note is not None:
                held.result.restore(note.begun, note.fees)
                held.mark_ticks = held.until_ticks = _ticks_of(row, note.price)
                held.began_ticks = _ticks_of(row, note.began_price)
            elif position.bought_lots or position.sold_lots:
                held.result.forget_base(_third(row, position.fees_atoms))
        self._kept = list(noted.values())

    def _begin(self) -> None:
        """It is known which day it is: what was lost today counts, and what has halted stands."""
        day, self._began_ns = self._today, self._venue_ns()
        for note in self._kept:
            if note.begun.day >= day:
                self._add_elsewhere(note.symbol, note.quote, note.result_atoms)
        for book in self._elsewhere:
            if book.book_id == self._book_id or book.day < day:
                continue
            for symbol, (quote, atoms) in book.results.items():
                self._add_elsewhere(symbol, quote, atoms)
                self._told.add(symbol)
            if book.halted and self._halted_day < day:
                self._halted_day = book.day
                self._halted = book.halted.removesuffix(_IN_ANOTHER) + _IN_ANOTHER
        if self._halted_day >= day:
            self._turn.halt(self._halted, HaltKind.DAILY_LOSS)

    def _add_elsewhere(self, symbol: str, quote: str, atoms: int) -> None:
        row = self._table.find(symbol)
        if row is not None and row.settle == quote:
            held = self._row(row.index)
            self._begin_day(held)
            held.result.elsewhere_atoms += atoms
        else:
            self._others[quote] = self._others.get(quote, 0) + atoms

    # -- what the next boot goes on from -------------------------------------------------------

    def note(self) -> Day:
        """Return what the next boot in this folder goes on from."""
        if self._knows_day():
            self._mark_all()
            self._unnoted = False
        return Day(
            book_id=self._book_id,
            symbols=[*(self._day_note(row) for row in self._table), *self._kept],
            halted_day=self._halted_day,
            halted=self._halted,
        )

    def own(self) -> Elsewhere:
        """Return what other folders of the same account have to know of this one."""
        results = {
            row.symbol: (row.settle, self._rows[row.index].result.own(self._fee_prices(row)))
            for row in self._table
            if row.index < len(self._rows)
        }
        results |= {
            note.symbol: (note.quote, note.result_atoms)
            for note in self._kept
            if note.begun.day >= self._today
        }
        return Elsewhere(
            book_id=self._book_id,
            day=self._today,
            results=results,
            halted=self._halted if self._halted_day == self._today else "",
        )

    def _day_note(self, row: Instrument) -> DayNote:
        held = self._row(row.index)
        result = held.result
        return DayNote(
            symbol=row.symbol,
            quote=row.settle,
            begun=result.begun(),
            fees=result.paid_until,
            result_atoms=result.own(self._fee_prices(row)),
            price=row.tick.text(held.until_ticks) if held.until_ticks else "",
            began_price=row.tick.text(held.began_ticks) if held.began_ticks else "",
        )

    # -- watching ------------------------------------------------------------------------------

    def step(self) -> None:
        """Hold the day against its limits, and request the prices that are wanted."""
        if self._knows_day():
            self._mark_all()
            self._want_totals()
            self._judge_prices()
            self._judge_all()
            self._prices.step()
            if self._unnoted:
                self._turn.write()

    def on_fills(
        self, instrument: int, side: Side, fills: Sequence[Fill], *, adopted: bool = False
    ) -> None:
        """Fills have moved a position: hold that instrument against its own limit at once.

        One that the venue dates before midnight is of the day before, whenever it is told. What an
        order that was ``adopted`` has traded before this start is in the result of another folder,
        where one has told of the symbol: it is not counted twice.
        """
        row, held, turned = self._table[instrument], self._row(instrument), self._knows_day()
        if turned:
            self._begin_day(held)
        for fill in fills:
            if not held.mark_ticks:
                held.mark_ticks = fill.price_ticks
            self._date(row, held, side, fill, adopted=adopted)
        if turned:
            self._mark(row)
            self._judge(row)

    def on_funding(self, instrument: int, atoms: int, venue_ns: int) -> None:
        """A position was paid for, below zero it has paid: on the day that the venue dates it."""
        row, held, turned = self._table[instrument], self._row(instrument), self._knows_day()
        if turned:
            self._begin_day(held)
        day = venue_ns // DAY_NS
        if 0 < day < held.result.day:
            held.result.count_before(atoms, {})
        if not self._clock.known:
            held.result.count_undated(day, atoms, {})
        if turned:
            self._mark(row)
            self._judge(row)

    def on_settled(self, instrument: int) -> None:
        """The venue has closed a position: what it has made no longer depends on a price."""
        if self._knows_day():
            self._mark(self._table[instrument])
            self._judge(self._table[instrument])

    def _date(self, row: Instrument, held: _Row, side: Side, fill: Fill, *, adopted: bool) -> None:
        """Count a fill of a day before into what this one begins from, at its first price.

        Where the venue's time is not known it is kept apart, for the day that may have begun.
        """
        day = fill.venue_ns // DAY_NS
        if 0 < day < held.result.day:
            held.began_ticks = held.began_ticks or fill.price_ticks
            held.result.count_before(*_counted(row, side, fill, held.began_ticks))
        elif adopted and 0 < fill.venue_ns < self._began_ns and row.symbol in self._told:
            held.result.count_before(*_counted(row, side, fill, held.mark_ticks))
        if not self._clock.known:
            held.until_ticks = held.until_ticks or fill.price_ticks
            held.result.count_undated(day, *_counted(row, side, fill, held.until_ticks))

    def _begin_day(self, held: _Row) -> None:
        """Have a day begin, where it is another one, from the last price that is known."""
        before = held.result.day
        if held.result.turn(self._today):
            held.began_ticks = held.until_ticks
        self._unnoted |= 0 < before != self._today

    def _knows_day(self) -> bool:
        """Learn which day it is; return whether that is known."""
        if not self._clock.known:
            return self._today > 0
        before, self._today = self._today, self._day()
        if not before:
            self._begin()
        elif self._today != before:
            self._turn_others(before)
        return True

    def _turn_others(self, before: int) -> None:
        past = self._others_past
        while past and self._today <= past[-1][0]:
            before, self._others = past.pop()
        if self._today > before:
            self._others_past = [*past, (before, self._others)][-LATER:]
            self._others = {}

    def _judge(self, row: Instrument) -> int:
        """Hold one instrument against its limit; return its result."""
        found = self._rows[row.index].result.result(self._fee_prices(row))
        most = row.contract.atoms(self._risk.limits(row.index).max_daily_loss)
        if -found > most and not row.carried:
            self._lost(f"{amount_text(-found, row.settle)} on {row.symbol}", most, row.settle)
        return found

    def _judge_all(self) -> None:
        """Hold each result, and all of each settlement asset, against what is allowed."""
        by_quote = dict(self._others)
        for row in self._table:
            by_quote[row.settle] = by_quote.get(row.settle, 0) + self._judge(row)
        for quote, limits in self._totals.items():
            most, lost = limits.max_daily_loss_atoms, -self._total(quote, by_quote)
            if most and lost > most:
                self._lost(f"{amount_text(lost, quote)} in all", most, quote)

    def _total(self, quote: str, by_quote: Mapping[str, int]) -> int:
        """Return the result in one asset of all that counts in its total."""
        total = 0
        for asset, atoms in by_quote.items():
            if asset == quote or self._prices.is_stated(asset, quote):
                price = self._prices.of(asset, quote)
                total -= 0 if price is None else price.value(-atoms)
        return total

    def _lost(self, what: str, most_atoms: int, quote: str) -> None:
        if self._halted_day == self._today:
            return
        self._halted_day = self._today
        self._halted = (
            f"lost {what} since midnight UTC, allowed are {amount_text(most_atoms, quote)} a day"
        )
        self._turn.halt(self._halted, HaltKind.DAILY_LOSS)
        self._turn.write()

    def _mark_all(self) -> None:
        for row in self._table:
            self._mark(row)

    def _mark(self, row: Instrument) -> None:
        """Take an instrument's PnL at the newest price."""
        held, position = self._row(row.index), self._positions[row.index]
        self._begin_day(held)
        self._price(row, held)
        made = self._made(row, held.mark_ticks)
        if made is not None:
            dated, fees = self._clock.known, _third(row, position.fees_atoms)
            atoms = row.contract.atoms(made) + position.funding_atoms
            held.result.mark(atoms, fees, dated=dated)
            if dated:
                held.until_ticks = held.mark_ticks
        for asset in held.result.fees_today():
            self._prices.want(asset, row.settle)
        self._weigh(row, held.mark_ticks if held.priced_ns else 0)

    def _row(self, index: int) -> _Row:
        while index >= len(self._rows):
            self._rows.append(_Row())
        return self._rows[index]

    def _venue_ns(self) -> int:
        return self._turn.now_ns + self._clock.offset_ns

    def _day(self) -> int:
        return self._venue_ns() // DAY_NS

    # -- prices --------------------------------------------------------------------------------

    def _price(self, row: Instrument, held: _Row) -> None:
        """Take the newest price: the middle of the book, else what the venue says when asked."""
        now_ns, ticks = self._turn.now_ns, _middle(self._books[row.index])
        if ticks:
            held.mark_ticks, held.priced_ns = ticks, now_ns
        elif self._positions[row.index].lots and now_ns - held.priced_ns > WITHOUT_BOOK_NS:
            self._prices.want_symbol(row.symbol)
            mantissa, decimals, told_ns = self._prices.of_symbol(row.symbol)
            if mantissa and told_ns > held.priced_ns:
                held.mark_ticks = _in_ticks(row, mantissa, decimals)
                held.priced_ns = told_ns

    def _judge_prices(self) -> None:
        """Place nothing while something has no price; halt where that lasts."""
        why, hopeless = self._without_price()
        risk, now_ns = self._risk, self._turn.now_ns
        risk.not_valued = why
        if not why:
            self._no_price_ns = 0
            if risk.lift(HaltKind.NOT_VALUED):
                self._log("everything has a price again: the day's loss is known")
                self._turn.look_again()
            return
        if not self._no_price_ns:
            self._no_price_ns = now_ns
        lasts = hopeless or now_ns - self._no_price_ns > PATIENCE_NS
        if lasts and not risk.has(HaltKind.NOT_VALUED):
            self._turn.halt(why, HaltKind.NOT_VALUED)

    def _without_price(self) -> tuple[str, bool]:
        """Return what has no price, and whether the venue cannot tell one."""
        now_ns = self._turn.now_ns
        for row in self._table:
            held, lots = self._rows[row.index], self._positions[row.index].lots
            if lots and not (held.mark_ticks and now_ns - held.priced_ns < OLD_NS):
                size = f"{'-' if lots < 0 else ''}{row.size_text(abs(lots))}"
                return (
                    f"there is no price of {row.symbol}: what {size} are worth is not known",
                    False,
                )
            for asset, atoms in held.result.fees_today().items():
                # What is paid back to us may be left out.
                if atoms > 0 and self._prices.of(asset, row.settle) is None:
                    why = (
                        f"fees of {amount_text(atoms, asset)} were paid on {row.symbol} today, and "
                        f"there is no price of {asset} in {row.settle}: state one "
                        f"([risk.prices.{row.settle}] {asset} = ...)"
                    )
                    return why, self._prices.hopeless(asset, row.settle)
        return self._total_without_price()

    def _want_totals(self) -> None:
        """Have what other folders have made valued, where no instrument of ours requests it."""
        for asset in self._others:
            for quote in self._totals:
                if asset != quote and self._prices.is_stated(asset, quote):
                    self._prices.want(asset, quote)

    def _total_without_price(self) -> tuple[str, bool]:
        """Return what counts in a total and has no price in it, likewise."""
        for quote, limits in self._totals.items():
            for asset in self._not_in(quote) if limits.max_daily_loss_atoms else ():
                atoms = self._others.get(asset, 0) + sum(
                    self._rows[row.index].result.result(self._fee_prices(row))
                    for row in self._table
                    if row.settle == asset
                )
                if atoms < 0:
                    why = (
                        f"{amount_text(-atoms, asset)} were lost today, and there is no price of "
                        f"{asset} in {quote} to count them in all by"
                    )
                    return why, self._prices.hopeless(asset, quote)
        return "", False

    def _not_in(self, quote: str) -> list[str]:
        """Return the assets that count in a total by a price that is not known."""
        made = dict.fromkeys([*self._others, *(row.settle for row in self._table)])
        return [
            asset
            for asset in made
            if self._prices.is_stated(asset, quote) and self._prices.of(asset, quote) is None
        ]

    def _fee_prices(self, row: Instrument) -> dict[str, Price]:
        """Return what today's fees in other assets are worth, as far as it is known."""
        found = {}
        for asset in self._rows[row.index].result.fees_today():
            price = self._prices.of(asset, row.settle)
            if price is not None:
                found[asset] = price
        return found

    def _weigh(self, row: Instrument, mark_ticks: int) -> None:
        if not self._totals:
            return
        factors = {}
        for quote in self._totals:
            if row.settle == quote or self._prices.is_stated(row.settle, quote):
                self._prices.want(row.settle, quote)
                price = self._prices.of(row.settle, quote)
                factors[quote] = (0, 1) if price is None else _factor(row, price)
        position = self._positions[row.index].lots
        exposure = self._orders.exposure(row.index)
        self._risk.weigh(row, exposure, position, mark_ticks, factors)

    # -- what may be seen ----------------------------------------------------------------------

    def of(self, index: int) -> int | None:
        """Return an instrument's PnL in units of its contract, over all boots, less all fees.

        Fees in other assets count at today's price, as far as there is one. ``None`` while there
        is no price to value the position at.
        """
        row, mark_ticks = self._table[index], _middle(self._books[index])
        made = self._made(row, mark_ticks) if mark_ticks else None
        if made is None:
            return None
        paid = sum(
            price.value(atoms)
            for asset, atoms in _third(row, self._positions[index].fees_atoms).items()
            if (price := self._prices.of(asset, row.settle)) is not None
        )
        return made - row.contract.units(paid - self._positions[index].funding_atoms)

    def _made(self, row: Instrument, mark_ticks: int) -> int | None:
        """Return an instrument's PnL less fees in its own assets, in units of its contract."""
        position = self._positions[row.index]
        fees = position.fees_atoms
        to_be_priced = position.lots or (row.contract.delivers and fees.get(row.base, 0))
        if to_be_priced and not mark_ticks:
            return None
        return position.pnl(mark_ticks) - row.paid(fees, mark_ticks)

    def told(self) -> dict[str, Any]:
        """Return the day for people and programs, in whole ones of each settlement asset."""
        rows = [row for row in self._table if row.index < len(self._rows)]
        by_quote = dict(self._others)
        for row in rows:
            atoms = self._rows[row.index].result.result(self._fee_prices(row))
            by_quote[row.settle] = by_quote.get(row.settle, 0) + atoms
        held = {quote: (worst, most) for quote, worst, most in self._risk.totals()}
        return {
            "not_valued": self._risk.not_valued,
            "symbols": [self._told_of(row) for row in rows],
            "totals": [
                self._told_total(quote, self._total(quote, by_quote), held.get(quote, (0, 0)))
                for quote in dict.fromkeys([*by_quote, *self._totals])
            ],
        }

    def _told_of(self, row: Instrument) -> dict[str, Any]:
        held = self._rows[row.index]
        most = row.contract.atoms(self._risk.limits(row.index).max_daily_loss)
        prices = self._fee_prices(row)
        base, result = held.result.base_atoms, held.result.result(prices)
        known = base is not None and (held.priced_ns or not self._positions[row.index].lots)
        return {
            "symbol": row.symbol,
            "quote": row.settle,
            "result": _text(result) if known else None,
            "elsewhere": _text(held.result.elsewhere_atoms),
            "base": None if base is None else _text(base),
            "max_loss": _text(most),
            "used": _used(result, most),
            "fees": {
                asset: {
                    "paid": _text(atoms),
                    "worth": _text(prices[asset].value(atoms)) if asset in prices else None,
                    "price_from": self._prices.source(asset, row.settle),
                }
                for asset, atoms in held.result.fees_today().items()
            },
        }

    def _told_total(self, quote: str, atoms: int, held: tuple[int, int]) -> dict[str, Any]:
        limits = self._totals.get(quote)
        most = limits.max_daily_loss_atoms if limits else 0
        worst, most_held = held
        return {
            "quote": quote,
            "result": _text(atoms),
            "max_loss": _text(most) if most else None,
            "used": _used(atoms, most) if most else None,
            "notional": _text(worst) if most_held else None,
            "max_notional": _text(most_held) if most_held else None,
        }


def _counted(row: Instrument, side: Side, fill: Fill, at_ticks: int) -> tuple[int, dict[str, int]]:
    """Return what a fill has made at a price, in atoms of the settlement asset, and its fee
    in another asset.
    """
    fee = {fill.fee_asset: fill.fee_atoms} if fill.fee_atoms else {}
    for asset, atoms in fill.also:
        fee[asset] = fee.get(asset, 0) + atoms
    contract, ticks, lots = row.contract, fill.price_ticks, fill.lots
    bought = contract.bought(ticks, lots) if side > 0 else 0
    sold = contract.sold(ticks, lots) if side < 0 else 0
    made = contract.pnl(bought, sold, side * lots, at_ticks) - row.paid(fee, at_ticks)
    return contract.atoms(made), _third(row, fee)


def _third(row: Instrument, fees: Mapping[str, int]) -> dict[str, int]:
    """Return the fees in assets that are not the instrument's own."""
    return {asset: atoms for asset, atoms in fees.items() if asset not in row.own_assets}


def _ticks_of(row: Instrument, price: str) -> int:
    """Return a noted price in today's ticks, rounded down, 0 where none was noted."""
    return _in_ticks(row, *parse_decimal(price)) if price else 0


def _in_ticks(row: Instrument, mantissa: int, decimals: int) -> int:
    return int(mantissa * 10**row.tick.decimals // (10**decimals * row.tick.step_mantissa))


def _middle(book: Book) -> int:
    if not (book.live and book.bid_lots and book.ask_lots):
        return 0
    return (book.bid_ticks + book.ask_ticks) // 2


def _factor(row: Instrument, price: Price) -> tuple[int, int]:
    """Return what leads from units of an instrument's contract to atoms of another asset."""
    return (
        row.contract.mantissa * _ATOMS * price.numerator,
        int(10**row.contract.decimals) * price.denominator,
    )


def _text(atoms: int) -> str:
    return plain(format_decimal(atoms, ASSET_DECIMALS))


def _used(result_atoms: int, most_atoms: int) -> str:
    """Return how much of the largest loss is used up, in whole percent, rounded up."""
    if result_atoms >= 0:
        return "0 %"
    return f"{-(100 * result_atoms // most_atoms)} %" if most_atoms else "all"
