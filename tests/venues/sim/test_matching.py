"""Price-time priority, self-trade prevention, update ids."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from venues.sim.matching import BUY, SELL, Book, Fill, Prevented, Resting, SelfTrade

ANY = SelfTrade.NONE


def book_of(*orders: tuple[int, int, bool, int, int]) -> Book:
    book = Book()
    for order in orders:
        book.add(Resting(*order))
    return book


def fills(steps: Iterable[Fill | Prevented]) -> list[tuple[int, int, int]]:
    return [
        (step.maker.order_id, step.price, step.quantity) for step in steps if isinstance(step, Fill)
    ]


def test_better_prices_trade_first() -> None:
    book = book_of((1, 9, SELL, 102, 5), (2, 9, SELL, 101, 5), (3, 9, SELL, 103, 5))
    taker = Resting(4, 8, BUY, 103, 12)
    assert fills(book.match(taker, 103, ANY)) == [(2, 101, 5), (1, 102, 5), (3, 103, 2)]
    assert book.best().ask_quantity == 3


def test_older_orders_trade_first_at_one_price() -> None:
    book = book_of((1, 9, BUY, 100, 5), (2, 9, BUY, 100, 5))
    assert fills(book.match(Resting(3, 8, SELL, 100, 7), 100, ANY)) == [(1, 100, 5), (2, 100, 2)]


def test_a_limit_is_never_traded_through() -> None:
    book = book_of((1, 9, SELL, 101, 5))
    taker = Resting(2, 8, BUY, 100, 5)
    assert fills(book.match(taker, 100, ANY)) == []
    assert taker.open_quantity == 5


def test_a_reduced_order_keeps_its_place() -> None:
    book = book_of((1, 9, BUY, 100, 5), (2, 9, BUY, 100, 5))
    book.reduce(book.orders[1], 2)
    assert fills(book.match(Resting(3, 8, SELL, 100, 3), 100, ANY)) == [(1, 100, 2), (2, 100, 1)]


def test_every_level_change_takes_the_next_update_id() -> None:
    book = book_of((1, 9, BUY, 100, 5), (2, 9, BUY, 99, 5))
    assert book.update_id == 2
    book.reduce(book.orders[1], 1)
    book.remove(book.orders[2])
    assert book.update_id == 4


def test_best_changes_hold_price_and_total_after_each_change() -> None:
    book = book_of((1, 9, BUY, 100, 5), (2, 9, BUY, 99, 7), (3, 9, BUY, 100, 1))
    book.remove(book.orders[1])
    book.remove(book.orders[3])
    assert [(best.update_id, best.bid, best.bid_quantity) for best in book.best_changes] == [
        (1, 100, 5),
        (3, 100, 6),
        (4, 100, 1),
        (5, 99, 7),
    ]


def test_expire_maker_takes_own_orders_off_and_goes_on() -> None:
    book = book_of((1, 8, SELL, 101, 5), (2, 9, SELL, 101, 5))
    taker = Resting(3, 8, BUY, 101, 4)
    first, second = book.match(taker, 101, SelfTrade.EXPIRE_MAKER)
    assert isinstance(first, Prevented)
    assert (first.taker_quantity, first.maker_quantity) == (0, 5)
    assert isinstance(second, Fill)
    assert second.maker.order_id == 2


def test_expire_taker_stops_before_own_orders() -> None:
    book = book_of((1, 9, SELL, 101, 5), (2, 8, SELL, 101, 5))
    taker = Resting(3, 8, BUY, 101, 9)
    fill, prevented = book.match(taker, 101, SelfTrade.EXPIRE_TAKER)
    assert isinstance(fill, Fill)
    assert isinstance(prevented, Prevented)
    assert (prevented.taker_quantity, prevented.maker_quantity) == (4, 0)
    assert taker.open_quantity == 0
    assert book.orders[2].open_quantity == 5


def test_expire_both_ends_both() -> None:
    book = book_of((1, 8, SELL, 101, 5))
    taker = Resting(2, 8, BUY, 101, 9)
    (prevented,) = book.match(taker, 101, SelfTrade.EXPIRE_BOTH)
    assert isinstance(prevented, Prevented)
    assert (prevented.taker_quantity, prevented.maker_quantity) == (9, 5)
    assert not book.orders


def test_decrement_takes_the_same_from_both() -> None:
    book = book_of((1, 8, SELL, 101, 5))
    taker = Resting(2, 8, BUY, 101, 9)
    (prevented,) = book.match(taker, 101, SelfTrade.DECREMENT)
    assert isinstance(prevented, Prevented)
    assert (prevented.taker_quantity, prevented.maker_quantity) == (5, 5)
    assert taker.open_quantity == 4


def test_fillable_and_cost_follow_self_trade_prevention() -> None:
    book = book_of((1, 9, SELL, 1_00000000, 5), (2, 8, SELL, 2_00000000, 5))
    assert book.fillable(BUY, 10, None, 8, SelfTrade.NONE) == 10
    assert book.fillable(BUY, 10, 1_00000000, 8, SelfTrade.NONE) == 5
    assert book.fillable(BUY, 10, None, 8, SelfTrade.EXPIRE_TAKER) == 5
    assert book.cost(BUY, 10, 8, SelfTrade.NONE) == 5 * 1 + 5 * 2
    assert book.cost(BUY, 10, 8, SelfTrade.EXPIRE_MAKER) == 5


orders = st.lists(
    st.tuples(
        st.integers(1, 3),  # owner
        st.booleans(),  # side
        st.integers(95, 105),  # price
        st.integers(1, 9),  # quantity
        st.sampled_from(list(SelfTrade)),
        st.booleans(),  # cancel a resting order before
    ),
    max_size=40,
)


@settings(max_examples=100)
@given(orders)
def test_book_is_never_crossed_and_quantities_are_conserved(
    commands: list[tuple[int, bool, int, int, SelfTrade, bool]],
) -> None:
    book = Book()
    for order_id, (owner, side, price, quantity, mode, cancel) in enumerate(commands):
        if cancel and book.orders:
            book.remove(next(iter(book.orders.values())))
        resting_before = sum(order.open_quantity for order in book.orders.values())
        taker = Resting(order_id, owner, side, price, quantity)
        last_key: tuple[int, int] | None = None
        maker_lost = taker_lost = 0
        for step in book.match(taker, price, mode):
            key = (step.price if side is BUY else -step.price, step.maker.order_id)
            assert last_key is None or key >= last_key
            last_key = key
            if isinstance(step, Fill):
                assert step.quantity > 0
                assert mode is SelfTrade.NONE or step.maker.owner != owner
                maker_lost += step.quantity
                taker_lost += step.quantity
            else:
                assert step.maker.owner == owner
                maker_lost += step.maker_quantity
                taker_lost += step.taker_quantity
        assert taker.open_quantity == quantity - taker_lost
        resting = sum(order.open_quantity for order in book.orders.values())
        assert resting == resting_before - maker_lost
        if taker.open_quantity:
            assert not book.would_match(side, price)
            book.add(taker)
        best = book.best()
        assert not (best.bid and best.ask) or best.bid < best.ask
        check_levels(book)


def check_levels(book: Book) -> None:
    """Totals, best keys and the order table agree."""
    seen: set[int] = set()
    for side in (book.bids, book.asks):
        assert side.best_key == (side.levels.peekitem(0)[0] if side.levels else None)
        for level in side.levels.values():
            assert level.orders
            assert level.total == sum(order.open_quantity for order in level.orders.values())
            seen |= level.orders.keys()
    assert seen == book.orders.keys()
