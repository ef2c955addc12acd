"""The adapter and the built-in exchange, two readings of one documentation, understand each other.

No sockets: bytes of the one go into the other.
"""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.model.commands import (
    BEGINNING,
    Amend,
    Cancel,
    CancelAll,
    Command,
    FetchAccount,
    FetchBook,
    FetchInstruments,
    FetchOpenOrders,
    FetchOrderTrades,
    FetchTime,
    FetchTrades,
    OrderKind,
    Place,
    QueryOrder,
    Replace,
    TimeInForce,
)
from core.model.events import (
    AccountReport,
    Bbo,
    BookDelta,
    BookSnapshot,
    Event,
    ExecType,
    FillReport,
    InstrumentsReport,
    LimitsReport,
    MarketTrade,
    Notice,
    OpenOrders,
    OrderReport,
    OrdStatus,
    ReplaceOutcome,
    Reply,
    Scope,
    SessionNotice,
    Side,
    Source,
    VenueTime,
    Verdict,
)
from core.model.venue import Credentials, Stream, Subscription, WireRequest
from venues.binance import VENUE, decode
from venues.binance.adapter import SpotAdapter
from venues.sim.binance.rest import respond
from venues.sim.binance.venue import Venue as Exchange
from venues.sim.fixed import ONE
from venues.sim.http import HttpRequest

