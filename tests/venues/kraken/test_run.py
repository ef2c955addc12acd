"""A whole run that watches: the engine on one side, the venue's documented words on the other.

What is said here by the venue stands in the documentation, message for message; the exchange that
is built in has no part in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import pytest

from core.engine.replay import Untimed
from core.model.config import load
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import HttpRequest, KeyKind, WireRequest
from core.model.views import BookState
from core.protocols.websocket import TEXT
from core.state.journal import Payload
from tests.venues.kraken import world
from tools import app
from tools.world.tank import client_frames, server_frame
from venues.kraken import decode

CONFIG = """
venue = "kraken"
environment = "live"
symbols = ["BTC/USD", "MATIC/USD"]
streams = ["top", "depth", "trades"]

[strategy]
name = "observer"
"""

CLOCK_S = 1_696_613_755
NEXT = 2
"""The link of the market's second connection, as there are two kinds."""

OFFSET_NS = 250 * NS_PER_MS
"""How far the venue's clock is ahead of ours."""


class NoJournal:
    segment = 0

    def append(self, kind: int, connection: int, time_ns: int, payload: Payload) -> None: ...

    def hold(self) -> None: ...


class Venue:
    """The other side, and the ``Door`` to it: what is sent is noted, and answered when asked to."""

    def __init__(self) -> None:
        self.now_ns = CLOCK_S * NS_PER_S
        self.asked: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.log_lines: list[str] = []
        self.dropped: list[str] = []
        self.has_left = False
        self._waiting: list[Callable[[], None]] = []
        config = load(CONFIG, "run.toml")
        application = app.wire(config, "run.toml", scope="", boot=1, seed=1, key=KeyKind.NONE)
        self.engine = application.engine(self, lambda: self.now_ns, NoJournal(), Untimed())

    def starts(self) -> None:
        self.engine.start(self.now_ns)
        self.lives(NS_PER_S)

    def lives(self, span_ns: int) -> None:
        end_ns = self.now_ns + span_ns
        while self.now_ns < end_ns:
            self.now_ns += 10 * NS_PER_MS
            while self._waiting:
                self._waiting.pop(0)()
            self.engine.on_due(self.now_ns)

    def says(self, payload: bytes, after_ns: int = NS_PER_MS, link: int = 0) -> None:
        self.now_ns += after_ns
        self.engine.on_bytes(link, server_frame(TEXT, payload), 0, self.now_ns, self.now_ns)
        self.lives(20 * NS_PER_MS)

    def acknowledges(self, request: dict[str, Any], link: int = 0) -> None:
        params = request["params"]
        for symbol in params.get("symbol", [""]):
            result = {"channel": params["channel"], "symbol": symbol}
            told = {"method": request["method"], "req_id": request["req_id"], "result": result}
            told |= {"success": True, "time_in": "", "time_out": ""}
            self.says(world.frame(told), link=link)

    def takes(self) -> dict[str, Any]:
        """Return the oldest request that was not looked at yet."""
        return self.sent.pop(0)

    # -- the door ------------------------------------------------------------------------------

    def open_connections(self) -> None:
        self._waiting.append(lambda: self.engine.on_up(0, self.now_ns))

    def send_rest(self, request_id: int, request: HttpRequest) -> None:
        self.asked.append(request.target)
        told: dict[str, object] = {"error": []}
        if request.path.endswith("/Time"):
            told["result"] = {"unixtime": (self.now_ns + OFFSET_NS) // NS_PER_S, "rfc1123": ""}
        elif request.path.endswith("/AssetPairs"):
            told["result"] = world.PAIRS
        body = json.dumps(told).encode()
        self._waiting.append(lambda: self.engine.on_answer(request_id, 200, {}, body, self.now_ns))

    def send(self, link: int, data: bytes) -> None:
        self.sent += [json.loads(payload) for kind, payload in client_frames(data) if kind == TEXT]

    def sign(self, request: WireRequest) -> bytes:
        return request.body

    def drop(self, link: int, reason: str, *, redial_now: bool) -> None:
        self.dropped.append(reason)

    def log(self, text: str) -> None:
        self.log_lines.append(text)

    def dial(self, link: int) -> None:
        self._waiting.append(lambda: self.engine.on_up(link, self.now_ns))

    def retire(self, link: int, reason: str) -> None:
        self.dropped.append(f"{link}: {reason}")

    def hold_dials(self, until_ns: int) -> None: ...
    def stop(self, why: str) -> None: ...

    def left(self) -> None:
        self.has_left = True


@pytest.fixture
def venue() -> Venue:
    one = Venue()
    one.starts()
    return one


def stamped(payload: bytes, now_ns: int) -> bytes:
    """Return a message with the time of now in it."""
    second, rest = divmod(now_ns + OFFSET_NS, NS_PER_S)
    text = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000:06d}Z"
    return payload.replace(b"2023-10-06T17:35:55.440295Z", text.encode())


