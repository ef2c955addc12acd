"""Recovery and leaving: passes of reconciliation, and the proof that nothing of ours is left.

Here lives what has to be true before anything is placed (a pass of reconciliation has proved our
table) and before a run may end (our own orders cancelled, and the venue's list empty of them
twice). Orders of others are seen, counted and left alone. Time is an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from core.engine.desk import TradingDesk
from core.engine.outbound import Outbound
from core.engine.resolution import SKEW_NS, Resolution
from core.engine.turn import Baseline, Turn
from core.model.commands import (
    BEGINNING,
    Cancel,
    FetchAccount,
    FetchOpenOrders,
    FetchOrders,
    FetchPositions,
    FetchTrades,
    QueryOrder,
    Riskless,
    Since,
)
from core.model.events import (
    NO_INSTRUMENT,
    Fill,
    FillReport,
    OffGridTrade,
    OpenOrders,
    OrdersListed,
    Reply,
    Scope,
    UnknownExecution,
    Verdict,
)
from core.model.instrument import InstrumentTable
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.views import OrderState
from core.model.wording import order_text
from core.state.inflight import InFlightRequest
from core.state.orders import Order, Orders
from core.state.reconcile import Pass, Watermark, compare
from core.state.throttle import Share
from core.state.venue_clock import VenueClock

PERIOD_NS = 60 * NS_PER_S
"""Between two passes while all is well; they cost weight, and the private stream tells faster."""

RETRY_NS = NS_PER_S
"""Before a pass that proved nothing is tried again."""

PATIENCE_NS = 15 * NS_PER_S
"""After which a pass with answers missing is given up: beyond every request's own deadline."""

LEAVE_STEP_NS = 250 * NS_PER_MS
"""Between two looks while leaving: an ordinary cancel is answered well within."""

MAX_SINGLE = 20
"""Orders queried one by one in a pass, that no page of orders has told of: those that came
while it was read, or that a lagging history does not show yet. The next pass asks on. Where no page
tells of orders at all that bounds the passes that a start waits for, and no others."""

LIST_AGAIN_NS = 2 * NS_PER_S
"""Before the whole account is listed again where something of ours cannot be cancelled: a list
costs 80 of 6,000 a minute, so that all others find their share."""

CLEAN_LISTS = 2
"""How often in a row the venue must list none of our orders before we believe it."""


_WHOLE = FetchOpenOrders(NO_INSTRUMENT)


