"""The operator's words: halt, resume, cancel, flatten, set a parameter, give up an order.

Here a word that came in by the control socket, and is in the journal already, is carried out.
Whether it is one at all was checked by who took it in; none of them raises a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from core.engine.account import Account
from core.engine.callbacks import Callbacks
from core.engine.desk import TradingDesk
from core.engine.flatten import Flattening
from core.engine.gate import Gate
from core.engine.resolution import Resolution
from core.model.halts import WHOLE_RUN, Halt, HaltKind
from core.model.instrument import InstrumentTable
from core.model.views import OrderState, SessionState
from core.model.wording import count_text, listed, order_text
from core.state.orders import Orders
from core.state.risk import Risk


class Operator:
    """Who steers a run while it trades."""

    def __init__(
        self,
        *,
        table: InstrumentTable,
        orders: Orders,
        desk: TradingDesk,
        risk: Risk,
        gate: Gate,
        flattening: Flattening,
        account: Account,
        resolution: Resolution,
        callbacks: Callbacks,
        parameters_with: Callable[[Struct, str, str], Struct],
        log: Callable[[str], None],
    ) -> None:
        """``parameters_with`` returns parameters of a strategy with one replaced: key, value."""
        self._table = table
        self._orders = orders
        self._desk = desk
        self._risk = risk
        self._gate = gate
        self._flattening = flattening
        self._account = account
        self._resolution = resolution
        self._callbacks = callbacks
        self._parameters_with = parameters_with
        self._log = log
        self.words: Mapping[str, Callable[[str], str]] = {
            "halt": self._halt,
            "resume": self._resume,
            "cancel-all": self._cancel_all,
            "cancel-account": self._cancel_account,
            "flatten": self._flatten,
            "set": self._set,
            "absent": self._absent,
        }
        """What to call with the rest of the line, by its first word; it returns what became of it,
        for whoever has said it."""

    def _halt(self, why: str) -> str:
        why = f"halted by the operator: {why}" if why else "halted by the operator"
        self._flattening.stop(why)
        self._risk.halt(why, HaltKind.OPERATOR)
        self._gate.refresh()
        self._gate.force_cancel_all()
        return f"nothing more is placed; {self._cancels()}"

    def _resume(self, _: str) -> str:
        if self._desk.session is SessionState.LEAVING:
            return "nothing is placed any more: the run is being left"
        self._flattening.stop("resumed by the operator")
        disputed = self._account.in_dispute
        staying = self._risk.resume()
        self._account.on_resume(was_in_dispute=disputed)
        self._gate.refresh()
        for halt in staying:
            self._log(f"{self._where(halt)} stays halted: {halt.why}")
        whole = [halt.why for halt in staying if halt.instrument == WHOLE_RUN]
        if whole:
            return f"nothing may be placed: the run stays halted: {'; '.join(whole)}"
        alone = [f"{self._where(halt)} stays halted: {halt.why}" for halt in staying]
        halted = {halt.instrument for halt in staying}
        free = [row.symbol for row in self._table if row.index not in halted]
        if not free and alone:
            return f"nothing may be placed: {'; '.join(alone)}"
        said = f"{', '.join(free) or 'every symbol'} may be traded"
        if self._desk.session is not SessionState.TRADING:
            said = f"{said} once the run is ready; it is {self._desk.session}"
        return "; ".join([said, *alone])

    def _cancel_all(self, _: str) -> str:
        self._log("the operator cancels all our orders")
        self._gate.force_cancel_all()
        return self._cancels()

    def _cancel_account(self, _: str) -> str:
        if not self._gate.private:
            return "nothing can be cancelled: this run has no keys"
        self._log("the operator cancels every order of the account, others' too")
        refusal = self._desk.cancel_account()
        if refusal is not None:
            return f"not asked for: {refusal.text}; cancel-all takes out our own"
        return "the venue is asked to take out every order of the account, others' too"

    def _flatten(self, _: str) -> str:
        if not self._gate.private:
            return "nothing can be traded: this run has no keys"
        if self._desk.session is SessionState.LEAVING:
            return "nothing more is traded: the run is being left; hotloop flatten works afterwards"
        again = ", once more: it is under way" if self._flattening.wanted else ""
        self._log(f"the operator flattens{again}: the strategy is shut out, orders out, then flat")
        self._flattening.begin()
        self._gate.refresh()
        self._gate.force_cancel_all()
        self._flattening.step()
        return self._flattening.verdict or self._flattening.progress()

    def _set(self, text: str) -> str:
        """Change a parameter of the strategy; the value was checked by who took it in."""
        key, _, value = text.partition(" ")
        strategy = self._callbacks.strategy
        strategy.parameters = self._parameters_with(strategy.parameters, key, value)
        self._log(f"parameter {key} = {value}")
        self._callbacks.call(strategy.on_parameters)
        return f"{key} = {value}"

    def _absent(self, client_order_id: str) -> str:
        """Give up an order in doubt: a person has seen that the venue does not have it.

        One that the venue has told of is not his to give up.
        """
        order = self._orders.find(client_order_id)
        if order is None:
            return f"nothing is changed: no open order of ours has the id {client_order_id}"
        text = order_text(self._table[order.instrument], order)
        if order.state is not OrderState.UNKNOWN:
            return f"nothing is changed: only an unknown order can be given up: {text}"
        self._log(f"the operator gives up an order that the venue does not have: {text}")
        self._resolution.give_up(order)
        self._gate.refresh()
        return f"counts as never accepted, and again should the venue tell of it: {text}"

    # -- what became of a word -----------------------------------------------------------------

    def _where(self, halt: Halt) -> str:
        return "the run" if halt.instrument == WHOLE_RUN else self._table[halt.instrument].symbol

    def _cancels(self) -> str:
        """Say which orders of ours are open, and whether their cancels have left."""
        ours = list(self._orders.open())
        if not ours:
            return "none of our orders is open"
        texts = [order_text(self._table[order.instrument], order) for order in ours]
        waiting = sum(not order.cancelling for order in ours)
        late = f", {waiting} of them as soon as there is a way to the venue" if waiting else ""
        return f"{count_text(len(ours), 'order')} of ours being cancelled{late}: {listed(texts)}"
