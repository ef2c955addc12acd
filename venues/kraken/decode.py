"""Messages of the connections -> events: what one says, and who reads it.

Here lives the choice of a decoder and the one boundary where anything wrong with a message
becomes ``Malformed`` (no legal message) or ``Drifted`` (legal, but without what we need).

A message is a channel's or the answer to a method. The first bytes of a channel's choose its
decoder; one that begins otherwise is looked through once to find the same name.

Source: docs.kraken.com, WebSocket v2 (pages of 2026-05-27).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from core.model.errors import Drifted, Malformed, OffGrid
from core.model.events import (
    NO_INSTRUMENT,
    NO_REQUEST,
    BatchOutcome,
    Bbo,
    BookDelta,
    BookSnapshot,
    BudgetUse,
    Counted,
    Event,
    Ignored,
    Levels,
    LimitsReport,
    MarketTrade,
    Notice,
    Outcome,
    Reply,
    SessionNotice,
    Side,
    Source,
    TradingStatus,
    VenueTime,
    Verdict,
)
from core.model.instrument import Instrument
from venues.kit import messages
from venues.kit.literals import Counts
from venues.kit.times import rfc3339_ns
from venues.kraken import answers, executions, level3, rates, rules, schema, translate, verdicts
from venues.kraken.checksum import NO_CHECKSUM
from venues.kraken.executions import Execution

MARKET: Final = 0
TRADE: Final = 1

MAX_MESSAGE: Final = 4 * 1024 * 1024
"""Longest message that is looked at. The longest legal one of ours, a book of 1,000 levels a side
or the open orders of a whole account, stays below 200 kB."""

_CHANNEL: Final = b'{"channel":"'

Take = Callable[[bytes, list[Event]], None]
"""Appends the events of one message."""

_head = messages.decoder(schema.Message)
_book = messages.decoder(schema.BookMessage)
_ticker = messages.decoder(schema.TickerMessage)
_trade = messages.decoder(schema.TradeMessage)
_status = messages.decoder(schema.StatusMessage)
_pairs = messages.decoder(schema.PairsMessage)
_answer = messages.decoder(schema.Answer)
_pong = messages.decoder(schema.Pong)

_BUY, _SELL = Side.BUY, Side.SELL


class Feed:
    """What the market data of one instrument is read with."""

    __slots__ = ("_bbo", "index", "prices", "sizes", "traded")

    def __init__(self, instrument: Instrument) -> None:
        self.index = instrument.index
        self.prices = Counts(instrument.tick, 1)
        self.sizes = Counts(instrument.lot, 0)
        self.traded = Counts(instrument.lot, 1)
        self._bbo = Bbo(instrument.index, -1, 0, 0, 0, 0)

    def levels(self, told: list[schema.Level]) -> Levels | None:
        """Return one side's levels, ``None`` where one of them is on no grid of ours."""
        prices, sizes = self.prices, self.sizes
        try:
            return [(prices[bytes(level.price)], sizes[bytes(level.qty)]) for level in told]
        except OffGrid:
            return None

    def number(self, ticker: schema.Ticker, seq: int) -> Bbo:
        """Return the best prices under a number of their own.

        Their time is no number: the venue tells several changes of one instant (introduction,
        "Timestamps should not be considered unique"). What says something else at the same time
        as the last one counts one further, a nanosecond.
        """
        bid_lots, ask_lots = self.sizes[bytes(ticker.bid_qty)], self.sizes[bytes(ticker.ask_qty)]
        bid_ticks = self.prices[bytes(ticker.bid)] if bid_lots else 0
        ask_ticks = self.prices[bytes(ticker.ask)] if ask_lots else 0
        last = self._bbo
        if last.seq - MOST_AT_ONCE < seq <= last.seq:
            same = (last.bid_ticks, last.bid_lots, last.ask_ticks, last.ask_lots)
            other = (bid_ticks, bid_lots, ask_ticks, ask_lots) != same
            seq = last.seq + other
        bbo = Bbo(self.index, seq, bid_ticks, bid_lots, ask_ticks, ask_lots)
        if seq > last.seq:
            self._bbo = bbo
        return bbo


MOST_AT_ONCE: Final = 1_000
"""Changes that one microsecond, the grain of the venue's times, has numbers for."""


