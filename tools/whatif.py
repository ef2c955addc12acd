"""``hotloop replay --strategy``: what another strategy would have done on a recorded market.

Here a recording's market data is fed to a new engine as it was received, and whatever the engine
sends goes to the paper exchange (``tools.world.paper``). Everything about it is SIMULATED, and
every output says so. ``docs/replay.md`` lists what is assumed.
"""

from __future__ import annotations

import heapq
import itertools
import json
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

import strategies
from core import config
from core.app import House
from core.commands import Command, FetchTime, SubscribeMarket
from core.config import Config, StrategySection, digest
from core.engine import Engine
from core.errors import BadParameter
from core.events import Event, MarketTrade, Reply
from core.hops import ORDER_ACK, Hops
from core.instrument import Instrument
from core.journal import Answer, Ask, Header, Journal, Kind, Payload, Record, unpack
from core.outbound import Door
from core.replay import WATCH_EVERY, Untimed, replay
from core.units import ASSET_DECIMALS, NS_PER_MS, NS_PER_S, format_decimal
from core.venue import Adapter, KeyKind, RestRequest, WireRequest
from core.wire.websocket import PING, TEXT
from tools.cli import Exit
from tools.recording import Recording, progress_bar
from tools.world.paper import API_KEY, SECRET, PaperExchange
from tools.world.tank import client_frames, server_frame
from venues.sim.accounts import STANDARD_RATE
from venues.sim.exchange import Exchange
from venues.sim.fixed import ONE
from venues.sim.rest import HttpRequest, respond
from venues.sim.ws_api import ApiSession

LATENCY_NS = 5 * NS_PER_MS
"""From sending an order to its answer where the recording shows none."""

PING_NS = 20 * NS_PER_S
"""Between two pings of the exchange, as Binance sends them."""

LEAVE_NS = 30 * NS_PER_S
"""How long leaving may take after the recording has ended."""


def run(path: Path, boot: int | None, name: str | None, texts: list[str], *, as_json: bool) -> int:
    """Simulate every boot, print what came of it, and return the exit code."""
    recording = Recording(path, boot)
    changed = _changed(recording, name, texts)
    found: list[dict[str, Any]] = []
    with progress_bar(recording) as show:
        for header, records in recording.boots():
            measured = _measure(Recording(path, header.boot))
            house = recording.house(replace(header, key=KeyKind.SIGNS), changed)
            world = World(house, measured)
            for number, record in enumerate(records):
                world.feed(record)
                if number % WATCH_EVERY == 0:
                    show(record)
            world.end()
            found.append(_summary(header, world))
    recording.warn_of_torn()
    result = {
        "simulated": True,
        "strategy": changed.strategy.name,
        "parameters": changed.strategy.parameters,
        "fee_bps": STANDARD_RATE * 10_000 // ONE,
        "boots": found,
    }
    if as_json:
        print(json.dumps(result))
    else:
        _tell(result, trades=changed.trades)
    return Exit.FAILED if any(one["fatal"] for one in found) else Exit.OK


def _changed(recording: Recording, name: str | None, texts: Sequence[str]) -> Config:
    """Return the run's configuration with another strategy or parameters in it."""
    section = recording.config.strategy
    raw = dict(section.parameters) if name in (None, section.name) else {}
    name = name or section.name
    kind = strategies.find(name, "--strategy").Parameters
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise BadParameter(f"--set {text}: must be KEY=VALUE")
        try:
            raw[key] = msgspec.convert(value, types.get(key, str), strict=False)
        except msgspec.ValidationError:
            raw[key] = value  # which the check below refuses, and says what is allowed
    changed = replace(recording.config, strategy=StrategySection(name, raw))
    config.parameters(changed, kind, "--set")
    return changed


# -- what the recording shows of its venue ---------------------------------------------------


class Measured(Struct, frozen=True):
    """What a recorded run measured."""

    latency_ns: int
    acks: int
    """Answers to orders that the latency is the median of; 0 where it is assumed."""
    offset_ns: int
    """The venue's clock minus ours."""


class _Acks(Untimed):
    """Keeps how long the answers to orders took."""

    __slots__ = ("taken_ns",)

    def __init__(self) -> None:
        super().__init__()
        self.taken_ns: list[int] = []

    def record(self, hop: int, ns: int) -> None:
        if hop == ORDER_ACK:
            self.taken_ns.append(ns)


