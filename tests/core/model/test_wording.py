"""What people read of orders is in their own words."""

from __future__ import annotations

from core.model.commands import OrderKind, Place, TimeInForce
from core.model.events import Side
from core.model.wording import (
    MOST_NAMED,
    count_text,
    date_text,
    listed,
    order_text,
    seconds_text,
    web_page,
)
from core.state.orders import Order
from tests.strategies.desk import instrument


def order(ticks: int = 6_500_010, kind: OrderKind = OrderKind.LIMIT) -> Order:
    return Order.of(Place(0, "h1-1", Side.SELL, kind, TimeInForce.GTC, ticks, 25), 0)


def test_an_order_is_named_by_symbol_side_size_and_price() -> None:
    found = order()
    found.filled_lots = 5
    assert order_text(instrument(), found) == (
        "BTCUSDT sell 0.025 BTC at 65000.10 USDT (pending, 0.005 filled, id h1-1)"
    )


def test_an_order_at_market_has_no_price() -> None:
    text = order_text(instrument(), order(0, OrderKind.MARKET))
    assert text == "BTCUSDT sell 0.025 BTC at market (pending, id h1-1)"


def test_of_many_only_the_first_are_named() -> None:
    assert listed(["a", "b"]) == "a; b"
    assert listed(["x"] * (MOST_NAMED + 2)).endswith("x; and 2 more")


def test_counts_and_times_are_words() -> None:
    assert count_text(1, "order") == "1 order"
    assert count_text(2, "order") == "2 orders"
    assert seconds_text(1_500_000_000) == "1.5 s"
    assert date_text(1_774_598_400_000_000_000) == "2026-03-27 08:00:00 UTC"


def test_a_web_page_is_named_by_its_title_and_nothing_else_is_one() -> None:
    said = web_page(502, b"\r\n<!DOCTYPE html><TITLE lang=en> 502\n Bad\x1b[2J Gateway </TITLE>")
    assert said.startswith(
        'a web page "502 Bad\\x1b[2J Gateway" comes in the venue\'s place (HTTP 502)'
    )
    assert web_page(200, b"<" * 100_000).startswith("a web page comes in")
    assert not web_page(502, b'{"code":-1001,"msg":"<html>"}')
    assert not web_page(200, b"")
