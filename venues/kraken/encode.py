"""Commands -> requests: what goes over the market connection, and which request any command is.

Here live the public methods' names, parameters and their spelling; ``trading`` has those of the
private connection, ``history`` those of questions about the account. Neither key, signature nor
token is ever part of it.

Source: docs.kraken.com, WebSocket v2 and REST reference (pages of 2026-05-27).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from core.model.commands import (
    Amend,
    Cancel,
    CancelAll,
    CancelMany,
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
    Ping,
    Place,
    PlaceMany,
    QueryOrder,
    SetDeadMan,
    SubscribeBook,
    SubscribeMarket,
    SubscribePrivate,
    SubscribeStatus,
    TestPlace,
    UnsubscribeBook,
)
from core.model.errors import BadConfig, Misuse
from core.model.instrument import Instrument
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import HttpRequest, Stream, Subscription, WireRequest
from venues.kit import forms
from venues.kit.times import rfc3339_text
from venues.kraken import decode, history, rules, trading

DEPTH: Final = 100
"""Levels a side that are subscribed to, of 10, 25, 100, 500 and 1000."""

QUEUE_DEPTH: Final = 100
"""Levels a side whose orders are told, of 10, 100 and 1000."""

MOST_QUEUES: Final = 8
"""Symbols whose orders can be requested at once: each counts 25 of the 200 a second that an account
of the lower tiers may request ("Orders (Level 3)")."""

_CHANNELS: Final[dict[Stream, str]] = {
    Stream.ORDERS: f'"channel":"level3","depth":{QUEUE_DEPTH},"snapshot":true',
    Stream.DEPTH: f'"channel":"book","depth":{DEPTH},"snapshot":true',
    Stream.BBO: '"channel":"ticker","event_trigger":"bbo","snapshot":true',
    Stream.TRADES: '"channel":"trade","snapshot":false',
}


EXECUTIONS: Final = "executions"
BALANCES: Final = "balances"
_PRIVATE: Final = {
    EXECUTIONS: trading.subscribe_executions,
    BALANCES: trading.subscribe_balances,
}


def feeds(streams: Iterable[Stream]) -> tuple[Stream, ...]:
    """Return which of a run's streams are subscribed to: no best prices beside whole books.

    Theirs is a time, and the books' changes have no numbers that it could be compared with.
    """
    wanted = tuple(streams)
    return tuple(s for s in wanted if s is not Stream.BBO or Stream.DEPTH not in wanted)


def _check_streams(subscription: Subscription) -> None:
    """Raises ``BadConfig`` where single orders are wanted and cannot be had."""
    if Stream.ORDERS not in subscription.streams:
        return
    if len(subscription.streams) > 1:
        raise BadConfig(
            'streams: Kraken tells "orders" on a connection of its own, which tells nothing else; '
            "take the others out"
        )
    if not subscription.session_logon:
        raise BadConfig('streams: Kraken tells "orders" to accounts alone; state a key file')
    if len(subscription.symbols) > MOST_QUEUES:
        raise BadConfig(f'symbols: with "orders" Kraken takes {MOST_QUEUES} of them at most')


class Encoder:
    """Encodes the commands of one run; holds nothing but what it learned of the instruments."""

    __slots__ = ("_books", "_instruments", "_subscription", "_valid_ns")

    def __init__(self, subscription: Subscription) -> None:
        """Raises ``BadConfig`` for symbols that are none of the venue's."""
        for symbol in subscription.symbols:
            if not rules.SYMBOL.fullmatch(symbol):
                raise BadConfig(
                    f"symbols: {symbol!r} is no symbol of Kraken; they are written as in BTC/USD"
                )
        _check_streams(subscription)
        self._books = Stream.ORDERS if Stream.ORDERS in subscription.streams else Stream.DEPTH
        self._subscription = subscription
        self._instruments: dict[int, Instrument] = {}
        self._valid_ns = subscription.request_expiry_ms * NS_PER_MS

    def learn(self, instruments: Iterable[Instrument]) -> None:
        """Take instruments, new or renewed."""
        for instrument in instruments:
            self._instruments[instrument.index] = instrument

    def encode(self, command: Command, request_id: int, venue_ns: int) -> WireRequest | HttpRequest:
        """Return the request for a command; see ``core.model.venue.Adapter.encode``."""
        match command:
            case Place(index):
                deadline_ns = trading.deadline_ns(venue_ns, self._valid_ns)
                return trading.add_order(self._row(index), command, deadline_ns, request_id)
            case PlaceMany(index, places):
                deadline_ns = trading.deadline_ns(venue_ns, self._valid_ns)
                return trading.batch_add(self._row(index), places, deadline_ns, request_id)
            case Cancel(_, name, number):
                return trading.cancel_order(number, name, request_id)
            case CancelAll():
                return trading.cancel_all(request_id)
            case CancelMany(_, cancels):
                return trading.batch_cancel(cancels, request_id)
            case Amend(index):
                deadline_ns = trading.deadline_ns(venue_ns, self._valid_ns)
                return trading.amend_order(self._row(index), command, deadline_ns, request_id)
            case SetDeadMan(timeout_ns):
                return trading.cancel_all_orders_after(-(-timeout_ns // NS_PER_S), request_id)
            case SubscribePrivate(channel):
                subscribe = _PRIVATE.get(channel)
                if subscribe is None:
                    raise Misuse(f"{channel!r} is no channel of the account's own")
                return subscribe(request_id)
            case SubscribeStatus():
                params = '"channel":"instrument","snapshot":true'
                body = f'{{"method":"subscribe","params":{{{params}}},"req_id":{request_id}}}'
                return WireRequest(decode.MARKET, body.encode())
            case SubscribeMarket(streams):
                return self._subscribe_market(streams, request_id)
            case SubscribeBook(index):
                return _subscription("subscribe", self._books, [self._symbol(index)], request_id)
            case UnsubscribeBook(index):
                return _subscription("unsubscribe", self._books, [self._symbol(index)], request_id)
            case Ping():
                body = f'{{"method":"ping","req_id":{request_id}}}'
                return WireRequest(decode.MARKET, body.encode())
        return self.encode_rest(command, venue_ns)

    def _row(self, index: int) -> Instrument:
        instrument = self._instruments.get(index)
        if instrument is None:
            raise Misuse(f"instrument {index} was never learned")
        return instrument

    def _symbol(self, index: int) -> str:
        return self._row(index).symbol

    def _subscribe_market(self, streams: tuple[Stream, ...], request_id: int) -> WireRequest:
        (stream,) = streams
        return _subscription("subscribe", stream, self._subscription.symbols, request_id)

    # -- REST ----------------------------------------------------------------------------------

    def encode_rest(self, command: Command, venue_ns: int) -> HttpRequest:
        """Return the REST request for a command: that of every question, and of a cancel."""
        match command:
            case Logon():
                return history.fetch_token()
            case CancelAll():
                return history.cancel_all()
            case Cancel(_, name, number):
                return history.cancel_order(number, name)
            case QueryOrder(_, name, number):
                return history.query_order(number) if number else history.closed_orders(name)
            case FetchOpenOrders():
                return history.open_orders()
            case FetchTrades(_, since, page):
                first = history.first_page(since, venue_ns)
                return history.fills(history.cursor_of(page, venue_ns) if page else first)
            case FetchOrderTrades(_, number, page):
                return history.query_trades(page) if page else history.order_trades(number)
            case FetchAccount():
                return history.balances()
            case TestPlace(place):
                deadline = rfc3339_text(trading.deadline_ns(venue_ns, self._valid_ns))
                return history.test_order(self._row(place.instrument), place, deadline)
            case FetchTime():
                return HttpRequest("GET", "/0/public/Time")
            case FetchInstruments():
                # A pair that is requested as XBT/USD is listed so, and histories call it by
                # the key that it has otherwise ("Get Trades History").
                symbols = command.of(self._subscription.symbols)
                return _asking("AssetPairs", ",".join(map(rules.altname_of, symbols)))
            case FetchBbos(indexes):
                names = (rules.altname_of(self._symbol(index)) for index in indexes)
                return _asking("Ticker", ",".join(names))
            case FetchPrice(symbol):
                return _asking("Ticker", rules.altname_of(symbol))
            case FetchBook(index):
                name = forms.escaped(rules.altname_of(self._symbol(index)))
                return HttpRequest("GET", "/0/public/Depth", f"pair={name}&count={DEPTH}")
        raise Misuse(f"{type(command).__name__} is not asked of Kraken")


def _asking(what: str, pairs: str) -> HttpRequest:
    return HttpRequest("GET", f"/0/public/{what}", f"pair={forms.escaped(pairs)}")


def _subscription(
    method: str, stream: Stream, symbols: Iterable[str], request_id: int
) -> WireRequest:
    """Return a request about one channel; each of its symbols is answered by itself."""
    named = [f'"{symbol}"' for symbol in symbols]
    params = f'{_CHANNELS[stream]},"symbol":[{",".join(named)}]'
    head = f'{{"method":"{method}","params":{{{params}'
    if stream is not Stream.ORDERS:
        body = f'{head}}},"req_id":{request_id}}}'
        return WireRequest(decode.MARKET, body.encode(), replies=len(named))
    head += ',"token":"'
    body = f'{head}"}},"req_id":{request_id}}}'
    return WireRequest(
        decode.MARKET, body.encode(), b"token", len(head.encode()), replies=len(named)
    )
