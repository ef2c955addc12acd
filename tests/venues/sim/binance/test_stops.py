"""Stop, trailing and iceberg orders: when they begin to work, and what they show until then."""

from typing import Any

import pytest

from tests.venues.sim.binance.driver import Desk, Party, limit
from venues.sim.fixed import parse, show


class Pit(Desk):
    """A desk whose last price a test moves where it wants it."""

    def __init__(self) -> None:
        super().__init__()
        self._others = (self.party(), self.party())
        self.trade("60000")

    def trade(self, price: str) -> None:
        """Have two others trade a little at a price."""
        maker, taker = self._others
        self.now_ns += 11 * 10**9
        maker.limit("SELL", price, "0.001")
        taker.limit("BUY", price, "0.001")

    def bid(self, price: str, quantity: str = "1") -> None:
        self._others[1].limit("BUY", price, quantity)

    def ask(self, price: str, quantity: str = "1") -> None:
        self._others[0].limit("SELL", price, quantity)


def stop(kind: str, side: str, **values: Any) -> dict[str, Any]:
    base = {"symbol": "BTCUSDT", "side": side, "type": kind, "quantity": "0.01"}
    if kind.endswith("LIMIT"):
        base["timeInForce"] = "GTC"
    return base | {"newOrderRespType": "RESULT"} | values


def status(party: Party, order: dict[str, Any]) -> dict[str, Any]:
    found = party.ok("order.status", symbol="BTCUSDT", orderId=order["orderId"])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("kind", "side", "stop_price", "before", "at"),
    [
        ("STOP_LOSS", "SELL", "59000", "59001", "59000"),
        ("STOP_LOSS", "BUY", "61000", "60999", "61000"),
        ("TAKE_PROFIT", "SELL", "61000", "60999", "61001"),
        ("TAKE_PROFIT", "BUY", "59000", "59001", "58999"),
    ],
)
@pytest.mark.parametrize("limited", [False, True])
def test_a_stop_order_works_from_the_trade_that_reaches_its_price(
    kind: str, side: str, stop_price: str, before: str, at: str, limited: bool
) -> None:
    pit, price = Pit(), "58000" if side == "SELL" else "62000"
    party = pit.party()
    kind, more = (f"{kind}_LIMIT", {"price": price}) if limited else (kind, {})
    order = party.ok("order.place", **stop(kind, side, stopPrice=stop_price, **more))
    assert (order["status"], order["stopPrice"], order["workingTime"]) == (
        "NEW", f"{stop_price}.00000000", -1,
    )  # fmt: skip
    pit.bid("57000")
    pit.ask("63000")
    pit.trade(before)
    waiting = status(party, order)
    assert (waiting["status"], waiting["isWorking"]) == ("NEW", False)
    pit.trade(at)
    worked = status(party, order)
    # The market form takes what there is; the limit form rests at its price.
    assert (worked["status"], worked["isWorking"]) == ("NEW" if limited else "FILLED", True)
    first, *later = party.reports()
    assert (first["x"], first["w"], "W" in first) == ("NEW", False, False)
    assert [one["x"] for one in later] == (["NEW"] if limited else ["NEW", "TRADE"])
    assert later[0]["w"] == limited
    assert later[0]["P"] == f"{stop_price}.00000000"


def test_a_stop_order_that_would_trigger_at_once_is_rejected() -> None:
    party = Pit().party()
    words = (-2010, "Order would trigger immediately.")
    assert party.refused("order.place", **stop("STOP_LOSS", "SELL", stopPrice="60000")) == words
    [told] = party.reports()
    assert (told["x"], told["r"]) == ("REJECTED", "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY")
    assert party.refused("order.place", **stop("TAKE_PROFIT", "BUY", stopPrice="60001")) == words


def test_a_waiting_stop_locks_what_it_needs_and_is_cancelled_like_any_other() -> None:
    party = Pit().party()
    values = stop("STOP_LOSS_LIMIT", "BUY", stopPrice="61000", price="61500")
    order = party.ok("order.place", **values)
    assert show(party.locked("USDT")) == "615.00000000"
    canceled = party.ok("order.cancel", symbol="BTCUSDT", orderId=order["orderId"])
    assert (canceled["status"], canceled["stopPrice"]) == ("CANCELED", "61000.00000000")
    assert party.locked("USDT") == 0
    assert party.ok("openOrders.status") == []


def test_a_triggered_buy_that_cannot_be_paid_expires() -> None:
    pit = Pit()
    party = pit.party(USDT="611")
    order = party.ok("order.place", **stop("STOP_LOSS", "BUY", stopPrice="61000"))
    pit.ask("62000")
    pit.trade("61000")
    ended = status(party, order)
    assert (ended["status"], ended["expiryReason"]) == ("EXPIRED", "REJECTED")
    assert show(party.free("USDT")) == "611.00000000"


def test_one_stop_sets_off_another() -> None:
    pit = Pit()
    first, second = pit.party(), pit.party()
    one = first.ok("order.place", **stop("STOP_LOSS", "SELL", stopPrice="59500"))
    two = second.ok("order.place", **stop("STOP_LOSS", "SELL", stopPrice="59000"))
    pit.bid("59000", "0.01")
    pit.bid("58000", "0.01")
    pit.trade("59500")
    assert status(first, one)["status"] == "FILLED"
    assert status(second, two)["cummulativeQuoteQty"] == "580.00000000"


