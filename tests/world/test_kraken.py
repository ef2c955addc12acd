"""The engine with Kraken's adapter against the exchange's dialect: what worlds of it have shown."""

from __future__ import annotations

import pytest

from tools.world.of_kraken import KRAKEN
from tools.world.tank import Delivery, Message, Tank
from venues.kraken.signer import TOKEN_PATH
from venues.sim.kraken.actions import EndSessions, UseNonce
from venues.sim.kraken.pairs import SYMBOLS
from venues.sim.ledger import DEFAULT_KEY

BEGINS = b'"exec_type":"new"'
MAKES = b'"exec_type":"trade"'

LOT = SYMBOLS[0].step_size


def test_a_fill_that_nobody_told_is_found_in_the_history_of_the_account() -> None:
    """A history names a pair by its key, ``XXBTZUSD``: that is to be the name it is known by."""
    tank = Tank(dialect=KRAKEN).run(3.0)
    lost: list[bytes] = []

    def keep_back(message: Message) -> list[Delivery]:
        told = b'"channel":"executions","type":"update"' in message.payload
        if message.connection == 1 and (told or lost):
            lost.append(message.payload)
            return []
        return tank.deliver(message)

    tank.to_engine = keep_back
    tank.run_until(lambda: any(MAKES in payload for payload in lost), 60.0)
    tank.to_engine = tank.deliver
    tank.cut(1)

    def booked() -> bool:
        traded = sum(one.trade.quantity for one in tank.ledger.executions("BTC/USD"))
        position = tank.engine.positions[0]
        found = (position.bought_lots + position.sold_lots) * LOT
        return tank.engine.recovery.reconciled and found == traded

    tank.run_until(booked, 30.0)


@pytest.mark.parametrize("ahead_s", [2, 60, 3_600])
def test_a_key_that_was_used_by_a_clock_ahead_of_ours_gets_through(ahead_s: int) -> None:
    """Ours was ahead before it was set back and the run begun again, or another process's is."""
    tank = Tank(dialect=KRAKEN)
    tank.venue.perform(UseNonce(api_key=DEFAULT_KEY, ahead_s=ahead_s), tank.venue_ns)
    tank.run_until(lambda: tank.engine.recovery.reconciled, 30.0)


def test_after_a_refused_token_another_one_is_fetched_and_nothing_stays_in_doubt() -> None:
    tank = Tank(dialect=KRAKEN).run(3.0)
    asked = [one.path for one in tank.asked].count(TOKEN_PATH)
    tank.venue.perform(EndSessions(api_key=DEFAULT_KEY), tank.venue_ns)
    tank.run_until(lambda: [one.path for one in tank.asked].count(TOKEN_PATH) > asked, 60.0)
    tank.run_until(
        lambda: tank.engine.recovery.reconciled and not len(tank.engine.resolution.retries), 30.0
    )
    tank.leave(150.0)
    assert not tank.venue.exchange.open_orders(tank.venue.exchange.keys[DEFAULT_KEY].account)


def test_what_the_timer_has_taken_out_is_folded_and_trading_goes_on() -> None:
    tank = Tank(dialect=KRAKEN).run(3.0)
    exchange = tank.venue.exchange
    account = exchange.keys[DEFAULT_KEY].account
    tank.run_until(lambda: bool(exchange.open_orders(account)), 60.0)
    tank.closed_connections.add(1)
    tank.cut(1)
    tank.run(65.0)
    assert exchange.fired == 1
    tank.closed_connections.clear()
    tank.run_until(lambda: bool(exchange.armed_ns(account)), 30.0)
    tank.run_until(lambda: bool(exchange.open_orders(account)), 60.0)
    tank.leave(150.0)
    assert not exchange.armed_ns(account)


def test_a_fill_of_an_order_whose_beginning_was_not_told_contradicts_nothing() -> None:
    """Updates leave out what was told before: behind a gap nothing is known of side and price."""
    tank = Tank(dialect=KRAKEN).run(3.0)
    lost: list[bytes] = []
    filled: list[bytes] = []

    def keep_back(message: Message) -> list[Delivery]:
        if b'"exec_type":"pending_new"' in message.payload or BEGINS in message.payload:
            lost.append(message.payload)
            return []
        if lost and MAKES in message.payload:
            filled.append(message.payload)
        return tank.deliver(message)

    tank.to_engine = keep_back
    tank.run_until(lambda: bool(filled), 60.0)
    tank.to_engine = tank.deliver
    tank.run(0.1)
    assert any("came after" in line for line in tank.log_lines)
    tank.run_until(lambda: tank.engine.recovery.reconciled, 30.0)
    assert not tank.engine.risk.instrument_halted(0)
