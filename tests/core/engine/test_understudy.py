"""The understudy rehearses on any venue, and nothing of the run is other afterwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.engine.engine import Engine
from core.engine.understudy import MOST_RESTING, Understudy
from core.model.views import SessionState
from core.state.journal import Payload
from tests.core.engine.fingerprint import count, fingerprint
from tools.world.dialect import Dialect
from tools.world.of_binance import BINANCE
from tools.world.of_kraken import KRAKEN
from tools.world.tank import Tank

CYCLES = 60
"""Enough for a strategy to place, move and lose orders, and for budgets to run out."""


class Nowhere:
    """A journal that is read by nobody."""

    segment = 0

    def __init__(self) -> None:
        self.records = 0

    def append(self, kind: int, connection: int, time_ns: int, payload: Payload) -> None:
        self.records += 1

    def hold(self) -> None: ...


def no_stamp() -> int:
    return 0


def understudy_of(tank: Tank) -> Understudy:
    rig = tank.application_again()
    return Understudy(
        rig.engine,
        streams=rig.setup.streams,
        feed_of=rig.adapter.book_feed,
        journal=Nowhere(),
        sign=lambda request: request.body,
        stamp=no_stamp,
    )


def prepare(understudy: Understudy, run: Engine, now_ns: int) -> str:
    steps = understudy.prepare(run, now_ns)
    while True:
        try:
            next(steps)
        except StopIteration as over:
            return str(over.value)


def rehearse(understudy: Understudy, cycles: int = CYCLES) -> list[bytes]:
    """Go through whole rehearsals; return what left in each."""
    left = []
    for _ in range(cycles):
        understudy.tick()
        left.append(understudy.leave())
        while understudy.reply():
            left[-1] += understudy.leave()
    return left


RUNS = [
    pytest.param(BINANCE, "", id="binance"),
    pytest.param(BINANCE, 'streams = ["top"]', id="binance best prices alone"),
    pytest.param(BINANCE, 'streams = ["depth"]', id="binance depth alone"),
    pytest.param(KRAKEN, "", id="kraken"),
]


def trading(dialect: Dialect, top: str) -> Tank:
    tank = Tank(dialect=dialect, top=top).run(2.0)
    tank.run_until(
        lambda: tank.engine.desk.gate_open and all(book.live for book in tank.engine.books), 60.0
    )
    return tank


@pytest.mark.parametrize(("dialect", "top"), RUNS)
def test_every_rehearsal_sends_an_order_whatever_the_venue(dialect: Dialect, top: str) -> None:
    tank = trading(dialect, top)
    understudy = understudy_of(tank)

    assert prepare(understudy, tank.engine, tank.now_ns) == ""
    left = rehearse(understudy)

    assert all(left)
    assert understudy.engine.desk.session is SessionState.TRADING
    assert len(understudy.engine.orders) <= MOST_RESTING + 1


@pytest.mark.parametrize(("dialect", "top"), RUNS)
def test_a_rehearsal_changes_nothing_of_the_run(dialect: Dialect, top: str) -> None:
    tank = trading(dialect, top)
    before, records = fingerprint(tank.engine), len(tank.journal.records)
    understudy = understudy_of(tank)

    prepare(understudy, tank.engine, tank.now_ns)
    rehearse(understudy)

    assert fingerprint(tank.engine) == before
    assert len(tank.journal.records) == records


@pytest.mark.parametrize(("dialect", "top"), RUNS)
def test_of_a_rehearsal_nothing_stays(
    dialect: Dialect, top: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are thousands of them a second, for days."""
    monkeypatch.setattr("core.state.orders.MAX_TERMINAL", 10)
    tank = trading(dialect, top)
    understudy = understudy_of(tank)
    prepare(understudy, tank.engine, tank.now_ns)
    rehearse(understudy, 300)
    before = count(understudy.engine)

    rehearse(understudy, 300)

    assert count(understudy.engine) < before + 100


def leak_orders(ours: Engine, theirs: Engine) -> None:
    theirs.desk._orders = ours.orders


def leak_throttle(ours: Engine, theirs: Engine) -> None:
    theirs.outbound._take = ours.throttle.take


def leak_timers(ours: Engine, theirs: Engine) -> None:
    ours.timers.push(theirs.turn.now_ns, None)


def leak_book(ours: Engine, theirs: Engine) -> None:
    ours.books[0].fresh_ns += 1


def leak_journal(ours: Engine, theirs: Engine) -> None:
    theirs.outbound._journal = ours.outbound._journal


def leak_chance(ours: Engine, theirs: Engine) -> None:
    ours.desk.random.random()


@pytest.mark.parametrize(
    "leak", [leak_orders, leak_throttle, leak_timers, leak_book, leak_journal, leak_chance]
)
def test_a_rehearsal_that_leaks_is_noticed(leak: Callable[[Engine, Engine], None]) -> None:
    tank = trading(BINANCE, "")
    understudy = understudy_of(tank)
    prepare(understudy, tank.engine, tank.now_ns)
    before = fingerprint(tank.engine)

    leak(tank.engine, understudy.engine)
    rehearse(understudy, 3)

    assert fingerprint(tank.engine) != before


def test_of_many_markets_it_rehearses_on_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engine.understudy.MOST_MARKETS", 1)
    tank = Tank(symbols=("BTCUSDT", "ETHUSDT")).run(2.0)
    tank.run_until(lambda: all(book.live for book in tank.engine.books), 60.0)
    understudy = understudy_of(tank)

    assert prepare(understudy, tank.engine, tank.now_ns) == ""
    assert all(rehearse(understudy, 10))
    assert [book.live for book in understudy.engine.books] == [True, False]
