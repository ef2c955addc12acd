"""Faults of whole ways to the exchange, the same in both rings: one is shut, or both connections
end.

Nothing else strikes meanwhile: what is watched is which way our side takes, and how long it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core.model.units import NS_PER_S
from tools.world.anywhere import Anywhere, later_ns
from tools.world.dialect import MARKET, TRADE
from tools.world.strikes import Fault, Struck

WANTED_AFTER_NS: Final = NS_PER_S // 10
"""After a way was shut the operator wants everything out: by then our side may have noticed."""

CONNECTIONS: Final = (MARKET, TRADE)

ARRIVED_NS: Final = NS_PER_S
"""After which nothing is under way any more that another fault has spoiled."""

ANNOUNCED_NS: Final = 25 * NS_PER_S
"""Between the notice that a connection will end and its end."""


def trade_shut(w: Anywhere) -> Struck | None:
    """The trade connection is gone, and cannot be dialled for a while; REST works."""
    if not _all_up(w) or not w.auditor.ledger.alive():
        return None
    for_ns = _shut_ns(w)
    w.shut(TRADE, for_ns)
    return _want_all_out(w, for_ns)


def rest_shut(w: Anywhere) -> Struck | None:
    """REST cannot be reached for a while; the connections stand."""
    if not _all_up(w) or not w.auditor.ledger.alive():
        return None
    for_ns = _shut_ns(w)
    w.shut_rest(for_ns)
    return _want_all_out(w, for_ns)


def _shut_ns(w: Anywhere) -> int:
    """Return for how long a way is shut: longer than the other may need, at times minutes."""
    draw = w.draw.faults
    return later_ns(draw, 5_000, 15_000) if draw.random() < 0.9 else later_ns(draw, 90_000, 180_000)


def _all_up(w: Anywhere) -> bool:
    """Whether both connections have stood for long enough to know our side's orders."""
    up = all(connection in w.links and w.connection_up(connection) for connection in CONNECTIONS)
    return up and w.engine.recovery.reconciled and not w.engine.recovery.leaving


def _want_all_out(w: Anywhere, shut_ns: int) -> Struck:
    """Have the operator want every order of ours gone, and the auditor watch that they go."""
    boot, wanted = w.engine.setup.boot, w.auditor.wanted
    gone: list[bool] = []
    w.strikes.lull(shut_ns / NS_PER_S)

    def same() -> bool:
        return w.alive and w.engine.setup.boot == boot and not w.engine.recovery.leaving

    def say() -> None:
        if same():
            w.operate("cancel-all")
            wanted.out(w.now_ns)
            w.at(wanted.until_ns, look)
        else:
            gone.append(True)

    def look() -> None:
        if same() and w.now_ns < wanted.until_ns:
            w.at(wanted.until_ns, look)  # it was told meanwhile to cancel nothing for now
            return
        # During a ban no way is open.
        if same() and not w.auditor.connection.was_banned(wanted.said_ns):
            wanted.look()
        gone.append(True)

    w.at(w.now_ns + WANTED_AFTER_NS, say)
    return Struck(None, lambda: bool(gone), 15.0)


def both_end(w: Anywhere) -> Struck | None:
    """Both connections are told that they will end; for a while none can be dialled."""
    if not _all_up(w):
        return None
    boot, ended, replaced = w.engine.setup.boot, [False], [False]
    refused_ns = later_ns(w.draw.faults, 0, 8_000)
    w.strikes.lull((ARRIVED_NS + ANNOUNCED_NS) / NS_PER_S)

    def announce() -> None:
        if not (w.alive and w.engine.setup.boot == boot and _all_up(w)):
            ended[0] = True
            return
        before = {connection: w.links[connection] for connection in CONNECTIONS}
        for connection in CONNECTIONS:
            w.refuse_dials(connection, refused_ns)
            w.announce_end(connection)
        w.auditor.wanted.ends_within(CONNECTIONS, w.now_ns + ANNOUNCED_NS)
        w.at(w.now_ns + ANNOUNCED_NS, lambda: force(before))

    def force(before: Mapping[int, Any]) -> None:
        ended[0] = True
        if w.alive and w.engine.setup.boot == boot:
            replaced[0] = all(
                w.links.get(connection) not in (None, before[connection])
                for connection in CONNECTIONS
            )
            for connection in CONNECTIONS:
                if w.links.get(connection) is before[connection]:
                    w.cut(connection)

    def reacted() -> bool:
        over = not w.alive or w.engine.setup.boot != boot or w.engine.recovery.leaving
        return ended[0] and (replaced[0] or over)

    w.at(w.now_ns + ARRIVED_NS, announce)
    return Struck(None, reacted, 40.0)


FAULTS: Final = (
    Fault(63, "trade_shut", 0.4, trade_shut),
    Fault(63, "rest_shut", 0.2, rest_shut),
    Fault(64, "both_end", 0.15, both_end),
)
