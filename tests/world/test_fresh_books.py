"""Which book is believed: age by symbol, late feeds, quiet and dead ones, best prices far off."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from core.model.events import Side
from core.model.units import NS_PER_S
from core.model.views import Refusal, RefusalReason, SessionState
from tests.world.test_recovery import MARKET, World, world
from tools.world.tank import LATENCY_NS, Delivery, Message
from venues.sim.binance.venue import Venue
from venues.sim.ledger import DEFAULT_KEY, DEFAULT_SECRET
from venues.sim.symbols import Symbol

TWO = ("BTCUSDT", "ETHUSDT")


def market_only(message: Message, symbol: str) -> bool:
    """Whether a message is of the market streams of one symbol."""
    return message.connection == MARKET and f'"{symbol.lower()}@'.encode() in message.payload


def mute(w: World, symbol: str) -> None:
    """Let the feed tell nothing of one symbol."""
    w.to_engine = lambda m: [] if market_only(m, symbol) else w.deliver(m)


def no_bbos(w: World) -> None:
    """Let REST answer nothing about best prices."""

    def answer(request: Any, status: int, headers: Any, body: bytes) -> Any:
        if "bookTicker" in request.path:
            return LATENCY_NS, 0, {}, b"no answer"
        return LATENCY_NS, status, headers, body

    w.rest_answer = answer


def both() -> World:
    w = World(symbols=TWO, rate=200.0)
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    w.run_until(lambda: all(book.live for book in w.engine.books))
    return w


def busy(**options: Any) -> World:
    """A world whose one market moves all the time."""
    w = World(rate=200.0, **options)
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    w.run_until(lambda: w.engine.books[0].live)
    return w


def requested_bbos(w: World) -> int:
    return sum("bookTicker" in request.path for request in w.asked)


def reason(answer: Any) -> RefusalReason | None:
    return answer.reason if isinstance(answer, Refusal) else None


def test_a_busy_symbol_does_not_hide_the_silence_of_another():
    w = both()
    no_bbos(w)
    mute(w, "ETHUSDT")
    w.run(6)
    now_ns = w.desk.now_ns = w.now_ns
    assert now_ns - w.engine.books[0].fresh_ns < NS_PER_S
    assert now_ns - w.engine.books[1].fresh_ns > 5 * NS_PER_S
    book = w.engine.books[1]
    placed = w.desk.place(1, Side.BUY, book.bid_ticks - 100, 1_000)
    assert reason(placed) is RefusalReason.BOOK_TOO_OLD


def test_quotes_on_a_silent_feed_are_cancelled_at_the_largest_age_of_a_book():
    w = world()
    no_bbos(w)
    order = w.buy(6_490_000, 1_000)
    w.run(4)
    assert not order.state.terminal
    w.run(2)
    assert order.state.terminal
    assert any("nothing heard for" in line for line in w.log_lines)


def test_a_quiet_symbol_is_kept_fresh_by_rest():
    w = world()
    order = w.buy(6_490_000, 1_000)
    w.run(30)
    assert not order.state.terminal
    assert w.now_ns - w.engine.books[0].fresh_ns <= 4 * NS_PER_S
    assert 5 <= requested_bbos(w) <= 15


def test_nobody_is_asked_about_silence_where_the_configuration_refuses_it():
    w = World(run='on_quiet = "refuse"').trading()
    order = w.buy(6_490_000, 1_000)
    w.run(10)
    assert order.state.terminal
    assert not requested_bbos(w)


def test_a_feed_that_tells_nothing_of_a_market_that_moves_is_dead():
    w = both()
    mute(w, "ETHUSDT")
    w.run_until(lambda: not w.engine.books[1].live, 20)
    assert any("REST showed another best price" in line for line in w.log_lines)
    w.to_engine = w.deliver
    w.run_until(lambda: all(book.live for book in w.engine.books), 60)


def test_one_request_asks_about_every_silent_book():
    w = World(symbols=TWO).trading()
    w.request("order.place", limit("ETHUSDT", "BUY", "3000.00", "1"))
    w.request("order.place", limit("ETHUSDT", "SELL", "3200.00", "1"))
    w.run_until(lambda: w.engine.books[1].live)
    w.run(10)
    queries = [request.query for request in w.asked if "bookTicker" in request.path]
    assert "BTCUSDT" in queries[-1]
    assert "ETHUSDT" in queries[-1]
    assert len(queries) <= 5


def limit(symbol: str, side: str, price: str, size: str) -> dict[str, str]:
    return {
        "symbol": symbol,
        "side": side,
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": price,
        "quantity": size,
    }


# -- late ------------------------------------------------------------------------------------


def behind(w: World, ms: int) -> None:
    """Let the market line's messages carry times so many milliseconds ago."""

    def late(m: Message) -> list[Delivery]:
        if m.connection != MARKET or b'"depthUpdate"' not in m.payload:
            return w.deliver(m)
        body = m.json
        body["data"]["E"] -= ms
        return w.deliver(Message(m.connection, m.opcode, msgspec.json.encode(body)))

    w.to_engine = late


