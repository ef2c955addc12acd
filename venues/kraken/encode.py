"""Commands -> requests: what goes over the market connection and by REST.

Here live method names, parameters and their spelling. Neither key, signature nor token is ever part
of it.

Source: docs.kraken.com, WebSocket v2 and REST reference (pages of 2026-05-27).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from core.model.commands import (
    Command,
    FetchBook,
    FetchInstruments,
    FetchPrice,
    FetchTime,
    FetchTops,
    Ping,
    SubscribeBook,
    SubscribeMarket,
    UnsubscribeBook,
)
from core.model.errors import BadConfig, Misuse
from core.model.instrument import Instrument
from core.model.venue import HttpRequest, Stream, Subscription, WireRequest
from venues.kit import forms
from venues.kraken import decode, rules

DEPTH: Final = 100
"""Levels a side that are subscribed to, of 10, 25, 100, 500 and 1000."""

_CHANNELS: Final[dict[Stream, str]] = {
    Stream.DEPTH: f'"channel":"book","depth":{DEPTH},"snapshot":true',
    Stream.TOP: '"channel":"ticker","event_trigger":"bbo","snapshot":true',
    Stream.TRADES: '"channel":"trade","snapshot":false',
}


def feeds(streams: Iterable[Stream]) -> tuple[Stream, ...]:
    """Return which of a run's streams are subscribed to: no best prices beside whole books.

    Theirs is a time, and the books' changes have no numbers that it could be compared with.
    """
    wanted = tuple(streams)
    return tuple(s for s in wanted if s is not Stream.TOP or Stream.DEPTH not in wanted)


class Encoder:
    """Encodes the commands of one run; holds nothing but what it learned of the instruments."""

    __slots__ = ("_subscription", "_symbols")

    def __init__(self, subscription: Subscription) -> None:
        """Raises ``BadConfig`` for symbols that are none of the venue's."""
        for symbol in subscription.symbols:
            if not rules.SYMBOL.fullmatch(symbol):
                raise BadConfig(
                    f"symbols: {symbol!r} is no symbol of Kraken; they are written as in BTC/USD"
                )
        self._subscription = subscription
        self._symbols: dict[int, str] = {}

    def learn(self, instruments: Iterable[Instrument]) -> None:
        """Take instruments, new or renewed."""
        for instrument in instruments:
            self._symbols[instrument.index] = instrument.symbol

    def encode(self, command: Command, request_id: int, venue_ns: int) -> WireRequest | HttpRequest:
        """Return the request for a command; see ``core.model.venue.Adapter.encode``."""
        match command:
            case SubscribeMarket(streams):
                return self._subscribe_market(streams, request_id)
            case SubscribeBook(index):
                return _subscription("subscribe", Stream.DEPTH, [self._symbol(index)], request_id)
            case UnsubscribeBook(index):
                return _subscription("unsubscribe", Stream.DEPTH, [self._symbol(index)], request_id)
            case Ping():
                body = f'{{"method":"ping","req_id":{request_id}}}'
                return WireRequest(decode.MARKET, body.encode())
        return self.encode_rest(command, venue_ns)

    def _symbol(self, index: int) -> str:
        symbol = self._symbols.get(index)
        if symbol is None:
            raise Misuse(f"instrument {index} was never learned")
        return symbol

    def _subscribe_market(self, streams: tuple[Stream, ...], request_id: int) -> WireRequest:
        (stream,) = streams
        return _subscription("subscribe", stream, self._subscription.symbols, request_id)

    # -- REST ----------------------------------------------------------------------------------

    def encode_rest(self, command: Command, venue_ns: int) -> HttpRequest:
        """Return the REST request for a command: that of every question."""
        match command:
            case FetchTime():
                return HttpRequest("GET", "/0/public/Time")
            case FetchInstruments(also):
                return _asking("AssetPairs", ",".join((*self._subscription.symbols, *also)))
            case FetchTops(indexes):
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
    body = f'{{"method":"{method}","params":{{{params}}},"req_id":{request_id}}}'
    return WireRequest(decode.MARKET, body.encode(), replies=len(named))
