"""REST answers -> replies: pure functions of the command, the status, the headers and the body.

Source: rest-api.md at a5e0bc3 (2026-07-21).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from core.model.commands import (
    Cancel,
    CancelAll,
    Command,
    FetchAccount,
    FetchBbos,
    FetchBook,
    FetchInstruments,
    FetchOpenOrders,
    FetchOrders,
    FetchOrderTrades,
    FetchPrice,
    FetchTime,
    FetchTrades,
    QueryOrder,
    TestPlace,
)
from core.model.errors import Malformed, Misuse
from core.model.events import (
    NO_INSTRUMENT,
    NOT_NUMBERED,
    AccountReport,
    Bbo,
    BbosReport,
    BookSnapshot,
    BudgetUse,
    Event,
    FillReport,
    InstrumentsReport,
    LimitsReport,
    OffGridTrade,
    OpenOrders,
    OrderReport,
    OrdersListed,
    PriceTold,
    Reply,
    Source,
    UnknownExecution,
    VenueTime,
    Verdict,
)
from core.model.units import NS_PER_MS, parse_decimal
from core.model.wording import web_page
from venues.binance import rules, schema, translate, verdicts
from venues.binance.decode import Decoder, failure
from venues.kit.headers import count, retry_ns, said_ns
from venues.kit.messages import FAILURES, decoder, refuse

MAX_BODY: Final = 16 * 1024 * 1024
"""Longest body that is looked at; the longest legal one, exchangeInfo of every symbol, has 8 MB."""

_error_body = decoder(schema.ErrorBody)
_order = decoder(schema.Order)
_depth = decoder(schema.Depth)
_account = decoder(schema.Account)
_time = decoder(schema.ServerTime)
_price = decoder(schema.TickerPrice)
_tested = decoder(schema.Tested)
_info = decoder(schema.ExchangeInfo)
_orders: Final = msgspec.json.Decoder(list[schema.Order]).decode
_book_bbos: Final = msgspec.json.Decoder(list[schema.Bbo]).decode
_trades: Final = msgspec.json.Decoder(list[schema.OwnTrade]).decode
_entries: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def answer(
    decode: Decoder,
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
    budgets = _budgets(headers)
    if isinstance(command, FetchInstruments):
        symbols = command.of(symbols)
    if status != verdicts.OK:
        reply = failure(
            request_id, status, _error(body), budgets, retry_ns(headers), said_ns(headers)
        )
        if not reply.text:
            reply = msgspec.structs.replace(reply, text=web_page(status, body))
        return _name_symbols(reply, symbols) if isinstance(command, FetchInstruments) else reply
    try:
        proved = _events(decode, symbols, command, body)
    except msgspec.ValidationError as error:
        told = _error(body)
        if told is None:
            refuse(error)
        return failure(request_id, status, told, budgets, retry_ns(headers), said_ns(headers))
    except FAILURES as error:
        refuse(error)
    more = _more(command, proved)
    return Reply(
        request_id=request_id, verdict=Verdict.DONE, events=proved, budgets=budgets, more=more
    )


def _more(command: Command, proved: tuple[Event, ...]) -> str:
    """Return the number that the next page begins with: a full one may not be the last."""
    if isinstance(command, FetchTrades | FetchOrderTrades) and len(proved) >= rules.TRADES_PAGE:
        ranks = [one.fill.rank for one in proved if isinstance(one, FillReport)]
        ranks += [one.rank for one in proved if isinstance(one, OffGridTrade)]
        return str(max(ranks) + 1)
    if isinstance(command, FetchOrders):
        for listed in proved:
            if isinstance(listed, OrdersListed) and len(listed.reports) >= rules.ORDERS_PAGE:
                return str(max(int(one.venue_order_id or 0) for one in listed.reports) + 1)
    return ""


def _error(body: bytes) -> schema.ErrorBody | None:
    """Return the venue's error, ``None`` where the body is something else (a firewall's HTML)."""
    try:
        return _error_body(body)
    except FAILURES:
        return None


def _name_symbols(reply: Reply, symbols: tuple[str, ...]) -> Reply:
    """Say which symbols were requested: the venue does not say which one it does not know."""
    text = f"{reply.text} (asked for {', '.join(symbols)})".lstrip()
    return msgspec.structs.replace(reply, text=text)


def _events(
    decode: Decoder, symbols: tuple[str, ...], command: Command, body: bytes
) -> tuple[Event, ...]:
    """Return what the body of a success proves."""
    ours = decode.instruments
    match command:
        case FetchBook(instrument):
            levels, _ = rules.snapshot(len(symbols))
            return (_snapshot(decode, instrument, levels, body),)
        case FetchBbos():
            return (BbosReport(tuple(_bbos(decode, body))),)
        case FetchOpenOrders(instrument):
            return _open_orders(decode, instrument, body)
        case FetchTrades() | FetchOrderTrades():
            found = (translate.own_trade(trade, ours) for trade in _trades(body))
            return tuple(fill for fill in found if fill is not None)
        case FetchOrders(instrument):
            listed = (translate.order(order, ours, Source.QUERY) for order in _orders(body))
            return (OrdersListed(instrument, tuple(listed)),)
        case QueryOrder():
            return (translate.order(_order(body), ours, Source.QUERY),)
        case Cancel():
            return decode.cancelled(body)
        case CancelAll():
            return tuple(event for entry in _entries(body) for event in decode.cancelled(entry))
        case FetchAccount():
            return (_account_report(body),)
        case FetchInstruments():
            info = _info(body)
            return (
                InstrumentsReport(rules.instruments(info, symbols)),
                LimitsReport(rules.limits(info.rate_limits)),
            )
        case TestPlace():
            _tested(body)
            return ()
        case FetchPrice(symbol):
            return (PriceTold(symbol, *parse_decimal(_price(body).price)),)
        case FetchTime():
            return (VenueTime(_time(body).server_time * NS_PER_MS),)
    raise Misuse(f"{type(command).__name__} is not sent by REST")


def _snapshot(decode: Decoder, index: int, levels: int, body: bytes) -> BookSnapshot:
    instrument = next((one for one in decode.instruments.values() if one.index == index), None)
    if instrument is None:
        raise Misuse(f"instrument {index} was never learned")
    depth = _depth(body)
    prices = translate.prices(instrument.tick)
    sizes = translate.sizes(instrument.lot, 1)
    return BookSnapshot(
        index,
        depth.last_update_id,
        [(tick, sizes[size]) for price, size in depth.bids if (tick := prices[price])],
        [(tick, sizes[size]) for price, size in depth.asks if (tick := prices[price])],
        bids_cut=len(depth.bids) >= levels,
        asks_cut=len(depth.asks) >= levels,
    )


def _bbos(decode: Decoder, body: bytes) -> Iterator[Bbo]:
    """Return the best prices of the instruments of this run, rounded as their stream's are."""
    for bbo in _book_bbos(body):
        instrument = decode.instruments.get(bbo.symbol)
        if instrument is not None:
            bid_lots = translate.sizes(instrument.lot, 0)[bbo.bid_qty]
            ask_lots = translate.sizes(instrument.lot, 0)[bbo.ask_qty]
            bids, asks = translate.bids(instrument.tick), translate.asks(instrument.tick)
            bid_ticks = bids[bbo.bid_price] if bid_lots else 0
            ask_ticks = asks[bbo.ask_price] if ask_lots else 0
            rounded = bool(bids.between or asks.between)
            yield Bbo(
                instrument.index, NOT_NUMBERED, bid_ticks, bid_lots, ask_ticks, ask_lots, rounded
            )