START_NS = 1_767_225_600_500_000_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Outlet:
    """Keeps the bytes that leave the exchange."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, payload: bytes) -> None:
        self.sent.append(bytes(payload))

    def cut(self) -> None:
        raise AssertionError("no fault is on")


class Run:
    """An adapter with both lines open at an exchange that has no traders of its own."""

    def __init__(self, secret: str) -> None:
        self.now_ns = START_NS
        self.exchange = Exchange(START_NS, rate=0)
        self._requests = 0
        inside = self.exchange.exchange
        account = inside.engine.open_account({"USDT": 10_000_000 * ONE, "BTC": 100 * ONE})
        inside.add_hmac_key("hmac-key", "fake-secret", account)
        inside.add_ed25519_key("ed-key", KEY.public_key().public_bytes_raw(), account)
        keys = Credentials(
            {"api_key": "ed-key", "private_key": secret}
            if secret == PEM
            else {"api_key": "hmac-key", "api_secret": secret}
        )
        logs_on = VENUE.logs_on(keys)
        self.signer = VENUE.signer(keys)
        self.adapter = SpotAdapter(
            Subscription(
                symbols=("BTCUSDT",),
                streams=(Stream.BBO, Stream.DEPTH, Stream.TRADES),
                rest_url="",
                urls={"stream": "ws://localhost", "ws_api": "ws://localhost/ws-api/v3"},
                session_logon=logs_on,
                request_expiry_ms=5000,
            )
        )
        instruments, limits = self.fetch(FetchInstruments()).events
        assert isinstance(instruments, InstrumentsReport)
        assert isinstance(limits, LimitsReport)
        published = (one for one in self.adapter.limits if one.scope is not Scope.CONNECTION)
        assert {one.name for one in published} == {one.name for one in limits.limits}
        self.adapter.learn(instruments.instruments)
        self.instrument = instruments.instruments[0]
        self.outlets = (Outlet(), Outlet())
        self.sessions = (
            self.exchange.open_stream_session(self.outlets[0], "/stream"),
            self.exchange.open_api_session(self.outlets[1], "/ws-api/v3", "ip", START_NS),
        )
        for connection in (decode.MARKET, decode.TRADE):
            for command in self.adapter.script(connection):
                assert self.ask(command).verdict is Verdict.DONE

    def events(self, connection: int) -> list[Event]:
        self.exchange.advance(self.now_ns)
        events: list[Event] = []
        for payload in self.outlets[connection].sent:
            self.adapter.decode(connection, payload, events)
        self.outlets[connection].sent.clear()
        return events

    def tell(self, command: Command) -> list[Event]:
        """Send a command over its line; return everything that line then says."""
        self._requests += 1
        request = self.adapter.encode(command, self._requests, self.now_ns)
        assert isinstance(request, WireRequest)
        self.sessions[request.connection].receive(self.signer.wire(request).decode(), self.now_ns)
        return self.events(request.connection)

    def ask(self, command: Command) -> Reply:
        [reply] = [event for event in self.tell(command) if isinstance(event, Reply)]
        assert reply.request_id == self._requests
        return reply

    def fetch(self, command: Command) -> Reply:
        request = self.adapter.encode_rest(command, self.now_ns)
        signed = request.leaving(self.signer, self.now_ns)
        path, _, query = signed.target.partition("?")
        headers = {name.lower(): value for name, value in signed.headers.items()}
        answer = respond(
            self.exchange.exchange,
            HttpRequest(request.method, path, query, headers=headers),
            self.now_ns,
        )
        told = {name.lower(): value for name, value in answer.headers.items()}
        return self.adapter.answer(command, 9, answer.status, told, answer.body)

    def order(self, name: str, **changes: Any) -> Place:
        fields: dict[str, Any] = {
            "instrument": 0,
            "client_order_id": name,
            "side": Side.BUY,
            "kind": OrderKind.LIMIT,
            "tif": TimeInForce.GTC,
            "price_ticks": self.instrument.tick.count("60000"),
            "lots": self.instrument.lot.count("0.5"),
        }
        return Place(**(fields | changes))

    def sell(self, name: str, **changes: Any) -> Place:
        return self.order(name, **({"side": Side.SELL} | changes))


def reports(events: Any) -> list[tuple[str, ExecType, OrdStatus]]:
    return [
        (event.client_order_id, event.exec_type, event.status)
        for event in events
        if isinstance(event, OrderReport)
    ]


@pytest.fixture(params=["fake-secret", PEM], ids=["hmac", "ed25519"])
def run(request: pytest.FixtureRequest) -> Run:
    return Run(request.param)


NEW = (ExecType.NEW, OrdStatus.NEW)
CANCELED = (ExecType.CANCELED, OrdStatus.CANCELED)


def test_an_order_from_its_placing_to_its_cancel(run: Run) -> None:
    events = run.tell(run.order("a"))
    [reply] = [event for event in events if isinstance(event, Reply)]
    assert reports(reply.events) == reports(events) == [("a", *NEW)]
    assert {use.name for use in reply.budgets} == {"weight_1m", "orders_10s", "orders_1d"}
    assert any(isinstance(event, AccountReport) and not event.whole for event in events)
    events = run.tell(Cancel(0, "a", ""))
    [reply] = [event for event in events if isinstance(event, Reply)]
    assert reports(reply.events) == reports(events) == [("a", *CANCELED)]
    again = run.ask(Cancel(0, "a", ""))
    assert (again.verdict, again.code) == (Verdict.REFUSED, "-2011")


def venue_id(reply: Reply) -> str:
    [report] = [event for event in reply.events if isinstance(event, OrderReport)]
    return report.venue_order_id


def test_reply_and_stream_tell_of_the_same_fills(run: Run) -> None:
    run.tell(run.order("maker"))
    events = run.tell(run.sell("taker", kind=OrderKind.MARKET, price_ticks=0, tif=TimeInForce.GTC))
    [reply] = [event for event in events if isinstance(event, Reply)]
    told = {
        source: [
            fill
            for event in (*events, *reply.events)
            if isinstance(event, OrderReport)
            and event.client_order_id == "taker"
            and event.source is source
            for fill in event.fills
        ]
        for source in (Source.REPLY, Source.STREAM)
    }
    assert told[Source.REPLY] == told[Source.STREAM] != []
    made = [
        event
        for event in events
        if isinstance(event, OrderReport) and event.exec_type is ExecType.TRADE
    ]
    assert {event.client_order_id for event in made} == {"maker", "taker"}
    trades = run.fetch(FetchTrades(0, BEGINNING)).events
    ids = {(fill.trade_id, event.side) for event in made for fill in event.fills}
    found = {(one.fill.trade_id, one.side) for one in trades if isinstance(one, FillReport)}
    assert found == ids
    [own] = run.fetch(FetchOrderTrades(0, venue_id(reply))).events
    assert isinstance(own, FillReport)
    assert own.fill == told[Source.REPLY][0]


@pytest.mark.parametrize("by_id", [True, False])
def test_a_replace_does_both_halves(run: Run, by_id: bool) -> None:
    first = run.ask(run.order("a"))
    old = Cancel(0, "a", venue_id(first) if by_id else "")
    reply = run.ask(Replace(old, run.order("b", price_ticks=6_000_100)))
    assert reply.verdict is Verdict.DONE
    assert reports(reply.events) == [("a", *CANCELED), ("b", *NEW)]


def test_the_halves_of_a_replace_fail_by_themselves(run: Run) -> None:
    reply = run.ask(Replace(Cancel(0, "nobody", ""), run.order("b")))
    [outcome] = [event for event in reply.events if isinstance(event, ReplaceOutcome)]
    assert (reply.verdict, outcome.cancel, outcome.place) == (
        Verdict.REFUSED,
        Verdict.REFUSED,
        Verdict.REFUSED,
    )
    assert (reply.code, outcome.cancel_code) == ("-2011", "-2011")
    run.tell(run.order("bid"))
    run.tell(run.sell("ask", price_ticks=6_100_000))
    through = run.sell("b", kind=OrderKind.POST_ONLY, price_ticks=5_900_000)
    reply = run.ask(Replace(Cancel(0, "ask", ""), through))
    [outcome] = [event for event in reply.events if isinstance(event, ReplaceOutcome)]
    assert (reply.code, reply.verdict) == ("-2010", Verdict.REFUSED)
    assert (outcome.cancel, outcome.place_code) == (Verdict.DONE, "-2010")
    assert reports(reply.events) == [("ask", *CANCELED)]


@pytest.mark.parametrize("by_id", [True, False])
def test_an_amend_keeps_name_and_place(run: Run, by_id: bool) -> None:
    first = run.ask(run.order("a"))
    smaller = run.instrument.lot.count("0.2")
    events = run.tell(Amend(0, "a", venue_id(first) if by_id else "", smaller))
    [reply] = [event for event in events if isinstance(event, Reply)]
    for event in (*events, *reply.events):
        if isinstance(event, OrderReport):
            assert (event.client_order_id, event.exec_type) == ("a", ExecType.REPLACED)
            assert event.size_lots == smaller
    assert len(reports(events)) == len(reports(reply.events)) == 1


def test_cancel_all_and_what_is_open(run: Run) -> None:
    for name in "abc":
        run.tell(run.order(name))
    [found] = run.fetch(FetchOpenOrders(0)).events
    assert isinstance(found, OpenOrders)
    assert [one.client_order_id for one in found.reports] == ["a", "b", "c"]
    reply = run.ask(CancelAll(0))
    assert sorted(reports(reply.events)) == [(name, *CANCELED) for name in "abc"]
    assert run.fetch(FetchOpenOrders(0)).events == (OpenOrders(0, ()),)
    assert run.ask(CancelAll(0)).verdict is Verdict.REFUSED


def test_a_query_by_connection_and_by_rest(run: Run) -> None:
    number = venue_id(run.ask(run.order("a")))
    for query in (QueryOrder(0, "a"), QueryOrder(0, "a", number)):
        for reply in (run.ask(query), run.fetch(query)):
            assert reports(reply.events) == [("a", ExecType.SNAPSHOT, OrdStatus.NEW)]
    assert run.ask(QueryOrder(0, "nobody")).verdict is Verdict.ABSENT
    assert run.fetch(QueryOrder(0, "nobody")).code == "-2013"


def test_cancels_by_rest(run: Run) -> None:
    run.tell(run.order("a"))
    run.tell(run.order("b"))
    assert reports(run.fetch(Cancel(0, "a", "")).events) == [("a", *CANCELED)]
    assert reports(run.fetch(CancelAll(0)).events) == [("b", *CANCELED)]


@pytest.mark.parametrize("tif", [TimeInForce.IOC, TimeInForce.FOK])
def test_an_order_that_cannot_trade_at_once_expires(run: Run, tif: TimeInForce) -> None:
    reply = run.ask(run.order("a", tif=tif))
    assert reports(reply.events) == [("a", ExecType.EXPIRED, OrdStatus.EXPIRED)]


def test_refusals_have_the_venues_codes(run: Run) -> None:
    run.tell(run.order("a"))
    twice = run.ask(run.order("a"))
    assert (twice.verdict, twice.code) == (Verdict.UNKNOWN, "-2010")
    small = run.ask(run.order("b", lots=1))
    assert (small.verdict, small.code) == (Verdict.REFUSED, "-1013")
    poor = run.ask(run.order("c", lots=run.instrument.lot.count("8000")))
    assert poor.verdict is Verdict.REFUSED
    run.now_ns += 10_000_000_000
    late = run.adapter.encode(run.order("d"), 77, START_NS)
    assert isinstance(late, WireRequest)
    run.sessions[1].receive(run.signer.wire(late).decode(), run.now_ns)
    [reply] = [event for event in run.events(1) if isinstance(event, Reply)]
    assert (reply.request_id, reply.code) == (77, "-1021")


def test_time_account_and_book_by_rest(run: Run) -> None:
    run.tell(run.order("a"))
    assert run.fetch(FetchTime()).events == (VenueTime(START_NS),)
    [account] = run.fetch(FetchAccount()).events
    assert isinstance(account, AccountReport)
    assert account.whole
    assert account.can_trade is True
    assert {one.asset for one in account.balances} == {"BTC", "USDT"}
    [book] = run.fetch(FetchBook(0)).events
    assert isinstance(book, BookSnapshot)
    assert book.bids == [(6_000_000, run.instrument.lot.count("0.5"))]


def test_the_market_connection_tells_of_orders_and_trades(run: Run) -> None:
    run.tell(run.order("a"))
    run.tell(run.sell("b", lots=run.instrument.lot.count("0.2")))
    run.now_ns += 200_000_000
    run.exchange.step(run.now_ns)
    events = run.events(decode.MARKET)
    [trade] = [event for event in events if isinstance(event, MarketTrade)]
    assert (trade.price_ticks, trade.aggressor) == (6_000_000, Side.SELL)
    left = run.instrument.lot.count("0.3")
    bbos = [event for event in events if isinstance(event, Bbo)]
    assert (bbos[-1].bid_ticks, bbos[-1].bid_lots, bbos[-1].ask_lots) == (6_000_000, left, 0)
    deltas = [event for event in events if isinstance(event, BookDelta)]
    assert deltas[-1].bids == [(6_000_000, left)]
    assert deltas[-1].last_seq == bbos[-1].seq


def test_the_shutdown_of_the_exchange_is_understood() -> None:
    run = Run("fake-secret")
    stream, api = run.sessions
    stream.announce_shutdown(run.now_ns)
    api.announce_shutdown(run.now_ns)
    shutdown = [SessionNotice(Notice.SHUTDOWN, "serverShutdown")]
    assert run.events(decode.MARKET) == run.events(decode.TRADE) == shutdown
