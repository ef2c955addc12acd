"""What happens to orders when replies, reports and connections are lost, late or doubled."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import msgspec
import pytest

from core.model.commands import FetchBook, OrderKind, TimeInForce
from core.model.errors import JournalFailed
from core.model.events import Fill, Side
from core.model.strategy import Desk, Strategy
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.views import BookState, BookView, OrderState, OrderView, Refusal, SessionState
from core.protocols.websocket import TEXT
from core.state.journal import Kind, MemoryJournal, Payload
from core.state.orders import Order
from tools.world.tank import LATENCY_NS, Delivery, Message, Tank, server_frame
from venues.sim.binance.exchange import Origin
from venues.sim.binance.methods import METHODS
from venues.sim.ledger import DEFAULT_KEY

TRADE, MARKET = 1, 0
PLACING = ("order.place", "order.cancelReplace")


class Hand(Strategy[Any]):
    """Does nothing by itself; the test acts through its desk and sees what it was told."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        self.fills: list[Fill] = []
        self.states: list[tuple[str, OrderState]] = []
        self.sessions: list[SessionState] = []
        self.books: list[BookState] = []

    def on_book(self, desk: Desk, book: BookView) -> None:
        self.books.append(book.state)

    def on_order(self, desk: Desk, order: OrderView) -> None:
        self.states.append((order.client_order_id, order.state))

    def on_fill(self, desk: Desk, order: OrderView, fill: Fill) -> None:
        self.fills.append(fill)

    def on_session(self, desk: Desk, session: SessionState) -> None:
        self.sessions.append(session)


