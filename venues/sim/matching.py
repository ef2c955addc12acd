"""Price-time priority of one symbol, and nothing else.

The book knows resting orders, prices and quantities (integers of 1e-8) and who owns them. It knows
no balances, fees, identifiers of clients, time or wire formats. Every change of a price level's
total quantity takes the next update id, the one numbering shared by depth and best-price streams.
"""

from collections import OrderedDict
from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple

from sortedcontainers import SortedDict

from venues.sim.fixed import notional

BUY: Final = True
SELL: Final = False


class SelfTrade(Enum):
    """Self-trade prevention mode of the taker (the venue's STP FAQ)."""

    NONE = "NONE"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"
    TRANSFER = "TRANSFER"
    """Of one account the same as DECREMENT; there are no trade groups here."""

    @property
    def expires_maker(self) -> bool:
        return self in {SelfTrade.EXPIRE_MAKER, SelfTrade.EXPIRE_BOTH}

    @property
    def expires_taker(self) -> bool:
        return self in {SelfTrade.EXPIRE_TAKER, SelfTrade.EXPIRE_BOTH}


class Resting:
    """An order as the book sees it: ``open_quantity`` is what it shows, ``hidden`` comes after."""

    __slots__ = ("hidden", "open_quantity", "order_id", "owner", "placed_ns", "price", "side")

    def __init__(
        self,
        order_id: int,
        owner: int,
        side: bool,
        price: int,
        open_quantity: int,
        placed_ns: int = 0,
    ) -> None:
        self.order_id = order_id
        self.owner = owner
        self.side = side
        self.price = price
        self.open_quantity = open_quantity
        self.hidden = 0
        self.placed_ns = placed_ns
        """When it took its place in the queue."""

    @property
    def left(self) -> int:
        """What may still trade, shown or not."""
        return self.open_quantity + self.hidden


class Fill(NamedTuple):
    """The taker traded ``quantity`` with ``maker`` at the maker's price."""

    maker: Resting
    price: int
    quantity: int


class Prevented(NamedTuple):
    """A self-trade did not happen; the quantities each side lost to its prevention."""

    maker: Resting
    price: int
    taker_quantity: int
    maker_quantity: int


class Best(NamedTuple):
    """Best prices and their totals at one update id; zeros where a side is empty."""

    update_id: int
    bid: int
    bid_quantity: int
    ask: int
    ask_quantity: int


class Queued(NamedTuple):
    """One change of a price's queue: an order came to it (add), changed in it (modify) or left it.

    ``quantity`` is what it shows after, or did before it left (delete).
    """

    change: str
    order_id: int
    side: bool
    price: int
    quantity: int
    placed_ns: int


class Level:
    """All resting orders of one price, oldest first, and their total."""

    __slots__ = ("orders", "total")

    def __init__(self) -> None:
        self.orders: OrderedDict[int, Resting] = OrderedDict()
        self.total = 0


class Side:
    """The price levels of one side. Keys rank best first: bids are stored negated."""

    __slots__ = ("best_key", "levels", "sign")

    def __init__(self, side: bool) -> None:
        self.sign = -1 if side is BUY else 1
        self.levels: SortedDict[int, Level] = SortedDict()
        self.best_key: int | None = None

    def find_best(self) -> None:
        self.best_key = self.levels.peekitem(0)[0] if self.levels else None

    def top(self, limit: int) -> list[tuple[int, int]]:
        """Return up to ``limit`` (price, total) pairs, best first."""
        sign = self.sign
        return [(key * sign, self.levels[key].total) for key in self.levels.islice(0, limit)]


