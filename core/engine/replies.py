"""Replies: what becomes of everything we have asked, whichever way its answer comes or does not.

Here a reply, an overdue one or a lost one is matched with its request, its facts are folded, and
all rooms that may have asked are told in turn. What a verdict proves about an order lives in
``core.engine.proof``; what a ban or a limit forbids from then on lives in ``core.state.throttle``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from core.engine.charges import instrument_of
from core.engine.dead_man import DeadMansSwitch
from core.engine.lines import Lines
from core.engine.market_data import MarketData
from core.engine.outbound import Door, Outbound
from core.engine.prices import Prices
from core.engine.proof import Proof
from core.engine.recovery import Recovery
from core.engine.reference_data import ReferenceData
from core.engine.remedies import Remedies
from core.engine.turn import Turn
from core.model.commands import Amend, Cancel, CancelAll, Place, QueryOrder, Replace
from core.model.errors import RemoteFault
from core.model.events import AccountReport, Event, OrderReport, Reply, VenueStatus, Verdict
from core.model.venue import Adapter
from core.state import hops as hop
from core.state.chatter import Kinds
from core.state.counts import Counts
from core.state.hops import Hops
from core.state.inflight import Asked
from core.state.throttle import Throttle
from core.state.venue_clock import VenueClock

_OF_ORDERS = frozenset((Place, Replace, Amend, Cancel))
"""What changes one order: nobody but those who keep orders waits for the replies to it."""

_CANCELS = frozenset((Cancel, CancelAll))

_DONE = Verdict.DONE  # bound once: every reply is asked


class Replies:
    """The replies of one run."""

    __slots__ = (
        "_adapter",
        "_clock",
        "_counts",
        "_dead_man",
        "_door",
        "_handlers",
        "_hops",
        "_kinds",
        "_lines",
        "_market_data",
        "_newest_id",
        "_outbound",
        "_prices",
        "_proof",
        "_recovery",
        "_reference_data",
        "_remedies",
        "_throttle",
        "_turn",
    )

    def __init__(
        self,
        *,
        adapter: Adapter,
        handlers: Mapping[type[Event], Callable[[Any], None]],
        throttle: Throttle,
        clock: VenueClock,
        outbound: Outbound,
        turn: Turn,
        market_data: MarketData,
        reference_data: ReferenceData,
        prices: Prices,
        lines: Lines,
        dead_man: DeadMansSwitch,
        proof: Proof,
        remedies: Remedies,
        recovery: Recovery,
        hops: Hops,
        counts: Counts,
        door: Door,
    ) -> None:
        """``handlers`` says who folds each kind of fact."""
        self._adapter = adapter
        self._handlers = handlers
        self._throttle = throttle
        self._clock = clock
        self._outbound = outbound
        self._turn = turn
        self._market_data = market_data
        self._reference_data = reference_data
        self._prices = prices
        self._lines = lines
        self._dead_man = dead_man
        self._proof = proof
        self._remedies = remedies
        self._recovery = recovery
        self._hops = hops
        self._counts = counts
        self._door = door
        self._kinds = Kinds()
        self._newest_id = 0
        """The newest request that was answered with the venue's counts."""

    # -- the ways a question ends --------------------------------------------------------------

    def on_reply(self, reply: Reply) -> None:
        """A reply came on the line that is being read."""
        inflight = self._outbound.inflight
        asked = inflight.find(reply.request_id)
        if asked is not None and asked.line != self._lines.reading:
            asked = None  # what was asked elsewhere is answered there
        elif reply.verdict is _DONE and inflight.goes_on(reply.request_id):
            asked = None
        else:
            inflight.take(reply.request_id)
        self._lines.heard()
        self._take(asked, reply)

    def on_answer(
        self, request_id: int, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        """A REST request was answered; ``status`` 0 says that it was not, and ``body`` why."""
        asked = self._outbound.inflight.take(request_id)
        if asked is None:
            return
        if not status:
            self._outbound.unreached(asked)
        try:
            reply = self._adapter.answer(asked.command, request_id, status, headers, body)
        except RemoteFault as fault:
            self._counts.errors += 1
            kind = type(asked.command).__name__
            self._say(kind, f"answer to {kind}: {fault}")
            self._no_reply(asked)
        else:
            self._take(asked, reply)

    def on_line_lost(self, line: int) -> None:
        """What was asked on a line that is gone will not be answered."""
        for asked in self._outbound.inflight.lost(line):
            self._no_reply(asked)

    def step(self) -> None:
        """Wait no longer for what is overdue."""
        for asked in self._outbound.inflight.overdue(self._turn.now_ns):
            self._no_reply(asked)

    def _no_reply(self, asked: Asked) -> None:
        self._lines.on_no_reply(asked)
        self._dead_man.on_no_reply(asked)
        self._market_data.on_no_reply(asked)
        self._proof.on_no_reply(asked, self._turn.now_ns)
        self._recovery.on_no_reply(asked)

    # -- what a reply says ---------------------------------------------------------------------

    def _take(self, asked: Asked | None, reply: Reply) -> None:
        now_ns = self._turn.now_ns
        self._counts.replies += 1
        if reply.budgets:
            self._learn(asked, reply)
        if reply.verdict is not _DONE:
            self._refused(asked, reply)
        if asked is not None and type(asked.command) in _OF_ORDERS:
            for fact in reply.facts:
                self._handlers[type(fact)](fact)
            self._time(asked)
            self._proof.on_reply(asked, reply, now_ns)
            self._remedies.on_reply(asked, reply, now_ns)
            return
        if asked is not None and self._market_data.outlived(asked):
            self._market_data.on_no_reply(asked)
            return
        for fact in reply.facts:
            named = _named(asked, fact)
            self._handlers[type(named)](named)
        if asked is None:
            return
        self._market_data.on_reply(asked, reply)
        self._reference_data.on_reply(asked, reply)
        self._prices.on_reply(asked, reply)
        self._lines.on_reply(asked, reply)
        self._dead_man.on_reply(asked, reply, now_ns)
        self._proof.on_reply(asked, reply, now_ns)
        self._remedies.on_reply(asked, reply, now_ns)
        self._recovery.on_reply(asked, reply, now_ns)

    def _learn(self, asked: Asked | None, reply: Reply) -> None:
        """Take the venue's counts. They may lack what is not answered yet, and in a reply that a
        later request's has overtaken even what is.
        """
        venue_ns = self._turn.now_ns + self._clock.offset_ns
        if asked is None or asked.request_id < self._newest_id:
            self._throttle.learn(reply.budgets, venue_ns, None)
            return
        self._newest_id = asked.request_id
        under_way = [other.costs for other in self._outbound.inflight]
        self._throttle.learn(reply.budgets, venue_ns, under_way)

    def _time(self, asked: Asked) -> None:
        kind = type(asked.command)
        if kind is Place or kind is Replace:
            self._hops.record(hop.ORDER_ACK, self._turn.now_ns - asked.sent_ns)
        elif kind is Cancel or kind is Amend:
            self._hops.record(hop.CANCEL_ACK, self._turn.now_ns - asked.sent_ns)

    def _refused(self, asked: Asked | None, reply: Reply) -> None:
        """Count it, and obey what it says about when to speak again."""
        name = f"{reply.code} {reply.text}"[:80]
        self._counts.refused(name)
        venue_ns = self._turn.now_ns + self._clock.offset_ns
        said_ns = 0 if self._clock.known else reply.said_ns
        if reply.verdict is Verdict.OUT_OF_ORDERS:
            if asked is not None:
                instrument = instrument_of(asked.command)
                self._throttle.run_out(asked.costs, venue_ns, instrument)
        elif reply.verdict is Verdict.THROTTLED:
            self._throttle.cool_down(reply.retry_ns, venue_ns, said_ns)
            # Without a code it is the firewall of one way: cancels have another. What was asked on
            # a connection that is replaced since is forgotten, and may have been a cancel.
            if reply.code and (asked is None or type(asked.command) in _CANCELS):
                self._throttle.hold_cancels(venue_ns)
            self._say(name, f"throttled by the venue: {name}")
        elif reply.verdict is Verdict.BANNED:
            self._throttle.ban(reply.retry_ns, venue_ns, said_ns)
            self._outbound.withhold()
            self._door.hold_dials(self._throttle.banned_until_ns - self._clock.offset_ns)
            self._say(name, f"banned by the venue: {name}")
        elif reply.verdict is Verdict.FATAL:
            self._say(name, f"refused for good: {name}")

    def _say(self, kind: str, text: str) -> None:
        line = self._kinds.line(kind, text, self._turn.now_ns)
        if line:
            self._door.log(line)


def _named(asked: Asked | None, fact: Event) -> Event:
    """Add what only the question tells: which order it was about, and when it was asked.

    A venue may list a cancelled order under its cancel's id: it is the one we asked about.
    """
    if asked is None:
        return fact
    if type(fact) is AccountReport:
        return replace(fact, asked_ns=asked.sent_ns)
    if type(fact) is not OrderReport or type(asked.command) is not QueryOrder:
        return fact
    if fact.status is not VenueStatus.CANCELED:
        return fact
    return replace(fact, client_order_id=asked.command.client_order_id or fact.client_order_id)