def _open_orders(decode: Decoder, index: int, body: bytes) -> tuple[Event, ...]:
    """Return the open orders.

    One of a status outside the closed set, or on a symbol that was never learned, stands beside
    them.
    """
    found = [_open_order(order, decode) for order in _orders(body)]
    reports = tuple(one for one in found if isinstance(one, OrderReport))
    unknown = tuple(one for one in found if not isinstance(one, OrderReport))
    return (OpenOrders(index, reports), *unknown)


def _open_order(order: schema.Order, decode: Decoder) -> OrderReport | UnknownExecution:
    found = translate.order(order, decode.instruments, Source.QUERY)
    if found.instrument != NO_INSTRUMENT:
        return found
    what = f"an order on {order.symbol}, which this run does not know"
    return UnknownExecution(NO_INSTRUMENT, found.client_order_id, what)


def _account_report(body: bytes) -> AccountReport:
    account = _account(body)
    return AccountReport(
        tuple(translate.balance(one.asset, one.free, one.locked) for one in account.balances),
        whole=True,
        can_trade=account.can_trade,
        venue_ns=account.update_time * NS_PER_MS,
    )


# -- headers ---------------------------------------------------------------------------------

_COUNTERS: Final = (("x-mbx-used-weight-", "weight_"), ("x-mbx-order-count-", "orders_"))


def _budgets(headers: Mapping[str, str]) -> tuple[BudgetUse, ...]:
    """Return the venue's counters: ``x-mbx-used-weight-1m: 70`` is ``weight_1m``."""
    uses = []
    for name, text in headers.items():
        for prefix, limit in _COUNTERS:
            used = count(text) if name.startswith(prefix) else None
            if used is not None:
                uses.append(BudgetUse(limit + name[len(prefix) :].lower(), used))
    return tuple(uses)