class Book:
    """The resting orders of one symbol.

    ``changed`` collects (side, price) of every level touched; who publishes depth empties it.
    ``best_changes`` collects one Best per change of a best price or its total, ``queued`` every
    change of a queue for who publishes orders one by one; None while nobody does.
    """

    def __init__(self) -> None:
        self.bids = Side(BUY)
        self.asks = Side(SELL)
        self.update_id = 0
        self.orders: dict[int, Resting] = {}
        self.best_changes: list[Best] = []
        self.changed: set[tuple[bool, int]] = set()
        self.queued: list[Queued] | None = None

    def best(self) -> Best:
        bid, bid_quantity = self._best_of(self.bids)
        ask, ask_quantity = self._best_of(self.asks)
        return Best(self.update_id, bid, bid_quantity, ask, ask_quantity)

    def total_at(self, side: bool, price: int) -> int:
        book_side = self.bids if side else self.asks
        level = book_side.levels.get(price * book_side.sign)
        return 0 if level is None else level.total

    def would_match(self, side: bool, price: int) -> bool:
        """Whether an order of ``side`` at ``price`` would trade at once. O(1)."""
        if side:
            return self.asks.best_key is not None and self.asks.best_key <= price
        return self.bids.best_key is not None and -self.bids.best_key >= price

    def add(self, order: Resting) -> None:
        """Rest ``order`` behind all others of its price. O(log n)."""
        side = self.bids if order.side else self.asks
        key = order.price * side.sign
        level = side.levels.get(key)
        if level is None:
            level = side.levels[key] = Level()
        level.orders[order.order_id] = order
        level.total += order.open_quantity
        self.orders[order.order_id] = order
        if side.best_key is None or key < side.best_key:
            side.best_key = key
        if self.queued is not None:
            self._log("add", order)
        self._level_changed(side, order.side, key)

    def remove(self, order: Resting) -> None:
        """Take ``order`` off the book; the caller knows why. O(log n)."""
        side = self.bids if order.side else self.asks
        key = order.price * side.sign
        level = side.levels[key]
        del level.orders[order.order_id]
        del self.orders[order.order_id]
        level.total -= order.open_quantity
        if self.queued is not None:
            self._log("delete", order)
        was_best = key == side.best_key
        if not level.orders:
            del side.levels[key]
            if was_best:
                side.find_best()
        self._level_changed(side, order.side, key, was_best)

    def reduce(self, order: Resting, open_quantity: int) -> None:
        """Lower ``order`` to ``open_quantity`` > 0; it keeps its place in the queue. O(log n)."""
        side = self.bids if order.side else self.asks
        key = order.price * side.sign
        side.levels[key].total -= order.open_quantity - open_quantity
        order.open_quantity = open_quantity
        if self.queued is not None:
            self._log("modify", order)
        self._level_changed(side, order.side, key)

    def match(
        self, taker: Resting, limit: int | None, self_trade: SelfTrade
    ) -> Iterator[Fill | Prevented]:
        """Trade ``taker`` against the other side, best price and oldest order first.

        ``limit`` bounds the price; None takes any. Reduces ``taker.open_quantity`` as it goes and
        stops when that is zero, nothing matches, or self-trade prevention expires the taker.
        """
        other = self.asks if taker.side is BUY else self.bids
        sign = other.sign
        bound = None if limit is None else limit * sign
        while taker.open_quantity and other.best_key is not None:
            key = other.best_key
            if bound is not None and key > bound:
                return
            maker = next(iter(other.levels[key].orders.values()))
            price = key * sign
            if maker.owner == taker.owner and self_trade is not SelfTrade.NONE:
                yield self._prevent(taker, maker, price, self_trade)
                continue
            quantity = min(taker.open_quantity, maker.open_quantity)
            taker.open_quantity -= quantity
            self._take(maker, quantity)
            yield Fill(maker, price, quantity)

    def fillable(
        self, side: bool, quantity: int, limit: int | None, owner: int, self_trade: SelfTrade
    ) -> int:
        """Return how much of ``quantity`` an order would fill at once, changing nothing. O(n)."""
        filled = 0
        for _, available in self._reachable(side, limit, owner, self_trade):
            filled += available
            if filled >= quantity:
                return quantity
        return filled

    def cost(self, side: bool, quantity: int, owner: int, self_trade: SelfTrade) -> int:
        """Return the notional of filling ``quantity`` at once at any price. O(n)."""
        cost = 0
        for price, available in self._reachable(side, None, owner, self_trade):
            taken = min(quantity, available)
            cost += notional(price, taken)
            quantity -= taken
            if not quantity:
                break
        return cost

    def _reachable(
        self, side: bool, limit: int | None, owner: int, self_trade: SelfTrade
    ) -> Iterator[tuple[int, int]]:
        """Yield (price, quantity) an order would trade with, in matching order."""
        for maker in self.opposite(side, limit):
            if maker.owner == owner and self_trade is not SelfTrade.NONE:
                if self_trade.expires_taker:
                    return
                continue
            yield maker.price, maker.left

    def opposite(self, side: bool, limit: int | None = None) -> Iterator[Resting]:
        """Yield what an order of ``side`` would meet, in matching order."""
        other = self.asks if side is BUY else self.bids
        bound = None if limit is None else limit * other.sign
        for key, level in other.levels.items():
            if bound is not None and key > bound:
                return
            yield from level.orders.values()

    def _prevent(self, taker: Resting, maker: Resting, price: int, mode: SelfTrade) -> Prevented:
        both = min(taker.open_quantity, maker.open_quantity)
        maker_loses = maker.left if mode.expires_maker else 0
        taker_loses = taker.open_quantity if mode.expires_taker else 0
        if mode in {SelfTrade.DECREMENT, SelfTrade.TRANSFER}:
            maker_loses = taker_loses = both
        taker.open_quantity -= taker_loses
        if mode.expires_maker:
            maker.hidden = 0
        if maker_loses:
            self._take(maker, min(maker_loses, maker.open_quantity))
        return Prevented(maker, price, taker_loses, maker_loses)

    def _take(self, maker: Resting, quantity: int) -> None:
        """Reduce ``maker``; an empty order leaves the book."""
        if quantity < maker.open_quantity:
            self.reduce(maker, maker.open_quantity - quantity)
        else:
            self.remove(maker)
            maker.open_quantity = 0

    def _log(self, change: str, order: Resting) -> None:
        assert self.queued is not None  # noqa: S101 - requested before
        self.queued.append(
            Queued(
                change,
                order.order_id,
                order.side,
                order.price,
                order.open_quantity,
                order.placed_ns,
            )
        )

    def _level_changed(self, side: Side, which: bool, key: int, was_best: bool = False) -> None:
        self.update_id += 1
        self.changed.add((which, key * side.sign))
        if was_best or key == side.best_key:
            self.best_changes.append(self.best())

    @staticmethod
    def _best_of(side: Side) -> tuple[int, int]:
        key = side.best_key
        return (0, 0) if key is None else (key * side.sign, side.levels[key].total)