class Recovery:
    """Reconciliation and leaving of one run."""

    def __init__(
        self,
        *,
        table: InstrumentTable,
        orders: Orders,
        outbound: Outbound,
        turn: Turn,
        desk: TradingDesk,
        resolution: Resolution,
        clock: VenueClock,
        expiry_ns: int | None,
        execution_ns: int,
        lag_ns: int,
        cancel_leftovers: bool,
        rising_ids: bool,
        lists: Scope,
        history: Scope,
        asks_positions: bool,
        log: Callable[[str], None],
    ) -> None:
        """``expiry_ns`` is how long what a boot that died has sent may still be accepted, ``None``
        for ever. ``execution_ns``, ``lag_ns``, ``rising_ids``, ``lists`` and ``history`` are as in
        ``core.model.venue.Capabilities``; ``asks_positions`` where positions are the truth.
        """
        self._table = table
        self._orders = orders
        self._outbound = outbound
        self._turn = turn
        self._desk = desk
        self._resolution = resolution
        self._clock = clock
        self._execution_ns = execution_ns
        self._lag_ns = lag_ns
        self._expiry_ns = expiry_ns
        self._cancel_leftovers = cancel_leftovers
        self._rising_ids = rising_ids
        self._lists = lists
        self._history = history
        self._asks_positions = asks_positions
        self.fills = 0
        self._fills_before = 0
        self._log = log
        self._pass = Pass()
        self._next_ns = 0
        self._look_again_ns = RETRY_NS
        self._moved_ns = 0
        """When the pass last asked something."""
        self._earliest_ns = 0
        self._resolved_ns: int | None = 0
        """When nothing of a boot that died can be accepted any more, however late; ``None``:
        never."""
        self._marks: dict[int, Watermark] = {}
        self._baselines: set[int] = set()
        self._witnesses: dict[int, Since] = {}
        """A trade of ours that the venue has told an earlier boot, by instrument. A history without
        it is none to start from."""
        self.reconciled = False
        """Whether the table is proved since the private stream was last lost."""
        self.reconciled_once = False
        self.wanted = False
        """Whether the connections allow a pass at all."""
        self.foreign_orders: dict[int, int] = {}
        """Open orders of others, by instrument, as of the last list."""
        self.leaving = False
        self._proves = True
        self.left = False
        """Whether the venue has proved that none of our orders is alive."""
        self.unlisted = False
        """Whether the venue has refused to list our orders for good: no proof will come."""
        self.inherits = False
        """Whether a boot that died may have left orders alive."""
        self._clean = 0
        self._dirty = False
        self._ours_listed = 0
        """Orders of ours that the lists of the present pass show."""
        self._strays: set[str] = set()
        """Orders of ours in the last list that the table cannot hold."""
        self._ended_listed_ns: dict[str, int] = {}
        """When an order was first listed as open of which the venue had told the end."""

    # -- reconciliation ------------------------------------------------------------------------

    def begin(self, now_ns: int) -> None:
        """The private stream stands: prove the table before anything is placed."""
        self.wanted = True
        self.reconciled = False
        self._resolution.stream_since_ns = now_ns
        self._next_ns = max(now_ns, self._earliest_ns)
        self._resolution.retries.query_now(now_ns)

    def look_again(self, now_ns: int) -> None:
        """A private stream has taken the place of another: hold the table against the venue."""
        if self.reconciled and not self.leaving:
            self._next_ns = min(self._next_ns, now_ns)

    def suspend(self) -> None:
        """The private stream is gone: what the table says is no longer proved."""
        self.wanted = False
        self.reconciled = False
        self._resolution.stream_since_ns = None
        self._pass.stop()

    def step(self, now_ns: int) -> None:
        """Do what is due: a pass, order-status queries, the next step of leaving."""
        self._resolution.query_due(now_ns, self._share)
        self._request_more(now_ns)
        if self._pass.running and now_ns - self._moved_ns > PATIENCE_NS:
            self._pass.stop()
        if now_ns < self._next_ns or self._pass.running:
            return
        if self.leaving:
            self._next_ns = now_ns + LEAVE_STEP_NS
            self._leave_step(now_ns)
        elif self.wanted:
            self._next_ns = now_ns + (PERIOD_NS if self.reconciled else RETRY_NS)
            self._start_pass(now_ns)

    @property
    def _share(self) -> Share:
        """Whose tokens questions take: while leaving they are what the exit waits for."""
        return Share.RESOLUTION if self.leaving else Share.QUESTION

    def _start_pass(self, now_ns: int) -> None:
        self._pass.start(now_ns)
        self._fills_before = self.fills
        self._baselines = {row.index for row in self._table if row.index not in self._marks}
        self._ours_listed = 0
        self._strays.clear()
        commands: list[Riskless] = [FetchAccount()]
        if self._asks_positions:
            commands.append(FetchPositions())
        if self._lists is Scope.ACCOUNT or not self.reconciled_once:
            # Once of the whole account: what stands on symbols that nobody thought of shows here.
            commands.append(_WHOLE)
        else:
            commands += [FetchOpenOrders(index) for index in self._askable]
        commands += self._trades()
        self._request_all(commands, now_ns)

    def _trades(self) -> list[Riskless]:
        """Return the questions for all trades that may not be accounted for, and of instruments
        without any for the newest alone.

        A history of the account is read once for all, from the earliest place of any.
        """
        rows = self._askable
        places = {index: self._since(index) for index in rows if index not in self._baselines}
        for index in places:
            self._marks[index].reads()
        if self._history is not Scope.ACCOUNT:
            return [FetchTrades(index, places.get(index)) for index in rows]
        commands: list[Riskless] = []
        if self._baselines:
            commands.append(FetchTrades(NO_INSTRUMENT, None))
        if places:
            earliest = min(places.values(), key=lambda place: place.venue_ns)
            commands.append(FetchTrades(NO_INSTRUMENT, earliest))
        return commands

    @property
    def _askable(self) -> list[int]:
        """The instruments that the venue can be queried."""
        return [row.index for row in self._table if not row.gone]

    def _since(self, instrument: int) -> Since:
        """Return the place behind which trades may not be accounted for."""
        since = self.last_trade(instrument)
        witness = self._witnesses.get(instrument)
        if witness is not None and witness.rank <= since.rank:
            return witness.with_it()
        return since

    def _venue_ns(self) -> int:
        return self._turn.now_ns + self._clock.offset_ns

    def _request_all(self, commands: Sequence[Riskless], now_ns: int) -> None:
        self._pass.want(commands)
        self._request_more(now_ns)

    def _request_more(self, now_ns: int) -> None:
        """Ask what waits, a few at once and as fast as the venue's budget lets us.

        Waiting for tokens is no standstill: however many symbols there are, a pass goes on where
        the next window begins.
        """
        while (command := self._pass.next()) is not None:
            self._moved_ns = now_ns
            request_id = self._outbound.request(command, now_ns, share=self._share)
            if not request_id:
                return
            self._pass.requested(request_id)

    def on_reply(self, request: InFlightRequest, reply: Reply, now_ns: int) -> int | None:
        """Count a reply that may belong to the pass; its events are applied already.

        Returns, once a pass is through and no fill was told meanwhile, as of when by the venue's
        clock its balances are to be held against our fills; ``agreed`` is told what came of it.
        """
        proved = reply.verdict is Verdict.DONE
        if proved and isinstance(request.command, FetchTrades):
            proved = self._request_next(request.command, request.sent_ns, reply, now_ns)
        elif proved and isinstance(request.command, FetchOrders):
            self._request_orders(request.command.instrument, now_ns, reply)
        if request.command == _WHOLE and reply.verdict is Verdict.FATAL:
            self.unlisted = True
        done = self._pass.answered(request.request_id, proved=proved)
        self._request_more(now_ns)
        if not done:
            return None
        if self.leaving:
            self._listed(now_ns)
            return None
        if not self.reconciled:
            self._reconciled(now_ns)
        if self.fills != self._fills_before:
            return None
        return self._pass.started_ns + self._clock.offset_ns

    def agreed(self, now_ns: int, *, agree: bool) -> None:
        """Balances and fills were held against each other; where they differ, look again soon."""
        if agree:
            self._look_again_ns = RETRY_NS
        else:
            self._next_ns = now_ns + self._look_again_ns
            self._look_again_ns = min(2 * self._look_again_ns, PERIOD_NS)

    def _request_next(
        self, command: FetchTrades, requested_ns: int, reply: Reply, now_ns: int
    ) -> bool:
        """Request the next page of trades, and whose orders those are that nobody knows.

        Returns whether the page is one to go on from.
        """
        told: dict[int, list[Since]] = {}
        for event in reply.events:
            if isinstance(event, FillReport | OffGridTrade):
                told.setdefault(event.instrument, []).append(_place_of(event))
        if command.since is None:
            return self._on_newest_page(command, told, requested_ns, reply.more, now_ns)
        whole = command.instrument == NO_INSTRUMENT
        read = self._askable if whole else [command.instrument]
        for index in read:
            self._saw(index, told.get(index, []))
        if reply.more:
            self._request_all([FetchTrades(command.instrument, command.since, reply.more)], now_ns)
        else:
            lacking = [index for index in read if index in self._witnesses]
            read = [index for index in read if index not in lacking]
            self._were_read(read, whole=whole)
            if not all(self._history_is_known_no_more(index) for index in lacking):
                return False
        if self._rising_ids or not reply.more:
            for index in read:
                self._request_orders(index, now_ns)
        return True

    def _saw(self, instrument: int, told: Sequence[Since]) -> None:
        """Trades were told on a page of a history."""
        if instrument in self._baselines:
            return
        mark = self._marks.setdefault(instrument, Watermark())
        for trade in told:
            mark.saw(trade.trade_id, trade.rank, trade.venue_ns)
        witness = self._witnesses.get(instrument)
        if witness is not None and any(trade.trade_id == witness.trade_id for trade in told):
            del self._witnesses[instrument]

    def _were_read(self, instruments: Sequence[int], *, whole: bool) -> None:
        """The last page of a history was read, and it is one to go on from.

        One of the ``whole`` account is read from the earliest place of any instrument on, so each
        goes on from the time up to which all is shown, whether it has traded or not.
        """
        by_time = whole and self._clock.known and not self._rising_ids
        shown_ns = self._pass.started_ns + self._clock.offset_ns - self._lag_ns - SKEW_NS
        for index in instruments:
            if index not in self._baselines:
                self._marks[index].read(shown_ns if by_time else 0)

    def _on_newest_page(
        self,
        command: FetchTrades,
        told: Mapping[int, Sequence[Since]],
        requested_ns: int,
        more: str,
        now_ns: int,
    ) -> bool:
        """The newest trades were told: those of one instrument, or a page of the account's."""
        index = command.instrument
        if index == NO_INSTRUMENT:
            for each in sorted(self._baselines):
                self._on_newest(each, told.get(each, ()), requested_ns)
        elif more and index not in told:
            self._request_all([FetchTrades(index, None, more)], now_ns)
        elif index in self._baselines:
            self._on_newest(index, told.get(index, ()), requested_ns)
        return True

    def _on_newest(self, instrument: int, told: Sequence[Since], requested_ns: int) -> None:
        """The newest trade of the account is known, or that there is none: count from there on."""
        self._baselines.discard(instrument)
        newest = max(told, key=lambda trade: trade.rank, default=None)
        as_of_ns = 0
        if self._clock.known:
            # No later than that surely was: a clock that is told in whole seconds may be half of
            # one ahead, and what is traded next would be of before.
            as_of_ns = requested_ns + self._clock.offset_ns - self._clock.round_trip_ns // 2
        if newest is not None:
            as_of_ns = max(as_of_ns, newest.venue_ns)
        place = newest or BEGINNING
        if newest is None and self._history is Scope.ACCOUNT and not self._rising_ids:
            place = Since("", BEGINNING.rank, as_of_ns)  # its last trade may be pages behind
        self._marks[instrument] = Watermark(place)
        self._turn.begin_behind(Baseline(instrument, newest, as_of_ns))

    def _history_is_known_no_more(self, instrument: int) -> bool:
        """The venue's history lacks a trade that it has told us of: it lags, or begins anew."""
        witness = self._witnesses[instrument]
        if self._venue_ns() <= witness.venue_ns + self._lag_ns:
            return False
        del self._witnesses[instrument]
        self._turn.renumber(instrument)
        return True

    def _request_orders(self, index: int, now_ns: int, page: Reply | None = None) -> None:
        """Request the orders that are known by their trades alone.

        Where ids rise they are requested from the lowest on, by pages, as long as those reach; what
        no page has told of, and all where ids are mere names, is requested one by one.
        """
        unknown = [order_id for where, order_id in self._orders.unclaimed() if where == index]
        if not unknown:
            return
        commands: list[Riskless]
        if self._rising_ids:
            unknown.sort(key=int)
        if not self._rising_ids or (page is not None and not _reaches(page, unknown[-1])):
            if self._rising_ids or not self.reconciled:
                unknown = unknown[:MAX_SINGLE]
            commands = [QueryOrder(index, "", order_id) for order_id in unknown]
        elif page is None:
            commands = [FetchOrders(index, unknown[0])]
        else:
            commands = [FetchOrders(index, unknown[0], page.more)]
        self._request_all(commands, now_ns)

    def on_orders(self, listed: OrdersListed) -> None:
        """Orders were listed: say whose those are that were known by their trades alone."""
        unknown = set(self._orders.unclaimed())
        for report in listed.reports:
            if (listed.instrument, report.venue_order_id) in unknown:
                self._turn.tell(report)

    def _reconciled(self, now_ns: int) -> None:
        self.reconciled = self.reconciled_once = True
        self._next_ns = now_ns + PERIOD_NS
        # By now what a dead boot sent last has expired: the venue's next word on it is proof.
        self._resolution.retries.query_now(now_ns)
        self._log(
            f"reconciled: {self._ours_listed} of our orders open, "
            f"{sum(self.foreign_orders.values())} of others"
        )
        self.cancel_left()

    def cancel_left(self) -> None:
        """Cancel what an earlier boot left and the venue lists, even while other orders are in
        doubt.
        """
        if not self._cancel_leftovers:
            return
        left = []
        for order in self._orders.open():
            ours = self._orders.is_of_this_boot(order.client_order_id)
            if not ours and not order.cancelling and order.state is OrderState.LIVE:
                text = order_text(self._table[order.instrument], order)
                self._log(f"left by an earlier run, cancelling: {text}")
                left.append(order)
        if left:
            self._desk.send_cancels(left)

    def on_no_reply(self, request: InFlightRequest) -> None:
        """An answer will not come: the pass it belongs to proves nothing."""
        self._pass.answered(request.request_id, proved=False)

    def on_fill(self, instrument: int, fill: Fill) -> None:
        """A fill was told."""
        self.fills += 1
        mark = self._marks.get(instrument)
        if mark is not None and fill.listed:
            mark.saw(fill.trade_id, fill.rank, fill.venue_ns)

    def last_trade(self, instrument: int) -> Since:
        """Return the newest trade up to which all are accounted for.

        A history may lag, so that nothing newer than its lag is final yet.
        """
        mark = self._marks.get(instrument)
        if mark is None:
            return BEGINNING
        return mark.settled(self._venue_ns() - self._lag_ns - SKEW_NS)

    def resume_trades(self, instrument: int, settled: Since, witness: Since | None) -> None:
        """An earlier boot has accounted for every trade up to ``settled``.

        ``witness`` is the newest trade of ours that it was told.
        """
        self._marks[instrument] = Watermark(settled)
        if witness is not None:
            self._witnesses[instrument] = witness

    def begin_anew(self, instrument: int) -> None:
        """The venue numbers from the beginning: every trade it has was made since."""
        self._marks[instrument] = Watermark()
        self._witnesses.pop(instrument, None)

    def not_before(self, ended_ns: int, *, all_named: bool = True) -> int | None:
        """A boot died at ``ended_ns``: what it sent last may be accepted until it has expired.

        Returns when that is; ``None`` for never. Then nothing is waited for: what its journal has
        named is in doubt until the venue tells of it. Where it has not ``all_named``, no list
        proves any more that nothing is left.
        """
        if self._expiry_ns is None:
            if not all_named:
                self._resolved_ns = None
            return None
        self._earliest_ns = max(self._earliest_ns, ended_ns + self._expiry_ns + SKEW_NS)
        self._settle_by(self._earliest_ns + self._execution_ns)
        return self._earliest_ns

    def not_before_elsewhere(self, ended_ns: int) -> int | None:
        """A run died by ``ended_ns`` of which no journal of ours tells: the lists alone do.

        They may lag. Returns from when on they prove that nothing of it is left, ``None`` for
        never.
        """
        expired_ns = self.not_before(ended_ns, all_named=False)
        if expired_ns is not None:
            self._settle_by(expired_ns + self._execution_ns + self._lag_ns)
        return self._resolved_ns

    def _settle_by(self, at_ns: int) -> None:
        if self._resolved_ns is not None:
            self._resolved_ns = max(self._resolved_ns, at_ns)

    def on_fill_report(self, report: FillReport) -> None:
        """A trade was found by asking."""
        if not self.counts(report.instrument):
            return
        applied = self._orders.on_fill(report)
        if applied is not None:
            self._turn.update(applied)
            if applied.fills and not applied.order.state.terminal:
                # The stream did not tell of this trade: what else did it not tell of its order?
                self._resolution.resolve(applied.order.client_order_id, 0)

    def counts(self, instrument: int) -> bool:
        """Whether a trade that was found by asking is to be accounted for: is none of before."""
        return instrument not in self._baselines

    def on_open_orders(self, event: OpenOrders) -> None:
        """Apply a list of open orders, and act on how it differs from the table."""
        now_ns = self._turn.now_ns
        for report in event.reports:
            applied = (
                self._orders.on_report(report) if self._known(report.client_order_id) else None
            )
            if applied is not None:
                self._turn.update(applied)
                self._dirty = True
                if applied.order.state.terminal:
                    self._on_listed_after_end(applied.order, now_ns)
        self._ours_listed += sum(self._orders.is_ours(r.client_order_id) for r in event.reports)
        whole = event.instrument == NO_INSTRUMENT
        here = [o for o in self._orders.open() if whole or o.instrument == event.instrument]
        difference = compare(
            here, event.reports, self._pass.started_ns, self._known, self._orders.is_ours
        )
        for client_order_id in difference.missing:
            self._resolution.resolve(client_order_id, now_ns)
        for report in difference.leftover:
            self._dirty = True
            self._turn.update(self._orders.adopt(report))
        if whole or NO_INSTRUMENT in self.foreign_orders:
            self.foreign_orders.clear()
        self.foreign_orders[event.instrument] = difference.foreign

    def on_stray(self, event: UnknownExecution) -> None:
        """An order of ours stands that the table cannot hold: it is in the way of any proof.

        Off today's grid it is cancelled by its name. On a symbol that we know nothing of it cannot
        be, and a person has to.
        """
        self._dirty = True
        name = event.client_order_id
        if name in self._strays or self._known(name):
            return
        self._strays.add(name)
        if event.instrument == NO_INSTRUMENT:
            self._log(f"LOOK AT THE VENUE: {name} is ours, and cannot be taken out: {event.what}")
        else:
            self._outbound.request(Cancel(event.instrument, name, ""), self._turn.now_ns)

    def _on_listed_after_end(self, order: Order, now_ns: int) -> None:
        """The venue lists an order as open of which it has told the end.

        A list may lag. One that cannot, or the list by which we leave, contradicts that end: the
        order is cancelled by its number, and a person is told.
        """
        name = order.client_order_id
        since_ns = self._ended_listed_ns.setdefault(name, now_ns)
        if len(self._ended_listed_ns) > MAX_SINGLE:
            del self._ended_listed_ns[next(iter(self._ended_listed_ns))]
        if not self.leaving and now_ns - since_ns < self._lag_ns:
            return
        if name not in self._strays:
            self._strays.add(name)
            text = order_text(self._table[order.instrument], order)
            self._log(f"ALARM: the venue lists an order whose end it has told: {text}")
            number = order.venue_order_id
            self._outbound.request(Cancel(order.instrument, name, number), now_ns)

    def _known(self, client_order_id: str) -> bool:
        return self._orders.find(client_order_id) is not None

    # -- leaving -------------------------------------------------------------------------------

    def leave(self, now_ns: int, *, proves: bool = True) -> None:
        """Close for good: cancel our own orders, and have the venue prove that none is left.

        Without a key there is nobody to prove it to: nothing is asked that the venue would refuse.
        """
        self.leaving = True
        self._proves = proves
        if proves and self._resolved_ns is None:
            self._log(
                "what a run before has sent the venue may accept at any time: no list of orders "
                "proves that none is left. LOOK AT THE VENUE"
            )
        self._pass.stop()
        self._next_ns = now_ns
        self.step(now_ns)

    def _leave_step(self, now_ns: int) -> None:
        """Cancel what is open; once nothing is, have the whole account listed.

        Our table is no proof: an order of ours may stand on any symbol that this scope ever traded.
        Nothing can be listed before the venue has said what there is. The desk cancels again less
        often each time: else what the venue does not know leaves no budget to query it.
        """
        for instrument in range(len(self._table)):
            self._desk.force_cancel(instrument)
        if self._proves and len(self._table) and not len(self._orders) and not self.left:
            self._dirty = False
            self._strays.clear()
            self._pass.start(now_ns)
            self._request_all([_WHOLE], now_ns)

    def _listed(self, now_ns: int) -> None:
        """The venue has listed the whole account's open orders."""
        self._next_ns = now_ns
        if self._dirty or len(self._orders):
            self._clean = 0
            self._next_ns = now_ns + (LIST_AGAIN_NS if self._strays else 0)
        elif self._resolved_ns is None:
            self._clean = 0
            self._next_ns = now_ns + LIST_AGAIN_NS
        elif self._pass.started_ns < self._resolved_ns:
            self._clean = 0
            self._next_ns = self._resolved_ns
        else:
            self._clean += 1
            self.left = self._clean >= CLEAN_LISTS


def _place_of(event: FillReport | OffGridTrade) -> Since:
    """Return the place of a trade that was found by asking."""
    if isinstance(event, FillReport):
        return Since(event.fill.trade_id, event.fill.rank, event.fill.venue_ns)
    return Since(event.trade_id, event.rank, event.venue_ns)


def _reaches(page: Reply, highest_id: str) -> bool:
    """Whether the pages behind this one may tell of an order: its id is higher than all on it."""
    told = [
        int(report.venue_order_id or 0)
        for event in page.events
        if isinstance(event, OrdersListed)
        for report in event.reports
    ]
    return bool(page.more) and int(highest_id) > max(told, default=0)
