"""What is really said: the legal inputs that fuzzing begins with, made by the project itself.

The adapter and the built-in exchange hold one conversation without sockets, with every command
and, by the market of the exchange's traders, every stream. All of it is the same in every process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, cast

from core.model.commands import (
    BEGINNING,
    Amend,
    Cancel,
    CancelAll,
    Command,
    FetchAccount,
    FetchBbos,
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
from core.model.events import InstrumentsReport, Side
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Credentials, Stream, Subscription, WireRequest
from venues.binance import VENUE, decode
from venues.binance.adapter import SpotAdapter
from venues.sim.binance.rest import respond
from venues.sim.binance.venue import Venue
from venues.sim.fixed import ONE
from venues.sim.http import HttpReply, HttpRequest

START_NS: Final = 1_767_225_600_500_000_000
SYMBOLS: Final = ("BTCUSDT", "ETHUSDT")
API_KEY: Final = "fuzz-key-this-is-not-a-secret"
SECRET: Final = "fuzz-secret-this-is-not-a-secret"  # noqa: S105 - visibly fake

QUESTIONS: Final[tuple[Command, ...]] = (
    FetchInstruments(),
    FetchTime(),
    FetchBook(0),
    FetchBbos((0,)),
    FetchAccount(),
    FetchOpenOrders(0),
    FetchTrades(0, BEGINNING),
    FetchOrderTrades(0, "702"),
    QueryOrder(0, "fuzz-1"),
    Cancel(0, "fuzz-1", ""),
    CancelAll(0),
)
"""What is asked by REST, in an order in which all of it succeeds."""

_execution = re.compile(rb'"x":"[A-Z_]+"')

LEVELS: Final = 20
"""Levels of a snapshot that are kept: the others are like them."""


class Outlet:
    """Keeps what the exchange sends over one connection."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, payload: bytes) -> None:
        self.sent.append(bytes(payload))

    def cut(self) -> None:
        raise AssertionError("no fault is on")


def exchange(*, rate: float = 0) -> Venue:
    """Return an exchange with one account that is rich enough for anything."""
    venue = Venue(START_NS, rate=rate)
    account = venue.exchange.engine.open_account(
        {"USDT": 10_000_000 * ONE, "BTC": 100 * ONE, "ETH": 1_000 * ONE}
    )
    venue.exchange.add_hmac_key(API_KEY, SECRET, account)
    return venue


class Conversation:
    """What the connections and REST said, and what was asked of them."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        """As they leave for the WebSocket API, signed."""
        self.subscriptions: list[bytes] = []
        """As they leave for the market streams."""
        self.http: list[HttpRequest] = []
        self.answers: list[tuple[int, HttpReply]] = []
        """To ``QUESTIONS``, by their index."""
        self.adapter = _adapter()
        self._signer = VENUE.signer(Credentials({"api_key": API_KEY, "api_secret": SECRET}))
        self._venue = exchange(rate=200)
        self._now_ns = START_NS
        self._outlets = (Outlet(), Outlet())
        self._sessions = (
            self._venue.open_stream_session(self._outlets[decode.MARKET], "/stream"),
            self._venue.open_api_session(
                self._outlets[decode.TRADE], "/ws-api/v3", "ip", self._now_ns
            ),
        )
        self._learn()
        for command in (
            *self.adapter.script(decode.MARKET),
            *self.adapter.script(decode.TRADE),
            *_orders(),
        ):
            self._tell(command)
        self._play()
        for index, command in enumerate(QUESTIONS):
            self._ask(index, command)
        for session in self._sessions:
            session.announce_shutdown(self._now_ns)
        self.market, self.trade = (_kinds(outlet.sent) for outlet in self._outlets)

    def _learn(self) -> None:
        command = QUESTIONS[0]
        answer = self._ask(0, command)
        reply = self.adapter.answer(command, 1, answer.status, {}, answer.body)
        for event in reply.events:
            if isinstance(event, InstrumentsReport):
                self.adapter.learn(event.instruments)

    def _tell(self, command: Command) -> None:
        self._now_ns += NS_PER_S
        number = len(self.requests) + len(self.subscriptions) + 1
        request = cast(WireRequest, self.adapter.encode(command, number, self._now_ns))
        payload = self._signer.wire(request)
        (self.subscriptions, self.requests)[request.connection].append(payload)
        self._sessions[request.connection].receive(payload.decode(), self._now_ns)
        self._venue.advance(self._now_ns)

    def _play(self) -> None:
        for _ in range(100):
            self._now_ns += 50 * NS_PER_MS
            self._venue.step(self._now_ns)

    def _ask(self, index: int, command: Command) -> HttpReply:
        request = self.adapter.encode_rest(command, self._now_ns)
        signed = request.leaving(self._signer, self._now_ns)
        path, _, query = signed.target.partition("?")
        if "limit=" in query and path.endswith("depth"):
            query = f"symbol={SYMBOLS[0]}&limit={LEVELS}"
        headers = {name.lower(): value for name, value in signed.headers.items()}
        self.http.append(HttpRequest(request.method, path, query, headers=headers))
        answer = respond(self._venue.exchange, self.http[-1], self._now_ns)
        self.answers.append((index, answer))
        return answer


def _adapter() -> SpotAdapter:
    return SpotAdapter(
        Subscription(
            symbols=SYMBOLS,
            streams=(Stream.BBO, Stream.DEPTH, Stream.TRADES),
            rest_url="",
            urls={"stream": "ws://localhost", "ws_api": "ws://localhost/ws-api/v3"},
            session_logon=False,
            request_expiry_ms=5_000,
        )
    )


def _orders() -> Iterator[Command]:
    """Return orders that rest, trade, change, end and are refused."""

    def place(number: int, side: Side, ticks: int, lots: int = 1_000) -> Place:
        name = f"fuzz-{number}"
        return Place(0, name, side, OrderKind.LIMIT, TimeInForce.GTC, ticks, lots)

    yield place(1, Side.BUY, 5_500_000)
    yield place(2, Side.BUY, 9_000_000)  # takes what the traders offer
    yield place(3, Side.SELL, 9_000_000)
    yield Amend(0, "fuzz-3", "", 500)
    yield Replace(Cancel(0, "fuzz-3", ""), place(4, Side.SELL, 9_000_100))
    yield Replace(Cancel(0, "nobody", ""), place(5, Side.SELL, 9_000_100))
    yield QueryOrder(0, "fuzz-1")
    yield QueryOrder(0, "nobody")
    yield Cancel(0, "fuzz-4", "")
    yield place(6, Side.BUY, 1)  # a price that no filter lets through
    yield CancelAll(0)
    yield place(1, Side.BUY, 5_500_000)


def _kinds(payloads: list[bytes]) -> list[bytes]:
    """Return a few of each kind: the streams say thousands of times the same."""
    kept: dict[bytes, list[bytes]] = {}
    for payload in payloads:
        few = kept.setdefault(payload[:40] + b"".join(_execution.findall(payload)), [])
        if len(few) < 2:
            few.append(payload)
    return [payload for few in kept.values() for payload in few]
