"""A strategy tried on the market as it is, behind a port that is closed: what would it place?

Here a whole engine is made of a configuration, shown the instruments and one image of each book,
and told that it may trade. What the strategy does in its first look is judged by the run's own
limits and by the venue's filters; nothing of it leaves this process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.engine.replay import ClosedPort, Untimed
from core.model.events import Bbo, BookDelta, BookSnapshot, InstrumentsReport
from core.model.views import RefusalReason, SessionState
from core.state.journal import MemoryJournal
from core.state.orders import Order
from tools.app import Application


class Trial:
    """One strategy in front of one market."""

    def __init__(self, application: Application, report: InstrumentsReport, now_ns: int) -> None:
        """Start the strategy on the instruments; ``broken`` says whether it raised."""
        self.engine = application.engine(ClosedPort(), lambda: 0, MemoryJournal(), Untimed())
        self.engine.turn.now_ns = self.engine.desk.now_ns = now_ns
        self.engine.on_instruments(report)

    @property
    def broken(self) -> str:
        """Why the strategy is called no more, "" while it is."""
        return self.engine.gate.fatal

    @property
    def traceback(self) -> str:
        return self.engine.callbacks.traceback

    def look(self, books: Iterable[BookSnapshot], balances: Mapping[str, int]) -> None:
        """Show the strategy the books and balances (free, in atoms), and let it act once."""
        engine = self.engine
        now_ns = engine.desk.now_ns
        for connection in range(len(engine.sessions)):
            engine.on_up(connection, now_ns)
        engine.balances.update(balances)
        for snapshot in books:
            self._prove(snapshot)
        desk = engine.desk
        desk.session = SessionState.TRADING
        desk.gate_open = desk.way_open = True
        engine.turn.callbacks.append((engine.strategy.on_session, desk.session, None))
        engine.tell(0)

    def _prove(self, snapshot: BookSnapshot) -> None:
        """Have a book proved by one image, with the change that a feed would have brought."""
        book = self.engine.books[snapshot.instrument]
        book.begin()
        bid = max(((ticks, lots) for ticks, lots in snapshot.bids if lots), default=(0, 0))
        ask = min(((ticks, lots) for ticks, lots in snapshot.asks if lots), default=(0, 0))
        at, seq = snapshot.instrument, snapshot.seq
        if book.with_depth:
            book.apply_delta(BookDelta(at, seq, seq, [], [], self.engine.desk.now_ns))
            book.apply_snapshot(snapshot)
        else:
            book.apply_bbo(Bbo(at, seq, *bid, *ask))
        book.fresh_ns = self.engine.desk.now_ns
        self.engine.turn.changed[at] = book

    def orders(self, instrument: int) -> list[Order]:
        """Return what the strategy has placed."""
        return list(self.engine.orders.exposure(instrument).orders.values())

    def refusals(self, instrument: int) -> dict[RefusalReason, str]:
        """Return what was refused before it would have left, with the newest text of each."""
        return {
            reason: refused.text
            for (index, reason), refused in self.engine.desk.refusals.items()
            if index == instrument
        }
