"""The gate: whether anything may be placed, and that nothing stands on what is halted.

Here all that has to be true for trading comes together in one state of the session, and a halt,
whoever requests it, reaches the strategy and our orders. Which reject or loss is one too many is
for ``core.state.risk`` to say; cancels leave even while the gate is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.engine.callbacks import Callbacks
from core.engine.continuity import NOTED, Continuity
from core.engine.desk import TradingDesk
from core.engine.flatten import Flattening
from core.engine.outbound import Outbound
from core.engine.recovery import Recovery
from core.engine.resolution import Resolution
from core.engine.turn import Turn, Wanted
from core.model.halts import WHOLE_RUN, HaltKind
from core.model.instrument import InstrumentTable
from core.model.views import SessionState
from core.state.risk import Risk
from core.state.session import Session
from core.state.venue_clock import VenueClock


class Gate:
    """The gate of one run."""

    __slots__ = (
        "_callbacks",
        "_clock",
        "_continuity",
        "_desk",
        "_flattening",
        "_log",
        "_outbound",
        "_recovery",
        "_resolution",
        "_risk",
        "_sessions",
        "_stop",
        "_table",
        "_turn",
        "fatal",
        "private",
        "remote",
    )

    def __init__(
        self,
        *,
        private: bool,
        table: InstrumentTable,
        sessions: Sequence[Session],
        clock: VenueClock,
        risk: Risk,
        outbound: Outbound,
        turn: Turn,
        desk: TradingDesk,
        callbacks: Callbacks,
        resolution: Resolution,
        recovery: Recovery,
        continuity: Continuity,
        flattening: Flattening,
        stop: Callable[[str], None],
        log: Callable[[str], None],
    ) -> None:
        """``private`` says whether there are keys to trade with, ``stop`` requests that the run be
        left.
        """
        self.private = private
        self._table = table
        self._sessions = sessions
        self._clock = clock
        self._risk = risk
        self._outbound = outbound
        self._turn = turn
        self._desk = desk
        self._callbacks = callbacks
        self._resolution = resolution
        self._recovery = recovery
        self._continuity = continuity
        self._flattening = flattening
        self._stop = stop
        self._log = log
        self.fatal = ""
        """Why the run cannot go on, "" while it can."""
        self.remote = False
        """Whether that is the venue's doing: it has refused us for good."""

    # -- the state of the session --------------------------------------------------------------

    def refresh(self, *, leaving: bool = False) -> None:
        """Derive whether anything may be placed, and tell the strategy when that changes."""
        ready = self._all_ready()
        state = self._state(ready, leaving=leaving)
        desk = self._desk
        desk.way_open = ready and self.private
        desk.gate_open = state is SessionState.TRADING and self.private
        if state is not desk.session:
            desk.session = state
            self._log(f"session: {state}")
            self._turn.callbacks.append((self._callbacks.strategy.on_session, state, None))

    def _state(self, ready: bool, *, leaving: bool) -> SessionState:
        if leaving or self._recovery.leaving:
            return SessionState.LEAVING
        if self._risk.halted or self._flattening.wanted:
            return SessionState.HALTED
        if ready:
            return SessionState.TRADING
        if self._desk.session is SessionState.STARTING:
            return SessionState.STARTING
        return SessionState.INTERRUPTED

    def _all_ready(self) -> bool:
        needed = [s for s in self._sessions if self.private or s.connection.public]
        proved = (self._recovery.reconciled and self._continuity.noted) or not self.private
        return proved and self._clock.known and all(session.ready for session in needed)

    # -- halts ---------------------------------------------------------------------------------

    def obey(self, wanted: Wanted) -> None:
        """Carry out a halt that a component has requested."""
        why, kind, instrument, remote = wanted
        if kind is HaltKind.FATAL:
            self.fail(why, remote=remote)
        elif instrument == WHOLE_RUN:
            self.halt(why, kind)
        else:
            self.halt_instrument(instrument, why, kind)

    def halt(self, why: str, kind: HaltKind) -> None:
        """Stop placing, and take our orders out."""
        if self._risk.halt(why, kind):
            self._log(f"halted: {why}")
            self._outlives(kind)
        self._drop_unsent()
        self._turn.look_again()
        self.force_cancel_all()

    def fail(self, why: str, *, remote: bool = False) -> None:
        """The run cannot go on: stop placing, call the strategy no more, and have it left.

        ``remote`` says that the venue has refused us for good.
        """
        if not self.fatal:
            self.fatal = why
            self.remote = remote
            self._callbacks.silent = True
            self.halt(why, HaltKind.FATAL)
            self._stop(why)

    def halt_instrument(self, instrument: int, why: str, kind: HaltKind) -> None:
        """Stop placing on one instrument, and take our orders on it out."""
        if self._risk.halt_instrument(instrument, why, kind):
            self._log(f"{self._table[instrument].symbol} halted: {why}")
            self._outlives(kind)
            self._drop_unsent()
            self._desk.force_cancel(instrument)

    def _outlives(self, kind: HaltKind) -> None:
        """Have a halt noted that the next boot has to know of, however soon this one ends."""
        if kind in NOTED:
            self._turn.say()

    def force_cancel_all(self) -> None:
        """Cancel every order of ours, and go on until each is gone."""
        for instrument in range(len(self._table)):
            self._desk.force_cancel(instrument)

    def step(self) -> None:
        """Cancel what stands on what is halted, however late it was accepted or found."""
        for instrument in range(len(self._table)):
            if self._flattening.wanted or self._halted(instrument):
                self._desk.force_cancel(instrument, but=self._flattening.slice_of(instrument))
        self._desk.step()

    def _drop_unsent(self) -> None:
        """Keep from leaving what this turn has placed on what is halted by now."""
        halted = {index for index in range(len(self._table)) if self._halted(index)}
        for request in self._outbound.drop_unsent(halted):
            self._resolution.on_discarded(request, self._turn.now_ns)

    def _halted(self, instrument: int) -> bool:
        return bool(self._risk.halted or self._risk.instrument_halted(instrument))
