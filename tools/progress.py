"""One line a second for whoever watches a run.

Here an engine's state becomes a line of text on stderr; it is only read, never changed. On a
terminal the line is renewed in place, elsewhere lines follow one another.
"""

from __future__ import annotations

import sys
from collections import Counter

from core.io.runtime import Runtime
from core.model.halts import WHOLE_RUN
from core.model.units import NS_PER_S, NS_PER_US
from core.model.wording import plain
from tools.terminal import why_unread, width


class Progress:
    """Shows a run's time, ticks, books, orders, fills, position, PnL and tick_to_trade.

    While the venue is not reached, or something is halted, it says why: once for as long as it is
    so.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._engine = runtime.engine
        self._hops = runtime.hops
        self._now_ns = runtime.now_ns
        self._began_ns = runtime.now_ns()
        self._end = "\r" if sys.stderr.isatty() else "\n"
        self._said: dict[str, str] = {}
        self._halted: dict[str, str] = {}
        self._unread = ""

    def show(self) -> None:
        """Write the line as of now, and what is new of what keeps us from trading."""
        troubles, halted = self._troubles(), self._halts()
        for name, how in troubles.items():
            if self._said.get(name) != how:
                self._say(f"{name} {how}")
        for name, why in halted.items():
            if self._halted.get(name) != why:
                self._say(f"{name} is halted: {plain(why)}")
        for name in self._halted:
            if name not in halted:
                self._say(f"{name} is no longer halted")
        self._said, self._halted = troubles, halted
        self._tell_log()
        line = self.line()
        if self._end == "\r":
            # A line that wraps could not be renewed in place.
            line = line[: width() - 1] + "\x1b[K"
        print(line, end=self._end, file=sys.stderr, flush=True)

    def _troubles(self) -> dict[str, str]:
        """Return what keeps us from the venue; a refusal for good is told when the run ends."""
        if self._engine.gate.fatal:
            return {}
        if self._runtime.troubles or len(self._engine.table):
            return dict(self._runtime.troubles)
        if self._runtime.heard:
            return {"the venue": "gives no answer to start with yet"}
        return {"the venue": "has not answered yet"}

    def _halts(self) -> dict[str, str]:
        """Return what is halted, and why; what ends the run is told when it ends."""
        engine = self._engine
        found: dict[str, list[str]] = {}
        for halt in () if engine.gate.fatal else engine.risk.halts():
            whole = halt.instrument == WHOLE_RUN
            name = "the run" if whole else engine.table[halt.instrument].symbol
            found.setdefault(name, []).append(halt.why)
        return {name: "; ".join(dict.fromkeys(whys)) for name, whys in found.items()}

    def _say(self, text: str) -> None:
        clear = "\x1b[K" if self._end == "\r" else ""
        print(f"hotloop: {text}{clear}", file=sys.stderr, flush=True)

    def _tell_log(self) -> None:
        """Note in the run's log when nobody reads any more what we write here."""
        unread = why_unread()
        if unread != self._unread:
            self._unread = unread
            self._runtime.log(unread or "the output is being read again")

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
            units = engine.executions.pnl(row.index)
            pnl = "?" if units is None else _rounded(row.contract.money(units))
            sign = "-" if lots < 0 else "+"
            position = f"{sign}{row.lot.text(abs(lots))}"
            halted = " halted" if row.symbol in self._halted else ""
            parts.append(f"{row.symbol}{halted} {position} profit {pnl} {row.settle}")
        return "  ".join(parts)


def _rounded(money: str) -> str:
    """Return an amount cut off after two decimals."""
    whole, point, fraction = money.partition(".")
    return f"{whole}{point}{fraction[:2]}"
