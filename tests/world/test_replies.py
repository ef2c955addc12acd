"""The replies: what of an answer is obeyed, learnt, counted and measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import pytest

from core.model.events import NO_REQUEST, BudgetUse, Costs, Reply, Side, Verdict
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.views import Refusal, RefusalReason
from core.state import hops as hop
from core.state.inflight import REST
from core.state.orders import Order
from core.state.throttle import BAN_NS, COOL_DOWN_NS
from tests.world.test_recovery import TRADE, World, refusing, world
from tools.world.tank import LATENCY_NS


def refused(answer: Order | Refusal) -> RefusalReason:
    assert isinstance(answer, Refusal)
    return answer.reason


def test_dials_are_held_until_a_ban_is_over_by_our_own_clock():
    w = World()
    w.skew_ns = 7 * NS_PER_S
    w.trading()
    until_ns = w.now_ns + 8 * NS_PER_S
    theirs_ms = (until_ns + w.skew_ns) // NS_PER_MS
    error = {"code": -1003, "msg": "banned", "data": {"retryAfter": theirs_ms}}
    w.say(TRADE, 1, msgspec.json.encode({"id": "q999", "status": 418, "error": error}))
    w.run(0.1)
    assert abs(w.held_until_ns - until_ns) < 10 * NS_PER_MS


class Learning:
    """Notes what a throttle is told."""

    def __init__(self) -> None:
        self.under_way: list[list[Costs] | None] = []

    def learn(
        self,
        uses: Sequence[BudgetUse],
        now_ns: int,
        under_way: Iterable[Costs] | None,
        told_ns: int,
    ) -> None:
        self.under_way.append(None if under_way is None else list(under_way))


def test_a_count_is_taken_less_what_is_under_way_and_of_an_overtaken_reply_lowers_nothing():
    w = world()
    w.buy()
    w.buy(6_489_000)
    asked = {each.request_id: each.command for each in w.engine.outbound.inflight}
    older, newer = sorted(asked)
    learning = Learning()
    w.engine.replies._throttle = learning  # type: ignore[assignment] # notes, counts not
    w.engine.connections.reading = TRADE
    uses = (BudgetUse("orders_10s", 1),)
    w.engine.on_reply(Reply(request_id=newer, verdict=Verdict.DONE, budgets=uses))
    w.engine.on_reply(Reply(request_id=older, verdict=Verdict.DONE, budgets=uses))
    cost = w.application.adapter.cost(asked[older])
    assert learning.under_way == [[cost], None]


def test_what_was_asked_on_one_way_is_answered_on_no_other():
    w = world()
    w.rest_answer = lambda request, status, headers, body: (5 * NS_PER_S, status, headers, body)
    w.engine.recovery.look_again(w.now_ns)
    w.run_until(lambda: len(w.engine.outbound.inflight) > 0, 5)
    asked = next(iter(w.engine.outbound.inflight))
    assert asked.connection == REST
    w.say(TRADE, 1, msgspec.json.encode({"id": f"u{asked.request_id}", "status": 200}))
    w.run(0.5)
    assert w.engine.outbound.inflight.find(asked.request_id) is asked, "it is awaited still"


def test_an_answer_that_cannot_be_read_proves_nothing_and_is_counted():
    w = world()
    order = w.buy()
    w.run(0.1)
    w.engine.sessions[TRADE].ignored()
    w.desk.now_ns = w.now_ns
    assert w.desk.cancel(order) is None
    request_id = max(asked.request_id for asked in w.engine.outbound.inflight)
    before = w.engine.counts.errors
    w.engine.on_answer(request_id, 200, {}, b"{", w.now_ns)
    assert w.engine.counts.errors == before + 1
    assert order.client_order_id in w.engine.resolution.retries
    assert not order.cancelling


def test_out_of_orders_is_obeyed_by_orders_and_holds_up_no_cancel():
    w = world()
    order = w.buy()
    w.run(0.1)
    text = "Too many new orders; current limit is 50 orders per 10 SECOND."
    w.to_venue = refusing(w, -1015, text, status=429)
    w.buy(6_489_000)
    w.run(0.1)
    assert refused(w._place(Side.BUY, 6_488_000, 1_000)) is RefusalReason.VENUE_LIMIT
    w.cancel(order)
    assert w.methods()[-1] == "order.cancel"


def test_a_throttled_run_places_nothing_until_the_venues_time_and_cancels():
    w = world()
    order = w.buy()
    w.run(0.1)
    w.to_venue = refusing(w, -1003, "Too many requests.", status=429)
    w.buy(6_489_000)
    w.run(0.1)
    w.to_venue = w.deliver
    assert refused(w._place(Side.BUY, 6_488_000, 1_000)) is RefusalReason.VENUE_LIMIT
    w.cancel(order)
    assert w.methods()[-1] == "order.cancel"


def test_cancels_that_the_venue_throttles_too_bring_no_ban_nearer():
    w = world()
    orders = [w.buy(6_480_000 + each) for each in range(5)]
    w.run(0.1)
    w.to_venue = refusing(w, -1003, "Too many.", status=429, methods=("order.cancel",))
    before = w.methods().count("order.cancel")
    for _ in range(300):
        w.desk.now_ns = w.now_ns
        w.desk.cancel_all(0)
        w.flush()
        w.run(0.1)
    assert w.methods().count("order.cancel") - before <= 7 * len(orders), "a round in 5 s"
    w.to_venue = w.deliver
    w.run(11)
    assert all(order.state.terminal for order in orders)


def test_a_venue_that_takes_no_time_of_ours_is_asked_for_its_own_once_a_second():
    w = world()
    order = w.buy()
    w.run(2)
    every = ("order.place", "order.cancel", "order.status")
    w.to_venue = refusing(w, -1021, "Timestamp for this request is outside.", methods=every)
    before = len(w.asked)
    for _ in range(300):
        w.desk.now_ns = w.now_ns
        w.desk.cancel(order)
        w.flush()
        w.run(0.1)
    paths = [request.path.rpartition("/")[2] for request in w.asked[before:]]
    assert 8 < paths.count("time") <= 31
    assert paths.count("exchangeInfo") <= 2
    w.to_venue = w.deliver
    w.run(6)
    assert order.state.terminal
    assert w.engine.clock.known


def test_what_the_venue_refuses_is_counted_in_its_own_words():
    w = world()
    w.to_venue = refusing(w, -2010, "Order would immediately match and take.")
    w.buy()
    w.run(0.1)
    assert w.engine.counts.refusals == {"-2010 Order would immediately match and take.": 1}


class Measuring:
    """Notes what is measured."""

    def __init__(self) -> None:
        self.noted: list[tuple[int, int]] = []

    def record(self, hop: int, ns: int) -> None:
        self.noted.append((hop, ns))


def test_the_time_to_an_answer_is_measured_for_orders_and_for_cancels_apart():
    w = world()
    measuring = Measuring()
    w.engine.replies._hops = measuring  # type: ignore[assignment] # notes, counts not
    order = w.buy()
    w.run(0.1)
    w.cancel(order)
    w.run(0.1)
    round_trip_ns = 2 * LATENCY_NS
    assert measuring.noted == [(hop.ORDER_ACK, round_trip_ns), (hop.CANCEL_ACK, round_trip_ns)]


@pytest.mark.parametrize(
    ("status", "headers", "body", "seconds"),
    [
        (429, {"retry-after": "30"}, b"<html>slow down</html>", 30),
        (418, {"retry-after": "7200"}, b"", 7_200),
        (418, {}, b'{"code":-1003,"msg":"IP(1.2.3.4) banned until %d."}', 300),
        (429, {}, b"", COOL_DOWN_NS / NS_PER_S),
        (418, {}, b"", BAN_NS / NS_PER_S),
    ],
)
def test_a_handshake_refused_for_too_many_requests_holds_all_but_cancels_for_as_long_as_told(
    status: int, headers: dict[str, str], body: bytes, seconds: float
):
    w = world()
    order = w.buy()
    w.run(0.1)
    began_ns, asked = w.now_ns, len(w.asked)
    if b"%d" in body:
        body %= (w.now_ns + w.skew_ns) // NS_PER_MS + int(seconds * 1_000)
    w.engine.on_answer(NO_REQUEST, status, headers, body, w.now_ns)
    assert w.held_until_ns - began_ns == pytest.approx(seconds * NS_PER_S, abs=NS_PER_S)
    assert "the venue takes no connection" in w.log_lines[-1]
    assert refused(w._place(Side.BUY, 6_488_000, 1_000)) is RefusalReason.VENUE_LIMIT
    w.cancel(order)
    w.run(20)
    assert order.state.terminal, "cancels have an open way"
    assert [request for request in w.asked[asked:] if not request.cancels] == []


def test_a_handshake_that_is_refused_makes_no_ban_shorter():
    w = world()
    body = b'{"code":-1003,"msg":"banned","data":{"retryAfter":%d}}' % (
        (w.now_ns + w.skew_ns) // NS_PER_MS + 900_000
    )
    w.say(TRADE, 1, b'{"id":"q999","status":418,"error":' + body + b"}")
    w.run(0.1)
    until_ns = w.held_until_ns
    w.engine.on_answer(NO_REQUEST, 429, {"retry-after": "5"}, b"", w.now_ns)
    assert w.held_until_ns == until_ns