def _measure(recording: Recording) -> Measured:
    """Replay one boot as it was, where that is possible, for what it had measured itself."""
    acks, engines = _Acks(), []
    for header, records in recording.boots():
        if digest(recording.config) != header.config_digest:
            break
        house = recording.house(header, recording.config)

        def engine_of(
            door: Door, stamp: Callable[[], int], journal: Journal, _: Hops, house: House = house
        ) -> Engine:
            engines.append(house.engine(door, stamp, journal, acks))
            return engines[-1]

        replay(records, engine_of)
    offset_ns = engines[-1].clock.offset_ns if engines else 0
    taken_ns = acks.taken_ns
    latency_ns = round(statistics.median(taken_ns)) if taken_ns else LATENCY_NS
    return Measured(latency_ns, len(taken_ns), offset_ns)


# -- the simulated world ---------------------------------------------------------------------


class _Listening:
    """A venue's adapter, listened to: what was traded, and answers to our own subscriptions."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self.trades: list[MarketTrade] = []
        self._subscription = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def encode(self, command: Command, request_id: int, venue_ns: int) -> WireRequest | RestRequest:
        if isinstance(command, SubscribeMarket):
            self._subscription = request_id
        return self._adapter.encode(command, request_id, venue_ns)

    def decode(self, line: int, payload: bytes, events: list[Event]) -> None:
        first = len(events)
        self._adapter.decode(line, payload, events)
        if self._adapter.lines[line].private:
            return
        for index in range(first, len(events)):
            event = events[index]
            if type(event) is MarketTrade:
                if event.instrument >= 0:
                    self.trades.append(event)
            elif type(event) is Reply:
                # It answers the recorded run's request; ours has another number.
                events[index] = replace(event, request_id=self._subscription)


class World:
    """An engine between a recorded market and the paper exchange; its ``core.outbound.Door``.

    What is sent meets the market ``latency_ns`` later and is answered at that moment: the answer
    to a real order takes as long, and so does the news of the market that it met.
    """

    def __init__(self, house: House, measured: Measured) -> None:
        self.measured = measured
        self.now_ns = 0
        self._listening = _Listening(house.adapter)
        self.house = replace(house, adapter=cast(Adapter, self._listening))
        self._signer = house.venue.signer(API_KEY, SECRET)
        self.engine = self.house.engine(self, self._stamp, _NoJournal(), Untimed())
        self.exchange: PaperExchange | None = None
        self.session: ApiSession | None = None
        self.has_left = False
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._time_request = house.adapter.encode(FetchTime(), 0, 0)
        self._recorded_asks: dict[int, Ask] = {}
        self._asked: dict[tuple[str, str, str], list[int]] = {}
        self._known: dict[tuple[str, str, str], Answer] = {}
        self._leaving = False

    # -- the recording -------------------------------------------------------------------------

    def feed(self, record: Record) -> None:
        """Take one record: the market's are played, our own are left out."""
        kind, line = record.kind, record.line
        self._advance(record.time_ns)
        now_ns = self.now_ns
        if kind == Kind.BYTES:
            if not self._private(line):
                self.engine.on_bytes(line, record.payload, 0, now_ns, now_ns)
                self._move()
        elif kind == Kind.ASK:
            ask = unpack(record.payload, Ask)
            self._recorded_asks[ask.request_id] = ask
        elif kind == Kind.ANSWER:
            self._recorded_answer(unpack(record.payload, Answer))
        elif kind == Kind.UP:
            if not self._private(line):
                self.engine.on_up(line, now_ns)
        elif kind == Kind.DOWN:
            if not self._private(line):
                self.engine.on_down(line, record.payload.decode(), now_ns)
        elif kind == Kind.CONTROL:
            self._control(record.payload)

    def _control(self, text: bytes) -> None:
        """Start and leave when the run did; what its operator said was about its own orders."""
        if text == b"start":
            self.engine.start(self.now_ns)
        elif text.startswith(b"leave"):
            self._leave("the recorded run was left")

    def end(self) -> None:
        """The recording has ended: leave, and let the exchange answer."""
        self._leave("the recording has ended")
        until_ns = self.now_ns + LEAVE_NS
        while not self.has_left and self.now_ns < until_ns:
            self._advance(self.now_ns + NS_PER_MS)

    def _leave(self, why: str) -> None:
        if not self._leaving:
            self._leaving = True
            self.engine.leave(why, self.now_ns)

    def _private(self, line: int) -> bool:
        return self.house.adapter.lines[line].private

    def _recorded_answer(self, answer: Answer) -> None:
        ask = self._recorded_asks.pop(answer.request_id, None)
        if ask is None or ask.signed:
            return
        key = (ask.method, ask.path, ask.query)
        self._known[key] = answer
        for request_id in self._asked.pop(key, ()):
            self._answer(request_id, answer)

    def _answer(self, request_id: int, answer: Answer) -> None:
        status, headers, body = answer.status, answer.headers, answer.body
        self.engine.on_answer(request_id, status, headers, body, self.now_ns)

    def _move(self) -> None:
        """Let our resting orders meet what the recorded market just did."""
        exchange, trades = self.exchange, self._listening.trades
        if exchange is not None:
            for trade in trades:
                exchange.on_trade(trade, self._venue_ns())
            for book in self.engine.books:
                exchange.on_book(book.instrument, self._venue_ns())
        trades.clear()

    # -- time ----------------------------------------------------------------------------------

    def _advance(self, until_ns: int) -> None:
        """Let everything happen that is due by then, in order."""
        timers, heap = self.engine.timers, self._heap
        while True:
            event_ns = heap[0][0] if heap else until_ns + 1
            next_ns = min(timers.next_due_ns, event_ns)
            if next_ns > until_ns:
                break
            self.now_ns = max(self.now_ns, next_ns)
            if next_ns == event_ns:
                heapq.heappop(heap)[2]()
            else:
                self.engine.on_due(self.now_ns)
        self.now_ns = max(self.now_ns, until_ns)

    def _after(self, delay_ns: int, what: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now_ns + delay_ns, next(self._order), what))

    def _stamp(self) -> int:
        return self.now_ns

    def _venue_ns(self) -> int:
        return self.now_ns + self.measured.offset_ns

    # -- the private line ----------------------------------------------------------------------

    def _connect(self, line: int) -> None:
        exchange = self.exchange
        if exchange is None or self.session is not None:
            return
        url = urlsplit(self.house.adapter.lines[line].url)
        target = f"{url.path}?{url.query}"
        outlet = _Outlet(self, line)
        self.session = exchange.venue.open_api_session(
            outlet, target, "127.0.0.1", self._venue_ns()
        )
        self.engine.on_up(line, self.now_ns)
        self._ping(line, self.session)

    def _disconnect(self, line: int, reason: str) -> None:
        if self.session is not None and self.exchange is not None:
            self.exchange.venue.close_api_session(self.session)
            self.session = None
            self.engine.on_down(line, reason, self.now_ns)
            self._after(self.measured.latency_ns, partial(self._connect, line))

    def _ping(self, line: int, session: ApiSession) -> None:
        if session is self.session:
            self.say(line, PING, b"")
            self._after(PING_NS, partial(self._ping, line, session))

    def say(self, line: int, opcode: int, payload: bytes) -> None:
        """The exchange sends: it is read in a turn of its own."""
        session, frame = self.session, server_frame(opcode, payload)

        def read() -> None:
            if session is self.session:
                self.engine.on_bytes(line, frame, 0, self.now_ns, self.now_ns)

        self._after(0, read)

    def _receive(self, session: ApiSession, payload: bytes) -> None:
        if self.exchange is not None and session is self.session:
            self.exchange.receive(session, payload, self._venue_ns())

    # -- the door ------------------------------------------------------------------------------

    def open_lines(self) -> None:
        """The instruments are known: there is an exchange, and a line to it."""
        self.exchange = PaperExchange(self.engine.table, self.engine.books, self._venue_ns())
        for line, spec in enumerate(self.house.adapter.lines):
            if spec.private:
                self._after(self.measured.latency_ns, partial(self._connect, line))

    def sign(self, request: WireRequest) -> bytes:
        return self._signer.wire(request)

    def send(self, line: int, data: bytes) -> None:
        session = self.session
        if session is None or not self._private(line):
            return
        for opcode, payload in client_frames(data):
            if opcode == TEXT:
                self._after(self.measured.latency_ns, partial(self._receive, session, payload))

    def ask(self, request_id: int, request: RestRequest) -> None:
        key = (request.method, request.path, request.query)
        if request.signed or request == self._time_request:
            self._after(self.measured.latency_ns, partial(self._respond, request_id, request))
        elif key in self._known:
            self._after(0, partial(self._answer, request_id, self._known[key]))
        else:
            self._asked.setdefault(key, []).append(request_id)

    def _respond(self, request_id: int, request: RestRequest) -> None:
        signed = self._signer.rest(request)
        path, _, query = signed.target.partition("?")
        headers = {name.lower(): value for name, value in signed.headers.items()}
        http = HttpRequest(request.method, path, query, "", headers)
        # The clock is asked for before the instruments are known, and with them the exchange.
        exchange = self.exchange.venue.exchange if self.exchange else Exchange(Random(0), ())
        reply = respond(exchange, http, self._venue_ns())
        lower = {name.lower(): value for name, value in reply.headers.items()}
        self._answer(request_id, Answer(request_id, reply.status, lower, reply.body))

    def drop(self, line: int, reason: str, *, redial_now: bool) -> None:
        """Close the private line; the recording knows when the others went."""
        if self._private(line):
            self._after(0, partial(self._disconnect, line, reason))

    def stop(self, why: str) -> None:
        self._after(0, partial(self._leave, why))

    def left(self) -> None:
        self.has_left = True

    def log(self, text: str) -> None: ...


