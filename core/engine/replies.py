"""Replies: what each was requested, and what it says about when to speak again.

Here a reply, an overdue one or a lost one is matched with its request, and the venue's counts,
limits and bans are obeyed. Who applies its events, and who is told of it in which order, is in
``core.engine.engine``; what a verdict proves about an order in ``core.engine.resolution``, what a
ban or a limit forbids from then on in ``core.state.throttle``.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from core.engine.charges import instrument_of
from core.engine.outbound import Outbound, Port
from core.engine.turn import Turn
from core.model.commands import (
    Amend,
    Cancel,
    CancelAll,
    CancelMany,
    FetchTime,
    Place,
    PlaceMany,
    QueryOrder,
    Replace,
)
from core.model.errors import RemoteFault
from core.model.events import (
    NO_REQUEST,
    AccountReport,
    Counted,
    Event,
    OrderReport,
    OrdStatus,
    Reply,
    Verdict,
)
from core.model.units import NS_PER_S
from core.model.venue import Adapter
from core.state import hops as hop
from core.state.chatter import Kinds
from core.state.counts import Counts
from core.state.hops import Hops
from core.state.inflight import InFlightRequest
from core.state.throttle import BAN_NS, COOL_DOWN_NS, NEVER_NS, Throttle
from core.state.venue_clock import VenueClock

OF_ORDERS = frozenset((Place, PlaceMany, Replace, Amend, Cancel, CancelMany))
"""What changes the orders that it names: nobody but who keeps orders waits for the replies."""

_CANCELS = frozenset((Cancel, CancelAll, CancelMany))
_PLACES = frozenset((Place, PlaceMany, Replace))

BANNED_STATUS = 418
"""HTTP status of a ban, by the one convention that there is."""

TOO_MANY = frozenset((BANNED_STATUS, 429))
"""What an HTTP upgrade is refused with where there were too many requests."""

MAX_WAIT_DIGITS = 7
"""Digits of a wait in seconds that is believed: some hundred days, and the throttle bounds it."""

_DONE = Verdict.DONE  # bound once: every reply is asked


class Replies:
    """The replies of one run."""

    __slots__ = (
        "_adapter",
        "_clock",
        "_counts",
        "_hops",
        "_kinds",
        "_newest_id",
        "_outbound",
        "_port",
        "_throttle",
        "_turn",
    )

    def __init__(
        self,
        *,
        adapter: Adapter,
        throttle: Throttle,
        clock: VenueClock,
        outbound: Outbound,
        turn: Turn,
        hops: Hops,
        counts: Counts,
        port: Port,
    ) -> None:
        self._adapter = adapter
        self._throttle = throttle
        self._clock = clock
        self._outbound = outbound
        self._turn = turn
        self._hops = hops
        self._counts = counts
        self._port = port
        self._kinds = Kinds()
        self._newest_id = 0
        """The newest request that was answered with the venue's counts."""

    # -- the ways a question ends --------------------------------------------------------------

    def request_of(self, reply: Reply, link: int) -> InFlightRequest | None:
        """Return what a reply on a connection answers; ``None`` where nothing waits for it."""
        inflight = self._outbound.inflight
        request_id = reply.request_id
        if not request_id and reply.client_order_id:
            request_id = inflight.oldest_of(reply.client_order_id, link)
        request = inflight.find(request_id)
        if request is not None and request.connection != link:
            return None  # what was asked elsewhere is answered there
        if reply.verdict is _DONE and inflight.goes_on(request_id):
            return None
        inflight.take(request_id)
        return request

    def answered(self, request_id: int, status: int) -> InFlightRequest | None:
        """Return what a REST answer is to, likewise; ``status`` as in ``read``."""
        request = self._outbound.inflight.take(request_id)
        if request is not None and not status:
            self._outbound.unreached(request)
        return request

    def read(
        self, request: InFlightRequest, status: int, headers: Mapping[str, str], body: bytes
    ) -> Reply | None:
        """Return what a REST answer says; ``None`` where that cannot be read: it proves nothing.

        ``status`` 0 says that the request was not answered, and ``body`` why.
        """
        try:
            return self._adapter.answer(request.command, request.request_id, status, headers, body)
        except RemoteFault as fault:
            self._counts.errors += 1
            kind = type(request.command).__name__
            self._say(kind, f"answer to {kind}: {fault}")
            return None

    def dial_refused(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """A connection was refused for too many requests: obey that everywhere for as long as told.

        Cancels go on by whatever way is open: where the venue refuses those, too, it says so.
        """
        try:
            told = self._adapter.answer(FetchTime(), NO_REQUEST, status, headers, body)
        except RemoteFault:
            told = Reply(request_id=NO_REQUEST, verdict=Verdict.UNKNOWN)
        usual_ns = _wait_ns(headers) or (BAN_NS if status == BANNED_STATUS else COOL_DOWN_NS)
        venue_ns = self._turn.now_ns + self._clock.offset_ns
        said_ns = 0 if self._clock.known else told.said_ns
        self._throttle.refuse_dials(told.retry_ns, usual_ns, venue_ns, said_ns)
        from_ns = self._throttle.dials_from_ns - self._clock.offset_ns
        self._port.hold_dials(from_ns)
        for_s = (from_ns - self._turn.now_ns) / NS_PER_S
        name = f"HTTP {status} {told.words}".rstrip()[:80]
        text = (
            f"the venue takes no connection ({name}): nothing but cancels leaves for {for_s:.0f} s"
        )
        self._say(name, text)

    def lost(self, connection: int) -> list[InFlightRequest]:
        """Return what was asked on a connection that is gone: it will not be answered."""
        return self._outbound.inflight.lost(connection)

    def overdue(self) -> list[InFlightRequest]:
        """Return what is waited for no longer."""
        return self._outbound.inflight.overdue(self._turn.now_ns)

    # -- what a reply says ---------------------------------------------------------------------

    def on_counted(self, counted: Counted) -> None:
        """Take the venue's counts that came with no reply: what is under way they may lack."""
        venue_ns = self._turn.now_ns + self._clock.offset_ns
        self._throttle.learn(counted.uses, venue_ns, self._outbound.inflight.costs())

    def count(self, request: InFlightRequest | None, reply: Reply) -> None:
        """Take the venue's counts. They may lack what is not answered yet, and in a reply that a
        later request's has overtaken even what is.
        """
        venue_ns = self._turn.now_ns + self._clock.offset_ns
        told_ns = NEVER_NS
        # While the venue's time is not known, no date of its can be held against ours.
        if (reply.said_ns or reply.retry_ns) and self._clock.known:
            told_ns = _latest_ns(reply)
        if request is None or request.request_id < self._newest_id:
            self._throttle.learn(reply.budgets, venue_ns, None, told_ns)
            return
        self._newest_id = request.request_id
        self._throttle.learn(reply.budgets, venue_ns, self._outbound.inflight.costs(), told_ns)

    def time(self, request: InFlightRequest) -> None:
        """Note how long the reply to an order or its cancel took."""
        kind = type(request.command)
        if kind in _PLACES:
            self._hops.record(hop.ORDER_ACK, self._turn.now_ns - request.sent_ns)
        else:
            self._hops.record(hop.CANCEL_ACK, self._turn.now_ns - request.sent_ns)

    def refused(self, request: InFlightRequest | None, reply: Reply) -> None:
        """Count a reply that does not say done, and obey what it says about when to speak again."""
        name = reply.words[:80]
        self._counts.refused(name)
        venue_ns = self._turn.now_ns + self._clock.offset_ns
        said_ns = 0 if self._clock.known else reply.said_ns
        if reply.verdict is Verdict.OUT_OF_BUDGET:
            if request is not None:
                instrument = instrument_of(request.command)
                self._throttle.run_out(request.costs, venue_ns, instrument)
        elif reply.verdict is Verdict.THROTTLED:
            self._throttle.cool_down(reply.retry_ns, venue_ns, said_ns)
            # Without a code it is the firewall of one way: cancels have another. What was asked on
            # a connection that is replaced since is forgotten, and may have been a cancel.
            if reply.code and (request is None or type(request.command) in _CANCELS):
                self._throttle.hold_cancels(venue_ns)
            self._say(name, f"throttled by the venue: {name}")
        elif reply.verdict is Verdict.BANNED:
            self._throttle.ban(reply.retry_ns, venue_ns, said_ns)
            self._outbound.discard()
            self._port.hold_dials(self._throttle.dials_from_ns - self._clock.offset_ns)
            self._say(name, f"banned by the venue: {name}")
        elif reply.verdict is Verdict.FATAL:
            self._say(name, f"refused for good: {name}")

    def _say(self, kind: str, text: str) -> None:
        line = self._kinds.line(kind, text, self._turn.now_ns)
        if line:
            self._port.log(line)


def _wait_ns(headers: Mapping[str, str]) -> int:
    """Return how long ``retry-after`` has one wait (RFC 9110, 10.2.3), 0 where it says nothing."""
    text = headers.get("retry-after", "")
    legal = text.isascii() and text.isdigit() and len(text) <= MAX_WAIT_DIGITS
    return int(text) * NS_PER_S if legal else 0


def _latest_ns(reply: Reply) -> int:
    """Return the latest that it can have been by the venue's own clock when it replied."""
    latest_ns = reply.said_ns + NS_PER_S if reply.said_ns else NEVER_NS
    if reply.verdict is Verdict.THROTTLED and reply.retry_ns:
        latest_ns = min(latest_ns, reply.retry_ns)
    return latest_ns - 1


def named(request: InFlightRequest | None, event: Event) -> Event:
    """Add what only the question tells: which order it was about, and when it was asked.

    A venue may list a cancelled order under its cancel's id: it is the one we queried.
    """
    if request is None:
        return event
    if type(event) is AccountReport:
        return replace(event, requested_ns=request.sent_ns)
    if type(event) is not OrderReport or type(request.command) is not QueryOrder:
        return event
    if event.status is not OrdStatus.CANCELED:
        return event
    return replace(event, client_order_id=request.command.client_order_id or event.client_order_id)