class Decoder:
    """Decodes both connections; holds what it learned of the instruments, and each one's last BBO.

    The last BBO is kept for its number alone. Of our orders ``Executions`` remembers what later
    messages leave out; nothing else is remembered of any message.
    """

    __slots__ = ("_channels", "_executions", "_feeds", "_instruments", "_methods", "tier")

    def __init__(self) -> None:
        self.tier = rates.STARTER
        """The account's, as the subscription to executions tells it; the lowest until then."""
        self._feeds: dict[str, Feed] = {}
        self._instruments: dict[str, Instrument] = {}
        self._executions = executions.Executions(self._instruments)
        self._channels: dict[bytes, Take] = {
            b"book": self._take_book,
            b"instrument": self._take_pairs,
            b"level3": self._take_orders,
            b"ticker": self._take_ticker,
            b"trade": self._take_trades,
            b"heartbeat": _take_heartbeat,
            b"status": _take_status,
        }
        self._methods: dict[str, Take] = {
            "pong": _take_pong,
            "subscribe": _take_answer,
            "unsubscribe": _take_answer,
        }

    def learn(self, instruments: Iterable[Instrument]) -> None:
        """Take instruments, new or renewed; their market data is decoded from here on."""
        for instrument in instruments:
            self._feeds[instrument.symbol] = Feed(instrument)
            self._instruments[instrument.symbol] = instrument

    def decode(self, connection: int, payload: bytes, events: list[Event]) -> None:
        """Append what one message means. Raises ``Malformed`` or ``Drifted``, nothing else."""
        if len(payload) > MAX_MESSAGE:
            raise Malformed(f"a message of {len(payload)} bytes is longer than {MAX_MESSAGE}")
        try:
            if connection == TRADE:
                self._take_private(payload, events)
                return
            if payload.startswith(_CHANNEL):
                begin = len(_CHANNEL)
                take = self._channels.get(payload[begin : payload.find(b'"', begin)])
                if take is not None:
                    take(payload, events)
                    return
            self._look(payload, events)
        except messages.FAILURES as error:
            messages.refuse(error)

    def _look(self, payload: bytes, events: list[Event]) -> None:
        head = _head(payload)
        if head.channel:
            take = self._channels.get(head.channel.encode())
            if take is None:
                events.append(Ignored(f"channel {head.channel[:40]}"))
                return
        else:
            take = self._methods.get(head.method, _take_nameless)
        take(payload, events)

    def _take_private(self, payload: bytes, events: list[Event]) -> None:
        """Append what a message of the private connection means."""
        head = _head(payload)
        match head.channel:
            case "executions":
                number, found = self._executions.read(payload)
                events.append(number)
                events.extend(translate.told(one, Source.STREAM) for one in found)
                counted = {o.instrument: o.rate_count for o in found if isinstance(o, Execution)}
                events.extend(_counted(counted))
            case "balances":
                # What orders hold of a balance is not told here: balances are requested.
                number, told = executions.read_balances(payload)
                events.append(number)
                events.extend(told.moved)
            case "":
                self._take_private_answer(head.method, payload, events)
            case "heartbeat" | "status":
                self._channels[head.channel.encode()](payload, events)
            case _:
                events.append(Ignored(f"channel {head.channel[:40]}"))

    def _take_private_answer(self, method: str, payload: bytes, events: list[Event]) -> None:
        if not method or method == "pong":
            self._methods.get(method, _take_nameless)(payload, events)
            return
        proved = answers.read(payload)
        verdict, error = proved.verdict, proved.error
        if verdict is Verdict.DONE and method == "batch_add":
            events.append(_batch(proved))
            return
        if verdict is Verdict.DONE and len(proved.orders) == 1:
            verdict, error = proved.orders[0].verdict, proved.orders[0].error
        if verdict is Verdict.DONE:
            told: tuple[Event, ...] = ()
            if proved.threshold:
                self.tier = rates.tier_of(proved.threshold)
                told = (LimitsReport(rules.limits(self.tier)),)
            events.append(Reply(request_id=proved.request_id, verdict=verdict, events=told))
            return
        events.append(refused(proved.request_id, error))
        if verdict is Verdict.LOGGED_OUT:
            events.append(SessionNotice(Notice.LOGGED_OUT, error))

    def _feed(self, symbol: str) -> Feed:
        feed = self._feeds.get(symbol)
        if feed is None:
            raise Drifted(f"a message tells of {symbol!r}, which was not subscribed to")
        return feed

    def _take_book(self, payload: bytes, events: list[Event]) -> None:
        message = _book(payload)
        for told in message.data:
            feed = self._feed(told.symbol)
            bids, asks = feed.levels(told.bids), feed.levels(told.asks)
            checksum = told.checksum
            if bids is None or asks is None:
                bids, asks, checksum = [], [], NO_CHECKSUM
            if message.type == "snapshot":
                events.append(BookSnapshot(feed.index, 0, bids, asks, checksum=checksum))
            else:
                venue_ns = rfc3339_ns(told.timestamp)
                events.append(BookDelta(feed.index, 0, 0, bids, asks, venue_ns, checksum))

    def _take_pairs(self, payload: bytes, events: list[Event]) -> None:
        """Append what our pairs allow: every pair of the venue is told of."""
        for told in _pairs(payload).data.pairs:
            feed = self._feeds.get(told.symbol)
            if feed is not None:
                trading, text = rules.trading_of(told.status), told.status[:40]
                events.append(TradingStatus(trading, text, instrument=feed.index))

    def _take_orders(self, payload: bytes, events: list[Event]) -> None:
        message = level3.read(payload)
        for one in message.data:
            feed = self._feed(one.symbol)
            events.append(level3.told(message.type, one, feed.index, feed.prices, feed.sizes))

    def _take_ticker(self, payload: bytes, events: list[Event]) -> None:
        for told in _ticker(payload).data:
            feed = self._feed(told.symbol)
            try:
                events.append(feed.number(told, rfc3339_ns(told.timestamp)))
            except OffGrid:
                events.append(Ignored("best prices between two steps"))

    def _take_trades(self, payload: bytes, events: list[Event]) -> None:
        message = _trade(payload)
        if message.type == "snapshot":
            events.append(Ignored("trades from before the subscription"))
            return
        for told in message.data:
            feed = self._feed(told.symbol)
            try:
                ticks, lots = feed.prices[bytes(told.price)], feed.traded[bytes(told.qty)]
            except OffGrid:
                events.append(Ignored("trade between two steps"))
                continue
            events.append(
                MarketTrade(
                    feed.index,
                    str(told.trade_id),
                    ticks,
                    lots,
                    _BUY if told.side == "buy" else _SELL,
                    rfc3339_ns(told.timestamp),
                )
            )


