"""The operator's words: halt, resume, cancel all, flatten, set a parameter.

Here a word that came in by the control socket, and is in the journal already, is carried out.
Whether it is one at all was checked by who took it in; none of them raises a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from core.callbacks import Callbacks
from core.flatten import Flattening
from core.gate import Gate
from core.halts import WHOLE_RUN, HaltKind
from core.instrument import InstrumentTable
from core.risk import Risk


class Operator:
    """Who steers a run while it trades."""

    def __init__(
        self,
        *,
        table: InstrumentTable,
        risk: Risk,
        gate: Gate,
        flattening: Flattening,
        callbacks: Callbacks,
        parameters_with: Callable[[Struct, str, str], Struct],
        log: Callable[[str], None],
    ) -> None:
        """``parameters_with`` returns parameters of a strategy with one replaced: key, value."""
        self._table = table
        self._risk = risk
        self._gate = gate
        self._flattening = flattening
        self._callbacks = callbacks
        self._parameters_with = parameters_with
        self._log = log
        self.words: Mapping[str, Callable[[str], None]] = {
            "halt": self._halt,
            "resume": self._resume,
            "cancel-all": self._cancel_all,
            "flatten": self._flatten,
            "set": self._set,
        }
        """What to call with the rest of the line, by its first word."""

    def _halt(self, why: str) -> None:
        why = f"halted by the operator: {why}" if why else "halted by the operator"
        self._risk.halt(why, HaltKind.OPERATOR)
        self._gate.refresh()
        self._gate.take_everything_out()

    def _resume(self, _: str) -> None:
        for halt in self._risk.resume():
            where = (
                "" if halt.instrument == WHOLE_RUN else f"{self._table[halt.instrument].symbol} "
            )
            self._log(f"{where}stays halted: {halt.why}")
        self._gate.refresh()

    def _cancel_all(self, _: str) -> None:
        self._log("the operator cancels all our orders")
        self._gate.take_everything_out()

    def _flatten(self, _: str) -> None:
        self._log("the operator flattens: no more placing by the strategy, orders out, then flat")
        self._flattening.begin(len(self._table))
        self._gate.refresh()
        self._gate.take_everything_out()

    def _set(self, text: str) -> None:
        """Change a parameter of the strategy; the value was checked by who took it in."""
        key, _, value = text.partition(" ")
        strategy = self._callbacks.strategy
        strategy.parameters = self._parameters_with(strategy.parameters, key, value)
        self._log(f"parameter {key} = {value}")
        self._callbacks.call(strategy.on_parameters)
