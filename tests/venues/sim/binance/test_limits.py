"""Rate limits: weights, unfilled orders, aligned windows, bans."""

from dataclasses import replace

from tests.venues.sim.binance.driver import MS, Desk, Party, limit
from venues.sim.binance.exchange import LIMITS
from venues.sim.binance.limits import Limit, RequestCounter, Window

SECOND = 1_000 * MS


def test_windows_are_aligned_to_the_wall_clock() -> None:
    window = Window(Limit("ORDERS", "SECOND", 10, 2))
    window.add(2, 9_999 * MS)
    assert not window.has_room(1, 9_999 * MS)
    assert window.ends_ms(9_999 * MS) == 10_000
    assert window.has_room(1, 10_000 * MS)


def test_a_count_never_falls_below_zero() -> None:
    window = Window(Limit("ORDERS", "SECOND", 10, 2))
    window.add(1, 0)
    window.add(-5, 0)
    assert window.count(0) == 0


def small(orders: int = 2, weight: int = 6_000) -> Desk:
    return Desk(
        replace(
            LIMITS,
            weight=Limit("REQUEST_WEIGHT", "MINUTE", 1, weight),
            orders=(Limit("ORDERS", "SECOND", 10, orders), Limit("ORDERS", "DAY", 1, 100)),
        )
    )


def count(party: Party) -> int:
    states = party.ok("account.rateLimits.orders")
    return int(states[0]["count"])