class _Outlet:
    """Where the exchange's side of the private line sends."""

    def __init__(self, world: World, line: int) -> None:
        self._world = world
        self._line = line

    def send(self, payload: bytes) -> None:
        self._world.say(self._line, TEXT, payload)

    def cut(self) -> None:
        self._world.drop(self._line, "cut by the exchange", redial_now=False)


class _NoJournal:
    """Takes everything and keeps nothing: what is simulated is no record of a run."""

    def append(self, kind: int, line: int, time_ns: int, payload: Payload) -> None: ...


# -- what came of it -------------------------------------------------------------------------


def _summary(header: Header, world: World) -> dict[str, Any]:
    """Return what one boot's simulation did, in plain data."""
    engine, measured = world.engine, world.measured
    return {
        "boot": header.boot,
        "seconds": round((world.now_ns - header.start_ns) / NS_PER_S, 3),
        "latency_ns": measured.latency_ns,
        "latency_measured_on": measured.acks,
        "events": engine.counts.messages,
        "refusals": dict(engine.counts.refusals),
        "halted": engine.risk.halted,
        "fatal": engine.fatal,
        "left": engine.left,
        "symbols": [_symbol(world, row) for row in engine.table],
    }


def _symbol(world: World, row: Instrument) -> dict[str, Any]:
    engine, exchange = world.engine, world.exchange
    makers, takers = exchange.fills(row.symbol) if exchange else (0, 0)
    position = engine.positions[row.index]
    profit = engine.profit(row.index)
    size = row.lot.text(abs(position.lots))
    fees = sorted(position.fees_atoms.items())
    return {
        "symbol": row.symbol,
        "orders": exchange.arrived[row.index] if exchange else 0,
        "orders_accepted": len(exchange.orders(row.symbol)) if exchange else 0,
        "fills_as_maker": makers,
        "fills_as_taker": takers,
        "bought": row.lot.text(position.bought_lots),
        "sold": row.lot.text(position.sold_lots),
        "position": f"-{size}" if position.lots < 0 else size,
        "fees": {asset: _amount(atoms) for asset, atoms in fees},
        "profit": None if profit is None else row.money(profit),
        "quote": row.quote,
    }


