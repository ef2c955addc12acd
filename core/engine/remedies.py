"""What the venue's refusals ask of us: to wait, to count, or to stop.

Here a refused order, or a refused change of one, becomes a pause of its side, a reject that the
breaker counts, or a halt in the venue's own words. Which refusal calls for which remedy is the
venue's knowledge (``Adapter.remedy``); pauses and breakers live in ``core.state.risk``, and what a
refusal proves about an order in ``core.engine.resolution``. A used-up order budget is nobody's
fault and calls for no remedy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from core.engine.turn import Turn
from core.model.commands import (
    Amend,
    FetchBbos,
    FetchInstruments,
    FetchPrice,
    FetchTime,
    Logon,
    Ping,
    Place,
    PlaceMany,
    Replace,
    SetDeadMan,
    SubscribeMarket,
    SubscribePrivate,
    SubscribeStatus,
)
from core.model.events import (
    NO_INSTRUMENT,
    ReplaceOutcome,
    Reply,
    Side,
    Verdict,
    outcomes,
    refusal_text,
)
from core.model.halts import WHOLE_RUN, HaltKind
from core.model.venue import Remedy
from core.state.inflight import InFlightRequest
from core.state.orders import Orders
from core.state.risk import Risk

_NOT_TAKEN = frozenset(
    {Verdict.REFUSED, Verdict.ABSENT, Verdict.UNKNOWN, Verdict.LOGGED_OUT, Verdict.FATAL}
)
"""Verdicts that may call for a remedy; the throttle obeys limits, and silence leaves an order in
doubt.
"""

_DONE = Verdict.DONE
_FOR_GOOD = frozenset({Verdict.LOGGED_OUT, Verdict.FATAL, Verdict.REFUSED})

_OPENING = (
    FetchInstruments,
    FetchPrice,
    FetchTime,
    Logon,
    Ping,
    SetDeadMan,
    SubscribeMarket,
    SubscribePrivate,
    SubscribeStatus,
)
"""What a start, its connections and prices query by themselves, and give up by themselves."""


class _Half(NamedTuple):
    """What became of an order, or of a change of one."""

    instrument: int
    side: Side
    verdict: Verdict
    code: str
    text: str

    @property
    def words(self) -> str:
        return refusal_text(self.verdict, self.code, self.text)


class Remedies:
    """The refusals of one run."""

    __slots__ = ("_orders", "_remedy", "_risk", "_turn")

    def __init__(
        self, *, remedy: Callable[[str, str], Remedy], orders: Orders, risk: Risk, turn: Turn
    ) -> None:
        """``remedy`` is the venue's."""
        self._remedy = remedy
        self._orders = orders
        self._risk = risk
        self._turn = turn

    def on_reply(self, request: InFlightRequest, reply: Reply, now_ns: int) -> None:
        """Apply the remedy that a reply calls for; what it proves is applied already."""
        command = request.command
        if type(command) is Place and reply.verdict is _DONE:
            self._risk.on_accepted(command.instrument, command.side)
        elif isinstance(command, Place):
            self._heed(_whole(command.instrument, command.side, reply), now_ns)
        elif isinstance(command, PlaceMany):
            told = outcomes(reply, len(command.places))
            for place, outcome in zip(command.places, told, strict=True):
                self._heed(_Half(place.instrument, place.side, *outcome), now_ns)
        elif isinstance(command, Replace):
            self._heed(_new_half(command, reply), now_ns)
        elif isinstance(command, Amend):
            self._on_amend(command, reply, now_ns)
        elif reply.verdict in _FOR_GOOD and not isinstance(command, _OPENING):
            remedy = self._remedy(reply.code, reply.text)
            instrument = getattr(command, "instrument", NO_INSTRUMENT)
            if type(command) is FetchBbos and remedy is Remedy.HALT_INSTRUMENT:
                if len(command.instruments) > 1:
                    return  # which of them it is core.engine.market_data finds out
                (instrument,) = command.instruments
            if remedy in (Remedy.HALT, Remedy.HALT_INSTRUMENT):
                self._stop(instrument, remedy, reply.words)

    def _on_amend(self, amend: Amend, reply: Reply, now_ns: int) -> None:
        """A refused amend leaves its order as it was, so that it would be requested again at once:
        its side waits in any case.
        """
        order = self._orders.find(amend.client_order_id)
        if order is None:
            return
        half = _whole(amend.instrument, order.side, reply)
        self._heed(half, now_ns)
        if half.verdict in _NOT_TAKEN and self._remedy(half.code, half.text) is Remedy.COUNT:
            self._risk.on_weather(half.instrument, half.side, half.words, now_ns)

    def _heed(self, half: _Half, now_ns: int) -> None:
        if half.verdict is Verdict.DONE:
            self._risk.on_accepted(half.instrument, half.side)
        if half.verdict not in _NOT_TAKEN or not half.code:
            return
        remedy = self._remedy(half.code, half.text)
        if remedy is Remedy.PAUSE:
            self._risk.on_weather(half.instrument, half.side, half.words, now_ns)
        elif remedy is Remedy.COUNT:
            why = self._risk.on_rejected(half.instrument, half.words, now_ns)
            if why:
                self._turn.halt_instrument(half.instrument, why, HaltKind.BREAKER)
        else:
            self._stop(half.instrument, remedy, half.words)

    def _stop(self, instrument: int, remedy: Remedy, words: str) -> None:
        """Halt the instrument or everything; said once for as long as it stands."""
        why = f"the venue refuses for good: {words}"
        alone = remedy is Remedy.HALT_INSTRUMENT and instrument != NO_INSTRUMENT
        where = instrument if alone else WHOLE_RUN
        if any(h.instrument == where and h.kind is HaltKind.REFUSED for h in self._risk.halts()):
            return
        if alone:
            self._turn.halt_instrument(instrument, why, HaltKind.REFUSED)
        else:
            self._turn.halt(why, HaltKind.REFUSED)


def _whole(instrument: int, side: Side, reply: Reply) -> _Half:
    return _Half(instrument, side, reply.verdict, reply.code, reply.text)


def _new_half(replace: Replace, reply: Reply) -> _Half:
    """Return what became of the new order; one that was not tried, because the old one could not
    be cancelled, has that for its reason.
    """
    place = replace.new
    for event in reply.events:
        if isinstance(event, ReplaceOutcome):
            code, text = event.place_code, event.place_text
            if not code:
                code, text = event.cancel_code, event.cancel_text
            return _Half(place.instrument, place.side, event.place, code, text)
    return _whole(place.instrument, place.side, reply)
