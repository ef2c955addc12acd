"""The state of a run, as one plain structure for people and programs.

Here an engine is read and nothing in it is changed; numbers become text in the instrument's own
units, because whoever reads this has no table of instruments.
"""

from __future__ import annotations

from typing import Any

from core.engine.engine import Engine
from core.model.halts import WHOLE_RUN, Halt
from core.model.instrument import Instrument, Trading
from core.model.units import ASSET_DECIMALS, format_decimal, plain
from core.model.views import SessionState
from core.model.wording import seconds_text
from core.state.hops import Figures
from core.state.orders import Order


def status(engine: Engine, figures: dict[str, Figures], now_ns: int) -> dict[str, Any]:
    """Return the state as of now; ``figures`` are the hops' latest."""
    return {
        "state": str(engine.desk.session),
        "halted": engine.risk.halted,
        "halts": [_halt(engine, halt) for halt in engine.risk.halts()],
        "flatten": _flatten(engine),
        "fatal": engine.gate.fatal,
        "time_ns": now_ns,
        "venue": engine.setup.venue,
        "strategy": engine.setup.strategy,
        "lines": {session.connection.name: str(session.phase) for session in engine.sessions},
        "clock_offset_ns": engine.clock.offset_ns,
        "books": [_book(engine, row, now_ns) for row in engine.table],
        "open_orders": [_order(engine.table[o.instrument], o) for o in engine.orders.open()],
        "unknown_orders": sum(o.state == "unknown" for o in engine.orders.open()),
        "orders_of_others": sum(engine.recovery.foreign_orders.values()),
        "orders_sent": engine.desk.sent,
        "fills": engine.counts.fills,
        "positions": [_position(engine, row) for row in engine.table],
        "day": engine.pnl.told(),
        "messages": engine.counts.messages,
        "errors": engine.counts.errors,
        "slow_turns": engine.counts.slow_turns,
        "slowest_turn_ns": engine.counts.slowest_turn_ns,
        "refusals": dict(engine.counts.refusals),
        "own_refusals": [
            {
                "symbol": engine.table[instrument].symbol,
                "reason": str(reason),
                "count": refused.times,
                "text": refused.text,
            }
            for (instrument, reason), refused in engine.desk.refusals.items()
        ],
        "hops": {
            name: {"count": each.count, "p50_ns": each.p50_ns, "p99_ns": each.p99_ns}
            for name, each in figures.items()
        },
    }


def _halt(engine: Engine, halt: Halt) -> dict[str, Any]:
    return {
        "symbol": None if halt.instrument == WHOLE_RUN else engine.table[halt.instrument].symbol,
        "kind": str(halt.kind),
        "why": halt.why,
        "resumable": halt.kind.resumable,
    }


def _flatten(engine: Engine) -> dict[str, Any] | None:
    """Return how far the operator's last ``flatten`` is; ``None`` where none was said."""
    flattening = engine.flattening
    if not (flattening.wanted or flattening.verdict):
        return None
    return {
        "under_way": flattening.wanted,
        "verdict": flattening.verdict,
        "flat": flattening.flat,
        "symbols": [flattening.text(leg) for leg in flattening.legs],
    }


def trading(engine: Engine, row: Instrument, now_ns: int) -> tuple[str, str]:
    """Return in a word whether an instrument may be traded now, and why not where it may not."""
    book, halted = engine.books[row.index], engine.risk.instrument_halted(row.index)
    age_ns = now_ns - book.fresh_ns
    if halted:
        return "halted", halted
    if row.trading is not Trading.OPEN:
        word = row.venue_status or row.trading
        return word.lower(), f"the venue has it in {word}"
    if engine.desk.session is not SessionState.TRADING:
        return str(engine.desk.session), engine.risk.halted
    if not book.live:
        return "no book", f"its book is {book.state}{f': {book.why}' if book.why else ''}"
    if age_ns > engine.risk.limits(row.index).max_book_age_ns:
        return "no book", f"its book was silent for {seconds_text(age_ns)}"
    return "trading", ""


def _book(engine: Engine, row: Instrument, now_ns: int) -> dict[str, Any]:
    book = engine.books[row.index]
    word, why_not = trading(engine, row, now_ns)
    found: dict[str, Any] = {
        "symbol": row.symbol,
        "state": str(book.state),
        "why": book.why,
        "age_ms": (now_ns - book.fresh_ns) // 1_000_000,
        "halted": engine.risk.instrument_halted(row.index),
        "venue_status": row.venue_status or str(row.trading),
        "trading": word,
        "why_not": why_not,
    }
    if book.live:
        found["bid"] = row.tick.text(book.bid_ticks) if book.bid_lots else None
        found["ask"] = row.tick.text(book.ask_ticks) if book.ask_lots else None
    return found


def _order(row: Instrument, order: Order) -> dict[str, Any]:
    return {
        "symbol": row.symbol,
        "client_order_id": order.client_order_id,
        "state": str(order.state),
        "side": order.side.name,
        "price": row.tick.text(order.price_ticks),
        "size": row.lot.text(order.size_lots),
        "filled": row.lot.text(order.filled_lots),
    }


def _position(engine: Engine, row: Instrument) -> dict[str, Any]:
    position = engine.positions[row.index]
    pnl = engine.executions.pnl(row.index)
    size = row.lot.text(abs(position.lots))
    return {
        "symbol": row.symbol,
        "position": f"-{size}" if position.lots < 0 else size,
        "fees": {
            asset: plain(format_decimal(count, ASSET_DECIMALS))
            for asset, count in position.fees_atoms.items()
        },
        "funding": plain(format_decimal(position.funding_atoms, ASSET_DECIMALS)),
        "settled": row.lot.text(position.settled_lots),
        "bought": row.lot.text(position.bought_lots),
        "sold": row.lot.text(position.sold_lots),
        "profit": None if pnl is None else row.contract.money(pnl),
        "quote": row.settle,
    }
