"""A history of trades whose ids are mere names: pages of three, unsorted, that overlap and move.

The venue here tells the newest first, each page in an order of its own, and repeats on each page
what stood at the end of the one before. Trades that come meanwhile move what is on its pages.
"""

from __future__ import annotations

from random import Random

import pytest

from core.engine.recovery import PERIOD_NS
from core.engine.resolution import SKEW_NS
from core.model.commands import (
    BEGINNING,
    Command,
    FetchAccount,
    FetchOpenOrders,
    FetchOrders,
    FetchTrades,
    QueryOrder,
    Since,
)
from core.model.events import Event, Fill, FillReport, OpenOrders, Side
from core.model.units import NS_PER_S
from tests.core.engine.test_recovery import HERE, LAG_NS, START_NS, Rig

PAGE = 3


class History:
    """What the venue has of our trades; ``shown`` are those that it tells already."""

    def __init__(self, seed: int = 1) -> None:
        self._random = Random(seed)
        self.trades: list[FillReport] = []

    def trade(self, venue_ns: int, order: str = "OURS") -> FillReport:
        name = f"T{self._random.getrandbits(48):012X}"
        fill = Fill(name, venue_ns, 100, 1, 0, "USDT", True, venue_ns)
        told = FillReport(0, order, Side.BUY, fill)
        self.trades.append(told)
        return told

    def page(self, asked: FetchTrades) -> tuple[list[Event], str]:
        """Return what one question is answered with, and the page to ask for next."""
        since_ns = 0 if asked.since is None else asked.since.venue_ns
        found = [t for t in reversed(self.trades) if t.fill.venue_ns >= since_ns]
        if asked.since is None:
            return list(found[:1]), ""
        begin = max(int(asked.page or 0) - 1, 0)
        told = found[begin : begin + PAGE]
        end = begin + len(told)
        self._random.shuffle(told)
        return list(told), str(end) if end < len(found) else ""


class Run:
    """A recovery against such a history, with one order of ours that stands."""

    def __init__(self) -> None:
        self.rig = Rig(rising_ids=False)
        self.history = History()
        self.rig.reconcile()
        self.order = self.rig.live("OURS")
        self.rig.turn.updates.clear()

    @property
    def now_ns(self) -> int:
        return self.rig.now_ns

    @property
    def booked(self) -> list[str]:
        return [fill.trade_id for applied in self.rig.turn.updates for fill in applied.fills]

    def requested(self) -> FetchTrades | None:
        asked = (c for c in self.rig.open() if isinstance(c, FetchTrades))
        return next(asked, None)

    def answer_page(self) -> list[Command]:
        asked = self.requested()
        assert asked is not None
        events, more = self.history.page(asked)
        return self.rig.answer(asked, *events, more=more)

    def read(self) -> int:
        """Answer a pass to its end; return how many pages of trades it took."""
        pages = 0
        while self.rig.asked:
            if self.requested() is not None:
                self.answer_page()
                pages += 1
                continue
            command = self.rig.open()[0]
            events = [OpenOrders(0, ())] if command == HERE else []
            self.rig.answer(command, *events)
        return pages

    def next_pass(self) -> None:
        self.rig.after(PERIOD_NS / NS_PER_S)


def names(*trades: FillReport) -> set[str]:
    return {trade.fill.trade_id for trade in trades}


def test_every_trade_of_a_history_of_many_pages_is_booked_once() -> None:
    run = Run()
    told = [run.history.trade(run.now_ns + n * NS_PER_S) for n in range(8)]
    run.next_pass()
    assert run.read() == 4
    assert (len(run.booked), set(run.booked)) == (8, names(*told))
    assert run.rig.recovery.reconciled
    run.next_pass()
    run.read()
    assert len(run.booked) == 8


def test_a_trade_that_moves_the_pages_costs_none_of_those_behind_it() -> None:
    run = Run()
    told = [run.history.trade(run.now_ns + n * NS_PER_S) for n in range(8)]
    run.next_pass()
    run.answer_page()
    late = [run.history.trade(run.now_ns) for _ in range(2)]
    run.read()
    assert names(*told) <= set(run.booked)
    run.next_pass()
    run.read()
    assert set(run.booked) == names(*told, *late)
    assert len(run.booked) == 10