@pytest.mark.parametrize(
    ("kind", "side", "delta", "stop_price", "prices", "triggers_at"),
    [
        # The scenarios of faqs/trailing-stop-faq.md (2026-07-21), halved where they leave the book.
        ("STOP_LOSS_LIMIT", "BUY", 500, "44000", "37000 44000 45000 46000 42000 44099", "44100"),
        ("STOP_LOSS_LIMIT", "SELL", 1000, "39000", "41500 39000 37000 41000 36901", "36900"),
        ("TAKE_PROFIT_LIMIT", "BUY", 850, "38000", "42000 38000 37000 39000 40144", "40145"),
        ("TAKE_PROFIT_LIMIT", "SELL", 750, "42000", "41500 39000 42000 45000 46500", "43012.5"),
        ("STOP_LOSS_LIMIT", "SELL", 700, None, "42000 39500 45500 42316", "42315"),
    ],
)
def test_a_trailing_stop_follows_the_price(
    kind: str, side: str, delta: int, stop_price: str | None, prices: str, triggers_at: str
) -> None:
    pit = Pit()
    pit.trade("40000")
    party = pit.party()
    more: dict[str, Any] = {} if stop_price is None else {"stopPrice": stop_price}
    price = "30000" if side == "SELL" else "70000"
    values = stop(kind, side, trailingDelta=delta, price=price, **more)
    order = party.ok("order.place", **values)
    assert order["trailingDelta"] == delta
    assert (order["trailingTime"] == -1) == (stop_price is not None)
    for step in prices.split():
        pit.trade(step)
        assert not status(party, order)["isWorking"], step
    pit.trade(triggers_at)
    assert status(party, order)["isWorking"]
    assert party.reports()[0]["d"] == delta


@pytest.mark.parametrize("delta", [9, 2_001])
def test_a_trailing_delta_has_bounds(delta: int) -> None:
    values = stop("STOP_LOSS", "SELL", trailingDelta=delta)
    refused = Pit().party().refused("order.place", **values)
    assert refused == (-1013, "Filter failure: TRAILING_DELTA")


def test_a_stop_order_names_a_price_or_a_delta() -> None:
    refused = Pit().party().refused("order.place", **stop("STOP_LOSS", "SELL"))
    assert refused[0] == -1102
    party = Pit().party()
    both = limit("BUY", "50000", "0.01", stopPrice="49000")
    assert party.refused("order.place", **both) == (
        -1106, "Parameter 'stopPrice' sent when not required.",
    )  # fmt: skip


def test_five_stop_orders_wait_in_a_symbol() -> None:
    party = Pit().party()
    for _ in range(5):
        party.ok("order.place", **stop("STOP_LOSS", "SELL", stopPrice="59000"))
    sixth = stop("STOP_LOSS", "SELL", stopPrice="59000")
    assert party.refused("order.place", **sixth) == (
        -1013, "Filter failure: MAX_NUM_ALGO_ORDERS",
    )  # fmt: skip


# -- icebergs ------------------------------------------------------------------------------------


def test_an_iceberg_shows_its_tip_and_refills_behind_the_others() -> None:
    desk = Desk()
    whale, other, taker = desk.party(), desk.party(), desk.party()
    order = whale.limit("SELL", "60000", "0.1", icebergQty="0.02")
    assert order["icebergQty"] == "0.02000000"
    behind = other.limit("SELL", "60000", "0.05")
    book = desk.exchange.engine.markets["BTCUSDT"].book
    assert show(book.total_at(False, parse("60000"))) == "0.07000000"
    taker.limit("BUY", "60000", "0.03")
    assert status(whale, order)["executedQty"] == "0.02000000"
    assert status(other, behind)["executedQty"] == "0.01000000"
    taker.limit("BUY", "60000", "0.07")
    assert status(other, behind)["status"] == "FILLED"
    assert status(whale, order)["executedQty"] == "0.05000000"
    assert show(book.total_at(False, parse("60000"))) == "0.01000000"
    taker.limit("BUY", "60000", "0.05")
    assert status(whale, order)["status"] == "FILLED"
    assert whale.locked("BTC") == 0


def test_an_iceberg_is_matched_whole_by_one_that_wants_all_or_nothing() -> None:
    desk = Desk()
    whale, taker = desk.party(), desk.party()
    whale.limit("SELL", "60000", "0.1", icebergQty="0.02")
    filled = taker.limit("BUY", "60000", "0.1", timeInForce="FOK")
    assert (filled["status"], len(filled["fills"])) == ("FILLED", 5)


def test_an_amended_iceberg_shows_less_only_where_it_has_to() -> None:
    desk = Desk()
    whale = desk.party()
    order = whale.limit("SELL", "60000", "0.1", icebergQty="0.02")
    book = desk.exchange.engine.markets["BTCUSDT"].book
    names = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
    for quantity, shown in (("0.05", "0.02000000"), ("0.01", "0.01000000")):
        whale.ok("order.amend.keepPriority", newQty=quantity, **names)
        assert show(book.total_at(False, parse("60000"))) == shown
        assert show(whale.locked("BTC")) == show(parse(quantity))


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"icebergQty": "0.001"}, (-1013, "Filter failure: ICEBERG_PARTS")),
        ({"icebergQty": "0.1"}, (-1013, "IcebergQty exceeds QTY.")),
        ({"icebergQty": "0.05", "timeInForce": "IOC"}, (-1014, "Unsupported order combination.")),
    ],
)
def test_an_iceberg_has_rules(change: dict[str, Any], refusal: tuple[int, str]) -> None:
    values = limit("SELL", "60000", "0.1") | change
    assert Desk().party().refused("order.place", **values) == refusal


@pytest.mark.parametrize("mode", ["EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"])
def test_self_trade_prevention_takes_an_iceberg_whole(mode: str) -> None:
    party = Desk().party()
    order = party.limit("SELL", "60000", "0.1", icebergQty="0.02")
    party.limit("BUY", "60000", "0.1", selfTradePreventionMode=mode)
    ended = status(party, order)
    assert (ended["status"], ended["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "0.10000000")
    assert party.locked("BTC") == 0
