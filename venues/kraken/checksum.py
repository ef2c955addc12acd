"""The checksum that Kraken sends with each message of a book, as a function of its best levels.

Source: docs.kraken.com, "Book checksum (WebSocket v2)": of the ten lowest asks, low to high, then
of the ten highest bids, high to low: the price and then the size at full precision, without the
point and without leading zeros, one after the other; CRC32 of that text.

A fixed number of decimals without its point and its leading zeros is the number's mantissa, so that
no decimal text is made here.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Final
from zlib import crc32

from core.model.events import Levels, Queues
from core.model.units import Grid

NO_CHECKSUM: Final = -1
"""What no levels have: a message with a level that no grid can express proves its book wrong."""


def checksum(tick: Grid, lot: Grid, price_decimals: int) -> Callable[[Levels, Levels], int]:
    """Return the checksum of levels of these grids, best first, at most ten of each side.

    ``price_decimals`` is the precision that the venue writes prices with: a step of 0.5 may be
    written with two.
    """
    price = tick.step_mantissa * int(10 ** (price_decimals - tick.decimals))
    size = lot.step_mantissa
    if price == 1 == size:
        return _of_counts

    def of_levels(bids: Levels, asks: Levels) -> int:
        return _of_counts(
            [(ticks * price, lots * size) for ticks, lots in bids],
            [(ticks * price, lots * size) for ticks, lots in asks],
        )

    return of_levels


def queue_checksum(tick: Grid, lot: Grid, price_decimals: int) -> Callable[[Queues, Queues], int]:
    """Return the checksum of the orders in these levels, best price first and first come first.

    Source: docs.kraken.com, "L3 checksum (WebSocket v2)": as that of levels, with each order of a
    level by itself.
    """
    of_levels = checksum(tick, lot, price_decimals)

    def of_queues(bids: Queues, asks: Queues) -> int:
        return of_levels(_each(bids), _each(asks))

    return of_queues


def _each(queues: Queues) -> Levels:
    return [(ticks, lots) for ticks, queue in queues for lots in queue]


_USUAL: Final = "%d" * 40
"""Ten levels of both sides: one format of all numbers is the fastest way to their text."""


def _of_counts(bids: Levels, asks: Levels) -> int:
    numbers = (*chain.from_iterable(asks), *chain.from_iterable(bids))
    form = _USUAL if 2 * len(numbers) == len(_USUAL) else "%d" * len(numbers)
    return crc32((form % numbers).encode())
