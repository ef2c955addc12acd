"""The account, as the venue states it.

Here its balances become what a strategy may see, and with its positions are held against our own
fills; what has to
agree, and when a difference is believed, lives in ``core.engine.ledger``. On an account of our own
a difference halts until a person has looked; on a shared one it is somebody else's, and is told.
"""

from __future__ import annotations

from core.engine.ledger import Ledger
from core.engine.turn import Turn
from core.model.events import (
    AccountReport,
    BalanceLocked,
    BalanceMoved,
    PositionReport,
    TradeElsewhere,
)
from core.model.halts import HaltKind
from core.state.others import Others, amount, clock
from core.state.risk import Risk

WHAT_TO_DO = (
    "nothing the venue has told explains it. Look at the account; `resume` takes the venue's "
    'balances for right. Where others trade on it, say account = "shared"'
)


class Account:
    """The account that one run trades on."""

    __slots__ = (
        "_balances",
        "_ledger",
        "_others",
        "_positions",
        "_risk",
        "_shared",
        "_told_ns",
        "_totals",
        "_turn",
    )

    def __init__(
        self,
        *,
        shared: bool,
        balances: dict[str, int],
        ledger: Ledger,
        others: Others,
        risk: Risk,
        turn: Turn,
    ) -> None:
        """``balances`` takes the free amount of each asset, in atoms."""
        self._shared = shared
        self._balances = balances
        self._ledger = ledger
        self._others = others
        self._risk = risk
        self._turn = turn
        self._totals: dict[str, int] = {}
        self._positions: dict[str, int] = {}
        self._told_ns: dict[str, int] = {}
        """When the venue last told an asset's balance of itself."""

    # -- what the venue tells ------------------------------------------------------------------

    def on_report(self, report: AccountReport) -> None:
        if report.whole:
            self._take_whole(report)
        else:
            for balance in report.balances:
                self._tell(balance.asset, balance.free_atoms)
        if report.can_trade is False:
            self._turn.halt("the venue says that this account may not trade", HaltKind.REFUSED)

    def _take_whole(self, report: AccountReport) -> None:
        """Take an answer; what was told after it was requested may be newer, and stays."""
        requested_ns = report.requested_ns
        newer = {
            asset: self._balances[asset]
            for asset, told_ns in self._told_ns.items()
            if told_ns >= requested_ns and asset in self._balances
        }
        self._totals = {b.asset: b.free_atoms + b.locked_atoms for b in report.balances}
        self._balances.clear()
        self._balances.update({b.asset: b.free_atoms for b in report.balances} | newer)

    def _tell(self, asset: str, free_atoms: int) -> None:
        self._balances[asset] = free_atoms
        self._told_ns[asset] = self._turn.now_ns

    def on_positions(self, report: PositionReport) -> None:
        self._positions = self._ledger.held(report.positions)

    def on_moved(self, moved: BalanceMoved) -> None:
        # The account update that follows carries the absolute amount.
        self._ledger.paid(moved.asset, moved.delta_atoms, moved.venue_ns)
        how = "paid in" if moved.delta_atoms > 0 else "paid out"
        what = f"{amount(abs(moved.delta_atoms))} {moved.asset} {how} at {clock(moved.venue_ns)}"
        self._others.saw(f"payments of {moved.asset}", what, self._turn.now_ns)

    def on_locked(self, lock: BalanceLocked) -> None:
        """No account update follows this one: what is free is what was, less the lock."""
        asset, atoms = lock.asset, lock.delta_atoms
        self._tell(asset, max(0, self._balances.get(asset, 0) - atoms))
        self._ledger.locked(asset, atoms)
        how = "locked" if atoms > 0 else "unlocked"
        what = f"{amount(abs(atoms))} {asset} {how} from outside at {clock(lock.venue_ns)}"
        self._others.saw(f"locks of {asset}", what, self._turn.now_ns)

    def on_trade_elsewhere(self, trade: TradeElsewhere) -> None:
        """Which assets it moved shows in the balances."""
        what = (
            f"{_did(trade.side)} {trade.size} {trade.symbol} at {trade.price}, "
            f"which is not traded here, at {clock(trade.venue_ns)}"
        )
        self._others.saw(f"trades of {trade.symbol}", what, self._turn.now_ns)

    # -- the two ledgers -----------------------------------------------------------------------

    def agrees(self, requested_ns: int) -> bool:
        """Compare the venue's balances and positions, requested at ``requested_ns``, with our
        fills.

        Halt where they stay apart, or tell on a shared account. ``False`` requests another look
        soon.
        """
        found = self._ledger.compare(self._totals | self._positions, requested_ns)
        if self._shared:
            self._ledger.accept(found)
            for one in found:
                text = f"a balance that no trade or payment told explains: {one}"
                self._others.saw(f"balances of {one.asset}", text, self._turn.now_ns)
            return self._ledger.opened
        if found and not self.in_dispute:
            why = f"the ledgers differ: {'; '.join(map(str, found))}; {WHAT_TO_DO}"
            self._turn.halt(why, HaltKind.LEDGER)
        return bool(found) or self.in_dispute or not self._ledger.in_doubt

    @property
    def in_dispute(self) -> bool:
        """Whether the ledgers differ, and nobody has decided yet."""
        return any(halt.kind is HaltKind.LEDGER for halt in self._risk.halts())

    def on_resume(self, *, was_in_dispute: bool) -> None:
        """A person has looked: where the ledgers differed, the venue's is right."""
        if was_in_dispute:
            self._ledger.reopen()


def _did(side: int) -> str:
    return "bought" if side > 0 else "sold"
