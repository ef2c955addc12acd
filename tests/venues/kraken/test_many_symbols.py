"""Twenty symbols on one account of the lowest tier: what it asks by REST fits into the counter."""

from __future__ import annotations

from dataclasses import replace

from core.model.events import Side
from core.model.units import NS_PER_S
from core.model.views import SessionState
from tests.venues.kraken.tank import KrakenTank
from tests.world.test_continuity import crashed
from venues.sim.accounts import Account
from venues.sim.kraken.exchange import Exchange
from venues.sim.kraken.limits import Tier
from venues.sim.kraken.pairs import SYMBOLS
from venues.sim.kraken.words import ApiError

BASES = [f"T{chr(ord('A') + n)}" for n in range(19)]
LISTED = (
    SYMBOLS[0],
    *(replace(SYMBOLS[2], name=f"{base}/USD", base=base) for base in BASES),
)
NAMES = tuple(symbol.name for symbol in LISTED)


class Counted(KrakenTank):
    """The same, where what is counted of the account's calls is noted."""

    def __init__(self) -> None:
        super().__init__(listed=LISTED, symbols=NAMES)
        exchange: Exchange = self.venue.exchange
        exchange.tiers[self.account.number] = Tier.STARTER
        self.calls: list[float] = []
        self.refused = 0
        count = exchange.count_call

        def note(account: Account, cost: float, now_ns: int) -> None:
            if account is self.account:
                self.calls.append(cost)
            try:
                count(account, cost, now_ns)
            except ApiError:
                self.refused += 1
                raise

        exchange.count_call = note  # type: ignore[method-assign]

    def took(self) -> float:
        """Return what was counted since this was last asked."""
        took = sum(self.calls)
        self.calls.clear()
        return took


def test_twenty_symbols_start_recover_and_leave_within_the_counter_of_the_lowest_tier() -> None:
    w = Counted()
    w.run_until(lambda: w.desk.session is SessionState.TRADING, 3)
    assert w.took() <= 8, "a token, balances, a list, a page of trades, and what the guardian asks"
    w.trading()
    w.place(Side.BUY, 299_000)
    began_ns = w.now_ns
    w.run(600)
    minutes = (w.now_ns - began_ns) / (60 * NS_PER_S)
    assert w.took() <= 6 * minutes, "of 20 that are forgotten in a minute"
    left = crashed(w)
    w.die()
    w.run(20)
    w.reboot(left)
    w.run_until(lambda: w.engine.recovery.reconciled, 15)
    assert w.took() <= 10, "and how the order stands that was left"
    began_ns = w.now_ns
    w.leave()
    assert w.has_left
    assert w.now_ns - began_ns < 5 * NS_PER_S
    assert w.refused == 0
