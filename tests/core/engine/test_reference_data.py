"""Reference data by itself: asking for instruments and clock, and what changes in them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from core.engine.reference_data import PERIOD_NS, RETRY_NS, ReferenceData
from core.engine.turn import Turn
from core.model.commands import Command, FetchInstruments, FetchTime
from core.model.events import InstrumentsReport, Reply, TradingStatus, VenueTime, Verdict
from core.model.halts import HaltKind
from core.model.instrument import Instrument, InstrumentTable, Trading
from core.model.units import NS_PER_S, Grid
from core.model.views import SessionState
from core.state.inflight import InFlightRequest
from core.state.orders import Orders
from core.state.position import Position
from core.state.risk import Risk
from core.state.throttle import Share
from core.state.venue_clock import VenueClock
from tests.core.engine.test_remedies import LIMITS
from tests.strategies.desk import instrument
from venues.kit.names import Prefixed

NOW_NS = 1_000 * NS_PER_S


class Rig:
    """A start; what is asked is noted."""

    def __init__(self, *symbols: str) -> None:
        symbols = symbols or ("BTCUSDT",)
        self.turn, self.clock = Turn(NOW_NS), VenueClock()
        self.risk = Risk()
        self.table, self.positions = InstrumentTable(), list[Position]()
        self.asked: list[Command] = []
        self.shares: list[Share | None] = []
        self.learned: list[Instrument] = []
        self.moved_ns: list[int] = []
        self.log: list[str] = []
        self.desk = SimpleNamespace(session=SessionState.STARTING)
        parts: dict[str, Any] = {
            "adapter": SimpleNamespace(learn=self.learned.extend),
            "market_data": SimpleNamespace(add=lambda limits: None),
            "throttle": SimpleNamespace(renew=lambda limits: None),
            "outbound": SimpleNamespace(
                request=self._request, measured=lambda by_ns, _: self.moved_ns.append(by_ns)
            ),
            "desk": self.desk,
        }
        self.data = ReferenceData(
            symbols=symbols,
            table=self.table,
            positions=self.positions,
            limits_of=lambda row: LIMITS,
            risk=self.risk,
            orders=Orders(Prefixed("ours-", 1)),
            clock=self.clock,
            turn=self.turn,
            log=self.log.append,
            **parts,
        )

    def _request(self, command: Command, now_ns: int, *, share: Share | None = None) -> int:
        self.asked.append(command)
        self.shares.append(share)
        return len(self.asked)

    def reply(self, command: Command, reply: Reply) -> None:
        self.data.on_reply(InFlightRequest(1, command, -1, NOW_NS, NOW_NS + NS_PER_S), reply)

    def after(self, ns: int) -> list[Command]:
        self.turn.now_ns += ns
        self.asked.clear()
        self.data.step()
        return list(self.asked)


def report(*rows: Instrument) -> InstrumentsReport:
    return InstrumentsReport(rows)


def test_a_start_asks_until_it_knows_and_less_often_each_time() -> None:
    rig = Rig()
    both = [FetchTime(), FetchInstruments(())]
    assert rig.after(0) == both
    assert rig.after(RETRY_NS) == both
    assert rig.after(RETRY_NS) == []
    assert rig.after(RETRY_NS) == both


@pytest.mark.parametrize("session", [SessionState.LEAVING, SessionState.TRADING])
def test_who_leaves_asks_for_a_time_that_is_not_known_with_the_cancels_tokens(
    session: SessionState,
) -> None:
    """Without it nobody knows when there are tokens to prove with that nothing stands."""
    rig = Rig()
    rig.desk.session = session
    rig.data.step()
    assert rig.asked[0] == FetchTime()
    assert (rig.shares[0] is Share.CANCEL) is (session is SessionState.LEAVING)


def test_what_is_known_is_asked_for_seldom() -> None:
    rig = Rig()
    rig.data.on_instruments(report(instrument()))
    rig.clock.measure(NOW_NS, NOW_NS, NOW_NS)
    rig.after(0)
    assert rig.after(PERIOD_NS - 1) == []
    assert rig.after(1) == [FetchTime(), FetchInstruments(())]


def test_instruments_become_known_once() -> None:
    rig = Rig()
    assert rig.data.on_instruments(report(instrument()))
    assert not rig.data.on_instruments(report(instrument()))
    assert (len(rig.table), len(rig.positions)) == (1, 1)
    assert [row.symbol for row in rig.learned] == ["BTCUSDT", "BTCUSDT"]


def test_a_grid_that_moves_halts_its_instrument_which_counts_on_in_the_old_one() -> None:
    rig = Rig()
    rig.data.on_instruments(report(instrument()))
    rig.data.on_instruments(report(instrument(tick=Grid("0.05"))))
    [halt] = rig.turn.halts
    assert (halt.instrument, halt.kind) == (0, HaltKind.GRID)
    assert rig.table[0].tick.step == "0.01"


def test_a_start_that_is_refused_for_good_is_given_up() -> None:
    rig = Rig()
    rig.reply(FetchTime(), Reply(request_id=1, verdict=Verdict.FATAL, code="-2", text="no"))
    [halt] = rig.turn.halts
    assert halt.kind is HaltKind.FATAL
    assert halt.remote
    assert "FetchTime" in halt.why


def test_the_clock_is_measured_by_who_asked_for_it() -> None:
    rig = Rig()
    told = (VenueTime(NOW_NS + 7 * NS_PER_S),)
    rig.reply(FetchTime(), Reply(request_id=1, verdict=Verdict.DONE, events=told))
    assert rig.clock.known
    assert rig.moved_ns == [rig.clock.offset_ns]


def test_what_the_venue_allows_as_a_whole_holds_for_each_instrument() -> None:
    rig = Rig()
    rig.data.on_instruments(report(instrument()))
    rig.data.on_trading_status(TradingStatus(Trading.HALTED, "maintenance"))
    assert rig.data.maintained
    assert rig.table[0].trading is Trading.HALTED
    rig.data.on_trading_status(TradingStatus(Trading.OPEN, "online"))
    assert rig.table[0].trading is Trading.OPEN


def test_when_the_venue_as_a_whole_takes_more_or_less_its_instruments_are_read_again() -> None:
    """What was told of each in between may be of the state that is over: it held for 30 s more."""
    rig = Rig()
    rig.data.on_instruments(report(instrument()))
    rig.clock.measure(NOW_NS, NOW_NS, NOW_NS)
    rig.data.on_trading_status(TradingStatus(Trading.HALTED, "maintenance"))
    assert FetchInstruments(()) in rig.after(0)
    rig.data.on_instruments(report(instrument(trading=Trading.HALTED)))
    rig.data.on_trading_status(TradingStatus(Trading.OPEN, "online"))
    assert FetchInstruments(()) in rig.after(1)
    rig.data.on_trading_status(TradingStatus(Trading.OPEN, "online"))
    assert rig.after(1) == []


def test_as_soon_as_the_time_is_suspect_the_gate_looks_again() -> None:
    """How late a feed is nobody knows then: with the next housekeeping an order had left."""
    rig = Rig()
    rig.data.forget_clock()
    assert rig.turn.looks_again


# -- what the venue has no more --------------------------------------------------------------

FOUR = ("BTCUSDT", "ETHUSDT", "LTCUSDT", "XRPUSDT")
GONE = "LTCUSDT"


class Delisting(Rig):
    """A run of four symbols whose venue refuses all of a question where one in it is gone."""

    def __init__(self, *, lists: bool = False) -> None:
        super().__init__(*FOUR)
        self.lists = lists
        """Whether an answer just lacks what is gone."""
        self.gone = set[str]()
        self.data.on_instruments(report(*(instrument(n, s) for n, s in enumerate(FOUR))))
        self.clock.measure(NOW_NS, NOW_NS, NOW_NS)
        self.after(0)

    def period(self) -> list[tuple[str, ...]]:
        """Have a period pass, and all that is asked upon it answered; return what was asked."""
        self.after(PERIOD_NS)
        told = []
        while asked := [one for one in self.asked if isinstance(one, FetchInstruments)]:
            self.asked.clear()
            for command in asked:
                symbols = command.of(FOUR)
                told.append(symbols)
                self._answer(command, symbols)
        return told

    def _answer(self, command: FetchInstruments, symbols: tuple[str, ...]) -> None:
        there = [symbol for symbol in symbols if symbol not in self.gone]
        if len(there) < len(symbols) and not self.lists:
            no = Reply(request_id=1, verdict=Verdict.FATAL, code="-1", text="no such symbol")
            self.reply(command, no)
            return
        events = report(*(instrument(n, symbol) for n, symbol in enumerate(there)))
        self.data.on_instruments(events)
        self.reply(command, Reply(request_id=1, verdict=Verdict.DONE, events=(events,)))


@pytest.mark.parametrize("lists", [False, True])
def test_a_symbol_that_the_venue_has_no_more_is_halted_by_name_and_the_others_are_renewed(
    lists: bool,
) -> None:
    rig = Delisting(lists=lists)
    rig.gone.add(GONE)
    rig.period()
    assert not rig.turn.halts, "once may be an accident"
    rig.period()
    [halt] = rig.turn.halts
    assert (halt.instrument, halt.kind) == (2, HaltKind.ENDED)
    assert GONE in halt.why
    assert [row.gone for row in rig.table] == [False, False, True, False]
    rig.learned.clear()
    assert rig.period() == [("BTCUSDT", "ETHUSDT", "XRPUSDT")]
    assert [(row.index, row.symbol) for row in rig.learned] == list(enumerate(FOUR))


def test_what_is_refused_is_found_by_halves() -> None:
    rig = Delisting()
    rig.gone.add(GONE)
    assert rig.period() == [FOUR, FOUR[:2], FOUR[2:], (GONE,), ("XRPUSDT",)]
    assert rig.period() == [("BTCUSDT", "ETHUSDT", "XRPUSDT"), (GONE,)]


def test_a_symbol_that_is_told_of_again_is_not_gone() -> None:
    rig = Delisting()
    rig.gone.add(GONE)
    rig.period()
    rig.gone.clear()
    rig.period()
    rig.gone.add(GONE)
    rig.period()
    assert not rig.turn.halts


def test_a_start_that_lacks_a_symbol_is_given_up_by_its_name() -> None:
    rig = Rig("BTCUSDT", GONE)
    assert not rig.data.on_instruments(report(instrument()))
    [halt] = rig.turn.halts
    assert halt.kind is HaltKind.FATAL
    assert halt.why == "the venue has no LTCUSDT"
    assert not len(rig.table)


# -- what expires ----------------------------------------------------------------------------


def expiring(in_ns: int, *, ahead_ns: int = 0) -> Rig:
    """A run of a future that expires so long from now, at a venue whose clock is ahead."""
    rig = Rig("BTCUSDT", "ETHUSDT")
    future = instrument(expiry_ns=NOW_NS + ahead_ns + in_ns)
    rig.data.on_instruments(report(future, instrument(1, "ETHUSDT")))
    rig.clock.measure(NOW_NS, NOW_NS, NOW_NS + ahead_ns)
    return rig


@pytest.mark.parametrize("ahead_ns", [0, 7_200 * NS_PER_S, -7_200 * NS_PER_S])
def test_what_expires_is_halted_by_the_venue_s_clock_at_the_lead_that_is_allowed(
    ahead_ns: int,
) -> None:
    lead_ns = LIMITS.expiry_lead_ns
    rig = expiring(lead_ns + NS_PER_S, ahead_ns=ahead_ns)
    rig.after(NS_PER_S - 1)
    assert not rig.turn.halts
    rig.after(1)
    [halt] = rig.turn.halts
    assert (halt.instrument, halt.kind) == (0, HaltKind.ENDED)
    assert halt.why.startswith("BTCUSDT expires at ")
    assert halt.why.endswith(": nothing is placed on it from 60 s before (risk.expiry_lead_s)")


def test_nothing_is_judged_by_a_time_that_was_never_known() -> None:
    rig = Rig()
    rig.data.on_instruments(report(instrument(expiry_ns=1)))
    rig.after(0)
    assert not rig.turn.halts


def test_what_is_halted_for_its_expiry_is_halted_once() -> None:
    rig = expiring(0)
    rig.after(0)
    rig.risk.halt_instrument(0, rig.turn.halts[0].why, HaltKind.ENDED)
    rig.after(NS_PER_S)
    assert len(rig.turn.halts) == 1
