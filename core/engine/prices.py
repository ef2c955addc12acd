"""Prices of what no book values: assets that fees are paid in, and positions without a book.

Here stands which price counts an asset in another: one that the configuration states, a symbol that
it names, or the venue's own pair of the two. A pair that we trade has its price in its book; the
venue is queried for any other, slowly. What is not known is not guessed: nobody gets a price then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from core.engine.outbound import Outbound
from core.engine.turn import Turn
from core.model.commands import FetchPrice
from core.model.events import PriceTold, Reply, Verdict
from core.model.instrument import InstrumentTable
from core.model.units import NS_PER_S
from core.state.book import Book
from core.state.daily_loss import Price, Told
from core.state.inflight import InFlightRequest

PERIOD_NS = 20 * NS_PER_S
"""Between two questions for a price that is known: a fee's value hardly moves meanwhile, and ten
such prices cost 60 of 6,000 weight a minute."""

RETRY_NS = NS_PER_S
"""Between two questions for one that is not."""

GIVE_UP_NS = 300 * NS_PER_S
"""Between two questions for a pair that the venue has refused: it may begin to list it."""

MAX_SYMBOLS = 200
"""Symbols queried: two ways for each of a hundred assets, more than any fee is paid in."""

_REFUSED = (Verdict.REFUSED, Verdict.ABSENT, Verdict.FATAL)


class _Answer:
    """What the venue says of one symbol."""

    __slots__ = ("ask_ns", "decimals", "mantissa", "refused", "told_ns", "wanted_ns")

    def __init__(self) -> None:
        self.mantissa = 0
        """Of its price, at ``decimals``; 0 while it is not known."""
        self.decimals = 0
        self.told_ns = 0
        self.ask_ns = 0
        self.wanted_ns = 0
        self.refused = False
        """Whether the venue does not know it."""


class Pair:
    """One asset counted in another, and the symbols that tell how."""

    __slots__ = ("fixed", "symbols")

    def __init__(self, fixed: Price | None, symbols: tuple[Told, ...]) -> None:
        self.fixed = fixed
        """The price that is stated once and for all."""
        self.symbols = symbols
        """Which symbols tell it; the first that does is believed."""


class Prices:
    """The prices of one run."""

    def __init__(
        self,
        *,
        table: InstrumentTable,
        books: Sequence[Book],
        outbound: Outbound,
        stated: Mapping[str, Mapping[str, Price | Told]],
        symbol_of: Callable[[str, str], str],
        turn: Turn,
    ) -> None:
        """``stated`` is by quote asset and asset; ``symbol_of`` is the venue's name of a pair."""
        self._table = table
        self._books = books
        self._outbound = outbound
        self._stated = stated
        self._symbol_of = symbol_of
        self._turn = turn
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._answers: dict[str, _Answer] = {}

    # -- asking --------------------------------------------------------------------------------

    def step(self) -> None:
        """Request what is wanted and due."""
        now_ns = self._turn.now_ns
        for symbol, answer in self._answers.items():
            due = now_ns >= answer.ask_ns and now_ns - answer.wanted_ns < RETRY_NS
            if (
                due
                and not self._in_a_book(symbol)[0]
                and self._outbound.request(FetchPrice(symbol), now_ns)
            ):
                answer.ask_ns = now_ns + (PERIOD_NS if answer.mantissa else RETRY_NS)

    def on_told(self, event: PriceTold) -> None:
        answer = self._answers.get(event.symbol)
        if answer is not None and event.mantissa:
            answer.mantissa, answer.decimals = event.mantissa, event.decimals
            answer.told_ns, answer.refused = self._turn.now_ns, False

    def on_reply(self, request: InFlightRequest, reply: Reply) -> None:
        """Ask no more, for a while, for what the venue does not know."""
        if type(request.command) is FetchPrice and reply.verdict in _REFUSED:
            answer = self._answers.get(request.command.symbol)
            if answer is not None:
                answer.refused, answer.ask_ns = True, self._turn.now_ns + GIVE_UP_NS

    def want(self, asset: str, quote: str) -> None:
        """Query the venue for the price of one asset in another, where it is not known."""
        for told in self._pair(asset, quote).symbols:
            self.want_symbol(told.symbol)

    def want_symbol(self, symbol: str) -> None:
        """Have the venue queried for the price of a symbol with the next step."""
        answer = self._answers.get(symbol)
        if answer is None:
            if len(self._answers) >= MAX_SYMBOLS:
                return
            answer = self._answers[symbol] = _Answer()
        answer.wanted_ns = self._turn.now_ns

    # -- what is known -------------------------------------------------------------------------

    def of_symbol(self, symbol: str) -> tuple[int, int, int]:
        """Return mantissa, decimals and time of the price the venue has told of a symbol, (0, 0, 0)
        where it has told none.
        """
        answer = self._answers.get(symbol)
        return (0, 0, 0) if answer is None else (answer.mantissa, answer.decimals, answer.told_ns)

    def of(self, asset: str, quote: str) -> Price | None:
        """Return the price of one asset in another, ``None`` while it is not known."""
        if asset == quote:
            return _ONE
        pair = self._pair(asset, quote)
        if pair.fixed is not None:
            return pair.fixed
        for told in pair.symbols:
            mantissa, scale = self._price(told.symbol)
            if mantissa:
                return Price(scale, mantissa) if told.inverse else Price(mantissa, scale)
        return None

    def is_stated(self, asset: str, quote: str) -> bool:
        """Return whether the configuration says how one asset counts in another."""
        return asset in self._stated.get(quote, {})

    def hopeless(self, asset: str, quote: str) -> bool:
        """Whether the venue has refused every symbol that could tell."""
        answers = [self._answers.get(told.symbol) for told in self._pair(asset, quote).symbols]
        return all(answer is not None and answer.refused for answer in answers)

    def source(self, asset: str, quote: str) -> str:
        """Return where a price comes from, for people."""
        pair = self._pair(asset, quote)
        names = " or ".join(told.symbol for told in pair.symbols)
        return "the configuration's" if pair.fixed is not None else names

    def _price(self, symbol: str) -> tuple[int, int]:
        """Return the price of a symbol as mantissa and scale: of its book, else as it was told."""
        mantissa, scale = self._in_a_book(symbol)
        if mantissa:
            return mantissa, scale
        mantissa, decimals, _ = self.of_symbol(symbol)
        return mantissa, int(10**decimals)

    def _in_a_book(self, symbol: str) -> tuple[int, int]:
        """Return the middle of a book of ours, (0, 1) where there is none."""
        row = self._table.find(symbol)
        if row is not None and row.index < len(self._books):
            book = self._books[row.index]
            if book.live and book.bid_lots and book.ask_lots:
                twice = book.bid_ticks + book.ask_ticks
                return twice * row.tick.step_mantissa, int(2 * 10**row.tick.decimals)
        return 0, 1

    def _pair(self, asset: str, quote: str) -> Pair:
        pair = self._pairs.get((asset, quote))
        if pair is None:
            pair = self._pairs[asset, quote] = self._new_pair(asset, quote)
        return pair

    def _new_pair(self, asset: str, quote: str) -> Pair:
        stated = self._stated.get(quote, {}).get(asset)
        if isinstance(stated, Price):
            return Pair(stated, ())
        if stated is not None:
            return Pair(None, (stated,))
        direct = Told(self._symbol_of(asset, quote), False)
        return Pair(None, (direct, Told(self._symbol_of(quote, asset), True)))


_ONE = Price(1, 1)
