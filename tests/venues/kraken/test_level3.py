"""Books told order by order: the documented messages, the published checksum, and whole runs."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from core.model.errors import BadConfig, Drifted
from core.model.events import QueueDelta, Queues, QueueSnapshot, Side
from core.model.units import Grid
from core.model.venue import Stream, WireRequest
from tests.venues.kraken import world
from tests.venues.kraken.tank import MARKET, KrakenTank
from tests.venues.sim.kraken.test_published import L3_ASKS, L3_BIDS
from tools.world.of_kraken import KRAKEN
from tools.world.tank import Delivery, Message
from venues.kraken import VENUE, encode
from venues.kraken.adapter import SpotAdapter
from venues.kraken.checksum import NO_CHECKSUM, queue_checksum
from venues.sim.kraken.market_data import wrong

ORDERS = (Stream.ORDERS,)
PUBLISHED = 1_063_832_831


# -- the documented messages -------------------------------------------------------------------


def order(order_id: str, price: str, size: str, event: str = "", second: int = 0) -> bytes:
    told = b'"event":"%b",' % event.encode() if event else b""
    return (
        b'{%b"order_id":"%b","limit_price":%b,"order_qty":%b,'
        b'"timestamp":"2023-10-06T17:35:%02d.279389650Z"}'
        % (told, order_id.encode(), price.encode(), size.encode(), second)
    )


def message(kind: bytes, bids: bytes, asks: bytes, checksum: int) -> bytes:
    return (
        b'{"channel":"level3","type":"%b","data":[{"symbol":"MATIC/USD","checksum":%d,'
        b'"bids":[%b],"asks":[%b],"timestamp":"2023-10-06T17:36:00Z"}]}'
        % (kind, checksum, bids, asks)
    )


def adapter(symbols: tuple[str, ...] = ("BTC/USD", "MATIC/USD")) -> SpotAdapter:
    made = VENUE.adapter(world.subscription(symbols, ORDERS, keyed=True))
    assert isinstance(made, SpotAdapter)
    made.learn([world.BTC, world.MATIC])
    return made


SECOND_NS = 1_000_000_000
PLACED_NS = 1_696_613_700_279_389_650


def test_a_snapshot_has_every_order_with_its_time() -> None:
    bids = order("O6ZQNQ-BXL4E-5WGINO", "0.5629", "111.56125344")
    asks = order("OLLSXO-HDMT3-BUOKEI", "0.563", "4422.9978357", second=5)
    [event] = world.market(message(b"snapshot", bids, asks, 281_817_320), adapter())
    assert event == QueueSnapshot(
        1,
        [("O6ZQNQ-BXL4E-5WGINO", 5_629, 11_156_125_344, PLACED_NS)],
        [("OLLSXO-HDMT3-BUOKEI", 5_630, 442_299_783_570, PLACED_NS + 5 * SECOND_NS)],
        281_817_320,
    )


def test_an_order_that_is_deleted_has_no_size_whatever_is_told() -> None:
    bids = order("OA-B-C", "0.5629", "1", "delete") + b"," + order("OD-E-F", "0.5628", "2", "add")
    [event] = world.market(message(b"update", bids, b"", 7), adapter())
    assert isinstance(event, QueueDelta)
    assert [(name, lots) for name, _, lots, _ in event.bids] == [
        ("OA-B-C", 0),
        ("OD-E-F", 200_000_000),
    ]
    assert (event.checksum, event.venue_ns) == (7, 1_696_613_760 * SECOND_NS)


def test_an_order_on_no_grid_of_ours_proves_its_book_wrong() -> None:
    [event] = world.market(message(b"update", order("OA-B-C", "0.56291", "1"), b"", 7), adapter())
    assert isinstance(event, QueueDelta)
    assert (event.bids, event.asks, event.checksum) == ([], [], NO_CHECKSUM)


def test_what_is_done_to_an_order_is_one_of_three_things() -> None:
    told = message(b"update", order("OA-B-C", "0.5629", "1", "vanished"), b"", 7)
    with pytest.raises(Drifted):
        world.market(told, adapter())


def test_the_published_checksum_is_of_the_orders_in_their_queues() -> None:
    grid = Grid("0.1"), Grid("0.00000001")

    def queues(text: str) -> Queues:
        words = text.split()
        found: dict[int, list[int]] = {}
        for price, size in zip(words[::2], words[1::2], strict=True):
            found.setdefault(grid[0].count(price), []).append(grid[1].count(size))
        return list(found.items())

    bids, asks = queues(L3_BIDS), queues(L3_ASKS)
    assert (len(bids), len(asks)) == (10, 10)
    of_queues = queue_checksum(*grid, 1)
    assert of_queues(bids, asks) == PUBLISHED
    ticks, queue = bids[0]
    assert of_queues([(ticks, [*queue[1:], queue[0]]), *bids[1:]], asks) != PUBLISHED


# -- the connection ----------------------------------------------------------------------------


def test_the_orders_are_subscribed_to_with_a_token_on_a_place_of_their_own() -> None:
    made = adapter()
    _, subscribe = made.script(MARKET)
    request = made.encode(subscribe, 17, world.NOW_NS)
    assert isinstance(request, WireRequest)
    assert (request.connection, request.replies) == (MARKET, 2)
    assert request.body[: request.cut].endswith(b'"token":"')
    params = json.loads(request.body)["params"]
    assert (params["channel"], params["depth"], params["token"]) == ("level3", 100, "")
    assert params["symbol"] == ["BTC/USD", "MATIC/USD"]
    live = {"public": "wss://a/v2", "private": "wss://b/v2", "level3": "wss://c/v2"}
    for streams, url in ((ORDERS, "wss://c/v2"), (world.BOTH, "wss://a/v2")):
        asked = world.subscription(("BTC/USD",), streams, keyed=True)
        assert VENUE.adapter(replace(asked, urls=live)).connections[MARKET].url == url


@pytest.mark.parametrize(
    ("symbols", "streams", "keyed", "says"),
    [
        (("BTC/USD",), (Stream.ORDERS, Stream.TRADES), True, "a connection of its own"),
        (("BTC/USD",), ORDERS, False, "state a key file"),
        (tuple(f"A{n}/USD" for n in range(9)), ORDERS, True, "takes 8 of them at most"),
    ],
)
def test_what_cannot_be_had_with_single_orders_is_refused(
    symbols: tuple[str, ...], streams: tuple[Stream, ...], keyed: bool, says: str
) -> None:
    with pytest.raises(BadConfig, match=says):
        VENUE.adapter(world.subscription(symbols, streams, keyed=keyed))
    assert encode.MOST_QUEUES * 25 <= 200


# -- whole runs --------------------------------------------------------------------------------


class OrdersTank(KrakenTank):
    """A run whose book is told order by order."""

    market_path = "/l3/v2"

    def __init__(self) -> None:
        super().__init__(top='streams = ["orders"]\n[session]\nrequest_expiry_ms = 5000')


def begun() -> KrakenTank:
    return OrdersTank().trading()


def test_a_book_is_proved_by_its_orders_and_every_one_of_them_has_its_place() -> None:
    w = begun()
    book = w.engine.books[0]
    assert (book.live, book.bid_ticks, book.ask_ticks) == (True, 299_900, 300_100), book.why
    ours = w.place(Side.BUY, 299_900)
    w.run(0.2)
    w.other("buy", 29_990, 0.5, w.taker)
    w.run(0.2)
    queue = w.desk.queue(0, Side.BUY, 299_900)
    assert [lots for _, lots in queue] == [100_000_000, 1_000_000, 50_000_000]
    assert queue[1][0] == ours.venue_order_id
    assert book.bid_lots == 151_000_000
    assert w.desk.queue(0, Side.BUY, 123) == []


def test_a_wrong_checksum_begins_that_book_anew_and_proves_it_again() -> None:
    w = begun()
    book = w.engine.books[0]
    spoiled = False

    def to_engine(told: Message) -> list[Delivery]:
        nonlocal spoiled
        if not spoiled and b'"level3","type":"update"' in told.payload:
            spoiled = True
            payload = wrong(told.payload)
            return w.deliver(Message(told.connection, told.opcode, payload))
        return w.deliver(told)

    w.to_engine = to_engine
    w.other("buy", 29_980, 0.5)
    w.run(0.1)
    assert spoiled
    assert not book.live
    assert w.desk.queue(0, Side.BUY, 299_900) == ()
    w.run(3)
    assert book.live, book.why
    assert [lots for _, lots in w.desk.queue(0, Side.BUY, 299_800)] == [50_000_000]
    methods = [m.json["method"] for m in w.sent if m.connection == MARKET and m.opcode == 1]
    assert methods.count("unsubscribe") == 1
    assert methods.count("subscribe") == 2


def test_a_book_told_order_by_order_that_was_late_is_told_anew_once_it_is_in_time() -> None:
    w = begun()
    book = w.engine.books[0]
    late = True

    def to_engine(told: Message) -> list[Delivery]:
        payload = told.payload
        if late and b'"level3","type":"update"' in payload:
            payload = KRAKEN.misdate(payload, -60_000)
        return w.deliver(Message(told.connection, told.opcode, payload))

    w.to_engine = to_engine
    w.other("buy", 29_980, 0.5)
    w.run(0.1)
    assert "late" in book.why
    late = False
    w.other("buy", 29_970, 0.5)
    w.run(1)
    assert book.live, book.why
    assert [lots for _, lots in w.desk.queue(0, Side.BUY, 299_700)] == [50_000_000]
