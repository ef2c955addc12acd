"""One line a second for whoever watches a run.

Here an engine's state becomes a line of text on stderr; it is only read, never changed. On a
terminal the line is renewed in place, elsewhere lines follow one another.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable

from core.engine import Engine
from core.hops import Hops
from core.units import NS_PER_S, NS_PER_US


class Progress:
    """Shows a run's time, ticks, books, orders, fills, position, profit and tick_to_trade."""

    def __init__(self, engine: Engine, hops: Hops, now_ns: Callable[[], int]) -> None:
        self._engine = engine
        self._hops = hops
        self._now_ns = now_ns
        self._began_ns = now_ns()
        self._end = "\r" if sys.stderr.isatty() else "\n"

    def show(self) -> None:
        """Write the line as of now."""
        line = self.line()
        if self._end == "\r":
            # A line that wraps could not be renewed in place.
            line = line[: shutil.get_terminal_size().columns - 1] + "\x1b[K"
        print(line, end=self._end, file=sys.stderr, flush=True)

    def line(self) -> str:
        """Return the line as of now."""
        engine = self._engine
        seconds = (self._now_ns() - self._began_ns) // NS_PER_S
        if engine.flattening.wanted:
            return f"{seconds:4d} s {engine.desk.session}  flatten: {engine.flattening.progress()}"
        states = Counter(str(book.state) for book in engine.books)
        books = ", ".join(f"{count} {state}" for state, count in states.items()) or "none"
        figures = self._hops.snapshot().get("tick_to_trade")
        latency = (
            f"tick_to_trade p50 {figures.p50_ns / NS_PER_US:.0f} p99 "
            f"{figures.p99_ns / NS_PER_US:.0f} us"
            if figures
            else "tick_to_trade -"
        )
        return (
            f"{seconds:4d} s {engine.desk.session}  {latency}  ticks {engine.counts.messages}  "
            f"books {books}  orders {len(engine.orders)} open / {engine.desk.sent}  "
            f"fills {engine.counts.fills}  {self._positions()}"
        )

    def _positions(self) -> str:
        engine = self._engine
        parts = []
        for row in engine.table:
            lots = engine.positions[row.index].lots
            units = engine.executions.profit(row.index)
            profit = "?" if units is None else _rounded(row.money(units))
            sign = "-" if lots < 0 else "+"
            position = f"{sign}{row.lot.text(abs(lots))}"
            parts.append(f"{row.symbol} {position} profit {profit} {row.quote}")
        return "  ".join(parts)


def _rounded(money: str) -> str:
    """Return an amount cut off after two decimals."""
    whole, point, fraction = money.partition(".")
    return f"{whole}{point}{fraction[:2]}"
