"""Quotes: what could not be moved does not stand where it was. I27."""

from __future__ import annotations

from core.engine.engine import Engine
from tools.world.audit.watch import Watch
from tools.world.workload import Workload


class Quotes(Watch):
    """At rest no quote stands whose last move was refused: the budgets have had their time."""

    def at_rest(self, engine: Engine, now_ns: int) -> None:
        strategy = engine.strategy
        if not isinstance(strategy, Workload):
            return
        alive = {order.client_id for order in self.ledger.alive()}
        for (instrument, side), client_id in strategy.immovable.items():
            if client_id in alive:
                where = f"{side.name.lower()} quote of instrument {instrument}"
                self.note("I27", f"{client_id}, the {where}, stands though it could not be moved")
