"""The load generator's words: legal for hotloop's own codecs, and each order names its tick."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.events import Bbo, BookDelta, BookSnapshot, Event, OrderReport, Reply, Verdict
from core.protocols.websocket import TEXT, ClientCodec
from core.state.book import Book
from core.state.sequence import RestBridged
from tools.bench import wire
from tools.bench.rig import Rig

NOW_MS = 1_780_000_000_000


@given(st.binary(max_size=400), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_a_clients_frame_is_read_whatever_its_mask(payload: bytes, mask: int) -> None:
    codec = ClientCodec(mask_source=lambda: mask, max_message_bytes=1000)
    data = codec.frame(TEXT, payload)

    assert wire.take_frame(data + b"next") == (TEXT, payload, len(data))
    assert wire.take_frame(data[:-1]) is None


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_servers_frame_is_read_by_our_codec(size: int) -> None:
    codec = ClientCodec(mask_source=lambda: 0, max_message_bytes=1 << 20)

    assert codec.receive(wire.frame(bytes(size))) == [(TEXT, bytes(size))]


def test_the_floors_frame_is_masked_with_zeros() -> None:
    assert wire.take_frame(wire.masked_frame(b"x" * 300)) == (TEXT, b"x" * 300, 308)


@pytest.mark.parametrize("stream", ["bookTicker", "depth"])
def test_all_ticks_of_a_stream_are_equally_long(stream: str) -> None:
    ticks = wire.Ticks(stream, combined=True)

    lengths = {len(ticks.frame(wire.lots_of(i * 97), NOW_MS)) for i in range(300)}

    assert len(lengths) == 1


@pytest.mark.parametrize("stream", ["bookTicker", "depth"])
def test_a_ticks_number_comes_back_in_the_order_that_joins_its_best_bid(stream: str) -> None:
    rig = Rig(stream=stream)
    for number in (0, 1, 4_321, wire.NUMBERS - 1):
        order = rig.order_for(wire.lots_of(number))

        assert wire.number_of(order) == number


@pytest.mark.parametrize(
    "order",
    [
        b'{"quantity":"0.00123000","price":"1"}',
        b'{"quantity": "0.00123"}',
        b'{"quantity":0.00123}',
        b"symbol=BTCUSDT&quantity=0.00123&side=BUY",
    ],
)
def test_an_order_is_read_however_its_size_is_spelt(order: bytes) -> None:
    assert wire.number_of(order) == 23


def test_depth_updates_bridge_the_snapshot_and_change_twenty_levels() -> None:
    rig = Rig(stream="depth")
    ticks = wire.Ticks("depth", combined=True)
    book = Book(0, RestBridged)
    book.begin()
    for i in range(200):
        events: list[Event] = []
        rig.adapter.decode(0, ticks.frame(wire.lots_of(i), NOW_MS)[4:], events)
        (delta,) = events
        assert isinstance(delta, BookDelta)
        assert len(delta.bids) + len(delta.asks) == wire.CHANGES
        book.apply_delta(delta)
        if i == 0:
            levels = wire.depth(ticks.update_id, 50)
            book.apply_snapshot(
                BookSnapshot(
                    0, levels["lastUpdateId"], _whole(levels["bids"]), _whole(levels["asks"])
                )
            )
        assert book.live, book.why
        assert book.bid_lots == (wire.lots_of(i) if i else 12_345)


def _whole(levels: list[list[str]]) -> list[tuple[int, int]]:
    return [(round(float(price) * 100), round(float(size) * 100_000)) for price, size in levels]


def test_every_second_bbo_is_a_cent_higher() -> None:
    rig = Rig()
    prices = []
    for payload in rig.tick_payloads("bookTicker", 4):
        events: list[Event] = []
        rig.adapter.decode(0, payload, events)
        assert isinstance(events[0], Bbo)
        prices.append(events[0].bid_ticks - wire.BASE_CENTS)

    assert prices == [1, 0, 1, 0]


def test_an_order_that_may_not_rest_expires_and_another_stands() -> None:
    rig = Rig()
    text = b'{"newClientOrderId":"h-1","quantity":"0.00100000","price":"60000.00000000"%b}'
    for tif, status in ((b',"timeInForce":"IOC"', "expired"), (b"", "new")):
        order = wire.Order(text % tif, 7)
        events: list[Event] = []

        rig.adapter.decode(1, wire.reply(b'"p7"', order.placed(NOW_MS)), events)

        (reply,) = events
        assert isinstance(reply, Reply)
        assert reply.verdict is Verdict.DONE
        assert isinstance(reply.events[0], OrderReport)
        assert reply.events[0].status == status