class World(Tank):
    """A tank whose strategy is a hand."""

    def __init__(self, **options: Any) -> None:
        hand = {"strategy": "tests.world.test_recovery:Hand", "parameters": ""}
        super().__init__(**{"rate": 0.0, **hand, **options})
        self.desk = self.engine.desk

    @property
    def hand(self) -> Hand:
        strategy = self.application.strategy
        assert isinstance(strategy, Hand)
        return strategy

    def trading(self) -> World:
        self.make_market()
        self.run_until(lambda: self.desk.session is SessionState.TRADING)
        self.other("BUY", "64000.00", "1")  # a first change, for the snapshot to bridge
        self.run_until(lambda: self.engine.books[0].live)
        self.run_until(lambda: not self.engine.ledger.in_doubt)
        return self

    def make_market(self) -> None:
        """Let somebody else make a market: 64990 x 65010."""
        self.stranger = self.venue.exchange.engine.open_account(
            {"BTC": 10**12, "USDT": 10**16, "ETH": 10**12}
        )
        self.venue.exchange.add_hmac_key("stranger", "stranger-secret", self.stranger)
        self.other("BUY", "64990.00", "1")
        self.other("SELL", "65010.00", "1")

    def other(self, side: str, price: str, size: str, key: str = "stranger", **more: str) -> Any:
        """Place an order that is not the engine's; ``key`` may be the engine's own account."""
        return self.request(
            "order.place",
            {
                "symbol": "BTCUSDT",
                "side": side,
                "type": "LIMIT",
                "timeInForce": "GTC",
                "price": price,
                "quantity": size,
            }
            | more,
            key,
        )

    def request(self, method: str, values: dict[str, str], key: str = "stranger") -> Any:
        """Make a request as somebody else does, or as our own account's owner by hand."""
        values = values | {"timestamp": str(self.now_ns // NS_PER_MS)}
        origin = Origin("10.0.0.9", session=self.venue.exchange.keys[key])
        reply = self.venue.exchange.call(METHODS[method], values, origin, self.now_ns)
        assert reply.error is None, reply.error
        self.venue.advance(self.now_ns)
        return reply.result

    def buy(self, ticks: int = 6_490_000, lots: int = 1_000, **how: Any) -> Order:
        order = self._place(Side.BUY, ticks, lots, **how)
        assert isinstance(order, Order), order
        return order

    def _place(self, side: Side, ticks: int, lots: int, **how: Any) -> Order | Refusal:
        self.desk.now_ns = self.now_ns
        order = self.desk.place(0, side, ticks, lots, **how)
        self.flush()
        return order

    def cancel(self, order: Order) -> None:
        self.desk.now_ns = self.now_ns
        assert self.desk.cancel(order) is None
        self.flush()

    def flush(self) -> None:
        self.engine.outbound.flush()

    def methods(self) -> list[str]:
        return [m.json["method"] for m in self.sent if m.connection == TRADE and m.opcode == 1]

    def places(self) -> int:
        return sum(method == "order.place" for method in self.methods())


def world(**options: Any) -> World:
    return World(**options).trading()


def lose(kind: str, times: int = 1):
    """Lose the first messages towards the engine that contain ``kind``."""
    left = [times]

    def pass_on(message: Message) -> list[Delivery]:
        if left[0] and kind.encode() in message.payload:
            left[0] -= 1
            return []
        return [(LATENCY_NS, message)]

    return pass_on


# -- unknown outcomes ------------------------------------------------------------------------


def test_a_lost_reply_leaves_an_order_unknown_until_a_query_proves_it():
    w = world()
    w.to_engine = lambda message: []  # neither the reply nor the report arrive
    order = w.buy()
    w.run(0.5)
    w.cut(TRADE)
    assert order.state is OrderState.UNKNOWN
    assert w.engine.orders.exposure(0).open_buy_lots == 1_000
    w.to_engine = w.deliver
    w.run_until(lambda: order.state is OrderState.LIVE)
    assert w.places() == 1, "a new order is never sent again on its own"


def test_an_overdue_reply_makes_an_order_unknown():
    w = world()
    w.to_engine = lambda m: [] if m.connection == TRADE and m.opcode == 1 else w.deliver(m)
    order = w.buy()
    w.run_until(lambda: order.state is OrderState.UNKNOWN, 15)
    w.to_engine = w.deliver
    w.run_until(lambda: order.state is OrderState.LIVE)


def test_an_order_that_never_arrived_is_proved_gone_only_after_its_expiry():
    w = world()
    w.to_venue = lambda m: [] if b"order.place" in m.payload else w.deliver(m)
    order = w.buy()
    sent_ns = w.now_ns
    w.cut(TRADE)
    w.run(3)
    assert order.state is OrderState.UNKNOWN, "it could still be accepted"
    assert w.engine.orders.exposure(0).open_buy_lots == 1_000
    w.run_until(lambda: order.state is OrderState.REJECTED, 90)
    assert w.now_ns - sent_ns > 77 * NS_PER_S, "window, the venue's timeout, its lag and skew"
    assert w.engine.orders.exposure(0).open_buy_lots == 0
    assert w.places() == 1


def test_an_order_accepted_very_late_is_found():
    w = world()
    w.to_venue = lambda m: [(4 * NS_PER_S if b"order.place" in m.payload else LATENCY_NS, m)]
    order = w.buy()
    w.run(0.1)
    w.engine.on_down(TRADE, "reset", w.now_ns)
    w.engine.on_up(TRADE, w.now_ns)
    w.run_until(lambda: order.state is OrderState.LIVE)
    assert len(w.ledger.open_orders("BTCUSDT")) == 1


@pytest.mark.parametrize("code", [-1006, -1007, -1000, 0])
def test_an_error_that_does_not_prove_refusal_leaves_an_order_unknown(code: int):
    w = world()

    def answer_badly(message: Message) -> list[Delivery]:
        body = message.json
        if str(body.get("id", "")).startswith("p"):
            error = {"id": body["id"], "status": 500, "error": {"code": code, "msg": "?"}}
            return [(LATENCY_NS, Message(TRADE, 1, msgspec.json.encode(error)))]
        if "event" in body:
            return []
        return w.deliver(message)

    w.to_engine = lambda m: (
        answer_badly(m) if m.connection == TRADE and m.opcode == 1 else w.deliver(m)
    )
    order = w.buy()
    w.run_until(lambda: (order.client_order_id, OrderState.UNKNOWN) in w.hand.states)
    w.run_until(lambda: order.state is OrderState.LIVE)
    assert w.places() == 1


# -- races -----------------------------------------------------------------------------------


def test_a_report_before_the_reply_is_accepted_and_the_reply_changes_nothing():
    w = world()
    w.to_engine = lambda m: [(LATENCY_NS, m)] if b'"event"' in m.payload else [(5 * LATENCY_NS, m)]
    order = w.buy(6_501_000, 100, tif=TimeInForce.IOC)
    w.run(0.1)
    assert order.state is OrderState.FILLED
    assert len(w.hand.fills) == 1
    assert w.engine.positions[0].lots == 100


def test_every_private_message_twice_changes_nothing():
    w = world()
    w.to_engine = lambda m: (
        [(LATENCY_NS, m), (LATENCY_NS, m)] if m.connection == TRADE else w.deliver(m)
    )
    w.buy(6_501_000, 100)
    w.run(0.1)
    assert w.engine.positions[0].lots == 100
    assert len(w.hand.fills) == 1


def test_lost_fills_are_found_by_the_next_reconciliation():
    w = world()
    order = w.buy(6_499_500, 1_000)
    w.run(0.1)
    w.to_engine = lambda m: [] if b'"event"' in m.payload else w.deliver(m)
    w.other("SELL", "64995.00", "0.004")
    w.run(0.1)
    assert w.engine.positions[0].lots == 0
    w.cut(TRADE)
    w.to_engine = w.deliver
    w.run_until(lambda: w.engine.positions[0].lots == 400)
    assert order.state is OrderState.LIVE
    assert w.engine.orders.exposure(0).open_buy_lots == 600


def test_a_cancel_reject_proves_nothing_and_is_asked_about():
    w = world()
    order = w.buy(6_499_500, 1_000)
    w.run(0.1)
    w.to_engine = lambda m: [] if b'"event"' in m.payload else w.deliver(m)
    w.other("SELL", "64995.00", "0.01")  # fills all of it, and nobody tells us
    w.cancel(order)
    w.run_until(lambda: order.state is OrderState.FILLED)
    w.run_until(lambda: w.engine.positions[0].lots == 1_000)
    assert w.engine.orders.exposure(0).open_buy_lots == 0


def test_a_refused_cancel_of_a_live_order_leaves_it_live_and_cancellable():
    w = world()
    order = w.buy()
    w.run(0.1)
    w.to_venue = lambda m: (
        [
            (
                LATENCY_NS,
                Message(m.connection, m.opcode, m.payload.replace(b'"orderId":', b'"orderId":9')),
            )
        ]
        if b"order.cancel" in m.payload
        else w.deliver(m)
    )
    w.cancel(order)
    w.run(1)
    assert order.state is OrderState.LIVE
    assert not order.cancelling
    w.to_venue = w.deliver
    w.cancel(order)
    w.run(0.1)
    assert order.state is OrderState.CANCELED


def test_a_replace_that_loses_its_race_leaves_the_fill_and_no_second_order():
    w = world()
    old = w.buy(6_499_500, 1_000)
    w.run(0.1)
    w.desk.now_ns = w.now_ns
    w.other("SELL", "64995.00", "0.01")
    new = w.desk.replace(old, 6_499_400, 1_000)
    w.flush()
    w.run(1)
    assert old.state is OrderState.FILLED
    assert isinstance(new, Order)
    assert new.state is OrderState.REJECTED
    assert w.engine.positions[0].lots == 1_000
    assert w.ledger.open_orders("BTCUSDT") == []


def test_a_replace_moves_the_order():
    w = world()
    old = w.buy(6_499_500, 1_000)
    w.run(0.1)
    w.desk.now_ns = w.now_ns
    new = w.desk.replace(old, 6_499_400, 500)
    w.flush()
    w.run(0.1)
    assert isinstance(new, Order)
    assert (old.state, new.state) == (OrderState.CANCELED, OrderState.LIVE)
    assert w.engine.orders.exposure(0).open_buy_lots == 500


def test_a_smaller_size_at_the_same_price_is_an_amend():
    w = world()
    order = w.buy(6_499_500, 1_000)
    w.run(0.1)
    w.desk.now_ns = w.now_ns
    assert w.desk.replace(order, 6_499_500, 400) is order
    w.flush()
    w.run(0.1)
    assert w.methods()[-1] == "order.amend.keepPriority"
    assert order.size_lots == 400
    assert not order.cancelling
    assert w.engine.orders.exposure(0).open_buy_lots == 400


# -- connections -----------------------------------------------------------------------------


def test_nothing_is_placed_while_the_private_connection_is_down():
    w = world()
    w.dials_allowed = False
    w.cut(TRADE)
    w.run(0.2)
    assert w.desk.session is SessionState.INTERRUPTED
    refusal = w._place(Side.BUY, 6_490_000, 100)
    assert isinstance(refusal, Refusal)
    w.dials_allowed = True
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    assert w.hand.sessions == [
        SessionState.TRADING,
        SessionState.INTERRUPTED,
        SessionState.TRADING,
    ]


def test_a_question_that_is_refused_proves_nothing_about_its_order():
    w = world()
    w.to_engine = lambda m: [] if m.connection == TRADE and m.opcode == 1 else w.deliver(m)
    order = w.buy(6_501_000, 100, tif=TimeInForce.IOC)
    w.run(0.1)

    def off(message: Message) -> list[Delivery]:
        if message.connection != TRADE or message.opcode != 1:
            return w.deliver(message)
        if not str(message.json.get("id")).startswith("q"):
            return []
        body = {
            "id": message.json["id"],
            "status": 400,
            "error": {"code": -1021, "msg": "Timestamp for this request is outside."},
        }
        return [(LATENCY_NS, Message(TRADE, 1, msgspec.json.encode(body)))]

    w.to_engine = off
    w.run(25)
    assert order.state is OrderState.UNKNOWN, "also when the order could no longer be taken"
    w.to_engine = w.deliver
    w.run_until(lambda: order.state is OrderState.FILLED)


def test_a_lost_connection_closes_the_gate_at_once():
    w = world()
    w.cut(TRADE)
    w.run(0.001)
    assert w.desk.session is SessionState.INTERRUPTED
    assert isinstance(w._place(Side.BUY, 6_490_000, 100), Refusal)


def test_trading_resumes_only_after_a_reconciliation():
    w = world()
    w.rest_answer = lambda request, *rest: (
        None if "openOrders" in request.path else (LATENCY_NS, *rest)
    )
    w.cut(TRADE)
    w.run(5)
    assert w.desk.session is SessionState.INTERRUPTED
    w.rest_answer = lambda request, *rest: (LATENCY_NS, *rest)
    w.run_until(lambda: w.desk.session is SessionState.TRADING)


def test_a_silent_connection_is_dropped_and_dialled_again():
    w = world()
    w.to_engine = lambda m: [] if m.connection == MARKET else w.deliver(m)
    w.run(50)
    assert any("silent" in line for line in w.log_lines)
    w.to_engine = w.deliver
    w.run_until(lambda: w.engine.sessions[MARKET].ready)
    w.other("BUY", "64991.00", "0.01")
    w.run_until(lambda: w.engine.books[0].live)


def test_a_connection_on_which_nothing_is_answered_any_more_is_dropped_and_dialled_again():
    """The venue still talks, pings included, but reads nothing: no doubt could ever end there."""
    w = world()
    w.to_venue = lambda m: [] if m.connection == TRADE else w.deliver(m)
    order = w.buy()
    w.run_until(lambda: order.state is OrderState.UNKNOWN, 15)
    w.run_until(
        lambda: any(
            record.kind == Kind.DROP and b"were not answered" in record.payload
            for record in w.journal.records
        )
    )
    w.to_venue = w.deliver
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    w.run_until(lambda: order.state.terminal, 90)
    assert w.places() == 1


def test_a_step_of_the_opening_script_that_is_not_answered_drops_the_connection():
    w = World()
    w.to_engine = lambda m: [] if m.connection == MARKET else w.deliver(m)
    w.run(12)
    assert not w.engine.sessions[MARKET].ready
    w.to_engine = w.deliver
    w.run_until(lambda: w.engine.sessions[MARKET].ready)


def test_a_shutdown_notice_replaces_the_connection_before_it_is_forced():
    w = world()
    link = w.links[TRADE]
    link.session.announce_shutdown(w.now_ns)
    w.run_until(lambda: w.links.get(TRADE) not in (None, link))
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    assert MARKET in w.links


def test_a_connection_is_replaced_before_the_venue_forces_it():
    w = world()
    link = w.links[TRADE]
    w.engine.sessions[TRADE].up_ns -= 24 * 3600 * NS_PER_S
    w.run_until(lambda: w.links.get(TRADE) not in (None, link))
    assert any("age limit" in line for line in w.log_lines)


def test_a_ping_is_answered_with_its_payload():
    w = world()
    w.say(TRADE, 9, b"1770123456789")
    w.run(0.01)
    assert Message(TRADE, 10, b"1770123456789") in w.sent


def test_a_key_that_is_refused_for_good_ends_the_run_and_is_not_tried_again():
    w = World()
    error = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}

    def refused(message: Message) -> list[Delivery]:
        if message.payload.startswith(b'{"id":"u'):
            request_id = msgspec.json.decode(message.payload)["id"]
            said = {"id": request_id, "status": 401, "error": error}
            return [(LATENCY_NS, Message(TRADE, 1, msgspec.json.encode(said)))]
        return w.deliver(message)

    w.to_engine = refused
    w.run(5)
    assert "Invalid API-key" in w.stopped
    assert "Invalid API-key" in w.engine.gate.fatal


def test_a_close_is_answered_and_its_code_and_reason_are_said():
    w = world()
    w.say(TRADE, 8, (1008).to_bytes(2, "big") + b"Pong timeout")
    w.run(0.01)
    assert Message(TRADE, 8, (1000).to_bytes(2, "big")) in w.sent
    assert any("closed by the venue: 1008 Pong timeout" in line for line in w.log_lines)
    drops = [r.payload for r in w.journal.records if r.kind == Kind.DROP]
    assert drops == [b"closed by the venue: 1008 Pong timeout"]


@pytest.mark.parametrize("skew_s", [-20, 20])
def test_dials_are_held_until_the_ban_ends_by_our_own_clock(skew_s: int):
    w = World()
    w.skew_ns = skew_s * NS_PER_S
    w.trading()
    date = formatdate(w.venue_ns / NS_PER_S, usegmt=True)
    headers = {"retry-after": "60", "date": date}
    w.rest_answer = lambda request, *_: (LATENCY_NS, 418, headers, b"{}")
    banned_ns = w.now_ns
    w.run_until(lambda: bool(w.held_until_ns), 70)
    assert abs(w.held_until_ns - banned_ns - 60 * NS_PER_S) < 3 * NS_PER_S


def test_the_venues_own_counts_are_learnt_from_its_answers():
    w = world()
    assert w.engine.throttle.free("raw_5m", w.now_ns) > 0
    free = w.engine.throttle.free("weight_1m", w.now_ns)
    used = {"x-mbx-used-weight-1m": "4000"}
    w.rest_answer = lambda request, status, headers, body: (
        LATENCY_NS,
        status,
        headers | used,
        body,
    )
    w.run_until(lambda: w.engine.throttle.free("weight_1m", w.now_ns) < free - 2_000, 35)


FRAMES_PER_S = 5
"""What the venue takes on its market line."""


def pongs(w: World, connection: int) -> list[bytes]:
    return [m.payload for m in w.sent if m.connection == connection and m.opcode == 10]


def test_no_more_frames_leave_a_second_than_the_venue_takes():
    w = world()
    w.run(2)
    answered = {connection: len(pongs(w, connection)) for connection in (MARKET, TRADE)}
    most = FRAMES_PER_S
    for number in range(20):
        w.say(MARKET, 9, b"%d" % number)
        w.say(TRADE, 9, b"%d" % number)
    w.run(0.9)
    assert len(pongs(w, MARKET)) - answered[MARKET] <= most
    assert len(pongs(w, TRADE)) - answered[TRADE] >= 20
    w.run(1.2)
    assert pongs(w, MARKET)[-1] == b"19", "the newest ping is answered"
    assert len(pongs(w, MARKET)) - answered[MARKET] <= most + 1


def test_a_subscription_counts_as_a_frame_that_the_venue_takes():
    w = world()
    w.cut(MARKET)
    w.run_until(lambda: MARKET in w.links)
    w.run(0.05)
    before = len(pongs(w, MARKET))
    for number in range(20):
        w.say(MARKET, 9, b"%d" % number)
    w.run(0.5)
    assert len(pongs(w, MARKET)) - before < FRAMES_PER_S


def test_an_ended_private_stream_is_subscribed_anew():
    w = world()
    ended = {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}
    w.say(TRADE, 1, msgspec.json.encode(ended))
    w.run_until(lambda: w.desk.session is SessionState.INTERRUPTED)
    w.run_until(lambda: w.desk.session is SessionState.TRADING)


# -- books -----------------------------------------------------------------------------------


def test_a_gap_takes_out_the_orders_of_that_book_and_it_is_proved_anew():
    w = world()
    order = w.buy()
    w.run(0.1)
    w.to_engine = lose("depthUpdate")
    w.other("BUY", "64991.00", "0.01")
    w.run(0.15)
    w.to_engine = w.deliver
    w.other("BUY", "64992.00", "0.01")
    w.run_until(lambda: BookState.STALE in w.hand.books)
    w.run(0.01)
    assert order.state is OrderState.CANCELED
    w.other("BUY", "64993.00", "0.01")
    w.run_until(lambda: w.engine.books[0].live)


def test_a_snapshot_asked_for_before_its_book_began_anew_is_not_taken():
    w = world(rate=300.0)
    w.run_until(lambda: w.engine.books[0].live)
    asked: list[int] = []

    def late(request: Any, status: int, headers: Any, body: bytes) -> Any:
        if "depth" not in request.path:
            return LATENCY_NS, status, headers, body
        asked.append(w.now_ns)
        if len(asked) > 1:
            return 3 * NS_PER_S, status, headers, body
        depth = msgspec.json.decode(body)
        depth["lastUpdateId"] += 1_000_000  # as counted before the venue began anew
        return 3 * NS_PER_S // 2, status, headers, msgspec.json.encode(depth)

    w.rest_answer = late
    for _ in range(2):
        w.cut(MARKET)
        before = len(asked)
        while len(asked) == before:
            w.run(0.1)
    w.run(1)
    assert not w.engine.books[0].live
    w.run_until(lambda: w.engine.books[0].live)
    assert w.engine.books[0].seq < 1_000_000


def test_a_gap_in_one_book_leaves_the_others_alone():
    w = world(symbols=("BTCUSDT", "ETHUSDT"), rate=300.0)
    w.run_until(lambda: all(book.live for book in w.engine.books))
    w.to_engine = lambda m: (
        [] if b"ethusdt@depth" in m.payload and not w.engine.books[1].gaps else w.deliver(m)
    )
    w.run(0.3)
    w.to_engine = w.deliver
    w.run_until(lambda: w.engine.books[1].gaps == 1)
    assert w.engine.books[0].gaps == 0
    w.run_until(lambda: all(book.live for book in w.engine.books))


def test_no_order_leaves_on_a_book_that_is_not_live():
    w = world()
    w.engine.books[0].invalidate("test")
    refusal = w._place(Side.BUY, 6_490_000, 100)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "book_not_live"


# -- others, limits, failures ----------------------------------------------------------------


def test_orders_of_an_earlier_boot_are_cancelled_before_the_first_order():
    first = world()
    first.buy()
    first.run(0.1)
    assert len(first.ledger.open_orders("BTCUSDT")) == 1
    second = World(boot=2, venue=first.venue, now_ns=first.now_ns)
    second.run_until(lambda: second.desk.session is SessionState.TRADING)
    second.run(0.1)
    assert second.ledger.open_orders("BTCUSDT") == []


def test_leaving_cancels_our_own_orders_and_leaves_others_alone():
    w = world()
    w.other("BUY", "60000.00", "0.01", key="hotloop-sim-key-this-is-not-a-secret")
    w.buy()
    w.run(0.1)
    w.leave()
    left = w.ledger.open_orders("BTCUSDT")
    assert len(left) == 1
    assert not left[0].client_id.startswith(w.engine.setup.scope)


def test_leaving_waits_for_an_order_whose_fate_is_unknown():
    w = world()
    w.to_venue = lambda m: [(3 * NS_PER_S if b"order.place" in m.payload else LATENCY_NS, m)]
    w.buy()
    w.run(0.01)
    w.leave()
    assert w.ledger.open_orders("BTCUSDT") == []
    assert len(w.ledger.orders("BTCUSDT")) == 1, "it was accepted late, and then cancelled"


def test_leaving_goes_on_when_the_private_connection_falls():
    w = world()
    w.buy()
    w.run(0.1)
    w.engine.leave("test", w.now_ns)
    w.cut(TRADE)
    w.run_until(lambda: w.has_left)
    assert w.ledger.open_orders("BTCUSDT") == []


def test_nothing_is_placed_once_leaving_has_begun():
    w = world()
    w.engine.leave("test", w.now_ns)
    assert isinstance(w._place(Side.BUY, 6_490_000, 100), Refusal)


def test_a_strategy_that_raises_is_stopped_and_its_orders_are_cancelled():
    w = world()
    w.buy()
    w.run(0.1)

    def fail(desk: Desk, book: BookView) -> None:
        raise ZeroDivisionError("nonsense")

    w.hand.on_book = fail  # type: ignore[method-assign] # the point of the test
    w.other("BUY", "64995.00", "0.01")
    w.run(0.3)
    assert "ZeroDivisionError: nonsense" in w.stopped
    assert w.desk.session is SessionState.HALTED
    assert w.ledger.open_orders("BTCUSDT") == []
    w.leave()


def test_a_loss_beyond_the_daily_limit_halts_everything():
    w = world(risk='[risk.BTCUSDT]\nmax_daily_loss = "1"')
    w.buy(6_501_000, 10_000, tif=TimeInForce.IOC)
    w.run(0.1)
    assert w.engine.positions[0].lots == 10_000
    w.run_until(lambda: w.desk.session is SessionState.HALTED)
    assert isinstance(w._place(Side.SELL, 6_490_000, 100), Refusal)


def test_an_unknown_execution_type_halts_the_instrument_and_is_not_booked():
    w = world()
    w.to_engine = lambda m: [
        (
            LATENCY_NS,
            Message(m.connection, m.opcode, m.payload.replace(b'"x":"TRADE"', b'"x":"FUNDING"')),
        )
    ]
    w.to_venue = w.deliver
    w.buy(6_490_000, 100)
    w.run(0.1)
    w.other("SELL", "64990.00", "1")
    w.other("SELL", "64900.00", "0.001")
    w.run(0.05)
    assert w.hand.fills == []
    assert w.engine.risk.instrument_halted(0)


def test_a_ban_is_obeyed_until_it_is_over():
    w = world()
    until_ms = (w.now_ns + 5 * NS_PER_S) // NS_PER_MS

    def ban(message: Message) -> list[Delivery]:
        body = message.json
        if "event" in body or "stream" in body:
            return w.deliver(message)
        error = {
            "id": body.get("id"),
            "status": 418,
            "error": {"code": -1003, "msg": "banned", "data": {"retryAfter": until_ms}},
        }
        return [(LATENCY_NS, Message(TRADE, 1, msgspec.json.encode(error)))]

    w.to_engine = lambda m: ban(m) if m.connection == TRADE and m.opcode == 1 else w.deliver(m)
    w.buy()
    w.run(0.1)
    w.to_engine = w.deliver
    before = (len(w.methods()), len(w.asked))
    w.run(4)
    assert (len(w.methods()), len(w.asked)) == before, "nothing is sent during a ban"
    assert isinstance(w._place(Side.BUY, 6_490_000, 100), Refusal)
    w.run(2)
    assert isinstance(w._place(Side.BUY, 6_490_000, 100), Order)


def test_what_a_read_caused_stays_here_when_the_same_read_tells_of_a_ban():
    w = world()
    w.buy(6_490_000, 100)
    w.buy(6_480_000, 100)
    w.run(0.1)
    heard: list[bytes] = []

    def keep(message: Message) -> list[Delivery]:
        if message.connection == TRADE and b'"x":"TRADE"' in message.payload:
            heard.append(message.payload.replace(b'"x":"TRADE"', b'"x":"FUNDING"'))
            return []
        return w.deliver(message)

    w.to_engine = keep
    w.other("SELL", "64990.00", "1")
    w.other("SELL", "64900.00", "0.001")
    w.run(0.05)
    until_ms = (w.now_ns + 5 * NS_PER_S) // NS_PER_MS
    ban = b'{"id":"p999","status":418,"error":{"code":-1003,"msg":"ban","data":{"retryAfter":%d}}}'
    data = server_frame(1, heard[0]) + server_frame(1, ban % until_ms)
    before = list(w.methods())
    w.engine.on_bytes(TRADE, data, 0, w.now_ns, w.now_ns)
    assert w.engine.risk.instrument_halted(0), "and its orders are to be cancelled"
    w.run(1)
    assert list(w.methods()) == before


def test_what_a_turn_asked_over_rest_stays_here_when_it_tells_of_a_ban():
    w = world()
    outbound, before = w.engine.outbound, len(w.asked)
    assert outbound.request(FetchBook(0), w.now_ns)
    outbound.discard()
    outbound.flush()
    assert len(w.asked) == before
    assert outbound.request(FetchBook(0), w.now_ns)
    outbound.flush()
    assert len(w.asked) == before + 1


def test_a_journal_that_fails_stops_placing_and_cancels_go_out(monkeypatch):
    w = world()
    w.buy()
    w.run(0.1)

    def fail(self: Any, kind: int, connection: int, time_ns: int, payload: Payload) -> None:
        raise JournalFailed("disk full")

    broken = MemoryJournal()
    monkeypatch.setattr(MemoryJournal, "append", fail)
    w.engine._append = broken.append
    assert isinstance(w._place(Side.BUY, 6_490_000, 100), Refusal)
    w.run(0.5)
    assert "disk full" in w.stopped
    assert w.ledger.open_orders("BTCUSDT") == []
    w.leave()


def test_every_request_is_in_the_journal_before_it_leaves():
    w = world()
    w.buy()
    sends = [r.payload for r in w.journal.records if r.kind == Kind.SEND]
    assert any(b"order.place" in payload for payload in sends)
    assert not any(b"apiKey" in payload or b'"signature":' in payload for payload in sends)


def test_a_post_only_order_that_would_trade_is_refused():
    w = world()
    order = w.buy(6_501_000, 100, kind=OrderKind.POST_ONLY)
    w.run(0.1)
    assert order.state is OrderState.REJECTED
    assert order.reason


def refusing(
    w: Tank, code: int, text: str, *, status: int = 400, methods: tuple[str, ...] = PLACING
) -> Callable[[Message], list[Delivery]]:
    """Return a ``to_venue`` that answers such requests with an error before the venue sees them."""

    def to_venue(message: Message) -> list[Delivery]:
        if message.connection != TRADE or message.opcode != TEXT:
            return w.deliver(message)
        request = message.json
        if request["method"] not in methods:
            return w.deliver(message)
        error = {"code": code, "msg": text}
        body = {"id": request["id"], "status": status, "error": error, "rateLimits": []}
        answer = msgspec.json.encode(body)
        w.at(w.now_ns + 2 * LATENCY_NS, lambda: w.say(TRADE, TEXT, answer))
        return []

    return to_venue


def test_too_many_rejects_halt_the_instrument():
    w = world(risk="max_rejects = 3")
    w.to_venue = refusing(w, -2010, "Price * QTY is zero or less.")
    for _ in range(4):
        w.buy(6_490_000, 100)
        w.run(0.1)
    refusal = w._place(Side.BUY, 6_490_000, 100)
    assert isinstance(refusal, Refusal)
    assert w.engine.risk.instrument_halted(0)


def list_otherwise(w: World, old: bytes, new: bytes) -> None:
    """Have the venue list what there is to trade in other words from now on."""

    def answer(request: Any, status: int, headers: dict[str, str], body: bytes) -> Any:
        listed = request.path.endswith("exchangeInfo")
        return LATENCY_NS, status, headers, body.replace(old, new) if listed else body

    w.rest_answer = answer


def test_a_symbol_that_the_venue_halts_is_noticed_and_nothing_is_placed_on_it():
    w = world()

    list_otherwise(w, b'"status":"TRADING"', b'"status":"BREAK"')
    w.run(31)
    refusal = w._place(Side.BUY, 6_490_000, 100)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "not_trading"


def test_a_tick_that_changes_during_the_run_halts_its_instrument():
    w = world()
    order = w.buy()
    w.run(0.1)
    list_otherwise(w, b'"tickSize":"0.01000000"', b'"tickSize":"0.10000000"')
    w.run(31)
    assert "tick or lot" in w.engine.risk.instrument_halted(0)
    assert order.state is OrderState.CANCELED
    assert w.engine.table[0].tick.step == "0.01", "positions and books go on to count in it"


def test_a_fill_that_nobody_tells_us_of_halts_the_run_with_both_ledgers_shown():
    w = world()
    w.run(5)  # the ledgers are open
    w.to_engine = lambda m: [] if b"executionReport" in m.payload else w.deliver(m)
    w.rest_answer = lambda request, status, headers, body: (
        (LATENCY_NS, status, headers, b"[]" if "myTrades" in request.path else body)
    )
    w.other("BUY", "65010.00", "0.1", key="hotloop-sim-key-this-is-not-a-secret")
    w.run_until(lambda: w.desk.session is SessionState.HALTED, 90)
    assert "the ledgers differ: BTC: 100 by our fills, 100.0999 by the venue" in (
        w.engine.risk.halted
    )


def test_a_limit_that_the_venue_no_longer_states_is_kept_as_published():
    w = world()
    list_otherwise(w, b'"rateLimits":[', b'"rateLimits":[],"formerly":[')
    w.run(31)
    w.buy()
    w.run(0.1)
    assert len(w.ledger.open_orders("BTCUSDT")) == 1


def open_there(w: World) -> int:
    """Return how many of our orders rest at the venue."""
    return len(w.request("openOrders.status", {"symbol": "BTCUSDT"}, DEFAULT_KEY))


def ended_by_a_word(w: World) -> Order:
    """Return an order that rests at the venue, and of which a report has told the end."""
    order = w.buy()
    w.run(0.5)
    row = w.engine.table[order.instrument]
    [standing] = w.request("openOrders.status", {"symbol": row.symbol}, DEFAULT_KEY)
    event = {
        "e": "executionReport", "s": row.symbol, "c": order.client_order_id, "S": "BUY",
        "q": row.lot.text(order.size_lots), "p": row.tick.text(order.price_ticks), "C": "",
        "x": "CANCELED", "X": "CANCELED", "r": "NONE", "i": standing["orderId"], "l": "0",
        "z": "0", "L": "0", "n": "0", "N": None, "T": w.now_ns // NS_PER_MS, "t": -1, "I": 999,
        "m": False,
    }  # fmt: skip
    w.say(TRADE, 1, msgspec.json.encode({"event": event}))
    w.run(0.5)
    assert order.state is OrderState.CANCELED
    assert open_there(w)
    return order


def test_an_order_that_is_listed_beyond_any_lag_after_its_end_was_told_is_cancelled():
    w = world()
    order = ended_by_a_word(w)
    w.run(140)
    assert not open_there(w)
    assert any("ALARM" in line and order.client_order_id in line for line in w.log_lines)


def test_who_leaves_cancels_whatever_of_ours_the_venue_lists():
    w = world()
    ended_by_a_word(w)
    w.engine.leave("told to", w.now_ns)
    w.run_until(lambda: w.engine.recovery.left, 20)
    assert not open_there(w)
