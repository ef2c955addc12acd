"""The engine with Kraken's adapter against the exchange's dialect: what worlds of it have shown."""

from __future__ import annotations

from tools.world.of_kraken import KRAKEN
from tools.world.tank import Delivery, Message, Tank
from venues.sim.kraken.pairs import SYMBOLS

MAKES = b'"exec_type":"trade"'

LOT = SYMBOLS[0].step_size


def test_a_fill_that_nobody_told_is_found_in_the_history_of_the_account() -> None:
    """A history names a pair by its key, ``XXBTZUSD``: that is to be the name it is known by."""
    tank = Tank(dialect=KRAKEN).run(3.0)
    lost: list[bytes] = []

    def keep_back(message: Message) -> list[Delivery]:
        told = b'"channel":"executions","type":"update"' in message.payload
        if message.line == 1 and (told or lost):
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