def _counted(counts: Mapping[int, int | None]) -> Iterator[Counted]:
    """Yield what the venue has counted of each pair, as its newest report tells it."""
    for instrument, count in counts.items():
        if count is not None and instrument != NO_INSTRUMENT:
            yield Counted((BudgetUse(rules.PAIR_COUNTER, count, instrument),))


# -- what every connection tells ---------------------------------------------------------------


def _take_heartbeat(payload: bytes, events: list[Event]) -> None:
    _head(payload)
    events.append(Ignored("heartbeat"))


def _take_status(payload: bytes, events: list[Event]) -> None:
    """Append the state of the trading engine, which is told at first and when it changes."""
    for told in _status(payload).data:
        near = any(map(rules.is_near, told.upcoming_maintenance))
        events.append(TradingStatus(rules.trading_of(told.system), told.system[:40], near))


# -- answers -----------------------------------------------------------------------------------


def _take_pong(payload: bytes, events: list[Event]) -> None:
    """Append the answer to a ping, with the venue's clock to the microsecond."""
    pong = _pong(payload)
    if not pong.success:
        events.append(refused(pong.req_id, pong.error))
        return
    clock = VenueTime(rfc3339_ns(pong.time_in))
    events.append(Reply(request_id=pong.req_id, verdict=Verdict.DONE, events=(clock,)))


def _take_answer(payload: bytes, events: list[Event]) -> None:
    """Append the answer to a request whose result tells nothing more."""
    answer = _answer(payload)
    if answer.success:
        events.append(Reply(request_id=answer.req_id, verdict=Verdict.DONE))
    else:
        events.append(refused(answer.req_id, answer.error))


def _take_nameless(payload: bytes, events: list[Event]) -> None:
    """Append an answer that names no method: the venue could not read what we sent."""
    answer = _answer(payload)
    if answer.success or answer.method:
        raise Drifted(f"an answer to a method that was not asked for: {answer.method[:40]!r}")
    events.append(refused(answer.req_id or NO_REQUEST, answer.error))


def _batch(proved: answers.Proved) -> Reply:
    """Return what an answer says of each order of a batch."""
    told = tuple(
        Outcome(Verdict.DONE)
        if one.verdict is Verdict.DONE
        else Outcome(one.verdict, one.error or verdicts.UNNAMED)
        for one in proved.orders
    )
    return Reply(request_id=proved.request_id, verdict=Verdict.DONE, events=(BatchOutcome(told),))


def refused(request_id: int, error: str) -> Reply:
    """Return what an error of the venue proves about the request it answers."""
    return Reply(
        request_id=request_id,
        verdict=verdicts.of_error(error),
        code=error or verdicts.UNNAMED,
    )
