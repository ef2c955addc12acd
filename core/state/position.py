"""Position, fees and PnL of one instrument, from fills and nothing else.

Here lives the one place where a fill moves a position. Every channel (stream, reply, query,
reconciliation) tells fills here in any order and any number of times; each counts once, also after
its order has ended. What never lives here: orders, account balances (deposits move those, too),
prices of its own: the mark is an argument.

All sums are integers: lots, units of the contract, atoms of the fee's asset. They are sums over a
set of fills, so their order cannot matter.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right, insort
from collections.abc import Mapping
from fractions import Fraction

from core.model.commands import Since
from core.model.contract import Contract
from core.model.events import Fill, Side
from core.model.units import NS_PER_S

KEPT_IDS = 131_072
"""Trades remembered for each side, some 15 MB. When they are full the older half is forgotten, so
the newest 65,536 fills of a side are always known one by one; see ``TradeIds``."""


BACKWARDS_NS = NS_PER_S
"""By so much later than a trade of a higher rank, and a trade is of numbers that begin anew: the
same trade is told with times that differ by milliseconds, and no venue is set up anew in a second.
"""

_LOWEST = -(2**63)
"""Below every rank."""


class TradeIds:
    """Which trades were counted: their ids, and a floor of rank under which all count as known.

    Safe because the trades of a symbol ascend in rank: one at or under the floor is older than tens
    of thousands of our own fills on this side. News are late by seconds and reconciliation by
    minutes, while that many fills take hours, so what comes from down there is a repetition. Above
    the floor the id alone decides: trades of one moment may share their rank. A new trade nearly
    always has the highest rank: O(1); a late one is O(n), some 10 us.

    A venue may begin its numbers anew (a testnet does, every month). Trades of before are told from
    those since by their time, ``begin_anew``.

    What is in no history of trades (an allocation) is known by its id, and told once: no floor says
    anything of it, whatever its rank.
    """

    __slots__ = ("_anew_ns", "_floor", "_former", "_known", "_ranks")

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        """The rank of each id, in the order in which they were told. The collector looks at no dict
        of texts and numbers, nor at an array."""
        self._ranks: array[int] = array("q")
        """The same ranks, ascending."""
        self._floor = _LOWEST
        self._former: TradeIds | None = None
        self._anew_ns = 0

    def add(self, trade_id: str, rank: int, venue_ns: int, *, listed: bool = True) -> bool:
        """Remember a trade; ``False`` when it was known. What has no id is no trade."""
        if venue_ns <= self._anew_ns and self._former is not None:
            return self._former.add(trade_id, rank, venue_ns, listed=listed)
        known = self._known
        if (rank <= self._floor and listed) or trade_id in known or not trade_id:
            return False
        known[trade_id] = rank
        ranks = self._ranks
        if not ranks or rank >= ranks[-1]:
            ranks.append(rank)
        else:
            insort(ranks, rank)
        if len(ranks) > KEPT_IDS:
            self._forget_up_to(ranks[KEPT_IDS // 2])
        return True

    def _forget_up_to(self, floor: int) -> None:
        self._floor = floor
        del self._ranks[: bisect_right(self._ranks, floor)]
        self._known = {trade_id: rank for trade_id, rank in self._known.items() if rank > floor}

    def begin_anew(self, after_ns: int) -> None:
        """Whatever was traded after ``after_ns`` is numbered from the beginning again.

        Of several such times only the last is told apart: what is older is forgotten.
        """
        former = TradeIds()
        former._known, former._ranks, former._floor = self._known, self._ranks, self._floor
        self._former, self._anew_ns = former, after_ns
        self._known, self._ranks, self._floor = {}, array("q"), _LOWEST

    def knows(self, trade_id: str, rank: int) -> bool:
        """Whether a trade is remembered, or lies under the floor."""
        return rank <= self._floor or trade_id in self._known

    def newest(self, count: int) -> dict[str, int]:
        """Return the ``count`` trades of highest rank, ids and ranks, ascending.

        More than those are returned where several share the lowest of these ranks.
        """
        floor = self.floor_under(count)
        wanted = len(self._ranks) - bisect_right(self._ranks, floor)
        found: list[tuple[int, str]] = []
        for trade_id in reversed(self._known):  # told last, and so nearly always the highest
            if len(found) == wanted:
                break
            rank = self._known[trade_id]
            if rank > floor:
                found.append((rank, trade_id))
        return {trade_id: rank for rank, trade_id in sorted(found)}

    def count_above(self, rank: int) -> int:
        """Return how many trades have a higher rank."""
        return len(self._ranks) - bisect_right(self._ranks, rank)

    def floor_under(self, count: int) -> int:
        """Return up to which rank all count as known to who knows the ``newest`` alone.

        Where all trades fit in there it is our own: below the first fill of all nothing is known.
        """
        ranks = self._ranks
        return ranks[-count] - 1 if len(ranks) > count else self._floor

    def restore(self, known: Mapping[str, int], floor: int | None) -> None:
        """Know these, and everything up to ``floor``; ``None`` is just under the lowest of them."""
        self._known = dict(sorted(known.items(), key=lambda item: (item[1], item[0])))
        self._ranks = array("q", self._known.values())
        if floor is None:
            floor = self._ranks[0] - 1 if known else _LOWEST
        self._floor = floor


class Position:
    """What a run has traded on one instrument; a ``core.model.views.PositionView``.

    A trade has two sides and we may have been on both, so a fill is known by trade id and side;
    and by its time, where the venue's numbers begin anew.
    """

    __slots__ = (
        "_buys",
        "_fundings",
        "_newest_id",
        "_newest_ns",
        "_newest_rank",
        "_sells",
        "anew_ns",
        "bought_lots",
        "bought_value",
        "contract",
        "fees_atoms",
        "funding_atoms",
        "lots",
        "renumbered",
        "settled_lots",
        "settled_ticks",
        "since_ns",
        "sold_lots",
        "sold_value",
    )

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        """What its values count in, for as long as it is counted."""
        self.lots = 0
        """Bought minus sold."""
        self.bought_lots = 0
        self.sold_lots = 0
        self.bought_value = 0
        """Value of all buys, in value units of the contract."""
        self.sold_value = 0
        self.fees_atoms: dict[str, int] = {}
        """Fees paid by asset; a rebate is negative."""
        self.funding_atoms = 0
        """What holding it was paid for, in atoms of the settlement asset; below zero it has cost.
        No part of the values bought and sold."""
        self.settled_lots = 0
        """What of it the venue has closed: bought less sold, and in those sums with the value."""
        self.settled_ticks: Fraction | None = None
        """The price of that, ``None`` where nothing was settled."""
        self.since_ns = 0
        """As of when it was begun or set, by the venue's clock; 0 where that is not known."""
        self.anew_ns = 0
        """Up to when trades have numbers of before, which no note tells of: all are counted."""
        self._newest_id, self._newest_rank, self._newest_ns = "", _LOWEST, 0
        self.renumbered = 0
        """How often the venue's numbers have begun anew."""
        self._buys = TradeIds()
        self._sells = TradeIds()
        self._fundings = TradeIds()

    def on_funding(self, funding_id: str, atoms: int, venue_ns: int) -> bool:
        """Count what was paid for holding it; ``False`` when it was counted before."""
        if not self._fundings.add(funding_id, venue_ns, venue_ns):
            return False
        self.funding_atoms += atoms
        return True

    def settle(self, ticks: Fraction) -> None:
        """The venue closes it at a price, and what is told late of it as well."""
        self.settled_ticks = ticks
        self.close_settled()

    def close_settled(self) -> None:
        """Close what is held, where the venue has settled: a fill of before was told late."""
        if self.settled_ticks is None or not self.lots:
            return
        bought, sold = self.contract.closed(self.settled_ticks, self.lots)
        self.bought_value += bought
        self.sold_value += sold
        if self.lots > 0:
            self.sold_lots += self.lots
        else:
            self.bought_lots -= self.lots
        self.settled_lots += self.lots
        self.lots = 0

    def on_fill(self, side: Side, fill: Fill) -> bool:
        """Count a fill; ``False``, and nothing changes, when it was counted before."""
        lots, venue_ns = fill.lots, fill.venue_ns
        if fill.listed:
            self._look_at_rank(fill)
        if side > 0:
            if not self._buys.add(fill.trade_id, fill.rank, venue_ns, listed=fill.listed):
                return False
            self.lots += lots
            self.bought_lots += lots
            self.bought_value += self.contract.bought(fill.price_ticks, lots)
        else:
            if not self._sells.add(fill.trade_id, fill.rank, venue_ns, listed=fill.listed):
                return False
            self.lots -= lots
            self.sold_lots += lots
            self.sold_value += self.contract.sold(fill.price_ticks, lots)
        if fill.fee_atoms:
            fees = self.fees_atoms
            fees[fill.fee_asset] = fees.get(fill.fee_asset, 0) + fill.fee_atoms
        for asset, atoms in fill.also:
            self.fees_atoms[asset] = self.fees_atoms.get(asset, 0) + atoms
        return True

    def _look_at_rank(self, fill: Fill) -> None:
        """Follow the highest rank; a lower one much later says that the numbers begin anew."""
        if fill.rank <= self._newest_rank:
            if self._newest_ns <= 0 or fill.venue_ns <= self._newest_ns + BACKWARDS_NS:
                return
            self.begin_anew()
        self._newest_id, self._newest_rank = fill.trade_id, fill.rank
        self._newest_ns = fill.venue_ns

    def begin_anew(self) -> None:
        """The venue numbers its trades from the beginning again: no id tells a repetition now."""
        self._buys.begin_anew(self._newest_ns)
        self._sells.begin_anew(self._newest_ns)
        self.anew_ns = max(self.anew_ns, self._newest_ns)
        self._newest_id, self._newest_rank, self._newest_ns = "", _LOWEST, 0
        self.renumbered += 1

    @property
    def newest(self) -> Since | None:
        """The counted trade of the highest rank, ``None`` for none."""
        if not self._newest_id:
            return None
        return Since(self._newest_id, self._newest_rank, self._newest_ns)

    def knows(self, side: Side, trade_id: str, rank: int) -> bool:
        """Whether a trade is counted already, whatever its time."""
        return (self._buys if side > 0 else self._sells).knows(trade_id, rank)

    def recent(self, bought: bool, count: int) -> dict[str, int]:
        """Return the newest trades of one side, ids and ranks, ascending."""
        return (self._buys if bought else self._sells).newest(count)

    def count_above(self, bought: bool, rank: int) -> int:
        """Return how many trades of one side have a higher rank."""
        return (self._buys if bought else self._sells).count_above(rank)

    def floor_under(self, bought: bool, count: int) -> int:
        """Return up to which rank of one side all count as known beside its newest ``count``."""
        return (self._buys if bought else self._sells).floor_under(count)

    def fundings(self, count: int) -> dict[str, int]:
        """Return the newest payments that are counted, ids and times, ascending."""
        return self._fundings.newest(count)

    def fundings_floor(self, count: int) -> int:
        """Return up to which time all count as known beside the newest ``count``."""
        return self._fundings.floor_under(count)

    def restore_fundings(self, atoms: int, known: Mapping[str, int], floor: int | None) -> None:
        """Go on from what an earlier boot was paid, and has paid, for holding it."""
        self.funding_atoms = atoms
        self._fundings.restore(known, floor)

    def restore(
        self,
        *,
        bought_lots: int,
        sold_lots: int,
        bought_value: int,
        sold_value: int,
        fees_atoms: Mapping[str, int],
        buys: Mapping[str, int],
        sells: Mapping[str, int],
        newest: Since | None,
        buy_floor: int | None = None,
        sell_floor: int | None = None,
        since_ns: int = 0,
    ) -> None:
        """Go on from what an earlier boot has counted: its newest fills, by id and rank.

        All up to ``*_floor`` count as known, too; ``None`` is just under the oldest of those.
        ``newest`` is the last of all where that is known, with its time; ``since_ns`` is as of when
        the position was begun or set, 0 where it is not known.
        """
        self.since_ns = since_ns
        if newest is not None:
            self._newest_id, self._newest_rank = newest.trade_id, newest.rank
            self._newest_ns = newest.venue_ns
        self.lots = bought_lots - sold_lots
        self.bought_lots = bought_lots
        self.sold_lots = sold_lots
        self.bought_value = bought_value
        self.sold_value = sold_value
        self.fees_atoms = dict(fees_atoms)
        self._buys.restore(buys, buy_floor)
        self._sells.restore(sells, sell_floor)

    @property
    def cost(self) -> int:
        """Units bought less sold: on spot what ``lots`` have cost, fees aside."""
        return self.bought_value - self.sold_value

    def pnl(self, mark_ticks: int) -> int:
        """Return PnL in units of the contract, fees aside, with ``lots`` at ``mark_ticks``."""
        return self.contract.pnl(self.bought_value, self.sold_value, self.lots, mark_ticks)
