"""The venue's declarations hold together, and a run that could not trade is refused."""

import msgspec
import pytest

from core.model import commands
from core.model.commands import Cancel, OrderKind, TimeInForce
from core.model.errors import BadConfig
from core.model.events import Verdict
from core.model.units import NS_PER_S
from core.model.venue import Environment, Remedy, Role, Stream, SyncKind, cancel_kinds
from tests.venues.kraken import world
from venues.kraken import VENUE, decode
from venues.kraken.adapter import SpotAdapter

ADAPTER = world.adapter()


def test_the_endpoints_are_those_of_the_documentation() -> None:
    assert VENUE.places(Environment.LIVE) == {
        "rest": "https://api.kraken.com",
        "public": "wss://ws.kraken.com/v2",
        "private": "wss://ws-auth.kraken.com/v2",
        "level3": "wss://ws-l3.kraken.com/v2",
    }
    assert VENUE.environments == [Environment.LIVE], "the venue has no test network for spot"


def test_one_connection_tells_of_all_markets_and_one_of_our_orders() -> None:
    connection, private = ADAPTER.connections
    assert (connection.name, connection.carries) == ("market", frozenset({Role.MARKET}))
    assert (private.name, private.carries) == ("trade", frozenset({Role.ORDERS, Role.ACCOUNT}))
    assert connection.keepalive is not None
    assert 2 * connection.keepalive.every_ns < 60_000_000_000, (
        "the venue closes what is silent a minute"
    )
    too_long = b"\x82\x7f" + (decode.MAX_MESSAGE + 1).to_bytes(8)
    protocol = connection.protocol(lambda: 0)
    assert protocol.receive(too_long) == []
    assert protocol.fault is not None


@pytest.mark.parametrize("window_ms", [0, 499, 60_001])
def test_a_deadline_that_the_venue_does_not_take_is_refused(window_ms: int) -> None:
    with pytest.raises(BadConfig, match="500 ms to 60 s"):
        VENUE.adapter(msgspec.structs.replace(world.subscription(), request_expiry_ms=window_ms))


def test_a_private_connection_asks_for_a_token_and_then_for_each_channel() -> None:
    assert ADAPTER.script(decode.TRADE) == (
        commands.Logon(),
        commands.SubscribePrivate("executions"),
        commands.SubscribePrivate("balances"),
    )


def test_nothing_is_replaced_and_fill_or_kill_is_not_taken() -> None:
    can = ADAPTER.capabilities
    assert not can.replace
    assert (OrderKind.POST_ONLY, TimeInForce.GTC) in can.orders
    assert not any(tif is TimeInForce.FOK for _, tif in can.orders)
    assert can.request_expiry_ns == 5 * NS_PER_S


def test_an_order_that_has_just_been_placed_is_dear_to_cancel() -> None:
    cancel = Cancel(0, "a", "")
    costs = [ADAPTER.cost(cancel, age_s * NS_PER_S) for age_s in (0, 9, 299, 300)]
    assert costs == [(("orders", count),) for count in (8, 6, 1, 0)]
    assert ADAPTER.cost(commands.Amend(0, "a", "", 1), 0) == (("orders", 4),)


def test_a_missing_url_is_named() -> None:
    bare = msgspec.structs.replace(world.subscription(), urls={})
    with pytest.raises(BadConfig, match="'public' is missing"):
        VENUE.adapter(bare)


def test_a_book_is_proved_by_checksums() -> None:
    feed = ADAPTER.book_feed(world.BTC)
    assert (feed.sync, feed.depth) == (SyncKind.CHECKSUMMED, 100)


def test_a_cancel_shares_no_limit_with_questions() -> None:
    questions = {
        kind
        for command in (commands.QueryOrder(0, "a"), commands.FetchAccount(), commands.FetchTime())
        for kind, _ in ADAPTER.cost(command)
    }
    assert cancel_kinds(ADAPTER) == {"orders", "calls"}
    assert questions == {"calls", "public"}


def test_the_name_of_a_pair() -> None:
    assert ADAPTER.symbol_of("BTC", "USD") == "BTC/USD"


def test_a_refusal_is_judged_by_its_text() -> None:
    assert ADAPTER.remedy("EOrder:Insufficient funds", "") is Remedy.PAUSE


def test_a_run_of_bbos_alone_has_no_books() -> None:
    adapter = VENUE.adapter(world.subscription(streams=(Stream.BBO,)))
    assert isinstance(adapter, SpotAdapter)
    assert adapter.placed(b"{}") == ()


def test_no_answer_at_all_proves_nothing() -> None:
    reply = ADAPTER.answer(commands.FetchTime(), 1, 0, {}, b"no route")
    assert reply.verdict is Verdict.UNKNOWN
