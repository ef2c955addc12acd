"""What the venue does to a whole run by itself: its timer, its states, and what it counts."""

from __future__ import annotations

from typing import Any

import pytest

from core.model.commands import OrderKind, SetDeadMan
from core.model.events import Side
from core.model.halts import HaltKind
from core.model.units import NS_PER_S
from core.model.views import OrderState, Refusal, RefusalReason
from tests.venues.kraken.tank import LOTS, KrakenTank, traded
from venues.kraken import rates, rules
from venues.sim.kraken.actions import SetSystem
from venues.sim.kraken.limits import Tier

BID = 299_000


def armed(w: KrakenTank) -> int:
    """Return when the exchange takes all out of our account, 0 for never."""
    exchange: Any = w.venue.exchange
    at_ns: int = exchange._dead_men.get(w.account.number, 0)
    return at_ns


def open_orders(w: KrakenTank) -> int:
    exchange: Any = w.venue.exchange
    return len(exchange.open_orders(w.account))


# -- the dead-man switch -----------------------------------------------------------------------


def test_while_it_trades_the_timer_is_never_less_than_forty_seconds_away() -> None:
    w = traded()
    for _ in range(90):
        w.run(1)
        assert 39 <= (armed(w) - w.venue_ns) / NS_PER_S <= 60


def test_what_a_dead_run_leaves_is_gone_after_the_window_with_nobody_left() -> None:
    w = traded()
    w.place(Side.BUY, BID)
    w.run(1)
    w.die()
    w.run(38)
    assert open_orders(w) == 1
    w.run(23)
    assert open_orders(w) == 0


def test_a_run_that_has_left_has_had_the_timer_stopped() -> None:
    w = traded()
    w.place(Side.BUY, BID)
    w.run(1)
    assert armed(w)
    w.leave()
    assert not armed(w)
    assert w.has_left
    assert w.methods().count("cancel_all_orders_after") >= 2


def test_a_run_is_not_over_before_the_timer_s_stop_is_answered() -> None:
    w = traded()
    w.leave()
    asked = [one.command for one in w.engine.outbound.inflight]
    assert SetDeadMan(0) not in asked


def test_where_it_fires_while_the_run_lives_its_orders_are_told_as_cancelled() -> None:
    w = traded()
    order = w.place(Side.BUY, BID)
    w.run(1)
    exchange: Any = w.venue.exchange
    exchange.arm(w.account, 1, w.venue_ns)  # somebody else of the account has set it shorter
    w.run(3)
    assert order.state is OrderState.CANCELED
    assert not open_orders(w)
    w.run(20)
    assert armed(w), "and it is set anew"
    again = w.place(Side.BUY, BID)
    w.run(1)
    assert again.state is OrderState.LIVE


def test_a_halted_run_with_nothing_open_has_it_stopped_and_a_resumed_one_set() -> None:
    w = traded()
    w.place(Side.BUY, BID)
    w.run(1)
    w.engine.gate.halt("maintenance is planned", HaltKind.OPERATOR)
    w.run(2)
    assert not open_orders(w)
    assert not armed(w)
    w.engine.on_control(b"resume", w.now_ns)
    w.run(1)
    assert armed(w)


def test_on_a_shared_account_it_is_never_set() -> None:
    w = KrakenTank(top='account = "shared"\n[session]\nrequest_expiry_ms = 5000').trading()
    w.run(60)
    assert "cancel_all_orders_after" not in w.methods()


# -- what is allowed ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "limit", "post_only"),
    [
        ("online", True, True),
        ("post_only", False, True),
        ("cancel_only", False, False),
        ("maintenance", False, False),
    ],
)
def test_the_state_of_the_trading_engine_is_obeyed_before_the_venue_refuses(
    system: Any, limit: bool, post_only: bool
) -> None:
    w = traded()
    w.venue.perform(SetSystem(system=system), w.venue_ns)
    w.run(0.2)
    for kind, taken in ((OrderKind.LIMIT, limit), (OrderKind.POST_ONLY, post_only)):
        answer = w.act(w.desk.place, 0, Side.BUY, BID, LOTS, kind=kind)
        assert isinstance(answer, Refusal) is not taken, kind
        if not taken:
            assert answer.reason is RefusalReason.NOT_TRADING
        w.run(0.2)
        if taken:
            assert answer.state is OrderState.LIVE


# -- what is counted ---------------------------------------------------------------------------


def test_the_tier_is_learned_with_the_subscription_to_executions() -> None:
    w = KrakenTank()
    exchange: Any = w.venue.exchange
    exchange.tiers[w.account.number] = Tier.PRO
    w.trading()
    place = w.place(Side.BUY, BID)
    w.run(1)
    assert place.state is OrderState.LIVE
    free = w.engine.throttle.free(rules.PAIR_COUNTER, w.venue_ns, 0)
    assert rates.INTERMEDIATE.threshold < free < rates.PRO.threshold
    w.run(31)
    assert w.engine.table[0].max_open_orders == rates.PRO.open_orders


def test_what_others_of_the_account_have_spent_is_counted_once_the_venue_tells_it() -> None:
    w = traded()
    exchange: Any = w.venue.exchange
    pair = exchange.pairs.by_name["BTC/USD"]
    before = w.engine.throttle.free(rules.PAIR_COUNTER, w.venue_ns, 0)
    exchange.count(w.account, pair, 80, w.venue_ns)
    w.place(Side.BUY, BID)
    w.run(0.1)
    assert w.engine.throttle.free(rules.PAIR_COUNTER, w.venue_ns, 0) < before - 75