def test_a_history_whose_reading_was_broken_off_is_read_again_from_where_it_began() -> None:
    """Its first page has told the newest: what is older is still to come, however long it takes."""
    run = Run()
    told = [run.history.trade(run.now_ns + n * NS_PER_S) for n in range(8)]
    run.next_pass()
    run.answer_page()
    assert len(run.booked) == PAGE
    run.rig.recovery.suspend()
    run.rig.asked.clear()
    run.rig.after((LAG_NS + SKEW_NS) / NS_PER_S + 100)
    assert run.rig.recovery.last_trade(0) == BEGINNING
    run.rig.recovery.begin(run.now_ns)
    run.rig.after(1)
    run.read()
    assert set(run.booked) == names(*told)


def test_what_stands_at_the_time_of_the_newest_that_is_settled_is_told_again_and_found() -> None:
    run = Run()
    first = run.history.trade(run.now_ns)
    run.next_pass()
    run.read()
    run.next_pass()
    run.read()
    assert run.rig.recovery.last_trade(0) == Since(
        first.fill.trade_id, first.fill.rank, first.fill.venue_ns
    )
    second = run.history.trade(first.fill.venue_ns)
    run.next_pass()
    run.read()
    assert run.booked == [first.fill.trade_id, second.fill.trade_id]


def test_orders_that_are_known_by_their_trades_alone_are_asked_about_one_by_one() -> None:
    run = Run()
    for name in ("OXYZ-1", "OABC-2", "OXYZ-1"):
        run.history.trade(run.now_ns, name)
    run.next_pass()
    asked = run.answer_page()
    assert asked == [QueryOrder(0, "", "OABC-2"), QueryOrder(0, "", "OXYZ-1")] or asked == [
        QueryOrder(0, "", "OXYZ-1"),
        QueryOrder(0, "", "OABC-2"),
    ]
    run.read()
    assert not any(isinstance(command, FetchOrders) for command in run.rig.open())


def begin_with(settled: Since, witness: Since | None) -> Run:
    run = Run()
    run.rig.recovery.suspend()
    run.rig.recovery.resume_trades(0, settled, witness)
    return run


def place(trade: FillReport) -> Since:
    return Since(trade.fill.trade_id, trade.fill.rank, trade.fill.venue_ns)


def test_a_witness_on_the_last_page_is_found() -> None:
    run = begin_with(BEGINNING, None)
    told = [run.history.trade(START_NS - (9 - n) * NS_PER_S) for n in range(8)]
    run.rig.recovery.resume_trades(0, place(told[2]), place(told[0]))
    run.rig.recovery.begin(run.now_ns)
    run.rig.after(1)
    assert run.requested() == FetchTrades(0, place(told[0]).with_it())
    assert run.read() > 1
    assert run.rig.begun_anew == []
    assert run.rig.recovery.reconciled


def test_a_history_without_its_witness_has_begun_anew() -> None:
    run = begin_with(BEGINNING, None)
    run.rig.recovery.resume_trades(0, BEGINNING, Since("GONE", 5, 5))
    for n in range(4):
        run.history.trade(START_NS - n * NS_PER_S)
    run.rig.recovery.begin(run.now_ns)
    run.rig.after(1)
    run.read()
    assert run.rig.begun_anew == [0]


@pytest.mark.parametrize("there", [True, False])
def test_the_newest_alone_is_looked_for_on_as_many_pages_as_it_takes(there: bool) -> None:
    """A venue may tell of all symbols at once, and of this one nothing on its first page."""
    rig = Rig(rising_ids=False)
    rig.recovery.begin(rig.now_ns)
    rig.recovery.step(rig.now_ns)
    newest = History().trade(START_NS)
    assert rig.answer(FetchTrades(0, None), more="two") == [FetchTrades(0, None, "two")]
    assert rig.baselines == []
    rig.answer(FetchTrades(0, None, "two"), *([newest] if there else []))
    assert rig.baselines == [place(newest) if there else None]
    rig.answer(FetchAccount())
    rig.answer(FetchOpenOrders(-1), OpenOrders(-1, ()))
    assert rig.recovery.reconciled