def _amount(atoms: int) -> str:
    return format_decimal(atoms, ASSET_DECIMALS).rstrip("0").rstrip(".")


def _tell(result: dict[str, Any], *, trades: bool) -> None:
    shown = ", ".join(f"{key} = {value}" for key, value in result["parameters"].items())
    print(f"SIMULATED: {result['strategy']} ({shown or 'no parameters'}) on the recorded market")
    for one in result["boots"]:
        acks = one["latency_measured_on"]
        source = f"the median of {acks} recorded answers" if acks else "assumed, none was recorded"
        print(f"SIMULATED boot {one['boot']}: {one['seconds']:.1f} s, {one['events']:,} events")
        print(f"  latency   {one['latency_ns'] / NS_PER_MS:.3f} ms ({source})")
        print(f"  fee       {result['fee_bps']} bps of each fill, maker and taker alike")
        for name, count in one["refusals"].items():
            print(f"  refused   {count} times: {name}")
        for symbol in one["symbols"]:
            _tell_symbol(symbol)
        for word in ("halted", "fatal"):
            if one[word]:
                print(f"  {word:<9} {one[word]}")
    if not trades:
        print("SIMULATED: the configuration states no risk amounts, so nothing can be placed")
    print("SIMULATED: no order was sent; the market did not react, see docs/replay.md")


def _tell_symbol(symbol: dict[str, Any]) -> None:
    fees = ", ".join(f"{text} {asset}" for asset, text in symbol["fees"].items())
    profit = "unknown: no price at the end" if symbol["profit"] is None else symbol["profit"]
    print(f"  {symbol['symbol']}")
    print(f"    orders    {symbol['orders']}, {symbol['orders_accepted']} of them accepted")
    print(f"    fills     {symbol['fills_as_maker']} as maker, {symbol['fills_as_taker']} as taker")
    print(f"    bought    {symbol['bought']}, sold {symbol['sold']}")
    print(f"    position  {symbol['position']}")
    print(f"    fees      {fees or 'none'}")
    print(f"    profit    {profit} {symbol['quote']}, fees paid, at the last middle price")
