"""Death between any two steps: whatever was under way, the next boot ends with the venue's truth.

A short run is repeated, and killed at every single record of its journal: just before the record
is written (all that came before has left the process) and just after (what it announces has not).
Then the next boot starts from what the journal's prefix holds. Meanwhile the exchange lives on:
what was sent arrives, others trade with what we left, and somebody may cancel that: a guardian, or
a person at the venue's own site. ``HYPOTHESIS_PROFILE=long`` also kills the boot that recovers, at
every record of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain

import pytest

from core.engine.checkpoint import Notes, Restored
from core.model.commands import TimeInForce
from core.model.events import Side
from core.model.views import OrderState, SessionState
from core.state.journal import INPUTS, Kind, Record
from core.state.orders import Order
from tests.world.test_recovery import TRADE, World
from venues.sim.matching import BUY
from venues.sim.server import DEFAULT_KEY

SYMBOL = "BTCUSDT"
LOT_UNITS = 1_000
"""Units of 1e-8 in a lot."""

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"

Boots = list[list[Record]]
Death = tuple[int, bool]
"""How many records are written before a boot dies, and whether the last of them took effect."""


class Killed(BaseException):
    """The process is gone; nothing may catch it."""


class Doomed(list[Record]):
    """The records of a boot that will die."""

    def __init__(self, death: Death, records: Iterable[Record] = ()) -> None:
        super().__init__(records)
        self.last, self.acts = death

    def append(self, record: Record) -> None:
        if self.acts and len(self) == self.last:
            raise Killed
        super().append(record)
        if not self.acts and len(self) == self.last:
            raise Killed


NEVER: Death = (10**9, True)


def born(death: Death) -> World:
    w = World()
    w.make_market()
    w.journal.records = Doomed(death)
    return w


def story(w: World) -> None:
    """Trade: fills, a replace that a fill crosses, an amend, a cancel, a lost connection."""
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    w.other("BUY", "64000.00", "1")  # a first change, for the snapshot to bridge
    w.run(0.01)
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(0.01)
    w.engine.write()
    resting = w.buy(6_499_500, 1_000)
    w.run(0.01)
    w.other("SELL", "64995.00", "0.003")
    w.run(0.01)
    w.other("SELL", "64995.00", "0.002")  # crosses the replace
    moved = w.desk.replace(resting, 6_499_600, 800)
    w.flush()
    w.run(0.01)
    assert isinstance(moved, Order)
    w.desk.replace(moved, 6_499_600, 300)
    w.flush()
    offer = w._place(Side.SELL, 6_500_500, 400)
    assert isinstance(offer, Order)
    w.run(0.01)
    w.other("BUY", "65005.00", "0.001")
    w.cancel(offer)
    w.run(0.01)
    w.buy(6_499_000, 700)
    w.run(0.0005)
    w.cut(TRADE)  # neither reply nor report of it are heard before it is asked for
    w.other("SELL", "64990.00", "0.004")
    w.run(0.3)


def others_trade(w: World) -> None:
    w.other("SELL", "64985.00", "0.004")


def somebody_cancels(w: World) -> None:
    """All that is ours is taken out, and with it the names under which we knew it."""
    for order in w.ledger.open_orders(SYMBOL):
        number = str(order.order_id)
        w.request("order.cancel", {"symbol": SYMBOL, "orderId": number}, key=DEFAULT_KEY)


def nothing_happens(w: World) -> None:
    pass


Downtime = Callable[[World], None]
DOWNTIMES: list[Downtime] = [others_trade, somebody_cancels, nothing_happens]


def restored(boots: Boots) -> Restored | None:
    """What ``core.io.last_boot`` finds in the journal of these boots, none of which has left."""
    notes = Notes()
    for boot, records in enumerate(boots, 1):
        notes.begin(boot)
        for record in records:
            notes.read(record)
    return notes.restored()


def lives_and_dies(downtime: Downtime, death: Death, *later: Death) -> tuple[World, Boots]:
    """Let a boot die, and those that follow it; return the world of the next, trading."""
    w, boots = born(death), []
    with suppress(Killed):
        story(w)
    boots.append(list(w.journal.records))
    for next_death in (*later, NEVER):
        w.die()
        w.run(0.002)
        downtime(w)
        w.run(0.05)
        w.reboot(restored(boots))
        w.desk = w.engine.desk
        w.journal.records = Doomed(next_death, w.journal.records)
        with suppress(Killed):
            recover(w)
        boots.append(list(w.journal.records))
    return w, boots


def recover(w: World) -> None:
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    for price in ("64000.00", "64001.00"):  # changes, for the snapshot to bridge
        w.other("BUY", price, "0.01")
        w.run(0.15)


def owned_lots(w: World) -> int:
    """The position by the exchange's own ledger."""
    orders = w.ledger.orders(SYMBOL)
    return sum(o.executed if o.side is BUY else -o.executed for o in orders) // LOT_UNITS


