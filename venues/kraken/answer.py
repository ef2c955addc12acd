"""REST answers -> replies: pure functions of the command, the status, the headers and the body.

Every answer of the venue has status 200 and an ``error`` list; what is in it decides, not the
status. Warnings (``W...``) stand in the same list and refuse nothing.

Source: docs.kraken.com, REST reference (pages of 2026-05-27).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Raw

from core.model.commands import (
    Cancel,
    CancelAll,
    Command,
    FetchAccount,
    FetchBbos,
    FetchBook,
    FetchInstruments,
    FetchOpenOrders,
    FetchOrderTrades,
    FetchPrice,
    FetchTime,
    FetchTrades,
    Logon,
    QueryOrder,
    TestPlace,
)
from core.model.errors import Drifted, Malformed, Misuse, OffGrid
from core.model.events import (
    NO_INSTRUMENT,
    NOT_NUMBERED,
    AccountReport,
    Bbo,
    BbosReport,
    BookSnapshot,
    Event,
    InstrumentsReport,
    OpenOrders,
    OrderReport,
    PriceTold,
    Reply,
    Source,
    UnknownExecution,
    VenueTime,
    Verdict,
)
from core.model.instrument import Instrument
from core.model.units import NS_PER_S, parse_decimal
from venues.kit import headers as heads
from venues.kit import messages
from venues.kraken import decode, encode, history, rates, rules, schema, translate, verdicts
from venues.kraken.executions import Execution, Unreadable
from venues.kraken.history import OffGridFill, OwnFill

MAX_BODY: Final = 16 * 1024 * 1024
"""Longest body that is looked at; the longest legal one, AssetPairs of every pair, has some MB."""

NO_ORDER: Final = frozenset({"EOrder:Unknown order", "EOrder:Invalid order"})
"""Of a question they say that there is none; of a cancel, that there is none to cancel."""

HALF_SECOND_NS: Final = NS_PER_S // 2

_envelope = messages.decoder(schema.Envelope)
_time = messages.decoder(schema.ServerTime)
_pairs: Final = msgspec.json.Decoder(dict[str, schema.AssetPair]).decode
_tickers: Final = msgspec.json.Decoder(dict[str, schema.TickerInfo]).decode
_depths: Final = msgspec.json.Decoder(dict[str, schema.Depth]).decode


class Names:
    """The instruments of a run by every name that REST has for them."""

    __slots__ = ("_by_name", "decimals", "tier")

    def __init__(self) -> None:
        self._by_name: dict[str, Instrument] = {}
        self.decimals: dict[str, int] = {}
        """The precision that prices are written with, by symbol."""
        self.tier = rates.STARTER
        """The account's, as far as it was told."""

    def learn(self, instrument: Instrument) -> None:
        names = (instrument.code, rules.altname_of(instrument.symbol), instrument.symbol)
        self._by_name.update(dict.fromkeys(names, instrument))

    def find(self, name: str) -> Instrument | None:
        return self._by_name.get(name)

    def at(self, index: int) -> Instrument | None:
        return next((one for one in self._by_name.values() if one.index == index), None)


def answer(
    names: Names,
    symbols: tuple[str, ...],
    command: Command,
    request_id: int,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
) -> Reply:
    """Return what a REST answer means; see ``core.model.venue.Adapter.answer``."""
    if len(body) > MAX_BODY:
        raise Malformed(f"a body of {len(body)} bytes is longer than {MAX_BODY}")
    try:
        told = _envelope(body)
    except messages.FAILURES as error:
        if status == verdicts.OK:
            messages.refuse(error)
        verdict = verdicts.of_status(status)
        return Reply(
            request_id=request_id,
            verdict=verdict,
            retry_ns=heads.retry_ns(headers),
            said_ns=heads.said_ns(headers),
        )
    errors = [text for text in told.error if not text.startswith("W")]
    if errors:
        reply = decode.refused(request_id, errors[0])
        if not isinstance(command, Cancel):
            told_of = verdicts.of_question(errors[0])
            reply = msgspec.structs.replace(reply, verdict=told_of)
        if isinstance(command, QueryOrder) and errors[0] in NO_ORDER:
            return msgspec.structs.replace(reply, verdict=Verdict.ABSENT)
        if isinstance(command, FetchInstruments):
            asked = ", ".join(command.of(symbols))
            return msgspec.structs.replace(reply, text=f"(asked for {asked})")
        return reply
    if status != verdicts.OK:
        return Reply(request_id=request_id, verdict=verdicts.of_status(status))
    if told.result is UNSET:
        raise Drifted("an answer has neither an error nor a result")
    try:
        proved, more = _proved(names, symbols, command, told.result)
    except messages.FAILURES as error:
        messages.refuse(error)
    absent = isinstance(command, QueryOrder) and not proved
    verdict = Verdict.ABSENT if absent else Verdict.DONE
    return Reply(request_id=request_id, verdict=verdict, events=proved, more=more)


