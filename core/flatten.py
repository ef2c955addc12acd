"""Flattening: on the operator's word, take the position of every instrument to zero.

Here lives what is done once nobody else may place: wait until none of our orders is open, then
send market orders against what is held, each as large as risk allows, until nothing is. They pass
risk like any other order. When all is flat, placing stays halted until the operator resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.commands import OrderKind, TimeInForce
from core.desk import TradingDesk
from core.events import Side
from core.halts import HaltKind
from core.orders import Orders
from core.position import Position
from core.risk import Risk, RiskLimits
from core.views import Refusal

TRIES = 50
"""Orders sent for one flattening before it is given up: something takes nothing off the position,
and the operator has to look."""


class Flattening:
    """The one flattening that may be under way."""

    def __init__(
        self,
        *,
        desk: TradingDesk,
        orders: Orders,
        positions: Sequence[Position],
        risk: Risk,
        limits: Callable[[int], RiskLimits],
        log: Callable[[str], None],
    ) -> None:
        self._desk = desk
        self._orders = orders
        self._positions = positions
        self._risk = risk
        self._limits = limits
        self._log = log
        self._tries = 0
        self._instruments = 0
        self.wanted = False
        """Whether a flattening is under way; the strategy's gate is closed meanwhile."""

    def begin(self, instruments: int) -> None:
        """Flatten that many instruments."""
        self.wanted = True
        self._instruments = instruments
        self._tries = 0

    def step(self) -> None:
        """Do what can be done now; called again until all is flat."""
        if not self.wanted or len(self._orders):
            return
        held = [i for i in range(self._instruments) if self._positions[i].lots]
        if not held:
            self._end("flat")
        elif self._tries >= TRIES:
            self._end(f"still not flat after {TRIES} orders: look at the venue")
        else:
            for instrument in held:
                self._reduce(instrument)

    def _reduce(self, instrument: int) -> None:
        self._tries += 1
        lots = self._positions[instrument].lots
        side = Side.SELL if lots > 0 else Side.BUY
        size = min(abs(lots), self._limits(instrument).max_order_lots)
        answer = self._desk.place_unasked(
            instrument, side, 0, size, kind=OrderKind.MARKET, tif=TimeInForce.GTC
        )
        if isinstance(answer, Refusal):
            self._log(f"flattening: {answer.text}")

    def _end(self, how: str) -> None:
        self.wanted = False
        self._risk.halt(f"halted by the operator: {how}", HaltKind.OPERATOR)
        self._log(f"flattening ended: {how}")
