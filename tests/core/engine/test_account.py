"""The account by itself: what the venue tells of balances, and what a difference leads to."""

from __future__ import annotations

from typing import Any

import pytest

from core.engine.account import Account
from core.engine.ledger import PASSES, Ledger
from core.engine.turn import Turn, Wanted
from core.model.events import AccountReport, Balance, BalanceLocked, BalanceMoved
from core.model.halts import HaltKind
from core.model.instrument import InstrumentTable
from core.state.others import Others
from core.state.position import Position
from core.state.risk import Risk
from tests.core.contracts import SPOT
from tests.strategies.desk import instrument

COIN = 10**18


class Rig:
    """An account with a real ledger; what halts is taken up at once, as the engine does."""

    def __init__(self, *, shared: bool = False) -> None:
        table = InstrumentTable([instrument()])
        self.ledger = Ledger(table, [Position(SPOT)], 0)
        self.balances: dict[str, int] = {}
        self.risk = Risk()
        self.turn = Turn()
        self.log: list[str] = []
        self.account = Account(
            shared=shared,
            balances=self.balances,
            ledger=self.ledger,
            others=Others(self.log.append),
            risk=self.risk,
            turn=self.turn,
        )

    def told(self, free: int, locked: int = 0, **more: Any) -> None:
        self.account.on_report(report(Balance("BTC", free, locked), **more))

    def agrees(self, times: int = 1) -> bool:
        return [self._agrees() for _ in range(times)][-1]

    def _agrees(self) -> bool:
        agrees = self.account.agrees(0)
        for halt in self.halts:
            self.risk.halt(halt.why, halt.kind)
        return agrees

    @property
    def halts(self) -> list[Wanted]:
        return list(self.turn.halts)

    def opened(self) -> Rig:
        self.told(5 * COIN)
        self.agrees(2)
        assert self.ledger.opened
        return self


def report(
    *balances: Balance, whole: bool = True, can_trade: bool | None = True, requested_ns: int = 1
) -> AccountReport:
    """Return a report; what is told comes at 0, so that an answer was asked for after it."""
    return AccountReport(
        whole=whole, balances=balances, can_trade=can_trade, venue_ns=1, requested_ns=requested_ns
    )


def test_an_account_that_may_not_trade_halts() -> None:
    rig = Rig()
    rig.told(COIN, can_trade=None)
    rig.told(COIN)
    assert rig.halts == []
    rig.told(COIN, can_trade=False)
    assert rig.halts[0].kind is HaltKind.REFUSED


def test_a_whole_report_is_all_there_is_and_another_adds_to_it() -> None:
    rig = Rig()
    rig.account.on_report(report(Balance("BTC", 1, 0), Balance("ETH", 2, 0)))
    rig.account.on_report(report(Balance("USDT", 3, 0), whole=False, can_trade=None))
    assert rig.balances == {"BTC": 1, "ETH": 2, "USDT": 3}
    rig.account.on_report(report(Balance("BTC", 4, 0)))
    assert rig.balances == {"BTC": 4}


def test_an_answer_takes_back_nothing_that_was_told_since_it_was_asked_for() -> None:
    rig = Rig()
    rig.account.on_report(report(Balance("USDT", 3, 0), whole=False, can_trade=None))
    rig.account.on_report(report(Balance("USDT", 2, 0), Balance("BTC", 4, 0), requested_ns=-1))
    assert rig.balances == {"BTC": 4, "USDT": 3}


def test_what_our_orders_lock_is_part_of_what_the_account_holds() -> None:
    rig = Rig().opened()
    rig.told(2 * COIN, 3 * COIN)
    assert rig.agrees(PASSES)
    assert rig.halts == []


def test_a_payment_explains_a_balance() -> None:
    rig = Rig().opened()
    rig.account.on_moved(BalanceMoved("BTC", -2 * COIN, 1))
    rig.told(3 * COIN)
    assert rig.agrees(PASSES)
    assert rig.halts == []


def test_a_lock_from_outside_is_free_no_more_and_explains_a_balance_that_lacks_it() -> None:
    rig = Rig().opened()
    rig.account.on_locked(BalanceLocked("BTC", 2 * COIN, 1))
    assert rig.balances["BTC"] == 3 * COIN
    rig.told(3 * COIN)
    assert rig.agrees(PASSES)
    assert rig.halts == []


def test_no_lock_makes_what_is_free_less_than_nothing() -> None:
    rig = Rig().opened()
    rig.account.on_locked(BalanceLocked("BTC", 9 * COIN, 1))
    assert rig.balances["BTC"] == 0


def test_ledgers_that_differ_halt_once_and_are_looked_at_as_seldom_as_ever() -> None:
    rig = Rig().opened()
    rig.told(6 * COIN)
    assert not rig.agrees()
    assert rig.agrees(3 * PASSES)
    assert [halt.kind for halt in rig.halts] == [HaltKind.LEDGER]
    assert "1 more" in rig.halts[0].why


@pytest.mark.parametrize(("looked", "agrees"), [(True, True), (False, False)])
def test_who_has_looked_takes_the_venues_word_and_nobody_else_does(
    looked: bool, agrees: bool
) -> None:
    rig = Rig().opened()
    rig.account.on_resume(was_in_dispute=looked)
    rig.told(6 * COIN)
    rig.agrees(PASSES)
    assert bool(rig.halts) is not agrees


def test_on_a_shared_account_a_difference_is_somebody_elses_and_told() -> None:
    rig = Rig(shared=True).opened()
    rig.told(6 * COIN)
    assert rig.agrees(2 * PASSES)
    assert rig.halts == []
    assert sum("no trade or payment told explains" in line for line in rig.log) == 1
