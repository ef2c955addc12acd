"""What the venue calls assets and pairs (Assets and AssetPairs, February 2026).

Over WebSockets a pair is ``BTC/USD``. Over REST it is ``XXBTZUSD``, in short ``XBTUSD``, and by its
``wsname`` ``XBT/USD``; old assets have an X or Z before their name there.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from venues.sim.accounts import STANDARD_RATE
from venues.sim.fixed import ONE
from venues.sim.kraken.numbers import fixed, plain
from venues.sim.market import CANCEL_ONLY, POST_ONLY, TRADING, Market
from venues.sim.symbols import Symbol

LIMIT_ONLY: Final = "LIMIT_ONLY"
MAINTENANCE: Final = "MAINTENANCE"
# A pair's state, and the trading engine's, in the venue's words.
STATUSES: Final = {
    TRADING: "online",
    CANCEL_ONLY: "cancel_only",
    POST_ONLY: "post_only",
    LIMIT_ONLY: "limit_only",
    MAINTENANCE: "maintenance",
}
# Values of trades have five decimals.
COST_DECIMALS: Final = 5
MIN_COST: Final = ONE // 2


class Asset(NamedTuple):
    """One asset by its names: ``BTC`` over WebSockets, ``XXBT`` over REST, ``XBT`` in short."""

    name: str
    key: str
    short: str
    decimals: int
    display: int


_OLD: Final = {
    "BTC": Asset("BTC", "XXBT", "XBT", 10, 5),
    "ETH": Asset("ETH", "XETH", "ETH", 10, 5),
    "LTC": Asset("LTC", "XLTC", "LTC", 10, 5),
    "XRP": Asset("XRP", "XXRP", "XRP", 8, 5),
    "DOGE": Asset("DOGE", "XXDG", "XDG", 8, 2),
    "USD": Asset("USD", "ZUSD", "USD", 4, 2),
    "EUR": Asset("EUR", "ZEUR", "EUR", 4, 2),
    "USDT": Asset("USDT", "USDT", "USDT", 8, 4),
}


def asset(name: str) -> Asset:
    """Return an asset by its WebSocket name; a new one has the same name everywhere."""
    return _OLD.get(name) or Asset(name, name, name, 10, 5)


class Pair:
    """The names and precisions of one market."""

    def __init__(self, number: int, market: Market) -> None:
        symbol = market.symbol
        self.number = number
        self.market = market
        self.name = symbol.name
        self.base, self.quote = asset(symbol.base), asset(symbol.quote)
        self.short = self.base.short + self.quote.short
        both_old = len(self.base.key) == 4 and self.base.key != self.base.short
        both_old = both_old and self.quote.key != self.quote.short
        self.key = self.base.key + self.quote.key if both_old else self.short
        self.old_name = f"{self.base.short}/{self.quote.short}"

    @property
    def symbol(self) -> Symbol:
        """The rules of today, which the venue's staff may change."""
        return self.market.symbol

    @property
    def price_decimals(self) -> int:
        return decimals_of(self.symbol.tick_size)

    @property
    def lot_decimals(self) -> int:
        return decimals_of(self.symbol.step_size)

    @property
    def status(self) -> str:
        return STATUSES[self.market.status]

    def instrument(self) -> dict[str, Any]:
        """Return the pair's entry of the instrument channel."""
        symbol = self.symbol
        return {
            "symbol": self.name,
            "base": self.base.name,
            "quote": self.quote.name,
            "status": self.status,
            "qty_precision": self.lot_decimals,
            "qty_increment": plain(symbol.step_size),
            "price_precision": self.price_decimals,
            "cost_precision": COST_DECIMALS,
            "marginable": False,
            "has_index": False,
            "cost_min": fixed(symbol.min_notional, 2),
            "tick_size": plain(symbol.tick_size),
            "price_increment": plain(symbol.tick_size),
            "qty_min": plain(symbol.min_quantity),
        }

    def published(self) -> dict[str, Any]:
        """Return the pair's entry of AssetPairs."""
        symbol = self.symbol
        fee = STANDARD_RATE * 100 / ONE
        return {
            "altname": self.short,
            "wsname": self.old_name,
            "aclass_base": "currency",
            "base": self.base.key,
            "aclass_quote": "currency",
            "quote": self.quote.key,
            "lot": "unit",
            "cost_decimals": COST_DECIMALS,
            "pair_decimals": self.price_decimals,
            "lot_decimals": self.lot_decimals,
            "lot_multiplier": 1,
            "leverage_buy": [],
            "leverage_sell": [],
            "fees": [[0, fee]],
            "fees_maker": [[0, fee]],
            "fee_volume_currency": "ZUSD",
            "margin_call": 80,
            "margin_stop": 40,
            "ordermin": plain_text(symbol.min_quantity),
            "costmin": plain_text(symbol.min_notional),
            "tick_size": plain_text(symbol.tick_size),
            "status": self.status,
        }


class Pairs:
    """Every pair, by all its names."""

    def __init__(self, markets: Iterable[Market]) -> None:
        self.all = [Pair(number, market) for number, market in enumerate(markets, 1)]
        self.by_name = {pair.name: pair for pair in self.all}
        self.by_number = {pair.number: pair for pair in self.all}
        self._by_any: dict[str, Pair] = {}
        for pair in self.all:
            for name in (pair.name, pair.old_name, pair.short, pair.key):
                self._by_any[name] = pair

    def find(self, name: str) -> Pair | None:
        """Return a pair by any name that REST takes."""
        return self._by_any.get(name)

    def assets(self) -> list[Asset]:
        """Return every asset that some pair trades, once."""
        found = {one.key: one for pair in self.all for one in (pair.base, pair.quote)}
        return list(found.values())


def decimals_of(step: int) -> int:
    """Return how many decimals a step of 1e-8 has."""
    return len(fixed(step, 8).rstrip("0").partition(".")[2])


def plain_text(units: int) -> str:
    """Return units of 1e-8 as text without needless zeros: ``0.00005``."""
    return fixed(units, 8).rstrip("0").rstrip(".")


SYMBOLS: Final = (
    Symbol(
        "BTC/USD",
        "BTC",
        "USD",
        tick_size=ONE // 10,
        step_size=1,
        opening_price=65_000 * ONE,
        cost_step=1_000,
        min_quantity=ONE // 20_000,
        min_notional=MIN_COST,
    ),
    Symbol(
        "ETH/USD",
        "ETH",
        "USD",
        tick_size=ONE // 100,
        step_size=1,
        opening_price=3_200 * ONE,
        cost_step=1_000,
        min_quantity=ONE // 1_000,
        min_notional=MIN_COST,
    ),
    Symbol(
        "SOL/USD",
        "SOL",
        "USD",
        tick_size=ONE // 100,
        step_size=1,
        opening_price=150 * ONE,
        cost_step=1_000,
        min_quantity=ONE // 50,
        min_notional=MIN_COST,
    ),
)