def test_a_late_feed_has_no_live_book_and_leaves_no_order():
    w = busy()
    order = w.buy(6_300_000, 1_000)
    w.run(0.2)
    behind(w, 12_000)
    w.run(1)
    book = w.engine.books[0]
    assert not book.live
    assert "12.0 s behind" in book.why
    assert order.state.terminal
    logged = len([line for line in w.log_lines if "lost" in line])
    w.run(5)
    assert not book.live
    assert len([line for line in w.log_lines if "lost" in line]) == logged, "said once"
    w.to_engine = w.deliver
    w.run_until(lambda: book.live, 10)


def test_a_feed_within_its_limit_is_believed():
    w = busy()
    behind(w, 1_500)
    w.run(2)
    assert w.engine.books[0].live


def test_the_limit_of_lateness_is_the_configurations():
    w = busy(risk="[risk.BTCUSDT]\nmax_feed_age_ms = 1000")
    behind(w, 1_500)
    w.run(2)
    assert not w.engine.books[0].live


def test_our_own_clock_that_stepped_is_measured_anew_before_the_feed_is_blamed_for_long():
    w = busy()
    w.run(5)
    w.skew_ns -= 12 * NS_PER_S  # the venue's clock is behind ours by so much from now on
    w.run(1)
    w.run_until(lambda: w.engine.books[0].live, 5)


@pytest.mark.parametrize("ms", [0, 946_684_800_000, 7_258_118_400_000, 2**63 - 1, -1, -(2**63)])
def test_an_event_time_that_no_clock_shows_loses_the_book_and_nothing_else(ms: int):
    w = busy()
    changed = False

    def wrong(m: Message) -> list[Delivery]:
        nonlocal changed
        if changed or m.connection != MARKET or b'"depthUpdate"' not in m.payload:
            return w.deliver(m)
        changed = True
        body = m.json
        body["data"]["E"] = ms
        return w.deliver(Message(m.connection, m.opcode, msgspec.json.encode(body)))

    w.to_engine = wrong
    w.run(0.5)
    assert changed
    w.run_until(lambda: w.engine.books[0].live and w.desk.session is SessionState.TRADING, 20)
    assert not w.stopped


@pytest.mark.parametrize("beyond", [10**6, 2**62])
def test_a_snapshot_numbered_beyond_the_feed_freezes_no_book_for_longer_than_a_feed_may_be_late(
    beyond: int,
):
    w = busy()
    renumbered: list[int] = []

    def answer(request: Any, status: int, headers: Any, body: bytes) -> Any:
        if not renumbered and request.path.endswith("/depth"):
            depth = msgspec.json.decode(body)
            depth["lastUpdateId"] += beyond
            renumbered.append(w.now_ns)
            body = msgspec.json.encode(depth)
        return LATENCY_NS, status, headers, body

    def lose_one(m: Message) -> list[Delivery]:
        if lost or m.connection != MARKET or b'"depthUpdate"' not in m.payload:
            return w.deliver(m)
        lost.append(w.now_ns)
        return []

    lost: list[int] = []
    w.rest_answer, w.to_engine = answer, lose_one
    book = w.engine.books[0]
    w.run_until(lambda: bool(renumbered) and book.live, 5)
    frozen = book.seq
    w.run(3)
    w.run_until(lambda: book.live, 5)
    assert book.seq != frozen
    at_ns, seq = w.now_ns, book.seq
    w.run(2)
    assert book.live
    assert book.seq > seq, "it follows the feed again"
    assert at_ns - renumbered[0] < 6 * NS_PER_S


# -- far off ---------------------------------------------------------------------------------


