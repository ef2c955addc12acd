"""The faults of the tank alone: frames, connections, journal and process of a world without tasks.

The functions are as in ``message_faults``; those that strike in both rings live there, in
``order_faults`` and in ``exchange_faults``. What has to hold throughout, whatever strikes, is the
auditor's business.
"""

from __future__ import annotations

from typing import Any, Final, cast

from core.engine.engine import Engine
from core.model.events import NO_REQUEST
from core.model.halts import HaltKind
from core.model.units import NS_PER_MS, NS_PER_S
from core.protocols.websocket import CLOSE
from tools.world import exchange_faults
from tools.world.anywhere import later_ns, logged, redialled, understood
from tools.world.dialect import MARKET, TRADE
from tools.world.everywhere import SHARED
from tools.world.strikes import Fault, Struck, by_number
from tools.world.tank import REDIAL_NS, Message, server_frame
from tools.world.variety import MIDNIGHT_NS
from tools.world.world import Change, World

# -- frames ----------------------------------------------------------------------------------


def tear(w: World, message: Message) -> Struck:
    data = server_frame(message.opcode, message.payload)
    draw = w.draw.faults
    if draw.random() < 0.1 and len(data) < 400:
        cuts = list(range(1, len(data)))
    else:
        cuts = sorted(draw.sample(range(1, len(data)), min(draw.randint(1, 4), len(data) - 1)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    pause_ns = draw.choice((0, 1_000, NS_PER_MS))
    return Struck([(pause_ns, piece) for piece in pieces], understood(w))


def cut_within_frame(w: World, message: Message) -> Struck:
    data = server_frame(message.opcode, message.payload)
    connection, link = message.connection, w.links.get(message.connection)
    kept = data[: w.draw.faults.randrange(1, len(data))]

    def cut() -> None:
        if w.alive and link is not None and w.links.get(connection) is link:
            w.cut(connection, "connection reset within a frame")

    w.at(w.now_ns + 3 * w.latency_ns + 5 * NS_PER_MS, cut)
    return Struck([(0, kept)], redialled(w, connection))


def burst(w: World) -> Struck | None:
    """Hold up one connection, then let everything through in one read."""
    connection = w.draw.faults.choice((MARKET, TRADE))
    link = w.links.get(connection)
    if link is None or link.clogged:
        return None
    w.clog(connection, later_ns(w.draw.faults, 20, 1500))
    before = w.engine.counts.messages
    return Struck(None, lambda: not link.clogged and w.engine.counts.messages > before)


# -- connections -----------------------------------------------------------------------------


def reset(w: World) -> Struck | None:
    connection = w.draw.faults.choice((MARKET, TRADE))
    if connection not in w.links:
        return None
    reaction = redialled(w, connection)
    w.cut(connection)
    return Struck(None, reaction)


def private_down(w: World) -> Struck | None:
    if TRADE not in w.links:
        return None
    interrupted, back = logged(w, "session: interrupted"), redialled(w, TRADE)
    was_so = not w.engine.recovery.reconciled
    w.closed_connections.add(TRADE)
    w.cut(TRADE)
    w.at(w.now_ns + later_ns(w.draw.faults, 200, 3000), lambda: w.closed_connections.discard(TRADE))
    return Struck(None, lambda: back() and (was_so or interrupted()), 15.0)


def shutdown(w: World) -> Struck | None:
    """The exchange says that it will go, and goes ten seconds later."""
    connection = w.draw.faults.choice((MARKET, TRADE))
    link = w.links.get(connection)
    if link is None:
        return None
    reaction = redialled(w, connection)
    link.session.announce_shutdown(w.venue_ns)

    def forced() -> None:
        if w.alive and w.links.get(connection) is link:
            w.cut(connection, "the exchange has shut down")

    w.at(w.now_ns + 10 * NS_PER_S, forced)
    return Struck(None, reaction)


def close_politely(w: World) -> Struck | None:
    connection = w.draw.faults.choice((MARKET, TRADE))
    if connection not in w.links:
        return None
    w.say_past(Message(connection, CLOSE, b"\x03\xe9"))
    return Struck(None, redialled(w, connection))


def throttle_handshake(w: World) -> Struck | None:
    """A connection is lost, and whoever dials it again is told that there were too many
    requests.
    """
    draw = w.draw.faults
    connection = draw.choice((MARKET, TRADE))
    if connection not in w.links:
        return None
    seconds, status = draw.randint(3, 9), draw.choice((418, 429))
    said, back = logged(w, "the venue takes no connection"), redialled(w, connection)
    w.closed_connections.add(connection)
    w.cut(connection)

    def refuse() -> None:
        w.closed_connections.discard(connection)
        w.auditor.connection.on_shut(w.now_ns + seconds * NS_PER_S)
        w.engine.on_answer(NO_REQUEST, status, {"retry-after": str(seconds)}, b"", w.now_ns)

    w.at_boot(REDIAL_NS, lambda: w.enter(refuse))
    w.strikes.last(seconds + 1.0)
    return Struck(None, lambda: said() and back(), seconds + 20.0)


# -- time, disk, process ---------------------------------------------------------------------


def stop_process(w: World) -> Struck | None:
    """The process is stopped for seconds, and goes on as if nothing had been."""
    if not w.runs or MARKET not in w.links:
        return None
    for_ns = later_ns(w.draw.faults, 1300, 8000)
    seconds = for_ns / NS_PER_S
    w.auditor.connection.on_stopped()
    w.stop_process(for_ns)
    w.old_until_ns = w.stopped_until_ns
    w.strikes.lull(seconds)
    w.strikes.last(seconds + 1.0)
    said, back = logged(w, "not running for"), redialled(w, MARKET)
    return Struck(None, lambda: said() and back(), seconds + 10.0)


def slow_strategy(w: World) -> Struck | None:
    """The strategy takes its time over one change of a book."""
    strategy: Any = w.engine.strategy
    if "on_book" in vars(strategy):
        return None
    slow_ns = later_ns(w.draw.faults, 30, 300)

    def on_book(*arguments: Any) -> None:
        if vars(strategy).pop("on_book", None) is not None:  # two books may change in one turn
            w.late_ns += slow_ns
        strategy.on_book(*arguments)

    strategy.on_book = on_book
    before = w.engine.counts.slow_turns
    return Struck(None, lambda: w.engine.counts.slow_turns > before)


def fill_disk(w: World) -> Struck | None:
    journal: Any = w.journal
    if journal.failing:
        return None
    journal.failing = True
    return Struck(None, lambda: bool(w.stopped))


TRADES_AGAIN_S: Final = 9.0
"""Virtual seconds after which the next boot has proved what this one left, and trades."""


def crash(w: World) -> Struck | None:
    """``kill -9`` between two steps; at times a power cut, which takes the journal's tail along."""
    draw = w.draw.disk
    boot = w.engine.setup.boot
    if boot > 3:
        return None
    if draw.random() < 0.7:
        down_ns = later_ns(draw, 1, 3000)
        w.crash(0, down_ns)
    else:
        down_ns = later_ns(draw, 8000, 9000)
        w.crash(draw.randint(1, 200), down_ns)
    if draw.random() < 0.5:
        w.strikes.last(down_ns / NS_PER_S + TRADES_AGAIN_S)
    return Struck(
        None,
        lambda: w.engine.setup.boot > boot and w.engine.recovery.reconciled_once,
        40.0,
    )


NEAR_MIDNIGHT_NS: Final = 3 * NS_PER_S // 2


def crash_near_midnight(w: World) -> Struck | None:
    """The same about midnight, once: what of the day before had been noted?"""
    near = abs(w.venue_ns - MIDNIGHT_NS) < NEAR_MIDNIGHT_NS
    if not near or "crash_near_midnight" in w.strikes.injected:
        return None
    return crash(w)


def _another(w: World, change: Change, *said: str) -> Struck | None:
    """Die, and start again with something changed; any of these is said then, or proved since."""
    boot, before = w.engine.setup.boot, len(w.all_log) + len(w.log_lines)
    if boot > 3:
        return None
    down_ns = later_ns(w.draw.disk, 1, 3000)
    w.crash(0, down_ns, change)
    w.strikes.last(down_ns / NS_PER_S + TRADES_AGAIN_S)

    def reacted() -> bool:
        since = [*w.all_log, *w.log_lines][before:]
        return any(text in line for line in since for text in said)

    return Struck(None, reacted, 40.0)


def leave_out(w: World) -> Struck | None:
    """The next boot's configuration names all symbols but one."""
    symbols = w.symbols
    if len(symbols) < 2 or not w.engine.recovery.reconciled_once:
        return None
    out = w.draw.faults.choice(symbols)
    rest = tuple(symbol for symbol in symbols if symbol != out)
    return _another(w, Change(symbols=rest), f"{out} halted: left out")


def tear_a_hole(w: World) -> Struck | None:
    """A power cut leaves a hole in the journal; whoever looks into it lets the run go on."""
    if not w.engine.recovery.reconciled_once:
        return None
    hole = Change(hole_records=w.draw.faults.randint(1, 40))

    def resume() -> None:
        if w.runs and "journal is damaged" in w.engine.risk.halted and not w.ended:
            w.word("resume")

    for seconds in range(10, 180, 5):
        w.at(w.now_ns + seconds * NS_PER_S, resume)
    return _another(w, hole, "the journal is damaged", "reconciled")


def set_the_clock_right(w: World) -> Struck | None:
    """The clock was an hour off until the process died."""
    ahead_ns = w.draw.faults.choice((-3600, 3600)) * NS_PER_S
    w.dialect.was_ahead(w.venue, ahead_ns)
    return _another(w, Change(clock_ns=ahead_ns), "did not leave in order: waiting")


EMPTY_S: Final = 6.0
"""How long it is waited for a moment in which nothing of ours is open or on its way."""


def begin_a_folder(w: World) -> Struck | None:
    """The next boot of the same account and strategy begins in a run folder in which nothing is.

    Fills of orders that the one before has left open were nobody's: the operator cancels all, and
    none is open then.
    """
    ledger = w.auditor.ledger
    if ledger.epoch or ledger.accepts_late or not w.engine.recovery.reconciled or w.folders:
        return None
    if not ledger.accepted.total():
        return None  # where nothing was placed there is nothing to be told from
    engine, until_ns = w.engine, w.now_ns + int(EMPTY_S * NS_PER_S)
    w.strikes.lull(EMPTY_S)

    def is_empty() -> bool:
        waits = any(w.auditor.exposure.travelling(symbol) for symbol in w.symbols)
        return not (waits or ledger.alive() or len(engine.resolution.retries))

    def look() -> None:
        if w.engine is not engine or not w.alive or w.ended or engine.recovery.leaving:
            return
        if is_empty():
            w.crash(0, later_ns(w.draw.disk, 1, 3_000), Change(new_folder=True))
            w.strikes.last(TRADES_AGAIN_S)
        elif w.now_ns < until_ns:
            w.at(w.now_ns + NS_PER_MS, look)
        else:
            w.word("set active true")

    w.word("set active false")
    w.word("cancel-all")
    look()
    return Struck(
        None,
        lambda: bool(w.folders) and w.engine is not engine and w.engine.recovery.reconciled_once,
        40.0,
    )


def start_in_vain(w: World) -> Struck | None:
    """Two boots in a row die before they have proved anything."""
    boot = w.engine.setup.boot
    if boot > 2 or not w.engine.recovery.reconciled_once:
        return None
    w.crash(0, NS_PER_MS)

    def again() -> None:
        if w.alive and not w.engine.recovery.reconciled_once:
            w.crash(0, NS_PER_MS)

    for ms in (20, 40):
        w.at(w.now_ns + ms * NS_PER_MS, again)
    w.strikes.last(TRADES_AGAIN_S)
    return Struck(
        None,
        lambda: w.engine.setup.boot > boot + 1 and w.engine.recovery.reconciled_once,
        40.0,
    )


HALTED_S: Final = 12.0
"""How long a run stays halted by what was said to the boot before it: it has proved what that
left by then, and would trade."""


def halt_in_vain(w: World) -> Struck | None:
    """The operator halts a boot that has proved nothing yet, which dies; he takes it back later."""
    first, journal = w.engine, cast(Any, w.journal)
    if first.setup.boot > 2 or not first.recovery.reconciled_once or journal.failing:
        return None
    told: list[Engine] = []
    w.strikes.lull(HALTED_S)
    w.strikes.last(HALTED_S + TRADES_AGAIN_S)
    w.crash(0, NS_PER_MS)

    def speak() -> None:
        if w.engine is not first and w.alive and not w.engine.recovery.reconciled_once:
            told.append(w.engine)
            w.word("halt the news")
            w.crash(0, NS_PER_MS)

    w.at(w.now_ns + w.draw.faults.choice((2, 20, 200)) * NS_PER_MS, speak)
    w.at(w.now_ns + int(HALTED_S * NS_PER_S), lambda: w.word("resume") if told else None)
    return Struck(
        None,
        lambda: bool(told) and w.engine is not told[0] and w.engine.risk.has(HaltKind.OPERATOR),
        HALTED_S,
    )


OWN: Final = (
    Fault(9, "frame_torn", 0.1, tear, ("frame",)),
    Fault(10, "burst", 0.5, burst),
    Fault(19, "reset", 0.3, reset),
    Fault(19, "reset_in_frame", 0.002, cut_within_frame, ("frame",)),
    Fault(20, "closed", 0.1, close_politely),
    Fault(23, "shutdown", 0.1, shutdown),
    Fault(43, "private_down", 0.1, private_down),
    Fault(39, "handshake_throttled", 0.05, throttle_handshake),
    Fault(47, "disk_full", 0.03, fill_disk),
    Fault(48, "crash", 0.4, crash),
    Fault(48, "crash_near_midnight", 1.0, crash_near_midnight),
    Fault(49, "slow_turn", 0.2, slow_strategy),
    Fault(51, "stopped", 0.05, stop_process),
    Fault(53, "left_out", 0.4, leave_out),
    Fault(53, "new_folder", 4.0, begin_a_folder, share=0.2),
    Fault(54, "in_vain", 0.05, start_in_vain),
    Fault(54, "halt_in_vain", 1.0, halt_in_vain, share=0.2),
    Fault(55, "hole", 0.1, tear_a_hole),
    Fault(56, "clock_was_off", 0.1, set_the_clock_right),
)

FAULTS: Final = (
    *by_number(*SHARED, OWN),
    exchange_faults.MISCHIEF,
)
"""All faults of the tank, with their chance at weight 1."""
