"""One seed's life: storm, calm, exit, replay; and what is told of it.

In the storm faults strike and only what must never happen is checked. In the calm nothing strikes
any more and everything has to come to rest within a bounded time. Then the run is left, nothing of
ours may be alive at the exchange, and every boot's journal is replayed.
"""

from __future__ import annotations

import hashlib
import math
import traceback
from typing import Final

from msgspec import Struct

from core.engine.outbound import REPLY_NS
from core.engine.replay import replay
from core.engine.resolution import APART_NS, SKEW_NS
from core.model.config import SessionSection
from core.model.units import NS_PER_S
from core.model.venue import Capabilities
from tools.world import drills, kraken_drills
from tools.world.anywhere import Anywhere
from tools.world.audit.watch import Breach
from tools.world.dialect import Dialect
from tools.world.faults import FAULTS
from tools.world.of_binance import BINANCE
from tools.world.of_kraken import KRAKEN
from tools.world.strikes import of_venue
from tools.world.world import World

STORM_S: Final = (1.0, 4.0)
STEP_S: Final = 0.05

TOLD_TO_LEAVE: Final = 0.2
"""Share of the worlds that are told to leave in the middle of the storm."""

CALM_S: Final = 150.0
"""Within which all must be at rest: two periods of reconciliation, and a doubt asked last."""


def calm_s(dialect: Dialect) -> float:
    """Return within which time all is at rest at a venue."""
    return CALM_S + dialect.proof_more_s


FLOW_RATE: Final = 10.0
"""How busy the order flow is while the rest is awaited: events a second."""

QUIET_S: Final = 0.5

AFTER_S: Final = 9.0
"""Beyond the expiry of anything that was still under way when the run was left."""


def exit_s(can: Capabilities) -> float:
    """Return within which time a run is left, whatever it is in doubt about and however often it is
    started again: what was sent last can be proved gone after as long as that, but for a request
    that gets no reply.
    """
    window_s = SessionSection().request_expiry_ms / 1_000
    return window_s + (can.execution_ns + can.lag_ns + SKEW_NS + APART_NS + REPLY_NS) / NS_PER_S


def left_by_ns(world: Anywhere, can: Capabilities) -> int:
    """Return by when a run is left that begins to leave now: whom the venue has told to ask for
    nothing proves nothing before that is over.
    """
    asks_from_ns = max(world.now_ns, world.auditor.connection.slow_until_ns)
    return asks_from_ns + int((exit_s(can) + world.dialect.proof_more_s) * NS_PER_S)


def not_left(world: Anywhere) -> Breach:
    """Return what is broken where a run is not left by then."""
    alive = [repr(order) for order in world.engine.orders.unsettled()]
    return Breach("I19", f"not left in time; ours: {alive}")


LAST_EVENTS: Final = 25
LAST_CALLS: Final = 4


class Life(Struct, frozen=True, kw_only=True):
    """What became of one seed."""

    seed: int
    simulated_s: float
    digest: str
    injected: dict[str, int]
    reacted: dict[str, int]
    settings: dict[str, bool]
    """What was not as usual, and whether that was seen to matter."""
    invariant: str = ""
    text: str = ""
    events: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return bool(self.invariant)


def live(seed: int, dialect: Dialect = BINANCE) -> Life:
    """Live one seed through."""
    world = World(seed, of_venue(FAULTS, dialect), dialect)
    invariant = text = ""
    trace: list[str] = []
    try:
        _go_through(world)
    except Breach as breach:
        invariant, text = breach.invariant, breach.text
        if breach.__cause__ is not None:
            trace = traceback.format_exception(breach.__cause__)[-LAST_CALLS:]
    return Life(
        seed=seed,
        simulated_s=(world.now_ns - world.start_ns) / NS_PER_S,
        digest=_digest(world),
        injected=dict(world.strikes.injected),
        reacted=dict(world.strikes.reacted),
        settings={name: world.auditor.seen.matters(name) for name in world.variety.names},
        invariant=invariant,
        text=text,
        events=(*(world.all_log + world.log_lines)[-LAST_EVENTS:], *trace) if invariant else (),
    )


def _go_through(world: World) -> None:
    """Live through all phases. Raises ``Breach``, and nothing else."""
    try:
        _storm(world)
        _calm(world)
        _drill(world)
        _exit(world)
        _replay(world)
    except Breach:
        raise
    except Exception as error:
        raise Breach("I14", f"{type(error).__name__}: {error}") from error