def test_a_best_price_far_off_the_proved_levels_waits_for_them():
    w = world()
    order = w.buy(6_490_000, 1_000)
    w.run(0.2)
    body = {
        "stream": "btcusdt@bookTicker",
        "data": {
            "u": w.engine.books[0].seq + 1,
            "s": "BTCUSDT",
            "b": "60000.00",
            "B": "1.0",
            "a": "60010.00",
            "A": "1.0",
        },
    }
    w.say(MARKET, 1, msgspec.json.encode(body))
    w.run(0.005 + LATENCY_NS / NS_PER_S)
    assert not w.engine.books[0].live
    assert "off the levels proved last" in w.engine.books[0].why or not w.engine.books[0].live
    w.run(1)
    assert order.state.terminal
    w.other("BUY", "64001.00", "1")
    w.run_until(lambda: w.engine.books[0].live)
    assert w.engine.books[0].ask_ticks == 6_501_000


# -- many symbols ----------------------------------------------------------------------------


def test_a_market_that_is_quiet_from_the_start_has_a_live_book():
    w = World(symbols=TWO)
    w.make_market()
    w.request("order.place", limit("ETHUSDT", "BUY", "3000.00", "1"))
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    w.run_until(lambda: all(book.live for book in w.engine.books), 5)
    assert w.engine.books[1].bid_lots


@pytest.mark.parametrize("count", [16, 100])
def test_all_symbols_trade_within_a_minute_of_a_start_and_within_the_budget(count: int):
    one = 10**8
    symbols = tuple(
        Symbol(f"C{n:03}USDT", f"C{n:03}", "USDT", one // 100, one // 1000, 100 * one)
        for n in range(count)
    )
    venue = Venue(1_790_000_000 * NS_PER_S, seed=1, rate=200.0, symbols=symbols)
    account = venue.exchange.engine.open_account({"USDT": 10**16})
    venue.exchange.add_hmac_key(DEFAULT_KEY, DEFAULT_SECRET, account)
    w = World(venue=venue, symbols=tuple(symbol.name for symbol in symbols))
    began_ns = w.now_ns
    w.run_until(lambda: w.desk.session is SessionState.TRADING, 60)
    w.run_until(lambda: all(book.live for book in w.engine.books), 60)
    assert w.now_ns - began_ns < 60 * NS_PER_S
    order = w.desk.place(count - 1, Side.BUY, 9_990, 1_000)
    assert not isinstance(order, Refusal)
    w.flush()
    w.run(0.2)
    assert not w.engine.counts.refusals


def test_the_resync_of_one_symbol_delays_no_cancel_of_another():
    w = both()
    order = w.buy(6_300_000, 1_000)
    w.run(0.2)
    losing = True

    def lose(m: Message) -> list[Delivery]:
        """Let every second change of one symbol be lost."""
        nonlocal losing
        if market_only(m, "ETHUSDT") and b"depthUpdate" in m.payload:
            losing = not losing
            return [] if losing else w.deliver(m)
        return w.deliver(m)

    w.to_engine = lose
    w.run(30)
    before = sum("depth" in request.path for request in w.asked)
    w.run(30)
    assert sum("depth" in request.path for request in w.asked) - before <= 12, "it backs off"
    w.cancel(order)
    w.run(0.2)
    assert order.state.terminal


def test_a_tight_collar_does_not_lose_the_book_where_the_market_is_lively():
    w = world(risk="[risk.BTCUSDT]\nprice_collar_bps = 5")
    book = w.engine.books[0]
    body = {
        "stream": "btcusdt@bookTicker",
        "data": {
            "u": book.seq + 1,
            "s": "BTCUSDT",
            "b": "65110.00",
            "B": "1.0",
            "a": "65120.00",
            "A": "1.0",
        },
    }
    w.say(MARKET, 1, msgspec.json.encode(body))
    w.run(0.005)
    assert book.live
    assert book.bid_ticks == 6_511_000


def test_a_symbol_that_the_venue_lists_no_more_halts_itself_and_confirms_the_others():
    w = both()

    def answer(request: Any, status: int, headers: Any, body: bytes) -> Any:
        if "bookTicker" in request.path and "ETHUSDT" in request.query:
            return LATENCY_NS, 400, {}, b'{"code":-1121,"msg":"Invalid symbol."}'
        return LATENCY_NS, status, headers, body

    w.rest_answer = answer
    w.to_engine = lambda m: [] if m.connection == MARKET else w.deliver(m)
    w.run(20)
    assert w.engine.risk.halted == ""
    assert "-1121" in w.engine.risk.instrument_halted(1)
    assert not w.engine.risk.instrument_halted(0)
    told = [request.query for request in w.asked if "bookTicker" in request.path]
    assert sum("ETHUSDT" in query for query in told) == 2, "together, and alone"