def subscribed(venue: Venue, link: int = 0) -> None:
    for channel in ("book", "trade", "instrument"):
        request = venue.takes()
        assert (request["method"], request["params"]["channel"]) == ("subscribe", channel)
        venue.acknowledges(request, link)


GUIDE = world.book(
    b"snapshot",
    world.levels(b"45283.5 0.10000000|45283.4 1.54582015"),
    world.levels(b"45285.2 0.00100000|45286.4 1.54571953"),
    0,
    b"BTC/USD",
)


def with_checksum(payload: bytes) -> bytes:
    text = b"452852100000" + b"452864154571953" + b"45283510000000" + b"452834154582015"
    return payload.replace(b'"checksum":0', b'"checksum":%d' % crc32(text))


def test_a_run_asks_for_clock_and_pairs_before_it_connects(venue: Venue) -> None:
    assert venue.asked[:2] == [
        "/0/public/Time",
        "/0/public/AssetPairs?pair=XBTUSD%2CMATICUSD",
    ]
    assert [one.symbol for one in venue.engine.table] == ["BTC/USD", "MATIC/USD"]


def test_a_channel_is_subscribed_to_once_every_symbol_of_the_last_is_answered(
    venue: Venue,
) -> None:
    request = venue.takes()
    assert request["params"]["channel"] == "book"
    first = json.loads(json.dumps(request))
    first["params"]["symbol"] = ["BTC/USD"]
    venue.acknowledges(first)
    assert not venue.sent
    first["params"]["symbol"] = ["MATIC/USD"]
    venue.acknowledges(first)
    assert venue.takes()["params"]["channel"] == "trade"


def test_books_are_live_by_their_own_snapshots(venue: Venue) -> None:
    subscribed(venue)
    venue.says(world.SNAPSHOT)
    venue.says(with_checksum(GUIDE))
    btc, matic = venue.engine.books
    assert (matic.live, matic.bid_ticks, matic.ask_ticks) == (True, 5_666, 5_668), matic.why
    assert (btc.live, btc.bid_ticks, btc.ask_ticks) == (True, 452_835, 452_852), btc.why
    assert not venue.dropped


def test_a_ready_connection_is_asked_for_a_sign_of_life_and_tells_the_clock(venue: Venue) -> None:
    assert abs(venue.engine.clock.offset_ns) <= NS_PER_S, "known to whole seconds at first"
    subscribed(venue)
    venue.lives(200 * NS_PER_MS)
    ping = venue.takes()
    assert ping["method"] == "ping"
    pong = b'{"method":"pong","req_id":%d,"time_in":"2023-10-06T17:35:55.440295Z"}' % ping["req_id"]
    venue.says(stamped(pong, venue.now_ns), after_ns=0)
    assert abs(venue.engine.clock.offset_ns - OFFSET_NS) < 120 * NS_PER_MS
    venue.says(b'{"channel":"heartbeat"}')
    assert not venue.dropped


def test_a_wrong_checksum_begins_that_book_anew_and_no_other(venue: Venue) -> None:
    subscribed(venue)
    venue.says(world.SNAPSHOT)
    venue.says(with_checksum(GUIDE))
    venue.lives(200 * NS_PER_MS)
    venue.sent.clear()  # the sign of life
    btc, matic = venue.engine.books
    wrong = world.UPDATE.replace(b"2114181697", b"2114181698")
    venue.says(stamped(wrong, venue.now_ns))
    assert (btc.live, matic.state) == (True, BookState.BUFFERING)
    venue.lives(500 * NS_PER_MS)  # so soon after its snapshot it is not asked for again at once
    request = venue.takes()
    assert (request["method"], request["params"]["symbol"]) == ("unsubscribe", ["MATIC/USD"])
    venue.says(stamped(world.UPDATE, venue.now_ns))
    assert not matic.live, "changes of the subscription that is ending prove nothing"
    venue.acknowledges(request)
    request = venue.takes()
    assert (request["method"], request["params"]["symbol"]) == ("subscribe", ["MATIC/USD"])
    venue.acknowledges(request)
    venue.says(world.SNAPSHOT)
    assert matic.live, matic.why
    venue.says(stamped(world.UPDATE, venue.now_ns))
    assert matic.live, matic.why
    assert btc.live
    assert not venue.dropped