def check(w: World, boots: Boots) -> None:
    """Compare the boot that lives with the exchange, then have it trade once more, and leave."""
    engine = w.engine
    assert engine.positions[0].lots == owned_lots(w)
    if any(order.state is OrderState.UNKNOWN for order in engine.orders.open()):
        w.run(90)  # it was sent and never arrived: what proves that takes its time
        w.other("BUY", "64002.00", "0.01")  # the book was quiet for as long
        w.run(0.15)
    assert len(engine.orders) == 0, list(engine.orders.unsettled())
    exposure = engine.orders.exposure(0)
    assert (exposure.open_buy_lots, exposure.open_sell_lots, exposure.open_orders) == (0, 0, 0)
    assert engine.orders.unclaimed() == []
    assert w.ledger.open_orders(SYMBOL) == []
    journaled = b"".join(r.payload for r in chain(*boots) if r.kind not in INPUTS)
    for order in w.ledger.orders(SYMBOL):
        assert order.names[0].encode() in journaled, "its bytes left before it was journaled"
    w.buy()
    w.run(0.01)
    assert len(w.ledger.open_orders(SYMBOL)) == 1
    w.leave()
    assert w.ledger.open_orders(SYMBOL) == []
    names = [order.names[0] for order in w.ledger.orders(SYMBOL)]
    assert len(names) == len(set(names)), "an id was used twice"
    assert engine.positions[0].lots == owned_lots(w)


def length(run: Callable[[World], None]) -> int:
    w = born(NEVER)
    run(w)
    return len(w.journal.records)


def deaths(records: int) -> Iterator[Death]:
    for count in range(records + 1):
        yield count, True
        if count:
            yield count, False


def survive(downtime: Downtime, *each: Death) -> None:
    try:
        w, boots = lives_and_dies(downtime, *each)
        check(w, boots)
    except (AssertionError, TimeoutError) as error:
        raise AssertionError(f"after {downtime.__name__}, died at {each}") from error


def test_the_story_has_all_that_a_crash_can_hit():
    w = born(NEVER)
    story(w)
    kinds = {record.kind for record in w.journal.records}
    assert {Kind.BYTES, Kind.UP, Kind.DOWN, Kind.ANSWER, Kind.DUE, Kind.SEND, Kind.ASK} <= kinds
    assert len(w.ledger.orders(SYMBOL)) == 5
    assert owned_lots(w) > 500


@pytest.mark.parametrize("downtime", DOWNTIMES)
def test_a_boot_goes_on_rightly_from_a_death_at_every_record(downtime: Downtime):
    every = list(deaths(length(story)))
    assert len(every) > 150
    for death in every:
        survive(downtime, death)


@pytest.mark.parametrize("downtime", DOWNTIMES)
def test_a_recovery_that_dies_itself_is_recovered_from(downtime: Downtime):
    every = list(deaths(length(story)))
    firsts = every if LONG else every[-40 + DOWNTIMES.index(downtime) :: 13]
    for first in firsts:
        _, boots = lives_and_dies(downtime, first)
        seconds = list(deaths(len(boots[1])))[3:]
        for second in seconds[:: 7 if LONG else 29]:
            survive(downtime, first, second)
