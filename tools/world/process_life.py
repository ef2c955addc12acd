"""One seed's life in the world ring: storm, calm, exit, replay; and what is told of it.

The phases are those of ``life``, lived through by a whole process. In addition every task and every
socket of a process that has left must be gone, and the journal is read back from its files.
"""

from __future__ import annotations

import hashlib
import math
import traceback
from collections.abc import Iterator
from typing import Final

import trio

from core.engine.replay import boots, replay
from core.io.journal_file import Reader, read, read_from
from core.model.units import NS_PER_S
from core.state.journal import Kind, Record
from tools.world.audit.watch import Breach
from tools.world.dialect import Dialect
from tools.world.idleness import simulated
from tools.world.life import (
    AFTER_S,
    FLOW_RATE,
    LAST_CALLS,
    LAST_EVENTS,
    QUIET_S,
    STEP_S,
    STORM_S,
    TOLD_TO_LEAVE,
    Life,
    calm_s,
    left_by_ns,
    not_left,
    restless,
)
from tools.world.of_binance import BINANCE
from tools.world.outside import Outside
from tools.world.process import application_of
from tools.world.process_faults import faults_of
from tools.world.scheduler import seeded
from tools.world.strikes import Fault, of_venue

FAIR_S: Final = (0.001, 0.3, 2.0, 2.0)
"""How long nothing strikes at first: half of the worlds trade by the time the storm begins."""


def live(
    seed: int,
    dialect: Dialect = BINANCE,
    faults: tuple[Fault, ...] = (),
    *,
    certain: bool = False,
) -> Life:
    """Live one seed through, with its own faults or these; ``certain`` has each take part."""
    world = Outside(seed, of_venue(faults or faults_of(seed), dialect), dialect, certain=certain)
    invariant = text = ""
    trace: list[str] = []
    records: list[Record] = []
    try:
        with seeded(f"{seed}:scheduler"), simulated():
            trio.run(_go_through, world, clock=world.agenda.trio_clock)
        records = _replay(world)
    except* Breach as found:
        breach = _first(found)
        invariant, text = breach.invariant, breach.text
        if breach.__cause__ is not None:
            trace = traceback.format_exception(breach.__cause__)[-LAST_CALLS:]
    finally:
        world.clean_up()
    return Life(
        seed=seed,
        simulated_s=(world.now_ns - world.variety.start_ns) / NS_PER_S,
        digest=_digest(world, records),
        injected=dict(world.strikes.injected),
        reacted=dict(world.strikes.reacted),
        settings={name: world.auditor.seen.matters(name) for name in world.variety.names},
        invariant=invariant,
        text=text,
        events=(*world.log_lines[-LAST_EVENTS:], *trace) if invariant else (),
    )


def _first(group: BaseExceptionGroup[Breach]) -> Breach:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Breach)  # noqa: S101  # by the except* above
    return error


async def _go_through(world: Outside) -> None:
    """Live through the phases in which the process runs. Raises ``Breach``, and nothing else."""
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.agenda.keep)
            world.begin()
            nursery.start_soon(world.keep_running)
            try:
                await _storm(world)
                await _calm(world)
                await _exit(world)
            finally:
                if world.process is not None and not world.process.over:
                    world.process.kill()
                    with trio.CancelScope(shield=True):
                        await world.process.gone()
                nursery.cancel_scope.cancel()
    except* Breach:
        raise
    except* Exception as error:
        raise Breach("I14", f"{_texts(error)}") from error


def _texts(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_texts(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"


async def _pass(world: Outside, seconds: float) -> None:
    """Let time pass; raise what was found meanwhile."""
    await trio.sleep(seconds)
    if world.auditor.breach is not None:
        raise world.auditor.breach


async def _storm(world: Outside) -> None:
    draw = world.draw.scheduler
    await _pass(world, draw.choice(FAIR_S))
    storm_s = draw.uniform(*STORM_S)
    world.strikes.watch()
    world.strikes.begin(storm_s)
    told_s = draw.uniform(0.1, storm_s) if draw.random() < TOLD_TO_LEAVE else math.inf
    while world.now_ns < world.strikes.until_ns:
        await _pass(world, STEP_S)
        told_s -= STEP_S
        if told_s <= 0 and not world.leaving:
            world.tell_to_leave("told to")


async def _calm(world: Outside) -> None:
    """Wait for rest, and hold it against the exchange's ledger while nothing moves."""
    world.calm_down()
    until_ns = world.now_ns + int(calm_s(world.dialect) * NS_PER_S)
    while True:
        await _settle(world, until_ns)
        if world.over():
            return
        world.flow_rate = 0.0
        await _pass(world, QUIET_S)
        if world.over():
            return
        # What only a next message can show, a lost last one, may show itself now.
        unrest = world.unrest() or world.auditor.books.behind(world.engine)
        if not unrest:
            break
        if world.now_ns > until_ns:
            raise restless(unrest, world.dialect)
    world.auditor.at_rest(world.engine, world.now_ns)
    if world.network.collected:
        world.auditor.note("I24", f"{world.network.collected} sockets were closed by nobody")
    await _pass(world, 0)


async def _settle(world: Outside, until_ns: int) -> None:
    """Wait until all is at rest, or the run is being left."""
    world.flow_rate = FLOW_RATE
    while True:
        await _pass(world, 0.1)
        if world.over():
            return
        world.quieten()
        unrest = world.unrest()
        if not unrest:
            return
        if world.now_ns > until_ns:
            raise restless(unrest, world.dialect)


async def _exit(world: Outside) -> None:
    world.flow_rate = 0.0
    until_ns = left_by_ns(world, world.can)
    while not world.ended:
        if world.alive and not world.over():
            world.tell_to_leave("the end")
        if world.now_ns > until_ns and world.auditor.ledger.doubled:
            return  # the exchange contradicts itself for good: the run ends without its proof
        if world.now_ns > until_ns:
            raise not_left(world)
        await _pass(world, 0.1)
    await _pass(world, AFTER_S)
    world.auditor.at_end(failed=bool(world.engine.gate.fatal))
    await _pass(world, 0)


def _replay(world: Outside) -> list[Record]:
    """I20: the same outputs come of the same inputs, boot by boot, read back from the files."""
    kept = []
    for header, journal in boots(_journaled(world)):
        records = list(journal)
        application = application_of(
            world.config_of(header.boot), header.boot, header.seeds["run"], world.setting.keys
        )
        tally = replay(records, application.engine)
        if tally.difference is not None:
            raise Breach("I20", f"boot {header.boot}: {tally.difference}")
        world.auditor.check_secrets(records, world.log_lines)
        kept += records
    world.check_files()
    if world.auditor.breach is not None:
        raise world.auditor.breach
    return kept


def _journaled(world: Outside) -> Iterator[Record]:
    """Return what all boots have journaled: of a folder with a hole in it what came after that."""
    begin = 0
    for whole, following in world.torn:
        yield from Reader(read_from(whole, begin)) if begin else read(whole)
        begin = following
    yield from Reader(read_from(world.folder, begin)) if begin else read(world.folder)


def _digest(world: Outside, records: list[Record]) -> str:
    """Return a digest of all that went in and out, in every boot, and of the log."""
    digest = hashlib.sha256()
    place = world.place.encode()  # another one in each run, and named where a disk refuses
    for record in records:
        if record.kind != Kind.HEADER:
            digest.update(b"%d %d %d " % (record.kind, record.connection, record.time_ns))
            digest.update(record.payload.replace(place, b""))
    for line in world.log_lines:
        digest.update(line.encode().replace(place, b""))
    return digest.hexdigest()
