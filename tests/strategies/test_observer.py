"""The observer's rules: it counts, logs at intervals, and never trades."""

from __future__ import annotations

from core.model.events import Side
from core.model.units import NS_PER_S
from core.model.views import SessionState
from strategies.observer import Observer, ObserverParameters
from tests.strategies.desk import FakeDesk


def observing() -> FakeDesk:
    return FakeDesk(Observer(ObserverParameters(interval_s=10)))


def test_each_interval_has_one_line_of_what_happened_in_it() -> None:
    desk = observing()
    desk.show([(1_000, 5)], [(1_001, 5)])
    desk.trade(1_001, 1_500, Side.BUY)
    desk.trade(1_000, 250, Side.SELL)
    desk.pass_ns(10 * NS_PER_S)
    assert len(desk.lines) == 1
    assert desk.lines[0] == (
        "BTCUSDT: 10.00 / 10.01, 1 book changes, 0 times lost, 2 trades, "
        "1.500 BTC bought, 0.250 sold"
    )
    desk.pass_ns(10 * NS_PER_S)
    assert len(desk.lines) == 2
    assert " 0 book changes, 0 times lost, 0 trades" in desk.lines[1]


def test_a_lost_book_is_counted_and_its_state_shown_instead_of_prices() -> None:
    desk = observing()
    desk.show([(1_000, 5)], [(1_001, 5)])
    desk.lose_book()
    desk.lose_book()
    desk.pass_ns(10 * NS_PER_S)
    assert "BTCUSDT: book stale, 3 book changes, 1 times lost" in desk.lines[0]


def test_sessions_are_logged() -> None:
    desk = observing()
    desk.turn(SessionState.INTERRUPTED)
    assert desk.lines == ["session interrupted"]


def test_what_was_seen_since_the_last_line_is_told_when_it_stops() -> None:
    desk = observing()
    desk.trade(1_001, 1_500, Side.BUY)
    desk.strategy.on_stop(desk)
    assert "1 trades" in desk.lines[0]


def test_it_never_trades() -> None:
    desk = observing()
    for session in SessionState:
        desk.turn(session)
        desk.show([(1_000, 500)], [(1_001, 1)])
        desk.pass_ns(10 * NS_PER_S)
    assert desk.calls == 0