def test_orders_beyond_the_limit_get_429_until_the_window_ends() -> None:
    desk = small()
    party = desk.party()
    party.limit("BUY", "60000", "0.01")
    party.limit("BUY", "60000", "0.01")
    reply = party.call("order.place", **limit("BUY", "60000", "0.01"))
    assert reply.error is not None
    assert (reply.status, reply.error.code, reply.error.msg) == (
        429,
        -1015,
        "Too many new orders; current limit is 2 orders per 10 SECOND.",
    )
    assert reply.error.retry_at_ms == (desk.now_ns // (10 * SECOND) + 1) * 10_000
    desk.now_ns += 10 * SECOND
    party.limit("BUY", "60000", "0.01")


def test_a_placement_shows_the_unfilled_order_counts() -> None:
    party = Desk().party()
    reply = party.call("order.place", **limit("BUY", "60000", "0.01"))
    assert [(one["interval"], one["count"]) for one in reply.order_counts] == [
        ("SECOND", 1),
        ("DAY", 1),
    ]
    assert party.call("time").order_counts == []


def test_taker_fills_take_one_off_and_maker_fills_five() -> None:
    """Example 1 and 2 of faqs/order_count_decrement.md."""
    desk = small(orders=50)
    maker, taker = desk.party(), desk.party()
    for _ in range(5):
        maker.limit("SELL", "65000", "0.02")
    assert count(maker) == 5
    taker.limit("BUY", "65000", "0.01")
    assert count(taker) == 0
    assert count(maker) == 0
    maker.limit("SELL", "65001", "0.01")
    taker.limit("BUY", "65000", "0.01")
    assert count(maker) == 1


def test_cancels_and_expiries_do_not_change_the_count() -> None:
    party = Desk().party()
    order = party.limit("BUY", "60000", "0.01")
    party.ok("order.cancel", symbol="BTCUSDT", orderId=order["orderId"])
    party.limit("BUY", "60000", "0.01", timeInForce="FOK")
    assert count(party) == 2


def test_rejected_orders_are_not_counted_but_unattempted_replacements_are() -> None:
    party = Desk().party()
    party.refused("order.place", **limit("SELL", "60000", "101"))
    assert count(party) == 0
    values = limit("BUY", "60000", "0.01", cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=9)
    party.refused("order.cancelReplace", **values)
    assert count(party) == 1


def test_cancel_replace_when_the_order_limit_is_reached() -> None:
    """The rows "Exceeds Limits" of the cancelReplace table."""
    for mode, known, status, code in (
        ("STOP_ON_FAILURE", True, 429, -2021),
        ("STOP_ON_FAILURE", False, 429, -2022),
        ("ALLOW_FAILURE", True, 409, -2021),
        ("ALLOW_FAILURE", False, 400, -2022),
    ):
        party = small(orders=1).party()
        order = party.limit("BUY", "60000", "0.01")
        values = limit(
            "BUY",
            "59000",
            "0.01",
            cancelReplaceMode=mode,
            cancelOrderId=order["orderId"] if known else 999,
        )
        assert party.refused("order.cancelReplace", **values)[0] == -1015
        assert len(party.ok("openOrders.status")) == 1
        only = party.call("order.cancelReplace", orderRateLimitExceededMode="CANCEL_ONLY", **values)
        assert only.error is not None
        assert (only.status, only.error.code) == (status, code)
        assert len(party.ok("openOrders.status")) == (0 if known else 1)


def test_weight_is_shared_per_ip_and_refused_with_429() -> None:
    desk = small(weight=45)
    party = desk.party()
    assert party.call("exchangeInfo").weight["count"] == 20
    assert party.call("exchangeInfo").weight["count"] == 40
    reply = party.call("exchangeInfo")
    assert reply.error is not None
    assert (reply.status, reply.error.code) == (429, -1003)
    assert party.ok("ping") == {}
    desk.now_ns += 60 * SECOND
    assert party.call("exchangeInfo").weight["count"] == 20


def test_trading_costs_no_weight_unless_it_fails() -> None:
    party = Desk().party()
    order = party.call("order.place", **limit("BUY", "60000", "0.01"))
    assert order.weight["count"] == 0
    failed = party.call("order.cancel", symbol="BTCUSDT", orderId=99)
    assert failed.weight["count"] == 1
    unsigned = party.call("order.place", **limit("BUY", "60000.001", "0.01"))
    assert unsigned.weight["count"] == 2


def test_depth_weighs_by_its_limit() -> None:
    party = Desk().party()
    for levels, weight in ((100, 5), (101, 25), (1_000, 50), (5_000, 250), (9_999, 250)):
        before = party.call("ping").weight["count"]
        after = party.call("depth", symbol="BTCUSDT", limit=levels).weight["count"]
        assert after - before == weight


def test_who_goes_on_after_429_is_banned_longer_each_time() -> None:
    counter = RequestCounter(Limit("W", "MINUTE", 1, 1), Limit("R", "MINUTE", 5, 10_000))
    counter.charge(1, 0)
    refused = [refusal(counter, 1_000) for _ in range(60)]
    assert refused[0] == 429
    assert refused[-1] == 418
    assert refusal(counter, 119 * SECOND) == 418
    assert refusal(counter, 121 * SECOND) is None
    counter.charge(1, 121 * SECOND)
    assert [refusal(counter, 122 * SECOND) for _ in range(60)][-1] == 418
    assert refusal(counter, (122 + 239) * SECOND) == 418
    assert refusal(counter, (122 + 241) * SECOND) is None


def refusal(counter: RequestCounter, now_ns: int) -> int | None:
    from venues.sim.binance.errors import ApiError

    try:
        counter.admit(1, now_ns)
    except ApiError as error:
        return error.status
    return None


def test_an_amend_is_free_only_where_it_ends_the_order() -> None:
    desk = Desk()
    maker, taker = desk.party(), desk.party()
    order = maker.limit("BUY", "60000", "0.1")
    taker.limit("SELL", "60000", "0.04")
    names = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
    before = maker.call("ping").weight["count"]
    still = maker.call("order.amend.keepPriority", newQty="0.05", **names)
    assert still.weight["count"] == before + 4
    ended = maker.call("order.amend.keepPriority", newQty="0.04", **names)
    assert ended.result["amendedOrder"]["status"] == "EXPIRED"
    assert ended.weight["count"] == before + 4
    again = maker.call("order.amend.keepPriority", newQty="0.03", **names)
    assert again.error is not None
    assert again.weight["count"] == before + 8
