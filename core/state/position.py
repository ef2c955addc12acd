"""Position, fees and profit of one instrument, from fills and nothing else.

Here lives the one place where a fill moves a position. Every channel (stream, reply, query,
reconciliation) tells fills here in any order and any number of times; each counts once, also after
its order has ended. What never lives here: orders, account balances (deposits move those, too),
prices of its own: the mark is an argument.

All sums are integers: lots, quote units (ticks * lots), atoms of the fee's asset. They are sums
over a set of fills, so their order cannot matter.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from core.model.events import Fill, Side
from core.model.units import NS_PER_S

KEPT_IDS = 131_072
"""Trade ids remembered for each side, 1 MB. When they are full the older half is forgotten, so the
newest 65,536 fills of a side are always known one by one; see ``TradeIds``."""


BACKWARDS_NS = NS_PER_S
"""By so much later than a trade of a higher number, and a trade is of numbers that begin anew: the
same trade is told with times that differ by milliseconds, and no venue is set up anew in a second.
"""

_LOWEST = -(2**63)
_NONE = -1
"""In the place of an id: what has none is no trade."""


class TradeIds:
    """Which trades were counted: ascending ids, and a floor under which all count as known.

    Safe because a venue numbers the trades of a symbol in ascending order: an id at or under the
    floor is older than tens of thousands of our own fills on this side. News are late by seconds
    and reconciliation by minutes, while that many fills take hours, so what comes from down there
    is a repetition. A new id is nearly always the highest: O(1); a late one is O(n), some 10 us.

    A venue may begin its numbers anew (a testnet does, every month). Ids of before are told from
    those since by their time, ``begin_anew``.

    What was filled without a trade (an allocation) has a number below zero, and falling. It is
    known one by one, and told once: no floor says anything of it.
    """

    __slots__ = ("_anew_ns", "_floor", "_former", "_ids")

    def __init__(self) -> None:
        self._ids: array[int] = array("q")
        self._floor = _LOWEST
        self._former: TradeIds | None = None
        self._anew_ns = 0

    def add(self, trade_id: int, venue_ns: int) -> bool:
        """Remember an id; ``False`` when it was known."""
        if venue_ns <= self._anew_ns and self._former is not None:
            return self._former.add(trade_id, venue_ns)
        if _NONE < trade_id <= self._floor or trade_id == _NONE:
            return False
        ids = self._ids
        if not ids or trade_id > ids[-1]:
            ids.append(trade_id)
        else:
            place = bisect_left(ids, trade_id)
            if ids[place] == trade_id:
                return False
            ids.insert(place, trade_id)
        if len(ids) > KEPT_IDS:
            self._floor = ids[KEPT_IDS // 2]
            del ids[: KEPT_IDS // 2 + 1]
        return True

    def begin_anew(self, after_ns: int) -> None:
        """Whatever was traded after ``after_ns`` is numbered from the beginning again.

        Of several such times only the last is told apart: what is older is forgotten.
        """
        former = TradeIds()
        former._ids, former._floor = self._ids, self._floor
        self._former, self._anew_ns = former, after_ns
        self._ids, self._floor = array("q"), _LOWEST

    def knows(self, trade_id: int) -> bool:
        """Whether an id is remembered, or lies under the floor."""
        ids = self._ids
        place = bisect_left(ids, trade_id)
        known = place < len(ids) and ids[place] == trade_id
        return known or _NONE < trade_id <= self._floor

    def newest(self, count: int) -> list[int]:
        """Return up to ``count`` of the highest ids, ascending."""
        return list(self._ids[-count:])

    def floor_under(self, count: int) -> int:
        """Return the id up to which all count as known to who knows the ``newest`` alone.

        Where all ids fit in there it is our own: below the first fill of all nothing is known.
        """
        ids = self._ids
        return ids[-count] - 1 if len(ids) > count else self._floor

    def restore(self, ids: Sequence[int], floor: int | None) -> None:
        """Know these, and everything up to ``floor``; ``None`` is just under the lowest of them."""
        self._ids = array("q", sorted(ids))
        if floor is None:
            floor = self._ids[0] - 1 if ids else _LOWEST
        self._floor = floor


class Position:
    """What a run has traded on one instrument; a ``core.model.views.PositionView``.

    A trade has two sides and we may have been on both, so a fill is known by trade id and side;
    and by its time, where the venue's numbers begin anew.
    """

    __slots__ = (
        "_buys",
        "_sells",
        "bought_lots",
        "bought_quote_units",
        "fees_atoms",
        "lots",
        "newest_id",
        "newest_ns",
        "renumbered",
        "since_ns",
        "sold_lots",
        "sold_quote_units",
    )

    def __init__(self) -> None:
        self.lots = 0
        """Bought minus sold."""
        self.bought_lots = 0
        self.sold_lots = 0
        self.bought_quote_units = 0
        """Sum of price_ticks * lots over all buys."""
        self.sold_quote_units = 0
        self.fees_atoms: dict[str, int] = {}
        """Fees paid by asset; a rebate is negative."""
        self.newest_id = -1
        """The highest trade id that is counted, -1 for none, and the venue's time of it."""
        self.newest_ns = 0
        self.since_ns = 0
        """As of when it was begun or set, by the venue's clock; 0 where that is not known."""
        self.renumbered = 0
        """How often the venue's numbers have begun anew."""
        self._buys = TradeIds()
        self._sells = TradeIds()

    def on_fill(self, side: Side, fill: Fill) -> bool:
        """Count a fill; ``False``, and nothing changes, when it was counted before."""
        lots, trade_id, venue_ns = fill.lots, fill.trade_id, fill.venue_ns
        if trade_id > self.newest_id:
            self.newest_id, self.newest_ns = trade_id, venue_ns
        elif venue_ns > self.newest_ns + BACKWARDS_NS and self.newest_ns > 0 and trade_id >= 0:
            self.begin_anew()
            self.newest_id, self.newest_ns = trade_id, venue_ns
        if side > 0:
            if not self._buys.add(trade_id, venue_ns):
                return False
            self.lots += lots
            self.bought_lots += lots
            self.bought_quote_units += fill.price_ticks * lots
        else:
            if not self._sells.add(trade_id, venue_ns):
                return False
            self.lots -= lots
            self.sold_lots += lots
            self.sold_quote_units += fill.price_ticks * lots
        if fill.fee_atoms:
            fees = self.fees_atoms
            fees[fill.fee_asset] = fees.get(fill.fee_asset, 0) + fill.fee_atoms
        return True

    def begin_anew(self) -> None:
        """The venue numbers its trades from the beginning again: no id tells a repetition now."""
        self._buys.begin_anew(self.newest_ns)
        self._sells.begin_anew(self.newest_ns)
        self.newest_id, self.newest_ns = -1, 0
        self.renumbered += 1

    def knows(self, side: Side, trade_id: int) -> bool:
        """Whether a trade is counted already, by its number alone."""
        return (self._buys if side > 0 else self._sells).knows(trade_id)

    def recent_ids(self, bought: bool, count: int) -> list[int]:
        """Return the newest trade ids of one side, ascending."""
        return (self._buys if bought else self._sells).newest(count)

    def floor_under(self, bought: bool, count: int) -> int:
        """Return up to which id of one side all count as known beside its newest ``count``."""
        return (self._buys if bought else self._sells).floor_under(count)

    def restore(
        self,
        *,
        bought_lots: int,
        sold_lots: int,
        bought_quote_units: int,
        sold_quote_units: int,
        fees_atoms: Mapping[str, int],
        buy_ids: Sequence[int],
        sell_ids: Sequence[int],
        newest_ns: int,
        buy_floor: int | None = None,
        sell_floor: int | None = None,
        since_ns: int = 0,
    ) -> None:
        """Go on from what an earlier boot has counted; ``*_ids`` are its newest fills.

        All up to ``*_floor`` count as known, too; ``None`` is just under the oldest of those.
        ``newest_ns`` is the venue's time of the last of them, 0 where it is not known, ``since_ns``
        as of when the position was begun or set, likewise.
        """
        self.newest_id = max([-1, *buy_ids, *sell_ids])
        self.newest_ns = newest_ns
        self.since_ns = since_ns
        self.lots = bought_lots - sold_lots
        self.bought_lots = bought_lots
        self.sold_lots = sold_lots
        self.bought_quote_units = bought_quote_units
        self.sold_quote_units = sold_quote_units
        self.fees_atoms = dict(fees_atoms)
        self._buys.restore(buy_ids, buy_floor)
        self._sells.restore(sell_ids, sell_floor)

    @property
    def cost_quote_units(self) -> int:
        """Quote units paid minus received: what ``lots`` have cost, fees aside."""
        return self.bought_quote_units - self.sold_quote_units

    def profit(self, mark_ticks: int) -> int:
        """Return profit in quote units, fees aside, with ``lots`` worth ``mark_ticks`` each."""
        return self.sold_quote_units - self.bought_quote_units + self.lots * mark_ticks