def test_a_subscription_that_is_refused_gives_the_start_up(venue: Venue) -> None:
    request = venue.takes()
    refusal = world.REFUSED.replace(b'"req_id":7', b'"req_id":%d' % request["req_id"])
    venue.says(refusal)
    assert venue.dropped == [
        "SubscribeMarket refused: Currency pair not supported XBT/USD",
    ]


def test_trades_are_told(venue: Venue) -> None:
    subscribed(venue)
    venue.says(with_checksum(GUIDE))
    venue.says(world.TRADE)
    assert venue.engine.counts.trades == 1


def test_a_run_without_a_key_leaves_without_asking_about_orders(venue: Venue) -> None:
    subscribed(venue)
    venue.asked.clear()
    venue.engine.leave("told to", venue.now_ns)
    venue.lives(NS_PER_S)
    assert venue.has_left
    assert not venue.asked


def test_the_state_of_the_trading_engine_is_that_of_every_pair(venue: Venue) -> None:
    subscribed(venue)

    def allowed() -> list[tuple[str, str]]:
        return [(str(one.trading), one.venue_status) for one in venue.engine.table]

    venue.says(world.STATUS)
    assert allowed() == [("open", "online")] * 2
    venue.says(world.STATUS.replace(b"online", b"maintenance"))
    assert allowed() == [("halted", "maintenance")] * 2
    venue.lives(31 * NS_PER_S)  # the pairs are asked for again, and tell of themselves alone
    assert allowed() == [("halted", "maintenance")] * 2
    venue.says(world.STATUS.replace(b"online", b"cancel_only"))
    assert allowed() == [("cancel_only", "cancel_only")] * 2
    venue.says(world.STATUS)
    assert allowed() == [("open", "online")] * 2


def test_what_a_pair_allows_is_told_at_once_and_bounded_by_the_trading_engine(
    venue: Venue,
) -> None:
    subscribed(venue)

    def allowed() -> list[tuple[str, str]]:
        return [(str(one.trading), one.venue_status) for one in venue.engine.table]

    def pairs(**statuses: str) -> bytes:
        told = [
            {"symbol": f"{base}/USD", "status": status, "base": base, "qty_precision": 8}
            for base, status in statuses.items()
        ]
        data = {"assets": [{"id": "USD", "status": "enabled"}], "pairs": told}
        return world.frame({"channel": "instrument", "type": "update", "data": data})

    venue.says(pairs(BTC="online", MATIC="limit_only", ADA="delisted"))
    assert allowed() == [("open", "online"), ("limit_only", "limit_only")]
    venue.says(world.STATUS.replace(b"online", b"post_only"))
    venue.says(pairs(BTC="cancel_only"))
    assert allowed() == [("cancel_only", "cancel_only"), ("post_only", "post_only")]
    venue.says(world.STATUS)
    assert allowed() == [("cancel_only", "cancel_only"), ("limit_only", "limit_only")]
    venue.says(pairs(BTC="a word to come", MATIC="online"))
    assert allowed() == [("halted", "a word to come"), ("open", "online")]


def test_a_lost_connection_loses_every_book_and_begins_anew(venue: Venue) -> None:
    subscribed(venue)
    venue.says(world.SNAPSHOT)
    btc, matic = venue.engine.books
    assert matic.live
    venue.engine.on_down(0, "closed", venue.now_ns)
    assert not matic.live
    venue.sent.clear()
    venue.engine.on_up(0, venue.now_ns)
    subscribed(venue)
    venue.says(world.SNAPSHOT)
    assert (matic.live, btc.live) == (True, False)


def test_a_connection_is_replaced_without_a_book_being_lost(venue: Venue) -> None:
    """The new one's snapshots take the place of the books that the old one has told until then."""
    subscribed(venue)
    venue.says(world.SNAPSHOT)
    venue.says(with_checksum(GUIDE))
    for _ in range(12):
        venue.lives(NS_PER_S)
        venue.says(b'{"channel":"heartbeat"}')
    venue.sent.clear()
    btc, matic = venue.engine.books
    session = venue.engine.sessions[decode.MARKET]
    session.expire()
    venue.lives(200 * NS_PER_MS)
    subscribed(venue, link=NEXT)
    venue.says(world.SNAPSHOT, link=NEXT)
    assert not venue.dropped, "one book is not told of yet"
    venue.says(with_checksum(GUIDE), link=NEXT)
    venue.lives(200 * NS_PER_MS)
    assert venue.dropped == ["0: replaced by a new connection"]
    assert (btc.live, matic.live) == (True, True), (btc.why, matic.why)
    venue.says(stamped(world.UPDATE, venue.now_ns), link=NEXT)
    assert matic.live, matic.why
