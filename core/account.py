"""The account, as the venue states it.

Here its balances become what a strategy may see, and are held against our own fills; what has to
agree, and when a difference is believed, lives in ``core.ledger``.
"""

from __future__ import annotations

from collections.abc import Callable

from core.events import AccountReport, BalanceMoved
from core.gate import Gate
from core.halts import HaltKind
from core.ledger import Ledger


class Account:
    """The account that one run trades on."""

    __slots__ = ("_balances", "_gate", "_ledger", "_log", "_totals")

    def __init__(
        self,
        *,
        balances: dict[str, int],
        ledger: Ledger,
        gate: Gate,
        log: Callable[[str], None],
    ) -> None:
        """``balances`` takes the free amount of each asset, in atoms."""
        self._balances = balances
        self._ledger = ledger
        self._gate = gate
        self._log = log
        self._totals: dict[str, int] = {}

    def on_report(self, report: AccountReport) -> None:
        if report.whole:
            self._balances.clear()
            self._totals = {b.asset: b.free_atoms + b.locked_atoms for b in report.balances}
        for balance in report.balances:
            self._balances[balance.asset] = balance.free_atoms
        if report.can_trade is False:
            self._gate.halt("the venue says that this account may not trade", HaltKind.REFUSED)

    def on_moved(self, moved: BalanceMoved) -> None:
        # The account update that follows carries the absolute amount.
        self._ledger.moved(moved.asset, moved.delta_atoms)
        self._log(f"balance moved: {moved.delta_atoms} atoms of {moved.asset}")

    def agrees(self) -> bool:
        """Compare the venue's balances with our fills; halt where they stay apart.

        ``False`` asks for another look soon.
        """
        found = self._ledger.compare(self._totals)
        if found:
            why = "the ledgers differ: " + "; ".join(map(str, found))
            self._gate.halt(why, HaltKind.LEDGER)
        return not self._ledger.in_doubt
