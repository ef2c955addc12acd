"""Reference data: the instruments, the venue's limits, and its clock.

Here they are requested, before the connections are opened and now and then from there on, and a new
instrument gets its book, its position and its limits of risk. Which grid prices and sizes count in
is fixed here for the whole run.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from core.engine.desk import TradingDesk
from core.engine.market_data import MarketData
from core.engine.outbound import Outbound
from core.engine.turn import Turn
from core.model.commands import FetchInstruments, FetchPrice, FetchTime, Ping
from core.model.events import (
    NO_INSTRUMENT,
    InstrumentsReport,
    LimitsReport,
    Reply,
    TradingStatus,
    VenueTime,
    Verdict,
)
from core.model.halts import HaltKind
from core.model.instrument import Instrument, InstrumentTable, Trading
from core.model.units import NS_PER_S
from core.model.venue import Adapter
from core.model.views import SessionState
from core.model.wording import date_text, seconds_text
from core.state.inflight import InFlightRequest
from core.state.orders import Orders
from core.state.position import Position
from core.state.risk import Risk, RiskLimits
from core.state.throttle import Share, Throttle
from core.state.venue_clock import VenueClock

PERIOD_NS = 30 * NS_PER_S
"""Between two questions for the venue's clock and rules: a drift of 30 ppm moves it 1 ms
meanwhile, and rules change rarely."""

RETRY_NS = NS_PER_S
LONGEST_RETRY_NS = 8 * NS_PER_S
"""Between two questions that a start cannot go on without: twice as long each time, as long as that
is less than a person who has mended the way would mind."""

REFUSALS = 2
"""How often in a row a symbol is refused by itself, a period apart, before it is gone for good:
what the venue could not answer for a moment it tells by then."""

_REFUSED = (Verdict.REFUSED, Verdict.ABSENT, Verdict.FATAL)


class ReferenceData:
    """What one run knows of its venue."""

    def __init__(
        self,
        *,
        adapter: Adapter,
        symbols: tuple[str, ...],
        table: InstrumentTable,
        positions: list[Position],
        market_data: MarketData,
        limits_of: Callable[[Instrument], RiskLimits],
        risk: Risk,
        throttle: Throttle,
        orders: Orders,
        clock: VenueClock,
        outbound: Outbound,
        turn: Turn,
        desk: TradingDesk,
        log: Callable[[str], None],
    ) -> None:
        self._adapter = adapter
        self._symbols = symbols
        self._table = table
        self._positions = positions
        self._market_data = market_data
        self._limits_of = limits_of
        self._risk = risk
        self._throttle = throttle
        self._orders = orders
        self._clock = clock
        self._outbound = outbound
        self._turn = turn
        self._desk = desk
        self._log = log
        self._next_ns = 0
        self._retry_ns = RETRY_NS
        self._clock_requested_ns = 0
        """When the venue's clock was last requested."""
        self._carried: tuple[str, ...] = ()
        self._status = TradingStatus(Trading.OPEN, "")
        """What the venue as a whole allows, as far as it says so."""
        self._told: list[Instrument] = []
        """The instruments as they were last told of by themselves."""
        self._refusals: dict[str, int] = {}
        """How often in a row the venue did not tell of a symbol that was requested by itself."""

    def carry(self, symbols: tuple[str, ...]) -> None:
        """Know these as well: an earlier boot has left something on them, and we do not trade
        them.
        """
        self._carried = symbols

    def step(self) -> None:
        """Request clock and instruments when that is due: with back-off until they are known.

        A venue halts a symbol, or moves its grid, without a word on any connection.
        """
        now_ns = self._turn.now_ns
        self._halt_expiring(now_ns)
        if now_ns < self._next_ns:
            again = now_ns - self._clock_requested_ns >= RETRY_NS
            if len(self._table) and not self._clock.known and again:
                self._request_time(now_ns)
            return
        if len(self._table) and self._clock.known:
            self._next_ns, self._retry_ns = now_ns + PERIOD_NS, RETRY_NS
        else:
            self._next_ns = now_ns + self._retry_ns
            self._retry_ns = min(2 * self._retry_ns, LONGEST_RETRY_NS)
        self._request_time(now_ns)
        self._ask_instruments(now_ns)

    def _halt_expiring(self, now_ns: int) -> None:
        """Have nothing placed on what expires soon, and what stands there cancelled.

        While the venue's time is in doubt it counts as it was known last.
        """
        for row in self._table:
            if not row.expiry_ns or not (self._clock.known or self._clock.offset_ns):
                continue
            lead_ns = self._risk.limits(row.index).expiry_lead_ns
            if (
                now_ns + self._clock.offset_ns >= row.expiry_ns - lead_ns
                and self._risk.instrument_halt_kind(row.index) is not HaltKind.ENDED
            ):
                why = (
                    f"{row.symbol} expires at {date_text(row.expiry_ns)}: nothing is placed on it "
                    f"from {seconds_text(lead_ns)} before (risk.expiry_lead_s)"
                )
                self._turn.halt_instrument(row.index, why, HaltKind.ENDED)

    def _ask_instruments(self, now_ns: int) -> None:
        """Request all at once, but for what the venue has no more, or refuses to tell of."""
        gone = {row.symbol for row in self._table if row.gone}
        request = FetchInstruments(self._carried).of(self._symbols)
        apart = [symbol for symbol in request if symbol in self._refusals]
        together = tuple(s for s in request if s not in gone and s not in self._refusals)
        if len(together) == len(request):
            self._outbound.request(FetchInstruments(self._carried), now_ns)
        elif together:
            self._outbound.request(FetchInstruments(only=together), now_ns)
        for symbol in apart:
            self._outbound.request(FetchInstruments(only=(symbol,)), now_ns)

    def _request_time(self, now_ns: int) -> None:
        """Request the venue's time; where it is not known, and orders may stand, as a part of
        cancelling them: a venue refuses cancels of a wrong time, and takes them while it throttles.

        So it is while the run is being left: without the time nobody knows when there are tokens
        again to prove with that nothing stands.
        """
        if not self._clock.queries_venue:
            return
        self._clock_requested_ns = now_ns
        leaving = self._desk.session is SessionState.LEAVING
        urgent = not self._clock.known and (leaving or len(self._orders) > 0)
        share = Share.CANCEL if urgent else None
        self._outbound.request(FetchTime(), now_ns, share=share)

    def look_again(self) -> None:
        """Something does not fit what is known: ask with the next housekeeping."""
        self._next_ns = self._turn.now_ns

    def forget_clock(self) -> None:
        """The venue says that our time is wrong: request its own, once a second at most.

        It may say so of each of many requests, and go on where our requests are slow to arrive.
        """
        self._clock.forget()
        self._turn.look_again()  # how late a feed is nobody knows: nothing is placed

    def on_reply(self, request: InFlightRequest, reply: Reply) -> None:
        """Measure the venue's clock where it was requested: only here is known when that was.

        A start that the venue refuses for good is given up: asking again cannot help. It does not
        hang on the price of a pair that the venue does not have.
        """
        if (
            not self._leave_out_carried(request, reply)
            and reply.verdict is Verdict.FATAL
            and type(request.command) is not FetchPrice
            and not (type(request.command) is FetchInstruments and len(self._table))
            and self._desk.session is SessionState.STARTING
        ):
            what = f"{type(request.command).__name__}: {reply.words}"
            self._turn.fail(f"the venue refuses the start: {what}", remote=True)
        if isinstance(request.command, FetchInstruments) and len(self._table):
            self._look_for_gone(request.command, reply)
        if type(request.command) in (FetchTime, Ping):
            for event in reply.events:
                if type(event) is VenueTime:
                    now_ns, within_ns = self._turn.now_ns, event.within_ns
                    before_ns = self._clock.offset_ns
                    self._clock.measure(request.sent_ns, now_ns, event.venue_ns, within_ns)
                    self._outbound.measured(self._clock.offset_ns - before_ns, now_ns)

    def _leave_out_carried(self, request: InFlightRequest, reply: Reply) -> bool:
        """A symbol that we carry may be gone from the venue: what is traded must not wait for it.

        An order that stood on it is in the list of the whole account, where it is found. Returns
        whether a refusal is down to that.
        """
        command = request.command
        if type(command) is not FetchInstruments or reply.verdict not in _REFUSED:
            return False
        if not command.also or len(self._table):
            return False
        self._log(f"not carried, the venue refuses it: {', '.join(command.also)}: {reply.text}")
        self._carried = ()
        self._next_ns = self._turn.now_ns
        return True

    def _look_for_gone(self, command: FetchInstruments, reply: Reply) -> None:
        """Find what the venue has no more: where it refuses several at once, it is requested halves
        until one alone is refused, and for that one again.
        """
        request = command.of(self._symbols)
        if reply.verdict is Verdict.DONE:
            reports = [event for event in reply.events if isinstance(event, InstrumentsReport)]
            told = {row.symbol for report in reports for row in report.instruments}
            for symbol in request:
                if symbol in told:
                    self._refusals.pop(symbol, None)
                elif reports:
                    self._not_told(symbol, "it lists it no more")
        elif reply.verdict in _REFUSED and len(request) > 1:
            middle = len(request) // 2
            for half in (request[:middle], request[middle:]):
                self._outbound.request(FetchInstruments(only=half), self._turn.now_ns)
        elif reply.verdict in _REFUSED:
            self._not_told(request[0], reply.words)

    def _not_told(self, symbol: str, words: str) -> None:
        """The venue does not tell of a symbol that was requested by itself, or lists it no more."""
        row = self._table.find(symbol)
        if row is None or row.gone:
            return
        self._refusals[symbol] = self._refusals.get(symbol, 0) + 1
        if self._refusals[symbol] < REFUSALS:
            self._log(f"the venue does not tell of {symbol}, it is asked again: {words}")
            return
        del self._refusals[symbol]
        told = replace(row, gone=True, trading=Trading.HALTED, venue_status="gone")
        self._told[row.index] = told
        self._table.put(told)
        why = f"the venue has {symbol} no more: {words}"
        self._turn.halt_instrument(row.index, why, HaltKind.ENDED)

    def on_instruments(self, report: InstrumentsReport) -> bool:
        """Take the instruments as they are now; return whether they were not known before."""
        first = not len(self._table)
        if first and not self._has_all(report):
            return False
        instruments = [
            self._on_its_grid(replace(row, carried=row.symbol in self._carried))
            for row in report.instruments
            if first or self._table.find(row.symbol) is not None
        ]
        for instrument in instruments:
            self._told[instrument.index : instrument.index + 1] = [instrument]
            self._table.put(instrument.under(self._status.trading, self._status.text))
            if instrument.index == len(self._positions):
                limits = self._limits_of(instrument)
                self._risk.add(instrument.index, limits)
                self._market_data.add(limits)
                self._positions.append(Position(instrument.contract))
        self._adapter.learn(self._told)
        return first

    def _has_all(self, report: InstrumentsReport) -> bool:
        """Whether a start knows all it trades; without one of those it is given up, and without one
        that we only carry it is told of the others.
        """
        told = {row.symbol for row in report.instruments}
        missing = [symbol for symbol in self._symbols if symbol not in told]
        if missing:
            self._turn.fail(f"the venue has no {', '.join(missing)}", remote=True)
        carried = tuple(symbol for symbol in self._carried if symbol in told)
        if carried != self._carried:
            lacking = ", ".join(sorted(set(self._carried) - told))
            self._log(f"not carried, the venue has it no more: {lacking}")
            self._carried = carried
        return not missing

    def _on_its_grid(self, renewed: Instrument) -> Instrument:
        """Return an instrument as it is now; one whose grid moved as it was, and halt it.

        Book, orders, position and money count in the old grid, and go on to: what trades there is
        for the next start to say.
        """
        known = self._table.find(renewed.symbol)
        if known is None:
            return renewed
        renewed = replace(renewed, index=known.index)
        if (known.tick.step, known.lot.step) != (renewed.tick.step, renewed.lot.step):
            why = f"the venue changed tick or lot to {renewed.tick.step} and {renewed.lot.step}"
        elif known.contract != renewed.contract:
            why = f"the venue changed what a size of {renewed.symbol} is worth"
        else:
            return renewed
        if self._risk.instrument_halted(renewed.index) != why:
            self._turn.halt_instrument(renewed.index, why, HaltKind.GRID)
        return known

    @property
    def maintained(self) -> bool:
        """Whether the venue as a whole takes nothing, or is about to by its own plan."""
        return self._status.trading is Trading.HALTED or self._status.maintenance_near

    def on_trading_status(self, status: TradingStatus) -> None:
        """The venue has begun, or ended, to allow less: on all it has, or on one instrument."""
        if status.instrument != NO_INSTRUMENT:
            self._on_instrument_status(status)
            return
        if status.trading is not self._status.trading:
            self._log(f"the venue is {status.text}: {status.trading}")
            self.look_again()  # what was told of each by itself may be of the state before
        if status.maintenance_near and not self._status.maintenance_near:
            self._log("the venue says that planned maintenance is minutes away")
        self._status = status
        for instrument in self._told:
            self._table.put(instrument.under(status.trading, status.text))

    def _on_instrument_status(self, status: TradingStatus) -> None:
        known = self._told[status.instrument]
        if status.text == known.venue_status:
            return
        self._log(f"{known.symbol} is {status.text} at the venue: {status.trading}")
        told = replace(known, trading=status.trading, venue_status=status.text)
        self._told[status.instrument] = told
        self._table.put(told.under(self._status.trading, self._status.text))

    def on_limits(self, report: LimitsReport) -> None:
        self._throttle.renew(report.limits)