def _proved(
    names: Names, symbols: tuple[str, ...], command: Command, result: Raw
) -> tuple[tuple[Event, ...], str]:
    """Return what the result of a success proves, and the page that follows."""
    match command:
        case FetchTrades(index, since, page):
            cursor = history.cursor_of(page, 0) if page else history.first_page(since, 0)
            told = history.read_fills(result, cursor, names.find)
            more = told.next if page else history.next_page(since, cursor, told)
            return _own(index, told.fills), more
        case FetchOrderTrades(_, _, ""):
            return (), history.read_trade_ids(result)
        case FetchOrderTrades(index, order_id, page):
            trades = history.read_trades(result, names.find)
            for one in trades:
                if one.instrument == NO_INSTRUMENT:
                    pair = one.pair if isinstance(one, OffGridFill) else ""
                    raise Drifted(f"order {order_id} has a trade on {pair!r}, a pair of no name")
            return _own(index, trades), history.behind(page)
    return _events(names, symbols, command, result), ""


def _own(index: int, told: Iterable[OwnFill | OffGridFill]) -> tuple[Event, ...]:
    """Return the trades of one instrument, or of all of the run: others are not known here."""
    wanted = (one for one in told if one.instrument != NO_INSTRUMENT)
    return tuple(translate.own(one) for one in wanted if index in (NO_INSTRUMENT, one.instrument))


def _events(
    names: Names, symbols: tuple[str, ...], command: Command, result: Raw
) -> tuple[Event, ...]:
    """Return what the result of a success proves."""
    match command:
        case QueryOrder(_, _, number):
            read = history.read_orders if number else history.read_closed_orders
            orders = read(result, names.find)
            return tuple(translate.told(one, Source.QUERY) for one in orders)
        case FetchOpenOrders(index):
            return _open_orders(index, history.read_open_orders(result, names.find))
        case FetchAccount():
            return (AccountReport(history.read_balances(result), True, None, 0),)
        case Logon() | Cancel() | CancelAll() | TestPlace():
            return ()
        case FetchTime():
            # Whole seconds, cut: it is half a second later, give or take as much.
            venue_ns = _time(result).unixtime * NS_PER_S + HALF_SECOND_NS
            return (VenueTime(venue_ns, HALF_SECOND_NS),)
        case FetchInstruments():
            return (_instruments(names, command.of(symbols), result),)
        case FetchBbos():
            return (BbosReport(tuple(_bbos(names, result)), sized=False),)
        case FetchPrice(symbol):
            ticker = _only(_tickers(result))
            return (PriceTold(symbol, *parse_decimal(ticker.c[0])),)
        case FetchBook(index):
            return (_snapshot(names, index, _only(_depths(result))),)
    raise Misuse(f"{type(command).__name__} is not asked of Kraken")


def _open_orders(index: int, told: Iterable[Execution | Unreadable]) -> tuple[Event, ...]:
    """Return the open orders of an instrument or of all; what cannot be read stands beside them."""
    reports: list[OrderReport] = []
    unknown: list[Event] = []
    for one in told:
        if index not in (NO_INSTRUMENT, one.instrument):
            continue
        found = translate.told(one, Source.QUERY)
        if isinstance(found, OrderReport) and found.instrument != NO_INSTRUMENT:
            reports.append(found)
        elif isinstance(found, OrderReport) and isinstance(one, Execution):
            what = f"an order on {one.symbol}, which this run does not know"
            unknown.append(UnknownExecution(NO_INSTRUMENT, one.client_order_id, what))
        else:
            unknown.append(found)
    return (OpenOrders(index, tuple(reports)), *unknown)


V = TypeVar("V")


def _only(found: dict[str, V]) -> V:
    if len(found) != 1:
        raise Drifted(f"asked for one pair, and told of {len(found)}")
    return next(iter(found.values()))


def _instruments(names: Names, symbols: tuple[str, ...], result: Raw) -> InstrumentsReport:
    pairs = _pairs(result)
    for pair in pairs.values():
        names.decimals[rules.symbol_of(pair.wsname)] = pair.pair_decimals
    return InstrumentsReport(rules.instruments(pairs, symbols, names.tier))


def _bbos(names: Names, result: Raw) -> Iterator[Bbo]:
    """Return the best prices of the instruments of this run; one between two steps is left out.

    Sizes are cut to three decimals: less than that is not nothing, where there is a price.
    """
    for name, ticker in _tickers(result).items():
        instrument = names.find(name)
        if instrument is None:
            continue
        tick, lot = instrument.tick, instrument.lot
        try:
            bid_ticks, ask_ticks = tick.count(ticker.b[0]), tick.count(ticker.a[0])
            bid_lots = max(1, lot.count(ticker.b[2])) if bid_ticks else 0
            ask_lots = max(1, lot.count(ticker.a[2])) if ask_ticks else 0
        except OffGrid:
            continue
        yield Bbo(instrument.index, NOT_NUMBERED, bid_ticks, bid_lots, ask_ticks, ask_lots)


def _snapshot(names: Names, index: int, depth: schema.Depth) -> BookSnapshot:
    """Return the levels of a book; those of no grid of ours are left out."""
    instrument = names.at(index)
    if instrument is None:
        raise Misuse(f"instrument {index} was never learned")
    bids, asks = _levels(instrument, depth.bids), _levels(instrument, depth.asks)
    cut = encode.DEPTH
    return BookSnapshot(
        index, 0, bids, asks, bids_cut=len(depth.bids) >= cut, asks_cut=len(depth.asks) >= cut
    )


def _levels(instrument: Instrument, told: list[tuple[str, str, Raw]]) -> list[tuple[int, int]]:
    levels = []
    for price, size, _ in told:
        try:
            levels.append((instrument.tick.count(price), instrument.lot.count(size)))
        except OffGrid:
            continue
    return levels