def _storm(world: World) -> None:
    draw = world.draw.scheduler
    world.run(draw.choice((0.0, 0.0, 0.3)))
    storm_s = draw.uniform(*STORM_S)
    world.strikes.begin(storm_s)
    told_s = draw.uniform(0.1, storm_s) if draw.random() < TOLD_TO_LEAVE else math.inf
    while world.now_ns < world.strikes.until_ns:
        world.run(STEP_S)
        told_s -= STEP_S
        why = world.stopped or ("told to" if told_s <= 0 else "")
        if why and world.runs and not world.engine.recovery.leaving:
            world.leave_soon(why)


def _calm(world: World) -> None:
    """Wait for rest, and hold it against the exchange's ledger while nothing moves."""
    world.calm_down()
    until_ns = world.now_ns + int(calm_s(world.dialect) * NS_PER_S)
    while True:
        _settle(world, until_ns)
        if world.ended or world.engine.recovery.leaving:
            return
        world.flow_rate = 0.0
        world.run(QUIET_S)
        # What only a next message can show, a lost last one, may show itself now.
        unrest = world.auditor.rest.unrest(world.engine) or world.auditor.books.behind(world.engine)
        if not unrest:
            break
        if world.now_ns > until_ns:
            raise restless(unrest, world.dialect)
    world.auditor.at_rest(world.engine, world.now_ns)
    world.run(0)


def _drill(world: World) -> None:
    """Trade in peace, and hold the drills of this world."""
    if world.over():
        return
    own = kraken_drills.DRILLS if world.dialect is KRAKEN else ()
    for seconds in drills.hold(world, drills.drawn(world.draw, own)):
        world.run(seconds)
    if not world.over():
        _calm(world)


def _settle(world: World, until_ns: int) -> None:
    """Run until all is at rest, or the run is being left."""
    world.open_flow(FLOW_RATE)
    while True:
        world.run(0.1)
        if world.ended:
            return
        if not world.alive:
            unrest = "I22: the process is down"
        else:
            if world.stopped and not world.engine.recovery.leaving:
                world.leave_soon(world.stopped)
            if world.engine.recovery.leaving:
                return
            if world.application.strategy.parameters.active:
                world.engine.on_control(b"set active false", world.now_ns)
            unrest = world.auditor.rest.unrest(world.engine)
            if not unrest:
                return
        if world.now_ns > until_ns:
            raise restless(unrest, world.dialect)


def restless(unrest: str, dialect: Dialect) -> Breach:
    """Return what is broken where something has not come to rest."""
    invariant, _, what = unrest.partition(": ")
    return Breach(invariant, f"no rest within {calm_s(dialect):g} s: {what}")


def _exit(world: World) -> None:
    for seconds in drills.leave(world):
        world.run(seconds)
    world.flow_rate = 0.0
    if not (world.ended or world.engine.recovery.leaving):
        world.leave_soon("the end")
    until_ns = left_by_ns(world, world.application.adapter.capabilities)
    while not world.ended:
        if world.now_ns > until_ns and world.auditor.ledger.doubled:
            return  # the exchange contradicts itself for good: the run ends without its proof
        if world.now_ns > until_ns:
            raise not_left(world)
        world.run(0.1)
    world.run(AFTER_S)
    world.auditor.at_end(failed=bool(world.engine.gate.fatal))
    world.run(0)


def _replay(world: World) -> None:
    """I20: the same outputs come of the same inputs, boot by boot."""
    for boot, records in world.boots:
        application = world.application_of(boot)
        tally = replay(records, application.engine)
        if tally.difference is not None:
            raise Breach("I20", f"boot {boot}: {tally.difference}")
        world.auditor.check_secrets(records, (*world.all_log, *world.log_lines))
    world.run(0)


def _digest(world: World) -> str:
    """Return a digest of all that went in and out, in every boot, and of the log."""
    digest = hashlib.sha256()
    for _, records in world.boots:
        for record in records:
            digest.update(b"%d %d %d " % (record.kind, record.connection, record.time_ns))
            digest.update(record.payload)
    for line in (*world.all_log, *world.log_lines):
        digest.update(line.encode())
    return digest.hexdigest()
